//! The cost and error report as text for people.
//!
//! What must not be overlooked is written in capital letters: that a run was simulated, and that
//! prices are missing from the total.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::fitted::{Concession, drawn_whole};
use super::layout::Layout;
use super::status::job_counts;
use super::summary::{CostSums, HourSums, ModelSums, Report, StatusLook};
use super::table::{Align, Table, plain};
use crate::model::{ErrorClass, Pico, Treatment, plural, thousands};

/// The whole report, ended by a newline.
#[must_use]
pub fn report_text(report: &Report, layout: Layout) -> String {
    let mut text = String::new();
    if report.simulated {
        text += "SIMULATED: these answers and costs are not real\n\n";
    }
    text += &heading(report);
    text += &job_counts(&report.jobs);
    text += &attempts(report);
    text += &classes(report, layout.width);
    text += &hours(&report.by_hour);
    text += &status_page(&report.status_page);
    text += &tokens(report);
    text += &money(report, layout);
    text
}

fn heading(report: &Report) -> String {
    let name = report.name.as_deref().map(plain);
    let name = name.map_or(String::new(), |name| format!(" ({name})"));
    let took = report.duration_s.map_or(String::new(), |seconds| {
        format!(" after {}", readable_duration(seconds))
    });
    format!(
        "Run {}{name}, {}{took}\nFrom {}\n",
        report.run_id,
        report.state,
        plain(&report.file)
    )
}

