//! HTML pages: made by a gateway, by Cloudflare or by something that is no API.

use super::reading::{Recognised, answer};
use super::status;
use crate::model::ErrorClass;

/// Titles of the page by which Cloudflare asks for a browser; it comes with 403.
const CHALLENGES: &[&str] = &["just a moment", "attention required"];

/// Reads a page, with or without a line before it that tells its status.
pub(super) fn page(text: &str) -> Option<Recognised> {
    let lower = text.to_ascii_lowercase();
    let start = ["<!doctype html", "<html"]
        .iter()
        .filter_map(|tag| lower.find(tag))
        .min()?;
    // A page inside of JSON is part of a message, and the JSON says more.
    // A page inside of JSON is read by whoever reads the JSON.
    if lower[..start].contains('{') {
        return None;
    }
    // Lower case has the same length, since only ASCII is changed.
    let title = title(&text[start..], &lower[start..]);
    let shown = match title {
        Some(title) => format!("an HTML page titled \"{title}\""),
        None => "an HTML page".to_owned(),
    };
    match status::in_text(&text[..start]).or_else(|| told_by(title.unwrap_or_default())) {
        Some(status) => {
            let class = answer(status, &text[start..])?;
            Some(Recognised::new(
                format!("{shown}, HTTP status {status}"),
                [class],
            ))
        }
        None => Some(
            Recognised::new(
                shown,
                [ErrorClass::BadResponse, ErrorClass::WrongEndpoint, ErrorClass::EdgeError],
            )
            .with_note("which one depends on the HTTP status: put it before the page, as in `HTTP 502 <html>...`"),
        ),
    }
}

/// The status that the title tells: `504 Gateway Time-out`, `host | 520: ...`.
fn told_by(title: &str) -> Option<u16> {
    let lower = title.to_ascii_lowercase();
    // Challenge pages name no status, and come with 403.
    if CHALLENGES.iter().any(|start| lower.starts_with(start)) {
        return Some(403);
    }
    title
        .split(|c: char| !c.is_ascii_alphanumeric())
        .find_map(|word| status::parse(word).filter(|status| *status >= 400))
}

fn title<'a>(page: &'a str, lower: &str) -> Option<&'a str> {
    let open = lower.find("<title")?;
    let start = open + lower[open..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    let title = page[start..end].trim();
    // A title is one short line; what is not, is no title to be repeated.
    let is_short = !title.is_empty() && title.len() <= 200 && !title.contains(char::is_control);
    is_short.then_some(title)
}
