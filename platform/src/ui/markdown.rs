//! Markdown that people wrote, rendered so that it cannot do harm (T1 of DESIGN.md section 4).
//!
//! Raw HTML is shown as text. Links go to http, https and mailto only. Images become links, as the
//! content policy loads nothing from elsewhere. Headings start at level two: a page has one `<h1>`.

use pulldown_cmark::{
    CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, TextMergeStream, html,
};
use url::Url;

use super::markup::{Markup, escape};

/// Renders Markdown with tables, strike-through and task lists; single line breaks are kept.
#[must_use]
pub fn render(source: &str) -> Markup {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut safe = Sanitiser::default();
    let mut output = String::with_capacity(source.len() * 2);
    let events = TextMergeStream::new(Parser::new_ext(source, options));
    html::push_html(&mut output, events.flat_map(|event| safe.pass(event)));
    Markup::new(output)
}

/// Rewrites the events one by one; remembers only what encloses the current one.
#[derive(Debug, Default)]
struct Sanitiser {
    /// The open links and images: whether each was written as an element that has to be closed.
    links: Vec<bool>,
    code_blocks: usize,
}

impl Sanitiser {
    fn pass<'a>(&mut self, event: Event<'a>) -> Vec<Event<'a>> {
        match event {
            Event::Html(text) | Event::InlineHtml(text) => vec![Event::Text(text)],
            Event::SoftBreak => vec![Event::HardBreak],
            Event::TaskListMarker(is_done) => {
                vec![Event::Text(if is_done { "☑ " } else { "☐ " }.into())]
            }
            Event::Text(text) => self.text(text),
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            other => vec![other],
        }
    }

    fn start<'a>(&mut self, tag: Tag<'a>) -> Vec<Event<'a>> {
        match tag {
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => self.open_link(&dest_url),
            Tag::HtmlBlock => vec![Event::Start(Tag::Paragraph)],
            // Alignment is written as an inline style, which the content policy forbids.
            Tag::Table(_) => vec![Event::Start(Tag::Table(Vec::new()))],
            Tag::Heading { level, .. } => vec![Event::Start(Tag::Heading {
                level: lowered(level),
                id: None,
                classes: Vec::new(),
                attrs: Vec::new(),
            })],
            Tag::CodeBlock(kind) => {
                self.code_blocks += 1;
                vec![Event::Start(Tag::CodeBlock(kind))]
            }
            other => vec![Event::Start(other)],
        }
    }

    fn end<'a>(&mut self, tag: TagEnd) -> Vec<Event<'a>> {
        match tag {
            TagEnd::Link | TagEnd::Image => match self.links.pop() {
                Some(true) => vec![Event::InlineHtml("</a>".into())],
                Some(false) | None => Vec::new(),
            },
            TagEnd::HtmlBlock => vec![Event::End(TagEnd::Paragraph)],
            TagEnd::Heading(level) => vec![Event::End(TagEnd::Heading(lowered(level)))],
            TagEnd::CodeBlock => {
                self.code_blocks = self.code_blocks.saturating_sub(1);
                vec![Event::End(TagEnd::CodeBlock)]
            }
            other => vec![Event::End(other)],
        }
    }

    /// An image inside a link stays one link: elements `a` do not nest.
    fn open_link<'a>(&mut self, target: &str) -> Vec<Event<'a>> {
        let address = if self.links.contains(&true) {
            None
        } else {
            allowed(target)
        };
        self.links.push(address.is_some());
        address
            .map(|url| Event::InlineHtml(opening(&url).into()))
            .into_iter()
            .collect()
    }

    /// Bare web addresses become links, except in code and in links.
    fn text<'a>(&self, text: CowStr<'a>) -> Vec<Event<'a>> {
        if self.code_blocks > 0 || self.links.contains(&true) || !text.contains("://") {
            return vec![Event::Text(text)];
        }
        text.split_inclusive(char::is_whitespace)
            .flat_map(|word| {
                linked(word).unwrap_or_else(|| vec![Event::Text(word.to_owned().into())])
            })
            .collect()
    }
}

