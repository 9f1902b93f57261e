-- What stands around the ledger. Each of these is written again as it is without harm: the same key is the same fact.
CREATE TABLE IF NOT EXISTS dead_letters
(
    topic            LowCardinality(String),
    epoch            LowCardinality(String),
    source_partition UInt16,
    source_offset    UInt64,
    received_at      DateTime64(3, 'UTC'),
    code             LowCardinality(String),
    field            LowCardinality(String),
    detail           String,
    size_bytes       UInt64,
    sha256           String,
    recorded_at      DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, epoch, source_partition, source_offset);

-- Every state that an alert went through.
CREATE TABLE IF NOT EXISTS alerts
(
    identity    String,
    last_at     DateTime64(6, 'UTC'),
    count       UInt64,
    state       LowCardinality(String),
    what        LowCardinality(String),
    title       String,
    severity    LowCardinality(String),
    service     LowCardinality(String),
    recipient   LowCardinality(String),
    purpose     LowCardinality(String),
    categories  Array(LowCardinality(String)),
    clauses     Array(LowCardinality(String)),
    reasons     Array(LowCardinality(String)),
    gaps        Array(LowCardinality(String)),
    first_at    DateTime64(6, 'UTC'),
    examples    Array(String),
    recorded_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (identity, count, state, last_at);

-- Packs and registry documents, each version whole, with the instant from which it holds.
CREATE TABLE IF NOT EXISTS documents
(
    kind        LowCardinality(String),      -- policy or registry
    name        String,                      -- key of its record: name:version
    valid_from  DateTime64(6, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    removed     UInt8,                       -- the record was a tombstone
    sha256      String,
    body        String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree
ORDER BY (kind, name, recorded_at, sha256);

-- Who asked what about whom.
CREATE TABLE IF NOT EXISTS audit_log
(
    asked_at   DateTime64(6, 'UTC'),
    asker      LowCardinality(String),
    question   LowCardinality(String),
    subject    Nullable(UUID),
    parameters String
)
ENGINE = MergeTree
ORDER BY asked_at;

-- How often each rule decided, with what outcome: rows of the ledger, retractions taken off.
CREATE VIEW IF NOT EXISTS rule_coverage AS
SELECT f.pack AS pack, rule, f.verdict AS verdict, sum(f.hits) AS hits
FROM (SELECT pack, situation, verdict, sum(sign) AS hits FROM flows GROUP BY pack, situation, verdict) AS f
INNER JOIN
(
    SELECT pack, situation, rules FROM judgements ORDER BY pack, situation, defined DESC LIMIT 1 BY pack, situation
) AS j ON f.pack = j.pack AND f.situation = j.situation
ARRAY JOIN j.rules AS rule
GROUP BY pack, rule, verdict;
