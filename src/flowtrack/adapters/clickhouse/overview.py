"""All flows, counted: from sums by day and from bitmaps of offsets, so that few rows are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

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

_DAY_COLUMNS: Final = "toDate(happened_at) AS day, kind, verdict"
_BY_DAY = "SELECT day, kind, verdict, flows FROM ({standing}) ORDER BY day, kind, verdict"
_GROUP_COLUMNS: Final = "kind = 'share' AS shared, service, recipient, category, verdict, pack"
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


class _Group(NamedTuple):
    """Flows that stand, of the same names."""

    shared: int
    service: str
    recipient: str
    category: str
    verdict: str
    pack: str
    flows: int


def overview(store: Store, question: Overview, about: About) -> OverviewAnswer:
    """Count all flows, by day, kind, category, service and recipient.

    Raises:
        StoreError: the database cannot answer.
    """
    times = times_of(question)
    where, filters = filters_of(question, _FILTERS)
    asked = {**times.parameters, **filters}
    by_day = store.named(_BY_DAY.replace("{standing}", standing(_DAY_COLUMNS, times, where)), **asked)
    # Read once, and added up here by one name after the other: what costs is to read, and these are some thousands.
    groups = [_Group._make(row) for row in store.rows(standing(_GROUP_COLUMNS, times, where), **asked)]
    by_category = Counter[tuple[str, str]]()
    for group in groups:
        by_category[group.category, group.verdict] += group.flows
    shares = [group for group in groups if group.shared]
    by_kind = _events(store, times) if question.counts_events else Counter[tuple[str, str]]()
    services, services_rest = _largest(groups, ("service",), question.services_max)
    parties, parties_rest = _largest(shares, ("recipient",), question.parties_max)
    streams, streams_rest = _largest(shares, ("service", "category", "recipient"), question.streams_max)
    return OverviewAnswer(
        about=about.judged_by(sorted({group.pack for group in groups}), []),
        rows=[DayCount(**row) for row in by_day],
        events=by_kind.total() if question.counts_events else None,
        flows=sum(row["flows"] for row in by_day),
        by_kind=[
            KindCount(kind=kind, verdict=verdict, events=events) for (kind, verdict), events in sorted(by_kind.items())
        ],
        by_category=[
            CategoryCount(category=category, verdict=verdict, flows=flows)
            for (category, verdict), flows in sorted(by_category.items())
        ],
        services=[ServiceCount(**row) for row in services],
        services_rest=services_rest,
        parties=[PartyCount(**row) for row in parties],
        parties_rest=parties_rest,
        streams=[Stream(**row) for row in streams],
        streams_rest=streams_rest,
    )


def _largest(groups: list[_Group], columns: Sequence[str], largest: int) -> tuple[list[dict[str, Any]], Rest]:
    """The largest by name; and the rest of them, counted."""
    name_of = attrgetter(*columns)
    flows, denied = Counter[Any](), Counter[Any]()
    for group in groups:
        name = name_of(group)
        flows[name] += group.flows
        if group.verdict == "deny":
            denied[name] += group.flows
    ordered = sorted(flows, key=lambda name: (-flows[name], name))
    given, left = ordered[:largest], ordered[largest:]
    rows = [
        {
            **dict(zip(columns, name if len(columns) > 1 else (name,), strict=True)),
            "flows": flows[name],
            "denied": denied[name],
        }
        for name in given
    ]
    rest = Rest(count=len(left), flows=sum(flows[name] for name in left), denied=sum(denied[name] for name in left))
    return rows, rest


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
