//! Where runs stand: one line of JSON each, a table of all, and one run in detail with what to
//! type next.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::batches::{BatchLine, batches_table};
use super::fitted::{Concession, Fitted, Heading, Row, day_and_minute};
use super::shape;
use super::short_id::short_ids;
use super::table::{Align, Table, plain};
use crate::model::duration::format_duration;
use crate::model::{ErrorClass, HaltReason, JobCounts, Run, RunState, plural, thousands};
use crate::store::Waiting;

/// Where a run stands, as it is shown. Unlike the stored state it knows whether a dispatcher lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShownState {
    /// Stored, with jobs left to do, and nobody at work on it.
    Ready,
    /// A dispatcher is at work on it.
    Running,
    /// It was stopped before its end, or its dispatcher went away: a crash, a kill, a power cut.
    Interrupted,
    /// Stopped because no job could succeed.
    Halted,
    /// Every job has ended.
    Ended,
}

impl ShownState {
    /// What to show of a run, given whether a dispatcher is alive on the store.
    #[must_use]
    pub fn of(run: &Run, dispatcher_alive: bool) -> Self {
        // Jobs that were put back after the end leave it ready, and so do batches that nobody waits for.
        let begun = run.started_at.is_some() && run.ended_at.is_none();
        match run.state {
            // Shown by what is left to do and not by the row alone: a stopped run stays ready in
            // the store.
            RunState::Ready if begun && run.jobs.pending > 0 => Self::Interrupted,
            RunState::Loading | RunState::Ready => Self::Ready,
            RunState::Running if dispatcher_alive => Self::Running,
            RunState::Running => Self::Interrupted,
            RunState::Halted => Self::Halted,
            RunState::Ended => Self::Ended,
        }
    }

    /// The name used in JSON and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Halted => "halted",
            Self::Ended => "ended",
        }
    }

    /// The state in a sentence.
    fn in_words(self) -> &'static str {
        match self {
            Self::Ready => "jobs are left, and nobody is at work on them",
            Self::Running => "claude-run is at work on it",
            Self::Interrupted => "stopped before its end; nothing recorded is lost",
            Self::Halted => "stopped, because no job could succeed; no job failed by it",
            Self::Ended => "every job has ended",
        }
    }
}

impl fmt::Display for ShownState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A run as `status --json` shows it: one object per line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusLine {
    /// The run's id.
    pub run_id: String,
    /// The user's name for it.
    pub name: Option<String>,
    /// The input it came from, as the user wrote it (`-` for standard input).
    pub file: String,
    /// Where it stands.
    pub state: ShownState,
    /// It ran against the simulator; its answers and costs are not real.
    pub simulated: bool,
    /// When it was submitted: RFC 3339 in UTC.
    #[serde(with = "shape::time")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub created_at: Timestamp,
    /// How many jobs stand where.
    pub jobs: JobCounts,
    /// Why it stopped, if it is halted.
    pub halt: Option<StatusHalt>,
    /// Jobs that wait for their next try, if any do.
    #[serde(default)]
    pub waiting: Option<StatusWaiting>,
}

/// Jobs that wait for their next try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusWaiting {
    /// How many.
    pub jobs: u64,
    /// When the first of them is tried again: RFC 3339 in UTC.
    #[serde(with = "shape::time")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub next_try_at: Timestamp,
    /// What went wrong with that one.
    pub error_class: Option<ErrorClass>,
    /// The HTTP status, if there was one.
    pub http_status: Option<u16>,
    /// What the API or the network said.
    pub message: Option<String>,
}

/// Why a run stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusHalt {
    /// The class that stopped it.
    pub class: ErrorClass,
    /// What stopped it; not told in JSON.
    #[serde(skip)]
    pub reason: HaltReason,
    /// What the API or the network said.
    pub message: String,
    /// When it stopped: RFC 3339 in UTC.
    #[serde(with = "shape::time")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
}

impl StatusLine {
    /// The run as it is shown; `dispatcher_alive` tells a running run from an interrupted one.
    #[must_use]
    pub fn new(run: &Run, dispatcher_alive: bool) -> Self {
        let halt = run.halt.as_ref().map(|halt| StatusHalt {
            class: halt.class,
            reason: halt.reason,
            message: halt.message.clone(),
            at: halt.at,
        });
        Self {
            run_id: run.id.to_string(),
            name: run.name.clone(),
            file: run.file.clone(),
            state: ShownState::of(run, dispatcher_alive),
            simulated: run.simulated,
            created_at: run.created_at,
            jobs: run.jobs,
            // The store keeps the last halt; it says nothing once the run goes on.
            halt: halt.filter(|_| run.state == RunState::Halted),
            waiting: None,
        }
    }

