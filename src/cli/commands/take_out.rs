//! `claude-run cancel --job`, `--class` and `--model`: some jobs end, and the others go on.

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::clock::Clock;
use crate::model::Run;
use crate::progress::plural;
use crate::store::sqlite::{DispatchLock, SqliteStore};
use crate::store::{CancelFilter, CanceledJobs, Store, StoreError};

/// Takes the jobs that are meant out of a run, whether somebody is at work on it or not.
pub(super) async fn take_out(
    ctx: &Context,
    store: &SqliteStore,
    clock: Clock,
    run: &Run,
    filter: CancelFilter,
) -> Result<Exit, Failure> {
    // Held until the end: nobody takes the run up while its jobs are taken out.
    let lock = match DispatchLock::acquire(&ctx.settings.store.path) {
        Ok(lock) => Some(lock),
        Err(StoreError::Held { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let done = all_pages(store, clock, run, &filter).await?;
    if done.canceled == 0 {
        return Err(nothing(run, &done));
    }
    if lock.is_some() {
        // If these were the last, it has ended.
        store
            .leave_run(run.id, clock.now(), run.halt.clone())
            .await?;
    }
    ctx.console.note(format!(
        "{} of run {} cancelled; the others go on (`claude-run retry --class canceled` puts them back)",
        plural(done.canceled, "job"),
        run.id
    ));
    if let Some(left) = left_alone(&done) {
        ctx.console.note(left);
    }
    Ok(Exit::Success)
}

async fn all_pages(
    store: &SqliteStore,
    clock: Clock,
    run: &Run,
    filter: &CancelFilter,
) -> Result<CanceledJobs, StoreError> {
    let (mut sum, mut after) = (CanceledJobs::default(), Some(0));
    while let Some(line) = after {
        let page = store
            .cancel_jobs(run.id, filter.clone(), line, clock.now())
            .await?;
        sum = CanceledJobs {
            canceled: sum.canceled + page.canceled,
            in_flight: sum.in_flight + page.in_flight,
            in_batch: sum.in_batch + page.in_batch,
            ended: sum.ended + page.ended,
            next: None,
        };
        after = page.next;
    }
    Ok(sum)
}

/// What could not be taken out, and what becomes of it.
fn left_alone(done: &CanceledJobs) -> Option<String> {
    let mut parts = Vec::new();
    if done.in_flight > 0 {
        parts.push(format!(
            "{} in flight: its answer is recorded, and if it fails it can be cancelled then",
            plural(done.in_flight, "job")
        ));
    }
    if done.in_batch > 0 {
        parts.push(format!(
            "{} in a batch at the API, which takes out no single request: the answer is recorded",
            plural(done.in_batch, "job")
        ));
    }
    (!parts.is_empty()).then(|| format!("left as they are: {}", parts.join("; ")))
}

fn nothing(run: &Run, done: &CanceledJobs) -> Failure {
    let failure = Failure::usage(
        format!("nothing to cancel in run {}", run.id),
        "see `claude-run attempts` for the ids and classes, and `claude-run status` for what waits",
    );
    let busy = left_alone(done);
    let why = match (busy, done.ended) {
        (Some(busy), _) => busy,
        (None, 0) => "no job of it has this id, class or model".to_owned(),
        (None, ended) => format!("{} that it means ended before", plural(ended, "job")),
    };
    failure.because(why)
}
