//! Bodies of strangers as one readable line.
//!
//! What is shown on a terminal and kept in the ledger is bounded and free of control characters;
//! of an HTML page only its title says anything.

use super::HeaderView;
use crate::model::is_control;

/// Whether the body is an HTML page, whatever its content type claims.
pub(super) fn is_html(headers: HeaderView<'_>, body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    let begins = |tag: &[u8]| {
        start
            .get(..tag.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(tag))
    };
    let claimed = headers
        .get("content-type")
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"));
    begins(b"<!doctype html") || begins(b"<html") || (claimed && begins(b"<"))
}

/// What a body that is no JSON says.
pub(super) fn describe_body(headers: HeaderView<'_>, body: &[u8], limit: usize) -> String {
    // More than enough to find a title and to fill the limit.
    let start = &body[..body.len().min(16 * limit)];
    let text = String::from_utf8_lossy(start);
    if text.trim().is_empty() {
        return "an empty body".to_owned();
    }
    if !is_html(headers, body) {
        return one_line(&text, limit);
    }
    match html_title(&text) {
        Some(title) => one_line(&format!("an HTML page titled \"{title}\""), limit),
        None => "an HTML page without a title".to_owned(),
    }
}

fn html_title(page: &str) -> Option<&str> {
    let lower = page.to_ascii_lowercase();
    let open = lower.find("<title")?;
    let start = open + lower[open..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    let title = page[start..end].trim();
    (!title.is_empty()).then_some(title)
}

/// The text on one line, without what a terminal obeys, cut at `limit` bytes.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || is_control(c)) {
        if word.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > limit {
            let mark = "...";
            line.truncate(line.floor_char_boundary(limit.saturating_sub(mark.len())));
            line.push_str(mark);
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{HeaderView, describe_body, is_html, one_line};

    #[test]
    fn a_line_is_bounded_and_free_of_control_characters() {
        assert_eq!(one_line("a\r\n\tb \u{1b}[31mred", 100), "a b [31mred");
        assert_eq!(one_line("a\u{9b}2J\u{202e}b", 100), "a 2J b");
        assert_eq!(one_line("äöüäöü", 8), "äö...");
        assert_eq!(one_line(&"x ".repeat(5000), 2000).len(), 2000);
    }

    #[test]
    fn an_html_page_is_known_by_its_beginning() {
        let none = HeaderView::none();
        for page in ["<!DOCTYPE html><p>", "\n <HTML lang=en>"] {
            assert!(is_html(none, page.as_bytes()), "{page}");
        }
        for other in ["{}", "", "upstream <html>", "<"] {
            assert!(!is_html(none, other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_body_is_described_by_what_it_says() {
        let describe = |body: &str| describe_body(HeaderView::none(), body.as_bytes(), 200);
        assert_eq!(
            describe("<html><head><TITLE>a |\n 520: b</TITLE>"),
            "an HTML page titled \"a | 520: b\""
        );
        assert_eq!(describe("<html><body>x"), "an HTML page without a title");
        assert_eq!(describe("no healthy upstream\n"), "no healthy upstream");
        assert_eq!(describe(" \n"), "an empty body");
    }
}
