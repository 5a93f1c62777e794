//! Puts the service together and starts it.

use std::sync::Arc;

use anyhow::Context;
use contracts::topology::Publisher;
use platform::{
    auth::{Issuer, MachineAuth, WebAuth, WebAuthDeps},
    conciliation, db,
    http::{self, Served},
    lifecycle::Lifecycle,
    operations::web::Operations,
    outbox::OutboxSignal,
    peer::PeerClient,
    rabbit::Broker,
    routes::Routes,
    signal::Signal,
    sources::Sources,
    ui::{PageGuard, Site},
};
use url::Url;

use crate::{
    api::{self, Api},
    app::{App, performers::Performers},
    config::Config,
    jobs::{self, Jobs},
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
    let app = App {
        db: db::connect(&config.database).await?,
        sources: sources.clone(),
        outbox: OutboxSignal::new(),
        people_changed: Signal::new(),
        eligibility: Arc::new(config.assignment.clone().into()),
        performers: Performers::default(),
    };
    let issuer = Issuer::try_new(&config.identity, &sources)?;
    let broker = Broker::try_new(&config.broker, Publisher::Tasks, &sources)?;
    let peers = Peers::try_new(&config, &issuer, &sources)?;
    let pages = pages(&config, &app, &issuer, lifecycle)?;
    let operations = operations_of(&pages, broker.clone(), peers.bridge.clone());
    let per_second = config.api.per_second;
    let machines = MachineAuth::new(
        issuer.clone(),
        &config.identity,
        sources.clone(),
        per_second,
    );
    let login = Url::parse(issuer.url()).context("identity.issuer is no address")?;
    let guard = PageGuard::try_new(BASE, &config.pages.origin, &login)?;
    let api_router = api_router(&app, machines.clone());
    jobs::spawn_all(
        lifecycle,
        Jobs {
            app,
            broker,
            issuer,
            auth: pages.auth.clone(),
            machines,
            peers,
            caches: config.caches,
            database: config.database,
        },
    )?;
    let pages_listener = http::bind(&config.pages.listener()).await?;
    let api_listener = http::bind(&config.api.listener()).await?;
    let page_routes = web::router(pages, operations, guard);
    Ok(Listeners {
        pages: http::serve(lifecycle, "pages", pages_listener, page_routes)?,
        api: http::serve(lifecycle, "api", api_listener, api_router)?,
    })
}

/// The operations pages, with the auth bridge's part.
fn operations_of(pages: &PageState, broker: Broker, bridge: PeerClient) -> Operations {
    let app = &pages.app;
    Operations {
        subject: &operations::SUBJECT,
        site: pages.site.clone(),
        auth: pages.auth.clone(),
        db: app.db.clone(),
        sources: app.sources.clone(),
        broker,
        outbox: app.outbox.clone(),
        bridge: Some(Arc::new(bridge)),
    }
}

fn pages(
    config: &Config,
    app: &App,
    issuer: &Issuer,
    lifecycle: &Lifecycle,
) -> anyhow::Result<PageState> {
    let site = Site {
        base: BASE,
        time_zone: config.calendar.zone()?,
        profile_url: Some(format!("{}/account", issuer.url())),
    };
    let auth = WebAuth::try_new(WebAuthDeps {
        site: site.clone(),
        origin: &config.pages.origin,
        issuer: issuer.clone(),
        login: &config.login,
        session: &config.session,
        db: app.db.clone(),
        sources: app.sources.clone(),
        lifecycle: lifecycle.clone(),
    })?;
    Ok(PageState {
        app: app.clone(),
        site,
        auth,
    })
}

fn api_router(app: &App, machines: MachineAuth) -> Routes {
    let sent = conciliation::routes(app.db.clone(), machines.clone());
    let api = api::router(Api {
        app: app.clone(),
        machines,
    });
    let routes = api.merge(sent).merge(http::process_routes(app.db.clone()));
    http::with_defaults(routes, app.sources.clone())
}
