//! What waits is told also while the broker is away, which is when somebody needs to know.

use anyhow::Result;
use contracts::topology::Publisher;
use migrations::Database;
use platform::{
    config::Secret,
    http::{ListenConfig, bind, process_routes, serve},
    lifecycle::Lifecycle,
    metrics,
    monitor::{self, Monitor},
    rabbit::{Broker, BrokerConfig},
    sources::Sources,
};

use crate::support::{builders::id, database::TestDatabase, http};

/// Nobody listens there.
const NOWHERE: &str = "amqp://finance:secret@127.0.0.1:1/it";

async fn write(database: &TestDatabase) -> Result<()> {
    let sql = "INSERT INTO outbox (message_id, exchange, routing_key, entity_id, schema_version, \
               occurred_at, body) VALUES ($1, 'finance.in', 'finance.task.priced', $1, 1, now(), '{}')";
    sqlx::query(sql).bind(id()).execute(&database.owned).await?;
    Ok(())
}

#[tokio::test]
async fn the_outbox_is_counted_again_and_again_while_the_broker_is_away() -> Result<()> {
    let database = TestDatabase::create(Database::Finance).await?;
    let (lifecycle, sources) = (Lifecycle::new(), Sources::system());
    metrics::install(&lifecycle)?;
    let db = database.connect().await?;
    let listener = bind(&ListenConfig {
        listen: ([127, 0, 0, 1], 0).into(),
    })
    .await?;
    let served = serve(&lifecycle, "numbers", listener, process_routes(db.clone()))?;
    let config = BrokerConfig {
        url: Secret::new(NOWHERE),
        setup_url: None,
    };
    let broker = Broker::try_new(&config, Publisher::Finance, &sources)?;
    let monitor = Monitor {
        db: db.clone(),
        broker,
        sources,
        kinds: &[],
    };
    monitor::spawn(&lifecycle, monitor);
    for waiting in 1..=2 {
        write(&database).await?;
        let line = format!("task_exchange_outbox_waiting {waiting}");
        http::until_metric(served.address, &line).await?;
    }
    lifecycle.stop_and_wait().await;
    db.close().await?;
    database.remove().await
}
