//! `claude-run submit`: check, store, run.

use std::path::Path;

use super::budget::Budgeted;
use super::drive::{drive, exit_of_ended};
use super::endpoint::{self, prices};
use super::estimates::Estimates;
use super::found_prices::refuse_found_prices;
use super::judge::{Judge, Measures};
use super::lanes::Lanes;
use super::load::{self, Loaded};
use super::preflight;
use super::session::Session;
use super::targets;
use crate::cli::args::SubmitArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::signals::Signals;
use crate::clock::process_age;
use crate::input::{Source, fingerprint, hash_only};
use crate::model::{Run, RunId, RunState, Shaping};
use crate::policy::Forecast;
use crate::progress::plural;
use crate::store::sqlite::LoadLock;
use crate::store::{NewRun, Reader, Store, StoreError};

/// Checks and stores a file of jobs, then runs it until every job has ended.
pub async fn submit(ctx: &Context, args: SubmitArgs) -> Result<Exit, Failure> {
    let source = load::open(&args.file)?;
    let path = ctx.settings.store.path.clone();
    if let Some(events) = &args.dispatch.events
        && events != Path::new("-")
    {
        targets::refuse_ours(events, "--events", &path, Some(&args.file))?;
    }
    if !args.dispatch.simulate {
        endpoint::remember(ctx, &ctx.settings)?;
    }
    if !args.no_run && !args.dispatch.simulate {
        endpoint::ready(ctx, &ctx.settings, crate::clock::Clock::system())?;
    }
    let session = Session::open(&path)?;
    let ended = Box::pin(store_and_run(ctx, &session, &args, source)).await;
    session.close(&ctx.console, &ended).await;
    ended
}

async fn store_and_run(
    ctx: &Context,
    session: &Session,
    args: &SubmitArgs,
    source: Source,
) -> Result<Exit, Failure> {
    // Taken before the load, so that nobody else begins this run between the two.
    let lock = (!args.no_run).then(|| session.lock());
    let run = match known(ctx, session, args).await? {
        Some(run) => Some(run),
        None => store(ctx, session, args, source).await?,
    };
    if let (Some(run), Some(name)) = (&run, &args.name) {
        keep_name(ctx, session, run, name).await?;
    }
    match (run, lock) {
        (None, _) => Ok(Exit::Interrupted),
        // Another process was quicker with the same content.
        (Some(run), _) if run.state == RunState::Ended => Ok(exit_of_ended(&run)),
        (Some(run), None) => Ok(stored_only(ctx, &run)),
        (Some(run), Some(Ok(_lock))) => drive(ctx, session, &run, &args.dispatch).await,
        (Some(run), Some(Err(held @ StoreError::Held { .. }))) => stored_beside(ctx, &run, held),
        (Some(_), Some(Err(error))) => Err(error.into()),
    }
}

/// A run that was stored already takes the name too. Two runs may share one; then the newest is meant.
async fn keep_name(ctx: &Context, session: &Session, run: &Run, name: &str) -> Result<(), Failure> {
    if run.name.as_deref() != Some(name) {
        session.store.name_run(run.id, name.to_owned()).await?;
        ctx.console.note(match &run.name {
            Some(before) => format!(
                "run {} is called `{name}` from now on, no longer `{before}`",
                run.id
            ),
            None => format!("run {} is called `{name}` from now on", run.id),
        });
    }
    let runs = session.reader()?.runs().await?;
    let mut alike: Vec<_> = runs
        .iter()
        .filter(|other| other.name.as_deref() == Some(name))
        .collect();
    let newest = alike.pop();
    if let (Some(newest), false) = (newest, alike.is_empty()) {
        let others = alike.len() as u64;
        ctx.console.note(format!(
            "{} called `{name}` already: the name means the newest, {}",
            if others == 1 {
                "another run is".to_owned()
            } else {
                format!("{others} other runs are")
            },
            newest.id
        ));
    }
    Ok(())
}

