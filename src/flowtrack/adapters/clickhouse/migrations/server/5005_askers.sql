-- The audit log has two columns more since 0021: as what somebody asks, and why. Whoever writes down that it asks fills
-- them.
GRANT INSERT(role, why) ON audit_log TO flowtrack_auditor;
GRANT INSERT(role, why) ON audit_log TO flowtrack_subject_desk;
GRANT INSERT(role, why) ON audit_log TO flowtrack_regulator;
