//! Bare batched SQL fed from the queue: inbox, transfers and balances, and no rule of the business.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use contracts::{
    Message as _,
    tasks::{TaskAssigned, TaskCompleted},
    topology::FINANCE_TASKS,
};
use futures::{FutureExt as _, StreamExt as _};
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use platform::sources::Sources;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::{
    databases::FreshDatabase,
    queue::Broker,
    usage::{Meter, Sample},
};

/// As large as the batches of the service.
const BATCH: usize = 500;

/// Two batches, as the service has.
const PREFETCH: u16 = 1_000;

const SQL: &str = "\
    WITH seen AS ( \
        INSERT INTO inbox (message_id, consumer, digest, received_at) \
        SELECT id, 'finance.tasks', '\\x00', now() FROM unnest($1::uuid[]) AS id \
        ON CONFLICT DO NOTHING), \
    booked AS ( \
        INSERT INTO transfer (id, kind, debit_account, credit_account, amount_cents, task_uuid, \
            employee, event_at, business_day, recorded_at) \
        SELECT id, kind, CASE kind WHEN 'fee' THEN 'employee' ELSE 'company' END, \
            CASE kind WHEN 'fee' THEN 'company' ELSE 'employee' END, 1500, task, employee, at, \
            current_date, now() \
        FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::timestamptz[]) \
            AS new (id, kind, task, employee, at) \
        ON CONFLICT DO NOTHING) \
    INSERT INTO employee_balance (employee, credits_cents, debits_cents, version) \
    SELECT * FROM unnest($6::uuid[], $7::bigint[], $8::bigint[], $9::bigint[]) \
    ON CONFLICT (employee) DO UPDATE SET \
        credits_cents = employee_balance.credits_cents + excluded.credits_cents, \
        debits_cents = employee_balance.debits_cents + excluded.debits_cents, \
        version = employee_balance.version + excluded.version";

/// The columns of one statement.
#[derive(Debug, Default)]
struct Columns {
    ids: Vec<Uuid>,
    kinds: Vec<&'static str>,
    tasks: Vec<Uuid>,
    employees: Vec<Uuid>,
    times: Vec<DateTime<Utc>>,
    /// Credits, debits and their number, by employee.
    balances: BTreeMap<Uuid, (i64, i64, i64)>,
}

impl Columns {
    fn add(&mut self, id: Uuid, delivery: &Delivery) -> Result<()> {
        let (kind, body) = if delivery.routing_key.as_str() == TaskAssigned::KEY {
            ("fee", contracts::decode(&delivery.data)?)
        } else {
            let TaskCompleted {
                task_uuid,
                assigned_to,
                timestamp,
            } = contracts::decode(&delivery.data)?;
            let same = TaskAssigned {
                task_uuid,
                assigned_to,
                timestamp,
            };
            ("reward", same)
        };
        self.ids.push(id);
        self.kinds.push(kind);
        self.tasks.push(body.task_uuid);
        self.employees.push(body.assigned_to);
        self.times.push(body.timestamp);
        let (credits, debits, transfers) = self.balances.entry(body.assigned_to).or_default();
        *if kind == "fee" { debits } else { credits } += 1_500;
        *transfers += 1;
        Ok(())
    }

    async fn write(self, connection: &mut PgConnection) -> Result<()> {
        let employees: Vec<Uuid> = self.balances.keys().copied().collect();
        let balances = || self.balances.values();
        let credits: Vec<i64> = balances().map(|(credits, ..)| *credits).collect();
        let debits: Vec<i64> = balances().map(|(_, debits, _)| *debits).collect();
        let transfers: Vec<i64> = balances().map(|(.., transfers)| *transfers).collect();
        sqlx::query(SQL)
            .bind(self.ids)
            .bind(self.kinds)
            .bind(self.tasks)
            .bind(self.employees)
            .bind(self.times)
            .bind(employees)
            .bind(credits)
            .bind(debits)
            .bind(transfers)
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// The queue of Finance and a database that is nobody else's.
struct Books {
    sources: Sources,
    connection: PgConnection,
    channel: Channel,
    consumer: Consumer,
}

impl Books {
    async fn open(broker: &Broker, database: &FreshDatabase) -> Result<Self> {
        let connection = PgConnection::connect(database.owner_url()).await?;
        let channel = broker.channel().await?;
        channel
            .basic_qos(PREFETCH, BasicQosOptions::default())
            .await?;
        let queue = FINANCE_TASKS.name.into();
        let options = BasicConsumeOptions::default();
        let consumer = channel
            .basic_consume(queue, "".into(), options, FieldTable::default())
            .await?;
        Ok(Self {
            sources: Sources::system(),
            connection,
            channel,
            consumer,
        })
    }

    async fn next(&mut self) -> Result<Delivery> {
        let delivery = self.consumer.next().await;
        Ok(delivery.context("the broker ended the subscription")??)
    }

    /// Writes what was delivered, then acknowledges it.
    async fn book(&mut self, deliveries: &[Delivery]) -> Result<()> {
        let mut columns = Columns::default();
        for delivery in deliveries {
            columns.add(self.sources.new_id(), delivery)?;
        }
        columns.write(&mut self.connection).await?;
        let last = deliveries.last().context("an empty batch")?;
        let multiple = BasicAckOptions { multiple: true };
        Ok(self.channel.basic_ack(last.delivery_tag, multiple).await?)
    }

    async fn close(self) -> Result<()> {
        self.channel.close(200, "done".into()).await?;
        Ok(self.connection.close().await?)
    }
}

/// Takes `count` messages, in full batches, from the queue of Finance into `database`; the time counts
/// from the first commit to the last.
pub(crate) async fn consume(
    broker: &Broker,
    database: &FreshDatabase,
    meter: &Meter,
    count: u32,
) -> Result<Sample> {
    let mut books = Books::open(broker, database).await?;
    let own = [std::process::id()];
    let mut left = usize::try_from(count)?;
    let mut begun = None;
    while left > 0 {
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < left.min(BATCH) {
            batch.push(books.next().await?);
        }
        books.book(&batch).await?;
        left -= batch.len();
        if begun.is_none() {
            begun = Some((meter.read(&own)?, u32::try_from(left)?));
        }
    }
    let (begun, counted) = begun.context("nothing was consumed")?;
    let sample = begun.until(&meter.read(&own)?, counted);
    books.close().await?;
    Ok(sample)
}

/// Takes the next `count` messages as they come, with whatever has come meanwhile.
pub(crate) async fn follow(broker: &Broker, database: &FreshDatabase, count: u32) -> Result<()> {
    let mut books = Books::open(broker, database).await?;
    let mut left = usize::try_from(count)?;
    while left > 0 {
        let mut batch = vec![books.next().await?];
        while batch.len() < BATCH
            && let Some(delivery) = books.next().now_or_never()
        {
            batch.push(delivery?);
        }
        books.book(&batch).await?;
        left = left.saturating_sub(batch.len());
    }
    books.close().await
}
