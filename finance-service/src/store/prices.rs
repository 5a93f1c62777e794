//! The price of each task, fixed by the first insert (DESIGN.md M2).

use std::{collections::HashMap, sync::LazyLock};

use chrono::{DateTime, Utc};
use platform::{
    fetch::{self, Owed},
    outbox::{self, OutboxMessage},
    sql::statement,
};
use sea_orm::{ConnectionTrait, DatabaseTransaction, FromQueryResult};
use uuid::Uuid;

use crate::{
    domain::{money::Amount, pricing::Price},
    store::{StoreError, column, tasks},
};

#[derive(FromQueryResult)]
struct PriceRow {
    task_uuid: Uuid,
    fee_cents: i64,
    reward_cents: i64,
}

impl TryFrom<PriceRow> for (Uuid, Price) {
    type Error = StoreError;

    fn try_from(row: PriceRow) -> Result<Self, StoreError> {
        let amount = |cents| {
            Amount::try_new(cents).map_err(|refused| StoreError::Corrupt {
                table: "task_price",
                reason: refused.to_string(),
            })
        };
        let price = Price {
            fee: amount(row.fee_cents)?,
            reward: amount(row.reward_cents)?,
        };
        Ok((row.task_uuid, price))
    }
}

/// The prices of those tasks that have one.
pub async fn find(
    db: &impl ConnectionTrait,
    tasks: Vec<Uuid>,
) -> Result<HashMap<Uuid, Price>, StoreError> {
    if tasks.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = "SELECT task_uuid, fee_cents, reward_cents FROM task_price WHERE task_uuid = ANY($1)";
    let rows = PriceRow::find_by_statement(statement(sql, [tasks.into()]))
        .all(db)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The statement of [`fix`]: prices, from `$5` on the outbox, and from `$12` on notes of fetches.
static FIX: LazyLock<String> = LazyLock::new(|| {
    let messages = outbox::insert_if_sql(5, "m.entity IN (SELECT task_uuid FROM fixed)");
    let notes = fetch::note_if_sql(12, tasks::NOTHING_NEWER);
    format!(
        "WITH fixed AS ( \
             INSERT INTO task_price (task_uuid, fee_cents, reward_cents, fixed_at) \
             SELECT task, fee, reward, $4 \
             FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS drawn (task, fee, reward) \
             ORDER BY task \
             ON CONFLICT DO NOTHING \
             RETURNING task_uuid, fee_cents, reward_cents), \
         messages AS ({messages}), \
         notes AS ({notes}) \
         SELECT * FROM fixed"
    )
});

/// Fixes prices and tells of them; a task that has one by now keeps it, and its message is left out.
///
/// Notes the fetches that are `owed`, too, also of tasks that have a price by now. Yields the prices that were
/// really fixed here.
///
/// One statement: until the transaction ends other replicas wait that meet the same tasks.
pub async fn fix(
    txn: &DatabaseTransaction,
    drawn: &[(Uuid, Price)],
    messages: &[OutboxMessage],
    owed: &[Owed],
    fixed_at: DateTime<Utc>,
) -> Result<Vec<(Uuid, Price)>, StoreError> {
    let mut values = vec![
        column(drawn, |(task, _)| *task),
        column(drawn, |(_, price)| price.fee.cents()),
        column(drawn, |(_, price)| price.reward.cents()),
        fixed_at.into(),
    ];
    values.extend(outbox::parameters(messages)?);
    values.extend(fetch::note_parameters(tasks::KIND, owed, fixed_at));
    let rows = PriceRow::find_by_statement(statement(&FIX, values))
        .all(txn)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
