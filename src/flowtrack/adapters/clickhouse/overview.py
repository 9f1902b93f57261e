"""All flows, counted: from sums by day and from bitmaps of offsets, so that few rows are read."""

from __future__ import annotations

from collections import Counter
from typing import Final

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import standing
from flowtrack.adapters.clickhouse.times import Times, times_of
from flowtrack.audit.answers import (
    CategoryCount,
    CompleteUpTo,
    CoverageAnswer,
    KindCount,
    OverviewAnswer,
    PartyCount,
    RuleHits,
)
from flowtrack.audit.questions import Coverage, Overview

_BY_CATEGORY = "SELECT category, verdict, flows FROM ({standing}) ORDER BY category, verdict"
_PARTIES = """
SELECT recipient, sum(flows) AS all_flows, sumIf(flows, verdict = 'deny') AS denied FROM ({standing})
GROUP BY recipient ORDER BY all_flows DESC, recipient LIMIT {parties:UInt32}"""

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

_COVERAGE: Final = """
SELECT f.pack AS pack, rule, f.verdict AS verdict, sum(f.flows) AS hits
FROM ({standing}) AS f
INNER JOIN
(
    SELECT pack, situation, rules FROM judgements ORDER BY defined DESC LIMIT 1 BY pack, situation
) AS j ON f.pack = j.pack AND f.situation = j.situation
ARRAY JOIN j.rules AS rule
GROUP BY pack, rule, verdict ORDER BY pack, rule, verdict"""


def overview(store: Store, question: Overview, completeness: CompleteUpTo) -> OverviewAnswer:
    """Count all flows, by kind, category and recipient."""
    times = times_of(question)
    by_category = standing("category, verdict", times)
    shares = standing("recipient, verdict", times, "kind = 'share'")
    counted = store.rows(_BY_CATEGORY.replace("{standing}", by_category), **times.parameters)
    categories = [CategoryCount(category=name, verdict=verdict, flows=flows) for name, verdict, flows in counted]
    parties = store.rows(_PARTIES.replace("{standing}", shares), **times.parameters, parties=question.parties_max)
    by_kind = _events(store, times)
    return OverviewAnswer(
        events=by_kind.total(),
        flows=sum(count.flows for count in categories),
        by_kind=[
            KindCount(kind=kind, verdict=verdict, events=events) for (kind, verdict), events in sorted(by_kind.items())
        ],
        by_category=categories,
        parties=[PartyCount(recipient=name, flows=flows, denied=denied) for name, flows, denied in parties],
        completeness=completeness,
    )


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


def coverage(store: Store, question: Coverage, completeness: CompleteUpTo) -> CoverageAnswer:
    """Count how often each rule decided."""
    times = times_of(question)
    statement = _COVERAGE.replace("{standing}", standing("pack, situation, verdict", times))
    hits = store.rows(statement, **times.parameters)
    return CoverageAnswer(
        rules=[RuleHits(pack=pack, rule=rule, verdict=verdict, flows=flows) for pack, rule, verdict, flows in hits],
        completeness=completeness,
    )
