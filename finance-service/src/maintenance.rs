//! What is done by hand with the messages of other services: `replay` and `conciliate`.

use std::{process::ExitCode, sync::Arc};

use contracts::topology::{FINANCE_AUTH, Publisher};
use platform::{
    auth::{Issuer, session::EndSessions},
    consumer::{ConsumerContext, ConsumerOptions},
    db,
    maintenance::{Desk, Maintenance},
    people::{PeopleHandler, UserCache},
    rabbit::Broker,
    signal::Signal,
    sources::Sources,
};

use crate::{
    app::task_cache::TaskCache, config::Config, messaging::consume::TaskConsumer, peers::Peers,
    service,
};

/// Does one command and tells how it went; the service may run meanwhile.
///
/// # Errors
/// When a setting cannot be used, or the command was interrupted.
pub async fn execute(
    config: &Config,
    sources: Sources,
    command: Maintenance,
) -> anyhow::Result<ExitCode> {
    let db = db::connect(&config.database).await?;
    let issuer = Issuer::try_new(&config.identity, &sources)?;
    let peers = Peers::try_new(config, &issuer, &sources)?;
    let context = ConsumerContext {
        broker: Broker::try_new(&config.broker, Publisher::Finance, &sources)?,
        db,
        sources: sources.clone(),
        options: ConsumerOptions::default(),
    };
    // Whoever runs looks by itself for what is noted here, so nobody has to be woken.
    let billing = service::billing(config, &sources)?;
    let tasks = TaskConsumer::new(billing, Signal::new(), Signal::new());
    let people = PeopleHandler::new(FINANCE_AUTH, sources, Signal::new(), Arc::new(EndSessions));
    let mut desk = Desk::new(context, command);
    let guard = config.caches.guard();
    desk.compare(UserCache::new(peers.users), guard).await?;
    desk.compare(TaskCache::new(peers.tasks), guard).await?;
    desk.work(people, &peers.sent_by_auth).await?;
    desk.work(tasks, &peers.sent_by_tasks).await?;
    Ok(desk.exit_code())
}
