//! Decides which messages the broker has for good, from confirms and returned messages.

use std::collections::HashSet;

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
/// arrived ([`Receipt::returned`]): one of its own batch, of an earlier, or of the batch that was sent
/// after it. So a batch is settled when the batch behind it is confirmed too, or when there is none.
#[derive(Debug, Default)]
pub(super) struct Settling {
    confirmed: Option<(Vec<Row>, Vec<bool>)>,
    returned: HashSet<String>,
}

impl Settling {
    /// Takes the receipt of a batch; `followed` says whether another batch was already sent then.
    pub(super) fn confirm(
        &mut self,
        rows: Vec<Row>,
        receipt: Receipt,
        followed: Followed,
    ) -> Settled {
        self.returned.extend(receipt.returned);
        let mut settled = Settled::default();
        let before = self.confirmed.replace((rows, receipt.accepted));
        self.settle(before, &mut settled);
        if followed == Followed::ByNothing {
            let last = self.confirmed.take();
            self.settle(last, &mut settled);
        }
        settled
    }

    /// Whether a batch is still held back.
    pub(super) fn is_empty(&self) -> bool {
        self.confirmed.is_none()
    }

    fn settle(&mut self, batch: Option<(Vec<Row>, Vec<bool>)>, settled: &mut Settled) {
        let Some((rows, accepted)) = batch else {
            return;
        };
        for (row, accepted) in rows.into_iter().zip(accepted) {
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

/// Whether something was on its way behind a batch when its confirms came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Followed {
    /// Another batch was sent already.
    ByABatch,
    /// Nothing else was on its way.
    ByNothing,
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

    #[test]
    fn a_batch_with_nothing_behind_it_is_settled_at_once() {
        let mut settling = Settling::default();
        let rows = vec![row(1), row(2), row(3)];
        let settled = settling.confirm(
            rows,
            receipt(&[true, false, true], &[3]),
            Followed::ByNothing,
        );
        assert_eq!(settled.done, [1]);
        assert_eq!(refused_positions(&settled), [2, 3]);
        assert!(settling.is_empty());
    }

    #[test]
    fn a_message_returned_with_a_confirm_of_the_next_batch_is_not_taken_for_delivered() {
        let mut settling = Settling::default();
        let first = settling.confirm(vec![row(1)], receipt(&[true], &[]), Followed::ByABatch);
        assert_eq!(first, Settled::default());
        let second = settling.confirm(vec![row(2)], receipt(&[true], &[1]), Followed::ByNothing);
        assert_eq!(second.done, [2]);
        assert_eq!(refused_positions(&second), [1]);
    }

    #[test]
    fn a_message_returned_with_a_confirm_of_an_earlier_batch_is_remembered() {
        let mut settling = Settling::default();
        let early = settling.confirm(vec![row(1)], receipt(&[true], &[2]), Followed::ByABatch);
        assert_eq!(early, Settled::default());
        let late = settling.confirm(vec![row(2)], receipt(&[true], &[]), Followed::ByNothing);
        assert_eq!(
            (late.done.as_slice(), refused_positions(&late)),
            ([1].as_slice(), vec![2])
        );
    }
}
