//! Puts the service together and starts it.

use std::sync::Arc;

use anyhow::Context;
use contracts::topology::Publisher;
use platform::{
    auth::{Issuer, MachineAuth, WebAuth, WebAuthDeps},
    db,
    http::{self, ListenConfig, Served},
    lifecycle::Lifecycle,
    operations::web::Operations,
    outbox::OutboxSignal,
    rabbit::Broker,
    routes::Routes,
    sources::Sources,
    ui::{PageGuard, Site},
};
use sea_orm::DatabaseConnection;
use url::Url;

use crate::{
    api,
    app::billing::Billing,
    config::Config,
    jobs::{self, Jobs},
    messaging::publish::EventPublisher,
    operations,
    peers::Peers,
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
    let db = db::connect(&config.database).await?;
    let issuer = Issuer::try_new(&config.identity, &sources)?;
    let site = Site {
        base: BASE,
        time_zone: *config.calendar.calendar()?.zone(),
        profile_url: Some(format!("{}/account", issuer.url())),
    };
    let auth = WebAuth::try_new(login(&config, &site, &issuer, &db, &sources, lifecycle))?;
    let broker = Broker::try_new(&config.broker, Publisher::Finance, &sources)?;
    let machines = MachineAuth::new(
        issuer.clone(),
        &config.identity,
        sources.clone(),
        config.api.per_second,
    );
    let pages = PageState {
        db: db.clone(),
        sources: sources.clone(),
        site,
        auth: auth.clone(),
        calendar: Arc::new(config.calendar.calendar()?),
        currency: config.money.currency()?,
    };
    let operations = operations_of(&pages, broker.clone());
    let jobs = Jobs {
        database: config.database.clone(),
        broker,
        outbox: operations.outbox.clone(),
        auth,
        machines: machines.clone(),
        peers: Peers::try_new(&config, &issuer, &sources)?,
        caches: config.caches,
        issuer,
        billing: billing(&config, &sources)?,
        db: db.clone(),
        sources: sources.clone(),
    };
    let api = api::router(db, machines, sources);
    let pages = page_routes(&config, pages, operations)?;
    let listeners = listen(&config, pages, api, lifecycle).await?;
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

/// The operations pages, without a part of the auth bridge.
fn operations_of(pages: &PageState, broker: Broker) -> Operations {
    Operations {
        subject: &operations::SUBJECT,
        site: pages.site.clone(),
        auth: pages.auth.clone(),
        db: pages.db.clone(),
        sources: pages.sources.clone(),
        broker,
        outbox: OutboxSignal::new(),
        bridge: None,
    }
}

/// The book-keeping with the configured prices and days.
///
/// # Errors
/// When a setting cannot be used.
pub(crate) fn billing(config: &Config, sources: &Sources) -> anyhow::Result<Billing> {
    let publisher = EventPublisher::new(sources.clone(), config.money.currency()?);
    let calendar = config.calendar.calendar()?;
    let tariff = config.money.tariff()?;
    Ok(Billing::new(sources.clone(), tariff, calendar, publisher))
}

fn page_routes(
    config: &Config,
    state: PageState,
    operations: Operations,
) -> anyhow::Result<Routes> {
    let login = Url::parse(&config.identity.issuer).context("identity.issuer is no address")?;
    let guard = PageGuard::try_new(BASE, &config.pages.origin, &login)?;
    Ok(web::router(state, operations, guard))
}

async fn listen(
    config: &Config,
    pages: Routes,
    api: Routes,
    lifecycle: &Lifecycle,
) -> anyhow::Result<Listeners> {
    let bind = |listen| async move { http::bind(&ListenConfig { listen }).await };
    let page_listener = bind(config.pages.listen).await?;
    let api_listener = bind(config.api.listen).await?;
    Ok(Listeners {
        pages: http::serve(lifecycle, "pages", page_listener, pages)?,
        api: http::serve(lifecycle, "api", api_listener, api)?,
    })
}
