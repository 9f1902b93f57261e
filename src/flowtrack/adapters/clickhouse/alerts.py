"""Alerts from the database: few, so all that a question narrows them to are read, and put in order here."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.alerts import Alerts, AlertsAnswer, counts_of, rank_of
from flowtrack.audit.family import About
from flowtrack.audit.paging import page_of
from flowtrack.domain.decision import Alert
from flowtrack.domain.instants import from_us, instant_us

_COLUMNS: Final = """identity, state, what, title, severity, service, recipient, purpose, categories, clauses,
       reasons, gaps, toUnixTimestamp64Micro(first_at) AS first_us, toUnixTimestamp64Micro(last_at) AS last_us,
       count, examples, amended, lifted, changed"""
_KNOWN: Final = """recorded_at <= fromUnixTimestamp64Micro({known_at:Int64}, 'UTC')
  AND last_at <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC') AND {identity:String} IN ('', identity)"""
_LATEST: Final = f"""
SELECT {_COLUMNS} FROM
(
    SELECT * FROM alerts WHERE {_KNOWN}
    ORDER BY recorded_at DESC, count DESC, last_at DESC, lifted DESC LIMIT 1 BY identity
)
WHERE {{state:String}} IN ('', state) AND {{severity:String}} IN ('', severity)
  AND {{service:String}} IN ('', service) AND {{recipient:String}} IN ('', recipient)
  AND last_us >= {{since:Int64}} AND first_us < {{until:Int64}}"""  # noqa: S608 - fixed texts
_HISTORY: Final = f"SELECT {_COLUMNS} FROM alerts FINAL WHERE {_KNOWN} ORDER BY recorded_at, count, last_at, lifted"  # noqa: S608 - fixed texts
_EVER_US = 1 << 57  # some year 6500


def alerts(store: Store, question: Alerts, about: About) -> AlertsAnswer:
    """Give a page of alerts.

    Raises:
        QuestionError: the cursor is not right.
        StoreError: the database cannot answer.
    """
    known = {
        "known_at": _us(question.known_at),
        "as_of": _us(question.as_of),
        "identity": question.identity or "",
    }
    narrowed = {name: getattr(question, name) or "" for name in ("state", "severity", "service", "recipient")}
    period = {"since": 0 if question.since is None else instant_us(question.since), "until": _us(question.until)}
    found = [_alert(row) for row in store.named(_LATEST, **known, **narrowed, **period)]
    history = store.named(_HISTORY, **known) if question.identity else []
    about, rows = page_of(question, about, found, rank_of)
    return AlertsAnswer(about=about, rows=rows, counts=counts_of(found), history=[_alert(row) for row in history])


def _us(moment: datetime | None) -> int:
    return _EVER_US if moment is None else instant_us(moment)


def _alert(row: dict[str, Any]) -> Alert:
    said = {name: value for name, value in row.items() if name not in {"first_us", "last_us"}}
    return Alert(**said, first_at=from_us(row["first_us"]), last_at=from_us(row["last_us"]))
