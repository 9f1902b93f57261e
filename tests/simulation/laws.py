"""What must hold when everything has come to rest, whatever happened before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from flowtrack.audit.questions import Books
from flowtrack.domain.consent import ConsentData
from flowtrack.domain.decision import Decision, Marker
from flowtrack.domain.event import TYPES
from flowtrack.domain.history import Entry, as_of, entry_of
from flowtrack.domain.instants import instant_us
from flowtrack.domain.names import Verdict
from flowtrack.policy.decide import Decider
from flowtrack.testing.broker import Place
from flowtrack.tracking import rows
from flowtrack.tracking.alerts import identity_of
from flowtrack.tracking.check import Checker
from flowtrack.tracking.reconcile import GroupProgress, reconcile
from flowtrack.tracking.records import Record, Topic
from flowtrack.wire.decisions import decode_alert, decode_dead_letter, decode_finding, decode_tracked
from flowtrack.wire.decode import decode_event
from tests.simulation.day import PARTITIONS, is_poison
from tests.simulation.rules import rulebook
from tests.simulation.world import World

Judged = dict[str, tuple[str, int, str]]
"""Verdict, situation and consent record, by category."""
Source = tuple[int, int]
"""Partition and offset."""


class Broken(NamedTuple):
    """A law that does not hold, and where."""

    law: str
    where: str


class Undisturbed(NamedTuple):
    """What comes out when every consent is known in time and nothing fails."""

    verdicts: dict[Source, Judged]
    dead: set[tuple[str, int, int, str]]
    consents: set[Source]


class Written:
    """What the workers wrote for good, in order."""

    def __init__(self, world: World) -> None:
        self.decisions: list[tuple[Record, Decision]] = []
        self.markers: list[tuple[Record, Marker]] = []
        self.copies: list[Source] = []
        self.copied: list[tuple[int, Source]] = []
        """The same, each with its offset on decisions/p."""
        for place in ((str(Topic.DECISIONS), p) for p in range(PARTITIONS)):
            for record in world.broker.read(place, 0):
                item = decode_tracked(record.value or b"")
                if item.type == "decision":
                    self.decisions.append((record, item))
                elif item.type == "marker":
                    self.markers.append((record, item))
                elif item.type == "consent":
                    self.copies.append((item.partition, item.offset))
                    self.copied.append((record.offset, self.copies[-1]))
        self.findings = [decode_finding(record.value or b"") for record in _all(world, Topic.FINDINGS)]
        self.alerts = [decode_alert(record.value or b"") for record in _all(world, Topic.ALERTS)]


def broken_laws(world: World) -> list[Broken]:
    """The laws that a world at its end breaks; the undisturbed world's verdicts are made on the way."""
    if not world.at_rest:
        return [Broken("rest", "it never comes to rest")]
    undisturbed = _undisturbed(world)
    written = Written(world)
    laws: list[Callable[[World, Undisturbed, Written], Iterator[str]]] = [
        _nothing_is_left_unread,
        _every_event_stands_once,
        _dead_letters_are_the_same,
        _consents_stand_once,
        _verdicts_are_the_same,
        _situations_are_defined,
        _repeats_are_suspect,
        _nobody_is_told_what_is_not_so,
    ]
    if world.plot.transactional:
        laws += [
            _nothing_is_written_twice,
            _order_is_kept,
            _findings_are_those_of_decisions,
            _alerts_count_findings,
            _suspects_follow_the_numbers,
        ]
    return [
        Broken(law.__name__.strip("_").replace("_", " "), where)
        for law in laws
        for where in law(world, undisturbed, written)
    ]


