//! When a batch is due again, after a call of the API that went well or failed.

use std::time::Duration;

use jiff::Timestamp;

use super::Life;
use crate::model::{BatchState, EventKind, Treatment};
use crate::provider::{BatchApi, Failure};
use crate::store::BatchStore;

impl<S: BatchStore, B: BatchApi> Life<S, B> {
    /// A call of the API failed: the batch waits, or the run halts if it concerns all of it.
    pub(super) async fn call_failed(&mut self, failure: &Failure) {
        self.shared.failed(failure).await;
        self.back_off(failure.evidence.retry_after);
        let concerns_all = matches!(
            failure.class.treatment(),
            Treatment::Halt | Treatment::HoldModel
        );
        if concerns_all && self.shared.update(|it, _| it.alarms.raised()) {
            self.halt_for(failure).await;
        } else {
            self.tell_waiting(failure, self.batch.due).await;
        }
    }

    /// It is due later, each time in a row, and no earlier than `hint` from now.
    pub(super) fn back_off(&mut self, hint: Option<Duration>) {
        let (view, now) = (self.view(), self.now());
        self.batch.back_off(&view, hint, now, &mut self.rng);
    }

    /// It stands anew, so polls of it begin anew; its results are fetched at once.
    pub(super) fn poll_anew(&mut self) {
        if self.batch.row.state == BatchState::Ended {
            self.batch.again_at_once();
        } else {
            let (view, now) = (self.view(), self.now());
            self.batch.poll_anew(&view, now, &mut self.rng);
        }
    }

    pub(super) async fn tell_waiting(&self, failure: &Failure, next_try_at: Timestamp) {
        let message = failure.evidence.message.clone();
        self.tell(EventKind::BatchWaiting {
            batch: self.id().0,
            error_class: failure.class,
            message: message.unwrap_or_else(|| failure.class.info().meaning.to_owned()),
            next_try_at,
        })
        .await;
    }
}
