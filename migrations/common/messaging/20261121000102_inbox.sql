-- Which message was already handled by which queue, so that a redelivery changes nothing
-- (DESIGN.md section 8). Written in the transaction of the effect, pruned by age.
CREATE TABLE inbox (
    message_id uuid NOT NULL,
    consumer text NOT NULL,
    -- SHA-256 of the body: the same id with another body is an alarm (DESIGN.md M5).
    digest bytea NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (message_id, consumer)
);

-- Rows arrive in the order of time, so a few pages of BRIN are enough to find the old ones.
CREATE INDEX inbox_received_at ON inbox USING brin (received_at);

DO $$
DECLARE
    app text := (SELECT pg_get_userbyid(datdba) || '_app' FROM pg_database WHERE datname = current_database());
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, DELETE ON inbox TO %I', app);
END $$;
