-- What the operations page shows and moves on (DESIGN.md section 8).

-- A message that is sent again carries the headers it came with and the name of its first key;
-- everything else has the headers of its columns and none here.
ALTER TABLE outbox ADD COLUMN headers jsonb;
ALTER TABLE outbox_dead ADD COLUMN headers jsonb;

-- One row per command of a person; rows are never changed.
CREATE TABLE operations_audit (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL,
    -- Who, and the name by which they were known then.
    actor uuid NOT NULL,
    actor_name text NOT NULL,
    action text NOT NULL CHECK (action IN ('retry', 'edit_and_retry', 'discard', 'retry_dead', 'discard_dead',
        'compare', 'accept_deletions')),
    -- What it was about, in words, and the ids of all records it touched.
    subject text NOT NULL,
    records text[] NOT NULL,
    -- The reason that was given; mandatory for what cannot be taken back.
    reason text NOT NULL DEFAULT '',
    before jsonb NOT NULL,
    after jsonb NOT NULL,
    CHECK (reason <> '' OR action NOT IN ('discard', 'discard_dead', 'accept_deletions'))
);

CREATE FUNCTION refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER operations_audit_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON operations_audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit();

-- Messages that fail for the same cause: what differs from one to the next, ids and numbers, is left out.
ALTER TABLE parked_message ADD COLUMN cause text NOT NULL GENERATED ALWAYS AS
    (left(regexp_replace(reason, '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9]+', '…', 'gi'), 300)) STORED;
ALTER TABLE parked_message ADD COLUMN cause_id uuid NOT NULL GENERATED ALWAYS AS
    (md5(queue || ' ' || kind || ' ' || routing_key || ' '
        || left(regexp_replace(reason, '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9]+', '…', 'gi'), 300))::uuid) STORED;
-- The parked message whose retry failed and was parked as this one.
ALTER TABLE parked_message ADD COLUMN former uuid;
-- The command that resolved it.
ALTER TABLE parked_message ADD COLUMN audit_id uuid;
CREATE INDEX parked_message_cause ON parked_message (cause_id, id) WHERE state = 'parked';
CREATE INDEX parked_message_former ON parked_message (former) WHERE former IS NOT NULL;

-- What each process says of itself every few seconds; a row that grew old is of a process that is gone.
CREATE TABLE replica_state (
    replica uuid PRIMARY KEY,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    state jsonb NOT NULL
);

-- The outbox minute by minute, for the last hour.
CREATE TABLE outbox_minute (
    minute timestamptz PRIMARY KEY,
    -- Messages that the broker confirmed within it, and the most that were seen waiting.
    sent bigint NOT NULL,
    waiting bigint NOT NULL,
    last_sent_at timestamptz
);

DO $$
DECLARE
    app text := (SELECT pg_get_userbyid(datdba) || '_app' FROM pg_database WHERE datname = current_database());
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON operations_audit TO %I', app);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON replica_state, outbox_minute TO %I', app);
END $$;
