//! The create call: that it leaves is written down before it does, and what came of it right after.

use super::Life;
use crate::engine::batches::batch::Sight;
use crate::engine::batches::batch_io::ApiResult;
use crate::engine::batches::refusal::{Refusal, refusal};
use crate::engine::batches::upload::{bytes_marked, feed, take_back_quotes, upload};
use crate::model::{BatchState, EventKind, RemoteBatch};
use crate::policy::Marker;
use crate::provider::BatchApi;
use crate::store::{BatchStore, Result};

impl<S: BatchStore, B: BatchApi> Life<S, B> {
    pub(super) async fn create(&mut self) -> Result<()> {
        match self.send().await? {
            // It was taken apart meanwhile.
            None => self.batch.moved(BatchState::Lost),
            Some(Ok(remote)) => self.created(&remote).await,
            Some(Err(failure)) => self.refused(failure).await?,
        }
        Ok(())
    }

    /// Sends it; `None` if it was taken apart before. If this stops anywhere in between, the next start
    /// finds it `Sending`, and searches before it sends.
    async fn send(&mut self) -> Result<Option<ApiResult<RemoteBatch>>> {
        let (batch, plain) = (self.id(), self.batch.row.bytes);
        let now = self.now();
        let marks = self.shared.read(|it| it.warm_up.marks(batch, now));
        let marker = Marker::of(marks);
        self.batch.leaves(now);
        let io = &self.shared.io;
        let bytes = bytes_marked(&*io.store, batch, plain, &marker).await?;
        let now = io.clock.now();
        let state = io.store.move_batch(batch, BatchState::Sending, now).await?;
        if state != BatchState::Sending {
            return Ok(None);
        }
        fail::fail_point!("batch-before-create", |_| std::process::abort());
        let (upload, chunks) = upload(bytes);
        let nonce = &self.batch.row.nonce;
        let feeding = feed(&*io.store, batch, nonce, &marker, chunks);
        let (mut told, fed) = tokio::join!(io.api.create(upload), feeding);
        fail::fail_point!("batch-after-create", |_| std::process::abort());
        if let Err(failure) = &mut told {
            take_back_quotes(&*io.store, batch, failure).await?;
        }
        let now = io.clock.now();
        match &told {
            Ok(remote) => io.store.note_remote(batch, remote.clone(), now).await?,
            Err(failure) => {
                let known = match refusal(failure) {
                    Refusal::Uncertain => BatchState::Uncertain,
                    _ => BatchState::Ready,
                };
                io.store.move_batch(batch, known, now).await?;
            }
        }
        // A store that failed while it fed the call breaks the lane off, but what came of it is kept first.
        fed?;
        Ok(Some(told))
    }

    async fn created(&mut self, remote: &RemoteBatch) {
        self.shared.update(|it, _| {
            it.answered();
            it.create_alarms.calmed();
            it.pace.accepted();
            it.absence.seen();
            it.intake.accepted();
        });
        self.batch.noted(remote, self.now());
        self.batch.sight = Sight::Created;
        self.poll_anew();
        self.tell(EventKind::BatchCreated {
            batch: self.id().0,
            remote_id: remote.id.clone(),
            requests: self.batch.row.requests,
            expires_at: remote.expires_at,
        })
        .await;
    }

    /// A batch that was found with its create call under way.
    pub(super) async fn mark_uncertain(&mut self) -> Result<()> {
        self.move_to(BatchState::Uncertain).await?;
        if self.batch.row.state == BatchState::Uncertain {
            self.doubt().await;
        }
        Ok(())
    }

    /// Nobody knows whether the create call was heard.
    pub(super) async fn doubt(&mut self) {
        self.batch.lost_at = Some(self.now());
        self.batch.candidates = None;
        self.tell(EventKind::BatchUncertain {
            batch: self.id().0,
            requests: self.batch.row.requests,
            candidates: Vec::new(),
        })
        .await;
    }
}
