//! Asks a server whether it is ready, and waits until it is.

use std::{
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    command::answer, console, environment::Environment, failure::Failure, interrupt, process,
};

/// A slow part gives a sign of life this often.
const HEARTBEAT: Duration = Duration::from_secs(15);

const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// How to see that a part is ready.
#[derive(Debug, Clone)]
pub(crate) enum Probe {
    /// A GET on this URL answers 200.
    Http(String),
    /// The same with a user name and a password.
    HttpAs {
        url: String,
        user: &'static str,
        password: String,
    },
    /// Something accepts connections on this port of 127.0.0.1.
    Tcp(u16),
    /// This program, which answers at once, is content.
    Program {
        path: PathBuf,
        arguments: Vec<String>,
    },
    /// All of these, asked one after the other.
    All(Vec<Probe>),
}

impl Probe {
    /// Whether the part is ready now.
    pub(crate) fn is_ready(&self) -> bool {
        match self {
            Self::Http(url) => get(url, None),
            Self::HttpAs {
                url,
                user,
                password,
            } => get(
                url,
                Some(BASE64_STANDARD.encode(format!("{user}:{password}"))),
            ),
            Self::Tcp(port) => {
                TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], *port)), ANSWER_LIMIT)
                    .is_ok()
            }
            Self::Program { path, arguments } => {
                answer(Command::new(path).args(arguments)).is_some()
            }
            Self::All(probes) => probes.iter().all(Self::is_ready),
        }
    }
}

fn get(url: &str, basic: Option<String>) -> bool {
    // No proxy: the environment may name one, and these addresses are on this machine.
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(ANSWER_LIMIT))
        .proxy(None)
        .max_redirects(0)
        .build()
        .new_agent();
    let mut request = agent.get(url);
    if let Some(basic) = basic {
        request = request.header("authorization", format!("Basic {basic}"));
    }
    request
        .call()
        .is_ok_and(|response| response.status() == 200)
}

/// Waits until `part` is ready.
///
/// # Errors
/// When its process ends, when `limit` is over, or when somebody asks to stop.
pub(crate) fn wait(
    environment: &Environment,
    part: &str,
    probe: &Probe,
    limit: Duration,
) -> Result<()> {
    let asked = Instant::now();
    let mut next_sign = HEARTBEAT;
    while !probe.is_ready() {
        let fail = |sentence: String| Failure::new(part, sentence).with_log(&environment.log(part));
        if process::running(environment, part).is_none() {
            bail!(fail("it ended while it was starting".to_owned()));
        }
        let waited = asked.elapsed();
        if waited > limit {
            bail!(fail(format!("it is not ready after {} s", limit.as_secs())));
        }
        if waited > next_sign {
            console::progress(part, &format!("not ready yet after {} s", waited.as_secs()));
            next_sign += HEARTBEAT;
        }
        interrupt::tick()?;
    }
    Ok(())
}
