"""Groups of flows in a ledger in memory: the part of `testing.ledger.MemoryLedger` behind what-if."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from hashlib import blake2b
from typing import Any

from flowtrack.audit.answers import CompleteUpTo
from flowtrack.audit.groups import (
    Judgement,
    Orphan,
    OrphansAnswer,
    ShapeFlows,
    ShapesAnswer,
    SituationFlows,
    SituationsAnswer,
    TouchedAnswer,
    TouchedBy,
)
from flowtrack.audit.questions import Orphans, Period, Shapes, Situations, Touched, TwoTimes
from flowtrack.domain.instants import from_us, instant_us
from flowtrack.testing.view import Asked
from flowtrack.tracking import rows as tables

Row = dict[str, Any]


class MemoryGroups:
    """Answers about groups of flows, from rows that whoever inherits has."""

    tables: dict[str, list[Row]]
    _flows: Callable[[TwoTimes], list[Row]]
    _judgements: Callable[[], dict[tuple[str, int], Row]]
    _completeness: Callable[[], CompleteUpTo]
    _clock: Callable[[], datetime]
    audit_log: list[Asked]

    def situations_met(self, question: Situations) -> SituationsAnswer:
        """Give the situations of a period, and how often each was met where."""
        names = ("pack", "situation", "service", "recipient", "category", "verdict")
        groups = _grouped(self._within(question), lambda row: tuple(row[name] for name in names))
        flows = [
            SituationFlows(
                **{**dict(zip(names, group, strict=True)), "situation": f"{group[1]:016x}"},
                key=_key(group[:4]),
                flows=len(rows),
            )
            for group, rows in groups.items()
        ]
        packs = {each.pack for each in flows} - {""}
        judged = [row for (pack, _), row in self._judgements().items() if pack in packs]
        return SituationsAnswer(
            judgements=[_judgement(row) for row in judged], flows=flows, completeness=self._completeness()
        )

    def shapes_met(self, question: Shapes) -> ShapesAnswer:
        """Group the flows of some packs by all that resolving them anew looks at."""
        rows = [row for row in self._within(question) if row["pack"] in question.packs]
        groups = _grouped(rows, lambda row: _shape_of(row, question.edges_us))
        names = ("pack", "registry", "kind", "service", "category", "purpose", "recipient", "verdict", "facts")
        return ShapesAnswer(
            shapes=[
                ShapeFlows(
                    key=_key(group),
                    **{name: of[0][name] for name in names},
                    situation=f"{of[0]['situation']:016x}",
                    **dict(zip(("reference", "agreement", "session"), _references(of[0]), strict=True)),
                    at=from_us(min(row["happened_at"] for row in of)),
                    flows=len(of),
                )
                for group, of in groups.items()
            ],
            consents=self._scopes("consent"),
            opt_outs=self._scopes("opt_out"),
            completeness=self._completeness(),
        )

    def touched(self, question: Touched) -> TouchedAnswer:
        """Count whom and what some of these groups touch."""
        if question.asker is not None:
            asker, said = question.asker, json.dumps(question.line)
            self.audit_log.append(Asked(self._clock(), asker.who, "touched", "", asker.role, asker.why, said))
        changed: dict[int, list[Row]] = defaultdict(list)
        named = {("situation", key): each.name for each in question.changes for key in each.situation_keys}
        named |= {("shape", key): each.name for each in question.changes for key in each.shape_keys}
        for row in self._within(question):
            place = tuple(row[name] for name in ("pack", "situation", "service", "recipient"))
            keys = (("situation", _key(place)), ("shape", _key(_shape_of(row, question.edges_us))))
            found = [named[key] for key in keys if key in named]
            if found and f"{row['situation']:016x}" in question.situations:
                changed[max(found)].append(row)
        return TouchedAnswer(
            changes=[_touched(name, rows, question) for name, rows in sorted(changed.items())],
            completeness=self._completeness(),
        )

    def orphans(self, question: Orphans) -> OrphansAnswer:
        """Give what the ledger refers to and does not have."""
        flows, judged = self._flows(TwoTimes()), self._judgements()
        missing: dict[tuple[str, str], list[Row]] = defaultdict(list)
        known = {
            (row["kind"], row["name"].replace(":", "@", 1))
            for row in self.tables[tables.DOCUMENTS]
            if not row["removed"]
        }
        consents = {(row["subject"], row["record"]) for row in self.tables[tables.CONSENTS]}
        for row in flows:
            judgement = judged.get((row["pack"], row["situation"]))
            if row["pack"] and row["category"] and (judgement is None or not judgement["attributes"]):
                what = "judgement" if judgement is None else "definition"
                missing[what, f"{row['pack']} {row['situation']:016x}"].append(row)
            if row["pack"] and ("policy", row["pack"]) not in known:
                missing["pack", row["pack"]].append(row)
            for name in filter(None, row["registry"].split("+")):
                if ("registry", name) not in known:
                    missing["registry", name].append(row)
            if row["consent"] and (row["subject"], row["consent"]) not in consents:
                missing["consent", ""].append(row)
        order = ("judgement", "definition", "pack", "registry", "consent")
        return OrphansAnswer(
            orphans=[
                Orphan(
                    what=what,
                    name=name,
                    flows=len(rows),
                    sample_events=sorted({row["event_id"] for row in rows})[: question.samples_max],
                )
                for (what, name), rows in sorted(
                    missing.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
                )
            ],
            completeness=self._completeness(),
        )

    def _within(self, period: Period) -> list[Row]:
        since_us = None if period.since is None else instant_us(period.since)
        until_us = None if period.until is None else instant_us(period.until)
        return [
            row
            for row in self._flows(TwoTimes(known_at=period.known_at))
            if (since_us is None or row["happened_at"] >= since_us)
            and (until_us is None or row["happened_at"] < until_us)
        ]

    def _scopes(self, kind: str) -> list[str]:
        return sorted({row["scope"] for row in self.tables[tables.CONSENTS] if row["kind"] == kind})


def _grouped(rows: Iterable[Row], by: Callable[[Row], tuple[Any, ...]]) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[by(row)].append(row)
    return groups


def _key(group: tuple[Any, ...]) -> int:
    return int.from_bytes(blake2b(repr(group).encode(), digest_size=8).digest())


def _references(row: Row) -> tuple[str, str, str]:
    said = json.loads(row["particulars"] or "{}")
    return said.get("reference", ""), said.get("actor_agreement", ""), said.get("actor_session", "")


def _shape_of(row: Row, edges_us: list[int]) -> tuple[Any, ...]:
    names = ("pack", "registry", "situation", "kind", "service", "category", "purpose", "recipient", "verdict", "facts")
    span = bisect_right(edges_us, row["happened_at"])
    return (*(row[name] for name in names), *_references(row), span)


def _judgement(row: Row) -> Judgement:
    names = ("pack", "verdict", "rules", "clauses", "reasons", "gaps", "attributes")
    return Judgement(**{name: row[name] for name in names}, situation=f"{row['situation']:016x}")


def _touched(name: int, rows: list[Row], question: Touched) -> TouchedBy:
    samples_max = question.samples_max
    subjects = sorted({row["subject"] for row in rows})
    events = {(row["epoch"], row["source_partition"], row["source_offset"]): row["event_id"] for row in rows}
    shown = set(subjects[:samples_max])
    return TouchedBy(
        name=name,
        events=len(events),
        flows=len(rows),
        subjects=len(subjects),
        sample_subjects=[] if question.asker is None else subjects[:samples_max],
        sample_events=sorted({row["event_id"] for row in rows if row["subject"] in shown})[:samples_max],
    )
