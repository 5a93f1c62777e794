-- Since when a fetch is owed; event_ts tells when the record changed, which may be long before.
ALTER TABLE fetch_pending ADD COLUMN noted_at timestamptz NOT NULL DEFAULT now();

-- The trace (W3C Trace Context) of the message that asked for it; its fetch goes on with it.
ALTER TABLE fetch_pending ADD COLUMN traceparent text;
