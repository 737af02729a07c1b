//! Remote batches: one line of JSON each, and a table that says what happens next.

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fitted::{Concession, Fitted, Heading, Row, day_and_minute};
use super::shape;
use super::short_id::short_ids;
use super::table::Align;
use crate::model::{BatchState, CancelReason, RequestCounts, Run, thousands};
use crate::store::{BatchRow, RESULTS_KEPT_FOR};

/// A remote batch as `batches --json` shows it: one object per line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchLine {
    /// The run.
    pub run_id: String,
    /// Our own name for it, which every entry's `custom_id` begins with on the wire.
    pub local_id: String,
    /// The API's id; null until it is known.
    pub remote_id: Option<String>,
    /// Where it stands.
    pub state: BatchState,
    /// Requests in it.
    pub requests: u32,
    /// Of those, how many have no recorded end.
    pub open_requests: u64,
    /// Bytes of its create call.
    pub bytes: u64,
    /// What the API last said of its requests. Only ever shown.
    pub counts: RequestCounts,
    /// When it was begun: RFC 3339 in UTC, as are all times here.
    #[serde(with = "shape::time")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub created_at: Timestamp,
    /// When its create call left for the last time.
    #[serde(with = "shape::optional_time")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub sent_at: Option<Timestamp>,
    /// When the API was asked about it last.
    #[serde(with = "shape::optional_time")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub polled_at: Option<Timestamp>,
    /// When it runs out of time; what is not processed by then goes again and costs nothing.
    #[serde(with = "shape::optional_time")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub expires_at: Option<Timestamp>,
    /// When the API ended it.
    #[serde(with = "shape::optional_time")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub ended_at: Option<Timestamp>,
    /// Until when its results can be fetched.
    #[serde(with = "shape::optional_time")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub results_until: Option<Timestamp>,
    /// The earliest deadline of its jobs.
    #[serde(with = "shape::optional_time")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub deadline: Option<Timestamp>,
    /// Why we asked to cancel it, if we did.
    pub cancel_reason: Option<CancelReason>,
    /// Since when its results have come short: they are asked for again, and nothing is bought again.
    #[serde(with = "shape::optional_time")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub results_short_since: Option<Timestamp>,
    /// What happens next, for people.
    pub next: String,
}

impl BatchLine {
    /// The batch as it is shown at `now`; `dispatcher_alive`: somebody is at work on the run.
    #[must_use]
    pub fn new(run: &Run, batch: &BatchRow, dispatcher_alive: bool, now: Timestamp) -> Self {
        let results_until = batch.remote_created_at.and_then(|at| {
            let kept = jiff::SignedDuration::try_from(RESULTS_KEPT_FOR).ok()?;
            at.checked_add(kept).ok()
        });
        let of_run = run.options.deadline.filter(|_| batch.undated);
        let deadline = [batch.deadline, of_run].into_iter().flatten().min();
        Self {
            run_id: run.id.to_string(),
            local_id: batch.nonce.clone(),
            remote_id: batch.remote_id.clone(),
            state: batch.state,
            requests: batch.requests,
            open_requests: batch.open_requests,
            bytes: batch.bytes,
            counts: batch.counts,
            created_at: batch.created_at,
            sent_at: batch.sent_at,
            polled_at: batch.polled_at,
            expires_at: batch.expires_at,
            ended_at: batch.ended_at,
            results_until,
            deadline,
            cancel_reason: batch.cancel_reason,
            results_short_since: short_since(batch),
            next: next(batch, (results_until, deadline), dispatcher_alive, now),
        }
    }
}

fn next(
    batch: &BatchRow,
    (results_until, deadline): (Option<Timestamp>, Option<Timestamp>),
    dispatcher_alive: bool,
    now: Timestamp,
) -> String {
    let gone = results_until.is_some_and(|until| until <= now);
    let expired = batch.expires_at.is_some_and(|at| at <= now);
    let what = match (batch.state, batch.cancel_reason) {
        (BatchState::Filling, _) => "jobs are put into it",
        (BatchState::Ready, _) => "it is created",
        (BatchState::Sending, _) => "its create call is under way",
        (BatchState::Uncertain, _) => {
            "it may exist: the API's list is searched before it is created again"
        }
        (BatchState::Open | BatchState::Canceling, _) if overdue(batch, now) => {
            return stuck(batch, "the API does not end it");
        }
        (BatchState::Open | BatchState::Canceling, _) if deadline.is_some_and(|at| at <= now) => {
            return stuck(batch, "the deadline of its jobs has passed");
        }
        (BatchState::Open, _) if expired => "its time is over: the API ends it",
        (BatchState::Open, _) => "the API works on it",
        (BatchState::Canceling, Some(CancelReason::Deadline)) => {
            "what it has begun is fetched, the rest goes live to keep the deadline"
        }
        (BatchState::Canceling, Some(CancelReason::User)) => {
            "what it has begun is fetched, the rest ends cancelled"
        }
        (BatchState::Canceling, None) => "somebody else cancelled it: the rest ends cancelled",
        (BatchState::Ended, _) if gone => {
            "its results were kept for 29 days and are gone: `claude-run batches forget` sends its jobs again"
        }
        (BatchState::Ended, _) if batch.short.is_some() => return awaited(batch, dispatcher_alive),
        (BatchState::Ended, _) => "its results are fetched",
        (BatchState::Harvested, _) => "nothing: every result is recorded",
        (BatchState::Lost, _) => "nothing: its jobs went back to the queue",
    };
    if batch.state.is_over() || dispatcher_alive {
        what.to_owned()
    } else {
        format!("{what}, once `claude-run resume` runs")
    }
}

