//! Every template, rendered from samples and read back.

mod samples;

use axum::extract::Query;
use platform::ui::html_check::findings;

use self::samples::pages;
use super::AccountQuery;

fn page(name: &str) -> String {
    pages()
        .into_iter()
        .find_map(|(key, html)| (key == name).then_some(html))
        .unwrap()
}

fn read(query: &str) -> AccountQuery {
    let uri = format!("/finance/me?{query}").parse().unwrap();
    Query::try_from_uri(&uri).unwrap().0
}

#[test]
fn every_page_keeps_the_rules_of_pages() {
    for (name, html) in pages() {
        assert_eq!(findings(&html), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn what_people_type_never_becomes_markup() {
    let html = page("hostile-account");
    for markup in ["<script>", "<img", "<!--"] {
        assert!(!html.contains(markup), "{markup}");
    }
    assert!(html.contains("alert(1)"));
}

#[test]
fn every_entry_gives_its_reason_and_the_balance_after_it() {
    let html = page("account");
    assert!(html.contains("<span class=\"hero\">+$44<span class=\"cents\">.00</span></span>"));
    assert!(html.contains("Reward for doing it"));
    assert!(html.contains("<span class=\"m neg\">−$13.00</span>"));
    assert!(html.contains("Debt carried over from Wed 18 Nov"));
    assert!(html.contains("Europe/Berlin"));
}

#[test]
fn the_sum_of_a_day_adds_up() {
    let html = page("account");
    let (_, sum) = html.split_once("Sum of the day").unwrap();
    for line in ["−$12.00", "−$73.00", "+$129.00", "+$44.00"] {
        assert!(sum.contains(line), "{line}");
    }
    assert!(
        !page("account-debt").contains("Sum of the day"),
        "its older entries are elsewhere"
    );
}

#[test]
fn entries_whose_task_is_not_known_yet_are_shown_all_the_same() {
    let html = page("account-debt");
    assert!(html.contains("Task, its title follows"));
    assert!(html.contains("late, from Wed 18 Nov"));
    assert!(html.contains("Charged twice on 12 November"));
}

#[test]
fn what_a_day_began_with_stands_only_on_its_last_page() {
    assert!(!page("account-debt").contains("carried over"));
    assert!(page("account-debt").contains("/finance/me?day=2026-11-19&#38;before=cursor%2F1"));
}

#[test]
fn a_day_without_entries_can_still_be_left() {
    let html = page("account-quiet");
    assert!(html.contains("<option value=\"2026-11-15\" selected>"));
    assert!(html.contains("Nothing was booked on this day."));
}

#[test]
fn payouts_are_shown_once_there_are_any() {
    assert!(!page("account").contains("Payouts to me"));
    let html = page("account-paid");
    for words in ["$87.00", "Waiting", "Refused", ">none<"] {
        assert!(html.contains(words), "{words}");
    }
}

#[test]
fn what_cannot_be_read_means_today() {
    assert_eq!(read("day=yesterday&before="), AccountQuery::default());
    assert_eq!(read("day=2026-11-19&before=c").before.as_deref(), Some("c"));
}
