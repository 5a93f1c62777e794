//! Puts the service together and starts it.

use std::sync::Arc;

use anyhow::Context;
use contracts::{rest, topology::Publisher};
use platform::{
    auth::{Issuer, MachineAuth, MachineToken, WebAuth, WebAuthDeps},
    db,
    http::{self, Served},
    lifecycle::Lifecycle,
    outbox::OutboxSignal,
    peer::PeerClient,
    rabbit::Broker,
    routes::Routes,
    signal::Signal,
    sources::Sources,
    ui::{self, Site},
};
use url::Url;

use crate::{
    api::{self, Api},
    app::{App, performers::Performers},
    config::Config,
    jobs::{self, Jobs},
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
    let pages = pages(&config, &app, &issuer, lifecycle)?;
    let per_second = config.api.per_second;
    let machines = MachineAuth::new(
        issuer.clone(),
        &config.identity,
        sources.clone(),
        per_second,
    );
    let login = Url::parse(issuer.url()).context("identity.issuer is no address")?;
    let policy = ui::content_security_policy(&login)?;
    let api_router = api_router(&app, machines.clone());
    let token = MachineToken::new(
        issuer.clone(),
        &config.identity,
        rest::USERS_READ,
        sources.clone(),
    );
    jobs::spawn_all(
        lifecycle,
        Jobs {
            app,
            broker: Broker::try_new(&config.broker, Publisher::Tasks, &sources)?,
            issuer,
            auth: pages.auth.clone(),
            machines,
            users: PeerClient::try_new("auth", &config.peers.auth, token, sources)?,
            database: config.database,
        },
    )?;
    let pages_listener = http::bind(&config.pages.listener()).await?;
    let api_listener = http::bind(&config.api.listener()).await?;
    let page_routes = web::router(pages, policy);
    Ok(Listeners {
        pages: http::serve(lifecycle, "pages", pages_listener, page_routes)?,
        api: http::serve(lifecycle, "api", api_listener, api_router)?,
    })
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
    let api = api::router(Api {
        app: app.clone(),
        machines,
    });
    http::with_defaults(
        api.merge(http::process_routes(app.db.clone())),
        app.sources.clone(),
    )
}
