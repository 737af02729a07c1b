//! `claude-run batches`: remote batches, and the two manual ways to set right what is known of one.

use super::endpoint::batches_client;
use super::select;
use super::session::Session;
use crate::cli::args::{AdoptArgs, BatchesAction, BatchesArgs, ForgetArgs};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{Out, width};
use crate::clock::Clock;
use crate::model::{BatchState, Lane, Run};
use crate::progress::plural;
use crate::provider::{BatchApi, Failure as Refusal, is_missing};
use crate::report::{BatchLine, batches_table, may_mean};
use crate::store::{BatchRow, BatchStore, Reader};

/// Shows the batches of a run, or does what was asked about one.
pub async fn batches(ctx: &Context, args: BatchesArgs) -> Result<Exit, Failure> {
    match &args.action {
        None => show(ctx, &args).await,
        Some(BatchesAction::Adopt(adopting)) => {
            let session = open(ctx)?;
            let ended = adopt(ctx, &session, adopting).await;
            session.close(&ctx.console, &ended).await;
            ended
        }
        Some(BatchesAction::Forget(forgetting)) => {
            let session = open(ctx)?;
            let ended = forget(ctx, &session, forgetting).await;
            session.close(&ctx.console, &ended).await;
            ended
        }
    }
}

async fn show(ctx: &Context, args: &BatchesArgs) -> Result<Exit, Failure> {
    let opened = select::open(&ctx.settings.store.path)?;
    let run = select::one(&opened.reader, args.run.as_deref()).await?;
    let now = Clock::system().now();
    let lines = lines(&opened, &run, now).await?;
    let mut out = Out::stdout();
    if args.json {
        lines.iter().try_for_each(|line| out.json(line))?;
    } else if lines.is_empty() {
        ctx.console.note(format!("run {} has no batches", run.id));
    } else {
        out.line(batches_table(&lines, now, width()).trim_end())?;
    }
    out.finish()?;
    Ok(Exit::Success)
}

/// The batches of a run as they are shown.
pub(super) async fn lines(
    opened: &select::Opened,
    run: &Run,
    now: jiff::Timestamp,
) -> Result<Vec<BatchLine>, Failure> {
    let rows = opened.reader.batches(run.id).await?;
    let alive = opened.dispatcher_alive && run.state == crate::model::RunState::Running;
    let lines = rows.iter().map(|row| BatchLine::new(run, row, alive, now));
    Ok(lines.collect())
}

/// Only a store that is there: nothing is made here.
fn open(ctx: &Context) -> Result<Session, Failure> {
    let path = &ctx.settings.store.path;
    drop(select::open(path)?);
    Session::open(path)
}

/// Says which remote batch a create call without an answer has made.
async fn adopt(ctx: &Context, session: &Session, args: &AdoptArgs) -> Result<Exit, Failure> {
    let _lock = session.lock()?;
    let (run, batch) = in_doubt(session, args.batch.as_deref()).await?;
    if run.simulated {
        return Err(Failure::usage(
            format!("run {} is simulated: its batches ended with it", run.id),
            format!("`claude-run resume {}` sends its jobs again", run.id),
        ));
    }
    let settings = ctx.settings_for(&run.options)?;
    let client = batches_client(ctx, &settings, session.clock)?;
    let polled = client.retrieve(&args.id).await;
    let remote = polled
        .map_err(|refusal| cannot_ask(&args.id, &refusal))?
        .batch;
    let (theirs, ours) = (remote.counts.total(), u64::from(batch.requests));
    if theirs != ours {
        return Err(Failure::usage(
            format!("batch {} is not the one in doubt", args.id),
            "look at the batches of your workspace in the Console and name the right one",
        )
        .because(format!(
            "it has {}, ours has {ours}",
            plural(theirs, "request")
        )));
    }
    let now = session.clock.now();
    session.store.note_remote(batch.id, remote, now).await?;
    ctx.console.note(format!(
        "batch {} is adopted as {}; `claude-run resume {}` fetches its results and checks that they are ours",
        args.id, batch.nonce, run.id
    ));
    Ok(Exit::Success)
}

