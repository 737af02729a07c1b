//! One run under dispatch: settings to provider to engine, with somebody watching, and the summary
//! in the end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::budget::refuse_unpriced_fallbacks;
use super::endpoint::{Endpoint, engine_settings, prices, scales_down};
use super::found_prices::refuse_found_prices;
use super::prefixes::prefixes;
use super::session::Session;
use super::targets;
use super::watch::Watch;
use crate::cli::args::DispatchArgs;
use crate::cli::console::Console;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::settings::Origin;
use crate::cli::signals::Signals;
use crate::engine::{Ending, Providers, Stop, Stopper, dispatch};
use crate::model::{ErrorClass, Halt, JobCounts, Run};
use crate::progress::{EndReason, RunSummary, plural, thousands};
use crate::report::{AttemptSums, load_report};
use crate::store::{Reader, Store};

/// Allows as many open files as the machine lets this process have: each open request is one.
fn allow_files() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let current = getrlimit(Resource::Nofile).maximum;
        let raised = Rlimit {
            current,
            maximum: current,
        };
        // Where that is refused, files that run out are told when it happens.
        let _ = setrlimit(Resource::Nofile, raised);
    }
}

/// Dispatches `run` until it ends, halts or is stopped. Whoever calls this holds the dispatch lock.
pub(super) async fn drive(
    ctx: &Context,
    session: &Session,
    run: &Run,
    args: &DispatchArgs,
) -> Result<Exit, Failure> {
    let settings = ctx.settings_for(&run.options)?;
    refuse_found_prices(ctx, &settings)?;
    refuse_unpriced_fallbacks(&settings, &prices(&settings)?)?;
    // Before anything is kept: a host that is refused is not stored with the run either.
    let endpoint = Endpoint::of_run(ctx, &settings, run, session.clock)?;
    let run = &keep_options(ctx, session, run).await?;
    let mut engine = engine_settings(&settings, run, &endpoint)?;
    engine.batch.no_wait = args.no_wait;
    allow_files();
    tell_start(&ctx.console, run, scales_down(&settings, true));
    let began = session.clock.now();
    let (stopper, signal) = Stopper::new();
    // The dispatcher takes the signal; how it left is asked afterwards.
    let urgency = signal.clone();
    let stopping = tokio::spawn(stop_on_signals(
        Signals::listen()?,
        stopper,
        ctx.console.clone(),
    ));
    engine.limits.cache_prefixes = prefixes(ctx, session, run, &settings, &signal).await?;
    let events = args.events.as_deref();
    if let Some(path) = events.filter(|path| *path != Path::new("-")) {
        let input = Path::new(&run.file);
        targets::refuse_ours(path, "--events", &ctx.settings.store.path, Some(input))?;
    }
    let mut watch = Watch::start(&ctx.console, ctx.settings.verbose, events)?;
    let store = session.store.clone();
    let providers = Providers {
        live: Arc::clone(&endpoint.provider),
        batches: Some(Arc::clone(&endpoint.batches)),
    };
    // Boxed: the dispatcher's state is too large for every caller's stack.
    let ended = Box::pin(dispatch(
        store,
        providers,
        session.clock,
        run,
        engine,
        &mut watch.observers,
        signal,
    ))
    .await;
    // Before anything more is written: bars would draw over it.
    watch.end(&ctx.console);
    stopping.abort();
    let took = Duration::try_from(session.clock.now().duration_since(began)).unwrap_or_default();
    let ending = ended?;
    if urgency.current() == Stop::Now {
        ctx.console.warn("left at once: requests that were in flight may be billed; `claude-run resume` goes on and counts them");
        return Ok(Exit::Interrupted);
    }
    let jobs = summarise(ctx, session, run, &ending, took).await?;
    let exit = exit_of(&ending, &jobs);
    // The exit code alone would say halted, and nothing was.
    if exit == Exit::Halted && jobs.open() > 0 && ending == Ending::Completed {
        ctx.console.warn(format!(
            "{} left to do that came at the last moment: `claude-run resume {}` goes on",
            plural(jobs.open(), "job"),
            run.id
        ));
    }
    Ok(exit)
}

/// What the user says now holds for later resumes too. The run with it.
async fn keep_options(ctx: &Context, session: &Session, run: &Run) -> Result<Run, Failure> {
    let given = ctx.settings.dispatch_options_given_by_flags();
    let options = run.options.clone().overridden_by(given);
    if options != run.options {
        session.store.keep_options(run.id, options.clone()).await?;
    }
    Ok(Run {
        options,
        ..run.clone()
    })
}

/// How a run that has ended already would have ended a command.
pub(super) fn exit_of_ended(run: &Run) -> Exit {
    exit_of(&Ending::Completed, &run.jobs)
}

fn exit_of(ending: &Ending, jobs: &JobCounts) -> Exit {
    match ending {
        // Put back by somebody at the last moment, say: whatever the run ended like, it is not done.
        Ending::Completed if jobs.open() > 0 => Exit::Halted,
        Ending::Completed if jobs.failed + jobs.canceled > 0 => Exit::JobsFailed,
        // With --no-wait, creating the batches was everything that was asked for.
        Ending::Completed | Ending::LeftInBatches => Exit::Success,
        Ending::Halted(_) => Exit::Halted,
        Ending::Interrupted => Exit::Interrupted,
    }
}

