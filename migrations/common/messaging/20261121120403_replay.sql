-- How far each replay of an archive got, so that one that was interrupted goes on where it was.
CREATE TABLE replay (
    queue text NOT NULL,
    -- What was asked for, in words: another question is another replay.
    plan text NOT NULL,
    -- The first offset of the archive that is not applied yet.
    next_offset bigint NOT NULL,
    started_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (queue, plan)
);

DO $$
DECLARE
    app text := (SELECT pg_get_userbyid(datdba) || '_app' FROM pg_database WHERE datname = current_database());
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON replay TO %I', app);
END $$;
