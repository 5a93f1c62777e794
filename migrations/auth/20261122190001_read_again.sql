-- Keycloak makes an event visible a moment before its cache shows the change, so its user is read once more
-- soon after (section [sync], `read_again_ms`).
ALTER TABLE seen_event
    -- Whom the event names, while that is still to come.
    ADD COLUMN read_again_user_id uuid,
    -- From when on that is done.
    ADD COLUMN read_again_at timestamptz,
    ADD CHECK ((read_again_user_id IS NULL) = (read_again_at IS NULL));
