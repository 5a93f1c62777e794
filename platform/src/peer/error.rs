//! Why a call to another service gave no answer, sorted by what the caller should do.

use std::{sync::Arc, time::Duration};

use reqwest::StatusCode;

use crate::auth::TokenUnavailable;

/// A call that failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PeerError {
    /// 404: a final answer. The record is not created, or is marked deleted.
    #[error("the peer knows no such record")]
    NotFound,
    /// Another 4xx: repeating the call changes nothing.
    #[error("the peer refused the call with {status}")]
    Refused {
        /// What it answered.
        status: StatusCode,
    },
    /// 429, or this client's own limit would take longer than the deadline.
    #[error("calls to the peer are paused for {retry_after:?}")]
    Throttled {
        /// The pause before the next call makes sense.
        retry_after: Duration,
    },
    /// 503: the peer is overloaded or stopping.
    #[error("the peer is not available")]
    Unavailable {
        /// The pause it asked for.
        retry_after: Option<Duration>,
    },
    /// A 5xx other than 503, or a status that no peer of ours sends.
    #[error("the peer failed with {status}")]
    Failed {
        /// What it answered.
        status: StatusCode,
    },
    /// No connection, or it broke before the whole answer had come.
    #[error("the peer cannot be reached")]
    Unreachable(#[source] Arc<reqwest::Error>),
    /// The deadline passed while the peer had the call.
    #[error("the peer did not answer in time")]
    Deadline,
    /// The deadline passed before a call could begin.
    #[error("too many calls to the peer are under way")]
    Busy,
    /// The breaker is open: the peer is left alone.
    #[error("the peer is left alone for {retry_in:?}")]
    Open {
        /// The pause before the next probe.
        retry_in: Duration,
    },
    /// The answer is larger than any answer of a peer.
    #[error("the answer is too large")]
    TooLarge,
    /// The answer is of another kind than any answer of a peer: a proxy's page, for one.
    #[error("the answer is no JSON but {content_type}")]
    NotJson {
        /// What it says it is.
        content_type: String,
    },
    /// The answer is not what the contract says.
    #[error("the answer cannot be read")]
    Garbled(#[source] Arc<serde_json::Error>),
    /// The call itself cannot be written down.
    #[error("the call cannot be written")]
    Unwritable(#[source] Arc<serde_json::Error>),
    /// No token for the call.
    #[error("there is no token for the call")]
    Token(#[source] Arc<TokenUnavailable>),
}

impl PeerError {
    /// The pause that the peer, the limit, the breaker or the issuer asks for before the next call.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } => Some(*retry_after),
            Self::Unavailable { retry_after } => *retry_after,
            Self::Open { retry_in } => Some(*retry_in),
            Self::Token(unavailable) => unavailable.retry_after(),
            _ => None,
        }
    }

    /// Whether the peer is to blame: it did not answer, or only that it cannot.
    pub(super) fn is_failure_of_the_peer(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. }
                | Self::Failed { .. }
                | Self::Unreachable(_)
                | Self::Deadline
                | Self::NotJson { .. }
        )
    }

    /// The word for it in metrics.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Refused { .. } | Self::Unwritable(_) => "refused",
            Self::Throttled { .. } => "throttled",
            Self::Unavailable { .. } => "unavailable",
            Self::Failed { .. } => "failed",
            Self::Unreachable(_) => "unreachable",
            Self::Deadline => "deadline",
            Self::Busy => "busy",
            Self::Open { .. } => "open",
            Self::TooLarge | Self::NotJson { .. } | Self::Garbled(_) => "garbled",
            Self::Token(_) => "token",
        }
    }

    pub(super) fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused { status } if *status == StatusCode::UNAUTHORIZED)
    }
}
