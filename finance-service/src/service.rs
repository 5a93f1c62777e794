//! Puts the service together and starts it.

use std::sync::Arc;

use anyhow::Context;
use contracts::{rest, topology::Publisher};
use platform::{
    auth::{Issuer, MachineToken, WebAuth, WebAuthDeps},
    db,
    http::{self, ListenConfig, Served},
    lifecycle::Lifecycle,
    operations::web::Operations,
    outbox::OutboxSignal,
    peer::PeerClient,
    rabbit::Broker,
    sources::Sources,
    ui::{PageGuard, Site},
};
use sea_orm::DatabaseConnection;
use url::Url;

use crate::{
    api,
    app::{billing::Billing, task_cache::TaskFetcher},
    config::Config,
    jobs::{self, Jobs},
    messaging::publish::EventPublisher,
    operations,
    state::{BASE, PageState},
    web,
};

/// What a started service answers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listeners {
    /// The pages.
    pub pages: Served,
    /// The interface for machines.
    pub api: Served,
}

/// Starts every task of the service on `lifecycle`. Nothing that is away keeps it from starting.
///
/// # Errors
/// When a setting cannot be used or an address is taken.
pub async fn start(
    config: Config,
    sources: Sources,
    lifecycle: &Lifecycle,
) -> anyhow::Result<Listeners> {
    let calendar = config.calendar.calendar()?;
    let currency = config.money.currency()?;
    let db = db::connect(&config.database).await?;
    let issuer = Issuer::try_new(&config.identity, &sources)?;
    let site = Site {
        base: BASE,
        time_zone: *calendar.zone(),
        profile_url: Some(format!("{}/account", issuer.url())),
    };
    let auth = WebAuth::try_new(login(&config, &site, &issuer, &db, &sources, lifecycle))?;
    let (users, tasks) = peers(&config, &issuer, &sources)?;
    let publisher = EventPublisher::new(sources.clone(), currency.clone());
    let tariff = config.money.tariff()?;
    let broker = Broker::try_new(&config.broker, Publisher::Finance, &sources)?;
    let operations = Operations {
        subject: &operations::SUBJECT,
        site: site.clone(),
        auth: auth.clone(),
        db: db.clone(),
        sources: sources.clone(),
        broker: broker.clone(),
        outbox: OutboxSignal::new(),
        bridge: None,
    };
    let jobs = Jobs {
        db: db.clone(),
        database: config.database.clone(),
        broker,
        outbox: operations.outbox.clone(),
        peers: vec![users.clone(), tasks.clone()],
        sources: sources.clone(),
        issuer,
        auth: auth.clone(),
        users,
        tasks: TaskFetcher::new(tasks, sources.clone()),
        billing: Billing::new(sources.clone(), tariff, calendar.clone(), publisher),
    };
    let calendar = Arc::new(calendar);
    let pages = PageState {
        db,
        sources,
        site,
        auth,
        calendar,
        currency,
    };
    let listeners = listen(&config, pages, operations, lifecycle).await?;
    jobs::spawn_all(lifecycle, jobs)?;
    Ok(listeners)
}

/// What the login is made of.
fn login<'a>(
    config: &'a Config,
    site: &Site,
    issuer: &Issuer,
    db: &DatabaseConnection,
    sources: &Sources,
    lifecycle: &Lifecycle,
) -> WebAuthDeps<'a> {
    WebAuthDeps {
        site: site.clone(),
        origin: &config.pages.origin,
        issuer: issuer.clone(),
        login: &config.login,
        session: &config.session,
        db: db.clone(),
        sources: sources.clone(),
        lifecycle: lifecycle.clone(),
    }
}

/// Clients for the users of the auth bridge and the tasks of the board.
fn peers(
    config: &Config,
    issuer: &Issuer,
    sources: &Sources,
) -> anyhow::Result<(PeerClient, PeerClient)> {
    let token = |scope| MachineToken::new(issuer.clone(), &config.identity, scope, sources.clone());
    let peers = &config.peers;
    let users = PeerClient::try_new(
        "auth",
        &peers.auth,
        token(rest::USERS_READ),
        sources.clone(),
    )?;
    let tasks = PeerClient::try_new(
        "tasks",
        &peers.tasks,
        token(rest::TASKS_READ),
        sources.clone(),
    )?;
    Ok((users, tasks))
}

async fn listen(
    config: &Config,
    state: PageState,
    operations: Operations,
    lifecycle: &Lifecycle,
) -> anyhow::Result<Listeners> {
    let login = Url::parse(&config.identity.issuer).context("identity.issuer is no address")?;
    let guard = PageGuard::try_new(BASE, &config.pages.origin, &login)?;
    let pages = http::bind(&ListenConfig {
        listen: config.pages.listen,
    })
    .await?;
    let api = http::bind(&config.api).await?;
    let api_routes = api::router(state.db.clone(), state.sources.clone());
    let page_routes = web::router(state, operations, guard);
    Ok(Listeners {
        pages: http::serve(lifecycle, "pages", pages, page_routes)?,
        api: http::serve(lifecycle, "api", api, api_routes)?,
    })
}