/// A word that is a web address, with the punctuation around it left outside of the link.
fn linked<'a>(word: &str) -> Option<Vec<Event<'a>>> {
    let core =
        word.trim_matches(|c: char| c.is_whitespace() || "()<>[]{}\"'“”‘’.,;:!?".contains(c));
    if !(core.starts_with("http://") || core.starts_with("https://")) {
        return None;
    }
    let url = allowed(core)?;
    let (before, after) = word.split_once(core)?;
    Some(vec![
        Event::Text(before.to_owned().into()),
        Event::InlineHtml(opening(&url).into()),
        Event::Text(core.to_owned().into()),
        Event::InlineHtml("</a>".into()),
        Event::Text(after.to_owned().into()),
    ])
}

/// The address when it is absolute and of an allowed scheme, written out anew by the URL parser.
fn allowed(target: &str) -> Option<Url> {
    Url::parse(target)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https" | "mailto"))
}

fn opening(url: &Url) -> String {
    format!(
        "<a href=\"{}\" rel=\"noopener nofollow\">",
        escape(url.as_str())
    )
}

fn lowered(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H2,
        HeadingLevel::H2 => HeadingLevel::H3,
        HeadingLevel::H3 => HeadingLevel::H4,
        HeadingLevel::H4 => HeadingLevel::H5,
        HeadingLevel::H5 | HeadingLevel::H6 => HeadingLevel::H6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(source: &str) -> String {
        render(source).as_str().trim_end().to_owned()
    }

    #[test]
    fn raw_html_is_shown_as_text() {
        let block = html("<script>alert(1)</script>\n\nafter");
        assert!(
            block.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
            "{block}"
        );
        let inline = html("a <img src=x onerror=alert(1)> b");
        assert!(
            inline.contains("&lt;img src=x onerror=alert(1)&gt;"),
            "{inline}"
        );
        let comment = html("<!-- <b> -->");
        assert!(!comment.contains("<!--"), "{comment}");
    }

    #[test]
    fn only_safe_addresses_become_links() {
        assert_eq!(
            html("[a](https://example.org/?q=\"x\"&y)"),
            "<p><a href=\"https://example.org/?q=%22x%22&#38;y\" rel=\"noopener nofollow\">a</a></p>"
        );
        assert!(html("<mailto:a@example.org>").contains("href=\"mailto:a@example.org\""));
        for target in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "java&#10;script:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "/tasks/T-1/complete",
            "//evil.example",
        ] {
            assert_eq!(html(&format!("[a](<{target}>)")), "<p>a</p>", "{target}");
        }
    }

    #[test]
    fn images_become_links_and_links_do_not_nest() {
        assert_eq!(
            html("![plan](https://example.org/a.png)"),
            "<p><a href=\"https://example.org/a.png\" rel=\"noopener nofollow\">plan</a></p>"
        );
        let nested = html("[![plan](https://a.example/)](https://b.example/)");
        assert_eq!(nested.matches("<a ").count(), 1, "{nested}");
        assert_eq!(nested.matches("</a>").count(), 1, "{nested}");
    }

    #[test]
    fn bare_addresses_become_links_without_their_punctuation() {
        assert_eq!(
            html("See (https://example.org/a), then."),
            "<p>See (<a href=\"https://example.org/a\" rel=\"noopener nofollow\">https://example.org/a</a>), then.</p>"
        );
        assert!(!html("`https://example.org`").contains("<a "));
        assert!(!html("    https://example.org").contains("<a "));
        assert!(!html("javascript://example.org/%0aalert(1)").contains("<a "));
    }

    #[test]
    fn nothing_is_styled_inline_or_given_an_id() {
        let table = html("| a | b |\n|:-:|--:|\n| 1 | 2 |");
        assert!(table.contains("<table>"), "{table}");
        assert!(!table.contains("style"), "{table}");
        assert_eq!(html("# Title {#main .x}"), "<h2>Title {#main .x}</h2>");
    }

    #[test]
    fn lines_and_lists_stay_as_they_were_typed() {
        assert_eq!(html("one\ntwo"), "<p>one<br />\ntwo</p>");
        assert!(html("- [x] done\n- [ ] open").contains("☑ done"));
        assert_eq!(html("~~gone~~"), "<p><del>gone</del></p>");
    }
}
