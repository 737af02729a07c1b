//! The status page: what the API's makers say of it themselves.

use super::finding::Finding;
use crate::cli::commands::endpoint::status_pages;
use crate::cli::context::Context;
use crate::model::{Indicator, PageStatus};
use crate::provider::{StatusPage, StatusSource};

const NAME: &str = "status_page";

/// Asks the page in force.
pub(super) async fn check(ctx: &Context) -> Finding {
    let settings = &ctx.settings;
    let pages = status_pages(settings);
    if !settings.status.enabled {
        return Finding::ok(NAME, "not asked: `[status] enabled` is false");
    }
    if pages.is_empty() {
        let why =
            "not asked: the base URL is not the first-party API (`[status] url` names a page)";
        return Finding::ok(NAME, why);
    }
    match StatusPage::new(&pages, &settings.network()) {
        Ok(page) => describe(&page.ask().await, &pages),
        Err(error) => Finding::from_failure(NAME, &error.into()),
    }
}

fn describe(status: &PageStatus, pages: &[String]) -> Finding {
    let incident = status.incident.as_ref();
    let incident = incident.map_or_else(String::new, |name| format!(": {name}"));
    let component = status.component.as_ref();
    let component = component.map_or_else(String::new, |status| format!(" (the API: {status})"));
    let found = format!("{}{component}{incident}", status.indicator);
    match status.indicator {
        Indicator::None => Finding::ok(NAME, found),
        Indicator::Unknown => Finding::warning(
            NAME,
            "unknown: no page answered with its status (programs may get a challenge)",
            format!(
                "Look at {} in a browser; runs do not depend on it.",
                pages[0]
            ),
        ),
        Indicator::Minor | Indicator::Maintenance => Finding::warning(
            NAME,
            found,
            "Nothing: claude-run waits for what fails meanwhile.",
        ),
        Indicator::Major | Indicator::Critical => Finding::warning(
            NAME,
            found,
            "Requests may fail for a while: claude-run waits and tries again; a run that is not urgent may start later.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level::{Ok, Warning};
    use super::describe;
    use crate::model::{Indicator, PageStatus};

    #[test]
    fn trouble_of_the_api_s_own_is_a_warning_with_its_name() {
        let pages = ["https://status.test".to_owned()];
        for (indicator, level) in [
            (Indicator::None, Ok),
            (Indicator::Minor, Warning),
            (Indicator::Maintenance, Warning),
            (Indicator::Critical, Warning),
            (Indicator::Unknown, Warning),
        ] {
            let status = PageStatus {
                indicator,
                incident: Some("Elevated errors".to_owned()),
                component: Some("partial_outage".to_owned()),
            };
            let finding = describe(&status, &pages);
            assert_eq!(finding.level, level, "{indicator}");
            if indicator != Indicator::Unknown {
                let words = format!("{indicator} (the API: partial_outage): Elevated errors");
                assert_eq!(finding.found, words);
            }
        }
    }
}