fn nothing_in_doubt(wanted: Option<&str>) -> String {
    match wanted {
        Some(wanted) => format!("the batch `{wanted}` is not in doubt"),
        None => "no batch is in doubt".to_owned(),
    }
}

/// The one batch whose creation is in doubt, or the one of them that is named.
async fn in_doubt(session: &Session, wanted: Option<&str>) -> Result<(Run, BatchRow), Failure> {
    let doubtful = |row: &BatchRow| {
        let state = matches!(row.state, BatchState::Sending | BatchState::Uncertain);
        state && wanted.is_none_or(|wanted| may_mean(wanted, &row.nonce))
    };
    let mut found = all(session, doubtful).await?;
    let list = "see all batches with `claude-run batches`";
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (None, _) => Err(Failure::usage(nothing_in_doubt(wanted), list)
            .because("only a batch whose create call had no answer can be adopted")),
        (Some(newest), false) => {
            let all = found.iter().chain([&newest]);
            let names: Vec<_> = all.map(|(_, row)| row.nonce.as_str()).collect();
            Err(Failure::usage(
                "several batches are in doubt",
                format!("say which with --batch: {}", names.join(", ")),
            ))
        }
    }
}

async fn all(
    session: &Session,
    wanted: impl Fn(&BatchRow) -> bool,
) -> Result<Vec<(Run, BatchRow)>, Failure> {
    let reader = session.reader()?;
    let mut found = Vec::new();
    for run in select::unfinished(&reader).await? {
        let rows = reader.batches(run.id).await?.into_iter();
        found.extend(rows.filter(&wanted).map(|row| (run.clone(), row)));
    }
    Ok(found)
}

fn cannot_ask(id: &str, refusal: &Refusal) -> Failure {
    let why = refusal.evidence.message.clone().unwrap_or_default();
    if is_missing(refusal) {
        return Failure::usage(
            format!("the API knows no batch {id}"),
            "copy its id from the Console, and use a key of the workspace that it is in",
        )
        .because(why);
    }
    let info = refusal.class.info();
    Failure::new(
        Exit::Halted,
        format!(
            "the API cannot be asked about batch {id}: {}",
            refusal.class
        ),
        info.remedy,
    )
    .because(why)
}

/// Gives a batch up.
async fn forget(ctx: &Context, session: &Session, args: &ForgetArgs) -> Result<Exit, Failure> {
    let _lock = session.lock()?;
    let named = |row: &BatchRow| {
        let remote = row.remote_id.as_deref();
        let is_it = may_mean(&args.id, &row.nonce)
            || remote.is_some_and(|remote| may_mean(&args.id, remote));
        is_it && !row.state.is_over()
    };
    let mut found = all(session, named).await?;
    if found.len() > 1 {
        return Err(Failure::usage(
            format!("`{}` is ambiguous", args.id),
            "write more of the id; see all batches with `claude-run batches`",
        )
        .because(format!("{} open batches are called like that", found.len())));
    }
    let Some((run, batch)) = found.pop() else {
        return Err(Failure::usage(
            format!("there is no open batch `{}`", args.id),
            "see all batches with `claude-run batches`",
        )
        .because("it is not in this store, or over already"));
    };
    let now = session.clock.now();
    // Where the jobs go from there is decided again when the run is taken up.
    while session
        .store
        .disband_batch(batch.id, Lane::Batch, true, now)
        .await?
    {}
    ctx.console.warn(format!(
        "batch {} is given up: {} went back to the queue, and what the API has answered may be billed; `claude-run resume {}` sends them again",
        batch.remote_id.as_ref().unwrap_or(&batch.nonce),
        plural(batch.open_requests, "job"),
        run.id
    ));
    Ok(Exit::Success)
}
