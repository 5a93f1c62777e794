-- What became of each message, to be compared with what its sender says. Rows begin as applied; only
-- the few that turn out otherwise are written a second time.
ALTER TABLE inbox
    ADD COLUMN routing_key text NOT NULL DEFAULT '',
    ADD COLUMN outcome text NOT NULL DEFAULT 'applied'
        CHECK (outcome IN ('applied', 'ignored', 'parked'));

DO $$
DECLARE
    app text := (SELECT pg_get_userbyid(datdba) || '_app' FROM pg_database WHERE datname = current_database());
BEGIN
    EXECUTE format('GRANT UPDATE (outcome) ON inbox TO %I', app);
END $$;
