-- What the issuer published last, so that a process that starts while the issuer is away still knows
-- whose tokens are good.
CREATE TABLE issuer_document (
    issuer text PRIMARY KEY,
    discovery jsonb NOT NULL,
    keys jsonb NOT NULL,
    fetched_at timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON issuer_document TO auth_app;
