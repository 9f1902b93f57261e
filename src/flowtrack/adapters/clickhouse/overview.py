"""All flows, counted: from sums by day and from bitmaps of offsets, so that few rows are read."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import filters_of, standing
from flowtrack.adapters.clickhouse.times import Times, times_of
from flowtrack.audit.family import About
from flowtrack.audit.overview import (
    FILTERS,
    CategoryCount,
    DayCount,
    KindCount,
    Overview,
    OverviewAnswer,
    PartyCount,
    Rest,
    ServiceCount,
    Stream,
)

_BY_DAY = "SELECT day, kind, verdict, flows FROM ({standing}) ORDER BY day, kind, verdict"
_BY_CATEGORY = "SELECT category, verdict, flows FROM ({standing}) ORDER BY category, verdict"
_PACKS = "SELECT DISTINCT pack FROM ({standing})"
# The largest by name, and what is left of all of them.
_LARGEST: Final = """
SELECT *, count() OVER () AS names, sum(all_flows) OVER () AS sum_flows, sum(denied) OVER () AS sum_denied FROM
(
    SELECT {columns}, sum(flows) AS all_flows, sumIf(flows, verdict = 'deny') AS denied
    FROM ({standing}) GROUP BY {columns}
)
ORDER BY all_flows DESC, {columns} LIMIT {largest:UInt32}"""
_SHARES = "kind = 'share'"
_FILTERS: Final = {name: name for name in FILTERS}

_NAMES = "SELECT groupUniqArray(category) FROM (SELECT category, sum(sign) FROM flows GROUP BY category)"
_REVISIONS = "SELECT max(newest) FROM (SELECT sign, max(revision) AS newest FROM flows GROUP BY sign)"

# Offsets of a bucket by the verdict of their rows, from the projection `offsets`. Where a row was taken back, which
# rows of its event still stand is told by the marks of all that it could have: those asserted and not taken back.
_OFFSETS: Final = """
SELECT epoch, source_partition, intDiv(source_offset, 65536) AS bucket, kind, verdict, sign,
       groupBitmapState(toUInt32(bitAnd(source_offset, 65535))) AS places,
       groupBitmapState(toUInt32(bitAnd(source_offset, 65535)
                                 + bitShiftLeft(bitAnd(cityHash64(category, revision), 65535), 16))) AS marks
