//! Claiming jobs: what the store gives out is made ready for the wire.

use super::{Called, Dispatcher};
use crate::policy::{Keep, Prompt};
use crate::provider::Provider;
use crate::store::{Claim, Store};

impl<S: Store, P: Provider> Dispatcher<'_, S, P> {
    /// Claims jobs, marks in them what is to be cached, and counts them.
    pub(super) fn claim(&mut self, claim: Claim) {
        let marker = self.marker.clone();
        let has_budget = self.settings.limits.budget.is_some();
        self.call(move |store| async move {
            let model = claim.model.clone();
            let mut result = store.claim(claim).await;
            // Large bodies take a while to read, so the task does it and not the loop.
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
            Called::Claimed {
                model,
                prompts: prompts.collect(),
                result,
            }
        });
    }
}
