//! Batches that do not end when they should: what is told of them. Pure.
//!
//! Nothing is done about them by itself: the API may yet end one, and its jobs would be bought twice.
//! So they are looked at further, and a person is told of the way out.

use std::time::Duration;

use jiff::Timestamp;

use super::planner::Planner;
use super::track::Track;
use super::view::View;
use crate::clock::add;
use crate::model::{BatchId, BatchState, EventKind, StuckBatch};

/// So long after the time at which it should have ended a batch is stuck: the API's clock may be off
/// by minutes, and its own sweep of what has expired takes some.
const PATIENCE: Duration = Duration::from_hours(1);

/// What is overdue about a batch that the API works on.
fn overdue(track: &Track, view: &View, now: Timestamp) -> Vec<StuckBatch> {
    let row = &track.row;
    if !matches!(row.state, BatchState::Open | BatchState::Canceling) {
        return Vec::new();
    }
    let patience = PATIENCE.mul_f64(view.scale.min(1.0));
    let is_over = |since: Option<Timestamp>| since.is_some_and(|at| add(at, patience) <= now);
    let begun = row.sent_at.unwrap_or(row.created_at);
    let missed = deadline(track, view).is_some_and(|at| begun < at && at <= now);
    let all = [
        (StuckBatch::Expired, is_over(row.expires_at)),
        (StuckBatch::Canceling, is_over(track.canceling_since)),
        (StuckBatch::DeadlineMissed, missed),
    ];
    let all = all.into_iter().filter(|(_, is_so)| *is_so);
    all.map(|(why, _)| why).collect()
}

/// The earliest deadline of its jobs.
fn deadline(track: &Track, view: &View) -> Option<Timestamp> {
    let of_run = view.ways.deadline.filter(|_| track.row.undated);
    track.row.deadline.into_iter().chain(of_run).min()
}

impl Planner {
    /// After a look: what is overdue is told, each thing once.
    pub(super) fn tell_stuck(&mut self, batch: BatchId, now: Timestamp) {
        let view = self.view;
        let Some(track) = self.tracks.get_mut(&batch) else {
            return;
        };
        if track.row.state == BatchState::Canceling {
            track.canceling_since.get_or_insert(now);
        }
        let mut news = overdue(track, &view, now);
        news.retain(|why| !track.told_stuck.contains(why));
        track.told_stuck.extend(&news);
        let told: Vec<_> = news
            .into_iter()
            .map(|why| EventKind::BatchStuck {
                batch: batch.0,
                remote_id: track.row.remote_id.clone(),
                why,
                message: words(track, why, &view),
            })
            .collect();
        for kind in told {
            self.tell(kind);
        }
    }
}

fn words(track: &Track, why: StuckBatch, view: &View) -> String {
    let row = &track.row;
    let id = row.remote_id.as_deref().unwrap_or(&row.nonce);
    let at = |time: Option<Timestamp>| time.map_or(String::new(), |time| format!(" {time:.0}"));
    let what = match why {
        StuckBatch::Expired => format!("should have ended at{}", at(row.expires_at)),
        StuckBatch::Canceling => {
            format!("has been cancelled since{}", at(track.canceling_since))
        }
        StuckBatch::DeadlineMissed => {
            format!("holds jobs whose deadline was{}", at(deadline(track, view)))
        }
    };
    format!(
        "batch {id} {what}, and the API has not ended it; it is looked at further. To send its jobs again, stop this process and say `claude-run batches forget {id}`: what the API has answered of it may then be billed twice"
    )
}
