//! `claude-run cancel`: ends what has not ended, or some jobs of it.

use crate::cli::args::CancelArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::clock::Clock;
use crate::engine::{Terms, keep_bounds};
use crate::model::{Run, RunState};
use crate::policy::RetrySettings;
use crate::store::sqlite::{DispatchLock, SqliteStore};
use crate::store::{BatchStore, CancelFilter, Store, StoreError};

use super::endpoint::prices;
use super::select;
use super::take_out::take_out;

/// Cancels every job of a run that has not ended, or those that are named.
pub async fn cancel(ctx: &Context, args: CancelArgs) -> Result<Exit, Failure> {
    let path = &ctx.settings.store.path;
    let run = select::one(&select::open(path)?.reader, args.run.as_deref()).await?;
    if run.state == RunState::Ended {
        return Err(Failure::usage(
            format!("nothing to cancel in run {}", run.id),
            "see `claude-run status` for runs that have not ended",
        )
        .because("it has ended"));
    }
    let (store, clock) = (SqliteStore::open(path)?, Clock::system());
    let filter = CancelFilter {
        classes: args.classes,
        custom_ids: args.jobs,
        models: args.models,
    };
    if filter != CancelFilter::default() {
        let ended = take_out(ctx, &store, clock, &run, filter).await;
        store.close().await;
        return ended;
    }
    match DispatchLock::acquire(path) {
        Ok(_lock) => {
            cancel_all(ctx, &store, clock, &run).await?;
            let note = match at_the_api(&store, &run).await? {
                None => format!(
                    "run {} is cancelled; `claude-run retry` would put its jobs back",
                    run.id
                ),
                Some(batches) => format!(
                    "what waited in run {} is cancelled; {batches} the API, which goes on with them: `claude-run resume {}` cancels them there and fetches what they have done",
                    run.id, run.id
                ),
            };
            ctx.console.note(note);
        }
        Err(StoreError::Held { pid, .. }) => {
            while store.cancel(run.id, clock.now()).await? {}
            cancelled_beside(ctx, &store, clock, &run, &pid).await?;
        }
        Err(error) => return Err(error.into()),
    }
    store.close().await;
    Ok(Exit::Success)
}

/// Another process dispatches, this run or another one.
async fn cancelled_beside(
    ctx: &Context,
    store: &SqliteStore,
    clock: Clock,
    run: &Run,
    pid: &str,
) -> Result<(), StoreError> {
    if run.state == RunState::Running {
        ctx.console.note(format!(
            "what waited in run {} is cancelled; if process {pid} is at work on it, it finishes what is in flight, cancels its batches, fetches what they have done, and ends it",
            run.id
        ));
        return Ok(());
    }
    store.leave_run(run.id, clock.now(), None).await?;
    ctx.console.note(format!("run {} is cancelled", run.id));
    Ok(())
}

/// The batches of the run that only somebody at work on it can cancel, in words.
async fn at_the_api(store: &SqliteStore, run: &Run) -> Result<Option<String>, StoreError> {
    let batches = store.batches(run.id).await?;
    let open: Vec<_> = batches.iter().filter(|row| !row.state.is_over()).collect();
    let jobs: u64 = open.iter().map(|row| row.open_requests).sum();
    Ok(match open.len() {
        0 => None,
        1 => Some(format!("a batch with {jobs} jobs is still with")),
        many => Some(format!("{many} batches with {jobs} jobs are still with")),
    })
}

/// With nobody at work on it: what a crash left open is closed first, so that it is cancelled too.
async fn cancel_all(
    ctx: &Context,
    store: &SqliteStore,
    clock: Clock,
    run: &Run,
) -> Result<(), Failure> {
    let limit = RetrySettings::default().max_interruptions;
    let terms = Terms {
        prices: &prices(&ctx.settings)?,
        prefixes: run.options.cache_prefixes.as_deref().unwrap_or_default(),
        assume_searches: ctx.settings.limits.budget_assume_searches.map(|n| n.0),
        others: Some(&ctx.settings.fallback.endpoint.models),
    };
    keep_bounds(store, run.id, terms).await?;
    store.start_run(run.id, clock.now(), limit).await?;
    while store.cancel(run.id, clock.now()).await? {}
    store.leave_run(run.id, clock.now(), None).await?;
    Ok(())
}
