-- As what somebody asked, and for which purpose.
ALTER TABLE audit_log ADD COLUMN IF NOT EXISTS role LowCardinality(String);
ALTER TABLE audit_log ADD COLUMN IF NOT EXISTS why String;
