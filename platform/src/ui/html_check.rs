//! What every rendered page must keep, checked in the tests of templates: the content policy, ids, balance.

use std::collections::BTreeSet;

use super::assets::has_icon;

/// Elements without an end tag.
const VOID: [&str; 10] = [
    "br", "hr", "img", "input", "link", "meta", "path", "rect", "use", "wbr",
];

/// Attributes whose words are ids of the same page.
const REFERENCES: [&str; 6] = [
    "aria-activedescendant",
    "aria-controls",
    "aria-describedby",
    "aria-labelledby",
    "for",
    "popovertarget",
];

#[derive(Debug)]
struct Tag<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
    is_end: bool,
    closes_itself: bool,
}

impl<'a> Tag<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.attributes
            .iter()
            .find_map(|&(key, value)| (key == name).then_some(value))
    }
}

/// What is wrong with a page, one sentence each; nothing for a page in order.
#[must_use]
pub fn findings(html: &str) -> Vec<String> {
    let tags = tags(html);
    let mut found = Vec::new();
    for tag in tags.iter().filter(|tag| !tag.is_end) {
        found.extend(against_policy(tag));
    }
    found.extend(unbalanced(&tags));
    found.extend(repeated_ids(&tags));
    found.extend(dangling(&tags));
    let headings = tags
        .iter()
        .filter(|tag| tag.name == "h1" && !tag.is_end)
        .count();
    if headings != 1 {
        found.push(format!("{headings} elements h1"));
    }
    found
}

/// Inline style and script, which the content policy would refuse, and icons that do not exist.
fn against_policy(tag: &Tag<'_>) -> Vec<String> {
    let name = tag.name;
    let mut found = Vec::new();
    if name == "style" || (name == "script" && tag.get("src").is_none()) {
        found.push(format!("inline <{name}>"));
    }
    for &(key, value) in &tag.attributes {
        let is_handler = key == "style" || key.starts_with("on") || key.starts_with("hx-on");
        let is_script = value
            .trim_start()
            .to_ascii_lowercase()
            .starts_with("javascript:");
        if is_handler || is_script || value.starts_with("js:") {
            found.push(format!("inline {key} at <{name}>"));
        }
        let icon = value.rsplit_once("icons.svg#").map(|(_, icon)| icon);
        if let Some(icon) = icon.filter(|icon| !has_icon(icon)) {
            found.push(format!("no icon {icon}"));
        }
    }
    found
}

fn unbalanced(tags: &[Tag<'_>]) -> Vec<String> {
    let mut open = Vec::new();
    let mut found = Vec::new();
    for tag in tags {
        if tag.is_end {
            match open.pop() {
                Some(name) if name == tag.name => {}
                other => found.push(format!("</{}> ends {other:?}", tag.name)),
            }
        } else if !tag.closes_itself && !VOID.contains(&tag.name) {
            open.push(tag.name);
        }
    }
    found.extend(open.iter().map(|name| format!("<{name}> has no end")));
    found
}

fn repeated_ids(tags: &[Tag<'_>]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    tags.iter()
        .filter_map(|tag| tag.get("id"))
        .filter(|id| !seen.insert(*id))
        .map(|id| format!("id {id} twice"))
        .collect()
}

/// References to ids that the page does not have; the title of a form arrives in its dialog with the form.
fn dangling(tags: &[Tag<'_>]) -> Vec<String> {
    let ids: BTreeSet<_> = tags.iter().filter_map(|tag| tag.get("id")).collect();
    tags.iter()
        .flat_map(|tag| &tag.attributes)
        .filter(|(key, _)| REFERENCES.contains(key))
        .flat_map(|(key, value)| value.split_whitespace().map(move |id| (key, id)))
        .filter(|(_, id)| !ids.contains(id) && *id != "form-h")
        .map(|(key, id)| format!("{key} names {id}, which is not there"))
        .collect()
}

/// Reads tags as our templates write them: attribute values in double quotes, no `<` in text.
fn tags(html: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        let (inside, next) = split_at_end(after);
        rest = next;
        if !inside.starts_with('!') {
            tags.push(tag(inside));
        }
    }
    tags
}

/// Splits behind a `<` at the `>` that is not within quotes.
fn split_at_end(text: &str) -> (&str, &str) {
    let mut in_quotes = false;
    let end = text.find(|c| {
        in_quotes ^= c == '"';
        c == '>' && !in_quotes
    });
    let (inside, rest) = end
        .and_then(|end| text.split_at_checked(end))
        .unwrap_or((text, ""));
    (inside, rest.strip_prefix('>').unwrap_or(rest))
}

fn tag(inside: &str) -> Tag<'_> {
    let (inside, is_end) = inside
        .strip_prefix('/')
        .map_or((inside, false), |name| (name, true));
    let (inside, closes_itself) = inside
        .strip_suffix('/')
        .map_or((inside, false), |start| (start, true));
    let (name, mut rest) = inside
        .split_once(char::is_whitespace)
        .unwrap_or((inside, ""));
    let mut attributes = Vec::new();
    while !rest.trim_start().is_empty() {
        let (attribute, next) = attribute(rest.trim_start());
        attributes.push(attribute);
        rest = next;
    }
    Tag {
        name,
        attributes,
        is_end,
        closes_itself,
    }
}

/// One attribute and what follows it; a name without a value has an empty one.
fn attribute(text: &str) -> ((&str, &str), &str) {
    let end = text.find(|c: char| c == '=' || c.is_whitespace());
    let (name, rest) = end
        .and_then(|end| text.split_at_checked(end))
        .unwrap_or((text, ""));
    let quoted = rest
        .strip_prefix("=\"")
        .and_then(|value| value.split_once('"'));
    match quoted {
        Some((value, rest)) => ((name, value), rest),
        None => ((name, ""), rest.strip_prefix('=').unwrap_or(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_in_order_has_no_findings() {
        let page = "<!doctype html><h1 id=\"a\">x</h1><br><label for=\"b\">y</label>\
                    <input id=\"b\" value=\"1 > 0\" checked><svg><use href=\"x/icons.svg#check\"/></svg>";
        assert_eq!(findings(page), Vec::<String>::new());
    }

    #[test]
    fn each_fault_is_found() {
        for (fault, finding) in [
            ("<p style=\"color:red\">x</p>", "inline style at <p>"),
            ("<a onclick=\"x()\">x</a>", "inline onclick at <a>"),
            ("<a hx-on:click=\"x()\">x</a>", "inline hx-on:click at <a>"),
            ("<a href=\"JavaScript:x()\">x</a>", "inline href at <a>"),
            ("<script>x()</script>", "inline <script>"),
            ("<p id=\"a\"></p><p id=\"a\"></p>", "id a twice"),
            (
                "<p aria-labelledby=\"nobody\">x</p>",
                "aria-labelledby names nobody, which is not there",
            ),
            (
                "<svg><use href=\"/icons.svg#nothing\"/></svg>",
                "no icon nothing",
            ),
            ("<p><b>x</p>", "</p> ends Some(\"b\")"),
            ("<h1>again</h1>", "2 elements h1"),
        ] {
            let found = findings(&format!("<h1>x</h1>{fault}"));
            assert!(
                found.iter().any(|text| text == finding),
                "{fault}: {found:?}"
            );
        }
    }
}
