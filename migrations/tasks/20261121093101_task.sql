-- Tasks and their history (DESIGN.md section 4, T1 to T7).

-- Trusted since PostgreSQL 13: the owner of the database may create it.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- Where a task is in its life. Narrow, because a reshuffle rewrites every open row.
CREATE TABLE task (
    id uuid PRIMARY KEY,
    -- What people call it: T-<number>. Gaps are harmless, reuse is impossible.
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    author_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'open', 'completed', 'cancelled')),
    -- Who has it, or had it last.
    performer_id uuid,
    assigned_at timestamptz,
    -- When it was completed or cancelled.
    closed_at timestamptz,
    created_at timestamptz NOT NULL,
    -- The time of its newest event; the next one is later (T7).
    last_event_at timestamptz NOT NULL,
    CONSTRAINT task_details_match_state CHECK (
        (performer_id IS NULL) = (assigned_at IS NULL)
        AND CASE state
            WHEN 'waiting' THEN performer_id IS NULL AND closed_at IS NULL
            WHEN 'open' THEN performer_id IS NOT NULL AND closed_at IS NULL
            WHEN 'completed' THEN performer_id IS NOT NULL AND closed_at IS NOT NULL
            ELSE closed_at IS NOT NULL
        END
    )
);

-- The board, in its orders: by number, by time of assignment (a task that waits counts from when it
-- was filed), by time of completion.
CREATE INDEX task_unfinished ON task (number) WHERE state IN ('waiting', 'open');
CREATE INDEX task_by_assignment ON task ((coalesce(assigned_at, created_at)), number);
CREATE INDEX task_by_completion ON task (closed_at, number) WHERE state = 'completed';
-- What one person has and did; the first also finds the tasks of somebody who was lost (T5).
CREATE INDEX task_of_performer ON task (performer_id) WHERE state = 'open';
CREATE INDEX task_done_by_performer ON task (performer_id, closed_at, number) WHERE state = 'completed';
-- The queue of T2: oldest first.
CREATE INDEX task_waiting ON task (number) WHERE state = 'waiting';

-- What a task says, one row per task. Apart from its state, so that handing a task on neither copies
-- its description nor indexes the words of it again.
CREATE TABLE task_text (
    task_id uuid PRIMARY KEY,
    title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 200),
    description text NOT NULL CHECK (char_length(description) <= 10000),
    reference text CHECK (char_length(reference) BETWEEN 1 AND 50)
);

-- Search for any part of a word. The expression is the one that the page queries use.
CREATE INDEX task_text_search ON task_text USING gin (
    (title || ' ' || coalesce(reference, '') || ' ' || description) gin_trgm_ops
);

-- Who did what when, and why (T6): one row per event of a task. Like task_text it has no foreign key:
-- the statement that writes the task writes it too, no task is ever deleted, and a key check per row
-- would be paid on the hot path for nothing.
CREATE TABLE task_history (
    task_id uuid NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN ('filed', 'edited', 'assigned', 'released', 'completed', 'cancelled')),
    -- Absent: the exchange itself.
    actor_id uuid,
    -- Who got the task or completed it.
    performer_id uuid,
    -- Who had it before.
    previous_id uuid,
    -- Why somebody got it: drawn for a cause among so many, or chosen by the actor.
    cause text CHECK (cause IN ('filed', 'waited', 'performer_lost', 'asked', 'chosen')),
    candidates integer CHECK (candidates > 0),
    -- Which texts an edit changed.
    fields text[],
    PRIMARY KEY (task_id, at),
    CONSTRAINT task_history_details_match_kind CHECK (
        (performer_id IS NOT NULL) = (kind IN ('assigned', 'completed'))
        AND (previous_id IS NULL OR kind IN ('assigned', 'released'))
        AND (previous_id IS NOT NULL OR kind <> 'released')
        AND (cause IS NOT NULL) = (kind = 'assigned')
        AND (candidates IS NOT NULL) = (kind = 'assigned' AND cause <> 'chosen')
        AND (fields IS NOT NULL) = (kind = 'edited')
    )
);

GRANT SELECT, INSERT, UPDATE ON task, task_text TO tasks_app;
GRANT SELECT, INSERT ON task_history TO tasks_app;
-- So that `doctor` can tell with the rights of the service whether the database is up to date.
GRANT SELECT ON _sqlx_migrations TO tasks_app;
