"""What is stored for too long, from the database: the last copy of each, its end, and whether it was erased since."""

from __future__ import annotations

from typing import Any, Final

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import filters_of
from flowtrack.adapters.clickhouse.times import times_of
from flowtrack.audit.family import About
from flowtrack.audit.overdue import Overdue, OverdueAnswer, OverdueRow, overdue_of, rank_of
from flowtrack.audit.paging import page_of
from flowtrack.domain.instants import DAY_US, from_us, instant_us

_FILTERS: Final = {"dataset": "dataset", "category": "category"}
# A copy as one text, the greatest of which is the last: of tuples that takes twice as long. An instant has 19 digits.
_COPY: Final = (
    """concat(toString(toUnixTimestamp64Micro(happened_at) + 4611686018427387904), flows.particulars, '\\0', service)"""
)
# Of hardly any copy something was ever retracted; only of these it is asked which rows stand.
_LAST: Final = f"""
SELECT subject, category, dataset, max({_COPY}) AS last FROM flows WHERE {{where}} AND sign != 0 AND {{when}}
GROUP BY subject, category, dataset HAVING min(sign) > 0
UNION ALL
SELECT subject, category, dataset, max(copy) AS last FROM
(
    SELECT subject, category, dataset, {_COPY} AS copy FROM flows
    WHERE {{where}} AND {{when}} AND (subject, category, dataset) IN
          (SELECT subject, category, dataset FROM flows WHERE {{where}} AND sign < 0 AND {{when}})
    GROUP BY subject, category, dataset, copy HAVING sum(sign) > 0
)
GROUP BY subject, category, dataset"""  # noqa: S608 - fixed texts
_ERASED: Final = """
SELECT subject, groupArray((category, dataset, toUnixTimestamp64Micro(its_at))) AS erased FROM
(
    SELECT subject, category, dataset, any(happened_at) AS its_at FROM flows WHERE kind = 'erase' AND {when}
    GROUP BY subject, category, dataset, epoch, source_partition, source_offset HAVING sum(sign) > 0
)
GROUP BY subject"""
_ROWS: Final = """
SELECT dataset, last_by, category, count() AS copies, min(due_us) AS first_us, max(due_us) AS last_us FROM
(
    SELECT subject, category, dataset, toInt64(substring(last, 1, 19)) - 4611686018427387904 AS stored_us,
           splitByChar('\\0', substring(last, 20)) AS said, said[2] AS last_by,
           if(said[1] = '', NULL, parseDateTime64BestEffortOrNull(JSONExtractString(said[1], 'retain_until'), 6, 'UTC'))
               AS ends,
           multiIf(ends IS NOT NULL, toUnixTimestamp64Micro(assumeNotNull(ends)),
                   {keep_us:Int64} > 0, stored_us + {keep_us:Int64}, {at:Int64}) AS due_us
    FROM ({stored}) WHERE due_us < {at:Int64}
) AS s
LEFT JOIN ({erased}) AS e ON s.subject = e.subject
WHERE ({its_service:String} IN ('', last_by)) AND NOT arrayExists(
    x -> x.3 >= stored_us AND x.2 IN ('', dataset)
         AND (x.1 IN ('', category) OR startsWith(category, concat(x.1, '.'))), e.erased)
GROUP BY dataset, last_by, category"""


def overdue(store: Store, question: Overdue, about: About) -> OverdueAnswer:
    """Give a page of what is overdue.

    Raises:
        QuestionError: the cursor is not right.
        StoreError: the database cannot answer.
    """
    at = question.as_of or question.known_at
    if at is None:
        return OverdueAnswer(about=about, rows=[], copies=0, at=None)
    times = times_of(question)
    where, filters = filters_of(question, _FILTERS, "kind = 'store'")
    ended = times_of(
        question.model_copy(update={"since": None, "until": None, "as_of": at})
    )  # an erasure counts whenever it came
    stored = _LAST.replace("{where}", where).replace("{when}", times.exact)
    erased = _ERASED.replace("{when}", ended.exact.replace("{until:", "{as_of:"))
    found = store.named(
        _ROWS.replace("{stored}", stored).replace("{erased}", erased),
        **times.parameters,
        **filters,
        as_of=instant_us(at) + 1,
        its_service=question.service or "",
        keep_us=(question.keep_days or 0) * DAY_US,
        at=instant_us(at),
    )
    rows = [_overdue(row) for row in found]
    about, given = page_of(question, about, rows, rank_of)
    return OverdueAnswer(about=about, rows=given, copies=sum(row.copies for row in rows), at=at)


def _overdue(row: dict[str, Any]) -> OverdueRow:
    return overdue_of(
        dataset=row["dataset"],
        service=row["last_by"],
        category=row["category"],
        copies=row["copies"],
        first_due=from_us(row["first_us"]),
        last_due=from_us(row["last_us"]),
    )
