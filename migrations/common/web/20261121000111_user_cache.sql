-- The local copy of the users of the auth bridge (DESIGN.md section 6). Rows are never removed.
CREATE TABLE user_cache (
    user_id uuid PRIMARY KEY,
    username text NOT NULL,
    email text,
    first_name text NOT NULL,
    last_name text NOT NULL,
    roles text[] NOT NULL,
    is_enabled boolean NOT NULL,
    is_deleted boolean NOT NULL DEFAULT false,
    -- The timestamp of the last event that was applied; an older one changes nothing.
    guard timestamptz NOT NULL,
    fetched_at timestamptz NOT NULL
);

DO $$
DECLARE
    app text := (SELECT pg_get_userbyid(datdba) || '_app' FROM pg_database WHERE datname = current_database());
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON user_cache TO %I', app);
END $$;
