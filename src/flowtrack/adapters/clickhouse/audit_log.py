"""The audit log from the database."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from flowtrack.adapters.clickhouse.store import Store
from flowtrack.audit.audit_log import AuditLine, AuditLog, AuditLogAnswer
from flowtrack.audit.cursors import COUNT, WHOLE, cursor_of, key_of
from flowtrack.audit.family import About
from flowtrack.domain.instants import from_us, instant_us

_EVER_US = 1 << 57  # some year 6500
# The newest first; lines of one microsecond are told apart by where they stand among each other.
_LINES: Final = """
SELECT *, count() OVER () AS all_lines FROM
(
    SELECT toUnixTimestamp64Micro(asked_at) AS asked_us, asker, role, question,
           if(subject IS NULL, '', lower(replaceAll(toString(subject), '-', ''))) AS whom, why, parameters,
           row_number() OVER (PARTITION BY asked_at ORDER BY asker, role, question, whom, why, parameters) AS place
    FROM audit_log
    WHERE asked_at >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')
      AND asked_at < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
      AND asked_at <= fromUnixTimestamp64Micro({asked_by:Int64}, 'UTC')
      AND {who:String} IN ('', asker) AND {its_role:String} IN ('', role) AND {asked:String} IN ('', question)
      AND ({whose:String} = '' OR subject = toUUIDOrDefault({whose:String}))
)
WHERE asked_us < {k0:Int64} OR (asked_us = {k0:Int64} AND place > {k1:UInt64})
ORDER BY asked_us DESC, place LIMIT {rows:UInt32}"""


def audit_log(store: Store, question: AuditLog, about: About) -> AuditLogAnswer:
    """Give a page of the audit log.

    Raises:
        QuestionError: the cursor is not right.
        StoreError: the database cannot answer.
    """
    behind = key_of(question, (WHOLE, COUNT)) or [_EVER_US, 0]
    found = store.named(
        _LINES,
        since=0 if question.since is None else instant_us(question.since),
        until=_us(question.until),
        asked_by=min(_us(question.as_of), _us(question.known_at)),
        who=question.who or "",
        its_role=question.role or "",
        asked=question.asked or "",
        whose=question.subject or "",
        k0=behind[0],
        k1=behind[1],
        rows=question.limit,
    )
    left_out = found[0]["all_lines"] - len(found) if found else 0
    if left_out:
        about = about.cut(left_out, cursor_of(question, [found[-1]["asked_us"], found[-1]["place"]]))
    return AuditLogAnswer(about=about, rows=[_line(row) for row in found])


def _us(moment: datetime | None) -> int:
    return _EVER_US if moment is None else instant_us(moment)


def _line(row: dict[str, Any]) -> AuditLine:
    return AuditLine(
        asked_at=from_us(row["asked_us"]),
        who=row["asker"],
        role=row["role"],
        asked=row["question"],
        subject=row["whom"],
        why=row["why"],
        parameters=row["parameters"],
    )
