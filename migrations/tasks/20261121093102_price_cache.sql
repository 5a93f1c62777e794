-- What Tasks knows of prices (DESIGN.md section 6), so that the board shows what a task costs and pays
-- without asking Finance.
CREATE TABLE price_cache (
    task_id uuid PRIMARY KEY,
    fee_cents bigint NOT NULL,
    reward_cents bigint NOT NULL,
    currency text NOT NULL,
    -- The timestamp of the last applied event; an older one changes nothing.
    guard timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON price_cache TO tasks_app;
