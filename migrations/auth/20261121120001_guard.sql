-- What administrators see of the copy, and what they may ask of it (the operations page).
ALTER TABLE sync_state
    -- The newest of the events that asked for the comparison: what it finds bears that time.
    ADD COLUMN reconcile_event_at timestamptz,
    -- The alarm in numbers.
    ADD COLUMN alarm_at timestamptz,
    ADD COLUMN alarm_missing bigint,
    ADD COLUMN alarm_known bigint,
    ADD COLUMN alarm_allowed bigint,
    -- How many users the next comparison may delete although an alarm was raised; it counts once.
    ADD COLUMN accepted_deletions bigint CHECK (accepted_deletions > 0),
    -- Why users are not watched at the moment.
    ADD COLUMN fault text,
    ADD COLUMN fault_since timestamptz;
