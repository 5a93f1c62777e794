//! The settings of the service; what they mean is said in `defaults.toml`.

use std::{net::SocketAddr, num::NonZeroU32};

use chrono::{NaiveDate, Weekday};
use chrono_tz::Tz;
use platform::{
    auth::{IdentityConfig, LoginConfig, SessionConfig},
    db::DatabaseConfig,
    peer::PeerConfig,
    rabbit::BrokerConfig,
    reconciliation::CachesConfig,
    telemetry::LogConfig,
};
use serde::Deserialize;
use thiserror::Error;
use url::Url;

use crate::domain::{
    calendar::{Calendar, CalendarError},
    money::{Amount, Currency, MoneyError},
    pricing::{PriceRange, PricingError, Tariff},
};

/// The documented defaults, TOML.
pub const DEFAULTS: &str = include_str!("../defaults.toml");

/// How the variables of the environment start.
pub const ENVIRONMENT_PREFIX: &str = "FINANCE_";

/// All settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What is logged, and how.
    pub log: LogConfig,
    /// The pages for people.
    pub pages: PagesConfig,
    /// The interface for machines.
    pub api: ApiConfig,
    /// The own database.
    pub database: DatabaseConfig,
    /// RabbitMQ.
    pub broker: BrokerConfig,
    /// Tokens of machines.
    pub identity: IdentityConfig,
    /// Login of people.
    pub login: LoginConfig,
    /// How long people stay logged in.
    pub session: SessionConfig,
    /// The services that are asked for what their messages do not say.
    pub peers: PeersConfig,
    /// The caches of other services' data.
    pub caches: CachesConfig,
    /// Currency and prices.
    pub money: MoneyConfig,
    /// Days.
    pub calendar: CalendarConfig,
}

/// Section `[pages]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagesConfig {
    /// Where the load balancer reaches the pages.
    pub listen: SocketAddr,
    /// The origin under which people see them, without a path.
    pub origin: Url,
}

/// Section `[api]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    /// Where other services reach the REST interface, and the platform the health routes.
    pub listen: SocketAddr,
    /// The most requests of one machine in a second.
    pub per_second: NonZeroU32,
}

/// Section `[peers]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeersConfig {
    /// The auth bridge, for users.
    pub auth: PeerConfig,
    /// The task board, for tasks.
    pub tasks: PeerConfig,
}

/// Section `[money]`; all ends are inclusive.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoneyConfig {
    /// ISO 4217 code.
    pub currency: String,
    /// The least assignment fee, in minor units.
    pub fee_lowest_cents: i64,
    /// The highest assignment fee, in minor units.
    pub fee_highest_cents: i64,
    /// The least completion reward, in minor units.
    pub reward_lowest_cents: i64,
    /// The highest completion reward, in minor units.
    pub reward_highest_cents: i64,
}

/// Section `[calendar]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarConfig {
    /// IANA name.
    pub time_zone: String,
    /// The weekdays that are closed and paid.
    pub working_weekdays: Vec<Weekday>,
    /// The dates that are not.
    pub holidays: Vec<NaiveDate>,
}

/// Settings that are well-formed but make no sense.
#[derive(Debug, Error)]
pub enum InvalidSetting {
    /// In `[money]`.
    #[error("the currency or a price cannot be used")]
    Money(#[from] MoneyError),
    /// In `[money]`.
    #[error("a price range cannot be used")]
    Pricing(#[from] PricingError),
    /// In `[calendar]`.
    #[error("the calendar cannot be used")]
    Calendar(#[from] CalendarError),
    /// In `[calendar]`.
    #[error("{0:?} is no time zone of the IANA database")]
    TimeZone(String),
}

impl MoneyConfig {
    /// The currency of every amount.
    pub fn currency(&self) -> Result<Currency, InvalidSetting> {
        Ok(Currency::try_new(&self.currency)?)
    }

    /// The ranges that prices are drawn from.
    pub fn tariff(&self) -> Result<Tariff, InvalidSetting> {
        let range = |lowest, highest| -> Result<PriceRange, InvalidSetting> {
            Ok(PriceRange::try_new(
                Amount::try_new(lowest)?,
                Amount::try_new(highest)?,
            )?)
        };
        Ok(Tariff {
            fee: range(self.fee_lowest_cents, self.fee_highest_cents)?,
            reward: range(self.reward_lowest_cents, self.reward_highest_cents)?,
        })
    }
}

impl CalendarConfig {
    /// The calendar of working days.
    pub fn calendar(&self) -> Result<Calendar<Tz>, InvalidSetting> {
        let zone = self.time_zone.parse();
        let zone: Tz = zone.map_err(|_unknown| InvalidSetting::TimeZone(self.time_zone.clone()))?;
        let holidays = self.holidays.iter().copied();
        Ok(Calendar::try_new(zone, &self.working_weekdays, holidays)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> Config {
        platform::config::load(DEFAULTS, "NOT_SET_ANYWHERE_", None).unwrap()
    }

    #[test]
    fn the_defaults_can_be_used() {
        let config = defaults();
        assert_eq!(config.money.currency().unwrap().code(), "USD");
        assert_eq!(
            config.calendar.calendar().unwrap().zone().name(),
            "Europe/Berlin"
        );
        config.money.tariff().unwrap();
    }

    #[test]
    fn settings_without_sense_are_refused() {
        let config = defaults();
        let upside_down = MoneyConfig {
            fee_lowest_cents: 3_000,
            ..config.money.clone()
        };
        assert!(matches!(
            upside_down.tariff(),
            Err(InvalidSetting::Pricing(_))
        ));
        let free = MoneyConfig {
            fee_lowest_cents: 0,
            ..config.money
        };
        assert!(matches!(free.tariff(), Err(InvalidSetting::Money(_))));
        let nowhere = CalendarConfig {
            time_zone: "Europe/Nowhere".to_owned(),
            ..config.calendar
        };
        assert!(matches!(
            nowhere.calendar(),
            Err(InvalidSetting::TimeZone(_))
        ));
    }
}
