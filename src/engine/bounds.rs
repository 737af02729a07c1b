//! What attempts may have cost that nobody saw the end of: those that a crash left open, and those
//! that were in a batch which was given up. Their bounds are written down when their run is taken up
//! next, by the requests as they were sent, so that a budget goes on holding them and a report can
//! tell them.

use super::terms::Terms;
use crate::model::{AttemptId, Lane, Pico, RunId};
use crate::store::{Result, Store, Unbounded};

/// Writes down how much each attempt of the run may have cost at most that may have been billed and
/// of which that is not known. Called before [`Store::start_run`], it finds what a crash left open
/// with all that the job asked differently. `given` are the prefixes that are marked for the cache,
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
    let body = body.as_ref()?;
    let most = terms.at_most(model, body, way)?;
    // Which endpoint it was for went with the process, so the dearer one counts.
    let other = terms.others.filter(|_| attempt.lane == Lane::Live);
    let other = other.and_then(|models| models.get(model));
    let other = other.and_then(|model| terms.at_most(model, body, way));
    Some((attempt.attempt, other.map_or(most, |other| most.max(other))))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Terms, Unbounded, bound};
    use crate::model::{AttemptId, JobId, Lane, Pico, RequestBody};
    use crate::policy::PriceTable;

    /// Of an attempt that a kill left open nobody knows for which endpoint it was.
    #[test]
    fn what_may_have_gone_to_the_second_endpoint_is_bounded_by_the_dearer_model() {
        let prices = PriceTable::embedded();
        let attempt = |lane| Unbounded {
            attempt: AttemptId {
                job: JobId(1),
                n: 1,
            },
            model: "claude-haiku-4-5".to_owned(),
            lane,
            started_at: "2026-11-22T12:00:00Z".parse().unwrap(),
            body: Some(RequestBody::from_json(
                r#"{"model":"claude-haiku-4-5","max_tokens":1000,"messages":[{"role":"user","content":"Hi"}]}"#,
            )),
        };
        let most = |to: Option<&str>, lane| -> Pico {
            let models =
                to.map(|to| BTreeMap::from([("claude-haiku-4-5".to_owned(), to.to_owned())]));
            let terms = Terms {
                prices: &prices,
                prefixes: &[],
                assume_searches: None,
                others: models.as_ref(),
            };
            bound(terms, &attempt(lane)).unwrap().1
        };
        let own = most(None, Lane::Live);
        assert!(most(Some("claude-opus-4-1"), Lane::Live) > own);
        assert_eq!(
            most(Some("claude-3-haiku-20240307"), Lane::Live),
            own,
            "the dearer one counts"
        );
        assert_eq!(most(Some("acme-1"), Lane::Live), own, "of no known price");
        let batch = most(None, Lane::Batch);
        assert_eq!(
            most(Some("claude-opus-4-1"), Lane::Batch),
            batch,
            "batches never go there"
        );
    }
}
