//! The report for people: one line for each check, with a remedy below where one is needed.

use super::finding::{DoctorReport, Finding, Level};
use crate::progress::plural;

/// The lines, without a newline at the end.
pub(super) fn text(report: &DoctorReport) -> String {
    let width = report.checks.iter().map(|check| check.name.len()).max();
    let mut lines: Vec<String> = report
        .checks
        .iter()
        .flat_map(|check| lines_of(check, width.unwrap_or_default()))
        .collect();
    lines.push(totals(report));
    lines.join("\n")
}

fn lines_of(check: &Finding, width: usize) -> impl Iterator<Item = String> {
    let level = check.level.as_str();
    let line = format!("{level:7}  {:width$}  {}", check.name, check.found);
    let remedy = check.remedy.as_ref();
    std::iter::once(line).chain(remedy.map(|remedy| format!("           next: {remedy}")))
}

fn totals(report: &DoctorReport) -> String {
    let count = |level| {
        let checks = report.checks.iter();
        checks.filter(|check| check.level == level).count()
    };
    let skipped = match count(Level::Skipped) {
        0 => String::new(),
        skipped => format!(", {skipped} skipped"),
    };
    format!(
        "{}: {} ok, {} warning, {} failed{skipped}",
        plural(report.checks.len() as u64, "check"),
        count(Level::Ok),
        count(Level::Warning),
        count(Level::Failed)
    )
}

#[cfg(test)]
mod tests {
    use super::{DoctorReport, Finding, text};

    #[test]
    fn each_check_is_a_line_and_its_remedy_stands_below() {
        let report = DoctorReport::new(vec![
            Finding::ok("credential", "ANTHROPIC_API_KEY holds an API key"),
            Finding::warning("clock", "7 s ahead of the server", "Set the clock."),
            Finding::failed(
                "authentication",
                "HTTP 401: invalid x-api-key",
                "Set a key.",
            ),
            Finding::skipped("limits", "not checked: the endpoint was not reached"),
        ]);
        insta::assert_snapshot!(text(&report), @r"
        ok       credential      ANTHROPIC_API_KEY holds an API key
        warning  clock           7 s ahead of the server
                   next: Set the clock.
        failed   authentication  HTTP 401: invalid x-api-key
                   next: Set a key.
        skipped  limits          not checked: the endpoint was not reached
        4 checks: 1 ok, 1 warning, 1 failed, 1 skipped
        ");
    }
}
