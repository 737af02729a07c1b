//! What stands around the lanes of a run: how it is taken up, and how they leave it together. Pure
//! but for the wait for news.

use super::batches::{BatchLane, Mode, News};
use super::scheduler::Leave;
use super::stop::Stop;
use crate::model::Run;
use crate::store::Replayed;

/// The run as it stands once the spool is recorded.
pub(super) fn caught_up(run: &Run, replayed: &Replayed) -> Run {
    let (mut run, brought) = (run.clone(), &replayed.jobs);
    let jobs = &mut run.jobs;
    jobs.in_flight = jobs.in_flight.saturating_sub(brought.total);
    jobs.pending += brought.pending;
    jobs.succeeded += brought.succeeded;
    jobs.failed += brought.failed;
    run.cost = [run.cost, replayed.cost].into_iter().sum();
    run
}

/// What the batch lane is told when the run is being left so. A second wish to stop outweighs the
/// wish to cancel: what the API still works on is then left to the next start.
pub(super) fn urgency(leaving: Option<&Leave>, grace_is_over: bool, stop: Stop) -> Mode {
    match leaving {
        _ if grace_is_over => Mode::Abandon,
        None => Mode::Run,
        Some(Leave::Canceled) if stop == Stop::No => Mode::Cancel,
        Some(Leave::Broken) => Mode::Abandon,
        Some(_) => Mode::Leave,
    }
}

/// Whether the batch lane is done with what it must do before the run is left so.
pub(super) fn lets_go(lane: &BatchLane, leave: &Leave, stop: Stop) -> bool {
    match leave {
        Leave::Completed | Leave::Broken => true,
        Leave::Canceled if stop == Stop::No => lane.has_left() || !lane.is_busy(),
        Leave::Canceled | Leave::Halted(_) | Leave::Stopped => lane.has_left(),
    }
}

/// What the batch lane tells next; for ever nothing, if there is none.
pub(super) async fn news_of(lane: &mut Option<BatchLane>) -> News {
    match lane {
        Some(lane) => lane.news().await,
        None => std::future::pending().await,
    }
}
