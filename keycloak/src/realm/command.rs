//! `auth-bridge realm diff` and `auth-bridge realm apply`.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Subcommand};
use platform::{config::Secret, errors};
use url::Url;

use super::{
    Administrator, Description, Difference, Extras, Login, RealmError, Secrets, apply, compare,
    read,
};

/// What can be done about the realm.
#[derive(Debug, Subcommand)]
pub enum RealmCommand {
    /// Say what differs between the realm file and the realm that runs; answer 1 when something does.
    Diff(Target),
    /// Change what differs in the realm, and say what; people are left alone.
    Apply {
        #[command(flatten)]
        target: Target,
        /// Delete roles, scopes, clients, mappers and groups that are not in the file.
        #[arg(long)]
        delete: bool,
    },
}

/// Which realm, which file, and who asks.
#[derive(Debug, Args)]
pub struct Target {
    /// The realm file; `${NAME}` in it stands for a variable of the environment.
    #[arg(long, value_name = "PATH")]
    file: PathBuf,
    /// Where Keycloak is.
    #[arg(long, env = "KEYCLOAK_URL", default_value = "http://localhost:21006")]
    url: Url,
    /// An administrator of Keycloak itself, with a password.
    #[arg(long, env = "KEYCLOAK_ADMIN_USERNAME", conflicts_with = "client_id")]
    username: Option<String>,
    /// Or a client of the realm `master` with a service account that is one, with a secret.
    #[arg(long, env = "KEYCLOAK_ADMIN_CLIENT_ID")]
    client_id: Option<String>,
    /// The password or the secret.
    #[arg(long, env = "KEYCLOAK_ADMIN_SECRET", hide_env_values = true)]
    secret: String,
    /// Include the secrets of clients.
    #[arg(long)]
    secrets: bool,
}

impl Target {
    const fn secrets(&self) -> Secrets {
        if self.secrets {
            Secrets::Compare
        } else {
            Secrets::Leave
        }
    }

    fn login(&self) -> Login {
        let secret = Secret::new(self.secret.clone());
        match &self.client_id {
            Some(client_id) => Login::Client {
                client_id: client_id.clone(),
                secret,
            },
            None => Login::Person {
                username: self.username.clone().unwrap_or_else(|| "admin".to_owned()),
                password: secret,
            },
        }
    }

    async fn open(&self) -> Result<(Description, Administrator), RealmError> {
        let wanted = read(&self.file, variable)?;
        let administrator = Administrator::log_in(&self.url, wanted.realm(), self.login()).await?;
        Ok((wanted, administrator))
    }
}

/// A realm file is filled from the environment by Keycloak, so also here.
fn variable(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the file says which variables there are, not the settings of this program"
    )]
    std::env::var(name).ok()
}

/// Does what was asked and says it, one line for each difference. Answers 1 when something differs in
/// the end, and 2 when the file or Keycloak stand in the way.
pub async fn run(command: RealmCommand) -> ExitCode {
    match execute(command).await {
        Ok(remaining) if remaining.is_empty() => ExitCode::SUCCESS,
        Ok(_remaining) => ExitCode::from(1),
        Err(error) => {
            writeln!(io::stderr().lock(), "error: {}", errors::explain(&error)).ok();
            ExitCode::from(2)
        }
    }
}

async fn execute(command: RealmCommand) -> Result<Vec<Difference>, RealmError> {
    match command {
        RealmCommand::Diff(target) => {
            let (wanted, mut administrator) = target.open().await?;
            let running = administrator.describe(target.secrets()).await?;
            let differences = compare(&wanted, &running);
            say("", &differences);
            Ok(differences)
        }
        RealmCommand::Apply { target, delete } => {
            let extras = if delete { Extras::Delete } else { Extras::Keep };
            let (wanted, mut administrator) = target.open().await?;
            let applied = apply(&mut administrator, &wanted, target.secrets(), extras).await?;
            say("changed: ", &applied.changed);
            say("left: ", &applied.remaining);
            Ok(applied.remaining)
        }
    }
}

/// Nobody may be listening any more, as after `| head`.
fn say(prefix: &str, differences: &[Difference]) {
    for difference in differences {
        writeln!(io::stdout().lock(), "{prefix}{difference}").ok();
    }
}
