-- What Finance knows of the tasks it books money for (DESIGN.md section 6): only what its pages show.

CREATE TABLE task_cache (
    task_uuid uuid PRIMARY KEY,
    number bigint NOT NULL,
    title text NOT NULL,
    -- The timestamp of the last applied event.
    guard timestamptz NOT NULL,
    fetched_at timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON task_cache TO finance_app;
