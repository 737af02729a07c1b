//! Cancelling at the API: why is written down first, since the results mean different things by it.

use super::Life;
use crate::model::{BatchState, CancelReason, EventKind};
use crate::provider::BatchApi;
use crate::store::{BatchStore, Result};

impl<S: BatchStore, B: BatchApi> Life<S, B> {
    pub(super) async fn cancel(&mut self, reason: CancelReason) -> Result<()> {
        let io = &self.shared.io;
        io.store.cancel_batch(self.id(), reason).await?;
        let told = io.api.cancel(&self.remote_id()).await;
        let now = self.now();
        match told {
            Ok(remote) => {
                io.store.note_remote(self.id(), remote.clone(), now).await?;
                self.shared.answered();
                self.batch.row.cancel_reason = Some(reason);
                self.batch.noted(&remote, now);
                self.batch.cancel_taken = true;
                self.poll_anew();
                self.tell(EventKind::BatchCanceling {
                    batch: self.id().0,
                    remote_id: remote.id,
                    reason,
                })
                .await;
            }
            Err(failure) => {
                self.call_failed(&failure).await;
                self.batch.row.cancel_reason = Some(reason);
                self.batch.row.state = BatchState::Canceling;
                self.batch.cancel_due = self.batch.due;
                // Perhaps it has ended meanwhile; a poll shows it.
                self.batch.due = now;
            }
        }
        Ok(())
    }
}
