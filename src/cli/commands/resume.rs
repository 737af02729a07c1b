//! `claude-run resume`: go on.

use std::collections::HashSet;

use super::drive::{drive, exit_of_ended};
use super::select;
use super::session::Session;
use crate::cli::args::ResumeArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::model::{Run, RunState};

/// Goes on with a run, or with every unfinished run, oldest first.
pub async fn resume(ctx: &Context, args: ResumeArgs) -> Result<Exit, Failure> {
    let path = ctx.settings.store.path.clone();
    let opened = select::open(&path)?;
    let latest = select::one(&opened.reader, args.run.as_deref()).await?;
    if args.run.is_some() && latest.state == RunState::Ended {
        return Ok(already_ended(ctx, &latest));
    }
    drop(opened);
    let session = Session::open(&path)?;
    let ended = go_on(ctx, &session, &latest, &args).await;
    if ended.is_ok() {
        select::tell_of_spool(ctx);
    }
    session.close(&ctx.console, &ended).await;
    ended
}

async fn go_on(
    ctx: &Context,
    session: &Session,
    latest: &Run,
    args: &ResumeArgs,
) -> Result<Exit, Failure> {
    let _lock = session.lock()?;
    if args.run.is_some() {
        return resume_one(ctx, session, latest, args).await;
    }
    // Each run would get the whole budget, which is many times what was meant.
    refuse_one_budget_for_many(session, args).await?;
    let (mut seen, mut told, mut most_urgent) = (HashSet::new(), HashSet::new(), None);
    // Asked again each time: another process may have stored more meanwhile.
    while let Some(run) = next_unfinished(session, &seen).await? {
        seen.insert(run.id);
        let exit = match resume_one(ctx, session, &run, args).await {
            // What one run is refused for (a host that nobody named, say) holds back no other.
            Err(failure) if failure.exit == Exit::Usage => {
                if told.insert(failure.to_string()) {
                    ctx.console.error(&failure);
                }
                failure.exit
            }
            ended => ended?,
        };
        most_urgent = most_urgent.max(Some((urgency(exit), exit)));
        // Ctrl-C means all runs, not the one that is at work.
        if exit == Exit::Interrupted {
            break;
        }
    }
    Ok(most_urgent.map_or_else(|| already_ended(ctx, latest), |(_, exit)| exit))
}

/// A budget is one run's: given to each of several it would be as many times as much.
async fn refuse_one_budget_for_many(session: &Session, args: &ResumeArgs) -> Result<(), Failure> {
    let unfinished = select::unfinished(&session.reader()?).await?.len();
    if unfinished < 2 || !args.dispatch.settings.0.has("limits.budget_usd") {
        return Ok(());
    }
    Err(Failure::usage(
        format!("--budget-usd is the budget of one run, and {unfinished} runs are unfinished"),
        "name the run that it is for, `claude-run resume RUN --budget-usd X`; `claude-run status` lists them",
    ))
}

async fn resume_one(
    ctx: &Context,
    session: &Session,
    run: &Run,
    args: &ResumeArgs,
) -> Result<Exit, Failure> {
    if args.dispatch.simulate && !run.simulated {
        return Err(Failure::usage(
            format!("run {} is a real one and cannot go on simulated", run.id),
            "leave --simulate out, or submit its file anew with --simulate",
        ));
    }
    if run.simulated && args.dispatch.settings.0.has("api.base_url") {
        return Err(Failure::usage(
            format!(
                "run {} is simulated and cannot go on at a real endpoint",
                run.id
            ),
            "leave --base-url out, or submit its file anew without --simulate",
        ));
    }
    drive(ctx, session, run, &args.dispatch).await
}

async fn next_unfinished(
    session: &Session,
    seen: &HashSet<crate::model::RunId>,
) -> Result<Option<Run>, Failure> {
    let runs = select::unfinished(&session.reader()?).await?;
    Ok(runs.into_iter().find(|run| !seen.contains(&run.id)))
}

fn already_ended(ctx: &Context, run: &Run) -> Exit {
    ctx.console.note(format!(
        "run {} has ended: nothing is left to do (`claude-run retry` puts failed jobs back)",
        run.id
    ));
    exit_of_ended(run)
}

/// Which of several ends is told to the caller.
fn urgency(exit: Exit) -> u8 {
    match exit {
        Exit::Success => 0,
        Exit::JobsFailed => 1,
        Exit::Usage => 2,
        Exit::Halted => 3,
        Exit::Internal => 4,
        Exit::Interrupted => 5,
    }
}
