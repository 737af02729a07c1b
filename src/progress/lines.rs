//! The words for a tally: pure text, used by bars and plain lines alike.

use std::time::Duration;

use jiff::Timestamp;

use super::numbers::{dollars, plural, rate, short_duration, thousands};
use super::tally::{Phase, Tally, Wait};

/// Stands before everything that was not answered by the real API.
pub(super) const SIMULATED: &str = "SIMULATED ";
/// Width of the bar, so that its line fits eighty columns.
const BAR_CHARS: usize = 20;
/// More of a foreign message than this would fill the terminal.
const MESSAGE_CHARS: usize = 200;

/// One line that says it all: `120/200 done, 2 failed, 64 in flight, 3 waiting (529 overloaded:
/// next try in 12s), 6.1 jobs/s, ETA 13s, $0.0123`.
pub(super) fn plain(tally: &Tally, now: Timestamp) -> String {
    let mut parts = vec![
        format!(
            "{}/{} done",
            thousands(tally.ended()),
            thousands(tally.total)
        ),
        format!("{} failed", thousands(tally.failed)),
    ];
    if tally.canceled > 0 {
        parts.push(format!("{} canceled", thousands(tally.canceled)));
    }
    parts.push(format!("{} in flight", thousands(tally.in_flight())));
    if let Some(wait) = tally.next_wait() {
        let reason = reason(&wait, now);
        parts.push(format!("{} waiting ({reason})", thousands(tally.waiting())));
    }
    parts.extend(pace(tally, now));
    parts.push(dollars(tally.cost));
    format!("{}{}", mark(tally), parts.join(", "))
}

/// The lines of the bars: the bar itself, counts, spending, and what there is to say about waits
/// and stops.
pub(super) fn panel(tally: &Tally, now: Timestamp) -> String {
    let mut lines = vec![bar(tally, now), counts(tally), spending(tally)];
    let wait = tally.next_wait();
    lines.extend(wait.map(|wait| format!("waiting: {}", reason(&wait, now))));
    lines.extend(limits(tally));
    lines.extend(budget(tally));
    lines.extend(phase(tally));
    lines.extend(page(tally).filter(|_| !tally.outages.is_empty()));
    lines.join("\n")
}

/// `[=====>    ] 120/200 60% · 6.1 jobs/s · ETA 13s`.
fn bar(tally: &Tally, now: Timestamp) -> String {
    let percent = usize::try_from(tally.percent()).unwrap_or(100);
    let done = percent * BAR_CHARS / 100;
    let head = if percent < 100 { ">" } else { "" };
    let mut parts = vec![format!(
        "{}[{:<BAR_CHARS$}] {}/{} {percent}%",
        mark(tally),
        "=".repeat(done) + head,
        thousands(tally.ended()),
        thousands(tally.total),
    )];
    parts.extend(pace(tally, now));
    parts.join(" · ")
}

/// What is said once, when a run starts.
pub(super) fn start(run_id: &str, tally: &Tally) -> String {
    let mut parts = vec![format!(
        "{}run {run_id}: {}",
        mark(tally),
        plural(tally.total, "job")
    )];
    if tally.ended() > 0 {
        parts.push(format!("{} done before", thousands(tally.ended())));
    }
    if tally.interrupted > 0 {
        let attempts = plural(tally.interrupted, "attempt");
        parts.push(format!("{attempts} cut off by an earlier crash"));
    }
    parts.join(", ")
}

/// Why nothing new is started, or little, if that is so.
pub(super) fn phase(tally: &Tally) -> Option<String> {
    match &tally.phase {
        Phase::Draining => Some(format!(
            "stopping: waiting for {} in flight",
            plural(tally.in_flight(), "request")
        )),
        Phase::Halted { class, message } => Some(format!("halted: {class}: {}", one_line(message))),
        Phase::Waiting { class, next_try_at } => Some(format!(
            "no job can succeed now: {class}; one request tries again at {next_try_at}"
        )),
        Phase::Before | Phase::Running => hours(tally).or_else(|| outages(tally)),
        Phase::Ended => outages(tally),
    }
}