def _undisturbed(world: World) -> Undisturbed:
    checker = Checker(world.last_rules(), PARTITIONS, lambda _: False)
    for partition in range(PARTITIONS):
        checker.assigned(partition, ())
    found = Undisturbed({}, set(), set())
    arrived = [record for record in world.arrived if record.topic in {Topic.EVENTS, Topic.CONSENTS}]
    for record in sorted(arrived, key=lambda each: each.topic != Topic.CONSENTS):
        poison = is_poison(record)
        outputs = checker.quarantine(record, ZeroDivisionError()) if poison else checker.process([record])
        for output in outputs:
            if output.topic == Topic.DEADLETTERS:
                letter = decode_dead_letter(output.value or b"")
                found.dead.add((letter.topic, letter.partition, letter.offset, letter.code))
            elif output.topic == Topic.DECISIONS:
                item = decode_tracked(output.value or b"")
                if item.type == "decision":
                    found.verdicts[item.partition, item.offset] = {
                        part.category: (str(part.verdict), int(part.situation, 16), part.consent)
                        for part in item.categories
                    }
                elif item.type == "consent":
                    found.consents.add((item.partition, item.offset))
    return found


def _all(world: World, topic: str) -> list[Record]:
    return [
        record
        for partition in range(world.broker.topics[topic])
        for record in world.broker.read((str(topic), partition), 0)
    ]


def _nothing_is_left_unread(world: World, _undisturbed: Undisturbed, _written: Written) -> Iterator[str]:
    for job in world.jobs:
        places: list[Place] = [(str(t), p) for t in job.topics for p in range(world.broker.topics[t])]
        committed = world.broker.committed(job.group, places)
        for place in places:
            left = world.broker.read(place, committed.get(place, 0))
            if left:
                yield f"{job.group} has {len(left)} records of {place} before it"


def _every_event_stands_once(world: World, undisturbed: Undisturbed, _written: Written) -> Iterator[str]:
    """Offsets = decisions + dead letters = ledger rows, and `reconcile` says so."""
    books = world.ledger.books(Books())
    events = [record for record in world.arrived if record.topic == Topic.EVENTS]
    ends = Counter(record.partition for record in events)
    report = reconcile(
        books, epoch="", checker={p: GroupProgress(0, ends[p]) for p in range(PARTITIONS)}, sink_lag_records=0
    )
    judged = {(row["source_partition"], row["source_offset"]) for row in world.ledger.tables[rows.FLOWS]}
    if not report.balanced or report.ledger != len(events) or report.repeated_rows:
        yield "; ".join(report.advice) or "the books do not balance"
    if judged != set(undisturbed.verdicts):
        yield f"judged or not: {sorted(judged ^ set(undisturbed.verdicts))}"


def _dead_letters_are_the_same(world: World, undisturbed: Undisturbed, _written: Written) -> Iterator[str]:
    found = {
        (row["topic"], row["source_partition"], row["source_offset"], row["code"])
        for row in world.ledger.tables[rows.DEAD_LETTERS]
    }
    if found != undisturbed.dead:
        yield f"{sorted(found ^ undisturbed.dead)}"


def _consents_stand_once(world: World, undisturbed: Undisturbed, _written: Written) -> Iterator[str]:
    found = Counter((row["source_partition"], row["source_offset"]) for row in world.ledger.tables[rows.CONSENTS])
    there = {(record.partition, record.offset) for record in _all(world, Topic.CONSENTS)}
    compacted = {source for source in undisturbed.consents if source not in there and source not in found}
    wanted = Counter(undisturbed.consents - compacted)
    if found != wanted:
        yield f"{sorted(found.items() ^ wanted.items())}"


