//! Every template, rendered from samples and read back.

mod hostile;
mod samples;
mod task;

use platform::ui::html_check::findings;

use self::samples::pages;

fn page(name: &str) -> String {
    pages()
        .into_iter()
        .find_map(|(key, html)| (key == name).then_some(html))
        .unwrap()
}

#[test]
fn every_page_keeps_the_rules_of_pages() {
    for (name, html) in pages() {
        assert_eq!(findings(&html), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn what_people_type_never_becomes_markup() {
    for (name, html) in pages() {
        if name.starts_with("hostile") {
            assert!(!html.contains("<script>"), "{name}");
            assert!(!html.contains("<img"), "{name}");
            assert!(!html.contains("<!--"), "{name}");
            assert!(html.contains("alert(1)"), "{name} shows what was typed");
        }
    }
}

#[test]
fn the_board_is_grouped_by_day_and_names_waiting_tasks() {
    let html = page("tasks");
    for heading in [">Today</h2>", ">Yesterday</h2>", ">Mon 16 Nov</h2>"] {
        assert_eq!(html.matches(heading).count(), 1, "{heading}");
    }
    assert!(html.contains("aria-label=\"Waiting\""));
    assert!(html.contains("1,284"));
}

#[test]
fn an_empty_search_says_what_other_views_have() {
    let html = page("tasks-not-found");
    assert!(html.contains("No task here matches “tariff”"));
    assert!(html.contains("3 tasks of other views do."));
}

#[test]
fn errors_stand_by_their_fields_and_nothing_typed_is_lost() {
    let html = page("new-refused");
    assert!(html.contains("aria-describedby=\"f-title-e\""));
    assert!(html.contains("Say in a few words what needs to be done."));
    assert!(html.contains("value=\"not a key\""));
    // The first line end after the tag is dropped by browsers, so a second one is kept.
    assert!(html.contains(">\n\nSlots are printed in warehouse time.</textarea>"));
}

#[test]
fn only_those_who_may_choose_are_asked_for_a_performer() {
    assert!(!page("new").contains("name=\"performer\""));
    assert!(page("new-refused").contains("name=\"performer\""));
}

#[test]
fn history_gives_the_reason_of_every_assignment() {
    let html = page("task-done");
    for reason in [
        "Chosen by Priya Raman",
        "Picked at random from 38 performers, asked for by Priya Raman",
        "Picked at random from 1,038 performers, as the last one cannot be a performer any more",
        "The only possible performer, after waiting for one",
        "Marked done by Priya Raman",
    ] {
        assert!(html.contains(reason), "{reason}");
    }
}

#[test]
fn a_finished_task_offers_no_action() {
    for name in ["task-done", "task-cancelled"] {
        let html = page(name);
        assert!(!html.contains("data-done"), "{name}");
        assert!(!html.contains("/assign"), "{name}");
    }
}

#[test]
fn money_is_shown_as_movements_of_the_performer() {
    let html = page("task");
    assert!(html.contains("<span class=\"m neg\">−$11.00</span>"));
    assert!(html.contains("<span class=\"m pos\">+$27.00</span>"));
    assert!(html.contains("4 × $11.00 = $44.00"));
}
