-- Who is logged in (DESIGN.md section 9). A session is found by the hash of its id: whoever reads this
-- table can use none of them.
CREATE TABLE session (
    id_hash bytea PRIMARY KEY CHECK (octet_length(id_hash) = 32),
    user_id uuid NOT NULL,
    -- The session at the identity provider, which a back-channel logout names.
    sid text NOT NULL,
    -- What the ID token said of the person; used until user_cache knows them.
    person jsonb NOT NULL,
    -- Encrypted with [session] key.
    id_token bytea NOT NULL,
    refresh_token bytea,
    -- When the identity provider is next asked whether the session still stands.
    check_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    -- The end without another request, never after ends_at.
    expires_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    CHECK (expires_at <= ends_at)
);
CREATE INDEX session_sid ON session (sid);
CREATE INDEX session_user_id ON session (user_id);
CREATE INDEX session_expires_at ON session (expires_at);

-- A login that was begun; used once, by the browser that began it.
CREATE TABLE login_attempt (
    state_hash bytea PRIMARY KEY CHECK (octet_length(state_hash) = 32),
    browser_hash bytea NOT NULL CHECK (octet_length(browser_hash) = 32),
    -- Nonce and PKCE verifier, encrypted with [session] key.
    secrets bytea NOT NULL,
    return_to text NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX login_attempt_expires_at ON login_attempt (expires_at);

-- Logout tokens that were obeyed; each counts once.
CREATE TABLE spent_logout_token (
    jti text PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX spent_logout_token_expires_at ON spent_logout_token (expires_at);

DO $$
DECLARE
    app text := (SELECT pg_get_userbyid(datdba) || '_app' FROM pg_database WHERE datname = current_database());
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON session TO %I', app);
    EXECUTE format('GRANT SELECT, INSERT, DELETE ON login_attempt, spent_logout_token TO %I', app);
END $$;
