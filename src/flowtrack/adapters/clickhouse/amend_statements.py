"""What judging anew reads and writes, as SQL; values are parameters, always."""

from __future__ import annotations

from typing import Final

from flowtrack.tracking.rows import COLUMNS, FLOWS

_AS_UNITS = {
    "subject": "lower(replaceAll(toString(subject), '-', '')) AS subject_hex",
    "happened_at": "toUnixTimestamp64Micro(happened_at) AS happened_us",
    "recorded_at": "toUnixTimestamp64Milli(recorded_at) AS recorded_ms",
}
_COLUMNS = ", ".join(_AS_UNITS.get(name, name) for name in COLUMNS[FLOWS])
_SCOPE = """epoch = {epoch:String} AND decision_partition = {partition:UInt16}
  AND happened_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') AND decision_offset <= {offset:UInt64}"""
_SPAN = "({after:String} = '' OR subject > toUUIDOrZero({after:String})) AND subject <= {upto:UUID}"
# All rows of a subject rest on one shard of a cluster: what is asked about a span of subjects is asked there.
_ROW = "source_partition, source_offset, category"

FLOWS_OF: Final = f"""
SELECT {_COLUMNS} FROM flows WHERE subject IN {{subjects:Array(UUID)}} AND {_SCOPE} AND sign != 0"""  # noqa: S608 - columns of ours

FLOWS_IN: Final = f"""
SELECT {_COLUMNS} FROM flows WHERE {_SPAN} AND {_SCOPE} AND sign != 0"""  # noqa: S608 - columns of ours

FLOWS_IN_SITUATIONS: Final = f"""{FLOWS_IN} AND situation IN {{situations:Array(UInt64)}}"""

BROUGHT_IN: Final = f"""
SELECT {_COLUMNS} FROM flows WHERE {_SPAN} AND {_SCOPE} AND sign != 0 AND (source_partition, source_offset) IN
(
    SELECT source_partition, source_offset FROM flows
    WHERE {_SPAN} AND {_SCOPE} AND decision_offset = {{offset:UInt64}}
    GROUP BY {_ROW}
    HAVING min(verdict) != max(verdict) OR min(situation) != max(situation) OR min(consent) != max(consent)
)
SETTINGS distributed_product_mode = 'local'"""  # noqa: S608 - columns of ours

SAID: Final = ("severity", "clauses", "reasons", "gaps")
JUDGEMENTS_OF: Final = f"""
SELECT pack, situation, {", ".join(SAID)} FROM judgements
WHERE pack IN {{packs:Array(String)}} AND situation IN {{situations:Array(UInt64)}}
ORDER BY defined DESC LIMIT 1 BY pack, situation"""  # noqa: S608 - columns of ours

SPAN_END: Final = f"""
SELECT count(), lower(replaceAll(toString(max(subject)), '-', '')) FROM
(
    SELECT subject FROM flows
    WHERE ({{after:String}} = '' OR subject > toUUIDOrZero({{after:String}})) AND {_SCOPE}
    ORDER BY subject LIMIT {{rows:UInt64}}
)"""  # noqa: S608 - columns of ours

SEEN: Final = f"""
SELECT f.pack, f.registry, f.number, f.era, f.verdict, j.reasons, if(j.verdict = f.verdict, j.attributes, '')
FROM
(
    SELECT pack, registry, toUInt64(situation) AS number, verdict,
           arrayCount(each -> happened_at >= fromUnixTimestamp64Micro(each, 'UTC'), {{instants:Array(Int64)}}) AS era
    FROM flows WHERE {_SCOPE} AND decision_offset < {{offset:UInt64}} AND sign > 0
    GROUP BY pack, registry, number, verdict, era
) AS f
LEFT JOIN
(
    SELECT pack, situation, verdict, reasons, attributes FROM judgements
    ORDER BY defined DESC LIMIT 1 BY pack, situation
) AS j ON f.pack = j.pack AND f.number = j.situation
ORDER BY f.pack, f.registry, f.number, f.verdict, f.era"""  # noqa: S608 - columns of ours

HISTORIES: Final = """
SELECT lower(replaceAll(toString(subject), '-', '')) AS subject_hex, event_id, record, kind, state, scope,
       toUnixTimestamp64Micro(valid_from), toUnixTimestamp64Micro(expires), country
FROM consents
WHERE subject IN {subjects:Array(UUID)} AND epoch = {epoch:String} AND decision_partition = {partition:UInt16}
  AND decision_offset < {offset:UInt64}
ORDER BY subject, decision_offset"""

_NEW = {
    "sign": "weight",
    "revision": "if(weight = 1, revision + 1, revision)",
    "verdict": "if(weight = 1, c.new_verdict, f.verdict)",
    "pack": "if(weight = 1, c.new_pack, f.pack)",
    "registry": "if(weight = 1, c.new_registry, f.registry)",
    "consent": "if(weight = 1 AND c.keeps_consent = 0, '', consent)",
    "recorded_at": "greatest(recorded_at, fromUnixTimestamp64Milli({recorded_ms:Int64}, 'UTC'))",
    "decision_offset": "{offset:UInt64}",
}
_REWRITTEN = ",\n       ".join(f"{_NEW[name]}" if name in _NEW else f"f.{name}" for name in COLUMNS[FLOWS])

REWRITE: Final = f"""
INSERT INTO flows ({", ".join(COLUMNS[FLOWS])})
SELECT {_REWRITTEN}
FROM
(
    SELECT {", ".join(COLUMNS[FLOWS])} FROM flows
    WHERE {_SPAN} AND {_SCOPE} AND sign > 0 AND decision_offset < {{offset:UInt64}}
      AND ({_ROW}, revision) NOT IN
      (
          SELECT {_ROW}, revision FROM flows WHERE {_SPAN} AND {_SCOPE} AND sign < 0
      )
) AS f
INNER JOIN
(
    SELECT pack, registry, situation, verdict_before, since, until, new_pack, new_registry, verdict AS new_verdict,
           keeps_consent
    FROM rejudged
    WHERE epoch = {{epoch:String}} AND decision_partition = {{partition:UInt16}}
      AND decision_offset = {{offset:UInt64}}
    LIMIT 1 BY pack, registry, situation, verdict_before, since
) AS c ON f.pack = c.pack AND f.registry = c.registry AND f.situation = c.situation AND f.verdict = c.verdict_before
ARRAY JOIN [-1, 1] AS weight
WHERE f.happened_at >= c.since AND f.happened_at < c.until
ORDER BY f.subject, f.source_partition, f.source_offset, f.category, weight
SETTINGS distributed_product_mode = 'local'"""  # noqa: S608 - columns of ours

CHANGES_HELD: Final = """
SELECT uniqExact(pack, registry, situation, verdict_before, since) FROM rejudged
WHERE epoch = {epoch:String} AND decision_partition = {partition:UInt16} AND decision_offset = {offset:UInt64}"""

JOBS: Final = """
SELECT epoch, decision_partition, decision_offset, toUnixTimestamp64Milli(recorded_at) AS recorded_ms, marker, cursor,
       done, steps
FROM rejudging WHERE epoch = {epoch:String}
ORDER BY steps DESC LIMIT 1 BY decision_partition, decision_offset"""

BODIES: Final = """
SELECT body FROM documents WHERE kind = {kind:String} AND name = {name:String} AND removed = 0
ORDER BY recorded_at DESC"""
