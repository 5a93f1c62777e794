//! Amounts as people read them: `$1,234.00`, a true minus, a sign and a colour on movements.

use super::markup::{Markup, escape};

/// U+2212, as wide as the plus sign beside it.
const MINUS: char = '\u{2212}';

/// An amount in minor units (cents) of a currency with two decimals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Money {
    cents: i64,
    prefix: String,
}

impl Money {
    /// `currency` is an ISO 4217 code; the common ones are shown by their sign, the others by the code.
    #[must_use]
    pub fn new(cents: i64, currency: &str) -> Self {
        let prefix = match currency {
            "USD" => "$".to_owned(),
            "EUR" => "€".to_owned(),
            "GBP" => "£".to_owned(),
            code => format!("{code}\u{a0}"),
        };
        Self { cents, prefix }
    }

    /// The same currency with another amount.
    #[must_use]
    pub fn with_cents(&self, cents: i64) -> Self {
        Self {
            cents,
            prefix: self.prefix.clone(),
        }
    }

    /// The amount in minor units.
    #[must_use]
    pub fn cents(&self) -> i64 {
        self.cents
    }

    /// For totals and payouts: `$1,234.00`, with a minus when below zero.
    #[must_use]
    pub fn plain(&self) -> String {
        let (whole, cents) = self.parts();
        let sign = if self.cents < 0 {
            MINUS.to_string()
        } else {
            String::new()
        };
        format!("{sign}{}{whole}.{cents}", self.prefix)
    }

    /// For movements: `+$38.00` or `−$13.00`, as text.
    #[must_use]
    pub fn signed_text(&self) -> String {
        let plus = if self.cents > 0 { "+" } else { "" };
        format!("{plus}{}", self.plain())
    }

    /// For movements and balances: the sign and a colour; zero has neither.
    #[must_use]
    pub fn signed(&self) -> Markup {
        let class = match self.cents {
            0 => "m",
            ..0 => "m neg",
            1.. => "m pos",
        };
        Markup::new(format!(
            "<span class=\"{class}\">{}</span>",
            escape(&self.signed_text())
        ))
    }

    /// The one large figure of a page: the cents are small, the value is complete.
    #[must_use]
    pub fn hero(&self) -> Markup {
        let text = escape(&self.signed_text());
        let (whole, cents) = text.rsplit_once('.').unwrap_or((&text, "00"));
        Markup::new(format!(
            "<span class=\"hero\">{whole}<span class=\"cents\">.{cents}</span></span>"
        ))
    }

    /// The digits before the point, grouped by thousands, and the two after it.
    fn parts(&self) -> (String, String) {
        let amount = self.cents.unsigned_abs();
        (grouped(amount / 100), format!("{:02}", amount % 100))
    }
}

/// A count with commas: `1,284`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(cents: i64) -> Money {
        Money::new(cents, "USD")
    }

    #[test]
    fn two_decimals_and_grouping_are_always_there() {
        assert_eq!(usd(0).plain(), "$0.00");
        assert_eq!(usd(5).plain(), "$0.05");
        assert_eq!(usd(123_400).plain(), "$1,234.00");
        assert_eq!(usd(1_919_000).plain(), "$19,190.00");
        assert_eq!(usd(12_345_678_901).plain(), "$123,456,789.01");
    }

    #[test]
    fn the_minus_is_a_true_minus_and_stands_first() {
        assert_eq!(usd(-1_300).plain(), "\u{2212}$13.00");
        assert_eq!(usd(i64::MIN).plain(), "\u{2212}$92,233,720,368,547,758.08");
    }

    #[test]
    fn movements_carry_sign_and_colour_and_zero_neither() {
        assert_eq!(
            usd(3_800).signed().as_str(),
            "<span class=\"m pos\">+$38.00</span>"
        );
        assert_eq!(
            usd(-1_300).signed().as_str(),
            "<span class=\"m neg\">\u{2212}$13.00</span>"
        );
        assert_eq!(usd(0).signed().as_str(), "<span class=\"m\">$0.00</span>");
    }

    #[test]
    fn the_hero_keeps_its_cents() {
        assert_eq!(
            usd(4_405).hero().as_str(),
            "<span class=\"hero\">+$44<span class=\"cents\">.05</span></span>"
        );
    }

    #[test]
    fn an_unknown_currency_is_shown_by_its_code_and_escaped() {
        assert_eq!(Money::new(1_200, "CHF").plain(), "CHF\u{a0}12.00");
        assert!(!Money::new(1, "<b>").signed().as_str().contains("<b>"));
    }
}
