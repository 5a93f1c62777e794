//! Keycloak's admin REST interface with the rights of an administrator.

use std::{collections::BTreeMap, time::Duration};

use platform::{
    config::Secret,
    outbound::{self, Timeouts},
};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, header::LOCATION};
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::{RealmError, description::Description};

/// A realm exports in a second; a small machine at work on something else takes longer.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    request: Duration::from_mins(2),
};

/// The realm of Keycloak's administrators.
const REALM_OF_ADMINISTRATORS: &str = "master";

/// Whether secrets of clients are anybody's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// They are neither read nor changed.
    Leave,
    /// They are compared with those of the file, and taken over like everything else.
    Compare,
}

/// How an administrator of Keycloak logs in.
#[derive(Debug, Clone)]
pub enum Login {
    /// As a person, with a password.
    Person {
        /// The login name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// As a client of the realm `master` with a service account.
    Client {
        /// Its client id.
        client_id: String,
        /// Its secret.
        secret: Secret,
    },
}

impl Login {
    fn form(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Person { username, password } => vec![
                ("grant_type", "password"),
                ("client_id", "admin-cli"),
                ("username", username),
                ("password", password.expose()),
            ],
            Self::Client { client_id, secret } => vec![
                ("grant_type", "client_credentials"),
                ("client_id", client_id),
                ("client_secret", secret.expose()),
            ],
        }
    }
}

/// An administrator at one realm.
#[derive(Debug)]
pub struct Administrator {
    http: Client,
    keycloak: String,
    realm: String,
    login: Login,
    token: String,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

impl Administrator {
    /// Logs in at `keycloak` to work on `realm`.
    ///
    /// # Errors
    /// [`RealmError::Unreachable`] or [`RealmError::Login`].
    pub async fn log_in(keycloak: &Url, realm: &str, login: Login) -> Result<Self, RealmError> {
        let http = outbound::client(TIMEOUTS).map_err(RealmError::Unreachable)?;
        let mut administrator = Self {
            http,
            keycloak: keycloak.as_str().trim_end_matches('/').to_owned(),
            realm: realm.to_owned(),
            login,
            token: String::new(),
        };
        administrator.renew_token().await?;
        Ok(administrator)
    }

    async fn renew_token(&mut self) -> Result<(), RealmError> {
        let url = format!(
            "{}/realms/{REALM_OF_ADMINISTRATORS}/protocol/openid-connect/token",
            self.keycloak
        );
        let request = self.http.post(url).form(&self.login.form());
        let answer = request.send().await.map_err(RealmError::Unreachable)?;
        if !answer.status().is_success() {
            return Err(RealmError::Login(words(answer).await));
        }
        let token: Token = answer.json().await.map_err(RealmError::Unreachable)?;
        self.token = token.access_token;
        Ok(())
    }

    /// The running realm, without people.
    ///
    /// # Errors
    /// [`RealmError::NoRealm`], or whatever stands in the way.
    pub async fn describe(&mut self, secrets: Secrets) -> Result<Description, RealmError> {
        let path = "partial-export?exportClients=true&exportGroupsAndRoles=true";
        let answer = self.ask(Method::POST, path, None).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Err(RealmError::NoRealm(self.realm.clone()));
        }
        let answer = accepted(&Method::POST, path, answer).await?;
        let export = answer.json().await.map_err(RealmError::Unreachable)?;
        let mut description = Description::from_json(export)?;
        description.secrets = match secrets {
            Secrets::Leave => BTreeMap::new(),
            Secrets::Compare => self.secrets(&description).await?,
        };
        Ok(description)
    }

    /// The secrets of all clients, which the export hides.
    async fn secrets(
        &mut self,
        description: &Description,
    ) -> Result<BTreeMap<String, String>, RealmError> {
        let mut secrets = BTreeMap::new();
        for (client, path) in description.paths_of_clients() {
            let representation = self.read(&path).await?;
            if let Some(secret) = representation.get("secret").and_then(Value::as_str) {
                secrets.insert(client.to_owned(), secret.to_owned());
            }
        }
        Ok(secrets)
    }

    /// Reads a representation.
    pub(super) async fn read(&mut self, path: &str) -> Result<Map<String, Value>, RealmError> {
        let answer = self.ask(Method::GET, path, None).await?;
        let answer = accepted(&Method::GET, path, answer).await?;
        answer.json().await.map_err(RealmError::Unreachable)
    }

    /// Changes something and answers the id of what came into being, if anything did.
    pub(super) async fn change(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Option<String>, RealmError> {
        let answer = self.ask(method.clone(), path, body).await?;
        let answer = accepted(&method, path, answer).await?;
        let location = answer.headers().get(LOCATION);
        Ok(location
            .and_then(|location| location.to_str().ok()?.rsplit('/').next())
            .map(str::to_owned))
    }

    /// Sends a request, a second time when the token was too old: an administrator's lives for a minute.
    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response, RealmError> {
        let send = |request: RequestBuilder| async {
            request.send().await.map_err(RealmError::Unreachable)
        };
        let answer = send(self.request(&method, path, body)).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        self.renew_token().await?;
        send(self.request(&method, path, body)).await
    }

    /// `path` below the realm is empty or begins without a slash: Keycloak refuses a double one.
    fn request(&self, method: &Method, path: &str, body: Option<&Value>) -> RequestBuilder {
        let realm = format!("{}/admin/realms/{}", self.keycloak, self.realm);
        let url = if path.is_empty() {
            realm
        } else {
            format!("{realm}/{path}")
        };
        let request = self
            .http
            .request(method.clone(), url)
            .bearer_auth(&self.token);
        match body {
            Some(body) => request.json(body),
            None => request,
        }
    }
}

async fn accepted(method: &Method, path: &str, answer: Response) -> Result<Response, RealmError> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    Err(RealmError::Refused {
        call: format!("{method} {path}"),
        answer: words(answer).await,
    })
}

/// Status and body of a refusal.
async fn words(answer: Response) -> String {
    let status = answer.status();
    let body = answer.text().await.unwrap_or_default();
    format!("{status} {body}")
}
