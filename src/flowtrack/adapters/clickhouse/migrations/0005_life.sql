-- What goes, and what is kept of it: erasure, retention and legal holds. docs/decisions/erasure.md says why.
-- Rows are hidden at once by small patch parts, which need the place of each row to be kept; and old parts, in which the
-- bytes still are, are cleaned up soon rather than within minutes.
ALTER TABLE flows MODIFY SETTING enable_block_number_column = 1, enable_block_offset_column = 1,
    cleanup_delay_period = 2, max_cleanup_delay_period = 10, cleanup_delay_period_random_add = 0;
ALTER TABLE consents MODIFY SETTING enable_block_number_column = 1, enable_block_offset_column = 1,
    cleanup_delay_period = 2, max_cleanup_delay_period = 10, cleanup_delay_period_random_add = 0;
ALTER TABLE alerts MODIFY SETTING enable_block_number_column = 1, enable_block_offset_column = 1,
    cleanup_delay_period = 2, max_cleanup_delay_period = 10, cleanup_delay_period_random_add = 0;
ALTER TABLE audit_log MODIFY SETTING enable_block_number_column = 1, enable_block_offset_column = 1,
    cleanup_delay_period = 2, max_cleanup_delay_period = 10, cleanup_delay_period_random_add = 0;

-- The states that each erasure went through: asked, hidden, gone. Whose it was is a salted hash.
CREATE TABLE IF NOT EXISTS erasures
(
    id          String,
    digest      String,                        -- SHA-256 of salt and pseudonym, in hex
    salt        String,                        -- one for the whole ledger
    state       LowCardinality(String),
    at          DateTime64(6, 'UTC'),
    asked_at    DateTime64(6, 'UTC'),          -- what happened by then goes, also where it comes in later
    asker       LowCardinality(String),
    reason      String,
    rows        Map(LowCardinality(String), UInt64),   -- rows that went, by table
    rows_sha256 Array(String),                 -- hash over the rows that went, one for each time that some did
    held        Array(String)                  -- legal holds that kept rows back
)
ENGINE = MergeTree
ORDER BY (id, at)
SETTINGS non_replicated_deduplication_window = 1000;

-- Where rows stood that are gone: so that the books balance, and what is delivered again stays out.
CREATE TABLE IF NOT EXISTS erased_offsets
(
    ledger             LowCardinality(String),   -- flows or consents
    epoch              LowCardinality(String),
    source_partition   UInt16,
    source_offset      UInt64 CODEC(DoubleDelta, ZSTD(1)),
    decision_partition UInt16,
    decision_offset    UInt64 CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (ledger, epoch, source_partition, source_offset);

-- What is kept of rows that are gone: numbers, without anybody in them.
CREATE TABLE IF NOT EXISTS erased_counts
(
    why         LowCardinality(String),          -- erasure or retention
    happened_on Date,
    recorded_on Date,
    service     LowCardinality(String),
    kind        LowCardinality(String),
    category    LowCardinality(String),
    recipient   LowCardinality(String),
    purpose     LowCardinality(String),
    verdict     LowCardinality(String),
    flows       Int64
)
ENGINE = SummingMergeTree(flows)
ORDER BY (why, happened_on, recorded_on, service, kind, category, recipient, purpose, verdict)
SETTINGS non_replicated_deduplication_window = 1000;

-- The states that each legal hold went through: held, released. What is left open does not restrict.
CREATE TABLE IF NOT EXISTS legal_holds
(
    id       String,
    state    LowCardinality(String),
    at       DateTime64(6, 'UTC'),
    asker    LowCardinality(String),
    reason   String,
    subject  Nullable(UUID),
    category LowCardinality(String),
    service  LowCardinality(String),
    since    Nullable(DateTime64(6, 'UTC')),
    until    Nullable(DateTime64(6, 'UTC'))
)
ENGINE = MergeTree
ORDER BY (id, at)
SETTINGS non_replicated_deduplication_window = 1000, enable_block_number_column = 1, enable_block_offset_column = 1,
         cleanup_delay_period = 2, max_cleanup_delay_period = 10, cleanup_delay_period_random_add = 0;
