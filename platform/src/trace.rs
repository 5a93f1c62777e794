//! What caused what, across processes: W3C Trace Context in requests, calls and messages.
//!
//! A request or message continues the trace that it names, or begins one. While it is handled its
//! context is known to the task, so that calls to peers and messages in the outbox carry it on and log
//! lines name the trace. Nothing is exported: the ids in logs are what ties the services together.

use std::{collections::HashMap, fmt, future::Future};

use uuid::Uuid;

use crate::sources::Sources;

/// The header of requests and messages that carries a context.
pub const TRACEPARENT: &str = "traceparent";

/// The flags of a context that begins here: whoever samples may keep it.
const SAMPLED: u8 = 1;

tokio::task_local! {
    static CURRENT: Cause;
}

/// What the present task works on.
#[derive(Debug)]
enum Cause {
    /// One request.
    Request(TraceContext),
    /// A batch of messages, each about a record.
    Batch(HashMap<Uuid, TraceContext>),
}

/// One step of a trace (W3C Trace Context, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace: u128,
    step: u64,
    flags: u8,
}

impl TraceContext {
    /// The first step of a trace that has `id` as its name.
    #[must_use]
    pub fn root(id: Uuid) -> Self {
        Self {
            trace: id.as_u128(),
            step: id.as_u64_pair().1,
            flags: SAMPLED,
        }
    }

    /// The step after that which `header` names, or the first of a new trace when it names none.
    #[must_use]
    pub fn continuing(header: Option<&str>, sources: &Sources) -> Self {
        let id = sources.new_id();
        match header.and_then(Self::parse) {
            Some(parent) => parent.next(id),
            None => Self::root(id),
        }
    }

    /// The step that the present task takes, while it handles a request.
    #[must_use]
    pub fn current() -> Option<Self> {
        let of_request = |cause: &Cause| match cause {
            Cause::Request(context) => Some(*context),
            Cause::Batch(_) => None,
        };
        CURRENT.try_with(of_request).ok().flatten()
    }

    /// The step that is the reason for what the present task says of a record.
    #[must_use]
    pub fn of_record(record: Uuid) -> Option<Self> {
        let reason = |cause: &Cause| match cause {
            Cause::Request(context) => Some(*context),
            Cause::Batch(messages) => messages.get(&record).copied(),
        };
        CURRENT.try_with(reason).ok().flatten()
    }

    /// The step after this one.
    #[must_use]
    pub fn next(self, id: Uuid) -> Self {
        Self {
            step: id.as_u64_pair().1,
            ..self
        }
    }

    /// Reads a header; unusable ones are to be ignored (section 4.3).
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.trim().split('-');
        let version = hex(parts.next()?, 2)?;
        let trace = hex(parts.next()?, 32)?;
        let step = u64::try_from(hex(parts.next()?, 16)?).ok()?;
        let flags = u8::try_from(hex(parts.next()?, 2)?).ok()?;
        let known_length = version != 0 || parts.next().is_none();
        let usable = version != 0xff && trace != 0 && step != 0 && known_length;
        usable.then_some(Self { trace, step, flags })
    }

    /// The name of the trace, as logs show it.
    #[must_use]
    pub fn trace_id(self) -> String {
        format!("{:032x}", self.trace)
    }

    /// Does `work` as this step.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(Cause::Request(self), work).await
    }
}

/// Does `work` for a batch of messages, each named by the record that it is about.
pub async fn scope_of_batch<F: Future>(
    messages: impl IntoIterator<Item = (Uuid, TraceContext)>,
    work: F,
) -> F::Output {
    let messages = messages.into_iter().collect();
    CURRENT.scope(Cause::Batch(messages), work).await
}

/// The value of `digits` lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let readable = text.len() == digits && text.bytes().all(is_digit);
    readable
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten()
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, step, flags } = self;
        write!(f, "00-{trace:032x}-{step:016x}-{flags:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_header_is_read_and_written_as_the_standard_says() {
        let context = TraceContext::parse(HEADER).unwrap();
        assert_eq!(context.to_string(), HEADER);
        assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let later = HEADER.replacen("00", "cc", 1) + "-what-will-be";
        assert_eq!(TraceContext::parse(&later), Some(context));
    }

    #[test]
    fn what_is_no_context_is_ignored() {
        let unusable = [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ];
        for header in unusable {
            assert_eq!(TraceContext::parse(header), None, "{header}");
        }
    }

    #[tokio::test]
    async fn a_step_keeps_its_trace_and_is_known_only_while_it_is_taken() {
        let sources = Sources::system();
        let step = TraceContext::continuing(Some(HEADER), &sources);
        assert_eq!(step.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(step.to_string(), HEADER);
        let inside = step.scope(async { TraceContext::current() }).await;
        assert_eq!(inside, Some(step));
        assert_eq!(TraceContext::current(), None);
    }

    #[tokio::test]
    async fn in_a_batch_each_record_has_the_trace_of_its_own_message() {
        let context = TraceContext::parse(HEADER).unwrap();
        let known = Uuid::from_u128(1);
        let batch = [(known, context)];
        let work = async { [known, Uuid::from_u128(2)].map(TraceContext::of_record) };
        assert_eq!(scope_of_batch(batch, work).await, [Some(context), None]);
    }
}
