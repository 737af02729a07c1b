//! A poll of a batch that the API works on: how it stands, or that the API knows no such batch.

use super::Life;
use crate::engine::batches::batch::Sight;
use crate::engine::batches::stuck;
use crate::model::{BatchState, ErrorClass, EventKind, Halt, Lane};
use crate::provider::{BatchApi, Failure, Polled, is_missing};
use crate::store::{BatchStore, Result};

impl<S: BatchStore, B: BatchApi> Life<S, B> {
    pub(super) async fn poll(&mut self) -> Result<()> {
        let told = self.io().api.retrieve(&self.remote_id()).await;
        let polled = match told {
            Ok(polled) => polled,
            Err(failure) if is_missing(&failure) => return self.not_found(&failure).await,
            Err(failure) => {
                self.call_failed(&failure).await;
                return Ok(());
            }
        };
        let (remote, now) = (polled.batch.clone(), self.now());
        self.io().store.note_remote(self.id(), remote, now).await?;
        self.shared.answered();
        self.polled(polled).await;
        Ok(())
    }

    async fn polled(&mut self, polled: Polled) {
        let (view, now) = (self.view(), self.now());
        let remote = polled.batch;
        let is_news = self.batch.noted(&remote, now);
        let has_ended = self.batch.row.state == BatchState::Ended;
        if has_ended {
            self.batch.again_at_once();
        } else {
            let hint = polled.retry_after;
            self.batch.poll_later(&view, hint, now, &mut self.rng);
        }
        for overdue in stuck::news_of(&mut self.batch, &view, now) {
            self.tell(overdue).await;
        }
        let batch = self.id().0;
        if has_ended {
            self.tell(EventKind::BatchEnded {
                batch,
                remote_id: remote.id,
                counts: remote.counts,
            })
            .await;
        } else if is_news {
            self.tell(EventKind::BatchProgress {
                batch,
                remote_id: remote.id,
                status: remote.status,
                counts: remote.counts,
            })
            .await;
        }
    }

    /// The API says that it knows no such batch. Minutes after its creation that means nothing, and
    /// after 29 days it means that the results are gone; in between it is a batch that came to
    /// nothing, or somebody else's eyes: a key of another workspace sees none of ours.
    async fn not_found(&mut self, failure: &Failure) -> Result<()> {
        self.shared.failed(failure).await;
        let (view, now) = (self.view(), self.now());
        self.batch.not_found_since.get_or_insert(now);
        let is_simulated = self.shared.read(|it| it.simulated);
        if self.batch.is_archived(now) {
            return self.results_gone().await;
        }
        if is_simulated && self.batch.sight == Sight::None {
            self.lose("it ended with the simulator that had it").await;
        } else if self.batch.may_yet_be_found(&view, now) {
            self.back_off(failure.evidence.retry_after);
        } else if self.batch.sight == Sight::Created {
            self.lose("the API created it and never knew it afterwards")
                .await;
        } else {
            self.back_off(None);
            let message = unknown_batch(self.batch.row.remote_id.as_deref().unwrap_or("?"));
            let halt = Halt::new(ErrorClass::Permission, message, now);
            self.shared.halt(halt).await;
        }
        Ok(())
    }

    /// It came to nothing: its jobs go again.
    async fn lose(&mut self, why: &str) {
        self.batch.disband(Lane::Batch, true);
        self.tell(EventKind::BatchLost {
            batch: self.id().0,
            remote_id: self.batch.row.remote_id.clone(),
            error_class: ErrorClass::ResultMissing,
            message: format!("{why}: its jobs go again"),
        })
        .await;
    }
}

fn unknown_batch(remote_id: &str) -> String {
    format!(
        "the API knows no batch {remote_id}, which it has created: a key of another workspace sees none of ours; if it was deleted, `claude-run batches forget {remote_id}` puts its jobs back"
    )
}
