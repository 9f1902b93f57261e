-- A month into which nothing has come for a day is merged into one part: a subject's trail reads one granule a part, and
-- neighbours in a large part are of one subject, so that the ledger gets smaller too (docs/performance.md).
-- Buffers of what is written grow as they are needed: a rewritten part has some sixty streams, and a megabyte or two
-- for each did not leave enough of the embedded engine's memory to clean up after an erasure.
ALTER TABLE flows MODIFY SETTING min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1,
    min_columns_to_activate_adaptive_write_buffer = 1;
ALTER TABLE consents MODIFY SETTING min_age_to_force_merge_seconds = 86400,
    min_age_to_force_merge_on_partition_only = 1, min_columns_to_activate_adaptive_write_buffer = 1;
