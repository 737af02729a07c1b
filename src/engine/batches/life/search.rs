//! The search for a batch whose create answer was lost, among the remote ones.

use std::collections::HashSet;

use tokio::sync::mpsc;

use super::Life;
use crate::engine::batches::batch_io::ApiResult;
use crate::engine::batches::search::Search;
use crate::model::batch::parse_item_id;
use crate::model::{BatchState, ErrorClass, EventKind, Evidence, Lane, RemoteBatch, RemoteStatus};
use crate::provider::{BatchApi, Failure};
use crate::store::{BatchStore, Result};

/// Pages of the list of batches that one search reads, of 100 batches each; a list that is longer than
/// this within some hours is none that we could choose from.
const MOST_PAGES: usize = 100;

/// Lines that are looked at before a stranger's batch is called one.
const LINES_TO_CONFIRM: usize = 1_000;

impl<S: BatchStore, B: BatchApi> Life<S, B> {
    /// Only count and time can be compared; the nonce in the results of one that has ended has the last
    /// word. What is not found for long was never created.
    pub(super) async fn search(&mut self) -> Result<()> {
        let mut search = self.batch.search(self.now());
        self.shared.read(|it| search.others.extend(it.remote_ids()));
        let found = match self.find(search).await {
            Ok(found) => found,
            Err(failure) => {
                self.search_failed(&failure).await;
                return Ok(());
            }
        };
        self.shared.answered();
        let (view, now) = (self.view(), self.now());
        // A batch that was taken up uncertain is missed from the first search on.
        self.batch.lost_at.get_or_insert(now);
        let candidates: Vec<_> = found.iter().map(|remote| remote.id.clone()).collect();
        let before = self.batch.candidates.replace(candidates.clone());
        if before.unwrap_or_default() != candidates {
            self.tell(EventKind::BatchUncertain {
                batch: self.id().0,
                requests: self.batch.row.requests,
                candidates,
            })
            .await;
        }
        let is_empty = found.is_empty();
        let mut found = found.into_iter();
        if let Some(ended) = found.find(|it| it.status == RemoteStatus::Ended) {
            return self.confirm(ended).await;
        }
        if is_empty && self.batch.was_never_heard(&view, now) {
            // Nothing was bought. It is sent again, or given up if its time is over.
            self.batch.moved(BatchState::Ready);
            self.batch.lost_at = None;
            if view.canceling || self.batch.is_late(&view, now) {
                self.batch.disband(Lane::Live, false);
            }
        } else {
            self.back_off(None);
            self.batch.not_after_patience(&view, now);
        }
        Ok(())
    }

    async fn search_failed(&mut self, failure: &Failure) {
        let has_none = self.shared.read(|it| it.absence.is_proved_by(failure));
        if !has_none {
            return self.call_failed(failure).await;
        }
        // Its jobs go again; that the create call was billed all the same is unlikely, and told.
        self.shared.failed(failure).await;
        self.batch.disband(Lane::Batch, true);
        self.go_without_batches(failure).await;
    }

    /// Sees by its results whether a remote batch is this one.
    async fn confirm(&mut self, remote: RemoteBatch) -> Result<()> {
        let is_ours = match self.carries_our_nonce(&remote.id).await {
            Ok(is_ours) => is_ours,
            Err(failure) => {
                self.call_failed(&failure).await;
                return Ok(());
            }
        };
        match is_ours {
            Some(true) => {
                let (store, now) = (&self.io().store, self.now());
                store.note_remote(self.id(), remote.clone(), now).await?;
                self.batch.noted(&remote, now);
                self.batch.again_at_once();
                self.tell(EventKind::BatchAdopted {
                    batch: self.id().0,
                    remote_id: remote.id,
                    requests: self.batch.row.requests,
                })
                .await;
            }
            Some(false) => {
                self.batch.others.insert(remote.id);
            }
            None => self.back_off(None),
        }
        Ok(())
    }

    /// Reads the list of batches back to the time at which this one can have been created.
    async fn find(&self, mut search: Search) -> ApiResult<Vec<RemoteBatch>> {
        let (mut found, mut after) = (Vec::new(), None);
        let mut known = HashSet::new();
        for _ in 0..MOST_PAGES {
            let page = self.io().api.list(after.as_deref()).await?;
            let before = known.len();
            known.extend(page.batches.iter().map(|it| it.id.clone()));
            let is_new = known.len() > before;
            if let Some(server) = page.server_time {
                search.by_the_server_s_clock(server, self.now());
            }
            let is_over = page
                .batches
                .last()
                .is_none_or(|last| search.ends_with(last));
            let fitting = page.batches.into_iter().filter(|it| search.fits(it));
            found.extend(fitting);
            after = page.next;
            if is_over || after.is_none() {
                return Ok(found);
            }
            if !is_new {
                return Err(endless("a page repeats what stood on pages before it"));
            }
        }
        Err(endless("there is no end of its pages"))
    }

    /// Whether the results of this remote batch are ours; `None` if they have no readable line.
    async fn carries_our_nonce(&self, remote_id: &str) -> ApiResult<Option<bool>> {
        let nonce = &self.batch.row.nonce;
        let (sender, mut lines) = mpsc::channel(1);
        let download = self.io().api.results(remote_id, sender);
        let look = async {
            let mut verdict = None;
            for _ in 0..LINES_TO_CONFIRM {
                let Some(line) = lines.recv().await else {
                    break;
                };
                let Some(id) = line.custom_id else { continue };
                let is_ours = parse_item_id(&id).is_some_and(|(found, _)| found == *nonce);
                verdict = Some(is_ours);
                if is_ours {
                    break;
                }
            }
            verdict
        };
        tokio::pin!(download, look);
        tokio::select! {
            biased;
            // The first line of ours is enough: the rest of the download is dropped.
            verdict = &mut look => match verdict {
                Some(verdict) => Ok(Some(verdict)),
                None => download.await.map(|_| None),
            },
            // What came before it ended, or broke off, is still to be read. Of a part of the lines only ours
            // prove anything: a stranger's may stand between them.
            told = &mut download => match (look.await, told) {
                (Some(true), _) => Ok(Some(true)),
                (_, Err(failure)) => Err(failure),
                (verdict, Ok(_)) => Ok(verdict),
            },
        }
    }
}

/// The list of batches cannot be read back to a time: nobody can tell by it what it lacks.
fn endless(why: &str) -> Box<Failure> {
    Box::new(Failure {
        class: ErrorClass::BadResponse,
        evidence: Evidence {
            http_status: Some(200),
            message: Some(format!(
                "the list of batches does not end, {why}, so a batch whose create answer was lost cannot be looked up in it; `claude-run batches adopt` says which one it is, `claude-run batches forget` gives it up"
            )),
            ..Evidence::default()
        },
        message: None,
        partial: None,
        unsent: false,
        revision: None,
    })
}
