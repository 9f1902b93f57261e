-- What late knowledge brought and lifted: two states of an alert may differ in that alone, so it is part of the key.
ALTER TABLE alerts
    ADD COLUMN IF NOT EXISTS amended UInt64,
    ADD COLUMN IF NOT EXISTS lifted UInt64,
    ADD COLUMN IF NOT EXISTS changed LowCardinality(String),
    MODIFY ORDER BY (identity, count, state, last_at, lifted);
