-- Judging anew keeps the subject that it has come to: once it is done, the clean-up takes that out, as it does elsewhere.
ALTER TABLE rejudging MODIFY SETTING enable_block_number_column = 1, enable_block_offset_column = 1,
    cleanup_delay_period = 2, max_cleanup_delay_period = 10, cleanup_delay_period_random_add = 0;
