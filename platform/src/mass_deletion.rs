//! The guard against mass deletion: how many records may be missing at their source before a person has to look.
//!
//! A source that was emptied, restored from an old copy or taken for another looks like many deletions,
//! and every deleted user would lose their tasks for good.

/// The limits of one comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// Records that may always be missing.
    pub few: u32,
    /// The share of the known records that may be missing.
    pub percent: u32,
}

/// What a comparison found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// Records that were known before.
    pub known: u64,
    /// Records that the source shows.
    pub shown: u64,
    /// Known records that it does not show.
    pub missing: u64,
}

/// Why a comparison deleted nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{missing} of {known} known records are missing at their source, and no more than {allowed} may be \
     missing at once: nothing was deleted"
)]
pub struct Alarm {
    /// Known records that the source does not show.
    pub missing: u64,
    /// Records that were known.
    pub known: u64,
    /// How many may be missing.
    pub allowed: u64,
}

impl Guard {
    /// Decides whether those who are missing may be deleted. `accepted` is what an administrator
    /// answered for, once.
    ///
    /// # Errors
    /// The alarm to be raised.
    pub fn check(self, found: Missing, accepted: u64) -> Result<(), Alarm> {
        let allowed = self.allowed(found);
        if found.missing <= allowed.max(accepted) {
            return Ok(());
        }
        Err(Alarm {
            missing: found.missing,
            known: found.known,
            allowed,
        })
    }

    /// A source that shows nothing at all is never believed.
    fn allowed(self, found: Missing) -> u64 {
        if found.shown == 0 {
            return 0;
        }
        let share = found.known.saturating_mul(self.percent.into()) / 100;
        share.max(self.few.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARD: Guard = Guard {
        few: 5,
        percent: 10,
    };

    fn found(known: u64, missing: u64) -> Missing {
        Missing {
            known,
            shown: known - missing,
            missing,
        }
    }

    #[test]
    fn a_few_may_be_missing_of_few_and_a_share_of_many() {
        assert_eq!(GUARD.check(found(6, 5), 0), Ok(()));
        assert_eq!(GUARD.check(found(100_000, 10_000), 0), Ok(()));
        let alarm = GUARD.check(found(100_000, 10_001), 0).unwrap_err();
        assert_eq!(
            (alarm.missing, alarm.known, alarm.allowed),
            (10_001, 100_000, 10_000)
        );
    }

    #[test]
    fn nothing_at_all_is_never_believed() {
        let alarm = GUARD.check(found(3, 3), 0).unwrap_err();
        assert_eq!(alarm.allowed, 0);
    }

    #[test]
    fn as_many_as_an_administrator_accepted_may_be_missing() {
        assert_eq!(GUARD.check(found(40, 30), 30), Ok(()));
        assert_eq!(GUARD.check(found(30, 30), 30), Ok(()));
        GUARD.check(found(40, 31), 30).unwrap_err();
    }

    #[test]
    fn the_alarm_says_how_many_of_how_many() {
        let alarm = GUARD.check(found(40, 30), 0).unwrap_err();
        assert_eq!(
            alarm.to_string(),
            "30 of 40 known records are missing at their source, and no more than 5 may be missing at \
             once: nothing was deleted"
        );
    }
}
