"""How violations are planted: each is a flow that would be permitted, but for one thing.

The table of them stands in `violations`; this module finds the people and instants that each needs, and writes the
truth down beside the event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from flowtrack.domain.names import Kind
from flowtrack.sample.cast import Person
from flowtrack.sample.diary import Data
from flowtrack.sample.options import HOUR_US, MINUTE_US
from flowtrack.sample.scene import Scene
from flowtrack.sample.truth import Violation

Prepare = Callable[[Scene, Person, int], None]
"""Gives a reserved member the consent records that a plant needs before its instant."""
Cast = Callable[[Scene], "Role | None"]
"""Finds somebody and an instant; None where the day holds nobody of the kind."""


class Role(NamedTuple):
    """Whom and when."""

    subject: str
    time_us: int
    person: Person | None = None


@dataclass(frozen=True, slots=True)
class Plant:
    """One kind of violation."""

    planted: str
    clause: str
    why: str
    """The reason expected; with `gap` the gap code."""
    service: str
    kind: Kind
    data: Callable[[Scene, int], Data] | Data
    """The event's data, or what makes it at an instant."""
    who: Cast
    bad: Sequence[str] = ()
    """The categories that must not pass; empty means all."""
    prepare: Prepare | None = None
    """Set where a reserved member has to be made to measure."""
    gap: bool = False


def sow(scene: Scene, plants: Sequence[Plant]) -> list[Violation]:
    """Plant each kind several times: about one event in a hundred, and no fewer than two of each where possible."""
    wanted = max(2, scene.options.events // 100 // len(plants))
    to_measure = [plant for plant in plants if plant.prepare is not None]
    measured = min(wanted, len(scene.cast.reserved) // len(to_measure))
    found: list[Violation] = []
    for plant in to_measure:  # first: afterwards what is left of the reserve counts among all the others
        for _ in range(measured):
            found += _sow_one(scene, plant)
    for plant in plants:
        if plant.prepare is None:
            for _ in range(wanted):
                found += _sow_one(scene, plant)
    return found


def _sow_one(scene: Scene, plant: Plant) -> list[Violation]:
    role = plant.who(scene)
    if role is None:
        return []
    if plant.prepare is not None and role.person is not None:
        plant.prepare(scene, role.person, role.time_us)
    data = plant.data(scene, role.time_us) if callable(plant.data) else plant.data
    event_id = scene.diary.event(role.subject, role.time_us, plant.service, plant.kind, data)
    categories = plant.bad or data["categories"]
    if not isinstance(categories, list | tuple):
        raise TypeError("a plant's categories are a list")
    return [
        Violation(
            event_id,
            role.subject,
            str(category),
            "indeterminate" if plant.gap else "deny",
            plant.clause,
            "" if plant.gap else plant.why,
            plant.why if plant.gap else "",
            plant.planted,
        )
        for category in categories
    ]


_TRIES = 2_000


def _search(scene: Scene, fits: Callable[[Person, int], bool], until_hour: int = 23) -> Role | None:
    for _ in range(_TRIES):
        person = scene.rng.choice(scene.cast.people)
        time_us = _moment(scene, until_hour)
        if fits(person, time_us):
            return Role(person.subject, time_us, person)
    return None


def _moment(scene: Scene, until_hour: int = 23) -> int:
    """An instant between six in the morning and an hour of the evening, in Seoul."""
    return scene.options.start_us + scene.rng.randrange(6 * 3_600_000, until_hour * 3_600_000) * 1_000


def member(scene: Scene) -> Role | None:
    """A member who uses the platform, of known country, and has never opted out."""
    return _search(scene, lambda person, at: bool(person.country) and not person.opt_outs and person.using(at))


def early_member(scene: Scene) -> Role | None:
    """The same, before five in the afternoon."""
    return _search(scene, lambda person, at: bool(person.country) and not person.opt_outs and person.using(at), 17)


def morning_member(scene: Scene) -> Role | None:
    """The same, before eleven in the morning."""
    return _search(scene, lambda person, at: bool(person.country) and not person.opt_outs and person.using(at), 11)


def placeless(scene: Scene) -> Role | None:
    """A visitor or member whose country no record says."""
    return _search(scene, lambda person, at: not person.country and not person.opt_outs and person.using(at))


def closed(scene: Scene) -> Role | None:
    """A former member who closed the account."""
    return _search(
        scene,
        lambda person, at: not person.rejected_terms and any(gone <= at < back for gone, back in person.away),
    )


def rejecting(scene: Scene) -> Role | None:
    """A former member who rejected the new terms."""
    return _search(
        scene, lambda person, at: person.rejected_terms and any(gone <= at < back for gone, back in person.away)
    )


def opted_out(scene: Scene) -> Role | None:
    """A member who has opted out of all recommendation."""
    return _search(
        scene,
        lambda person, at: (
            person.using(at)
            and any(out.purpose == "recommendation" and out.given_us <= at < out.until_us for out in person.opt_outs)
        ),
    )


def early_visitor(scene: Scene) -> Role | None:
    """A visitor a quarter of an hour before the first visit is recorded."""
    visitor = _search(scene, lambda person, _: not person.member and person.since_us > scene.options.start_us + HOUR_US)
    if visitor is None or visitor.person is None:
        return None
    return Role(visitor.subject, visitor.person.since_us - 15 * MINUTE_US)


def ghost(scene: Scene) -> Role:
    """Somebody of whom there is no record."""
    return Role(scene.cast.ghost(), _moment(scene))


def reserve(scene: Scene) -> Role | None:
    """A plain member who belongs to this plant alone."""
    if not scene.cast.reserved:
        return None
    person = scene.cast.reserved.pop()
    return Role(person.subject, _moment(scene), person)
