//! Every operations page in every state that looks different, for tests of the templates.

use askama::Template;
use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use contracts::{
    identity::Role,
    operations::{BridgeState, DeadMessage, DeletionAlarm, OutboxState},
};
use serde_json::json;
use uuid::Uuid;

use super::super::{Part, Subject, views::*};
use crate::{
    operations::{
        activity::Phase,
        audit::AuditRow,
        copies::CopyState,
        dead::DeadRow,
        heartbeat::{Minute, Replica, ReplicaState},
        snapshot::{DepthNow, Halted, OutboxNow, QueueNow, Snapshot},
    },
    parked::{Cause, ParkedMessage, ParkedRow},
    peer::{BreakerState, PeerReport},
    ui::{Person, Section, Shell, Site, Viewer, Visit},
};

/// What somebody who means harm would put into a message.
const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(1)></textarea>' <!--";

static SUBJECT: Subject = Subject {
    name: "Tasks",
    key: "tasks",
    base: "/operations",
    copies: &[],
    others: &[Part {
        name: "Finance",
        key: "finance",
        path: "/finance/operations",
        has_audit: true,
    }],
};

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 19, 13, 46, 0).unwrap()
}

fn ago(seconds: i64) -> DateTime<Utc> {
    now() - TimeDelta::seconds(seconds)
}

fn shell() -> Shell {
    let site = Site {
        base: "/tasks",
        time_zone: chrono_tz::Europe::Berlin,
        profile_url: None,
    };
    let viewer = Viewer {
        person: Person::new(Uuid::from_u128(1), "Viktor Hale"),
        roles: vec![Role::Administrator],
        csrf_token: "token".to_owned(),
    };
    Shell::new(&site, Visit::default(), viewer, now()).at(Section::Operations)
}

pub(super) fn calm() -> Snapshot {
    Snapshot {
        at: now(),
        outbox: OutboxNow {
            waiting: 0,
            oldest: None,
            dead: 0,
            sent_lately: 90,
            lately_seconds: 60,
            last_sent_at: Some(ago(1)),
            minutes: vec![Minute {
                minute: ago(60),
                sent: 90,
                waiting: 4,
                last_sent_at: None,
            }],
        },
        refused: Vec::new(),
        queues: vec![QueueNow {
            queue: "tasks.auth",
            depth: Some(DepthNow {
                ready: 1_284,
                retrying: 0,
                dead: 0,
                consumers: 2,
            }),
            halted: Vec::new(),
        }],
        unrouted: Some(0),
        parked_messages: 0,
        parked: Vec::new(),
        copies: vec![CopyState {
            name: "Users",
            rows: 41,
            is_estimate: false,
            owed: 0,
            oldest_owed: None,
        }],
        replicas: Vec::new(),
        audit: Vec::new(),
    }
}

fn cause(messages: i64) -> Cause {
    Cause {
        cause_id: Uuid::from_u128(5),
        queue: "tasks.auth".to_owned(),
        routing_key: HOSTILE.to_owned(),
        kind: "refused".to_owned(),
        cause: HOSTILE.to_owned(),
        messages,
        attempts: 6,
        oldest: ago(900),
        first: Uuid::from_u128(6),
    }
}

fn refused() -> DeadRow {
    DeadRow {
        position: 7,
        message_id: Uuid::from_u128(8),
        exchange: "tasks.in".to_owned(),
        routing_key: HOSTILE.to_owned(),
        entity_id: Uuid::from_u128(9),
        body: HOSTILE.to_owned(),
        attempts: 20,
        last_error: HOSTILE.to_owned(),
        died_at: ago(60),
    }
}

fn command() -> AuditRow {
    AuditRow {
        id: Uuid::from_u128(10),
        at: ago(120),
        actor: Uuid::from_u128(1),
        actor_name: HOSTILE.to_owned(),
        action: "discard".to_owned(),
        subject: HOSTILE.to_owned(),
        records: 2,
        first_record: None,
        reason: HOSTILE.to_owned(),
        before: json!({ "state": "parked", "body": HOSTILE }),
        after: json!({ "state": HOSTILE }),
    }
}

