"""When the rows that a question is about were recorded: told by sums by day, so that parts of other days stay unread.

Parts of the table lie by when their rows were recorded, and nothing else about a part says what is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import Filters, added
from flowtrack.adapters.clickhouse.times import Times
from flowtrack.domain.instants import DAY_US

_SECOND_US: Final = 1_000_000
_SPAN: Final = """
SELECT toUnixTimestamp(toDateTime(min(known_on), 'UTC')), toUnixTimestamp(toDateTime(max(known_on), 'UTC')) FROM
(
    SELECT toDate(recorded_at) AS known_on, sum(sign) FROM flows WHERE {touched} AND {where} GROUP BY known_on
)
HAVING count() > 0"""
KNOWN_WITHIN: Final = """ AND recorded_at >= fromUnixTimestamp64Micro({known_from:Int64}, 'UTC')
AND recorded_at < fromUnixTimestamp64Micro({known_to:Int64}, 'UTC')"""
_NOTHING: Final = "0"
_DAY: Final = ("toDate(happened_at) AS day", "toDate(recorded_at) AS known_on")
_DAYS: Final = """
SELECT toUnixTimestamp(toDateTime(day, 'UTC')) AS day_s, sum(flows),
       toUnixTimestamp(toDateTime(min(known_on), 'UTC')), toUnixTimestamp(toDateTime(max(known_on), 'UTC'))
FROM ({added}) GROUP BY day ORDER BY day DESC"""


class Day(NamedTuple):
    """A day on which something of a question happened."""

    begins_us: int
    flows: int
    """That stand."""
    known_from_us: int
    """Begin of the first day on which any of it was recorded."""
    known_to_us: int
    """End of the last."""


def days_of(store: Store, times: Times, filters: Filters) -> list[Day]:
    """Give the days on which something of a question happened, the newest first.

    Args:
        store: open.
        times: of the question.
        filters: on columns of the projection `daily`.

    Raises:
        StoreError: the database cannot answer.
    """
    statement = _DAYS.replace("{added}", added(_DAY, times, filters.where))
    return [
        Day(day_s * _SECOND_US, flows, first_s * _SECOND_US, last_s * _SECOND_US + DAY_US)
        for day_s, flows, first_s, last_s in store.rows(statement, **times.parameters, **filters.parameters)
    ]


def known_within(days: Sequence[Day]) -> dict[str, int]:
    """Give between which instants what happened on these days was recorded, as parameters; of no day, nothing was."""
    return {
        "known_from": min((day.known_from_us for day in days), default=0),
        "known_to": max((day.known_to_us for day in days), default=0),
    }


def where_recorded(store: Store, times: Times, filters: Filters, *, few: bool = False) -> Times:
    """Narrow the exact condition of a question to the days on which its rows were recorded; it holds for the same rows.

    Where no row is of the question, none is read.  A question about all times, without filters, is left
    as it is.

    Args:
        store: open.
        times: of the question.
        filters: on columns of the projection `daily`, that all rows of the question pass.
        few: there may be none, or on a few days, although nothing in the question says so.

    Raises:
        StoreError: the database cannot answer.
    """
    if not few and not filters.parameters and not times.parameters.keys() & {"since", "until"}:
        return times
    statement = _SPAN.replace("{touched}", times.touched).replace("{where}", filters.where)
    found = store.rows(statement, **times.parameters, **filters.parameters)
    if not found:
        return times._replace(exact=_NOTHING)
    first_s, last_s = found[0]
    span = {"known_from": first_s * _SECOND_US, "known_to": last_s * _SECOND_US + DAY_US}
    return times._replace(exact=times.exact + KNOWN_WITHIN, parameters={**times.parameters, **span})