fn stored_only(ctx: &Context, run: &Run) -> Exit {
    ctx.console.note(format!(
        "run {} is stored; `claude-run resume {}` runs it",
        run.id, run.id
    ));
    Exit::Success
}

/// Another process dispatches: the jobs are safe, but nobody runs them yet, unless it is this very
/// run that it is at work on.
fn stored_beside(ctx: &Context, run: &Run, held: StoreError) -> Result<Exit, Failure> {
    let mut failure = Failure::from(held);
    if run.state == RunState::Running {
        failure.next = format!("watch that process with `claude-run status {}`", run.id);
        return Err(failure.because(format!("it is at work on run {}", run.id)));
    }
    ctx.console
        .note(format!("run {} is stored, but not started", run.id));
    failure.next = format!(
        "when that process has ended, `claude-run resume {}`",
        run.id
    );
    Err(failure)
}

/// The unfinished run of the same content and shaping, found without storing anything. Standard
/// input can be read once only, so it is compared after it is stored.
async fn known(
    ctx: &Context,
    session: &Session,
    args: &SubmitArgs,
) -> Result<Option<Run>, Failure> {
    let is_file = args.file != Path::new("-") && args.file.is_file();
    let reader = session.reader()?;
    let any_unfinished = !super::select::unfinished(&reader).await?.is_empty();
    // A pipe can be read once only, and without an unfinished run there is nothing to find.
    if args.new_run || !is_file || !any_unfinished {
        return Ok(None);
    }
    let source = load::open(&args.file)?;
    let hashing = tokio::task::spawn_blocking(move || hash_only(source));
    // A file that cannot be read to its end is explained by the load that follows.
    let Ok(Ok(content)) = hashing.await else {
        return Ok(None);
    };
    let run = reader
        .unfinished_run(&run_fingerprint(&content, &shaping(args), args))
        .await?;
    if let Some(run) = &run {
        tell_known(ctx, run);
    }
    Ok(run)
}

/// Loads the input into a new run. None if the user broke it off; then nothing is stored.
async fn store(
    ctx: &Context,
    session: &Session,
    args: &SubmitArgs,
    source: Source,
) -> Result<Option<Run>, Failure> {
    let id = RunId::generate();
    let lock = load::lock(session, id)?;
    let now = session.clock.now();
    let new_run = NewRun {
        id,
        name: args.name.clone(),
        file: args.file.display().to_string(),
        simulated: args.dispatch.simulate,
        // A run of the same content that ends while this process starts up is one beside it.
        created_at: now.checked_sub(process_age()).unwrap_or(now),
        shaping: shaping(args),
        options: ctx.settings.dispatch_options_given_by_flags(),
    };
    refuse_found_prices(ctx, &ctx.settings)?;
    let prices = prices(&ctx.settings)?;
    let lanes = Lanes::of(&ctx.settings, new_run.simulated, now);
    let budget = Budgeted::of(&ctx.settings, &prices, lanes, now)?;
    let to = preflight::addressee(&ctx.settings, new_run.simulated);
    let measures = Measures {
        lanes,
        budget,
        preflight: preflight::preflight(&ctx.settings, &prices, to, now)?,
        is_strict: args.strict,
    };
    let judge = Judge::beside_the_store(source.name(), measures);
    let forecast = Box::new(Forecast::new(
        prices,
        now,
        ctx.settings.limits.budget_assume_searches.map(|n| n.0),
    ));
    let mut signals = Signals::listen()?;
    let loaded = tokio::select! {
        loaded = load::load(session, new_run, source, judge, forecast) => loaded,
        () = signals.next() => {
            ctx.console.note("stopped: nothing is stored");
            load::discard(session, id, lock).await?;
            return Ok(None);
        }
    };
    let refused = match loaded {
        Ok(loaded) => match refusal(args, &loaded) {
            None => {
                return finish(ctx, session, args, id, &loaded, lock)
                    .await
                    .map(Some);
            }
            Some(refused) => refused,
        },
        Err(error) => error,
    };
    load::discard(session, id, lock).await?;
    Err(refused)
}

