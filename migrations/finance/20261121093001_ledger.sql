-- Prices, transfers and balances (DESIGN.md section 4, M1 to M5). Amounts are whole minor units.

-- The price of a task, drawn on its first sight and fixed for ever.
CREATE TABLE task_price (
    task_uuid uuid PRIMARY KEY,
    fee_cents bigint NOT NULL CHECK (fee_cents > 0),
    reward_cents bigint NOT NULL CHECK (reward_cents > 0),
    fixed_at timestamptz NOT NULL
);

-- One row per movement: a row that names both accounts cannot be unbalanced.
-- There is no foreign key to task_price: the price is inserted in the same transaction, and a key
-- check per row would be paid on the hot path for nothing.
CREATE TABLE transfer (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    -- Whose the employee account is, is said by the column employee.
    debit_account text NOT NULL,
    credit_account text NOT NULL,
    amount_cents bigint NOT NULL CHECK (amount_cents > 0),
    task_uuid uuid,
    -- Every movement concerns the account of exactly one employee.
    employee uuid NOT NULL,
    -- When it happened at its source; analytics and the audit log go by this.
    event_at timestamptz NOT NULL,
    -- When it arrived here.
    recorded_at timestamptz NOT NULL,
    -- The working day whose closing settles it.
    business_day date NOT NULL,
    -- Its own working day, where that was already closed when it arrived (M9).
    late_from_day date,
    payout_id uuid,
    reason text,
    CHECK (late_from_day < business_day),
    CONSTRAINT transfer_accounts_match_kind CHECK (
        CASE kind
            WHEN 'fee' THEN debit_account = 'employee' AND credit_account = 'company'
            WHEN 'reward' THEN debit_account = 'company' AND credit_account = 'employee'
            WHEN 'payout' THEN debit_account = 'employee' AND credit_account = 'payouts'
            WHEN 'correction' THEN (debit_account, credit_account)
                IN (('employee', 'company'), ('company', 'employee'))
            ELSE false
        END
    ),
    CONSTRAINT transfer_details_match_kind CHECK (
        (task_uuid IS NOT NULL OR kind NOT IN ('fee', 'reward'))
        AND (payout_id IS NOT NULL) = (kind = 'payout')
        AND (reason IS NOT NULL) = (kind = 'correction')
    )
);

-- One transfer per business fact (M5): a fee per task, performer and time; one reward per task.
CREATE UNIQUE INDEX transfer_fee_fact ON transfer (task_uuid, employee, event_at) WHERE kind = 'fee';
CREATE UNIQUE INDEX transfer_reward_fact ON transfer (task_uuid) WHERE kind = 'reward';
-- The audit log of an account.
CREATE INDEX transfer_of_employee ON transfer (employee, event_at, id);

-- The fold of an employee's transfers. Company and payouts have no row: every transaction would
-- wait for it.
CREATE TABLE employee_balance (
    employee uuid PRIMARY KEY,
    credits_cents bigint NOT NULL CHECK (credits_cents >= 0),
    debits_cents bigint NOT NULL CHECK (debits_cents >= 0),
    -- Grows by one with every transfer.
    version bigint NOT NULL CHECK (version > 0)
) WITH (fillfactor = 70);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER task_price_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON task_price
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER transfer_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT ON task_price, transfer TO finance_app;
GRANT SELECT, INSERT, UPDATE ON employee_balance TO finance_app;
