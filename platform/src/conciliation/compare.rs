//! Compares the sender's log with the inbox: counts and digests first, ids only where those differ.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use contracts::topology::ConsumerQueue;
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use super::{
    ConciliationError, SentLog, heard,
    hours::{Span, digest},
};

/// What was sent in one hour under one key, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The beginning of the hour in which the messages were written.
    pub hour: DateTime<Utc>,
    /// The key.
    pub routing_key: String,
    /// Messages that the broker confirmed to the sender.
    pub sent: i64,
    /// Messages that the sender wrote and the broker has not confirmed yet.
    pub waiting: i64,
    /// Those that took effect here.
    pub applied: i64,
    /// Those that changed nothing here.
    pub ignored: i64,
    /// Those that are or were kept here for a person.
    pub parked: i64,
    /// Those that were sent and are unknown here.
    pub missing: i64,
    /// Those that are known here and were not sent.
    pub surplus: i64,
}

/// A line, and which messages are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The numbers.
    pub line: Line,
    /// The ids of the missing ones.
    pub missing: Vec<Uuid>,
}

impl Compared {
    /// Whether nothing is missing and nothing can change any more: a parked message may be sent again,
    /// and is unknown here until it arrives.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.line.waiting == 0 && self.line.parked == 0
    }
}

/// What both sides say of an hour and key, before their ids are looked at.
#[derive(Debug, Default)]
struct Claims {
    sent: i64,
    waiting: i64,
    sent_digest: String,
    applied: i64,
    ignored: i64,
    parked: i64,
    heard_digest: String,
}

impl Claims {
    fn agree(&self) -> bool {
        let heard = self.applied + self.ignored + self.parked;
        self.sent == heard && (heard == 0 || self.sent_digest == self.heard_digest)
    }
}

/// One line for each hour and key with messages.
pub(super) async fn compare<L: SentLog>(
    db: &impl ConnectionTrait,
    log: &L,
    queue: ConsumerQueue,
    span: Span,
) -> Result<Vec<Compared>, ConciliationError> {
    let mut claims: BTreeMap<(DateTime<Utc>, String), Claims> = BTreeMap::new();
    for count in log.counts(span).await? {
        if queue.takes(&count.routing_key) {
            let claim = claims.entry((count.hour, count.routing_key)).or_default();
            claim.sent = count.sent;
            claim.waiting = count.waiting;
            claim.sent_digest = count.digest;
        }
    }
    // Read after the sender's answer: what arrives in between is no difference then.
    for heard in heard::counts(db, queue.name, span).await? {
        let claim = claims.entry((heard.hour, heard.routing_key)).or_default();
        claim.applied = heard.applied;
        claim.ignored = heard.ignored;
        claim.parked = heard.parked;
        claim.heard_digest = digest(&heard.digest);
    }
    let mut compared = Vec::with_capacity(claims.len());
    for ((hour, routing_key), claim) in claims {
        let (missing, surplus) = if claim.agree() {
            (Vec::new(), 0)
        } else {
            differences(db, log, queue, (hour, &routing_key)).await?
        };
        compared.push(Compared {
            line: Line {
                hour,
                routing_key,
                sent: claim.sent,
                waiting: claim.waiting,
                applied: claim.applied,
                ignored: claim.ignored,
                parked: claim.parked,
                missing: i64::try_from(missing.len()).unwrap_or(i64::MAX),
                surplus,
            },
            missing,
        });
    }
    Ok(compared)
}

/// The ids that are missing here, and how many are surplus, read side by side and page by page.
async fn differences<L: SentLog>(
    db: &impl ConnectionTrait,
    log: &L,
    queue: ConsumerQueue,
    (hour, routing_key): (DateTime<Utc>, &str),
) -> Result<(Vec<Uuid>, i64), ConciliationError> {
    let (mut from, past) = Span::hour(hour).ids();
    let (mut missing, mut surplus) = (Vec::new(), 0);
    let mut after = None;
    loop {
        let page = log.ids(hour, routing_key, after).await?;
        let until = page.next.map_or(past, successor);
        let heard = ids_heard(db, queue, routing_key, (from, until)).await?;
        let known = page.ids.iter().filter(|id| heard.contains(id)).count();
        missing.extend(page.ids.iter().filter(|id| !heard.contains(id)));
        surplus += i64::try_from(heard.len() - known).unwrap_or(i64::MAX);
        if page.next.is_none() {
            return Ok((missing, surplus));
        }
        (after, from) = (page.next, until);
    }
}

async fn ids_heard(
    db: &impl ConnectionTrait,
    queue: ConsumerQueue,
    routing_key: &str,
    range: (Uuid, Uuid),
) -> Result<HashSet<Uuid>, DbErr> {
    let ids = heard::ids(db, queue.name, routing_key, range).await?;
    Ok(ids.into_iter().collect())
}

fn successor(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128().saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_of_other_messages_is_no_agreement() {
        let claims = |heard: &str| Claims {
            sent: 1,
            applied: 1,
            sent_digest: "a".to_owned(),
            heard_digest: heard.to_owned(),
            ..Claims::default()
        };
        assert!(claims("a").agree());
        assert!(!claims("b").agree());
        assert!(Claims::default().agree());
    }

    #[test]
    fn an_hour_with_a_parked_message_is_looked_at_again() {
        let compared = |parked| Compared {
            line: Line {
                hour: DateTime::UNIX_EPOCH,
                routing_key: String::new(),
                sent: 1,
                waiting: 0,
                applied: 1 - parked,
                ignored: 0,
                parked,
                missing: 0,
                surplus: 0,
            },
            missing: Vec::new(),
        };
        assert!(compared(0).is_complete());
        assert!(!compared(1).is_complete());
    }
}
