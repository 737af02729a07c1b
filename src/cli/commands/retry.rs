//! `claude-run retry`: failed jobs back into the queue.

use crate::cli::args::RetryArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::model::Run;
use crate::progress::plural;
use crate::store::sqlite::SqliteStore;
use crate::store::{RetryFilter, Store};

use super::select;

/// Puts the failed and cancelled jobs that are asked for back in the queue.
pub async fn retry(ctx: &Context, args: RetryArgs) -> Result<Exit, Failure> {
    let path = &ctx.settings.store.path;
    let opened = select::open(path)?;
    let run = select::one(&opened.reader, args.run.as_deref()).await?;
    let store = SqliteStore::open(path)?;
    let filter = RetryFilter {
        classes: args.classes,
        custom_ids: args.jobs,
    };
    let (mut count, mut after) = (0, Some(0));
    while let Some(line) = after {
        // Page by page, so that no transaction holds a million rows.
        let (page, next) = store.retry(run.id, filter.clone(), line).await?;
        count += page;
        after = next;
    }
    store.close().await;
    if count == 0 {
        return Err(nothing_to_retry(&run, &filter));
    }
    let next = if opened.dispatcher_alive {
        "the claude-run that is at work takes them up".to_owned()
    } else {
        format!("`claude-run resume {}` runs them", run.id)
    };
    ctx.console.note(format!(
        "{} put back in the queue; {next}",
        plural(count, "job")
    ));
    Ok(Exit::Success)
}

fn nothing_to_retry(run: &Run, filter: &RetryFilter) -> Failure {
    let failure = Failure::usage(
        format!("nothing to retry in run {}", run.id),
        "see `claude-run report` for the classes of failures and `claude-run attempts` for the ids",
    );
    if *filter == RetryFilter::default() {
        failure.because("no job of it has failed or was cancelled")
    } else {
        failure.because("no failed or cancelled job of it has this class or id")
    }
}