/// How much of the budget is spent, once that is worth a warning.
pub(super) fn budget(tally: &Tally) -> Option<String> {
    let (percent, budget) = tally.budget.as_ref()?;
    Some(format!("budget: {percent}% of ${budget} is spent"))
}

/// Until when nothing is sent, for the hours that the user has set.
fn hours(tally: &Tally) -> Option<String> {
    let opens_at = tally.closed_until?;
    Some(format!(
        "outside the hours of --only-between: nothing is sent before {opens_at}"
    ))
}

/// How much may be open at once, and what the API has told of its limits: `at most 64 open · opus-5:
/// 4,000 requests, 2,000,000 in, 400,000 out a minute`.
fn limits(tally: &Tally) -> Option<String> {
    let mut parts = vec![format!("at most {} open", tally.ceiling?)];
    let classes = tally.limits.iter();
    parts.extend(classes.map(|(class, told)| format!("{class}: {told} a minute")));
    Some(parts.join(" · "))
}

/// Which models are only probed.
fn outages(tally: &Tally) -> Option<String> {
    let each = tally.outages.iter();
    let outages: Vec<_> = each
        .map(|(model, class)| format!("{model} ({class})"))
        .collect();
    (!outages.is_empty()).then(|| {
        format!(
            "nothing succeeds at {}: probing now and then, the rest waits",
            outages.join(", ")
        )
    })
}

/// What the API's makers say of it, if they were asked: `status page: major outage: NAME`.
pub(super) fn page(tally: &Tally) -> Option<String> {
    let page = tally.page.as_ref()?;
    Some(one_line(&format!("status page: {page}")))
}

/// `SIMULATED ` or nothing.
pub(super) fn mark(tally: &Tally) -> &'static str {
    if tally.simulated { SIMULATED } else { "" }
}

fn counts(tally: &Tally) -> String {
    let numbers = [
        ("succeeded", tally.succeeded, true),
        ("failed", tally.failed, true),
        ("canceled", tally.canceled, false),
        ("in flight", tally.in_flight(), true),
        ("waiting", tally.waiting(), true),
        ("retries", tally.retries, false),
    ];
    numbers
        .into_iter()
        .filter(|(_, n, always)| *always || *n > 0)
        .map(|(name, n, _)| format!("{name} {}", thousands(n)))
        .collect::<Vec<_>>()
        .join(" · ")
}

fn spending(tally: &Tally) -> String {
    format!(
        "tokens {} in, {} out · {}",
        thousands(tally.input_tokens),
        thousands(tally.output_tokens),
        dollars(tally.cost)
    )
}

fn pace(tally: &Tally, now: Timestamp) -> Vec<String> {
    if tally.open() == 0 || tally.phase == Phase::Ended {
        return Vec::new();
    }
    let eta = tally.eta(now);
    std::iter::once(rate(tally.rate(now)))
        .chain(eta.map(|eta| format!("ETA {}", short_duration(eta))))
        .collect()
}

/// `529 overloaded: next try in 12s`.
fn reason(wait: &Wait, now: Timestamp) -> String {
    let status = wait.http_status.map(|status| status.to_string());
    let class = wait.class.map(|class| class.to_string());
    let what: Vec<_> = status.into_iter().chain(class).collect();
    let what = match what.as_slice() {
        [] => "failed".to_owned(),
        parts => parts.join(" "),
    };
    let left = wait.next_try_at.duration_since(now);
    match Duration::try_from(left) {
        Ok(left) if !left.is_zero() => {
            format!(
                "{what}: next try in {}",
                short_duration(whole_seconds(left))
            )
        }
        _ => format!("{what}: next try is due"),
    }
}

/// Rounded up, so that a countdown ends with `1s` and not with `0s`.
fn whole_seconds(duration: Duration) -> Duration {
    let up = u64::from(duration.subsec_nanos() > 0);
    Duration::from_secs(duration.as_secs().saturating_add(up))
}

