//! The operations pages as templates show them.

use askama::Template;
use askama_web::WebTemplate;
use chrono::{DateTime, Utc};
use contracts::operations::{BridgeState, DeadMessage};
use serde::Serialize;
use uuid::Uuid;

use super::Subject;
use crate::{
    operations::{
        activity::Phase,
        audit::AuditRow,
        dead::DeadRow,
        heartbeat::Minute,
        snapshot::{QueueNow, Snapshot},
    },
    parked::{self, Cause, ParkedMessage, ParkedRow},
    peer::{BreakerState, PeerReport},
    ui::{Shell, grouped},
};

/// The longest body that a page shows; the rest is in the file.
const SHOWN: usize = 64 * 1024;

/// The longest body that a form can send back.
const EDITABLE: usize = 128 * 1024;

/// Everything about one service, and places for the parts of others.
#[derive(Debug, Clone, Template, WebTemplate)]
#[template(path = "operations/overview.html")]
pub struct OverviewPage {
    /// The frame.
    pub shell: Shell,
    /// Which service it is about.
    pub subject: &'static Subject,
    /// How it is.
    pub now: Snapshot,
}

impl OverviewPage {
    /// What is wrong, one sentence each; nothing when all is well.
    fn symptoms(&self) -> Vec<String> {
        let (name, outbox) = (self.subject.name, &self.now.outbox);
        let mut found = Vec::new();
        if outbox.is_late(&self.now.at) {
            let waiting = count(&outbox.waiting);
            let age = outbox
                .oldest
                .map_or_else(String::new, |at| span(&at, &self.now.at));
            found.push(format!(
                "{name} sends messages late: {waiting} wait, the oldest for {age}. Nothing is lost."
            ));
        }
        for queue in &self.now.queues {
            found.extend(symptoms_of(queue));
        }
        if let Some(unrouted) = self.now.unrouted.filter(|messages| *messages > 0) {
            let unrouted = count(&unrouted);
            found.push(format!(
                "No queue wanted messages that {name} sent: {unrouted}. They are in its archive for a week."
            ));
        }
        if outbox.dead > 0 {
            let refused = count(&outbox.dead);
            found.push(format!(
                "The broker refused messages of {name} for good: {refused}."
            ));
        }
        found
    }

    fn rate(&self) -> String {
        rate(self.now.outbox.sent_lately, self.now.outbox.lately_seconds)
    }

    /// One message is opened itself, several as a list.
    fn cause_path(&self, cause: &Cause) -> String {
        let base = self.subject.base;
        if cause.messages == 1 {
            format!("{base}/parked/{}", cause.first)
        } else {
            format!("{base}/causes/{}", cause.cause_id)
        }
    }

    /// What the peers of all processes say, one line per process and peer.
    fn peers(&self) -> Vec<&PeerReport> {
        let replicas = self.now.replicas.iter();
        replicas.flat_map(|replica| &replica.state.peers).collect()
    }
}

/// The messages of one cause.
#[derive(Debug, Clone, Template, WebTemplate)]
#[template(path = "operations/cause.html")]
pub struct CausePage {
    /// The frame.
    pub shell: Shell,
    /// Which service it is about.
    pub subject: &'static Subject,
    /// The cause.
    pub cause: Cause,
    /// Some of its messages.
    pub messages: Vec<ParkedRow>,
    /// Where the others begin.
    pub next: Option<Uuid>,
}

/// A parked message with the command that resolved it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MessageData {
    /// The message.
    #[serde(flatten)]
    pub message: ParkedMessage,
    /// The command, once there was one.
    pub command: Option<AuditRow>,
}

impl MessageData {
    /// The body in a form that people can edit, when it is short enough to be sent back.
    #[must_use]
    pub fn editable(&self) -> Option<String> {
        (self.message.body.len() <= EDITABLE).then(|| self.readable())
    }

    /// The body as text: JSON is indented, what is no text shows where it is none.
    fn readable(&self) -> String {
        let body = &self.message.body;
        serde_json::from_slice::<serde_json::Value>(body)
            .and_then(|json| serde_json::to_string_pretty(&json))
            .unwrap_or_else(|_no_json| parked::readable(body))
    }
}

/// One parked message.
#[derive(Debug, Clone, Template, WebTemplate)]
#[template(path = "operations/message.html")]
pub struct MessagePage {
    /// The frame.
    pub shell: Shell,
    /// Which service it is about.
    pub subject: &'static Subject,
    /// The message.
    pub data: MessageData,
    /// The body in the field; none when it is too long to be sent back.
    pub typed: Option<String>,
    /// What is wrong with it.
    pub wrong: Option<String>,
}

impl MessagePage {
    fn body(&self) -> String {
        let mut text = self.data.readable();
        if text.len() > SHOWN {
            let end = text.floor_char_boundary(SHOWN);
            text.truncate(end);
            text.push_str("\n…");
        }
        text
    }

    fn size(&self) -> String {
        count(&self.data.message.body.len())
    }

    fn is_cut(&self) -> bool {
        self.data.readable().len() > SHOWN
    }

    fn fields(value: &serde_json::Value) -> Vec<(&str, String)> {
        let fields = value.as_object().into_iter().flatten();
        fields
            .map(|(name, value)| (name.as_str(), plain(value)))
            .collect()
    }
}

/// One message that the broker refused.
#[derive(Debug, Clone, Template, WebTemplate)]
#[template(path = "operations/refused.html")]
pub struct RefusedPage {
    /// The frame.
    pub shell: Shell,
    /// Which service it is about.
    pub subject: &'static Subject,
    /// The message.
    pub row: DeadRow,
}

