-- Sinks that say before each batch what they are about to write (docs/decisions/fenced-plan.md): an insert that comes
-- after its deadline is refused, since by then another sink may have taken over. The deadline, in milliseconds since
-- 1970, travels as `log_comment`: a setting that every engine has, and that does nothing.
ALTER TABLE flows ADD CONSTRAINT IF NOT EXISTS in_time
CHECK getSetting('log_comment') = '' OR toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(getSetting('log_comment'));
ALTER TABLE consents ADD CONSTRAINT IF NOT EXISTS in_time
CHECK getSetting('log_comment') = '' OR toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(getSetting('log_comment'));
-- More blocks than all sinks write until a deadline has passed.
ALTER TABLE flows MODIFY SETTING non_replicated_deduplication_window = 100000;
ALTER TABLE consents MODIFY SETTING non_replicated_deduplication_window = 100000;
-- Nobody asks for the highest offsets any more: what a sink takes over is told by its plan, or by the latest rows.
ALTER TABLE flows DROP PROJECTION IF EXISTS marks;
ALTER TABLE consents DROP PROJECTION IF EXISTS marks;