/// So long after its time a batch that has not ended is stuck.
const PATIENCE: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

fn overdue(batch: &BatchRow, now: Timestamp) -> bool {
    let expires_at = batch.expires_at;
    expires_at.is_some_and(|at| now.duration_since(at) >= PATIENCE)
}

fn stuck(batch: &BatchRow, why: &str) -> String {
    let id = batch.remote_id.as_deref().unwrap_or(&batch.nonce);
    format!(
        "{why}: `claude-run resume` looks at it further, `claude-run batches forget {id}` sends its jobs again"
    )
}

fn short_since(batch: &BatchRow) -> Option<Timestamp> {
    let is_ended = batch.state == BatchState::Ended;
    batch.short.filter(|_| is_ended).map(|short| short.since)
}

fn awaited(batch: &BatchRow, dispatcher_alive: bool) -> String {
    let lines = format!("{} of its results have not come", batch.open_requests);
    if dispatcher_alive {
        return format!("{lines}: they are asked for again, nothing is bought again");
    }
    let id = batch.remote_id.as_deref().unwrap_or("?");
    format!(
        "{lines}: `claude-run resume` asks again, `claude-run batches forget {id}` buys them again"
    )
}

const TABLE: [Heading; 9] = [
    ("BATCH", Align::Left),
    ("STATE", Align::Left),
    ("JOBS", Align::Right),
    ("DONE", Align::Right),
    ("OPEN", Align::Right),
    ("AGE", Align::Right),
    ("EXPIRES", Align::Left),
    ("DEADLINE", Align::Left),
    ("NEXT", Align::Left),
];

/// What happens next is a sentence, which goes below its row at once.
const CONCESSIONS: [Concession; 3] = [
    Concession::Below(8, ""),
    Concession::Shorten(&[6, 7], day_and_minute),
    Concession::DropIfZero(7),
];

/// Batches as a table, one row each, oldest first, within this many columns where that can be. A batch
/// is shown by the shortest end of its id that means it alone. Empty for no batches.
#[must_use]
pub fn batches_table(lines: &[BatchLine], now: Timestamp, width: usize) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let id = |line: &BatchLine| line.remote_id.clone().unwrap_or(line.local_id.clone());
    let ids: Vec<_> = lines.iter().map(id).collect();
    let ids = short_ids(&ids.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    let rows = lines.iter().zip(ids);
    let rows = rows.map(|(line, id)| Row {
        cells: row(line, id, now),
        below: Vec::new(),
    });
    Fitted::new(width, &TABLE, &CONCESSIONS).draw(rows.collect())
}

fn row(line: &BatchLine, id: String, now: Timestamp) -> Vec<String> {
    let time = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| format!("{at:.0}"));
    let done = line.counts.total() - line.counts.processing;
    vec![
        id,
        line.state.to_string(),
        thousands(line.requests.into()),
        thousands(done),
        thousands(line.open_requests),
        age(now.duration_since(line.sent_at.unwrap_or(line.created_at))),
        time(line.expires_at),
        time(line.deadline),
        line.next.clone(),
    ]
}