/// The log of commands.
#[derive(Debug, Clone, Template, WebTemplate)]
#[template(path = "operations/audit.html")]
pub struct AuditPage {
    /// The frame.
    pub shell: Shell,
    /// Which service it is about.
    pub subject: &'static Subject,
    /// Commands, newest first.
    pub commands: Vec<AuditRow>,
    /// Where the others begin.
    pub next: Option<Uuid>,
}

/// The part of the auth bridge.
#[derive(Debug, Clone, Template, WebTemplate)]
#[template(path = "operations/bridge.html")]
pub struct BridgePage {
    /// The frame.
    pub shell: Shell,
    /// Where its commands go.
    pub base: &'static str,
    /// How it is; none while it does not answer.
    pub state: Option<BridgeState>,
}

impl BridgePage {
    fn age(&self, at: &DateTime<Utc>) -> String {
        self.shell.clock().since(at)
    }

    fn refused(&self) -> &[DeadMessage] {
        self.state.as_ref().map_or(&[], |state| &state.dead)
    }
}

/// The line of a sparkline: messages waiting, minute by minute over the last hour, newest at the right.
fn spark(minutes: &[Minute], now: &DateTime<Utc>) -> String {
    let most = minutes
        .iter()
        .map(|minute| minute.waiting)
        .max()
        .unwrap_or(0)
        .max(1);
    let mut heights = [0_i64; 61];
    for minute in minutes {
        let ago = usize::try_from((*now - minute.minute).num_minutes()).unwrap_or(0);
        if let Some(height) = heights
            .len()
            .checked_sub(ago + 1)
            .and_then(|at| heights.get_mut(at))
        {
            *height = minute.waiting;
        }
    }
    let points = heights.iter().enumerate().map(|(at, waiting)| {
        // The picture is 100 by 28 with a margin of 2; hundredths are exact enough for it.
        let (x, y) = (
            at * 10_000 / 60,
            2_600 - waiting.saturating_mul(2_400) / most,
        );
        format!("{}.{:02},{}.{:02}", x / 100, x % 100, y / 100, y % 100)
    });
    points.collect::<Vec<_>>().join(" ")
}

/// `1,284`; what cannot be negative and is all the same is none.
fn count<N: Copy + TryInto<u64>>(number: &N) -> String {
    grouped((*number).try_into().unwrap_or(0))
}

/// What is wrong with a queue, one sentence each.
fn symptoms_of(queue: &QueueNow) -> Vec<String> {
    let name = queue.queue;
    if let Some(halted) = queue.halted.first() {
        let what = match halted.phase {
            Phase::Paused => "is paused",
            Phase::Connecting | Phase::Consuming => "is not read",
        };
        let why = halted.why.as_deref();
        let why = why.unwrap_or("the broker is being dialled");
        return vec![format!("{name} {what}: {why}.")];
    }
    let Some(depth) = queue.depth else {
        return vec![format!("The broker does not say how full {name} is.")];
    };
    let mut found = Vec::new();
    if depth.consumers == 0 {
        found.push(format!("Nobody reads {name}."));
    }
    if depth.dead > 0 {
        let dead = count(&depth.dead);
        found.push(format!(
            "The broker gave up on messages of {name}, and they are not parked yet: {dead}."
        ));
    }
    found
}

/// An age to the second: `0 s`, `41 s`, `12 min`, `3 h`, `2 d`.
fn span(from: &DateTime<Utc>, to: &DateTime<Utc>) -> String {
    let seconds = (*to - *from).num_seconds().max(0);
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Messages a second with one decimal below ten.
fn rate(messages: i64, seconds: i64) -> String {
    let tenths = messages.max(0).saturating_mul(10) / seconds.max(1);
    if tenths < 100 && tenths % 10 != 0 {
        format!("{}.{} / s", tenths / 10, tenths % 10)
    } else {
        format!("{} / s", count(&(tenths / 10)))
    }
}

/// How much of what a client may do at once is under way, in per cent.
fn in_use(peer: &PeerReport) -> usize {
    (peer.in_flight * 100 / peer.max_in_flight.max(1)).min(100)
}

/// What a kind of parking means.
fn kind_words(kind: &str) -> &'static str {
    match kind {
        "unreadable" => "Its body is not what its key promises",
        "unknown_key" => "Nobody here reads its key",
        "unknown_version" => "Its schema version is not known here",
        "conflict" => "It contradicts what was said before",
        "refused" => "It makes no sense here",
        "failed" => "Every attempt failed",
        "dead_lettered" => "The broker gave up on it",
        _ => "Unknown",
    }
}

/// What a command was.
fn action_words(action: &str) -> &'static str {
    match action {
        "retry" => "Sent again",
        "edit_and_retry" => "Edited and sent again",
        "discard" => "Discarded",
        "retry_dead" => "Put back into the outbox",
        "discard_dead" => "Discarded from the outbox",
        "compare" => "Asked for a comparison",
        "accept_deletions" => "Accepted deletions",
        _ => "Did something unknown",
    }
}

/// A value of a header or an audit for people: texts without quotes, the rest as JSON.
fn plain(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// How sentences count messages.
pub(super) mod grammar {
    use crate::ui::grouped;

    /// `1 message was`, `1,284 messages were`.
    pub(in crate::operations::web) fn messages_were(messages: usize) -> String {
        match messages {
            1 => "1 message was".to_owned(),
            many => format!(
                "{} messages were",
                grouped(u64::try_from(many).unwrap_or(u64::MAX))
            ),
        }
    }
}
