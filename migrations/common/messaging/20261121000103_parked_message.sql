-- Messages that could not be handled, whole, kept for a person (DESIGN.md section 8).
CREATE TABLE parked_message (
    id uuid PRIMARY KEY,
    -- Where it was read, and the key it was first published under.
    queue text NOT NULL,
    routing_key text NOT NULL,
    -- As sent, which need not be a UUID; absent from some foreign publishers.
    message_id text,
    kind text NOT NULL CHECK (kind IN
        ('unreadable', 'unknown_key', 'unknown_version', 'conflict', 'refused', 'failed', 'dead_lettered')),
    reason text NOT NULL,
    attempts integer NOT NULL,
    headers jsonb NOT NULL,
    properties jsonb NOT NULL,
    body bytea NOT NULL,
    digest bytea NOT NULL,
    parked_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'parked' CHECK (state IN ('parked', 'retried', 'discarded')),
    resolved_at timestamptz,
    resolved_by uuid,
    note text,
    CHECK ((state = 'parked') = (resolved_at IS NULL))
);

-- The broker may hand the same message over twice; it is parked once.
CREATE UNIQUE INDEX parked_message_once ON parked_message (queue, message_id, digest)
    WHERE state = 'parked' AND message_id IS NOT NULL;
CREATE INDEX parked_message_waiting ON parked_message (queue, parked_at) WHERE state = 'parked';

DO $$
DECLARE
    app text := (SELECT pg_get_userbyid(datdba) || '_app' FROM pg_database WHERE datname = current_database());
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON parked_message TO %I', app);
END $$;
