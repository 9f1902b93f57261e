-- How far an answer is complete depends on what is being judged anew: that, and nothing else of it, for those who ask.
GRANT SELECT(epoch, decision_partition, decision_offset, recorded_at, done, steps) ON rejudging TO flowtrack_subject_desk;
GRANT SELECT(epoch, decision_partition, decision_offset, recorded_at, done, steps) ON rejudging TO flowtrack_regulator;
GRANT SELECT(epoch, decision_partition, decision_offset, recorded_at, done, steps) ON rejudging TO flowtrack_operator;
