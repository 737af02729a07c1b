//! What must hold of a run, whatever happened to it.

use std::collections::{HashMap, HashSet};

use claude_run::model::batch::parse_item_id;
use claude_run::model::{AttemptOutcome, ErrorClass, JobState, Lane, Pico};
use claude_run::store::{AttemptRow, ResultRow};

use super::World;

impl World {
    /// What must hold of every finished run: each job ended once, attempts and requests explain each
    /// other, an attempt follows its predecessor's schedule, a success is followed by another
    /// attempt only when it was put aside (truncated) or is gone on with (paused), batches are over,
    /// nothing was bought twice, and the store contradicts itself nowhere.
    pub async fn check(&self) {
        let seed = self.plan.seed;
        let (ledger, results) = (self.ledger().await, self.results().await);
        let jobs = self.plan.lines.len();
        assert_eq!(
            results.len(),
            jobs,
            "seed {seed}: a job is missing or doubled"
        );
        let run = self.run().await;
        assert_eq!(run.jobs.open(), 0, "seed {seed}");
        let spent: Pico = ledger.iter().map(|row| row.cost.total).sum();
        assert_eq!(run.cost, spent, "seed {seed}");
        self.check_batches(&ledger).await;
        let mut attempts: HashMap<&str, Vec<&AttemptRow>> = HashMap::new();
        for row in &ledger {
            assert!(row.outcome.is_some(), "seed {seed}: {row:?}");
            attempts.entry(&row.custom_id).or_default().push(row);
        }
        for result in &results {
            let of_job = attempts.remove(result.custom_id.as_str());
            self.check_job(result, &of_job.unwrap_or_default());
        }
        self.verify();
    }

    /// The store's own invariants.
    pub fn verify(&self) {
        let verified = self.reader.verify(&[self.run]).unwrap();
        assert!(verified.holds(), "seed {}: {verified:#?}", self.plan.seed);
    }

    /// A create call whose answer was lost is looked for by our clock, within minutes.
    pub fn may_have_bought_twice(&self) -> bool {
        self.clock_was_set.get()
    }

    async fn check_batches(&self, ledger: &[AttemptRow]) {
        let seed = self.plan.seed;
        for batch in self.batches().await {
            assert!(batch.state.is_over(), "seed {seed}: {batch:?}");
            assert_eq!(batch.open_requests, 0, "seed {seed}: {batch:?}");
        }
        if self.may_have_bought_twice() {
            return;
        }
        let mut bought = HashSet::new();
        for (id, times) in self.remote.bought() {
            assert_eq!(times, 1, "seed {seed}: {id} was bought {times} times");
            bought.extend(parse_item_id(&id).map(|(_, attempt)| attempt));
        }
        for row in ledger.iter().filter(|row| row.lane == Lane::Batch) {
            let was_bought = bought.remove(&row.attempt);
            let explained = was_bought
                || row.outcome == Some(AttemptOutcome::Interrupted)
                || row.error_class == Some(ErrorClass::BatchRejected);
            assert!(explained, "seed {seed}: nobody was asked for {row:?}");
        }
        assert!(
            bought.is_empty(),
            "seed {seed}: bought without an attempt: {bought:?}"
        );
    }

    fn check_job(&self, result: &ResultRow, attempts: &[&AttemptRow]) {
        let told = format!("seed {}, {}", self.plan.seed, result.custom_id);
        let numbers: Vec<_> = attempts.iter().map(|row| row.attempt.n).collect();
        assert_eq!(numbers, (1..=result.attempts).collect::<Vec<_>>(), "{told}");
        let live = attempts.iter().filter(|row| row.lane == Lane::Live);
        let interrupted = live
            .clone()
            .filter(|row| row.outcome == Some(AttemptOutcome::Interrupted))
            .count();
        let given_up = live.clone().filter(|row| is_given_up(row)).count();
        let (live, id) = (live.count(), &result.custom_id);
        let requests = self.provider.requests_of(id) + self.second.requests_of(id);
        assert!(requests <= live, "{told}: a request without an attempt");
        // Marks tell what a crash found sent; only what was given up may not have left yet.
        let unsent = if cfg!(target_os = "linux") {
            given_up
        } else {
            interrupted
        };
        assert!(
            requests + unsent >= live,
            "{told}: an attempt without a request"
        );
        for pair in attempts.windows(2) {
            let early = pair[0]
                .next_try_at
                .is_some_and(|due| pair[1].started_at < due);
            assert!(!early, "{told}: tried before its time");
        }
        let successes = attempts
            .iter()
            .filter(|row| row.outcome == Some(AttemptOutcome::Succeeded) && !leads_on(row))
            .count();
        let expected = result.state == JobState::Succeeded && result.error_class.is_none();
        assert_eq!(successes, usize::from(expected), "{told}");
    }

    /// Every answer that was given is in the ledger, those of batches at half the price. So it is
    /// where no answer was lost in a crash.
    pub async fn check_money(&self) {
        let batches = self.remote.bill();
        let live = self.provider.bill() + self.second.bill();
        assert_eq!(
            self.run().await.cost,
            batches + live,
            "seed {}",
            self.plan.seed
        );
    }
}

/// Its request was on its way when the run was stopped and the grace was over.
fn is_given_up(row: &AttemptRow) -> bool {
    let message = row.message.as_deref();
    message.is_some_and(|message| message.contains("stopped before the answer came"))
}

/// Such a success may lead to another attempt.
fn leads_on(row: &AttemptRow) -> bool {
    matches!(
        row.error_class,
        Some(ErrorClass::Truncated | ErrorClass::Paused)
    )
}
