-- Which account wrote a line of the log is said by the server, not by who asks: the desk may not write this column.
ALTER TABLE audit_log ADD COLUMN IF NOT EXISTS account LowCardinality(String) DEFAULT currentUser();

-- A table with a row policy shows nothing to those that none of its policies names, so each names everybody else too.
CREATE ROW POLICY IF NOT EXISTS flowtrack_others ON flows FOR SELECT USING 1
    TO ALL EXCEPT flowtrack_subject_desk;
CREATE ROW POLICY IF NOT EXISTS flowtrack_desk ON flows FOR SELECT
    USING subject IN (SELECT subject FROM audit_log
                      WHERE account = currentUser() AND asked_at > now64(6) - INTERVAL 1 HOUR AND subject IS NOT NULL)
    TO flowtrack_subject_desk;

CREATE ROW POLICY IF NOT EXISTS flowtrack_others ON consents FOR SELECT USING 1
    TO ALL EXCEPT flowtrack_subject_desk;
CREATE ROW POLICY IF NOT EXISTS flowtrack_desk ON consents FOR SELECT
    USING subject IN (SELECT subject FROM audit_log
                      WHERE account = currentUser() AND asked_at > now64(6) - INTERVAL 1 HOUR AND subject IS NOT NULL)
    TO flowtrack_subject_desk;

-- Of the log the desk sees its own lines.
CREATE ROW POLICY IF NOT EXISTS flowtrack_others ON audit_log FOR SELECT USING 1
    TO ALL EXCEPT flowtrack_subject_desk;
CREATE ROW POLICY IF NOT EXISTS flowtrack_desk ON audit_log FOR SELECT
    USING account = currentUser()
    TO flowtrack_subject_desk;
