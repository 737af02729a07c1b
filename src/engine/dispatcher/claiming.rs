//! Claiming jobs: what the store gives out is made ready for the wire.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use super::recording::lost_call;
use super::{Called, Dispatcher};
use crate::policy::{Keep, Marker, Prompt};
use crate::provider::Provider;
use crate::store::{Claim, Claimed, Store, StoreError};

impl<S: Store, P: Provider> Dispatcher<'_, S, P> {
    /// Claims jobs, marks in them what is to be cached, and counts them.
    pub(super) fn claim(&mut self, claim: Claim) {
        let marker = self.marker.clone();
        let has_budget = self.settings.limits.budget.is_some();
        self.call(move |store| async move {
            let model = claim.model.clone();
            // Caught, because a claim that never came back would be waited for for ever.
            let claiming = AssertUnwindSafe(claimed(&*store, claim, &marker, has_budget));
            let (result, prompts) = claiming
                .catch_unwind()
                .await
                .unwrap_or_else(|_| (Err(lost_call()), Vec::new()));
            Called::Claimed {
                model,
                result,
                prompts,
            }
        });
    }
}

/// What the claim brought, and its prompts. Large bodies take a while to read, so this is done in a task
/// and not in the loop.
async fn claimed<S: Store>(
    store: &S,
    claim: Claim,
    marker: &Marker,
    has_budget: bool,
) -> (Result<Claimed, StoreError>, Vec<Prompt>) {
    let mut result = store.claim(claim).await;
    let jobs = result.iter_mut().flat_map(|claimed| &mut claimed.jobs);
    let prompts = jobs.map(|job| {
        if !marker.is_idle() {
            job.body = marker.marked(&job.body, Keep::FiveMinutes);
        }
        if has_budget {
            Prompt::read_with_bounds(&job.body)
        } else {
            Prompt::read(&job.body)
        }
    });
    let prompts = prompts.collect();
    (result, prompts)
}
