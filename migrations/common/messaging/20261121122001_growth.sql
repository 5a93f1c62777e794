-- What grows with traffic is removed by age (docs/operations.md says how long each table keeps its rows).

-- The inbox is pruned by id, in the order of the primary key; its own order of time is not needed.
DROP INDEX inbox_received_at;
-- A fifth of tens of millions of rows would be too much to wait for.
ALTER TABLE inbox SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);

CREATE INDEX parked_message_resolved ON parked_message (resolved_at) WHERE state <> 'parked';

DO $$
DECLARE
    app text := (SELECT pg_get_userbyid(datdba) || '_app' FROM pg_database WHERE datname = current_database());
BEGIN
    EXECUTE format('GRANT DELETE ON parked_message TO %I', app);
END $$;
