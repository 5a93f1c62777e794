//! Both services in the test's own process as services of the realm, with demo people logged in to both.

use anyhow::{Result, ensure};
use contracts::identity::Role;
use platform::ui::CSRF_FIELD;
use reqwest::{Method, Response, StatusCode, header::LOCATION};
use tasks_service::config::Config;
use uuid::Uuid;

use super::table::Line;
use crate::support::{
    browser::{Browser, Door},
    environment::environment,
    finance::Finance,
    tasks::Board,
};

/// Somebody whom the realm knows, and their roles as the services know them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Person {
    pub(super) username: &'static str,
    pub(super) id: Uuid,
    pub(super) roles: &'static [Role],
}

const fn person(username: &'static str, number: u128, roles: &'static [Role]) -> Person {
    Person {
        username,
        id: Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0000 + number),
        roles,
    }
}

pub(super) const ADMINISTRATOR: Person = person("ann", 1, &[Role::Employee, Role::Administrator]);
pub(super) const MANAGER: Person = person("mike", 2, &[Role::Employee, Role::Manager]);
pub(super) const ACCOUNTANT: Person = person("eva", 3, &[Role::Employee, Role::Accountant]);
pub(super) const PERFORMER: Person = person("peter", 4, &[Role::Employee]);
pub(super) const AUTHOR: Person = person("olga", 5, &[Role::Employee]);
pub(super) const STRANGER: Person = person("sam", 6, &[Role::Employee]);

const EVERYBODY: [Person; 6] = [
    ADMINISTRATOR,
    MANAGER,
    ACCOUNTANT,
    PERFORMER,
    AUTHOR,
    STRANGER,
];

/// What a task has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Waiting,
    Completed,
    Cancelled,
}

/// The services and what is around them.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) board: Board,
    pub(super) finance: Finance,
    doors: [Door; 2],
}

/// A browser at the doors of both services.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) browser: Browser,
    /// What forms of either service must carry; nothing without a login.
    csrf: [String; 2],
}

impl Stage {
    /// Tasks are drawn as usual.
    pub(super) async fn open() -> Result<Self> {
        Self::open_with(&EVERYBODY, |_config| {}).await
    }

    /// The services have heard of nobody yet.
    pub(super) async fn open_among_strangers() -> Result<Self> {
        Self::open_with(&[], |_config| {}).await
    }

    /// Nobody is eligible, so that every task waits.
    pub(super) async fn open_without_performers() -> Result<Self> {
        let nobody = |config: &mut Config| {
            config.assignment.eligible_roles = vec!["nobody".to_owned()];
        };
        Self::open_with(&EVERYBODY, nobody).await
    }

    async fn open_with(people: &[Person], change: impl FnOnce(&mut Config)) -> Result<Self> {
        let board = Board::start_in_realm(change).await?;
        let finance = Finance::start_in_realm().await?;
        let environment = environment();
        let doors = [
            Door {
                public: environment.finance_url.to_string(),
                address: finance.listeners().pages.address,
            },
            Door {
                public: public("/"),
                address: board.listeners.pages.address,
            },
        ];
        let stage = Self {
            board,
            finance,
            doors,
        };
        for person in people {
            stage.welcome(*person, person.roles).await?;
        }
        Ok(stage)
    }

    /// Both services learn that `person` is there and holds `roles`.
    pub(super) async fn welcome(&self, person: Person, roles: &[Role]) -> Result<()> {
        self.board.welcome(person.id, roles).await?;
        self.finance.welcome(person.id, roles).await
    }

    /// Somebody without a session.
    pub(super) fn anonymous(&self) -> Result<Visitor> {
        Ok(Visitor {
            browser: Browser::before(&self.doors)?,
            csrf: [String::new(), String::new()],
        })
    }

    /// Logs `person` in to both services.
    pub(super) async fn log_in(&self, person: Person) -> Result<Visitor> {
        let mut visitor = self.anonymous()?;
        let login = environment().person(person.username)?;
        let board = public("/tasks/mine");
        let page = visitor.browser.log_in_at(&board, login).await?;
        ensure!(page.status == StatusCode::OK, "{person:?}: {page:?}");
        let account = visitor.browser.follow(&public("/finance/me")).await?;
        ensure!(account.status == StatusCode::OK, "{person:?}: {account:?}");
        visitor.csrf = [
            page.csrf_token()?.to_owned(),
            account.csrf_token()?.to_owned(),
        ];
        Ok(visitor)
    }

    /// The name of a new task of [`AUTHOR`] in `state`, which [`PERFORMER`] has or had unless it waits.
    pub(super) async fn task(&self, state: State) -> Result<String> {
        let board = &self.board;
        let task = board.file(AUTHOR.id).await?;
        if state == State::Waiting {
            ensure!(board.performer(task).await?.is_none(), "nobody is eligible");
        } else {
            board.assign(task, PERFORMER.id).await?;
        }
        match state {
            State::Waiting | State::Open => {}
            State::Completed => {
                board.complete(task, PERFORMER.id).await?;
            }
            State::Cancelled => board.cancel(task).await?,
        }
        board.name(task).await
    }

    /// The path of a line; a task in it is a new one in `state`.
    pub(super) async fn path_to(&self, line: &Line, state: State) -> Result<String> {
        Ok(if line.path.contains("{task}") {
            line.path_to(&self.task(state).await?)
        } else {
            line.path_to("")
        })
    }

    pub(super) async fn close(self) -> Result<()> {
        self.board.remove().await?;
        self.finance.remove().await
    }
}

impl Visitor {
    /// What a form that is sent to `path` must carry.
    pub(super) fn csrf_of(&self, path: &str) -> &str {
        let [of_tasks, of_finance] = &self.csrf;
        if path.starts_with("/finance") {
            of_finance
        } else {
            of_tasks
        }
    }

    /// One request as a page of the same session would send it, and no redirect followed.
    pub(super) async fn send(
        &self,
        method: &Method,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Response> {
        let mut form = vec![(CSRF_FIELD, self.csrf_of(path))];
        form.extend(fields);
        let request = self.browser.request(method.clone(), &public(path))?;
        let request = match *method {
            Method::POST => request.form(&form),
            _ => request,
        };
        Ok(request.send().await?)
    }
}

/// A path as people know it.
pub(super) fn public(path: &str) -> String {
    let origin = environment().tasks_url.origin().ascii_serialization();
    format!("{origin}{path}")
}

/// What the table says of an answer: its status, or `login` when it leads there.
pub(super) fn said(answer: &Response) -> Result<String> {
    let leads_to = answer.headers().get(LOCATION);
    let leads_to = leads_to.map(|location| location.to_str()).transpose()?;
    let is_login = leads_to.is_some_and(|location| {
        location.starts_with("/tasks/login?") || location.starts_with("/finance/login?")
    });
    Ok(if is_login {
        "login".to_owned()
    } else {
        answer.status().as_u16().to_string()
    })
}