    /// The same with what waits in it.
    #[must_use]
    pub fn with_waiting(mut self, waiting: Option<Waiting>) -> Self {
        self.waiting = waiting.map(|waiting| StatusWaiting {
            jobs: waiting.jobs,
            next_try_at: waiting.next_try_at,
            error_class: waiting.class,
            http_status: waiting.http_status,
            message: waiting.message,
        });
        self
    }
}

const LIST: [Heading; 10] = [
    ("RUN", Align::Left),
    ("NAME", Align::Left),
    ("STATE", Align::Left),
    ("JOBS", Align::Right),
    ("OK", Align::Right),
    ("FAILED", Align::Right),
    ("CANCELED", Align::Right),
    ("LEFT", Align::Right),
    ("SUBMITTED", Align::Left),
    ("FILE", Align::Left),
];

/// Counts that are zero for all say the least, and the file's folder says less than its name.
const LIST_CONCESSIONS: [Concession; 10] = [
    Concession::Shorten(&[8], day_and_minute),
    Concession::DropIfZero(6),
    Concession::DropIfZero(5),
    Concession::Shorten(&[9], file_name),
    Concession::DropIfZero(1),
    Concession::Clip(9, 20),
    Concession::Clip(1, 20),
    Concession::Below(9, ""),
    Concession::DropIfZero(7),
    Concession::Clip(1, 10),
];

/// All runs as a table, one row each, within this many columns where that can be. A run is shown by the
/// shortest end of its id that means it alone. Empty for no runs.
#[must_use]
pub fn status_list(lines: &[StatusLine], width: usize) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let ids: Vec<_> = lines.iter().map(|line| &*line.run_id).collect();
    let names = lines.iter().filter_map(|line| line.name.as_deref());
    let ids = short_ids(&ids, &names.collect::<Vec<_>>());
    let rows = lines.iter().zip(ids);
    let rows = rows.map(|(line, id)| Row {
        cells: list_row(line, id),
        below: Vec::new(),
    });
    Fitted::new(width, &LIST, &LIST_CONCESSIONS).draw(rows.collect())
}

fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

fn list_row(line: &StatusLine, id: String) -> Vec<String> {
    let simulated = if line.simulated { " (simulated)" } else { "" };
    let jobs = &line.jobs;
    vec![
        id,
        plain(line.name.as_deref().unwrap_or("-")).into_owned(),
        format!("{}{simulated}", line.state),
        thousands(jobs.total),
        thousands(jobs.succeeded),
        thousands(jobs.failed),
        thousands(jobs.canceled),
        thousands(jobs.open()),
        format!("{:.0}", line.created_at),
        plain(&line.file).into_owned(),
    ]
}

/// One run in detail at `now`: what it is, where its jobs and its batches stand, why it halted, and
/// what to type next, where the run is called by the short form of its id.
#[must_use]
pub fn status_detail(
    line: &StatusLine,
    batches: &[BatchLine],
    now: Timestamp,
    short_id: &str,
    width: usize,
) -> String {
    let mut text = heading(line);
    text += &job_counts(&line.jobs);
    text += &line
        .waiting
        .as_ref()
        .map_or_else(String::new, |waiting| waits(waiting, now));
    if !batches.is_empty() {
        text += "\nBatches\n";
        for row in batches_table(batches, now, width.saturating_sub(2)).lines() {
            text.extend(["  ", row, "\n"]);
        }
    }
    if let Some(halt) = &line.halt {
        text += &halt_reason(halt);
    }
    text += "\nNext\n";
    let steps: Vec<_> = next_steps(line, short_id)
        .into_iter()
        .map(|(command, what)| vec![command, what.to_owned()])
        .collect();
    text + &Table::new(&[("", Align::Left), ("", Align::Left)]).draw("  ", &steps)
}

/// `3 wait for their next try, the first in 12s (529 overloaded), at TIME`, and what was said.
fn waits(waiting: &StatusWaiting, now: Timestamp) -> String {
    let status = waiting.http_status.map(|status| status.to_string());
    let class = waiting.error_class.map(|class| class.to_string());
    let why: Vec<_> = status.into_iter().chain(class).collect();
    let why = if why.is_empty() {
        String::new()
    } else {
        format!(" ({})", why.join(" "))
    };
    let left = waiting.next_try_at.duration_since(now).as_secs().max(0);
    let left = Duration::from_secs(left.unsigned_abs());
    let wait = if waiting.jobs == 1 { "waits" } else { "wait" };
    let mut text = format!(
        "\n{} {wait} for a next try, the first in {} at {:.0}{why}\n",
        plural(waiting.jobs, "job"),
        format_duration(left),
        waiting.next_try_at,
    );
    if let Some(message) = &waiting.message {
        text.extend(["  It was told: ", &plain(message), "\n"]);
    }
    text
}

