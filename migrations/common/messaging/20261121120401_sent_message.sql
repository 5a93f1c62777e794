-- Which messages the broker has confirmed, so that readers can prove that they have all of them.
-- Written by the statement that removes them from the outbox, each of whose rows goes once, so the
-- table needs no key. The ids are UUIDv7 and come in nearly sorted: an hour is a range of ids, which a
-- few pages of BRIN find. A B-tree would cost the relay twice as much.
CREATE TABLE sent_message (
    message_id uuid NOT NULL,
    routing_key text NOT NULL
);

CREATE INDEX sent_message_id ON sent_message USING brin (message_id) WITH (autosummarize = on);

DO $$
DECLARE
    app text := (SELECT pg_get_userbyid(datdba) || '_app' FROM pg_database WHERE datname = current_database());
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, DELETE ON sent_message TO %I', app);
END $$;