/// What is special about this dispatch; `scaled`: a simulated one waits less.
fn tell_start(console: &Console, run: &Run, scaled: bool) {
    if run.started_at.is_some() {
        tell_going_on(console, run);
    }
    if run.simulated {
        tell_simulated(console, scaled);
    }
}

fn tell_going_on(console: &Console, run: &Run) {
    let (left, total) = (thousands(run.jobs.open()), plural(run.jobs.total, "job"));
    console.note(format!(
        "going on with run {}: {left} of {total} left to do",
        run.id
    ));
}

fn tell_simulated(console: &Console, scaled: bool) {
    console.warn("SIMULATED: a simulator inside this process answers; nothing is real, and nothing costs money");
    if scaled {
        console.note("its waits before retries are 20 times shorter than real ones (--retry-scale 1 for real ones)");
    }
}

async fn stop_on_signals(mut signals: Signals, stopper: Stopper, console: Console) {
    signals.next().await;
    // Before it is told: there may be nobody who reads it.
    stopper.escalate();
    console.note("stopping: no new request starts; those in flight are finished and recorded (once more to leave at once)");
    signals.next().await;
    stopper.escalate();
}

/// Tells how the run stands now, and what to type next.
async fn summarise(
    ctx: &Context,
    session: &Session,
    run: &Run,
    ending: &Ending,
    took: Duration,
) -> Result<JobCounts, Failure> {
    let reader = session.reader()?;
    let runs = reader.runs().await?;
    // The latest run needs no name in the commands that are suggested.
    let is_latest = runs.last().is_some_and(|latest| latest.id == run.id);
    let now = runs
        .into_iter()
        .find(|stored| stored.id == run.id)
        .unwrap_or_else(|| run.clone());
    let version = prices(&ctx.settings)?.version().to_owned();
    let report = load_report(&reader, &now, false, &version).await?;
    if let Ending::Halted(halt) = ending
        && ctx.console.is_quiet()
    {
        // Without the summary nobody would know what to repair.
        ctx.console.error(&halted(run, halt));
    }
    ctx.console.plain(RunSummary {
        all_digits: ctx.settings.verbose > 0,
        run_id: run.id,
        name: run.name.clone(),
        simulated: run.simulated,
        reason: match ending {
            Ending::Completed => EndReason::Completed,
            Ending::Halted(halt) => EndReason::Halted(halt.clone()),
            Ending::Interrupted => EndReason::Interrupted,
            Ending::LeftInBatches => EndReason::LeftInBatches,
        },
        jobs: now.jobs,
        marked: marks(&report.attempts),
        classes: report.attempts.failed_by_class.into_iter().collect(),
        cost_total: report.cost_usd.total,
        unknown_price: report.cost_usd.unknown_price_attempts,
        maybe_billed: report.attempts.maybe_billed,
        maybe_billed_at_most: report.attempts.maybe_billed_usd_at_most,
        at_most: report.cost_usd.at_most_attempts + report.cost_usd.saturated_attempts,
        asked_model: report.cost_usd.asked_model_attempts,
        duration: took,
        store_path: session.named.display().to_string(),
        store_flag: store_flag(ctx),
        run_arg: (!is_latest).then(|| run.id.to_string()),
    });
    Ok(now.jobs)
}

/// What marks jobs that succeeded.
fn marks(attempts: &AttemptSums) -> Vec<(ErrorClass, u64)> {
    let failed = |class| attempts.failed_by_class.get(class).copied();
    let all = attempts.results_by_class.iter();
    let marked =
        // Results of a class are its failures and its marked successes together.
        all.map(|(class, n)| (*class, n.saturating_sub(failed(class).unwrap_or_default())));
    marked.filter(|(_, n)| *n > 0).collect()
}

fn halted(run: &Run, halt: &Halt) -> Failure {
    let info = halt.class.info();
    let what = format!("run {} was halted: {}", run.id, info.name);
    if halt.reason.explains_itself() {
        let next = "do as that says; `claude-run resume` goes on";
        return Failure::new(Exit::Halted, what, next).because(halt.message.clone());
    }
    let next = format!(
        "{} Then `claude-run resume` goes on",
        halt.class.remedy_of_halt(&halt.message)
    );
    Failure::new(Exit::Halted, what, next).because(halt.message.clone())
}

/// What the next commands must repeat to find the store.
fn store_flag(ctx: &Context) -> Option<String> {
    let is_flag = matches!(ctx.settings.origin("store.path"), Origin::Flag(_));
    is_flag.then(|| ctx.settings.store.path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::{Ending, Exit, exit_of};
    use crate::model::JobCounts;

    #[test]
    fn no_success_is_told_while_jobs_are_open() {
        let counts = |pending, failed| JobCounts {
            total: 9,
            pending,
            failed,
            succeeded: 9 - pending - failed,
            ..JobCounts::default()
        };
        for (pending, failed, exit) in [
            (0, 0, Exit::Success),
            (0, 1, Exit::JobsFailed),
            (1, 0, Exit::Halted),
            (1, 1, Exit::Halted),
        ] {
            let jobs = counts(pending, failed);
            assert_eq!(exit_of(&Ending::Completed, &jobs), exit, "{jobs:?}");
        }
        let in_batches = exit_of(&Ending::LeftInBatches, &counts(3, 0));
        assert_eq!(in_batches, Exit::Success, "--no-wait asked for no more");
    }
}