fn heading(line: &StatusLine) -> String {
    let mut rows = vec![vec!["Run".to_owned(), line.run_id.clone()]];
    if let Some(name) = &line.name {
        rows.push(vec!["Name".to_owned(), plain(name).into_owned()]);
    }
    rows.push(vec!["File".to_owned(), plain(&line.file).into_owned()]);
    rows.push(vec![
        "Submitted".to_owned(),
        format!("{:.0}", line.created_at),
    ]);
    let state = format!("{}: {}", line.state, line.state.in_words());
    rows.push(vec!["State".to_owned(), state]);
    let simulated = if line.simulated {
        "SIMULATED: these answers and costs are not real\n"
    } else {
        ""
    };
    let table = Table::new(&[("", Align::Left), ("", Align::Left)]).draw("", &rows);
    format!("{simulated}{table}")
}

/// The counts that are not zero, the total always.
pub(super) fn job_counts(jobs: &JobCounts) -> String {
    let rows: Vec<_> = [
        ("succeeded", jobs.succeeded),
        ("failed", jobs.failed),
        ("canceled", jobs.canceled),
        ("pending", jobs.pending),
        ("in flight", jobs.in_flight),
        ("in a batch", jobs.in_batch),
    ]
    .into_iter()
    .filter(|&(_, n)| n > 0)
    .map(|(what, n)| vec![what.to_owned(), thousands(n)])
    .collect();
    let table = Table::new(&[("", Align::Left), ("", Align::Right)]).draw("  ", &rows);
    format!("\n{}\n{table}", plural(jobs.total, "job"))
}

fn halt_reason(halt: &StatusHalt) -> String {
    let info = halt.class.info();
    if halt.reason.explains_itself() {
        return format!("\nHalted {:.0}: {}\n", halt.at, plain(&halt.message));
    }
    format!(
        "\nHalted {at:.0} by {class}\n  {meaning}\n  It was told: {message}\n  What to do: {remedy}\n",
        at = halt.at,
        class = halt.class,
        meaning = info.meaning,
        message = plain(&halt.message),
        remedy = halt.class.remedy_of_halt(&halt.message),
    )
}

