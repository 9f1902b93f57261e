"""Families of questions that are about all subjects, and what a ledger must have so that they find something."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from benchmarks.rig.ledger_data import DAYS, START, subjects_drawn
from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.access import Access
from flowtrack.audit.alerts import Alerts
from flowtrack.audit.audit_log import AuditLog
from flowtrack.audit.coverage import Coverage
from flowtrack.audit.exposed import ExposedSubjects
from flowtrack.audit.family import Question
from flowtrack.audit.origin import Origin
from flowtrack.audit.overdue import Overdue
from flowtrack.audit.policy_history import PolicyHistory
from flowtrack.audit.transfers import Transfers
from flowtrack.audit.violations import Violations

_START_S: Final = int(START.timestamp())
_SPAN_S: Final = DAYS * 86_400
_STAFF: Final = """
INSERT INTO flows
SELECT * REPLACE
(
    concat(event_id, 's') AS event_id,
    concat(substring(facts, 1, length(facts) - 1), if(facts = '{{}}', '', ','), '"actor_type":"staff","actor_role":"',
           ['support', 'risk', 'engineer', 'audit'][1 + cityHash64(event_id, 2) % 4], '"}}') AS facts,
    concat('{{"actor_id":"staff-', toString(cityHash64(event_id, 3) % 300),
           if(cityHash64(event_id, 4) % 10 = 0, '', '","actor_task":"task-1'), '","actor_session":"s-',
           toString(cityHash64(event_id, 6) % 50000), '"}}') AS particulars,
    'staff' AS epoch
)
FROM flows WHERE kind = 'use' AND cityHash64(source_partition, source_offset) % 50 = 0
SETTINGS max_insert_block_size = 1048576, min_insert_block_size_rows = 1048576, max_insert_threads = 1,
         max_partitions_per_insert_block = 1000"""
_AT: Final = f"toDateTime64({_START_S} + {{number}} * {_SPAN_S} / {{count}}, 6, 'UTC')"
_ALERTS: Final = f"""
INSERT INTO alerts (identity, last_at, count, state, what, title, severity, service, recipient, purpose, categories,
                    clauses, reasons, gaps, first_at, examples, recorded_at)
SELECT lower(hex(sipHash64(alert))), {_AT.format(number="alert", count="{count}")} + 300 * (number % 4) AS last,
       number % 4 + 1, if(number % 4 = 3, 'resolved', 'open'), 'violation', 'denied',
       ['low', 'medium', 'high', 'critical'][1 + alert % 4],
       concat('service-', leftPad(toString(alert % 1000), 4, '0')), '', 'service.improve', ['automatic.ip'], ['3.1'],
       ['no_rule_permits'], [], last, [], last
FROM (SELECT number, intDiv(number, 4) AS alert FROM numbers(4 * {{count}}))"""  # noqa: S608 - our own
_LINES: Final = f"""
INSERT INTO audit_log (asked_at, asker, question, subject, parameters, role, why)
SELECT {_AT.format(number="number", count="{count}")}, concat('auditor-', toString(number % 40)),
       ['trail', 'consent-proof', 'violations', 'exposed-subjects'][1 + number % 4],
       if(number % 4 < 2, reinterpretAsUUID(MD5(concat('subject ', toString(number % 50000)))), NULL), '{{{{}}}}',
       ['auditor', 'regulator'][1 + number % 2], 'request 17'
FROM numbers({{count}})"""  # noqa: S608 - our own


def furnish(store: Store, rows: int) -> None:
    """Add uses by staff (a fiftieth of the uses again), alerts and lines of the audit log, as many as rows make likely.

    Args:
        store: a ledger that was made of so many rows (`ledger_data.make`).
        rows: that it has.
    """
    store.command(_STAFF.format())
    store.command(_ALERTS.format(count=max(1, rows // 4_000)))
    store.command(_LINES.format(count=max(1, rows // 100)))


def questions(store: Store, rows: int) -> Iterator[tuple[str, Question[Any]]]:
    """Questions of each family: about everything, about a day, and narrowed to a name, with what each is called."""
    since = START + timedelta(days=DAYS // 2)
    day = {"since": since, "until": since + timedelta(days=1)}
    most = {name: _named(store, name, 0) for name in ("service", "dataset", "recipient")}
    some = {name: _named(store, name, 1) for name in ("service", "dataset", "recipient")}
    subject = subjects_drawn(rows, 10)[-1]
    for told, times in (("", {}), (", a day", day)):
        yield f"transfers{told}", Transfers(home="KR", **times)
        yield f"access{told}", Access(**times)
        yield f"overdue after 30 days{told}", Overdue(keep_days=30, **times)
        for start, name in (("service", most["service"]), ("dataset", most["dataset"]), ("party", most["recipient"])):
            yield f"exposed subjects, largest {start}{told}", ExposedSubjects(start=start, name=name, **times)
        yield f"origin{told}", Origin(**times)
        yield f"coverage{told}", Coverage(**times)
        yield f"alerts{told}", Alerts(**times)
        yield f"violations{told}", Violations(**times)
        yield f"audit log{told}", AuditLog(**times)
    yield "transfers to a middling party", Transfers(home="KR", recipient=some["recipient"])
    yield "access by a person", Access(actor="staff-7")
    yield "access by a middling service", Access(service=some["service"])
    yield "overdue by their own ends", Overdue()
    yield "exposed subjects, middling service", ExposedSubjects(start="service", name=some["service"])
    yield "exposed subjects, middling dataset", ExposedSubjects(start="dataset", name=some["dataset"])
    yield "origin, a middling service", Origin(service=some["service"])
    yield "violations of a middling service", Violations(service=some["service"])
    yield "audit log of a subject", AuditLog(subject=subject)
    yield "policy history", PolicyHistory()


def _named(store: Store, column: str, halves: int) -> str:
    """The name of a column that most flows have; or the one in the middle, by flows."""
    statement = f"SELECT {column} FROM (SELECT {column}, sum(sign) AS n FROM flows GROUP BY {column}) "  # noqa: S608
    names = store.rows(f"{statement} WHERE {column} != '' ORDER BY n DESC, {column}")
    return str(names[halves * len(names) // 2][0])
