//! Positions of the outbox that were passed over and may still be committed.
//!
//! Positions are handed out when rows are written, but rows appear when their transactions commit: a
//! slow transaction's row shows up behind the reader. Those gaps are looked at again for a while;
//! what takes longer is left to the sweep.

use std::collections::VecDeque;

use tokio::time::{Duration, Instant};

/// How long a gap is looked at; a rolled back transaction leaves one for good.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many positions below the first row anybody sees count as a gap: those of transactions that were
/// under way when the reading began.
const BEFORE: i64 = 10_000;

/// The most gaps that are looked at, the newest ones.
const MOST: usize = 256;

/// A gap: positions `first..=last`, none of which was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gap {
    first: i64,
    last: i64,
    until: Instant,
}

/// The gaps below the highest position seen.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    highest: Option<i64>,
    gaps: VecDeque<Gap>,
}

impl Gaps {
    /// Notes that the row at `position` was read.
    pub(super) fn saw(&mut self, position: i64, now: Instant) {
        let highest = self.highest.unwrap_or(position - 1 - BEFORE);
        if position <= highest {
            self.fill(position);
        } else {
            self.open(highest + 1, position - 1, now + PATIENCE);
            self.highest = Some(position);
        }
    }

    /// The first and the last positions of all gaps worth looking at.
    pub(super) fn bounds(&mut self, now: Instant) -> (Vec<i64>, Vec<i64>) {
        self.gaps.retain(|gap| gap.until > now);
        self.gaps.iter().map(|gap| (gap.first, gap.last)).unzip()
    }

    fn open(&mut self, first: i64, last: i64, until: Instant) {
        if first <= last {
            self.gaps.push_back(Gap { first, last, until });
        }
        while self.gaps.len() > MOST {
            self.gaps.pop_front();
        }
    }

    fn fill(&mut self, position: i64) {
        let holds = |gap: &Gap| (gap.first..=gap.last).contains(&position);
        let Some(index) = self.gaps.iter().position(holds) else {
            return;
        };
        if let Some(gap) = self.gaps.remove(index) {
            self.open(gap.first, position - 1, gap.until);
            self.open(position + 1, gap.last, gap.until);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn missing(gaps: &mut Gaps, now: Instant) -> BTreeSet<i64> {
        let (firsts, lasts) = gaps.bounds(now);
        firsts
            .into_iter()
            .zip(lasts)
            .flat_map(|(first, last)| first..=last)
            .collect()
    }

    #[tokio::test]
    async fn a_row_that_commits_late_is_looked_for_until_it_is_seen() {
        let now = Instant::now();
        let mut gaps = Gaps::default();
        for position in [10, 11, 14] {
            gaps.saw(position, now);
        }
        let before: BTreeSet<i64> = (10 - BEFORE..10).collect();
        let and =
            |later: &[i64]| -> BTreeSet<i64> { before.iter().chain(later).copied().collect() };
        assert_eq!(missing(&mut gaps, now), and(&[12, 13]));
        gaps.saw(12, now);
        assert_eq!(missing(&mut gaps, now), and(&[13]));
        assert_eq!(missing(&mut gaps, now + PATIENCE), BTreeSet::new());
    }

    #[tokio::test]
    async fn the_number_of_gaps_is_bounded() {
        let now = Instant::now();
        let mut gaps = Gaps::default();
        for position in (0..10_000).step_by(2) {
            gaps.saw(position, now);
        }
        let (firsts, _) = gaps.bounds(now);
        assert_eq!(firsts.len(), MOST);
    }

    proptest! {
        #[test]
        fn whatever_the_order_what_is_missing_is_what_was_not_seen(
            positions in proptest::collection::vec(0_i64..60, 1..60),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let now = runtime.block_on(async { Instant::now() });
            let mut gaps = Gaps::default();
            for position in &positions {
                gaps.saw(*position, now);
            }
            let seen: BTreeSet<i64> = positions.iter().copied().collect();
            let highest = *seen.last().unwrap();
            let expected: BTreeSet<i64> =
                (positions[0] - BEFORE..=highest).filter(|position| !seen.contains(position)).collect();
            prop_assert_eq!(missing(&mut gaps, now), expected);
        }
    }
}
