-- What the sender of each queue says that it sent, beside what became of it here, by hour and key.
-- sent = applied + ignored + parked whenever nothing is missing and nothing is surplus.
CREATE TABLE conciliation (
    queue text NOT NULL,
    -- The beginning of the hour in which the messages were written, UTC.
    hour timestamptz NOT NULL,
    routing_key text NOT NULL,
    sent bigint NOT NULL,
    -- Written by the sender, but not yet confirmed by the broker.
    waiting bigint NOT NULL,
    applied bigint NOT NULL,
    ignored bigint NOT NULL,
    parked bigint NOT NULL,
    -- Sent, but unknown here.
    missing bigint NOT NULL,
    -- Known here, but not sent.
    surplus bigint NOT NULL,
    checked_at timestamptz NOT NULL,
    missing_since timestamptz,
    alarmed_at timestamptz,
    PRIMARY KEY (queue, hour, routing_key)
);

DO $$
DECLARE
    app text := (SELECT pg_get_userbyid(datdba) || '_app' FROM pg_database WHERE datname = current_database());
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON conciliation TO %I', app);
END $$;
