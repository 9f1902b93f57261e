-- Consent records as they were applied: one row per record state and broker epoch.
CREATE TABLE IF NOT EXISTS consents
(
    subject            UUID                           CODEC(ZSTD(1)),
    kind               LowCardinality(String)         CODEC(ZSTD(1)),
    valid_from         DateTime64(6, 'UTC')           CODEC(ZSTD(1)),
    recorded_at        DateTime64(3, 'UTC')           CODEC(ZSTD(1)),
    received_at        DateTime64(3, 'UTC')           CODEC(ZSTD(1)),
    source             LowCardinality(String)         CODEC(ZSTD(1)),
    event_id           String                         CODEC(ZSTD(1)),
    record             String                         CODEC(ZSTD(1)),
    state              LowCardinality(String)         CODEC(ZSTD(1)),
    scope              LowCardinality(String)         CODEC(ZSTD(1)),   -- JSON of the usage policy, or ''
    notice             LowCardinality(String)         CODEC(ZSTD(1)),   -- JSON of version, language and hash, or ''
    expires            Nullable(DateTime64(6, 'UTC')) CODEC(ZSTD(1)),
    method             LowCardinality(String)         CODEC(ZSTD(1)),
    country            LowCardinality(String)         CODEC(ZSTD(1)),
    epoch              LowCardinality(String)         CODEC(ZSTD(1)),
    source_partition   UInt16                         CODEC(ZSTD(1)),
    source_offset      UInt64                         CODEC(ZSTD(1)),
    decision_partition UInt16                         CODEC(ZSTD(1)),
    decision_offset    UInt64                         CODEC(ZSTD(1)),
    PROJECTION marks
    (
        SELECT epoch, source_partition, max(source_offset) GROUP BY epoch, source_partition
    )
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(recorded_at)
PRIMARY KEY subject
ORDER BY (subject, kind, valid_from, recorded_at)
SETTINGS index_granularity = 1024, min_compress_block_size = 16384,
         lightweight_mutation_projection_mode = 'rebuild', deduplicate_merge_projection_mode = 'rebuild',
         non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
