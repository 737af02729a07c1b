//! What attempts may have cost that nobody saw the end of: those that a crash left open, and those
//! that were in a batch which was given up. Their bounds are written down when their run is taken up
//! next, by the requests as they were sent, so that a budget goes on holding them and a report can
//! tell them.

use super::charge::Terms;
use crate::model::{AttemptId, Pico, RunId};
use crate::store::{Result, Store, Unbounded};

/// Writes down how much each attempt of the run may have cost at most that may have been billed and
/// of which that is not known. Called before [`Store::start_run`], it finds what a crash left open
/// with all that the job asked differently. `given` are the beginnings that are marked for the cache,
/// and how many searches the user said to expect. What has no bound stays without one.
///
/// # Errors
///
/// Those of the store.
pub async fn keep_bounds<S: Store>(store: &S, run: RunId, terms: Terms<'_>) -> Result<()> {
    let mut after = None;
    loop {
        let page = store.without_bound(run, after).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.attempt);
        let bounds: Vec<_> = page
            .iter()
            .filter_map(|attempt| bound(terms, attempt))
            .collect();
        if !bounds.is_empty() {
            store.keep_bounds(run, bounds).await?;
        }
    }
}

fn bound(terms: Terms<'_>, attempt: &Unbounded) -> Option<(AttemptId, Pico)> {
    let Unbounded { model, body, .. } = attempt;
    let way = (attempt.lane, attempt.started_at);
    let most = terms.at_most(model, body.as_ref()?, way)?;
    Some((attempt.attempt, most))
}
