-- The ledger itself: a row per event and category, ordered by subject. Needs ClickHouse 26.7 or newer, since a
-- projection with WHERE came with it. docs/decisions/ledger-schema.md says why it looks as it does.
CREATE TABLE IF NOT EXISTS flows
(
    subject            UUID                    CODEC(ZSTD(1)),   -- the pseudonym: 32 hex digits parse as they are
    happened_at        DateTime64(6, 'UTC')    CODEC(ZSTD(1)),   -- as exact as the event, so that it can be judged anew
    event_id           String                  CODEC(ZSTD(1)),
    category           LowCardinality(String)  CODEC(ZSTD(1)),   -- '' where an event names none (erase, incident)
    revision           UInt16                  CODEC(ZSTD(1)),
    sign               Int8                    CODEC(ZSTD(1)),   -- +1 asserted, -1 retracted
    recorded_at        DateTime64(3, 'UTC')    CODEC(Delta, ZSTD(1)),
    service            LowCardinality(String)  CODEC(ZSTD(1)),
    kind               LowCardinality(String)  CODEC(ZSTD(1)),
    purpose            LowCardinality(String)  CODEC(ZSTD(1)),
    basis              LowCardinality(String)  CODEC(ZSTD(1)),
    recipient          LowCardinality(String)  CODEC(ZSTD(1)),   -- '' unless kind = 'share'
    dataset            LowCardinality(String)  CODEC(ZSTD(1)),
    location           LowCardinality(String)  CODEC(ZSTD(1)),
    verdict            LowCardinality(String)  CODEC(ZSTD(1)),
    pack               LowCardinality(String)  CODEC(ZSTD(1)),   -- name@version
    registry           LowCardinality(String)  CODEC(ZSTD(1)),
    situation          LowCardinality(UInt64)  CODEC(ZSTD(1)),   -- with pack: the key of judgements
    consent            String                  CODEC(ZSTD(1)),   -- record that carried the verdict, or ''
    suspect            UInt8                   CODEC(ZSTD(1)),   -- may repeat an earlier event of its producer
    correlation_id     String                  CODEC(ZSTD(1)),
    epoch              LowCardinality(String)  CODEC(ZSTD(1)),   -- life of the embedded broker; '' on a real Kafka
    source_partition   UInt16                  CODEC(ZSTD(1)),
    source_offset      UInt64                  CODEC(ZSTD(1)),
    decision_partition UInt16                  CODEC(ZSTD(1)),
    decision_offset    UInt64                  CODEC(ZSTD(1)),
    PROJECTION share
    (
        SELECT kind, recipient, subject, category, service, happened_at, recorded_at, verdict, sign
        WHERE kind = 'share'
        ORDER BY recipient
    ),
    PROJECTION daily
    (
        SELECT kind, service, recipient, dataset, category, purpose, verdict, pack, situation,
               toDate(happened_at), toDate(recorded_at), sum(sign)
        GROUP BY kind, service, recipient, dataset, category, purpose, verdict, pack, situation,
                 toDate(happened_at), toDate(recorded_at)
    ),
    PROJECTION marks
    (
        SELECT epoch, source_partition, max(source_offset) GROUP BY epoch, source_partition
    ),
    PROJECTION progress
    (
        SELECT epoch, decision_partition, max(recorded_at), sum(sign) GROUP BY epoch, decision_partition
    )
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(recorded_at)
PRIMARY KEY subject
ORDER BY (subject, happened_at, event_id, category, revision)
SETTINGS index_granularity = 1024, min_compress_block_size = 16384, allow_suspicious_low_cardinality_types = 1,
         lightweight_mutation_projection_mode = 'rebuild', deduplicate_merge_projection_mode = 'rebuild',
         non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- What a pack says of a situation: once, however many rows refer to it.
CREATE TABLE IF NOT EXISTS judgements
(
    pack        LowCardinality(String),
    situation   UInt64,
    verdict     LowCardinality(String),
    severity    LowCardinality(String),
    rules       Array(LowCardinality(String)),
    clauses     Array(LowCardinality(String)),
    reasons     Array(LowCardinality(String)),
    notes       Array(LowCardinality(String)),
    gaps        Array(LowCardinality(String)),
    attributes  String CODEC(ZSTD(3)),       -- the situation as JSON; '' until its definition has come
    defined     UInt8 MATERIALIZED attributes != '',
    recorded_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(defined)
ORDER BY (pack, situation);
