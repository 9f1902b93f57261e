"""The auditors' questions as SQL.

Instants go in as microseconds and come out as such, so that none is rounded on its way.  A retraction cancels what it
retracts by its sign; nothing here uses FINAL.  `{when}` stands for the two times of a question, made by `when`, from
fixed texts: values are parameters, always.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from flowtrack.domain.instants import instant_us

_AS_OF = {
    "happened_at": "happened_at <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC')",
    "valid_from": "valid_from <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC')",
}
_KNOWN_AT = "recorded_at <= fromUnixTimestamp64Micro({known_at:Int64}, 'UTC')"


def when(
    statement: str, as_of: datetime | None, known_at: datetime | None, *, happened: str = "happened_at"
) -> tuple[str, dict[str, int]]:
    """Fill a statement's `{when}`, its `{known}` where it asks for that time apart, and give the parameters.

    Args:
        statement: one of this module's, with `{when}` where a condition stands.
        as_of: see `audit.questions.TwoTimes`.
        known_at: likewise.
        happened: the column of valid time, `happened_at` or `valid_from`.
    """
    conditions, parameters = ["1"], {}
    if as_of is not None:
        conditions.append(_AS_OF[happened])
        parameters["as_of"] = instant_us(as_of)
    if known_at is not None:
        conditions += [_KNOWN_AT] if "{known}" not in statement else []
        parameters["known_at"] = instant_us(known_at)
    known = "1" if known_at is None else _KNOWN_AT
    return statement.replace("{when}", " AND ".join(conditions)).replace("{known}", known), parameters


TRAIL: Final = """
SELECT epoch, source_partition, source_offset, category, revision,
       any(event_id) AS event_id, any(kind) AS kind, toUnixTimestamp64Micro(any(happened_at)) AS happened_us,
       toUnixTimestamp64Milli(min(recorded_at)) AS recorded_ms, any(service) AS service, any(purpose) AS purpose,
       any(basis) AS basis, any(recipient) AS recipient, any(dataset) AS dataset, any(location) AS location,
       any(verdict) AS verdict, any(pack) AS pack, any(registry) AS registry, any(situation) AS situation,
       any(consent) AS consent, any(suspect) AS suspect, any(correlation_id) AS correlation_id
FROM flows WHERE subject = {subject:UUID} AND {when}
GROUP BY epoch, source_partition, source_offset, category, revision
HAVING sum(sign) > 0
ORDER BY source_offset, category"""

TRAIL_JUDGEMENTS: Final = """
SELECT pack, situation, severity, rules, clauses, reasons, notes, gaps FROM judgements
WHERE (pack, situation) IN (SELECT DISTINCT pack, toUInt64(situation) FROM flows WHERE subject = {subject:UUID})
ORDER BY defined DESC LIMIT 1 BY pack, situation"""

# Of a record that came again under its ids the last state counts, as for the checker; it is known since it was said
# first, since a new broker is given all records once more.
TRAIL_CONSENTS: Final = """
SELECT event_id, record, kind, state, valid_us, recorded_ms, expires_us, scope, notice FROM
(
    SELECT event_id, record, kind, state, valid_from, toUnixTimestamp64Micro(valid_from) AS valid_us,
           toUnixTimestamp64Milli(min(recorded_at)) AS recorded_ms, toUnixTimestamp64Micro(expires) AS expires_us,
           scope, notice
    FROM consents WHERE subject = {subject:UUID} AND {known}
    GROUP BY event_id, record, kind, state, valid_from, expires, scope, notice, method, country
    ORDER BY max((recorded_at, decision_offset)) DESC LIMIT 1 BY record, event_id
)
WHERE {when}"""

JUDGING_SINCE: Final = """
SELECT toUnixTimestamp64Milli(min(since)) FROM
(
    SELECT any(recorded_at) AS since FROM rejudging GROUP BY epoch, decision_partition, decision_offset
    HAVING argMax(done, steps) = 0
)
HAVING count() > 0"""

ALERTS: Final = """
SELECT identity, state, what, title, severity, service, recipient, purpose, categories, clauses, reasons, gaps,
       toUnixTimestamp64Micro(first_at) AS first_us, toUnixTimestamp64Micro(last_at) AS last_us, count, examples
FROM (SELECT * FROM alerts ORDER BY recorded_at DESC, count DESC, last_at DESC LIMIT 1 BY identity)
WHERE {state:String} IN ('', state)
ORDER BY indexOf(['critical', 'high', 'medium', 'low', 'info', ''], severity), last_us DESC, identity
LIMIT {limit:UInt32}"""

PROGRESS: Final = """
SELECT epoch, decision_partition, toUnixTimestamp64Milli(max(recorded_at)) AS newest_ms
FROM flows GROUP BY epoch, decision_partition ORDER BY newest_ms"""

DEAD_LETTERS_TOTAL: Final = """
SELECT count() FROM (SELECT DISTINCT topic, epoch, source_partition, source_offset FROM dead_letters)"""

DEAD_LETTERS: Final = """
SELECT topic, epoch, source_partition AS partition, source_offset AS offset,
       toUnixTimestamp64Milli(received_at) AS received_ms, code, field, detail, size_bytes, sha256
FROM dead_letters
ORDER BY recorded_at DESC, topic, partition, offset DESC LIMIT 1 BY topic, epoch, source_partition, source_offset
LIMIT {limit:UInt32}"""

CONSENTS: Final = """
SELECT lower(replaceAll(toString(subject), '-', '')) AS subject, kind, toUnixTimestamp64Micro(valid_from) AS valid_us,
       source, event_id, record, state, scope, notice, toUnixTimestamp64Micro(expires) AS expires_us, method, country
FROM
(
    SELECT * FROM consents WHERE startsWith(toString(subject), {digit:String})
    ORDER BY recorded_at DESC, decision_offset DESC LIMIT 1 BY subject, record, event_id
)
ORDER BY recorded_at, decision_offset"""

DOCUMENTS: Final = """
SELECT kind, name, toUnixTimestamp64Micro(valid_from) AS valid_us, toUnixTimestamp64Milli(recorded_at) AS recorded_ms,
       sha256, body
FROM (SELECT * FROM documents ORDER BY recorded_at DESC LIMIT 1 BY kind, name)
WHERE removed = 0 ORDER BY kind, recorded_ms, name"""
