-- Messages that were decided but not yet confirmed by the broker (DESIGN.md section 8).
-- A row is written in the transaction of its change and deleted after the confirm; nothing else
-- touches it unless publishing fails. So the table is nearly empty, and dead rows are its only load:
-- hence no second index, and a vacuum that starts by count and does not rest.
CREATE TABLE outbox (
    -- By sequence, not by id: writers of one record hold its lock, so its messages are numbered in
    -- order, whatever the clocks of the replicas say.
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id uuid NOT NULL,
    exchange text NOT NULL,
    routing_key text NOT NULL,
    entity_id uuid NOT NULL,
    schema_version smallint NOT NULL,
    occurred_at timestamptz NOT NULL,
    traceparent text,
    body text NOT NULL,
    -- The rest is written only when the broker refused the message.
    attempts smallint NOT NULL DEFAULT 0,
    next_at timestamptz,
    last_error text
) WITH (
    fillfactor = 100,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_cost_delay = 0
);

-- Messages that the broker refused too often; the operations page shows them.
CREATE TABLE outbox_dead (
    position bigint PRIMARY KEY,
    message_id uuid NOT NULL,
    exchange text NOT NULL,
    routing_key text NOT NULL,
    entity_id uuid NOT NULL,
    schema_version smallint NOT NULL,
    occurred_at timestamptz NOT NULL,
    traceparent text,
    body text NOT NULL,
    attempts smallint NOT NULL,
    last_error text NOT NULL,
    died_at timestamptz NOT NULL
);

DO $$
DECLARE
    app text := (SELECT pg_get_userbyid(datdba) || '_app' FROM pg_database WHERE datname = current_database());
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON outbox, outbox_dead TO %I', app);
END $$;
