//! Everything that runs beside requests, in one list. All of it may run in several replicas at once.

use std::{sync::Arc, time::Duration};

use contracts::topology::{FINANCE_AUTH, FINANCE_TASKS};
use platform::{
    auth::{Issuer, MachineAuth, WebAuth, session::EndSessions},
    conciliation,
    consumer::{self, ConsumerContext, ConsumerOptions},
    db::DatabaseConfig,
    fetch,
    lifecycle::Lifecycle,
    monitor::{self, Monitor},
    operations::heartbeat::{self, Heart},
    outbox::OutboxSignal,
    people::{self, PeopleHandler, UserCache, UserFetcher},
    prune,
    rabbit::{self, Broker},
    reconciliation::{self, CachesConfig},
    relay,
    signal::Signal,
    sources::Sources,
};
use sea_orm::DatabaseConnection;

use crate::{
    app::{
        billing::Billing,
        task_cache::{self, TaskCache, TaskFetcher},
    },
    messaging::consume::TaskConsumer,
    peers::Peers,
};

/// How long prices gather before they leave together: nobody waits for one, and the task board keeps together
/// what comes together, in fewer transactions.
const PRICES_GATHER: Duration = Duration::from_millis(25);

/// What the jobs work with.
#[derive(Debug)]
pub(crate) struct Jobs {
    pub(crate) db: DatabaseConnection,
    pub(crate) database: DatabaseConfig,
    pub(crate) broker: Broker,
    pub(crate) sources: Sources,
    pub(crate) outbox: OutboxSignal,
    pub(crate) issuer: Issuer,
    pub(crate) auth: WebAuth,
    pub(crate) machines: MachineAuth,
    pub(crate) peers: Peers,
    pub(crate) caches: CachesConfig,
    pub(crate) billing: Billing,
}

/// Starts all of them.
///
/// # Errors
/// When the URL of the database cannot be read.
pub(crate) fn spawn_all(lifecycle: &Lifecycle, jobs: Jobs) -> anyhow::Result<()> {
    let Jobs { db, sources, .. } = jobs;
    let (task_fetches, user_fetches) = (Signal::new(), Signal::new());
    rabbit::spawn_check(lifecycle, &jobs.broker);
    relay::spawn(
        lifecycle,
        &jobs.database,
        &jobs.broker,
        &sources,
        jobs.outbox.clone(),
        PRICES_GATHER,
    )?;
    let heart = Heart {
        db: db.clone(),
        sources: sources.clone(),
        broker: jobs.broker.clone(),
        peers: vec![jobs.peers.users.clone(), jobs.peers.tasks.clone()],
    };
    heartbeat::spawn(lifecycle, heart);
    let reaction = Arc::new(EndSessions);

    let monitor = Monitor {
        db: db.clone(),
        broker: jobs.broker.clone(),
        sources: sources.clone(),
        kinds: &[task_cache::KIND, people::KIND],
    };
    monitor::spawn(lifecycle, monitor);

    let context = ConsumerContext {
        broker: jobs.broker,
        db: db.clone(),
        sources: sources.clone(),
        options: ConsumerOptions::default(),
    };
    let tasks = TaskConsumer::new(jobs.billing, jobs.outbox, task_fetches.clone());
    let people = PeopleHandler::new(
        FINANCE_AUTH,
        sources.clone(),
        user_fetches.clone(),
        Arc::clone(&reaction),
    );
    consumer::spawn(lifecycle, &context, tasks);
    consumer::spawn(lifecycle, &context, people);

    let Peers { users, tasks, .. } = &jobs.peers;
    let users_fetcher = UserFetcher::new(users.clone(), sources.clone(), reaction);
    let tasks_fetcher = TaskFetcher::new(tasks.clone(), sources.clone());
    fetch::spawn(lifecycle, &db, &sources, &user_fetches, users_fetcher);
    fetch::spawn(lifecycle, &db, &sources, &task_fetches, tasks_fetcher);
    let (users, tasks) = (UserCache::new(users.clone()), TaskCache::new(tasks.clone()));
    let caches = jobs.caches;
    reconciliation::spawn(lifecycle, &db, &sources, users, caches, user_fetches);
    reconciliation::spawn(lifecycle, &db, &sources, tasks, caches, task_fetches);

    let (sent_by_auth, sent_by_tasks) = (jobs.peers.sent_by_auth, jobs.peers.sent_by_tasks);
    conciliation::spawn(lifecycle, &db, &sources, FINANCE_AUTH, sent_by_auth);
    conciliation::spawn(lifecycle, &db, &sources, FINANCE_TASKS, sent_by_tasks);

    prune::spawn(lifecycle, db, sources);
    jobs.auth.spawn_housekeeping(lifecycle);
    jobs.machines.spawn_housekeeping(lifecycle);
    jobs.issuer.spawn_refresh(lifecycle);
    Ok(())
}
