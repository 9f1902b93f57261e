"""A sample day as a value: its registry, one stream of records in the order of time, and what was planted in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from flowtrack.domain.registry import RegistryDocument
from flowtrack.sample.bad import bad_messages
from flowtrack.sample.cast import Records, cast_of, weights_of
from flowtrack.sample.diary import Diary, Item
from flowtrack.sample.duties import DUTIES, incidents
from flowtrack.sample.flows import USUAL, Flow, registration
from flowtrack.sample.options import HOUR_US, MINUTE_US, SampleOptions
from flowtrack.sample.plants import sow
from flowtrack.sample.platform import platform_of
from flowtrack.sample.scene import Scene
from flowtrack.sample.truth import Truth
from flowtrack.sample.violations import PLANTS

# Share of the day's activity in each hour in Seoul: asleep from two to six, busiest after work.
_RHYTHM = (5, 3, 2, 1, 1, 2, 4, 7, 9, 9, 9, 10, 13, 11, 9, 9, 9, 11, 13, 15, 17, 17, 14, 9)
_FLOWS_AT_ONCE = 2_000
_REPEATS_OF = 10_000


@dataclass(frozen=True, slots=True)
class SampleDay:
    """A day of the invented platform.

    Consent records and events stand in one order of time; no event rests on a consent that comes later.
    """

    options: SampleOptions
    registry: RegistryDocument
    items: tuple[Item, ...]
    truth: Truth

    def events(self) -> Iterator[Item]:
        """The events, in the order of time."""
        return (item for item in self.items if not item.consent)

    def consents(self) -> Iterator[Item]:
        """The consent records, in the order in which they take effect."""
        return (item for item in self.items if item.consent)


def sample_day(
    options: SampleOptions | None = None, *, progress: Callable[[int, int], None] | None = None
) -> SampleDay:
    """Make a day up; the same options always give the same bytes.

    Args:
        options: which day, how large; left out: the default one.
        progress: told from time to time how many events there are, and how many there are going to be.
    """
    options = options or SampleOptions()
    rng = Random(options.seed)
    platform = platform_of(options)
    diary = Diary(rng)
    cast = cast_of(options, platform, diary)
    scene = Scene(options, rng, platform, cast, diary, Records(diary))
    violations = sow(scene, PLANTS)
    broken = incidents(scene)
    for person in cast.people:
        if person.member and person.since_us > options.start_us:
            registration(scene, person, person.since_us + MINUTE_US)
    _live(scene, progress)
    planted = {violation.event_id for violation in violations}
    items, repeats = _with_repeats(diary.items(), planted.union(broken), rng)
    truth = Truth(tuple(violations), tuple(broken), repeats, bad_messages(scene))
    return SampleDay(options, platform.registry, items, truth)


def _live(scene: Scene, progress: Callable[[int, int], None] | None) -> None:
    """Let flows begin, at random but in the day's rhythm and among the busy, until there are enough events."""
    rng, people = scene.rng, scene.cast.people
    flows: list[Flow] = [*USUAL, *DUTIES]
    flow_weights = list(accumulate([*USUAL.values(), *DUTIES.values()]))
    person_weights = weights_of(people, rng)
    hours, hour_weights = range(24), list(accumulate(_RHYTHM))
    target, start = scene.options.events, scene.options.start_us
    while scene.diary.events < target:
        at_once = min(_FLOWS_AT_ONCE, (target - scene.diary.events) // 4 + 1)
        begun = zip(
            rng.choices(flows, cum_weights=flow_weights, k=at_once),
            rng.choices(people, cum_weights=person_weights, k=at_once),
            rng.choices(hours, cum_weights=hour_weights, k=at_once),
            strict=True,
        )
        for flow, person, hour in begun:
            flow(scene, person, start + hour * HOUR_US + rng.randrange(3_600_000) * 1_000)
        if progress is not None:
            progress(min(scene.diary.events, target), target)


def _with_repeats(items: list[Item], spared: set[str], rng: Random) -> tuple[tuple[Item, ...], tuple[str, ...]]:
    """Publish a few right events twice, one behind the other: a service that was not sure."""
    candidates = [place for place, item in enumerate(items) if not item.consent and item.event_id not in spared]
    chosen = sorted(rng.sample(candidates, max(3, len(candidates) // _REPEATS_OF)))
    repeats = tuple(items[place].event_id for place in chosen)
    for place in reversed(chosen):
        items.insert(place + 1, items[place])
    return tuple(items), repeats
