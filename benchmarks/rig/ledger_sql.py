"""The statements that fill a ledger of any size; numbers are put in, everything else stands here."""

from __future__ import annotations

from typing import Final

COMBINATION_COLUMNS: Final = (
    "number",
    "service",
    "kind",
    "purpose",
    "basis",
    "recipient",
    "dataset",
    "location",
    "facts",
    "categories",
    "situations",
    "verdicts",
    "carried",
)

COMBINATION_TABLE: Final = """
CREATE TABLE bench_combinations
(
    number UInt32, service String, kind String, purpose String, basis String, recipient String, dataset String,
    location String, facts String, categories Array(String), situations Array(Array(UInt64)),
    verdicts Array(Array(String)), carried Array(Array(UInt8))
)
ENGINE = MergeTree ORDER BY number"""

_SUBJECT = "reinterpretAsUUID(MD5(concat('subject ', toString({number}))))"
_CHANCE = "(sipHash64({number}, {salt}) / 18446744073709551616.)"

# An event: whose, when, which combination in which state of the subject's consents. The busiest hundredth of the
# subjects has a tenth of the events; the busiest subject of two million some four thousand.
_EVENTS: Final = f"""
SELECT n, toUInt64({{subjects}} * pow({_CHANCE.format(number="n", salt=1)}, 1.5)) AS whose,
       toUInt32({{combinations}} * pow({_CHANCE.format(number="n", salt=2)}, 2)) AS combination,
       {_SUBJECT.format(number="whose")} AS its_subject,
       {{start_ms}} + toInt64(n * ({{span_ms}} / {{events}})) AS known_ms,
       known_ms * 1000 - toInt64(1e9 * pow({_CHANCE.format(number="n", salt=3)}, 9) * 60) - 50000 AS happened_us,
       1 + sipHash64(whose, 4) % {{views}} AS view
FROM (SELECT {{first}} + number AS n FROM numbers({{count}}))"""  # noqa: S608 - our own

_COLUMNS = """
INSERT INTO flows
(
    subject, happened_at, event_id, category, revision, sign, recorded_at, service, kind, purpose, basis, recipient,
    dataset, location, verdict, pack, registry, situation, consent, suspect, correlation_id, facts, particulars, epoch,
    source_partition, source_offset, decision_partition, decision_offset
)"""

_ROW = """
SELECT its_subject, fromUnixTimestamp64Micro(happened_us, 'UTC'), lower(hex(sipHash128(n))), category,
       {revision} AS its_revision,
       {sign} AS its_sign, fromUnixTimestamp64Milli(known_ms + {later_ms}, 'UTC'), service, kind, purpose,
       basis, recipient,
       dataset, location, verdicts[{view}][place], '{{pack}}', 'bench@1', situations[{view}][place],
       if(carried[{view}][place] = 1, concat('r-', toString(whose)), ''), 0,
       lower(hex(sipHash128(intDiv(n, 3), 'c'))), facts, '', '', n % {{partitions}}, intDiv(n, {{partitions}}),
       n % {{partitions}}, intDiv(n, {{partitions}}) + intDiv(n, 20 * {{partitions}})
FROM ({events}) AS e
INNER JOIN bench_combinations AS b ON e.combination = b.number
ARRAY JOIN categories AS category, arrayEnumerate(categories) AS place
WHERE n % {{dead_every}} != 0"""

_SETTINGS = """
SETTINGS max_block_size = 1048576, max_insert_block_size = 1048576, min_insert_block_size_rows = 1048576,
         min_insert_block_size_bytes = 1073741824, max_insert_threads = 1, max_partitions_per_insert_block = 1000"""

FLOWS: Final = _COLUMNS + _ROW.format(revision=0, sign=1, later_ms=0, view="view", events=_EVENTS) + _SETTINGS
"""Events as they were first judged."""

_AMENDED_EVENTS = _EVENTS.replace("SELECT {first} + number AS n", "SELECT ({first} + number) * {amended_every} AS n")
_RETRACTED = _ROW.format(revision=0, sign=-1, later_ms=3_600_000, view="view", events=_AMENDED_EVENTS)
_ASSERTED = _ROW.format(revision=1, sign=1, later_ms=3_600_000, view="(1 + view % {views})", events=_AMENDED_EVENTS)
AMENDED: Final = f"{_COLUMNS} SELECT * FROM ({_RETRACTED} UNION ALL {_ASSERTED}) {_SETTINGS}"  # noqa: S608 - our own
"""Some events judged anew an hour later, in another state of their subject's consents."""

DEAD: Final = """
INSERT INTO dead_letters
SELECT 'flowtrack.events', '', n % {partitions}, intDiv(n, {partitions}), fromUnixTimestamp64Milli({start_ms}, 'UTC'),
       'not_json', '', 'the message is no JSON', 3, '', fromUnixTimestamp64Milli({start_ms}, 'UTC')
FROM (SELECT number * {dead_every} AS n FROM numbers({dead})) WHERE n < {events}"""

CONSENTS: Final = f"""
INSERT INTO consents
SELECT {_SUBJECT.format(number="number")}, 'consent', fromUnixTimestamp64Micro({{start_us}}, 'UTC'),
       fromUnixTimestamp64Milli(intDiv({{start_us}}, 1000), 'UTC'),
       fromUnixTimestamp64Milli(intDiv({{start_us}}, 1000), 'UTC'), '/services/consent',
       lower(hex(sipHash128(number, 'k'))), concat('r-', toString(number)), 'given', '', '', NULL, '', 'KR', '',
       number % 8, intDiv(number, 8), number % 8, intDiv(number, 8)
FROM numbers({{subjects}})"""  # noqa: S608 - our own
