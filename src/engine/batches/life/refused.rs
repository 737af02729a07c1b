//! A create call that was refused: what the batch becomes by it, and what it means for the others.

use super::Life;
use crate::engine::batches::harvester::Harvester;
use crate::engine::batches::refusal::{EntryName, Refusal, refusal};
use crate::model::{AttemptId, BatchState, ErrorClass, EventKind, Halt, Lane};
use crate::provider::{BatchApi, Failure};
use crate::store::{BatchStore, Result};

impl<S: BatchStore, B: BatchApi> Life<S, B> {
    pub(super) async fn refused(&mut self, failure: Box<Failure>) -> Result<()> {
        self.shared.failed(&failure).await;
        self.batch.moved(BatchState::Ready);
        let requests = self.batch.row.requests;
        match refusal(&failure) {
            Refusal::Uncertain => {
                self.batch.moved(BatchState::Uncertain);
                self.doubt().await;
            }
            Refusal::Wait => match self.hopeless_limit(&failure) {
                Some(halt) => self.shared.halt(halt).await,
                None => self.wait_to_create(&failure).await,
            },
            Refusal::TooLarge if requests > 1 => {
                self.batch.disband(Lane::Batch, false);
                self.shared.update(|it, _| it.intake.halve(requests));
            }
            Refusal::TooLarge => self.fail_only_entry(failure).await?,
            Refusal::Entry(entry) => self.fail_entry(entry, failure).await?,
            Refusal::Unnamed => self.narrow(failure).await?,
            Refusal::NoBatches => self.refused_as_absent(&failure).await,
            Refusal::Halt => self.alarm(failure).await?,
        }
        Ok(())
    }

    /// The reason to halt for a limit at which no batch has been created for too long.
    fn hopeless_limit(&self, failure: &Failure) -> Option<Halt> {
        let class = failure.class;
        let waited = self.shared.update(|it, now| {
            // As long as batches of ours are processed, they may be what fills it.
            let may_be_ours = it.gate.waits_when_halted() || it.has_remote_batches();
            it.pace.hopeless_for(class, may_be_ours, &it.view, now)
        })?;
        let said = failure.evidence.message.as_deref();
        let said = said.unwrap_or(class.info().meaning);
        let message = format!(
            "no batch could be created for {:.0} s, because of a limit: {said}. `claude-run resume {} --lane live` sends the jobs live, at the full price",
            waited.as_secs_f64(),
            self.io().run
        );
        Some(Halt::new(class, message, self.now()))
    }

    /// There is no room for it, or no way to the API.
    async fn wait_to_create(&self, failure: &Failure) {
        let hint = failure.evidence.retry_after;
        let until = self
            .shared
            .update(|it, now| it.pace.refused(&it.view, hint, now));
        self.tell_waiting(failure, until).await;
    }

    /// It was refused for what no batch can get past. What may be about the way of this one alone is
    /// narrowed down to the entry at fault.
    async fn alarm(&mut self, failure: Box<Failure>) -> Result<()> {
        let is_calm = self.shared.read(|it| it.create_alarms.is_calm());
        if is_calm && failure.class == ErrorClass::WrongEndpoint {
            return self.narrow(failure).await;
        }
        if self.shared.update(|it, _| it.create_alarms.raised()) {
            self.halt_for(&failure).await;
        } else {
            let until = self.shared.update(|it, now| it.pace.doubted(&it.view, now));
            self.tell_waiting(&failure, until).await;
        }
        Ok(())
    }

    /// It was refused, and nothing says for which of its entries: the next ones are smaller, until one
    /// is cornered (`narrowing`).
    async fn narrow(&mut self, failure: Box<Failure>) -> Result<()> {
        let (batch, requests) = (self.id(), self.batch.row.requests);
        if requests > 1 {
            self.shared
                .update(|it, _| it.intake.narrowing.refused(requests));
            self.batch.disband(Lane::Batch, false);
            self.tell_waiting(&failure, self.now()).await;
            return Ok(());
        }
        let is_at_fault = self.shared.update(|it, _| {
            let is_proven = it.intake.narrowing.is_proven();
            if is_proven {
                it.intake.narrowing.found();
            } else {
                it.intake.narrowing.refused(1);
                it.suspects.put_aside(batch, failure.clone());
            }
            is_proven
        });
        if is_at_fault {
            self.fail_only_entry(failure).await?;
        }
        Ok(())
    }

    /// It was refused as if there were no Message Batches.
    async fn refused_as_absent(&self, failure: &Failure) {
        let class = failure.class;
        if self
            .shared
            .update(|it, _| it.absence.is_refused_for_good(class))
        {
            self.go_without_batches(failure).await;
        } else {
            self.wait_to_create(failure).await;
        }
    }

    /// There are no Message Batches here: what may go live does, from the next turn of each on.
    pub(super) async fn go_without_batches(&self, failure: &Failure) {
        let said = said(failure);
        // Told first: by what is learned, the queue may say that the run halts for what is left.
        self.tell(EventKind::NoBatches {
            error_class: failure.class,
            message: said.clone(),
        })
        .await;
        self.shared.update(|it, now| {
            it.view.ways.no_batches = true;
            it.absence.learned(Halt::new(failure.class, said, now));
        });
    }

    /// Fails the job of its only entry, for which the API refused it.
    pub(super) async fn fail_only_entry(&mut self, failure: Box<Failure>) -> Result<()> {
        self.fail_entry(EntryName::Place(0), failure).await
    }

    /// Fails the job of the entry that the API refused it for; the others go into another batch.
    async fn fail_entry(&mut self, entry: EntryName, failure: Box<Failure>) -> Result<()> {
        let attempt = match entry {
            EntryName::Attempt(attempt) => Some(attempt),
            EntryName::Place(place) => self.attempt_at(place).await?,
        };
        let is_found = match attempt {
            Some(attempt) => {
                let context = self.context();
                let mut harvester = Harvester::new(self.io(), &self.batch.row, None, context);
                harvester.refuse(attempt, &failure).await?
            }
            None => false,
        };
        if is_found {
            self.batch.disband(Lane::Batch, false);
        } else {
            self.halt_for(&failure).await;
        }
        Ok(())
    }

    /// The entry at that place of the create call.
    async fn attempt_at(&self, place: usize) -> Result<Option<AttemptId>> {
        let (mut passed, mut after) = (0, None);
        loop {
            let page = self.io().store.batch_entries(self.id(), after).await?;
            if let Some(entry) = page.get(place - passed) {
                return Ok(Some(entry.attempt));
            }
            let Some(last) = page.last() else {
                return Ok(None);
            };
            passed += page.len();
            after = Some(last.attempt);
        }
    }
}

/// What the endpoint answered.
fn said(failure: &Failure) -> String {
    let status = failure.evidence.http_status.unwrap_or_default();
    match failure.evidence.message.as_deref().map(str::trim) {
        None | Some("") => format!("it answered {status}"),
        Some(message) => format!("it answered {status}: {message}"),
    }
}
