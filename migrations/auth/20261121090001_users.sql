-- The bridge's copy of Keycloak's users: the state that `auth.user.*` messages and the REST
-- interface speak of (DESIGN.md sections 2 and 7).
CREATE TABLE auth_user (
    user_id uuid PRIMARY KEY,
    username text NOT NULL,
    email text,
    first_name text NOT NULL,
    last_name text NOT NULL,
    -- Effective realm roles, sorted, as Keycloak expands composites and groups.
    roles text[] NOT NULL,
    is_enabled boolean NOT NULL,
    -- A deleted user's row stays as a bare id, so that the timestamps of its messages keep growing.
    is_deleted boolean NOT NULL,
    -- The timestamp of the newest message about the user.
    changed_at timestamptz NOT NULL,
    CHECK (NOT is_deleted
        OR (username = '' AND email IS NULL AND first_name = '' AND last_name = '' AND roles = '{}' AND NOT is_enabled))
);

-- Events of Keycloak that were acted upon. Polls overlap, since an event can become visible after
-- one with a later time; this table tells the repeats from the late ones. Pruned by age.
CREATE TABLE seen_event (
    event_id text PRIMARY KEY,
    happened_at timestamptz NOT NULL,
    -- Whether the event's user was read once more by a deep poll, after every node of a Keycloak
    -- cluster had time to see the change.
    is_settled boolean NOT NULL
);

CREATE INDEX seen_event_happened_at ON seen_event (happened_at);

-- How far the copy is; one row.
CREATE TABLE sync_state (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- Grows with every change of the leading replica, so that a former leader cannot write.
    term bigint NOT NULL DEFAULT 0,
    -- The time of the newest event read, by Keycloak's clock.
    admin_events_at timestamptz,
    user_events_at timestamptz,
    -- Since when the copy is known to match Keycloak.
    as_of timestamptz,
    -- When the last full comparison ended; none has until then, and the copy may lack users.
    reconciled_at timestamptz,
    -- When the next full comparison is due, and the first reason that asked for it.
    reconcile_due_at timestamptz,
    reconcile_reason text,
    -- Why the last full comparison stopped before it deleted users, until one ends well.
    alarm text
);

INSERT INTO sync_state DEFAULT VALUES;

GRANT SELECT, INSERT, UPDATE ON auth_user TO auth_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON seen_event TO auth_app;
GRANT SELECT, UPDATE ON sync_state TO auth_app;
