//! The words for a tally: pure text, used by bars and plain lines alike.

use std::time::Duration;

use jiff::Timestamp;

use super::message::one_line;
use super::numbers::{allowed_at_once, dollars_or_unknown, rate, short_duration};
use super::tally::{NextTry, Phase, Tally};
use crate::model::{plural, thousands};

/// Stands before everything that was not answered by the real API.
pub(super) const SIMULATED: &str = "SIMULATED ";
/// Width of the bar, so that its line fits eighty columns.
const BAR_CHARS: usize = 20;

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
    parts.extend(tally.batches.words());
    if let Some(wait) = tally.next_wait() {
        let reason = reason(&wait, now);
        parts.push(format!("{} waiting ({reason})", thousands(tally.waiting())));
    }
    parts.extend(store(tally, now));
    parts.extend(probes(tally, now));
    parts.extend(stuck(tally, now));
    parts.extend(pace(tally, now));
    parts.push(dollars_or_unknown(
        tally.cost,
        tally.unknown_price,
        tally.all_digits,
    ));
    format!("{}{}", mark(tally), parts.join(", "))
}

/// The lines of the bars: the bar itself, counts, spending, and what there is to say about waits
/// and stops.
pub(super) fn panel(tally: &Tally, now: Timestamp) -> String {
    let mut lines = vec![bar(tally, now), counts(tally), spending(tally)];
    lines.extend(tally.batches.words());
    let wait = tally.next_wait();
    lines.extend(wait.map(|wait| format!("waiting: {}", reason(&wait, now))));
    lines.extend(limits(tally));
    lines.extend(budget(tally));
    lines.extend(tight(tally));
    lines.extend(store(tally, now));
    lines.extend(phase(tally, now));
    lines.extend(stuck(tally, now));
    lines.extend(endpoint_off(tally));
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
pub(super) fn phase(tally: &Tally, now: Timestamp) -> Option<String> {
    match &tally.phase {
        Phase::Draining => Some(format!(
            "stopping: waiting for {} in flight",
            plural(tally.in_flight(), "request")
        )),
        Phase::Halted { class, message } => Some(format!("halted: {class}: {}", one_line(message))),
        Phase::Waiting { class, next_try_at } => Some(format!(
            "no job can succeed now: {class}; one request tries again at {next_try_at}"
        )),
        Phase::Before | Phase::Running => hours(tally).or_else(|| outages(tally, now)),
        Phase::Ended => outages(tally, now),
    }
}

/// How much of the budget is spent, once that is worth a warning.
pub(super) fn budget(tally: &Tally) -> Option<String> {
    let (percent, budget) = tally.budget.as_ref()?;
    Some(format!("budget: {percent}% of ${budget} is spent"))
}

/// That the budget, and nothing else, keeps more requests from being open.
pub(super) fn tight(tally: &Tally) -> Option<String> {
    let (open, shorter) = tally.tight?;
    let shorter = shorter.map(|(max_tokens, open)| (max_tokens, u64::from(open)));
    Some(allowed_at_once("open", u64::from(open), shorter))
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
    parts.extend(classes.map(|(class, told)| format!("{class}: {told}")));
    Some(parts.join(" · "))
}

/// Which models are only probed.
fn outages(tally: &Tally, now: Timestamp) -> Option<String> {
    let each = tally.outages.iter();
    let (diverted, waiting): (Vec<_>, Vec<_>) = each
        .map(|(model, class)| (format!("{model} ({class})"), tally.elsewhere.get(model)))
        .partition(|(_, elsewhere)| elsewhere.is_some_and(|route| route.failing.is_none()));
    let helper = diverted.iter().find_map(|(_, elsewhere)| *elsewhere);
    let rest = helper.map(|route| format!("the rest goes to {}", route.endpoint));
    let lines = [
        (diverted, rest.unwrap_or_default()),
        (waiting, "the rest waits".to_owned()),
    ];
    let lines = lines.into_iter().filter(|(models, _)| !models.is_empty());
    let lines: Vec<_> = lines
        .map(|(models, rest)| {
            let models: Vec<_> = models.into_iter().map(|(model, _)| model).collect();
            let models = models.join(", ");
            let next = next_probe(tally, now);
            format!("nothing succeeds at {models}: {next}, {rest}")
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// That the store takes nothing: `the store has not answered for 12s: another program holds its lock,
/// or the disk stands still`.
pub(super) fn store(tally: &Tally, now: Timestamp) -> Option<String> {
    let silence = now.duration_since(tally.store_silent?);
    let silence = Duration::from_secs(silence.as_secs().max(0).unsigned_abs());
    Some(format!(
        "the store has not answered for {}: another program holds its lock, or the disk stands still",
        short_duration(silence)
    ))
}

/// When a model that keeps failing is tried next: `next probe in 12s`.
fn next_probe(tally: &Tally, now: Timestamp) -> String {
    let Some(next) = tally.probes.values().min() else {
        return "probing now and then".to_owned();
    };
    match Duration::try_from(next.duration_since(now)) {
        Ok(left) if !left.is_zero() => {
            format!("next probe in {}", short_duration(whole_seconds(left)))
        }
        _ => "probing now".to_owned(),
    }
}

/// For the plain line, whose neighbours tell the rest: `nothing succeeds at MODEL: next probe in 12s`.
fn probes(tally: &Tally, now: Timestamp) -> Option<String> {
    if tally.outages.is_empty() || tally.phase == Phase::Ended {
        return None;
    }
    let models: Vec<_> = tally.outages.keys().map(String::as_str).collect();
    let models = models.join(" and ");
    Some(format!(
        "nothing succeeds at {models}: {}",
        next_probe(tally, now)
    ))
}

/// What is said again and again while everything waits: `for 2m05s: overloaded: Overloaded`.
fn stuck(tally: &Tally, now: Timestamp) -> Option<String> {
    let said = tally.stuck(now).filter(|_| tally.phase != Phase::Ended)?;
    let since = Duration::try_from(now.duration_since(said.since)).unwrap_or_default();
    let since = short_duration(Duration::from_secs(since.as_secs()));
    let words = format!("for {since}: {}: {}", said.class, said.message);
    Some(one_line(words.trim_end_matches(": ")))
}

/// Why the second endpoint helps no more: `the second endpoint is off: URL: class: message`.
pub(super) fn endpoint_off(tally: &Tally) -> Option<String> {
    let why = tally.endpoint_off.as_ref()?;
    Some(one_line(&format!("the second endpoint is off: {why}")))
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
        dollars_or_unknown(tally.cost, tally.unknown_price, tally.all_digits)
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
fn reason(wait: &NextTry, now: Timestamp) -> String {
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

#[cfg(test)]
mod tests {
    use super::{BAR_CHARS, Tally, bar, one_line, panel, phase, plain, start};
    use crate::model::{ErrorClass, EventKind, Indicator, JobState};
    use crate::progress::samples::{
        at, busy_run, circuit_closed, circuit_opened, event, halted, job_ended, page_says,
        run_started, run_started_anew, tally_of,
    };

    #[test]
    fn a_plain_line_says_everything() {
        let tally = tally_of(&busy_run());
        insta::assert_snapshot!(plain(&tally, at(10_000)), @"SIMULATED 120/200 done, 2 failed, 64 in flight, 3 waiting (529 overloaded: next try in 12s), 12.0 jobs/s, $0.00407");
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
        SIMULATED [============>       ] 120/200 60% · 12.0 jobs/s
        succeeded 118 · failed 2 · in flight 64 · waiting 3
        tokens 14,160 in, 5,310 out · $0.00407
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
        tally.observe(&circuit_closed(10_300));
        assert!(!panel(&tally, at(10_400)).contains("status page"));
    }

    #[test]
    fn an_outage_says_where_the_rest_goes() {
        let mut tally = tally_of(&busy_run());
        tally.observe(&circuit_opened(10_000));
        let model = || "claude-haiku-5-5".to_owned();
        let second = || Some("https://second.test".to_owned());
        let switched = |endpoint| EventKind::EndpointSwitched {
            model: model(),
            endpoint,
        };
        let failing = |tally: &Tally| phase(tally, at(0)).unwrap_or_default();
        assert!(failing(&tally).ends_with("next probe in 20s, the rest waits"));
        tally.observe(&event(10_100, switched(second())));
        assert_eq!(
            failing(&tally),
            "nothing succeeds at claude-haiku-5-5 (overloaded): next probe in 20s, the rest goes to https://second.test"
        );
        let opened = EventKind::CircuitOpened {
            model: model(),
            error_class: ErrorClass::Timeout,
            next_probe_at: at(10_300),
            endpoint: second(),
        };
        tally.observe(&event(10_200, opened));
        assert!(failing(&tally).ends_with("the rest waits"));
        let closed = EventKind::CircuitClosed {
            model: model(),
            endpoint: second(),
        };
        tally.observe(&event(10_300, closed));
        assert!(failing(&tally).ends_with("the rest goes to https://second.test"));
        tally.observe(&circuit_closed(10_400));
        tally.observe(&event(10_400, switched(None)));
        assert_eq!(phase(&tally, at(0)), None);
        let off = EventKind::EndpointOff {
            endpoint: "https://second.test".to_owned(),
            model: None,
            error_class: ErrorClass::Billing,
            message: "no\ncredit".to_owned(),
        };
        tally.observe(&event(10_500, off));
        let shown = panel(&tally, at(10_600));
        let line = "\nthe second endpoint is off: https://second.test: billing: no credit";
        assert!(shown.ends_with(line), "{shown}");
    }

    #[test]
    fn the_bar_keeps_its_width_and_is_full_only_at_the_end() {
        for ended in 0..=7 {
            let mut events = vec![run_started(7)];
            events.extend((0..ended).map(|i| job_ended(i, "a", JobState::Failed)));
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

    #[test]
    fn limits_are_shown_as_soon_as_they_are_told() {
        let mut tally = super::Tally::default();
        assert_eq!(super::limits(&tally), None);
        let pace = EventKind::Pace {
            model_class: "opus-5".to_owned(),
            ceiling: 32,
            requests_per_minute: Some(4_000),
            input_tokens_per_minute: Some(2_000_000),
            output_tokens_per_minute: None,
            others_percent: 30,
        };
        tally.observe(&event(1, pace));
        assert_eq!(
            super::limits(&tally).unwrap(),
            "at most 32 open · opus-5: 4,000 requests, 2,000,000 in a minute, others take 30%"
        );
    }

    #[test]
    fn closed_hours_are_told_until_they_open() {
        let mut tally = super::Tally::default();
        tally.observe(&event(1, EventKind::HoursClosed { opens_at: at(0) }));
        assert!(
            super::phase(&tally, at(0))
                .unwrap()
                .contains("--only-between")
        );
        tally.observe(&event(2, EventKind::HoursOpened {}));
        assert_eq!(super::phase(&tally, at(0)), None);
    }
}