/// An age in its two largest units: a batch lives for minutes, hours or weeks.
fn age(age: jiff::SignedDuration) -> String {
    let age = Duration::try_from(age).unwrap_or_default();
    let (minutes, seconds) = (age.as_secs() / 60, age.as_secs() % 60);
    let (hours, days) = (minutes / 60, minutes / (24 * 60));
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {seconds}s"),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::{BatchLine, age, batches_table};
    use crate::model::{BatchId, BatchState, CancelReason, RequestCounts};
    use crate::report::testing::run;
    use crate::store::BatchRow;
    use jiff::Timestamp;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn batch(state: BatchState) -> BatchRow {
        BatchRow {
            id: BatchId(1),
            run: run().id,
            nonce: "k3x9z0".to_owned(),
            state,
            remote_id: Some("msgbatch_01".to_owned()),
            requests: 1_200,
            bytes: 90_000,
            open_requests: 1_200,
            created_at: at("2026-03-01T12:00:00Z"),
            sent_at: Some(at("2026-03-01T12:00:10Z")),
            remote_created_at: Some(at("2026-03-01T12:00:11Z")),
            expires_at: Some(at("2026-03-02T12:00:11Z")),
            ended_at: None,
            counts: RequestCounts {
                processing: 700,
                succeeded: 490,
                errored: 10,
                ..RequestCounts::default()
            },
            polled_at: Some(at("2026-03-01T12:40:00Z")),
            cancel_reason: None,
            deadline: None,
            undated: false,
            short: None,
        }
    }

    fn line(batch: &BatchRow, alive: bool, now: &str) -> BatchLine {
        BatchLine::new(&run(), batch, alive, at(now))
    }

    #[test]
    fn each_state_says_what_happens_next_and_who_does_it() {
        use BatchState::{Canceling, Ended, Harvested, Open, Uncertain};
        let (soon, later) = ("2026-03-01T13:00:00Z", "2026-04-01T00:00:00Z");
        let (user, deadline) = (Some(CancelReason::User), Some(CancelReason::Deadline));
        for (state, reason, alive, now, expected) in [
            (Open, None, true, soon, "the API works on it"),
            (
                Open,
                None,
                false,
                soon,
                "the API works on it, once `claude-run resume` runs",
            ),
            (
                Open,
                None,
                true,
                later,
                "does not end it: `claude-run resume` looks",
            ),
            (
                Canceling,
                user,
                true,
                later,
                "batches forget msgbatch_01` sends",
            ),
            (Canceling, user, true, soon, "the rest ends cancelled"),
            (Canceling, deadline, true, soon, "the rest goes live"),
            (Canceling, None, true, soon, "somebody else"),
            (Uncertain, None, true, soon, "it may exist"),
            (Ended, None, true, soon, "its results are fetched"),
            (Ended, None, true, later, "29 days"),
            (
                Harvested,
                None,
                false,
                later,
                "nothing: every result is recorded",
            ),
        ] {
            let mut batch = batch(state);
            batch.cancel_reason = reason;
            let next = line(&batch, alive, now).next;
            assert!(next.contains(expected), "{state} {reason:?}: {next}");
        }
    }

    #[test]
    fn the_deadline_is_the_earliest_of_the_lines_and_of_the_run() {
        let (early, late) = (at("2026-03-01T20:00:00Z"), at("2026-03-02T20:00:00Z"));
        for (of_lines, undated, of_run, expected) in [
            (None, true, None, None),
            (None, true, Some(late), Some(late)),
            (Some(early), true, Some(late), Some(early)),
            (Some(late), true, Some(early), Some(early)),
            (Some(late), false, Some(early), Some(late)),
        ] {
            let (mut run, mut batch) = (run(), batch(BatchState::Open));
            (run.options.deadline, batch.deadline, batch.undated) = (of_run, of_lines, undated);
            let line = BatchLine::new(&run, &batch, true, early);
            assert_eq!(line.deadline, expected);
        }
    }

    #[test]
    fn the_table_has_a_row_for_each_batch() {
        let now = at("2026-03-01T13:10:10Z");
        let mut new = batch(BatchState::Uncertain);
        (new.remote_id, new.expires_at) = (None, None);
        (new.deadline, new.counts) = (Some(now), RequestCounts::default());
        let lines =
            [&batch(BatchState::Open), &new].map(|batch| line(batch, true, "2026-03-01T13:00:00Z"));
        insta::assert_snapshot!(batches_table(&lines, now, 160), @r"
        BATCH   STATE       JOBS  DONE   OPEN     AGE  EXPIRES               DEADLINE              NEXT
        tch_01  open       1,200   500  1,200  1h 10m  2026-03-02T12:00:11Z  -                     the API works on it
        k3x9z0  uncertain  1,200     0  1,200  1h 10m  -                     2026-03-01T13:10:10Z  it may exist: the API's list is searched before it is created again
        ");
        insta::assert_snapshot!(batches_table(&lines, now, 80), @r"
        BATCH   STATE       JOBS  DONE   OPEN     AGE  EXPIRES      DEADLINE
        tch_01  open       1,200   500  1,200  1h 10m  03-02 12:00  -
            the API works on it
        k3x9z0  uncertain  1,200     0  1,200  1h 10m  -            03-01 13:10
            it may exist: the API's list is searched before it is created again
        ");
        assert_eq!(batches_table(&[], now, 80), "");
    }

    #[test]
    fn an_age_has_two_units_at_most() {
        for (seconds, expected) in [
            (-5, "0s"),
            (59, "59s"),
            (61, "1m 1s"),
            (3_600, "1h 0m"),
            (90_000, "1d 1h"),
            (28 * 86_400 + 7_199, "28d 1h"),
        ] {
            assert_eq!(age(jiff::SignedDuration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn the_json_is_read_back() {
        let line = line(&batch(BatchState::Open), true, "2026-03-01T13:00:00Z");
        let json = serde_json::to_string(&line).unwrap();
        assert_eq!(serde_json::from_str::<BatchLine>(&json).unwrap(), line);
        assert!(
            json.contains(r#""results_until":"2026-03-30T12:00:11.000Z""#),
            "{json}"
        );
    }
}
