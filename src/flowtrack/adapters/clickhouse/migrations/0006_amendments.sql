-- Judging anew after a change of rules or registry, one row a marker: how far it has come, the highest step counts.
CREATE TABLE IF NOT EXISTS rejudging
(
    epoch              LowCardinality(String),
    decision_partition UInt16,
    decision_offset    UInt64,                        -- of the marker
    recorded_at        DateTime64(3, 'UTC'),
    marker             String CODEC(ZSTD(3)),         -- as it stands on its topic
    cursor             String,                        -- the last subject that is done with
    done               UInt8,
    steps              UInt64
)
ENGINE = ReplacingMergeTree(steps)
ORDER BY (epoch, decision_partition, decision_offset);

-- What such a marker changes by situation: rows are rewritten by joining with it, and it says afterwards what was done.
CREATE TABLE IF NOT EXISTS rejudged
(
    epoch              LowCardinality(String),
    decision_partition UInt16,
    decision_offset    UInt64,
    pack               LowCardinality(String),
    registry           LowCardinality(String),
    situation          UInt64,
    verdict_before     LowCardinality(String),
    since              DateTime64(6, 'UTC'),
    until              DateTime64(6, 'UTC'),
    new_pack           LowCardinality(String),
    new_registry       LowCardinality(String),
    verdict            LowCardinality(String),
    keeps_consent      UInt8
)
ENGINE = ReplacingMergeTree
ORDER BY (epoch, decision_partition, decision_offset, pack, registry, situation, verdict_before, since);
