//! What a task costs its performer and what finishing it earns, drawn once per task (DESIGN.md M2).

use rand::{Rng, RngExt};
use thiserror::Error;

use crate::domain::money::Amount;

/// Why a price range was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PricingError {
    /// The lowest price must not be above the highest.
    #[error("the price range {0} to {1} cents is upside down")]
    UpsideDown(i64, i64),
}

/// An inclusive range of prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceRange {
    lowest: Amount,
    highest: Amount,
}

impl PriceRange {
    /// Takes both ends, inclusive.
    ///
    /// # Errors
    /// [`PricingError::UpsideDown`] when the lowest is above the highest.
    pub fn try_new(lowest: Amount, highest: Amount) -> Result<Self, PricingError> {
        if lowest <= highest {
            Ok(Self { lowest, highest })
        } else {
            Err(PricingError::UpsideDown(lowest.cents(), highest.cents()))
        }
    }

    /// Draws uniformly in minor units, both ends included.
    fn draw(self, rng: &mut impl Rng) -> Amount {
        let cents = rng.random_range(self.lowest.cents()..=self.highest.cents());
        // A number between two positive amounts is positive.
        Amount::try_new(cents).unwrap_or(self.lowest)
    }
}

/// The ranges that prices are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tariff {
    /// Of the assignment fee.
    pub fee: PriceRange,
    /// Of the completion reward.
    pub reward: PriceRange,
}

impl Tariff {
    /// Draws a task's price. It is fixed by the store, which keeps the first price it is given for a task.
    pub fn draw(&self, rng: &mut impl Rng) -> Price {
        Price {
            fee: self.fee.draw(rng),
            reward: self.reward.draw(rng),
        }
    }
}

/// What one task costs and pays, the same for every performer and for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Charged whenever the task is assigned.
    pub fee: Amount,
    /// Earned once, on completion.
    pub reward: Amount,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn range(lowest: i64, highest: i64) -> PriceRange {
        PriceRange::try_new(
            Amount::try_new(lowest).unwrap(),
            Amount::try_new(highest).unwrap(),
        )
        .unwrap()
    }

    #[test]
    fn a_range_is_not_upside_down() {
        let (low, high) = (
            Amount::try_new(1_000).unwrap(),
            Amount::try_new(2_000).unwrap(),
        );
        assert_eq!(
            PriceRange::try_new(high, low),
            Err(PricingError::UpsideDown(2_000, 1_000))
        );
        PriceRange::try_new(low, low).unwrap();
    }

    #[test]
    fn every_price_of_the_range_is_drawn_about_equally_often() {
        let tariff = Tariff {
            fee: range(1_000, 1_009),
            reward: range(2_000, 2_000),
        };
        let mut rng = StdRng::seed_from_u64(7);
        let mut seen = BTreeMap::new();
        for _ in 0..10_000 {
            let price = tariff.draw(&mut rng);
            assert_eq!(price.reward.cents(), 2_000);
            *seen.entry(price.fee.cents()).or_insert(0_i64) += 1;
        }
        assert_eq!(
            seen.keys().copied().collect::<Vec<_>>(),
            (1_000..=1_009).collect::<Vec<_>>()
        );
        // Chi-square with nine degrees of freedom stays under 27.9 in 999 of 1,000 fair draws.
        let distance: i64 = seen.values().map(|count| (count - 1_000).pow(2)).sum();
        assert!(distance < 27_900, "{seen:?}");
    }

    proptest! {
        #[test]
        fn a_price_stays_in_its_range(seed: u64, lowest in 1..i64::MAX, span in 0..5_000_i64) {
            let highest = lowest.saturating_add(span);
            let tariff = Tariff { fee: range(lowest, highest), reward: range(1, i64::MAX) };
            let price = tariff.draw(&mut StdRng::seed_from_u64(seed));
            prop_assert!((lowest..=highest).contains(&price.fee.cents()));
            prop_assert!(price.reward.cents() > 0);
        }
    }
}