/// A foreign message on one line, without control characters, and not too long.
pub(super) fn one_line(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = line
        .chars()
        .filter(|c| !c.is_control())
        .take(MESSAGE_CHARS)
        .collect();
    if line.chars().count() > MESSAGE_CHARS {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{BAR_CHARS, bar, one_line, panel, plain, start};
    use crate::model::{ErrorClass, EventKind, Indicator};
    use crate::progress::samples::{
        at, busy_run, circuit_opened, event, halted, job_ended, page_says, run_started,
        run_started_anew, tally_of,
    };

    #[test]
    fn a_plain_line_says_everything() {
        let tally = tally_of(&busy_run());
        insta::assert_snapshot!(plain(&tally, at(10_000)), @"SIMULATED 120/200 done, 2 failed, 64 in flight, 3 waiting (529 overloaded: next try in 12s), 12.0 jobs/s, ETA 7s, $0.004071");
    }

    #[test]
    fn a_wait_that_is_over_is_due() {
        let tally = tally_of(&busy_run());
        let line = plain(&tally, at(100_000));
        assert!(line.contains("(529 overloaded: next try is due)"), "{line}");
    }

    #[test]
    fn the_bars_say_the_same_in_lines() {
        let tally = tally_of(&busy_run());
        insta::assert_snapshot!(panel(&tally, at(10_000)), @r"
        SIMULATED [============>       ] 120/200 60% · 12.0 jobs/s · ETA 7s
        succeeded 118 · failed 2 · in flight 64 · waiting 3
        tokens 14,160 in, 5,310 out · $0.004071
        waiting: 529 overloaded: next try in 12s
        ");
    }

    #[test]
    fn an_outage_is_told_with_what_the_status_page_says_of_it_while_it_lasts() {
        let mut tally = tally_of(&busy_run());
        tally.observe(&circuit_opened(10_000));
        let incident = "Elevated\nerrors";
        tally.observe(&page_says(10_100, Indicator::Major, Some(incident)));
        let shown = panel(&tally, at(10_200));
        let lines: Vec<_> = shown.lines().rev().take(2).collect();
        assert_eq!(lines[0], "status page: major outage: Elevated errors");
        assert!(lines[1].starts_with("nothing succeeds at claude-haiku-5-5 (overloaded)"));
        let model = "claude-haiku-5-5".to_owned();
        tally.observe(&event(10_300, EventKind::CircuitClosed { model }));
        assert!(!panel(&tally, at(10_400)).contains("status page"));
    }

    #[test]
    fn the_bar_keeps_its_width_and_is_full_only_at_the_end() {
        for ended in 0..=7 {
            let mut events = vec![run_started(7)];
            events.extend((0..ended).map(|i| job_ended(i, "a", "failed")));
            let line = bar(&tally_of(&events), at(10));
            let bar = &line[line.find('[').unwrap()..=line.find(']').unwrap()];
            assert_eq!(bar.len(), BAR_CHARS + 2, "{bar}");
            assert_eq!(bar.contains('>'), ended < 7, "{bar}");
        }
    }

    #[test]
    fn a_run_taken_up_again_says_what_was_done_before() {
        let fresh = tally_of(&[run_started(2_000)]);
        assert_eq!(start("r-1", &fresh), "SIMULATED run r-1: 2,000 jobs");
        let again = tally_of(&[run_started_anew()]);
        insta::assert_snapshot!(start("r-1", &again), @"run r-1: 1,200 jobs, 100 done before, 1 attempt cut off by an earlier crash");
    }

    #[test]
    fn a_run_without_jobs_or_time_has_no_pace() {
        let empty = tally_of(&[run_started(0)]);
        assert_eq!(
            plain(&empty, at(0)),
            "SIMULATED 0/0 done, 0 failed, 0 in flight, $0.00"
        );
        assert!(bar(&empty, at(0)).ends_with("] 0/0 100%"));
    }

    #[test]
    fn a_halt_is_told_on_one_line_whatever_the_message_holds() {
        assert_eq!(one_line("a\n  b\u{1b}[31m\tc"), "a b[31m c");
        assert_eq!(one_line(&"é".repeat(300)).chars().count(), 201);
        let mut events = busy_run();
        events.push(halted(ErrorClass::Authentication, "invalid\nx-api-key"));
        let text = panel(&tally_of(&events), at(10_000));
        assert!(
            text.ends_with("\nhalted: authentication: invalid x-api-key"),
            "{text}"
        );
    }
}
