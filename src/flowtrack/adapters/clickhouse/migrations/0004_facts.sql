-- What else an event said, so that it can be judged anew from here: rows written before say nothing.
ALTER TABLE flows ADD COLUMN IF NOT EXISTS facts LowCardinality(String) CODEC(ZSTD(1)) AFTER correlation_id;
ALTER TABLE flows ADD COLUMN IF NOT EXISTS particulars String CODEC(ZSTD(1)) AFTER facts;
