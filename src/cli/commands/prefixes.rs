//! Which prefixes of a run's requests are marked for the cache: chosen when the run is first
//! dispatched with `--cache-prefix auto`, and kept with it.

use std::sync::Arc;

use super::endpoint::prices;
use super::session::Session;
use crate::cli::console::Console;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::settings::Settings;
use crate::engine::{Stop, StopSignal};
use crate::model::{AutoOrOff, DispatchOptions, JobId, Run, SharedPrefix};
use crate::policy::Census;
use crate::progress::{plural, thousands};
use crate::store::{Reader, Store};

/// The prefixes that are marked; none if that is off, or if the user stops the run meanwhile.
///
/// # Errors
///
/// The store or the price table cannot be read.
pub(super) async fn prefixes(
    ctx: &Context,
    session: &Session,
    run: &Run,
    settings: &Settings,
    stop: &StopSignal,
) -> Result<Arc<[SharedPrefix]>, Failure> {
    if settings.limits.cache_prefix == AutoOrOff::Off {
        return Ok(Arc::default());
    }
    if let Some(known) = &run.options.cache_prefixes {
        return Ok(known.clone().into());
    }
    let reader = session.reader()?;
    let mut census = Census::new(prices(settings)?, session.clock.now());
    let mut after = JobId(0);
    loop {
        let page = reader.open_requests(run.id, after).await?;
        let Some(last) = page.last() else { break };
        after = last.job;
        for request in &page {
            census.add(request.job, &request.model, &request.body.view());
        }
        tokio::task::yield_now().await;
        if stop.current() != Stop::No {
            return Ok(Arc::default());
        }
    }
    let chosen = census.choose();
    let options = DispatchOptions {
        cache_prefixes: Some(chosen.clone()),
        ..run.options.clone()
    };
    session.store.keep_options(run.id, options).await?;
    tell(&ctx.console, &chosen);
    Ok(chosen.into())
}

fn tell(console: &Console, chosen: &[SharedPrefix]) {
    let jobs = chosen.iter().map(|prefix| prefix.jobs).sum::<u64>();
    let Some(longest) = chosen.iter().map(|prefix| prefix.tokens).max() else {
        console.note("no prefix that jobs share is worth a mark for the cache");
        return;
    };
    console.note(format!(
        "marking for the cache what {} share: {} of up to about {} tokens",
        plural(jobs, "job"),
        plural(chosen.len() as u64, "prefix"),
        thousands(longest)
    ));
}
