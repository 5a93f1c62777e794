//! Everything that runs beside requests, in one list. All of it may run in several replicas at once,
//! and may die at any point.

mod redraw;

use std::{sync::Arc, time::Duration};

use contracts::topology::{TASKS_AUTH, TASKS_FINANCE};
use platform::{
    auth::{Issuer, MachineAuth, WebAuth},
    conciliation,
    consumer::{self, ConsumerContext, ConsumerOptions},
    db::DatabaseConfig,
    fetch,
    lifecycle::Lifecycle,
    monitor::{self, Monitor},
    operations::heartbeat::{self, Heart},
    people::{self, PeopleHandler, UserCache, UserFetcher},
    prune,
    rabbit::{self, Broker},
    reconciliation::{self, CachesConfig},
    relay,
    signal::Signal,
};

use crate::{
    app::{App, people::PeopleWatch},
    messaging::consume::PriceHandler,
    peers::Peers,
};

/// What the jobs work with.
#[derive(Debug)]
pub(crate) struct Jobs {
    pub(crate) app: App,
    pub(crate) database: DatabaseConfig,
    pub(crate) broker: Broker,
    pub(crate) issuer: Issuer,
    pub(crate) auth: WebAuth,
    pub(crate) machines: MachineAuth,
    pub(crate) peers: Peers,
    pub(crate) caches: CachesConfig,
}

/// Starts all of them.
pub(crate) fn spawn_all(lifecycle: &Lifecycle, jobs: Jobs) -> anyhow::Result<()> {
    let App { db, sources, .. } = &jobs.app;
    let outbox = jobs.app.outbox.clone();
    rabbit::spawn_check(lifecycle, &jobs.broker);
    relay::spawn(
        lifecycle,
        &jobs.database,
        &jobs.broker,
        sources,
        outbox,
        Duration::ZERO,
    )?;

    let monitor = Monitor {
        db: db.clone(),
        broker: jobs.broker.clone(),
        sources: sources.clone(),
        kinds: &[people::KIND],
    };
    monitor::spawn(lifecycle, monitor);

    let context = ConsumerContext {
        broker: jobs.broker.clone(),
        db: db.clone(),
        sources: sources.clone(),
        options: ConsumerOptions::default(),
    };
    consumer::spawn(lifecycle, &context, PriceHandler);

    let fetches = Signal::new();
    let watch = Arc::new(PeopleWatch::new(jobs.app.people_changed.clone()));
    let people = PeopleHandler::new(
        TASKS_AUTH,
        sources.clone(),
        fetches.clone(),
        Arc::clone(&watch),
    );
    consumer::spawn(lifecycle, &context, people);
    let heart = Heart {
        db: db.clone(),
        sources: sources.clone(),
        broker: jobs.broker,
        peers: vec![jobs.peers.users.clone(), jobs.peers.sent_by_finance.clone()],
    };
    heartbeat::spawn(lifecycle, heart);
    let users = jobs.peers.users;
    let fetcher = UserFetcher::new(users.clone(), sources.clone(), watch);
    fetch::spawn(lifecycle, db, sources, &fetches, fetcher);
    let cache = UserCache::new(users);
    reconciliation::spawn(lifecycle, db, sources, cache, jobs.caches, fetches);

    let (sent_by_auth, sent_by_finance) = (jobs.peers.sent_by_auth, jobs.peers.sent_by_finance);
    conciliation::spawn(lifecycle, db, sources, TASKS_AUTH, sent_by_auth);
    conciliation::spawn(lifecycle, db, sources, TASKS_FINANCE, sent_by_finance);

    redraw::spawn(lifecycle, jobs.app.clone());
    prune::spawn(lifecycle, db.clone(), sources.clone());
    jobs.auth.spawn_housekeeping(lifecycle);
    jobs.machines.spawn_housekeeping(lifecycle);
    jobs.issuer.spawn_refresh(lifecycle);
    Ok(())
}
