//! Results that come short: they are asked for again for hours, and nothing is bought again meanwhile.

use jiff::Timestamp;

use super::Life;
use crate::engine::batches::harvester::{HarvestEnd, Harvester};
use crate::engine::batches::short::{Lack, Missing, ResultDoubts, Seen, missing, next_download};
use crate::engine::batches::signals::News;
use crate::model::{ErrorClass, EventKind, Halt, Lane, OnHalt};
use crate::provider::{BatchApi, Failure};
use crate::store::{BatchRow, BatchStore, Result};

impl<S: BatchStore, B: BatchApi> Life<S, B> {
    /// The download was whole, and lacks lines whose answers may be paid for.
    pub(super) async fn lines_missing(&mut self, lack: Lack) {
        let words = words_of(&self.batch.row, lack);
        self.came_short(&words, lack.unreadable).await;
    }

    /// What came is not the results, or only a part of them.
    pub(super) async fn results_unusable(&mut self, failure: &Failure) {
        let words = unusable(&self.remote_id(), failure);
        self.came_short(&words, 0).await;
    }

    /// What was paid for may still come: it is asked for again, and nothing is bought again. After
    /// hours the batch is left as it is, and the run halts when nothing else is left of it.
    async fn came_short(&mut self, lack: &str, unreadable: u64) {
        let Some(short) = self.batch.row.short else {
            return;
        };
        let waits = self.io().settings.on_halt == OnHalt::Wait;
        let again = next_download(short, waits, &self.view(), self.now());
        if let Some(next_try_at) = again {
            self.batch.due = next_try_at;
            self.tell(EventKind::BatchWaiting {
                batch: self.id().0,
                error_class: ErrorClass::ResultMissing,
                message: format!(
                    "{lack}: they are downloaded again, which costs nothing, and nothing is bought again"
                ),
                next_try_at,
            })
            .await;
        } else if unreadable > 0 {
            // What stays unreadable may be paid for, and fails its job; then the rest is looked at.
            self.batch.doubts = ResultDoubts {
                over: true,
                ..self.batch.doubts
            };
            self.batch.again_at_once();
        } else {
            let message = given_up(&self.remote_id(), lack, short.since);
            self.give_up(ErrorClass::ResultMissing, message).await;
        }
    }

    /// The API has removed the results. What was not paid for goes again.
    pub(super) async fn results_gone(&mut self) -> Result<()> {
        let row = self.batch.row.clone();
        let open = row.open_requests.saturating_sub(self.batch.lines.recorded);
        let is_untouched = open == u64::from(row.requests);
        let missing = missing(&row.counts, &Seen::default(), open);
        if is_untouched && missing != Missing::Answers {
            return self.expire(&row, missing).await;
        }
        let message = gone(&self.remote_id(), open);
        self.give_up(ErrorClass::ResultsExpired, message).await;
        Ok(())
    }

    /// Its results are gone and nothing was paid for them: what is open of it ends.
    async fn expire(&mut self, row: &BatchRow, missing: Missing) -> Result<()> {
        let context = self.context();
        let mut harvester = Harvester::new(self.io(), row, row.cancel_reason, context);
        let expired = harvester.expire(missing).await?;
        if matches!(expired.end, HarvestEnd::Stopped) {
            // Some of it is still open: the next start goes on.
            return Ok(());
        }
        self.batch.disband(Lane::Live, true);
        self.tell(EventKind::BatchLost {
            batch: self.id().0,
            remote_id: self.batch.row.remote_id.clone(),
            error_class: ErrorClass::ResultsExpired,
            message: "its results were kept for 29 days and are gone; nothing was paid for them, so its jobs go again".to_owned(),
        })
        .await;
        if let Some(halt) = expired.halt {
            self.shared.halt(halt).await;
        }
        Ok(())
    }

    /// Nothing more is done about the batch in this dispatch. What is held for it stays held.
    async fn give_up(&mut self, class: ErrorClass, message: String) {
        self.batch.given_up = true;
        self.io().tell(News::Kept(self.id())).await;
        let halt = Halt::new(class, message, self.now());
        self.io().tell(News::Held(halt)).await;
    }
}

fn words_of(row: &BatchRow, lack: Lack) -> String {
    let remote_id = row.remote_id.as_deref().unwrap_or("?");
    let (open, requests) = (lack.open, row.requests);
    if lack.strange {
        return format!(
            "the results of batch {remote_id} are those of other requests than ours (it may have been adopted by mistake)"
        );
    }
    if lack.contradicted {
        return format!(
            "the results of batch {remote_id} contradict its counts, which call more of its {requests} requests succeeded ({open} of them have no answer there)"
        );
    }
    if lack.unreadable > 0 {
        let unreadable = lack.unreadable;
        return format!(
            "the results of batch {remote_id} have no line that can be read for {open} of its {requests} requests, and one that cannot for {unreadable} of those"
        );
    }
    format!(
        "the results of batch {remote_id} have no line for {open} of its {requests} requests, although its counts do not call them unpaid"
    )
}

fn unusable(remote_id: &str, failure: &Failure) -> String {
    let words = failure.evidence.message.as_deref();
    let words = words.unwrap_or(failure.class.info().meaning);
    format!("the results of batch {remote_id} cannot be had: {words}")
}

fn given_up(remote_id: &str, lack: &str, since: Timestamp) -> String {
    format!(
        "{lack}; they were asked for since {since:.0}. Nothing is bought again by itself: `claude-run resume` asks again, `claude-run batches forget {remote_id}` gives the batch up and buys what is missing anew"
    )
}

fn gone(remote_id: &str, open: u64) -> String {
    format!(
        "the results of batch {remote_id} were kept for 29 days and are gone, and with them what was paid for {open} requests. Nothing is bought again by itself: `claude-run batches forget {remote_id}` gives the batch up and sends its jobs again"
    )
}
