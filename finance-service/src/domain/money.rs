//! Amounts of money: whole minor units of one configured currency (DESIGN.md M1).

use std::fmt;

use thiserror::Error;

/// Why money was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// An amount is what is moved, so it is above zero; the direction is said by the account's side.
    #[error("an amount of {0} cents is not above zero")]
    NotPositive(i64),
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
    fn a_currency_is_three_capital_letters() {
        assert_eq!(Currency::try_new("USD").unwrap().code(), "USD");
        for code in ["", "US", "usd", "USDT", "U D"] {
            assert_eq!(Currency::try_new(code), Err(MoneyError::Currency), "{code}");
        }
    }
}
