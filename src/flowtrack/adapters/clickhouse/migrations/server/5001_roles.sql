-- Who may see and do what in the ledger, by SQL too. Users are made by whoever runs the server, and are given one of
-- these roles (docs/how-to/run-on-clickhouse.md). Everybody sees pseudonyms only: there is nothing else in here.

-- The sink: adds rows and reads back what it wrote. It changes and removes nothing.
CREATE ROLE IF NOT EXISTS flowtrack_writer;
GRANT SELECT, INSERT ON * TO flowtrack_writer;

-- Auditors: read everything, and write down that they asked.
CREATE ROLE IF NOT EXISTS flowtrack_auditor;
GRANT SELECT ON * TO flowtrack_auditor;
GRANT INSERT(asked_at, asker, question, subject, parameters) ON audit_log TO flowtrack_auditor;

-- The desk that answers subjects: the trail and the consents of those it has asked for, and nobody else's. The row
-- policies below tie that to the log: an account sees a subject for an hour after it wrote down that it asks.
CREATE ROLE IF NOT EXISTS flowtrack_subject_desk;
GRANT SELECT ON flows TO flowtrack_subject_desk;
GRANT SELECT ON consents TO flowtrack_subject_desk;
GRANT SELECT ON judgements TO flowtrack_subject_desk;
GRANT SELECT ON documents TO flowtrack_subject_desk;
GRANT SELECT ON migrations TO flowtrack_subject_desk;
GRANT SELECT ON audit_log TO flowtrack_subject_desk;
GRANT INSERT(asked_at, asker, question, subject, parameters) ON audit_log TO flowtrack_subject_desk;

-- A regulator: what was done, under which clause, to whom it went and how often; not the particulars of an event, nor
-- the numbers by which services find it again.
CREATE ROLE IF NOT EXISTS flowtrack_regulator;
GRANT SELECT(subject, happened_at, category, revision, sign, recorded_at, service, kind, purpose, basis, recipient, dataset,
             location, verdict, pack, registry, situation, suspect, epoch, source_partition, source_offset,
             decision_partition, decision_offset) ON flows TO flowtrack_regulator;
GRANT SELECT(subject, kind, valid_from, recorded_at, received_at, source, event_id, record, state, scope, notice, expires,
             method, country, epoch, source_partition, source_offset, decision_partition, decision_offset)
    ON consents TO flowtrack_regulator;
GRANT SELECT ON judgements TO flowtrack_regulator;
GRANT SELECT ON rule_coverage TO flowtrack_regulator;
GRANT SELECT ON documents TO flowtrack_regulator;
GRANT SELECT ON alerts TO flowtrack_regulator;
GRANT SELECT ON erased_offsets TO flowtrack_regulator;
GRANT SELECT ON erased_counts TO flowtrack_regulator;
GRANT SELECT ON migrations TO flowtrack_regulator;
GRANT INSERT(asked_at, asker, question, subject, parameters) ON audit_log TO flowtrack_regulator;

-- Who runs the platform: migrations, parts, retention, backups and books; of an event only where it stood and when.
-- Erasing needs this role and the writer's, since rows are found by subject then.
CREATE ROLE IF NOT EXISTS flowtrack_operator;
GRANT SELECT(sign, recorded_at, epoch, source_partition, source_offset, decision_partition, decision_offset)
    ON flows TO flowtrack_operator;
GRANT SELECT(recorded_at, epoch, source_partition, source_offset, decision_partition, decision_offset)
    ON consents TO flowtrack_operator;
GRANT SELECT ON erased_offsets TO flowtrack_operator;
GRANT SELECT ON erased_counts TO flowtrack_operator;
GRANT SELECT ON dead_letters TO flowtrack_operator;
GRANT SELECT ON alerts TO flowtrack_operator;
GRANT SELECT ON documents TO flowtrack_operator;
GRANT SELECT, INSERT ON migrations TO flowtrack_operator;
GRANT SHOW, ALTER, CREATE TABLE, CREATE VIEW, OPTIMIZE, BACKUP ON * TO flowtrack_operator;
GRANT SYSTEM MERGES, SYSTEM SYNC REPLICA, SYSTEM RESTART REPLICA ON * TO flowtrack_operator;
GRANT CLUSTER, REMOTE ON *.* TO flowtrack_operator;
GRANT SELECT ON system.parts TO flowtrack_operator;
GRANT SELECT ON system.merges TO flowtrack_operator;
GRANT SELECT ON system.mutations TO flowtrack_operator;
GRANT SELECT ON system.replicas TO flowtrack_operator;
GRANT SELECT ON system.replication_queue TO flowtrack_operator;
GRANT SELECT ON system.disks TO flowtrack_operator;
GRANT SELECT ON system.errors TO flowtrack_operator;
GRANT SELECT ON system.clusters TO flowtrack_operator;
GRANT SELECT ON system.clusters TO flowtrack_writer;

-- Who starts a process on the ledger looks whether a part of it has been put aside as damaged.
GRANT SELECT ON system.detached_parts TO flowtrack_writer;
GRANT SELECT ON system.detached_parts TO flowtrack_auditor;
GRANT SELECT ON system.detached_parts TO flowtrack_subject_desk;
GRANT SELECT ON system.detached_parts TO flowtrack_regulator;
GRANT SELECT ON system.detached_parts TO flowtrack_operator;