/// What a person would type next, and what it does.
fn next_steps(line: &StatusLine, id: &str) -> Vec<(String, &'static str)> {
    let step = |verb: &str, what| (format!("claude-run {verb} {id}"), what);
    let export = (
        format!("claude-run export {id} -o results.jsonl"),
        "write the results",
    );
    let mut steps = match line.state {
        ShownState::Ready | ShownState::Interrupted => vec![step("resume", "go on")],
        ShownState::Halted => vec![step("resume", "go on, once the cause is repaired")],
        ShownState::Running => vec![step("cancel", "end what has not ended")],
        ShownState::Ended => vec![export, step("report", "what it cost, and what went wrong")],
    };
    if line.jobs.failed > 0 {
        steps.push(step("attempts", "see every try and why it failed"));
        if line.state == ShownState::Ended {
            steps.push(step("retry", "put the failed jobs back in the queue"));
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::{ShownState, StatusLine, status_detail, status_list};
    use crate::model::{ErrorClass, Halt, JobState, Run, RunState};
    use crate::report::testing::run;
    use jiff::Timestamp;

    fn halted() -> StatusLine {
        let mut run = run();
        run.state = RunState::Halted;
        run.jobs.add(JobState::Queued, 1_200);
        run.halt = Some(Halt::new(
            ErrorClass::Billing,
            "Your credit balance is\ntoo low",
            "2026-03-01T12:05:00Z".parse().unwrap(),
        ));
        StatusLine::new(&run, false)
    }

    #[test]
    fn the_state_shown_knows_whether_a_dispatcher_lives() {
        for (state, alive, shown) in [
            (RunState::Ready, false, "ready"),
            (RunState::Ready, true, "ready"),
            (RunState::Running, true, "running"),
            (RunState::Running, false, "interrupted"),
            (RunState::Halted, true, "halted"),
            (RunState::Ended, false, "ended"),
        ] {
            let run = Run {
                state,
                started_at: None,
                ..run()
            };
            assert_eq!(ShownState::of(&run, alive).as_str(), shown);
        }
    }

    #[test]
    fn a_run_that_was_stopped_before_its_end_is_interrupted() {
        let (began, ended) = (Some(run().created_at), None);
        let mut stopped = Run {
            state: RunState::Ready,
            started_at: began,
            ended_at: ended,
            ..run()
        };
        stopped.jobs.pending = 3;
        assert_eq!(ShownState::of(&stopped, false), ShownState::Interrupted);
        // Put back after its end, waiting in batches, or never begun.
        let back = Run {
            ended_at: began,
            ..stopped.clone()
        };
        let mut in_batches = stopped.clone();
        in_batches.jobs.pending = 0;
        let new = Run {
            started_at: None,
            ..stopped
        };
        for run in [back, in_batches, new] {
            assert_eq!(ShownState::of(&run, false), ShownState::Ready, "{run:?}");
        }
    }

    #[test]
    fn the_json_has_the_keys_of_the_contract() {
        let json = serde_json::to_string(&halted()).unwrap();
        insta::assert_snapshot!(json, @r#"{"run_id":"01957a1c-6f00-7000-8000-000000000001","name":null,"file":"in.jsonl","state":"halted","simulated":false,"created_at":"2026-03-01T12:00:00.250Z","jobs":{"total":1202,"succeeded":2,"failed":0,"canceled":0,"pending":1200,"in_flight":0,"in_batch":0},"halt":{"class":"billing","message":"Your credit balance is\ntoo low","at":"2026-03-01T12:05:00.000Z"},"waiting":null}"#);
        assert_eq!(serde_json::from_str::<StatusLine>(&json).unwrap(), halted());
    }

    #[test]
    fn a_reason_to_halt_is_shown_only_while_it_holds() {
        let mut run = run();
        run.halt = Some(Halt::new(ErrorClass::Billing, "", run.created_at));
        run.state = RunState::Running;
        assert_eq!(StatusLine::new(&run, true).halt, None);
    }

    #[test]
    fn the_list_is_one_aligned_row_per_run() {
        let mut named = run();
        named.name = Some("nächtlich".to_owned());
        named.simulated = true;
        named.jobs.add(JobState::Failed, 3);
        named.state = RunState::Ended;
        let mut other = halted();
        other.run_id = "01957a1c-6f00-7000-8000-00000000000a".to_owned();
        let lines = [StatusLine::new(&named, false), other];
        insta::assert_snapshot!(status_list(&lines, 120), @r"
        RUN     NAME       STATE               JOBS  OK  FAILED  CANCELED   LEFT  SUBMITTED             FILE
        000001  nächtlich  ended (simulated)      5   2       3         0      0  2026-03-01T12:00:00Z  in.jsonl
        00000a  -          halted             1,202   2       0         0  1,200  2026-03-01T12:00:00Z  in.jsonl
        ");
        insta::assert_snapshot!(status_list(&lines, 80), @r"
        RUN     NAME       STATE               JOBS  OK  FAILED   LEFT  SUBMITTED
        000001  nächtlich  ended (simulated)      5   2       3      0  03-01 12:00
            in.jsonl
        00000a  -          halted             1,202   2       0  1,200  03-01 12:00
            in.jsonl
        ");
        assert_eq!(status_list(&[], 80), "");
    }

    #[test]
    fn a_halted_run_says_why_and_what_to_do() {
        insta::assert_snapshot!(status_detail(&halted(), &[], Timestamp::UNIX_EPOCH, "000001", 80), @r"
        Run        01957a1c-6f00-7000-8000-000000000001
        File       in.jsonl
        Submitted  2026-03-01T12:00:00Z
        State      halted: stopped, because no job could succeed; no job failed by it

        1,202 jobs
          succeeded      2
          pending    1,200

        Halted 2026-03-01T12:05:00Z by billing
          The account has no credit, or its payment failed.
          It was told: Your credit balance is too low
          What to do: Buy credit or repair the payment in the Console under Billing; then `claude-run resume`.

        Next
          claude-run resume 000001  go on, once the cause is repaired
        ");
    }

    #[test]
    fn an_ended_run_with_failures_offers_a_retry() {
        let mut run = run();
        run.state = RunState::Ended;
        run.simulated = true;
        run.name = Some("demo".to_owned());
        run.jobs.add(JobState::Failed, 1);
        insta::assert_snapshot!(status_detail(&StatusLine::new(&run, false), &[], Timestamp::UNIX_EPOCH, "000001", 80), @r"
        SIMULATED: these answers and costs are not real
        Run        01957a1c-6f00-7000-8000-000000000001
        Name       demo
        File       in.jsonl
        Submitted  2026-03-01T12:00:00Z
        State      ended: every job has ended

        3 jobs
          succeeded  2
          failed     1

        Next
          claude-run export 000001 -o results.jsonl  write the results
          claude-run report 000001                   what it cost, and what went wrong
          claude-run attempts 000001                 see every try and why it failed
          claude-run retry 000001                    put the failed jobs back in the queue
        ");
    }
}
