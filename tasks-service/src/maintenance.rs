//! What is done by hand with the messages of other services: `replay` and `conciliate`.

use std::{process::ExitCode, sync::Arc};

use contracts::topology::{Publisher, TASKS_AUTH};
use platform::{
    auth::Issuer,
    consumer::{ConsumerContext, ConsumerOptions},
    db,
    maintenance::{Desk, Maintenance},
    people::{PeopleHandler, UserCache},
    rabbit::Broker,
    signal::Signal,
    sources::Sources,
};

use crate::{
    app::people::PeopleWatch, config::Config, messaging::consume::PriceHandler, peers::Peers,
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
        broker: Broker::try_new(&config.broker, Publisher::Tasks, &sources)?,
        db,
        sources: sources.clone(),
        options: ConsumerOptions::default(),
    };
    // Whoever runs looks by itself for what is noted here, so nobody has to be woken.
    let watch = Arc::new(PeopleWatch::new(Signal::new()));
    let people = PeopleHandler::new(TASKS_AUTH, sources, Signal::new(), watch);
    let mut desk = Desk::new(context, command);
    desk.compare(UserCache::new(peers.users), config.caches.guard())
        .await?;
    desk.work(people, &peers.sent_by_auth).await?;
    desk.work(PriceHandler, &peers.sent_by_finance).await?;
    Ok(desk.exit_code())
}
