//! The proof that nothing was lost: what the sender of a queue says that it sent, beside what became of
//! it here, by hour and key (DESIGN.md section 8).
//!
//! The sender's relay logs what the broker confirmed; the inbox knows what was applied, ignored and
//! parked. Counts and digests are compared, ids only where those differ. A message that is missing is
//! in the archive, and feeding it through the inbox heals.

mod api;
mod compare;
mod heal;
mod heard;
mod hours;
mod job;
mod ledger;
mod sent;

pub(crate) use ledger::KEPT as RESULTS_KEPT;
pub(crate) use sent::KEPT as SENT_KEPT;

pub use api::routes;
pub use compare::{Compared, Line};
pub use heal::{Healed, heal};
pub use hours::{Span, recent, settled};
pub use job::spawn;
pub use ledger::Alarm;
pub use sent::{Page, counts, ids};

use std::future::Future;

use chrono::{DateTime, SecondsFormat, Utc};
use contracts::{
    messages::{MAX_IDS, SentCount, SentCounts, SentIds},
    topology::ConsumerQueue,
};
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use crate::{archive::ArchiveError, consumer::IntakeError, fetch::FetchError, peer::PeerClient};

/// Why a comparison was given up; what it found until then is kept.
#[derive(Debug, thiserror::Error)]
pub enum ConciliationError {
    /// The sender did not answer.
    #[error("the sender does not say what it sent")]
    Sender(#[from] FetchError),
    /// The own database failed.
    #[error("what became of the messages cannot be read")]
    Database(#[from] DbErr),
    /// The archive could not be read.
    #[error("missing messages cannot be read from the archive")]
    Archive(#[from] ArchiveError),
    /// What was missing could not be applied.
    #[error("missing messages cannot be applied")]
    Intake(#[from] IntakeError),
}

/// The sender of a queue's messages, as it answers for them.
pub trait SentLog: Send + Sync + 'static {
    /// `GET /messages/sent`, for up to [`contracts::messages::MAX_HOURS`] hours.
    ///
    /// # Errors
    /// [`FetchError`] when there was no answer.
    fn counts(&self, span: Span)
    -> impl Future<Output = Result<Vec<SentCount>, FetchError>> + Send;

    /// `GET /messages/sent/ids`.
    ///
    /// # Errors
    /// [`FetchError`] when there was no answer.
    fn ids(
        &self,
        hour: DateTime<Utc>,
        routing_key: &str,
        after: Option<Uuid>,
    ) -> impl Future<Output = Result<SentIds, FetchError>> + Send;
}

impl SentLog for PeerClient {
    async fn counts(&self, span: Span) -> Result<Vec<SentCount>, FetchError> {
        let (from, until) = (text(span.from), text(span.until));
        let path = format!("/messages/sent?from={from}&until={until}");
        let answer: SentCounts = self.get_json(&path).await?;
        Ok(answer.counts)
    }

    async fn ids(
        &self,
        hour: DateTime<Utc>,
        routing_key: &str,
        after: Option<Uuid>,
    ) -> Result<SentIds, FetchError> {
        let hour = text(hour);
        let after = after.map_or_else(String::new, |after| format!("&after={after}"));
        let path = format!(
            "/messages/sent/ids?hour={hour}&routing_key={routing_key}&limit={MAX_IDS}{after}"
        );
        Ok(self.get_json(&path).await?)
    }
}

/// What a comparison found.
#[derive(Debug)]
pub struct Examined {
    /// One line for each hour and key with messages.
    pub compared: Vec<Compared>,
    /// The lines that are an alarm now and were none before.
    pub alarms: Vec<Alarm>,
}

/// Compares a span of at most [`contracts::messages::MAX_HOURS`] hours and keeps the result in the
/// table `conciliation`.
///
/// # Errors
/// [`ConciliationError`].
pub async fn examine<L: SentLog>(
    db: &impl ConnectionTrait,
    log: &L,
    queue: ConsumerQueue,
    span: Span,
    now: DateTime<Utc>,
) -> Result<Examined, ConciliationError> {
    let compared = compare::compare(db, log, queue, span).await?;
    let lines: Vec<&Line> = compared.iter().map(|compared| &compared.line).collect();
    let alarms = ledger::record(db, queue.name, &lines, now).await?;
    Ok(Examined { compared, alarms })
}

/// A time as a query can hold it: without a plus sign.
fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
