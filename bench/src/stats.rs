//! Medians, spreads and percentiles of a few numbers.

use serde::Serialize;

/// The middle of some runs, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
}

impl Spread {
    /// None without a number.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let sorted = sorted(values);
        Some(Self {
            median: percentile(&sorted, 50)?,
            lowest: *sorted.first()?,
            highest: *sorted.last()?,
        })
    }
}

/// The numbers in growing order.
pub(crate) fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The smallest of the sorted numbers that `percent` of them do not exceed (nearest rank).
pub(crate) fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let values = sorted((1_u8..=200).map(f64::from));
        assert_eq!(percentile(&values, 50), Some(100.0));
        assert_eq!(percentile(&values, 99), Some(198.0));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn a_spread_names_the_ends() {
        let spread = Spread::of([3.0, 1.0, 2.0]).unwrap();
        assert_eq!(
            (spread.lowest, spread.median, spread.highest),
            (1.0, 2.0, 3.0)
        );
        assert_eq!(Spread::of([]), None);
    }
}
