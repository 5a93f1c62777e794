//! Work that one replica does at a time: who holds an advisory lock of PostgreSQL leads.
//!
//! The lock belongs to a session, so it is taken on a connection of its own, not on one from a pool,
//! and ends with the process, however that ends. A leader may be cut off without noticing at once, so
//! for a moment two may work; what they write has to stand that.

use std::{future::Future, pin::pin, str::FromStr, time::Duration};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{config::Secret, db::SESSION};

/// The pause between two attempts to take the lead.
const CANDIDATE_PAUSE: Duration = Duration::from_secs(1);
/// The pause between two looks whether the connection still stands.
const WATCH_PAUSE: Duration = Duration::from_secs(1);
/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who stands for election, and for what.
#[derive(Debug, Clone)]
pub struct Candidate {
    options: PgConnectOptions,
    work: &'static str,
}

impl Candidate {
    /// A candidate for `work`, unique in the database at `url`.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn try_new(url: &Secret, work: &'static str) -> Result<Self, sqlx::Error> {
        let options = PgConnectOptions::from_str(url.expose())?
            .application_name(work)
            .options(SESSION);
        Ok(Self { options, work })
    }

    /// Runs `work` whenever this process leads, until `stopping` is cancelled.
    ///
    /// The token that `work` is given is cancelled when the lead is lost or the process stops; it
    /// should then return soon. When it returns by itself, the lead is given up and stood for again.
    pub async fn lead<W, F>(&self, stopping: &CancellationToken, mut work: W)
    where
        W: FnMut(CancellationToken) -> F + Send,
        F: Future<Output = ()> + Send,
    {
        let mut was_reachable = true;
        while !stopping.is_cancelled() {
            match timeout(PATIENCE, self.stand()).await {
                Ok(Ok(Some(connection))) => {
                    tracing::info!(work = self.work, "this replica leads");
                    hold(connection, stopping.child_token(), &mut work).await;
                    tracing::info!(work = self.work, "this replica leads no more");
                    was_reachable = true;
                }
                Ok(Ok(None)) => was_reachable = true,
                Ok(Err(error)) if was_reachable => {
                    tracing::warn!(work = self.work, %error, "nobody can be elected");
                    was_reachable = false;
                }
                Err(_) if was_reachable => {
                    tracing::warn!(
                        work = self.work,
                        "nobody can be elected: the database is silent"
                    );
                    was_reachable = false;
                }
                Ok(Err(_)) | Err(_) => {}
            }
            stopping.run_until_cancelled(sleep(CANDIDATE_PAUSE)).await;
        }
    }

    /// Takes the lead on a new connection; none when another process has it.
    async fn stand(&self) -> Result<Option<PgConnection>, sqlx::Error> {
        let mut connection = PgConnection::connect_with(&self.options).await?;
        let is_elected: bool =
            sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended($1, 0))")
                .bind(self.work)
                .fetch_one(&mut connection)
                .await?;
        if is_elected {
            return Ok(Some(connection));
        }
        connection.close().await?;
        Ok(None)
    }
}

/// Works as long as the connection stands; the work has ended when this returns.
async fn hold<W, F>(mut connection: PgConnection, leading: CancellationToken, work: &mut W)
where
    W: FnMut(CancellationToken) -> F + Send,
    F: Future<Output = ()> + Send,
{
    let mut working = pin!(work(leading.clone()));
    tokio::select! {
        () = &mut working => {}
        () = broken(&mut connection) => {
            leading.cancel();
            working.await;
        }
    }
    // Closing ends the session and with it the lock; a connection that is broken has lost it already.
    if let Ok(Err(error)) = timeout(PATIENCE, connection.close()).await {
        tracing::debug!(%error, "the leader's connection was not closed");
    }
}

/// Returns when the connection is lost.
async fn broken(connection: &mut PgConnection) {
    loop {
        sleep(WATCH_PAUSE).await;
        if !matches!(timeout(PATIENCE, connection.ping()).await, Ok(Ok(()))) {
            return;
        }
    }
}