pub(super) fn stuck() -> Snapshot {
    let calm = calm();
    Snapshot {
        outbox: OutboxNow {
            waiting: 212,
            oldest: Some(ago(41)),
            dead: 1,
            ..calm.outbox
        },
        refused: vec![refused()],
        queues: vec![QueueNow {
            queue: "tasks.auth",
            depth: None,
            halted: vec![Halted {
                replica: Uuid::from_u128(3),
                phase: Phase::Paused,
                why: Some(HOSTILE.to_owned()),
                since: ago(90),
            }],
        }],
        unrouted: Some(3),
        parked_messages: 4,
        parked: vec![cause(1), cause(3)],
        copies: vec![CopyState {
            name: "Users",
            rows: 3_000_000,
            is_estimate: true,
            owed: 9,
            oldest_owed: Some(ago(41)),
        }],
        replicas: vec![Replica {
            replica: Uuid::from_u128(3),
            started_at: ago(900),
            seen_at: ago(2),
            state: ReplicaState {
                consumers: Vec::new(),
                peers: vec![PeerReport {
                    peer: HOSTILE.to_owned(),
                    in_flight: 4,
                    max_in_flight: 8,
                    per_second: 50,
                    held_back: 187,
                    breaker: BreakerState::Open,
                }],
            },
        }],
        audit: vec![command()],
        ..calm
    }
}

pub(super) fn overview(now: Snapshot) -> String {
    let page = OverviewPage {
        shell: shell(),
        subject: &SUBJECT,
        now,
    };
    page.render().unwrap()
}

pub(super) fn message(state: &str, body: &[u8]) -> MessageData {
    MessageData {
        message: ParkedMessage {
            id: Uuid::from_u128(6),
            queue: "tasks.auth".to_owned(),
            routing_key: HOSTILE.to_owned(),
            message_id: Some(HOSTILE.to_owned()),
            kind: "unreadable".to_owned(),
            reason: HOSTILE.to_owned(),
            cause_id: Uuid::from_u128(5),
            attempts: 1,
            headers: json!({ HOSTILE: HOSTILE, "n": [1] }),
            properties: json!({ "app_id": HOSTILE }),
            body: body.to_vec(),
            parked_at: ago(900),
            state: state.to_owned(),
            former: Some(Uuid::from_u128(11)),
            later: Some(Uuid::from_u128(12)),
            audit_id: None,
        },
        command: (state != "parked").then(command),
    }
}

pub(super) fn message_page(data: MessageData, wrong: Option<&str>) -> String {
    let page = MessagePage {
        shell: shell(),
        subject: &SUBJECT,
        typed: data.editable(),
        wrong: wrong.map(str::to_owned),
        data,
    };
    page.render().unwrap()
}

pub(super) fn bridge(state: Option<BridgeState>) -> String {
    let page = BridgePage {
        shell: shell(),
        base: "/operations",
        state,
    };
    page.render().unwrap()
}

pub(super) fn bridge_state() -> BridgeState {
    BridgeState {
        outbox: OutboxState {
            waiting: 3,
            oldest: Some(ago(50)),
            dead: 1,
        },
        dead: vec![DeadMessage {
            position: 3,
            message_id: Uuid::from_u128(8),
            routing_key: HOSTILE.to_owned(),
            entity_id: Uuid::from_u128(9),
            body: HOSTILE.to_owned(),
            attempts: 20,
            last_error: HOSTILE.to_owned(),
            died_at: ago(60),
        }],
        users: 41,
        as_of: Some(ago(1)),
        last_event_at: None,
        compared_at: Some(ago(600)),
        comparison_due: None,
        alarm: Some(DeletionAlarm {
            raised_at: ago(600),
            missing: 1_200,
            known: 2_000,
            allowed: 200,
        }),
        fault: None,
    }
}

pub(super) fn pages() -> Vec<(&'static str, String)> {
    let causes = CausePage {
        shell: shell(),
        subject: &SUBJECT,
        cause: cause(3),
        messages: vec![ParkedRow {
            id: Uuid::from_u128(6),
            message_id: None,
            reason: HOSTILE.to_owned(),
            attempts: 6,
            parked_at: ago(900),
        }],
        next: Some(Uuid::from_u128(6)),
    };
    let refused = RefusedPage {
        shell: shell(),
        subject: &SUBJECT,
        row: refused(),
    };
    let audit = AuditPage {
        shell: shell(),
        subject: &SUBJECT,
        commands: vec![command()],
        next: None,
    };
    vec![
        ("calm", overview(calm())),
        ("stuck", overview(stuck())),
        ("cause", causes.render().unwrap()),
        (
            "message",
            message_page(message("parked", HOSTILE.as_bytes()), Some(HOSTILE)),
        ),
        ("bytes", message_page(message("parked", b"\xff\x00"), None)),
        (
            "discarded",
            message_page(message("discarded", HOSTILE.as_bytes()), None),
        ),
        ("refused", refused.render().unwrap()),
        ("audit", audit.render().unwrap()),
        ("bridge", bridge(Some(bridge_state()))),
        ("bridge away", bridge(None)),
    ]
}
