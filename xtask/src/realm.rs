//! The realm that runs beside the realm file: what differs, and taking the file over.
//!
//! Keycloak imports the file only while it has no such realm. The work is done by `auth-bridge realm`.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;

use crate::{
    console,
    environment::Environment,
    failure::Failure,
    parts::{Context, realm_tool},
    programs::Programs,
    state::State,
};

const PART: &str = "realm";

/// What to do about the realm.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Action {
    /// Say what differs; answers 1 when something does.
    Diff {
        /// Compare the secrets of clients too.
        #[arg(long)]
        secrets: bool,
    },
    /// Change in the realm what differs. People and sessions are left alone.
    Apply {
        /// Take the secrets of clients over too.
        #[arg(long)]
        secrets: bool,
        /// Delete roles, scopes, clients, mappers and groups that are not in the file.
        #[arg(long)]
        delete: bool,
    },
}

/// Does it, the words of the tool on the terminal, and answers its code.
///
/// # Errors
/// When the environment was never up.
pub(crate) fn act(environment: &Environment, action: Action) -> Result<ExitCode> {
    let state = State::load(&environment.folder())?
        .context("this environment was never up: run `cargo xtask up` first")?;
    let context = Context {
        environment,
        programs: &Programs::find(environment)?,
        binaries: state.binaries,
    };
    let (name, secrets, delete) = match action {
        Action::Diff { secrets } => ("diff", secrets, false),
        Action::Apply { secrets, delete } => ("apply", secrets, delete),
    };
    let mut tool = realm_tool(&context, name)?;
    tool.args(secrets.then_some("--secrets"))
        .args(delete.then_some("--delete"));
    let status = tool.status().context("auth-bridge cannot be started")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Takes the file over into a realm that is there already, and says each change. Nothing is deleted.
///
/// # Errors
/// The words of the tool when it could not do it.
pub(crate) fn take_over(context: &Context<'_>) -> Result<()> {
    let (code, words) = answer(&mut realm_tool(context, "apply")?)?;
    for line in words.lines() {
        console::progress(PART, line);
    }
    match code {
        Some(0) => Ok(()),
        Some(1) => {
            let delete = format!(
                "`cargo xtask realm apply --delete{}`",
                context.environment.option()
            );
            console::progress(PART, &format!("{delete} deletes what is left"));
            Ok(())
        }
        _ => bail!(Failure::new(
            PART,
            "it is not as its file says, and could not be changed: the reason stands above"
        )),
    }
}

/// What the tool answers and says, in both its voices.
fn answer(tool: &mut Command) -> Result<(Option<i32>, String)> {
    let output = tool.output().context("auth-bridge cannot be started")?;
    let mut words = String::from_utf8_lossy(&output.stdout).into_owned();
    words.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok((output.status.code(), words))
}