FROM flows WHERE {when} GROUP BY epoch, source_partition, bucket, kind, verdict, sign"""
_WORSE = ("deny", "indeterminate", "permit", "not_applicable")
_STANDING = """
bitmapOr(
    bitmapAndnot(groupBitmapMergeStateIf(places, sign = 1 AND verdict = '{name}'), back),
    bitmapBuild(arrayMap(x -> toUInt32(bitAnd(x, 65535)), bitmapToArray(bitmapAndnot(
        bitmapAnd(groupBitmapMergeStateIf(marks, sign = 1 AND verdict = '{name}'), possible),
        groupBitmapMergeStateIf(marks, sign = -1 AND verdict = '{name}')))))
) AS {name}_"""
_HASHES: Final = """
SELECT arrayFlatten(arrayMap(
    name -> arrayMap(revision -> bitAnd(cityHash64(name, toUInt16(revision)), 65535), range({revisions:UInt32})),
    {names:Array(String)}))"""
_EVENTS: Final = f"""
SELECT kind, {", ".join(f"sum({name})" for name in _WORSE)} FROM
(
    SELECT kind, groupBitmapMergeStateIf(places, sign = -1) AS back,
           bitmapBuild(arrayFlatten(arrayMap(
               x -> arrayMap(hash -> toUInt32(x + hash * 65536), {{hashes:Array(UInt16)}}), bitmapToArray(back)))
           ) AS possible,
           {", ".join(_STANDING.format(name=name) for name in _WORSE)},
           bitmapCardinality(deny_) AS deny,
           bitmapAndnotCardinality(indeterminate_, deny_) AS indeterminate,
           bitmapOr(deny_, indeterminate_) AS bad, bitmapAndnotCardinality(permit_, bad) AS permit,
           bitmapAndnotCardinality(not_applicable_, bitmapOr(bad, permit_)) AS not_applicable
    FROM ({{offsets}}) GROUP BY epoch, source_partition, bucket, kind
)
GROUP BY kind"""  # noqa: S608 - fixed texts
# Where two names share a hash, marks cannot tell which of an event's rows was taken back: then rows are read.
_EVENTS_BY_ROW: Final = """
SELECT its_kind, verdict, count() FROM
(
    SELECT any(kind) AS its_kind,
           multiIf(sumIf(sign, flows.verdict = 'deny') > 0, 'deny', sumIf(sign, flows.verdict = 'indeterminate') > 0,
                   'indeterminate', sumIf(sign, flows.verdict = 'permit') > 0, 'permit', 'not_applicable') AS verdict
    FROM flows WHERE {when}
    GROUP BY subject, happened_at, event_id, epoch, source_partition, source_offset
    HAVING sum(sign) > 0
)
GROUP BY its_kind, verdict SETTINGS optimize_aggregation_in_order = 1"""


def overview(store: Store, question: Overview, about: About) -> OverviewAnswer:
    """Count all flows, by day, kind, category, service and recipient.

    Raises:
        StoreError: the database cannot answer.
    """
    times = times_of(question)
    where, filters = filters_of(question, _FILTERS)
    asked = {**times.parameters, **filters}
    by_day = store.named(_of(_BY_DAY, "toDate(happened_at) AS day, kind, verdict", times, where), **asked)
    by_category = store.named(_of(_BY_CATEGORY, "category, verdict", times, where), **asked)
    packs = store.rows(_of(_PACKS, "pack", times, where), **asked)
    by_kind = None if question.filtered else _events(store, times)
    services, services_rest = _largest(store, question, "service", question.services_max)
    parties, parties_rest = _largest(store, question, "recipient", question.parties_max)
    streams, streams_rest = _largest(store, question, "service, category, recipient", question.streams_max)
    return OverviewAnswer(
        about=about.judged_by([pack for (pack,) in packs], []),
        rows=[DayCount(**row) for row in by_day],
        events=None if by_kind is None else by_kind.total(),
        flows=sum(row["flows"] for row in by_day),
        by_kind=[
            KindCount(kind=kind, verdict=verdict, events=events)
            for (kind, verdict), events in sorted((by_kind or Counter()).items())
        ],
        by_category=[CategoryCount(**row) for row in by_category],
        services=[ServiceCount(**row) for row in services],
        services_rest=services_rest,
        parties=[PartyCount(**row) for row in parties],
        parties_rest=parties_rest,
        streams=[Stream(**row) for row in streams],
        streams_rest=streams_rest,
    )


def _of(statement: str, columns: str, times: Times, where: str) -> str:
    return statement.replace("{standing}", standing(columns, times, where))


def _largest(store: Store, question: Overview, columns: str, largest: int) -> tuple[list[dict[str, Any]], Rest]:
    """The largest by name, of recipients those that were shared with; and the rest of them, counted."""
    times = times_of(question)
    where, filters = filters_of(question, _FILTERS, "1" if columns == "service" else _SHARES)
    statement = _of(_LARGEST, f"{columns}, verdict", times, where).replace("{columns}", columns)
    found = store.named(statement, **times.parameters, **filters, largest=largest)
    given = [
        {**{name: row[name] for name in columns.split(", ")}, "flows": row["all_flows"], "denied": row["denied"]}
        for row in found
    ]
    if not found:
        return given, Rest(count=0, flows=0, denied=0)
    rest = Rest(
        count=found[0]["names"] - len(given),
        flows=found[0]["sum_flows"] - sum(row["flows"] for row in given),
        denied=found[0]["sum_denied"] - sum(row["denied"] for row in given),
    )
    return given, rest


def _events(store: Store, times: Times) -> Counter[tuple[str, str]]:
    """Events by kind and the worst verdict of their flows that stand."""
    names, revisions = store.rows(_NAMES)[0][0], store.rows(_REVISIONS)[0][0] + 1
    hashes = store.rows(_HASHES, names=names, revisions=revisions)[0][0]
    if len(set(hashes)) < len(hashes):
        rows = store.rows(_EVENTS_BY_ROW.replace("{when}", times.exact), **times.parameters)
        return Counter({(kind, verdict): events for kind, verdict, events in rows})
    offsets = " UNION ALL ".join(_OFFSETS.replace("{when}", when) for when in times.parts)
    rows = store.rows(_EVENTS.replace("{offsets}", offsets), **times.parameters, hashes=hashes)
    return +Counter(
        {
            (kind, verdict): events
            for kind, *by_verdict in rows
            for verdict, events in zip(_WORSE, by_verdict, strict=True)
        }
    )