/// Why what was read cannot be stored as it is.
fn refusal(args: &SubmitArgs, loaded: &Loaded) -> Option<Failure> {
    let budget = loaded.budget.as_ref();
    // Before the list of bad lines: all of them are bad for this one reason.
    if let Some(failure) = budget.and_then(|it| it.nothing_fits(loaded.problems.count())) {
        return Some(failure);
    }
    if !loaded.problems.is_empty() && !args.skip_invalid {
        let next =
            "correct the input, or give --skip-invalid to store its good lines; nothing was stored";
        return Some(Failure::usage(loaded.problems.to_string(), next));
    }
    if loaded.jobs > 0 {
        return None;
    }
    if loaded.problems.is_empty() {
        return Some(load::no_job(&args.file));
    }
    let next = "correct the input: with these lines left out, no job is left to store";
    Some(Failure::usage(loaded.problems.to_string(), next))
}

/// Makes the run visible, unless one of the same content is there already that is unfinished, or that
/// another process stored and ran meanwhile.
async fn finish(
    ctx: &Context,
    session: &Session,
    args: &SubmitArgs,
    id: RunId,
    loaded: &Loaded,
    lock: LoadLock,
) -> Result<Run, Failure> {
    let fingerprint = run_fingerprint(&loaded.content_hash, &shaping(args), args);
    let reader = session.reader()?;
    let known = if args.new_run {
        session.store.finish_load(id, fingerprint).await?;
        None
    } else {
        // Asked again with the whole content: another process may have stored it meanwhile.
        session.store.finish_load_once(id, fingerprint).await?
    };
    if let Some(known) = known {
        load::discard(session, id, lock).await?;
        let run = super::select::one(&reader, Some(&known.to_string())).await?;
        tell_known(ctx, &run);
        return Ok(run);
    }
    tell_loaded(ctx, id, loaded);
    super::select::one(&reader, Some(&id.to_string())).await
}

fn tell_known(ctx: &Context, run: &Run) {
    let how = if run.state == RunState::Ended {
        "which another process has run meanwhile"
    } else {
        "which is unfinished: going on with it"
    };
    ctx.console.note(format!(
        "the same content is stored already as run {}, {how} (--new-run makes a second one)",
        run.id
    ));
}

fn tell_loaded(ctx: &Context, id: RunId, loaded: &Loaded) {
    if !loaded.problems.is_empty() {
        ctx.console.warn(loaded.problems.left_out());
    }
    for (what, noted) in &loaded.notes {
        let lines = plural(noted.lines, "line");
        ctx.console.note(match &noted.first {
            Some(first) => format!("{lines}: {what} ({first})"),
            None => format!("{lines}: {what}"),
        });
    }
    ctx.console
        .note(format!("{} stored as run {id}", plural(loaded.jobs, "job")));
    let estimates = Estimates::new(&loaded.forecast, &ctx.settings, None);
    let all_digits = ctx.settings.verbose > 0;
    ctx.console.note(estimates.summary(all_digits));
    for allows in loaded.budget.iter().flat_map(Budgeted::allows) {
        ctx.console.note(allows);
    }
}

fn shaping(args: &SubmitArgs) -> Shaping {
    args.shaping.to_shaping(args.skip_invalid)
}

/// A simulated run is never taken for a real one of the same content.
fn run_fingerprint(content: &[u8; 32], shaping: &Shaping, args: &SubmitArgs) -> [u8; 32] {
    let mut fingerprint = fingerprint(content, shaping);
    if args.dispatch.simulate {
        // A simulated run must never be taken for the real one of the same content.
        fingerprint = fingerprint.map(|byte| !byte);
    }
    fingerprint
}
