//! The public status page, an Atlassian Statuspage: one look, one answer.
//!
//! Owns where it is asked and how its summary is read. A page that answers with anything but its
//! JSON (a challenge for robots, an error, a login page) tells nothing, neither up nor down.

use std::fmt;
use std::time::Duration;

use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

use super::http::build_page_client;
use super::redact::redact;
use super::text::one_line;
use super::{BaseUrl, ClientError, Network, StatusSource};
use crate::clock;
use crate::model::{Indicator, PageStatus};

/// The pages of the first-party API, in the order in which they are asked: the official one has
/// been reported to answer programs with a challenge, while the page's host of origin serves the
/// same JSON.
pub const STATUS_PAGES: [&str; 2] = [
    "https://status.claude.com",
    "https://anthropic.statuspage.io",
];

/// Time for one page, redirects included. Whoever asks has better things to wait for.
pub const PAGE_TIMEOUT: Duration = Duration::from_secs(3);

/// The official page has moved once, and may again; a chain of redirects is a login page.
const MAX_REDIRECTS: usize = 2;

/// Real summaries have a few tens of kilobytes.
const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// Names are shown on one line and kept in the store.
const MAX_NAME_BYTES: usize = 200;

/// Part of the name of the component that is the API (the others are apps).
const API_COMPONENT: &str = "api.anthropic.com";

/// A client of the status page. Carries no credentials.
pub struct StatusPage {
    pages: Vec<Page>,
    timeout: Duration,
}

struct Page {
    url: Url,
    client: Client,
}

impl StatusPage {
    /// A client that asks these pages (roots, without `/api/v2`) in order until one answers; of no
    /// page nothing is ever known.
    ///
    /// # Errors
    /// If a URL, its proxy or the certificates cannot be used.
    pub fn new(urls: &[String], network: &Network) -> Result<Self, ClientError> {
        let page = |url: &String| {
            let root = BaseUrl::parse(url)?;
            Ok(Page {
                client: build_page_client(&root, network, MAX_REDIRECTS)?,
                url: root.endpoint("/api/v2/summary.json"),
            })
        };
        Ok(Self {
            pages: urls.iter().map(page).collect::<Result<_, ClientError>>()?,
            timeout: PAGE_TIMEOUT,
        })
    }

    /// The same with another time for each page than [`PAGE_TIMEOUT`].
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }
}

impl fmt::Debug for StatusPage {
    /// Shows the addresses alone: the HTTP client may know a proxy's password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls = self.pages.iter().map(|page| page.url.as_str());
        f.debug_list().entries(urls).finish()
    }
}

impl StatusSource for StatusPage {
    async fn ask(&self) -> PageStatus {
        for page in &self.pages {
            let body = clock::timeout(self.timeout, page.body()).await;
            let told = body.ok().flatten().and_then(|body| read_summary(&body));
            match told {
                // The second page is asked only where the first says nothing.
                Some(status) if status.indicator != Indicator::Unknown => return status,
                _ => tracing::debug!(page = %page.url, "the status page tells nothing"),
            }
        }
        PageStatus::default()
    }
}

impl Page {
    /// The body of a 200 that is not too long.
    async fn body(&self) -> Option<Vec<u8>> {
        let mut response = self.client.get(self.url.clone()).send().await.ok()?;
        if response.status() != StatusCode::OK {
            return None;
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            body.extend_from_slice(&chunk);
            // A summary has some kilobytes; more is another page.
            if body.len() > MAX_PAGE_BYTES {
                return None;
            }
        }
        Some(body)
    }
}

/// What of a summary is looked at; the rest of it may be anything.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Summary {
    status: Value,
    components: Value,
    incidents: Value,
    scheduled_maintenances: Value,
}

fn read_summary(body: &[u8]) -> Option<PageStatus> {
    let summary: Summary = serde_json::from_slice(body).ok()?;
    let indicator = Indicator::from_name(text(&summary.status, "indicator")?);
    let maintenance = items(&summary.scheduled_maintenances)
        .find(|maintenance| is_one_of(maintenance, "status", &["in_progress", "verifying"]));
    let incident = items(&summary.incidents)
        .filter(|incident| is_open(incident))
        // Newest first on the page: of equally bad ones the first is kept.
        .reduce(|worst, next| {
            if badness(next) > badness(worst) {
                next
            } else {
                worst
            }
        });
    let indicator = match (indicator, maintenance) {
        // Maintenance does not raise the page's own indicator.
        (Indicator::None, Some(_)) => Indicator::Maintenance,
        (indicator, _) => indicator,
    };
    Some(PageStatus {
        indicator,
        incident: incident.or(maintenance).and_then(name),
        component: items(&summary.components)
            .find(|component| {
                text(component, "name").is_some_and(|name| name.contains(API_COMPONENT))
            })
            .and_then(|component| shown(text(component, "status")?)),
    })
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get(key)?.as_str()
}

fn is_one_of(object: &Value, key: &str, words: &[&str]) -> bool {
    text(object, key).is_some_and(|word| words.contains(&word))
}

fn is_open(incident: &Value) -> bool {
    let resolved = incident.get("resolved_at").is_some_and(Value::is_string);
    !resolved && !is_one_of(incident, "status", &["resolved", "postmortem", "completed"])
}

fn badness(incident: &Value) -> u8 {
    match text(incident, "impact") {
        Some("critical") => 4,
        Some("major") => 3,
        Some("minor") => 2,
        Some("none") => 0,
        _ => 1,
    }
}

fn name(item: &Value) -> Option<String> {
    shown(text(item, "name")?)
}

fn shown(text: &str) -> Option<String> {
    Some(one_line(&redact(text), MAX_NAME_BYTES)).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests;
