//! Every operations page, rendered from samples and read back.

mod samples;

use uuid::Uuid;

use self::samples::*;
use crate::ui::html_check::findings;

#[test]
fn every_page_keeps_the_rules_of_pages_and_lets_nothing_become_markup() {
    for (name, html) in pages() {
        assert_eq!(findings(&html), Vec::<String>::new(), "{name}");
        assert!(
            !html.contains("<script>") && !html.contains("<img"),
            "{name}"
        );
    }
}

#[test]
fn what_is_wrong_comes_first_and_nothing_is_said_when_all_is_well() {
    let html = overview(stuck());
    for words in [
        "Tasks sends messages late: 212 wait, the oldest for 41 s. Nothing is lost.",
        "tasks.auth is paused",
        "The broker refused messages of Tasks for good: 1.",
        "left alone after failures",
        "about 3,000,000",
    ] {
        assert!(html.contains(words), "{words}");
    }
    let calm = overview(calm());
    assert!(!calm.contains("note warn"));
    for words in ["1,284", "1.5 / s", "No message is parked"] {
        assert!(calm.contains(words), "{words}");
    }
}

#[test]
fn parts_of_others_are_links_that_a_script_replaces() {
    let html = overview(calm());
    assert!(html.contains("hx-get=\"/finance/operations\""));
    assert!(html.contains("<a class=\"link\" href=\"/finance/operations\" data-waits>"));
    assert!(html.contains("Finance cannot be shown now."));
}

#[test]
fn one_message_is_opened_itself_and_several_as_a_list() {
    let html = overview(stuck());
    assert!(html.contains(&format!("/operations/parked/{}", Uuid::from_u128(6))));
    assert!(html.contains(&format!(
        "href=\"/operations/causes/{}\"",
        Uuid::from_u128(5)
    )));
}

#[test]
fn a_body_that_is_json_is_indented_for_people() {
    let html = message_page(message("parked", br#"{"a":1}"#), None);
    assert!(html.contains("{\n  &#34;a&#34;: 1\n}"), "{html}");
}

#[test]
fn only_what_waits_can_be_moved_on() {
    let html = message_page(message("discarded", b"{}"), None);
    assert!(!html.contains("/retry") && !html.contains("/discard"));
    let button = "Retry<span class=\"vh\"> as it is</span>";
    assert!(message_page(message("parked", b"{}"), None).contains(button));
    let bytes = message_page(message("parked", b"\xff"), None);
    assert!(!bytes.contains(button), "{bytes}");
}

#[test]
fn accepting_deletions_says_how_many() {
    let html = bridge(Some(bridge_state()));
    assert!(html.contains("name=\"missing\" value=\"1200\""));
    assert!(html.contains("Accept 1,200 deletions"));
}
