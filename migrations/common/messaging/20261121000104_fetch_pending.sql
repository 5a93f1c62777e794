-- Records that must be fetched from the service that owns them (DESIGN.md section 6). One row per
-- record holds the newest event that asked for it. An answer is stored only while the row is there
-- with the event it was fetched for: deleting the row forbids every fetch that is under way.
CREATE TABLE fetch_pending (
    kind text NOT NULL,
    entity_id uuid NOT NULL,
    event_ts timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    -- Also the lease of the process that works on it: it becomes due again when that one dies.
    next_at timestamptz NOT NULL,
    last_error text,
    PRIMARY KEY (kind, entity_id)
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX fetch_pending_due ON fetch_pending (kind, next_at);

DO $$
DECLARE
    app text := (SELECT pg_get_userbyid(datdba) || '_app' FROM pg_database WHERE datname = current_database());
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON fetch_pending TO %I', app);
END $$;
