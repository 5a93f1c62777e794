//! The orders in which the same messages may arrive, and messages without their types.

use anyhow::Result;
use contracts::Message;
use futures::future::try_join_all;
use lapin::BasicProperties;
use rand::{RngExt as _, rngs::StdRng};
use uuid::Uuid;

use super::{broker::TestBroker, builders::id};

/// A message with its id: told again, it is the same message again.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    key: &'static str,
    message_id: Uuid,
    body: Vec<u8>,
}

impl Told {
    /// `message` under a fresh id.
    pub(crate) fn of<M: Message>(message: &M) -> Result<Self> {
        Ok(Self {
            key: M::KEY,
            message_id: id(),
            body: serde_json::to_vec(message)?,
        })
    }

    /// Tells it, as often as this is called.
    async fn publish(&self, broker: &TestBroker) -> Result<()> {
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_message_id(self.message_id.to_string().into());
        broker.publish_bytes(self.key, properties, &self.body).await
    }
}

/// Tells all of them, one after the other.
pub(crate) async fn tell(broker: &TestBroker, messages: &[Told]) -> Result<()> {
    let publish = messages.iter().map(|told| told.publish(broker));
    try_join_all(publish).await.map(drop)
}

/// Every order of the numbers below `count`.
pub(crate) fn permutations(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else {
        return vec![Vec::new()];
    };
    let shorter = permutations(last).into_iter();
    let with_last = |order: Vec<usize>| {
        (0..count).map(move |at| {
            let mut longer = order.clone();
            longer.insert(at, last);
            longer
        })
    };
    shorter.flat_map(with_last).collect()
}

/// `messages` in this order, some of them told once more at any later place.
pub(crate) fn told_in(order: &[usize], messages: &[Told], rng: &mut StdRng) -> Vec<Told> {
    let mut sequence: Vec<Told> = order.iter().map(|at| messages[*at].clone()).collect();
    for at in (0..sequence.len()).rev() {
        if rng.random_bool(0.3) {
            let again = sequence[at].clone();
            sequence.insert(rng.random_range(at + 1..=sequence.len()), again);
        }
    }
    sequence
}

/// One sequence out of several, at random; each keeps its own order.
pub(crate) fn interleaved(sequences: Vec<Vec<Told>>, rng: &mut StdRng) -> Vec<Told> {
    let mut waiting: Vec<_> = sequences.into_iter().map(Vec::into_iter).collect();
    let mut merged = Vec::new();
    while !waiting.is_empty() {
        let at = rng.random_range(0..waiting.len());
        match waiting[at].next() {
            Some(told) => merged.push(told),
            None => drop(waiting.swap_remove(at)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::permutations;

    #[test]
    fn there_are_as_many_orders_as_there_should_be() {
        let orders: BTreeSet<Vec<usize>> = permutations(5).into_iter().collect();
        assert_eq!(orders.len(), 120);
        assert!(orders.contains(&vec![4, 2, 0, 1, 3]));
    }
}
