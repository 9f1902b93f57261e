"""What what-if asks of the ledger: groups of flows that are judged alike, and whom a change of theirs touches."""

from __future__ import annotations

from typing import Any, Final

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import standing
from flowtrack.adapters.clickhouse.times import Times, times_of
from flowtrack.audit.answers import CompleteUpTo
from flowtrack.audit.groups import (
    Judgement,
    ShapeFlows,
    ShapesAnswer,
    SituationFlows,
    SituationsAnswer,
    TouchedAnswer,
    TouchedBy,
)
from flowtrack.audit.questions import Shapes, Situations, Touched
from flowtrack.domain.instants import BEGINNING_US, from_us

# The hash that names a group has 64 bits: of a hundred thousand groups two share one once in four billion ledgers.
_SITUATION_KEY = "cityHash64(pack, toUInt64(situation), service, recipient)"
_REFERENCES = ("reference", "agreement", "session")
_SHAPE = {
    "pack": "pack",
    "registry": "registry",
    "situation": "toUInt64(situation)",
    "kind": "kind",
    "service": "service",
    "category": "category",
    "purpose": "purpose",
    "recipient": "recipient",
    "verdict": "verdict",
    "facts": "facts",
    "reference": "JSONExtractString(particulars, 'reference')",
    "agreement": "JSONExtractString(particulars, 'actor_agreement')",
    "session": "JSONExtractString(particulars, 'actor_session')",
    "span": "roundDown(toUnixTimestamp64Micro(happened_at), {edges:Array(Int64)})",
}
"""All that resolving looks at, save the subject's consents, and which of the registries' spans it falls in."""
_SHAPE_KEY = f"cityHash64({', '.join(_SHAPE.values())})"

_SITUATIONS = f"""
SELECT {_SITUATION_KEY} AS key, pack, toUInt64(situation) AS number, service, recipient, category, verdict, flows
FROM ({{standing}})"""  # noqa: S608 - fixed texts
_SITUATION_COLUMNS = "pack, situation, service, recipient, category, verdict"

_JUDGEMENTS: Final = """
SELECT pack, situation AS number, verdict, rules, clauses, reasons, gaps, attributes
FROM judgements WHERE pack IN {packs:Array(String)}
ORDER BY defined DESC, recorded_at DESC LIMIT 1 BY pack, situation"""

_SHAPES = f"""
SELECT {_SHAPE_KEY} AS key,
       {", ".join(f"{text} AS its_{name}" for name, text in _SHAPE.items())},
       toUnixTimestamp64Micro(min(happened_at)) AS at_us, sum(sign) AS flows
FROM flows WHERE pack IN {{packs:Array(String)}} AND {{when}}
GROUP BY key, {", ".join(f"its_{name}" for name in _SHAPE)} HAVING flows > 0"""  # noqa: S608 - fixed texts

_SCOPES: Final = """
SELECT kind, groupUniqArray(scope) FROM consents WHERE kind IN ('consent', 'opt_out') GROUP BY kind"""

# Subjects come in the order of the table, but a table of them is quicker than that order; what does not fit is spilled.
# Of an event of which anything was taken back it is added up whether some of it still stands; of the others one that is
# there does. What was taken back lies together, and is found by its sign before anything else is read.
_TOUCHED = """
SELECT change, count() AS subjects, sum(its_events) AS events, sum(its_flows) AS flows,
       groupArraySorted({samples:UInt8})(lower(replaceAll(toString(its_subject), '-', ''))) AS sample_subjects
FROM
(
    SELECT subject AS its_subject, change, sum(sign) AS its_flows,
           uniqExactIf(event, NOT amended)
           + length(arrayFilter(n -> n > 0, sumMapIf([event], [toInt64(sign)], amended).2)) AS its_events
    FROM
    (
        SELECT subject, sign, {change} AS change, cityHash64(epoch, source_partition, source_offset) AS event,
               event IN
               (
                   SELECT cityHash64(epoch, source_partition, source_offset) FROM flows PREWHERE sign < 0
                   WHERE situation IN {situations:Array(UInt64)} AND {when}
               ) AS amended
        FROM flows PREWHERE situation IN {situations:Array(UInt64)} WHERE {when} AND change >= 0
    )
    GROUP BY subject, change HAVING its_flows > 0
)
GROUP BY change ORDER BY change SETTINGS max_threads = 2, max_bytes_before_external_group_by = 100000000"""
_SAMPLE_EVENTS = """
SELECT change, groupArraySorted({samples:UInt8})(event_id) FROM
(
    SELECT {change} AS change, event_id FROM flows
    WHERE subject IN (SELECT toUUID(arrayJoin({subjects:Array(String)}))) AND situation IN {situations:Array(UInt64)}
      AND {when} AND change >= 0
    GROUP BY change, event_id, epoch, source_partition, source_offset HAVING sum(sign) > 0
)
GROUP BY change"""


