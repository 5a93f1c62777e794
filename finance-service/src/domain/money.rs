//! Amounts of money: whole minor units of one configured currency, with checked arithmetic (DESIGN.md M1).

use std::fmt;

use thiserror::Error;

/// Why a sum of money was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// An amount is what is moved, so it is above zero; the direction is said by the account's side.
    #[error("an amount of {0} cents is not above zero")]
    NotPositive(i64),
    /// The sum does not fit into 64 bits.
    #[error("a sum of money went out of range")]
    OutOfRange,
    /// ISO 4217 codes are three capital letters.
    #[error("the currency code is not three capital letters")]
    Currency,
}

/// What one transfer moves, in minor units; always above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i64);

impl Amount {
    /// Takes minor units.
    ///
    /// # Errors
    /// [`MoneyError::NotPositive`] for zero and below.
    pub const fn try_new(cents: i64) -> Result<Self, MoneyError> {
        if cents > 0 {
            Ok(Self(cents))
        } else {
            Err(MoneyError::NotPositive(cents))
        }
    }

    /// The amount in minor units.
    pub const fn cents(self) -> i64 {
        self.0
    }
}

/// The side of an account that an amount is written on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Takes from an employee's balance.
    Debit,
    /// Adds to an employee's balance.
    Credit,
}

/// What an account is worth, in minor units; negative is a debt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Balance(i64);

impl Balance {
    /// The balance in minor units.
    pub const fn cents(self) -> i64 {
        self.0
    }
}

/// The sums of both sides of an account: each only grows, so they can be added in any order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turnover {
    credits: i64,
    debits: i64,
    transfers: i64,
}

impl Turnover {
    /// Adds one transfer's amount on one side.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when the sum leaves 64 bits; the turnover is then unchanged.
    pub fn add(&mut self, side: Side, amount: Amount) -> Result<(), MoneyError> {
        let (credits, debits) = match side {
            Side::Credit => (self.credits.checked_add(amount.0), Some(self.debits)),
            Side::Debit => (Some(self.credits), self.debits.checked_add(amount.0)),
        };
        let transfers = self.transfers.checked_add(1);
        let (Some(credits), Some(debits), Some(transfers)) = (credits, debits, transfers) else {
            return Err(MoneyError::OutOfRange);
        };
        *self = Self {
            credits,
            debits,
            transfers,
        };
        Ok(())
    }

    /// The sum of the credit side, in minor units.
    pub const fn credits(self) -> i64 {
        self.credits
    }

    /// The sum of the debit side, in minor units.
    pub const fn debits(self) -> i64 {
        self.debits
    }

    /// How many transfers were added.
    pub const fn transfers(self) -> i64 {
        self.transfers
    }

    /// Credits less debits.
    pub const fn balance(self) -> Balance {
        // Both sums are zero or more, so their difference always fits: nothing is ever saturated here.
        Balance(self.credits.saturating_sub(self.debits))
    }
}

/// The ISO 4217 code of the one currency everything is kept in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Currency(String);

impl Currency {
    /// Takes a code such as `USD`.
    ///
    /// # Errors
    /// [`MoneyError::Currency`] unless it is three capital letters.
    pub fn try_new(code: &str) -> Result<Self, MoneyError> {
        if code.len() == 3 && code.bytes().all(|letter| letter.is_ascii_uppercase()) {
            Ok(Self(code.to_owned()))
        } else {
            Err(MoneyError::Currency)
        }
    }

    /// The code.
    pub fn code(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(cents: i64) -> Amount {
        Amount::try_new(cents).unwrap()
    }

    #[test]
    fn an_amount_is_above_zero() {
        assert_eq!(Amount::try_new(0), Err(MoneyError::NotPositive(0)));
        assert_eq!(Amount::try_new(-1), Err(MoneyError::NotPositive(-1)));
        assert_eq!(amount(1).cents(), 1);
        assert_eq!(amount(i64::MAX).cents(), i64::MAX);
    }

    #[test]
    fn a_balance_is_credits_less_debits() {
        let mut turnover = Turnover::default();
        turnover.add(Side::Debit, amount(1_300)).unwrap();
        turnover.add(Side::Credit, amount(3_000)).unwrap();
        turnover.add(Side::Debit, amount(2_000)).unwrap();
        assert_eq!(turnover.balance().cents(), -300);
        assert_eq!(
            (turnover.credits(), turnover.debits(), turnover.transfers()),
            (3_000, 3_300, 3)
        );
    }

    #[test]
    fn a_sum_out_of_range_is_refused_and_changes_nothing() {
        let mut turnover = Turnover::default();
        turnover.add(Side::Debit, amount(i64::MAX)).unwrap();
        let before = turnover;
        assert_eq!(
            turnover.add(Side::Debit, amount(1)),
            Err(MoneyError::OutOfRange)
        );
        assert_eq!(turnover, before);
        assert_eq!(turnover.balance().cents(), -i64::MAX);
    }

    #[test]
    fn a_currency_is_three_capital_letters() {
        assert_eq!(Currency::try_new("USD").unwrap().code(), "USD");
        for code in ["", "US", "usd", "USDT", "U D"] {
            assert_eq!(Currency::try_new(code), Err(MoneyError::Currency), "{code}");
        }
    }
}
