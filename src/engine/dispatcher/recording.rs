//! How ends of attempts get into the store, or into its spool.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use super::{Called, Dispatcher, EndedAttempt, EngineError, Group, NotRecorded};
use crate::model::{AttemptOutcome, Lane, RunId};
use crate::provider::Provider;
use crate::store::{Finish, Store, StoreError};

impl<S: Store, P: Provider> Dispatcher<'_, S, P> {
    /// Sends what has gathered into the store, once the group before it is there: what comes while
    /// one commit waits for the disk shares the next.
    pub(super) fn record(&mut self) {
        if self.finishing || self.gathered.is_empty() {
            return;
        }
        self.finishing = true;
        let (run, mut group) = (self.run.id, std::mem::take(&mut self.gathered));
        self.call(move |store| async move {
            let ends = || -> Vec<_> { group.iter().map(|ended| ended.finish.clone()).collect() };
            // Caught, because the answers in it are paid for and the spool may still take them.
            let finishing = AssertUnwindSafe(store.finish(run, ends())).catch_unwind();
            let result = match finishing.await.unwrap_or_else(|_| Err(lost_call())) {
                Ok(lesser) => {
                    replace(&mut group, lesser);
                    Ok(())
                }
                // At once: the process may not live until it leaves in order.
                Err(error) => Err(put_aside(&*store, run, ends(), error).await),
            };
            Called::Finished { group, result }
        });
    }

    pub(super) fn on_finished(&mut self, group: &Group, result: Result<(), NotRecorded>) {
        self.finishing = false;
        match result {
            Ok(()) => self.on_recorded(group),
            Err(failed) => {
                self.scheduler.on_record_failed(group.len());
                self.spooled += failed.spooled;
                self.unsaved.extend(failed.left);
                self.trouble.get_or_insert(failed.error);
            }
        }
        self.record();
    }

    fn on_recorded(&mut self, group: &Group) {
        let now = self.clock.now();
        for EndedAttempt { job, finish, .. } in group {
            self.scheduler.on_recorded(&job.model, &finish.next);
            if finish.record.outcome == AttemptOutcome::Succeeded {
                self.live_rate.succeeded(finish.record.latency);
            }
            let (attempt_ended, job_ended) = self.events.finished(now, job, finish, Lane::Live);
            self.observer.observe(&attempt_ended);
            if let Some(job_ended) = job_ended {
                self.observer.observe(&job_ended);
            }
        }
    }

    /// Tries once more to record what neither store nor spool would take, since answers cost money.
    pub(super) async fn last_words(&mut self) -> EngineError {
        let (unsaved, spooled) = (std::mem::take(&mut self.unsaved), self.spooled);
        let mut lost = unsaved.len() as u64;
        if lost > 0 && self.store.finish(self.run.id, unsaved).await.is_ok() {
            lost = 0;
        }
        let error = self.trouble.take().unwrap_or(StoreError::Closed);
        if spooled + lost == 0 {
            return EngineError::Store(error);
        }
        EngineError::Unrecorded {
            error,
            spooled,
            lost,
        }
    }
}

/// What the store could not hold counts as it was recorded instead.
fn replace(group: &mut Group, lesser: Vec<Finish>) {
    for instead in lesser {
        let attempt = instead.record.attempt;
        let refused = group.iter_mut().find(|ended| ended.job.attempt == attempt);
        if let Some(ended) = refused {
            ended.finish = instead;
        }
    }
}

/// What a call of the store panicked with was told when it happened; it may quote what is secret.
pub(super) fn lost_call() -> StoreError {
    StoreError::IllegalTransition("a call of the store was lost".to_owned())
}

async fn put_aside<S: Store>(
    store: &S,
    run: RunId,
    ends: Vec<Finish>,
    error: StoreError,
) -> NotRecorded {
    let all = ends.len();
    // Caught as well: what never came back would be waited for for ever.
    let spooling = AssertUnwindSafe(store.spool(run, ends.clone())).catch_unwind();
    let left = spooling.await.unwrap_or(ends);
    NotRecorded {
        error,
        spooled: (all - left.len()) as u64,
        left,
    }
}
