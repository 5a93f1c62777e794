//! What happens in Finance and may matter to others; `messaging::publish` turns it into messages.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::pricing::Price;

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A task was seen for the first time and its price is fixed.
    TaskPriced {
        /// The task.
        task: Uuid,
        /// Its price.
        price: Price,
        /// When it was drawn.
        at: DateTime<Utc>,
    },
}