/// `90.5s`, `12m 3s`, `6h 5m`: as exact as a person wants it.
fn readable_duration(seconds: f64) -> String {
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO);
    let whole = duration.as_secs();
    match (whole / 3_600, whole / 60 % 60, whole % 60) {
        (0, 0 | 1, _) => format!("{whole}.{}s", duration.subsec_millis() / 100),
        (0, minutes, 0) => format!("{minutes}m"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, 0, _) => format!("{hours}h"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

fn attempts(report: &Report) -> String {
    let sums = &report.attempts;
    let others = sums
        .total
        .saturating_sub(sums.results)
        .saturating_sub(sums.open);
    let rows: Vec<_> = [
        ("brought their job's result", sums.results),
        ("did not: another try followed, or will", others),
        ("are open", sums.open),
    ]
    .into_iter()
    .filter(|&(_, n)| n > 0)
    .map(|(what, n)| vec![what.to_owned(), thousands(n)])
    .collect();
    let table = Table::new(&[("", Align::Left), ("", Align::Right)]).draw("  ", &rows);
    let total = plural(sums.total, "attempt");
    format!("\n{total}\n{table}")
}

/// What went wrong, and which answers are marked, most frequent first.
fn classes(report: &Report, width: usize) -> String {
    let (marked, wrong): (Vec<_>, Vec<_>) = by_frequency(&report.attempts.by_class)
        .into_iter()
        .partition(|(class, _)| class.treatment() == Treatment::Mark);
    let mut text = String::new();
    if !wrong.is_empty() {
        text += "\nWhat went wrong\n";
        text += &class_table(report, &wrong, width);
        text +=
            "  FINAL: no other try followed. `claude-run explain CLASS` says more of a class.\n";
    }
    if !marked.is_empty() {
        text += "\nAnswers to look at\n";
        text += &class_table(report, &marked, width);
    }
    text
}

/// When the service failed, by hour of day: worth a look before choosing when to run.
fn hours(hours: &[HourSums]) -> String {
    let failed: Vec<_> = hours
        .iter()
        .filter(|hour| hour.service_failures > 0)
        .collect();
    let Some(worst) = failed.iter().max_by_key(|hour| share(hour)) else {
        return String::new();
    };
    let rows: Vec<_> = failed
        .iter()
        .map(|hour| {
            vec![
                format!("{:02}:00", hour.hour),
                thousands(hour.attempts),
                thousands(hour.service_failures),
                format!("{} %", share(hour)),
            ]
        })
        .collect();
    let columns = ["HOUR (UTC)", "ATTEMPTS", "FAILED BY THE SERVICE", "SHARE"];
    let table = Table::new(&columns.map(|name| (name, Align::Right)));
    let worst = format!("  The worst hour was {:02}:00 UTC.\n", worst.hour);
    let worst = if failed.len() > 1 {
        worst
    } else {
        String::new()
    };
    format!(
        "\nWhen the service failed\n{}{worst}",
        table.draw("  ", &rows)
    )
}

/// What the API's makers said of it meanwhile.
fn status_page(looks: &[StatusLook]) -> String {
    if looks.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = looks
        .iter()
        .map(|look| {
            vec![
                look.at.strftime("%Y-%m-%d %H:%M").to_string(),
                look.indicator.words().to_owned(),
                look.incident.as_deref().map_or("-".into(), plain).into(),
            ]
        })
        .collect();
    let columns = ["SINCE (UTC)", "STATUS PAGE", "INCIDENT"];
    let table = Table::new(&columns.map(|name| (name, Align::Left)));
    format!("\nWhat the status page said\n{}", table.draw("  ", &rows))
}

/// Whole per cent of an hour's attempts that the service failed.
fn share(hour: &HourSums) -> u64 {
    hour.service_failures * 100 / hour.attempts.max(1)
}

fn by_frequency(classes: &BTreeMap<ErrorClass, u64>) -> Vec<(ErrorClass, u64)> {
    let mut classes: Vec<_> = classes.iter().map(|(&class, &n)| (class, n)).collect();
    classes.sort_by_key(|&(class, n)| (Reverse(n), class));
    classes
}

fn class_table(report: &Report, classes: &[(ErrorClass, u64)], width: usize) -> String {
    let finals = &report.attempts.results_by_class;
    let rows: Vec<_> = classes
        .iter()
        .map(|&(class, n)| {
            vec![
                class.to_string(),
                thousands(n),
                thousands(finals.get(&class).copied().unwrap_or(0)),
                class.info().meaning.to_owned(),
            ]
        })
        .collect();
    let headings = [
        ("CLASS", Align::Left),
        ("ATTEMPTS", Align::Right),
        ("FINAL", Align::Right),
        ("MEANING", Align::Left),
    ];
    drawn_whole(width, &headings, rows, &[Concession::Below(3, "")])
}

fn tokens(report: &Report) -> String {
    let tokens = &report.tokens;
    let rows: Vec<_> = [
        ("input", tokens.input),
        ("cache reads", tokens.cache_read),
        ("cache writes, 5 min", tokens.cache_write_5m),
        ("cache writes, 1 h", tokens.cache_write_1h),
        ("output", tokens.output),
    ]
    .into_iter()
    .filter(|&(_, n)| n > 0)
    .map(|(what, n)| vec![what.to_owned(), thousands(n)])
    .collect();
    if rows.is_empty() {
        return String::new();
    }
    let table = Table::new(&[("", Align::Left), ("", Align::Right)]).draw("  ", &rows);
    format!("\nTokens\n{table}")
}

fn money(report: &Report, layout: Layout) -> String {
    let costs = Table::new(&[("", Align::Left), ("", Align::Point)])
        .draw("  ", &cost_rows(report, layout.all_digits));
    let mut text = format!("\nCost in USD\n{costs}");
    if let Some(rate) = report.cache_hit_rate.filter(|rate| *rate > 0.0) {
        let percent = rate * 100.0;
        let _ = writeln!(
            text,
            "  read from the cache: {percent:.1} % of all prompt tokens"
        );
    }
    if !report.by_model.is_empty() {
        text += "\n";
        text += &models(&report.by_model, layout);
    }
    text += &warnings(report, layout.all_digits);
    text + &format!("\nPrices: table {}\n", report.price_table.version)
}

fn cost_rows(report: &Report, all_digits: bool) -> Vec<Vec<String>> {
    let cost: &CostSums = &report.cost_usd;
    let total = or_unknown(cost.total, cost.unknown_price_attempts, all_digits);
    let unless_zero = |what: &str, usd: Pico| {
        let shown = usd != Pico::ZERO;
        shown.then(|| vec![what.to_owned(), usd.shown(all_digits)])
    };
    [
        Some(vec!["total".to_owned(), total]),
        unless_zero("live lane", cost.live),
        unless_zero("batch lane", cost.batch),
        unless_zero("wasted on retries (in the total)", cost.wasted_on_retries),
        unless_zero("spent on refusals (in the total)", cost.wasted_on_refusals),
        report.budget_usd.and_then(|usd| unless_zero("budget", usd)),
        report
            .over_budget_usd
            .and_then(|usd| unless_zero("over the budget", usd)),
        unless_zero("saved by the batch lane", cost.saved_by_batch),
        cache_row(cost.saved_by_cache, all_digits),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A sum that may leave something out: nothing that was billed is called zero.
pub(super) fn or_unknown(sum: Pico, unknown: u64, all_digits: bool) -> String {
    let shown = sum.shown(all_digits);
    match (unknown, sum) {
        (0, _) => shown,
        (_, Pico::ZERO) => "UNKNOWN".to_owned(),
        _ => format!("{shown} + UNKNOWN"),
    }
}

fn cache_row(saved: Pico, all_digits: bool) -> Option<Vec<String>> {
    let row = |what: &str, amount: Pico| vec![what.to_owned(), amount.shown(all_digits)];
    match saved {
        Pico::ZERO => None,
        saved if saved > Pico::ZERO => Some(row("saved by the cache", saved)),
        lost => Some(row(
            "lost by the cache (written, hardly read)",
            Pico::ZERO - lost,
        )),
    }
}

fn models(models: &[ModelSums], layout: Layout) -> String {
    let rows: Vec<_> = models
        .iter()
        .map(|model| {
            vec![
                plain(&model.model).into_owned(),
                thousands(model.attempts),
                thousands(model.succeeded),
                thousands(
                    model.tokens.input
                        + model.tokens.cache_read
                        + model.tokens.cache_write_5m
                        + model.tokens.cache_write_1h,
                ),
                thousands(model.tokens.output),
                or_unknown(
                    model.cost_usd,
                    model.unknown_price_attempts,
                    layout.all_digits,
                ),
                model.price_row.as_deref().map_or("-".into(), plain).into(),
            ]
        })
        .collect();
    let headings = [
        ("MODEL", Align::Left),
        ("ATTEMPTS", Align::Right),
        ("SUCCEEDED", Align::Right),
        ("PROMPT TOKENS", Align::Right),
        ("OUTPUT TOKENS", Align::Right),
        ("USD", Align::Point),
        ("PRICED AS", Align::Left),
    ];
    let concessions = [
        Concession::Below(6, "priced as "),
        Concession::Retitle(&[(3, "PROMPT"), (4, "OUTPUT")]),
        Concession::Retitle(&[(2, "OK")]),
        Concession::Clip(0, 24),
    ];
    drawn_whole(layout.width, &headings, rows, &concessions)
}

/// What the total does not say.
fn warnings(report: &Report, all_digits: bool) -> String {
    let notes = [unknown_prices, no_usage, saturated, asked_models];
    let billed = maybe_billed(report, all_digits);
    let mut text = String::new();
    for note in notes
        .into_iter()
        .filter_map(|note| note(report))
        .chain(billed)
    {
        let _ = writeln!(text, "\n{note}");
    }
    text
}

fn unknown_prices(report: &Report) -> Option<String> {
    let unpriced = report.by_model.iter();
    let unpriced: Vec<_> = unpriced
        .filter(|model| model.unknown_price_attempts > 0)
        .map(|model| plain(&model.model))
        .collect();
    (!unpriced.is_empty()).then(|| {
        format!(
            "PRICE UNKNOWN: the real cost is HIGHER than the total, which leaves out {} by {}.",
            plural(report.cost_usd.unknown_price_attempts, "attempt"),
            unpriced.join(", "),
        )
    })
}

fn maybe_billed(report: &Report, all_digits: bool) -> Option<String> {
    let sums = &report.attempts;
    let these = match sums.maybe_billed {
        0 => return None,
        n => plural(n, "attempt"),
    };
    let bound = match (sums.maybe_billed_usd_at_most, sums.maybe_billed_unbounded) {
        (Some(most), _) => format!("at most ${}", most.shown(all_digits)),
        (None, n) if n == sums.maybe_billed => "nothing bounds for how much".to_owned(),
        (None, n) => format!("for {} of them nothing bounds for how much", thousands(n)),
    };
    Some(format!(
        "{these} may have been billed: {bound}. No answer says so; the total counts what broken streams told."
    ))
}

fn no_usage(report: &Report) -> Option<String> {
    let n = report.cost_usd.at_most_attempts;
    (n > 0).then(|| {
        format!(
            "{} told no usage that can be priced: counted at the most that the request allows.",
            plural(n, "answer")
        )
    })
}

fn saturated(report: &Report) -> Option<String> {
    let n = report.cost_usd.saturated_attempts;
    (n > 0).then(|| {
        format!(
            "{} told a usage that cannot be: counted at the most that the request allows.",
            plural(n, "answer")
        )
    })
}

fn asked_models(report: &Report) -> Option<String> {
    let n = report.cost_usd.asked_model_attempts;
    (n > 0).then(|| {
        format!(
            "{} came under a name without a known price: counted at the price of the model that was asked. `[prices]` can name another.",
            plural(n, "answer")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::{readable_duration, report_text};
    use crate::model::{
        AttemptOutcome, Cost, CostBasis, ErrorClass, JobState, Lane, Pico, RunState, Tokens,
    };
    use crate::report::summarise;
    use crate::report::testing::{run, tokens};
    use crate::store::AttemptGroup;

    fn group(attempts: u64, total: i128) -> AttemptGroup {
        AttemptGroup {
            model: "claude-haiku-4-5".to_owned(),
            answered_by: None,
            lane: Lane::Live,
            outcome: Some(AttemptOutcome::Succeeded),
            error_class: None,
            maybe_billed: false,
            is_result: true,
            unknown_price: false,
            cost_basis: None,
            price_row: Some("claude-haiku-4-5-20251001".to_owned()),
            at_most: Pico::ZERO,
            unbounded: 0,
            attempts,
            tokens: tokens(1_000 * attempts, 200 * attempts),
            cost: Cost {
                total: Pico(total),
                ..Cost::default()
            },
        }
    }

    fn errored(class: ErrorClass, attempts: u64) -> AttemptGroup {
        AttemptGroup {
            outcome: Some(AttemptOutcome::Errored),
            error_class: Some(class),
            is_result: class.treatment() == crate::model::Treatment::Fail,
            tokens: Tokens::default(),
            ..group(attempts, 0)
        }
    }

    fn full_report() -> String {
        let mut run = run();
        run.name = Some("nightly".to_owned());
        run.simulated = true;
        run.state = RunState::Ended;
        run.started_at = Some("2026-03-01T12:00:00Z".parse().unwrap());
        run.ended_at = Some("2026-03-01T12:12:03.4Z".parse().unwrap());
        run.jobs.add(JobState::Succeeded, 1_498);
        run.jobs.add(JobState::Failed, 4);
        let mut cached = group(500, 412_500_000_500);
        cached.lane = Lane::Batch;
        cached.tokens.cache_read = 2_000_000;
        cached.tokens.cache_write_5m = 4_000;
        cached.cost.saved_by_batch = Pico(412_500_000_500);
        cached.cost.saved_by_cache = Pico(-3_000_000);
        let mut unknown = group(2, 0);
        unknown.model = "claude-next".to_owned();
        unknown.unknown_price = true;
        unknown.price_row = None;
        let mut truncated = group(7, 70_000_000);
        truncated.error_class = Some(ErrorClass::Truncated);
        truncated.cost_basis = Some(CostBasis::AtMost);
        let mut cut = errored(ErrorClass::StreamCut, 3);
        cut.maybe_billed = true;
        cut.at_most = Pico(420_000_000_000);
        let groups = [
            group(993, 1_250_000_000_000),
            cached,
            unknown,
            truncated,
            cut,
            errored(ErrorClass::Overloaded, 120),
            errored(ErrorClass::PromptTooLong, 4),
        ];
        report_text(
            &summarise(&run, &groups, "2026-03-01"),
            crate::report::Layout::wide(),
        )
    }

    #[test]
    fn the_report_says_everything_that_went_wrong_and_what_it_cost() {
        insta::assert_snapshot!(full_report(), @r"
        SIMULATED: these answers and costs are not real

        Run 01957a1c-6f00-7000-8000-000000000001 (nightly), ended after 12m 3s
        From in.jsonl

        1,504 jobs
          succeeded  1,500
          failed         4

        1,629 attempts
          brought their job's result              1,506
          did not: another try followed, or will    123

        What went wrong
          CLASS            ATTEMPTS  FINAL  MEANING
          overloaded            120      0  The API has no capacity left for this model just now; it is not your limit.
          prompt_too_long         4      4  The prompt has more tokens than the model's context window.
          stream_cut              3      0  A stream ended before its message was whole; what had come was thrown away, but may have been billed.
          FINAL: no other try followed. `claude-run explain CLASS` says more of a class.

        Answers to look at
          CLASS      ATTEMPTS  FINAL  MEANING
          truncated         7      7  The answer ended at max_tokens; it is kept, but incomplete.

        Tokens
          input                1,502,000
          cache reads          2,000,000
          cache writes, 5 min      4,000
          output                 300,400

        Cost in USD
          total                                     1.6625700005 + UNKNOWN
          live lane                                 1.25007
          batch lane                                0.4125000005
          saved by the batch lane                   0.4125000005
          lost by the cache (written, hardly read)  0.000003
          read from the cache: 57.0 % of all prompt tokens

          MODEL             ATTEMPTS  SUCCEEDED  PROMPT TOKENS  OUTPUT TOKENS                 USD  PRICED AS
          claude-haiku-4-5     1,627      1,500      3,504,000        300,000        1.6625700005  claude-haiku-4-5-20251001
          claude-next              2          2          2,000            400  UNKNOWN             -

        PRICE UNKNOWN: the real cost is HIGHER than the total, which leaves out 2 attempts by claude-next.

        7 answers told no usage that can be priced: counted at the most that the request allows.

        3 attempts may have been billed: at most $0.42. No answer says so; the total counts what broken streams told.

        Prices: table 2026-03-01
        ");
    }

    #[test]
    fn a_run_without_attempts_is_short() {
        insta::assert_snapshot!(report_text(&summarise(&run(), &[], "2026-03-01"), crate::report::Layout::wide()), @r"
        Run 01957a1c-6f00-7000-8000-000000000001, ready
        From in.jsonl

        2 jobs
          succeeded  2

        0 attempts

        Cost in USD
          total  0.00

        Prices: table 2026-03-01
        ");
    }

    #[test]
    fn durations_are_as_exact_as_a_person_wants_them() {
        for (seconds, text) in [
            (0.0, "0.0s"),
            (1.26, "1.2s"),
            (90.5, "90.5s"),
            (723.4, "12m 3s"),
            (900.2, "15m"),
            (21_900.0, "6h 5m"),
            (21_600.0, "6h"),
            (22_000.0, "6h 6m"),
        ] {
            assert_eq!(readable_duration(seconds), text, "{seconds}");
        }
    }
}