def _verdicts_are_the_same(world: World, undisturbed: Undisturbed, written: Written) -> Iterator[str]:
    """The ledger's verdicts, judged anew where a marker says so, are those of the undisturbed world."""
    flows: dict[Source, list[dict[str, Any]]] = {}
    for row in world.ledger.tables[rows.FLOWS]:
        flows.setdefault((row["source_partition"], row["source_offset"]), []).append(row)
    events = {(each.partition, each.offset): each for each in world.arrived if each.topic == Topic.EVENTS}
    decider = world.last_rules().decider
    for source, group in flows.items():
        first, wanted = group[0], undisturbed.verdicts.get(source)
        judged = {row["category"]: (row["verdict"], row["situation"], row["consent"]) for row in group}
        touching = [
            marker
            for record, marker in written.markers
            if record.partition == source[0]
            and record.offset > first["decision_offset"]
            and marker.subject in {None, first["subject"]}
            and instant_us(marker.reaches_back_to) <= first["happened_at"]
        ]
        told = [marker for marker in touching if marker.subject is not None]
        if told:
            judged = _judged_anew(events[source], decider, _history_of(told[-1]))
        elif touching and judged != wanted:
            known = [_known_by(world, written, first, later=later) for later in (False, True)]
            again = [_judged_anew(events[source], decider, history) for history in known]
            judged = wanted if wanted in again else again[0]
        if wanted is not None and judged != wanted:
            yield f"{source}: {judged} instead of {wanted}, by {len(touching)} markers"


def _history_of(marker: Marker) -> tuple[Entry, ...]:
    """The consents that a marker carries."""
    return tuple(
        sorted(
            entry_of(
                entry.event_id,
                instant_us(entry.valid_from),
                msgspec.convert(msgspec.to_builtins(entry.data), ConsentData)
                if isinstance(entry.data, msgspec.Struct) and not hasattr(entry.data, "record")
                else entry.data,
            )
            for entry in marker.history
        )
    )


def _known_by(world: World, written: Written, row: dict[str, Any], *, later: bool) -> tuple[Entry, ...]:
    """The consents of a row's subject as they were known when it was judged.

    The copies on decisions/p tell up to where consents/p was read; tombstones have none, so those that came before
    the next copy are known or not (`later`).
    """
    partition, at = row["source_partition"], row["decision_offset"]
    copies = [(offset, source[1]) for offset, source in written.copied if source[0] == partition]
    until = max((source + 1 for offset, source in copies if offset < at), default=0)
    if later:
        until = min((source for _, source in copies if source >= until), default=1 << 62)
    state = Checker(rulebook(), PARTITIONS, lambda _: False)
    consents = [each for each in world.arrived if (each.topic, each.partition) == (Topic.CONSENTS, partition)]
    state.assigned(partition, [each for each in consents if each.offset < until])
    return state.state(partition).history(row["subject"])


def _judged_anew(record: Record, decider: Decider, history: tuple[Entry, ...]) -> Judged:
    """What a re-judging sink makes of an event."""
    event = decode_event(record.value)
    verdict = decider.decide(TYPES[event.type], event, as_of(history, instant_us(event.time)))
    return {
        each.category: (str(each.judged.verdict), int(each.judged.situation_id, 16), each.consent)
        for each in verdict.categories
    }


def _situations_are_defined(world: World, _undisturbed: Undisturbed, _written: Written) -> Iterator[str]:
    situations = world.ledger.situations()
    for key in {(row["pack"], row["situation"]) for row in world.ledger.tables[rows.FLOWS]}:
        if not situations.get(key):
            yield f"{key[1]:016x} has no definition"


def _repeats_are_suspect(world: World, _undisturbed: Undisturbed, written: Written) -> Iterator[str]:
    """Never one too few: an event that came before under the same source and id is flagged."""
    seen: set[tuple[str, str]] = set()
    rows_of = {
        (row["source_partition"], row["source_offset"]): row["suspect"] for row in world.ledger.tables[rows.FLOWS]
    }
    ordered = sorted({(item.partition, item.offset): item for _, item in written.decisions}.items())
    for source, item in ordered:
        if (item.source, item.event_id) in seen and not rows_of.get(source, 1):
            yield f"{source} repeats an earlier event and is no suspect"
        seen.add((item.source, item.event_id))


