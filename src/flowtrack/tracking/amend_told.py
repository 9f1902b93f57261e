"""What is published of judging anew: an amendment for each event, with what the alerter is to make of it.

The alerter knows an event as a whole: it was denied, or could not be judged, for some of its categories.  So an event's
rows are looked at together, those that the marker left alone too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from flowtrack.domain.decision import SEVERITIES, AmendedCategory, Amendment, Finding
from flowtrack.domain.instants import from_us
from flowtrack.domain.names import Kind, Verdict, worst
from flowtrack.tracking.amend_rows import FlowRow, Knowledge, by_event, standing
from flowtrack.tracking.records import Output, Topic
from flowtrack.wire.encode import encode

SituationKey = tuple[str, int]
"""Pack and number."""
Judgements = Mapping[SituationKey, FlowRow]
"""Rows of `judgements`."""

_AMENDMENTS = str(Topic.AMENDMENTS)
_NOT_JUDGED: FlowRow = {"severity": "", "clauses": [], "reasons": [], "gaps": []}
_WHAT: Mapping[Verdict, Literal["denied", "indeterminate"]] = {
    Verdict.DENY: "denied",
    Verdict.INDETERMINATE: "indeterminate",
}


class _Amended(NamedTuple):
    """One event that a marker gave another answer for."""

    changed: list[tuple[FlowRow, FlowRow]]
    """Pairs of rows that say something new, by category."""
    before: list[FlowRow]
    """All that stood before the marker."""
    after: list[FlowRow]
    """All that stands from the marker on."""

    @property
    def verdict_before(self) -> Verdict:
        return worst([Verdict(row["verdict"]) for row in self.before])

    @property
    def verdict(self) -> Verdict:
        return worst([Verdict(row["verdict"]) for row in self.after])

    def told(self) -> list[FlowRow]:
        """The rows that somebody has to hear of; none where nothing is worse than it was."""
        verdict, before = self.verdict, self.verdict_before
        if verdict not in _WHAT or self.after[0]["kind"] == Kind.INCIDENT:  # of an incident somebody has heard
            return []
        told = [row for row in self.after if row["verdict"] == verdict]
        known = {row["category"] for row in self.before if row["verdict"] == verdict}
        return told if verdict is not before or {row["category"] for row in told} - known else []


def amendments(
    rows: Iterable[FlowRow],
    knowledge: Knowledge,
    judged: Callable[[Collection[SituationKey]], Judgements],
) -> Iterator[Output]:
    """What is to be published of the rows that a marker brought: an amendment for each event.

    An event of which only the pack's label changed is left out: nobody is told anything new about it.

    Args:
        rows: of each event that the marker changed, every row up to the marker; of other events, any.
        knowledge: the marker.
        judged: gives what packs say of situations.
    """
    found = [amended for event in by_event(rows) if (amended := _amended(event, knowledge)).changed]
    told = [each.told() for each in found]
    keys = {_key(row) for rows_told in told for row in rows_told}
    judgements = judged(keys) if keys else {}
    for each, rows_told in zip(found, told, strict=True):
        amendment = _amendment(each, knowledge, _finding(rows_told, judgements) if rows_told else None)
        yield Output(_AMENDMENTS, knowledge.partition, amendment.subject.encode(), encode(amendment))


def _amended(event: list[FlowRow], knowledge: Knowledge) -> _Amended:
    upto = [row for row in event if row["decision_offset"] <= knowledge.offset]
    brought = [row for row in upto if row["decision_offset"] == knowledge.offset]
    retracted = {row["category"]: row for row in brought if row["sign"] < 0}
    asserted = {row["category"]: row for row in brought if row["sign"] > 0}
    pairs = [(retracted[name], row) for name, row in sorted(asserted.items())]
    left = standing(upto, knowledge.offset, knowledge.since_us)
    return _Amended(
        [pair for pair in pairs if _tells(*pair)],
        [*left, *retracted.values()],
        sorted([*left, *asserted.values()], key=lambda row: str(row["category"])),
    )


def _tells(before: FlowRow, after: FlowRow) -> bool:
    return any(before[name] != after[name] for name in ("verdict", "situation", "consent"))


def _key(row: FlowRow) -> SituationKey:
    return row["pack"], row["situation"]


def _amendment(amended: _Amended, knowledge: Knowledge, finding: Finding | None) -> Amendment:
    after = amended.changed[0][1]
    return Amendment(
        type="amendment",
        cause=knowledge.marker.cause,
        changed=knowledge.marker.changed,
        event_id=after["event_id"],
        service=after["service"],
        subject=after["subject"],
        kind=Kind(after["kind"]),
        happened_at=from_us(after["happened_at"]),
        recorded_at=from_us(after["recorded_at"] * 1_000),
        epoch=after["epoch"],
        partition=after["source_partition"],
        offset=after["source_offset"],
        decision_offset=knowledge.offset,
        pack=after["pack"],
        registry=after["registry"],
        categories=[
            AmendedCategory(
                category=new["category"],
                revision=new["revision"],
                verdict_before=Verdict(old["verdict"]),
                verdict=Verdict(new["verdict"]),
                situation_before=f"{old['situation']:016x}",
                situation=f"{new['situation']:016x}",
                consent_before=old["consent"],
                consent=new["consent"],
            )
            for old, new in amended.changed
        ],
        verdict_before=amended.verdict_before,
        verdict=amended.verdict,
        finding=finding,
    )


def _finding(rows: list[FlowRow], judgements: Judgements) -> Finding:
    """The finding that an event gives now, as `answers.finding_of` makes it of one that is judged at once."""
    first = rows[0]
    judged: list[Mapping[str, Any]] = [judgements.get(_key(row), _NOT_JUDGED) for row in rows]
    return Finding(
        type="finding",
        what=_WHAT[Verdict(first["verdict"])],
        event_id=first["event_id"],
        service=first["service"],
        kind=first["kind"],
        purpose=first["purpose"],
        recipient=first["recipient"],
        subject=first["subject"],
        categories=[row["category"] for row in rows],
        clauses=_union(each["clauses"] for each in judged),
        reasons=_union(each["reasons"] for each in judged),
        gaps=_union(each["gaps"] for each in judged),
        severity=max((each["severity"] for each in judged), key=SEVERITIES.index),
        happened_at=from_us(first["happened_at"]),
        epoch=first["epoch"],
        partition=first["source_partition"],
        offset=first["source_offset"],
    )


def _union(lists: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(value for values in lists for value in values))
