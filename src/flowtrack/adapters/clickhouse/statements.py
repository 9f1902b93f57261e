"""The auditors' questions as SQL.

Instants go in as microseconds and come out as such, so that none is rounded on its way.  Nothing here uses FINAL, and
values are parameters, always.
"""

from __future__ import annotations

from typing import Final

JUDGING_SINCE: Final = """
SELECT toUnixTimestamp64Milli(min(since)) FROM
(
    SELECT any(recorded_at) AS since FROM rejudging GROUP BY epoch, decision_partition, decision_offset
    HAVING argMax(done, steps) = 0
)
HAVING count() > 0"""

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

# The engine knows the newest of each part, since parts lie by month of recording.
NEWEST: Final = """
SELECT toUnixTimestamp64Milli(max(newest)) FROM
(
    SELECT max(recorded_at) AS newest FROM consents HAVING count() > 0
    UNION ALL SELECT max(recorded_at) AS newest FROM documents HAVING count() > 0
    UNION ALL SELECT max(recorded_at) AS newest FROM alerts HAVING count() > 0
)
HAVING count() > 0"""
