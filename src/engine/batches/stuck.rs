//! Batches that do not end when they should: what is told of them. Pure.
//!
//! Nothing is done about them by itself: the API may yet end one, and its jobs would be bought twice.
//! So they are polled further, and a person is told of the way out.

use std::time::Duration;

use jiff::Timestamp;

use super::batch::LocalBatch;
use super::view::View;
use crate::clock::add;
use crate::model::{BatchState, EventKind, StuckBatch};

/// So long after the time at which it should have ended a batch is stuck: the API's clock may be off
/// by minutes, and its own sweep of what has expired takes some.
const PATIENCE: Duration = Duration::from_hours(1);

/// What is overdue about a batch that the API works on.
fn overdue(batch: &LocalBatch, view: &View, now: Timestamp) -> Vec<StuckBatch> {
    let row = &batch.row;
    if !matches!(row.state, BatchState::Open | BatchState::Canceling) {
        return Vec::new();
    }
    let patience = PATIENCE.mul_f64(view.scale.min(1.0));
    let is_over = |since: Option<Timestamp>| since.is_some_and(|at| add(at, patience) <= now);
    let begun = row.sent_at.unwrap_or(row.created_at);
    let missed = deadline(batch, view).is_some_and(|at| begun < at && at <= now);
    let all = [
        (StuckBatch::Expired, is_over(row.expires_at)),
        (StuckBatch::Canceling, is_over(batch.canceling_since)),
        (StuckBatch::DeadlineMissed, missed),
    ];
    let all = all.into_iter().filter(|(_, is_so)| *is_so);
    all.map(|(why, _)| why).collect()
}

/// The earliest deadline of its jobs.
fn deadline(batch: &LocalBatch, view: &View) -> Option<Timestamp> {
    let of_run = view.ways.deadline.filter(|_| batch.row.undated);
    batch.row.deadline.into_iter().chain(of_run).min()
}

/// What is to be told of a batch after a poll: what is overdue, each thing once.
pub(super) fn news_of(batch: &mut LocalBatch, view: &View, now: Timestamp) -> Vec<EventKind> {
    if batch.row.state == BatchState::Canceling {
        batch.canceling_since.get_or_insert(now);
    }
    let mut news = overdue(batch, view, now);
    news.retain(|why| !batch.told_stuck.contains(why));
    batch.told_stuck.extend(&news);
    let news = news.into_iter().map(|why| EventKind::BatchStuck {
        batch: batch.row.id.0,
        remote_id: batch.row.remote_id.clone(),
        why,
        message: words(batch, why, view),
    });
    news.collect()
}

fn words(batch: &LocalBatch, why: StuckBatch, view: &View) -> String {
    let row = &batch.row;
    let id = row.remote_id.as_deref().unwrap_or(&row.nonce);
    let at = |time: Option<Timestamp>| time.map_or(String::new(), |time| format!(" {time:.0}"));
    let what = match why {
        StuckBatch::Expired => format!("should have ended at{}", at(row.expires_at)),
        StuckBatch::Canceling => {
            format!("has been cancelled since{}", at(batch.canceling_since))
        }
        StuckBatch::DeadlineMissed => {
            format!("holds jobs whose deadline was{}", at(deadline(batch, view)))
        }
    };
    format!(
        "batch {id} {what}, and the API has not ended it; it is looked at further. To send its jobs again, stop this process and say `claude-run batches forget {id}`: what the API has answered of it may then be billed twice"
    )
}