def _nobody_is_told_what_is_not_so(world: World, _undisturbed: Undisturbed, written: Written) -> Iterator[str]:
    """Alerts are told when they are durable, and every open one is told."""
    durable = {(alert.identity, alert.count, alert.state) for alert in written.alerts}
    for alert in world.told:
        if (alert.identity, alert.count, alert.state) not in durable:
            yield f"{alert.identity} was told with {alert.count} findings"
    ends = {alert.identity: alert.state for alert in written.alerts}
    untold = {identity for identity, state in ends.items() if state == "open"} - {each.identity for each in world.told}
    if untold:
        yield f"nobody heard of {sorted(untold)}"


def _nothing_is_written_twice(_world: World, _undisturbed: Undisturbed, written: Written) -> Iterator[str]:
    for what, times in (
        ("decision", Counter((item.partition, item.offset) for _, item in written.decisions)),
        ("consent", Counter(written.copies)),
    ):
        yield from (f"{what} {source} stands {count} times" for source, count in times.items() if count > 1)


def _order_is_kept(world: World, _undisturbed: Undisturbed, written: Written) -> Iterator[str]:
    for partition in range(PARTITIONS):
        offsets = [item.offset for record, item in written.decisions if record.partition == partition]
        copies = [offset for p, offset in written.copies if p == partition]
        flows = [row for row in world.ledger.tables[rows.FLOWS] if row["source_partition"] == partition]
        ledger = [row["source_offset"] for row in sorted(flows, key=lambda row: row["decision_offset"])]
        if offsets != sorted(offsets) or copies != sorted(copies) or ledger != sorted(ledger):
            yield f"partition {partition}"


def _findings_are_those_of_decisions(_world: World, undisturbed: Undisturbed, written: Written) -> Iterator[str]:
    wanted = Counter(
        (item.partition, item.offset)
        for _, item in written.decisions
        if item.verdict in {Verdict.DENY, Verdict.INDETERMINATE}
    )
    found = Counter((f.partition, f.offset) for f in written.findings if f.what in {"denied", "indeterminate"})
    dead = Counter((f.partition, f.offset) for f in written.findings if f.what == "dead_letter")
    if found != wanted or dead != Counter((p, offset) for _, p, offset, _ in undisturbed.dead):
        yield f"{sorted((found - wanted) + (wanted - found))}"


def _alerts_count_findings(_world: World, _undisturbed: Undisturbed, written: Written) -> Iterator[str]:
    counted: Counter[str] = Counter()
    last: dict[str, int] = {}
    for alert in written.alerts:
        if alert.state == "resolved":
            counted[alert.identity] += alert.count
            last.pop(alert.identity, None)
        else:
            last[alert.identity] = alert.count
    counted.update(last)
    wanted = Counter(identity_of(finding) for finding in written.findings)
    if counted != wanted:
        yield f"{sorted(counted.items() ^ wanted.items())}"


def _suspects_follow_the_numbers(world: World, _undisturbed: Undisturbed, written: Written) -> Iterator[str]:
    """No needless suspect: a number above its producer's last, as far as this owner of the partition knows.

    Who took over a partition that others judged does not know their numbers: there every event may be a suspect.  What
    they judged in batches that were undone counts: their notes do not tell it apart.
    """
    flagged = {(item.partition, item.offset): item for _, item in written.decisions}
    last: dict[tuple[int, int, str, str], int] = {}
    for record, takeover in world.judged:
        item = flagged.get((record.partition, record.offset))
        if item is None:
            continue
        epoch, dot, number = (decode_event(record.value).sequence or "").partition(".")
        key = (record.partition, takeover, item.source, epoch)
        inherited = world.first_tries[record.partition] != takeover
        known = last.get(key)
        wanted = not dot or known is None or int(number) <= known
        if dot and (known is None or int(number) > known):
            last[key] = int(number)
        if item.suspect != wanted and not (inherited and item.suspect):
            yield f"({record.partition}, {record.offset}) is {'' if item.suspect else 'no '}suspect"
