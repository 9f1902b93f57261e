-- What one question and one hour of questions may cost, so that no auditor holds up the sink. `readonly` is not among
-- it: asking writes a line to the log. What a role may write is in its grants.
CREATE SETTINGS PROFILE IF NOT EXISTS flowtrack_questions
    SETTINGS max_execution_time = 60 MAX 600, max_memory_usage = 4294967296 MAX 8589934592,
             max_bytes_before_external_group_by = 2147483648
    TO flowtrack_auditor, flowtrack_regulator, flowtrack_subject_desk;

CREATE QUOTA IF NOT EXISTS flowtrack_questions KEYED BY user_name
    FOR INTERVAL 1 hour MAX queries = 20000, execution_time = 7200
    TO flowtrack_auditor, flowtrack_regulator;

CREATE QUOTA IF NOT EXISTS flowtrack_desk KEYED BY user_name
    FOR INTERVAL 1 hour MAX queries = 2000, query_inserts = 300, execution_time = 1800
    TO flowtrack_subject_desk;