def situations(store: Store, question: Situations, completeness: CompleteUpTo) -> SituationsAnswer:
    """Count the flows of a period by situation, service, recipient and category."""
    times = times_of(question)
    found = store.named(_SITUATIONS.replace("{standing}", standing(_SITUATION_COLUMNS, times)), **times.parameters)
    flows = [SituationFlows(situation=f"{row.pop('number'):016x}", **row) for row in map(dict, found)]
    packs = sorted({each.pack for each in flows} - {""})
    judged = store.named(_JUDGEMENTS, packs=packs) if packs else []
    judgements = [Judgement(situation=f"{row.pop('number'):016x}", **row) for row in map(dict, judged)]
    return SituationsAnswer(judgements=judgements, flows=flows, completeness=completeness)


def shapes(store: Store, question: Shapes, completeness: CompleteUpTo) -> ShapesAnswer:
    """Group the flows of some packs by all that resolving looks at."""
    times = times_of(question)
    statement = _SHAPES.replace("{when}", times.exact)
    found = store.named(statement, **times.parameters, packs=question.packs, edges=_edges(question.edges_us))
    scopes: dict[str, list[str]] = {kind: list(texts) for kind, texts in store.rows(_SCOPES)}
    return ShapesAnswer(
        shapes=[_shape(row) for row in found],
        consents=sorted(scopes.get("consent", [])),
        opt_outs=sorted(scopes.get("opt_out", [])),
        completeness=completeness,
    )


def _shape(row: dict[str, Any]) -> ShapeFlows:
    named = {name: row[f"its_{name}"] for name in _SHAPE if name not in {"span", "situation"}}
    situation = f"{row['its_situation']:016x}"
    return ShapeFlows(**named, key=row["key"], situation=situation, at=from_us(row["at_us"]), flows=row["flows"])


def _edges(edges_us: list[int]) -> list[int]:
    """Edges with one below all instants, so that each instant lies above one."""
    return [BEGINNING_US, *edges_us]


def touched(store: Store, question: Touched, completeness: CompleteUpTo) -> TouchedAnswer:
    """Count whom and what each change touches, and name a few of them."""
    times = times_of(question)
    change, parameters = _change(question)
    parameters["situations"] = [int(each, 16) for each in question.situations]
    found = store.named(_filled(_TOUCHED, change, times), **parameters, **times.parameters)
    subjects = sorted({subject for row in found for subject in row["sample_subjects"]})
    events: dict[int, list[str]] = {}
    if subjects:
        rows = store.rows(_filled(_SAMPLE_EVENTS, change, times), **parameters, **times.parameters, subjects=subjects)
        events = {name: list(ids) for name, ids in rows}
    return TouchedAnswer(
        changes=[
            TouchedBy(
                name=row["change"],
                events=row["events"],
                flows=row["flows"],
                subjects=row["subjects"],
                sample_subjects=[] if question.asker is None else list(row["sample_subjects"]),
                sample_events=events.get(row["change"], []),
            )
            for row in found
        ],
        completeness=completeness,
    )


def _filled(statement: str, change: str, times: Times) -> str:
    return statement.replace("{change}", change).replace("{when}", times.exact)


def _change(question: Touched) -> tuple[str, dict[str, object]]:
    """The expression that gives a row's change, -1 where it has none, and its parameters."""
    parts: list[str] = []
    parameters: dict[str, object] = {"samples": question.samples_max}
    for by, key in (("situation", _SITUATION_KEY), ("shape", _SHAPE_KEY)):
        named = [(number, each.name) for each in question.changes for number in getattr(each, f"{by}_keys")]
        if named:
            parts.append(f"transform({key}, {{{by}_keys:Array(UInt64)}}, {{{by}_names:Array(Int32)}}, toInt32(-1))")
            parameters[f"{by}_keys"] = [number for number, _ in named]
            parameters[f"{by}_names"] = [name for _, name in named]
    if question.edges_us or any(each.shape_keys for each in question.changes):
        parameters["edges"] = _edges(question.edges_us)
    return f"greatest({', '.join(parts)})" if parts else "toInt32(-1)", parameters
