"""Retention: rows that a policy no longer keeps go, month by month as a whole, or day by day out of sight.

Where nothing of a month is kept that is over, its partition is dropped; else a day's rows at a time are hidden as by an
erasure, and their bytes go with the next clean-up.  What they added up to is kept before they go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from flowtrack.adapters.clickhouse.hiding import hide, keep_counts, keep_offsets
from flowtrack.adapters.clickhouse.holds import Condition, Holds, held
from flowtrack.adapters.clickhouse.journal import write_down
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.adapters.clickhouse.sums import under
from flowtrack.audit.retention import Expired, Retain, RetentionAnswer, RetentionPolicy

_EXPIRED: Final = """
SELECT category, kind, {days} AS days, countIf(NOT {held}) AS rows, countIf({held}) AS held,
       toDate(min(happened_at)) AS oldest, toDate(max(happened_at)) AS newest
FROM flows WHERE {expired} GROUP BY category, kind, days ORDER BY category, kind"""
_MONTHS: Final = """
SELECT toYYYYMM(recorded_at) AS month, countIf({going}) AS going, count() AS rows
FROM flows GROUP BY month HAVING going > 0 ORDER BY month"""
_DAYS: Final = """
SELECT DISTINCT toString(toDate(happened_at)) AS day FROM flows
WHERE toYYYYMM(recorded_at) = {{month:UInt32}} AND {going} ORDER BY day"""


IN_FLIGHT: Final = timedelta(days=8)
"""How late a decision may come into its month of recording: Kafka keeps them for seven days."""


class Retention:
    """Lets rows go.

    Args:
        store: open, with its migrations applied.
        holds: what must be kept.
        clock: gives the instant from which days are counted back.
    """

    def __init__(self, store: Store, holds: Holds, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._holds = holds
        self._clock = clock

    def apply(self, request: Retain, *, asker: str) -> RetentionAnswer:
        """Let go what a policy no longer keeps; in a dry run, only say what that is.

        Raises:
            StoreError: not all of it was done; asked again, the rest is.
        """
        at = self._clock()
        kept = held(self._holds.in_force().values())
        days = _days(request.policy)
        expired = _expired(days, at)
        going = Condition(f"({expired.text} AND NOT {kept.text})", {**expired.parameters, **kept.parameters})
        listed = [_row(row) for row in self._list(days, expired, kept)]
        if not request.dry_run:
            said = {"reason": request.reason, "policy": request.policy.model_dump(mode="json", exclude_none=True)}
            write_down(self._store, at, asker, "retention", {**said, "rows": sum(each.rows for each in listed)})
        dropped = [] if request.dry_run else list(self._let_go(going, at))
        return RetentionAnswer(
            policy=request.policy.name,
            dry_run=request.dry_run,
            expired=listed,
            rows=sum(each.rows for each in listed),
            held=sum(each.held for each in listed),
            months_dropped=dropped,
        )

    def _list(self, days: Condition, expired: Condition, kept: Condition) -> list[dict[str, Any]]:
        statement = _EXPIRED.format(days=days.text, held=kept.text, expired=expired.text)
        return self._store.named(statement, **expired.parameters, **kept.parameters)

    def _let_go(self, going: Condition, at: datetime) -> Iterator[str]:
        """Let rows go, and give the months that went whole."""
        closed = int(f"{at - IN_FLIGHT:%Y%m}")  # a month to which a sink may be adding just now is never dropped
        for month, count, rows in self._store.rows(_MONTHS.format(going=going.text), **going.parameters):
            of_month = _and(going, "toYYYYMM(recorded_at) = {month:UInt32}", month=month)
            if count == rows and month < closed:
                self._keep(of_month, f"{month}")
                self._store.command(f"ALTER TABLE {self._store.layout.changing('flows')} DROP PARTITION {int(month)}")
                yield str(month)
                continue
            days = self._store.rows(_DAYS.format(going=going.text), month=month, **going.parameters)
            for (day,) in days:
                rows_of_day = _and(of_month, "toDate(happened_at) = toDate({day:String})", day=day)
                self._keep(rows_of_day, f"{month}:{day}")
                hide(self._store, "flows", rows_of_day)

    def _keep(self, rows: Condition, batch: str) -> None:
        keep_offsets(self._store, "flows", rows)
        keep_counts(self._store, "retention", rows, f"retention:{batch}")  # broken off and asked again, it counts once


def _days(policy: RetentionPolicy) -> Condition:
    """How many days a row is kept; 0 for ever."""
    parts: list[str] = []
    parameters: dict[str, object] = {}
    for number, rule in enumerate(policy.ordered()):
        conditions = ["1"]
        if rule.category is not None:
            conditions.append(under("category", f"{{r{number}_category:String}}"))
            parameters[f"r{number}_category"] = rule.category
        if rule.kind is not None:
            conditions.append(f"kind = {{r{number}_kind:String}}")
            parameters[f"r{number}_kind"] = str(rule.kind)
        parts.append(f"{' AND '.join(conditions)}, {rule.keep_days}")
    return Condition(f"multiIf({', '.join(parts)}, 0)", parameters)


def _expired(days: Condition, at: datetime) -> Condition:
    """Rows of days that lie further back than they are kept, counted in UTC."""
    passed = "dateDiff('day', toDate(happened_at), toDate({today:String}))"  # a date minus many days would wrap around
    text = f"({days.text} > 0 AND {passed} > {days.text})"
    return Condition(text, {**days.parameters, "today": f"{at:%Y-%m-%d}"})


def _and(rows: Condition, text: str, **parameters: object) -> Condition:
    return Condition(f"({rows.text} AND {text})", {**rows.parameters, **parameters})


def _row(row: dict[str, Any]) -> Expired:
    return Expired(keep_days=row.pop("days"), **row)
