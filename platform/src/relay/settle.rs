//! Decides which messages the broker has for good, from confirms and returned messages.

use std::collections::{HashSet, VecDeque};

use super::{lead::Refused, rows::Row};
use crate::rabbit::Receipt;

/// Rows whose fate is known.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// With the broker, to be removed.
    pub(super) done: Vec<i64>,
    /// Not with the broker, to be tried again.
    pub(super) refused: Vec<Refused>,
}

/// Holds a batch back until its returned messages must have come in.
///
/// A returned message comes with the confirm of any message that was on its way when its own confirm
/// arrived ([`Receipt::returned`]). So a batch is settled when every batch is confirmed that was begun
/// to be sent by then.
#[derive(Debug, Default)]
pub(super) struct Settling {
    /// How many batches are confirmed.
    confirmed: u64,
    held_back: VecDeque<Batch>,
    returned: HashSet<String>,
}

/// A batch that is confirmed and not settled.
#[derive(Debug)]
struct Batch {
    rows: Vec<Row>,
    accepted: Vec<bool>,
    /// It is settled when so many batches are confirmed.
    until: u64,
}

impl Settling {
    /// Takes the receipt of the next batch, when so many were `begun` to be sent.
    pub(super) fn confirm(&mut self, rows: Vec<Row>, receipt: Receipt, begun: u64) -> Settled {
        self.confirmed += 1;
        self.returned.extend(receipt.returned);
        self.held_back.push_back(Batch {
            rows,
            accepted: receipt.accepted,
            until: begun,
        });
        let confirmed = self.confirmed;
        let mut settled = Settled::default();
        while let Some(batch) = self
            .held_back
            .pop_front_if(|batch| batch.until <= confirmed)
        {
            self.settle(batch, &mut settled);
        }
        settled
    }

    fn settle(&mut self, batch: Batch, settled: &mut Settled) {
        for (row, accepted) in batch.rows.into_iter().zip(batch.accepted) {
            // Returned messages are rare, so the id is written out only when there are any.
            let returned =
                !self.returned.is_empty() && self.returned.remove(&row.message_id.to_string());
            let reason = match (accepted, returned) {
                (true, false) => {
                    settled.done.push(row.position);
                    continue;
                }
                (_, true) => "no queue takes it: it was returned",
                (false, false) => "the broker could not store it: it was refused",
            };
            settled.refused.push(Refused {
                position: row.position,
                entity_id: row.entity_id,
                reason,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;

    fn row(position: i64) -> Row {
        Row {
            position,
            message_id: id(position),
            exchange: String::new(),
            routing_key: String::new(),
            entity_id: Uuid::nil(),
            schema_version: 1,
            occurred_at: DateTime::UNIX_EPOCH,
            traceparent: None,
            body: String::new(),
            headers: None,
            next_at: None,
        }
    }

    fn id(position: i64) -> Uuid {
        Uuid::from_u128(u128::try_from(position).unwrap())
    }

    fn receipt(accepted: &[bool], returned: &[i64]) -> Receipt {
        Receipt {
            accepted: accepted.to_vec(),
            returned: returned
                .iter()
                .map(|position| id(*position).to_string())
                .collect(),
        }
    }

    fn refused_positions(settled: &Settled) -> Vec<i64> {
        settled
            .refused
            .iter()
            .map(|refused| refused.position)
            .collect()
    }

    /// Confirms a batch of one row per entry of `accepted`, numbered from `first`.
    fn confirm(
        settling: &mut Settling,
        first: i64,
        accepted: &[bool],
        returned: &[i64],
        begun: u64,
    ) -> Settled {
        let rows = (first..).zip(accepted).map(|(position, _)| row(position));
        settling.confirm(rows.collect(), receipt(accepted, returned), begun)
    }

    #[test]
    fn a_batch_with_nothing_behind_it_is_settled_at_once() {
        let mut settling = Settling::default();
        let settled = confirm(&mut settling, 1, &[true, false, true], &[3], 1);
        assert_eq!(settled.done, [1]);
        assert_eq!(refused_positions(&settled), [2, 3]);
    }

    #[test]
    fn a_message_returned_with_a_confirm_of_the_next_batch_is_not_taken_for_delivered() {
        let mut settling = Settling::default();
        let first = confirm(&mut settling, 1, &[true], &[], 2);
        assert_eq!(first, Settled::default());
        let second = confirm(&mut settling, 2, &[true], &[1], 2);
        assert_eq!(second.done, [2]);
        assert_eq!(refused_positions(&second), [1]);
    }

    #[test]
    fn a_message_returned_with_a_confirm_of_an_earlier_batch_is_remembered() {
        let mut settling = Settling::default();
        let early = confirm(&mut settling, 1, &[true], &[2], 2);
        assert_eq!(early, Settled::default());
        let late = confirm(&mut settling, 2, &[true], &[], 2);
        assert_eq!(late.done, [1]);
        assert_eq!(refused_positions(&late), [2]);
    }

    #[test]
    fn a_batch_waits_for_all_that_were_on_their_way_and_for_no_later_one() {
        let mut settling = Settling::default();
        assert_eq!(
            confirm(&mut settling, 1, &[true], &[], 3),
            Settled::default()
        );
        assert_eq!(
            confirm(&mut settling, 2, &[true], &[], 4),
            Settled::default()
        );
        let third = confirm(&mut settling, 3, &[true], &[1], 4);
        assert_eq!((third.done.len(), refused_positions(&third)), (0, vec![1]));
        assert_eq!(confirm(&mut settling, 4, &[true], &[], 9).done, [2, 3]);
    }
}
