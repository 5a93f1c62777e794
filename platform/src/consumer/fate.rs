//! What became of each message of a batch.

use std::collections::HashSet;

use uuid::Uuid;

use super::{HandlerError, Incoming, Verdict};
use crate::{inbox::Outcome, parked::ParkKind};

/// The message, why it is parked, and the words for a person.
pub(super) type Parking<'a> = (&'a Incoming, ParkKind, String);

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Fate<'a> {
    pub(super) applied: usize,
    pub(super) ignored: Vec<&'a Incoming>,
    pub(super) parked: Vec<Parking<'a>>,
    /// Parked as well, but what the inbox knows under their ids are other messages.
    pub(super) contradicting: Vec<Parking<'a>>,
    /// Applied again, so the inbox tells already what became of them.
    pub(super) refreshed: HashSet<Uuid>,
    pub(super) duplicates: usize,
}

impl<'a> Fate<'a> {
    /// Takes down what the handler said of each message.
    pub(super) fn settle(
        &mut self,
        readable: &[&'a Incoming],
        verdicts: Vec<Verdict>,
    ) -> Result<(), HandlerError> {
        if verdicts.len() != readable.len() {
            let text = format!(
                "{} verdicts for {} messages",
                verdicts.len(),
                readable.len()
            );
            return Err(HandlerError::failed(text));
        }
        for (message, verdict) in readable.iter().copied().zip(verdicts) {
            match verdict {
                Verdict::Applied => self.applied += 1,
                Verdict::Ignored => self.ignored.push(message),
                Verdict::Unreadable(why) => self.park(message, ParkKind::Unreadable, why),
                Verdict::Park(why) => self.park(message, ParkKind::Refused, why),
                Verdict::Conflict(why) => self.park(message, ParkKind::Conflict, why),
            }
        }
        Ok(())
    }

    fn park(&mut self, message: &'a Incoming, kind: ParkKind, why: String) {
        self.parked.push((message, kind, why));
    }

    /// What the inbox has to be told, which takes every new message for applied.
    pub(super) fn corrections(&self) -> Vec<(Uuid, Outcome)> {
        let ignored = self
            .ignored
            .iter()
            .map(|message| (*message, Outcome::Ignored));
        let parked = self
            .parked
            .iter()
            .map(|(message, ..)| (*message, Outcome::Parked));
        ignored
            .chain(parked)
            .filter_map(|(message, outcome)| Some((message.message_id?, outcome)))
            .filter(|(message_id, _)| !self.refreshed.contains(message_id))
            .collect()
    }

    pub(super) fn to_park(&self) -> impl Iterator<Item = &Parking<'a>> {
        self.parked.iter().chain(&self.contradicting)
    }
}
