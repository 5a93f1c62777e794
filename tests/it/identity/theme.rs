//! Keycloak's pages wear the colours and the mark of the product.

use std::collections::BTreeMap;

use crate::support::workspace;

/// The custom properties of a style sheet.
fn tokens(sheet: &str) -> BTreeMap<&str, &str> {
    sheet
        .lines()
        .filter_map(|line| line.trim().strip_suffix(';')?.split_once(": "))
        .filter(|(name, _)| name.starts_with("--"))
        .collect()
}

#[test]
fn the_colours_are_those_of_the_services() {
    let product = workspace::read("platform/assets/app.css");
    let theme = workspace::read("keycloak/theme/tx/common/resources/css/tokens.css");
    let product = tokens(&product);
    let of_theme = tokens(&theme);
    assert!(of_theme.len() > 10, "{of_theme:?}");
    for (name, value) in of_theme {
        assert_eq!(Some(&value), product.get(name), "{name}");
    }
}

#[test]
fn the_mark_is_that_of_the_services() {
    let product = workspace::read("platform/assets/favicon.svg");
    for copy in ["login/resources/img/mark.svg", "account/resources/mark.svg"] {
        assert_eq!(
            workspace::read(format!("keycloak/theme/tx/{copy}")),
            product,
            "{copy}"
        );
    }
}
