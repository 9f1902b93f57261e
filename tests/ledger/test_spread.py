"""Where data may have got to: the same places as by trying every way."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from flowtrack.audit.spread import Place, Step, spread

DAY = date(2026, 3, 1)
PLACES = [
    Place("service", "a"),
    Place("dataset", "b"),
    Place("service", "c"),
    Place("party", "d"),
    Place("dataset", "e"),
]


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """A step on one day or several of two weeks."""
    first = draw(st.integers(0, 13))
    last = draw(st.integers(first, 13))
    source, target = draw(st.sampled_from(PLACES)), draw(st.sampled_from(PLACES))
    return Step(source, target, draw(st.sampled_from("xy")), DAY + timedelta(first), DAY + timedelta(last))


def every_way(place: Place, category: str, on: date, taken: list[Step], hops: int) -> dict[Place, int]:
    """The places that data gets to from one, by every way there is, with the fewest steps to each."""
    found = {place: 0}
    for step in taken if hops else []:
        if (step.source, step.category) == (place, category) and step.last >= on:
            ways = every_way(step.target, category, max(on, step.first), taken, hops - 1)
            for there, count in ways.items():
                found[there] = min(count + 1, found.get(there, count + 1))
    return found


@given(st.lists(steps(), max_size=6), st.integers(0, 13), st.integers(1, 4))
def test_the_places_are_those_of_every_way(taken: list[Step], since: int, hops_max: int) -> None:
    """A longer way that is earlier leads on to where the shorter one is too late for."""
    found = spread(PLACES[0], ["x", "y"], taken, DAY + timedelta(since), hops_max)
    for category in "xy":
        ways = every_way(PLACES[0], category, DAY + timedelta(since), taken, hops_max)
        assert {place for place, arrival in found.items() if category in arrival.categories} == set(ways)
        assert all(found[place].hops <= count for place, count in ways.items())


def test_an_earlier_arrival_by_a_longer_way_goes_on() -> None:
    """By way of a service the data is in the dataset on the first day, so it is in what left there on the second."""
    start, way, held, party = PLACES[:4]
    taken = [
        Step(start, held, "x", DAY + timedelta(5), DAY + timedelta(5)),
        Step(start, way, "x", DAY, DAY),
        Step(way, held, "x", DAY, DAY),
        Step(held, party, "x", DAY + timedelta(1), DAY + timedelta(1)),
    ]
    assert party in spread(start, ["x"], taken, DAY, 8)
