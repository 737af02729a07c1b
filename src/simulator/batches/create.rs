//! The call that creates a batch.
//!
//! The order of things: credentials, the body to its end, the envelope, the queue, the script or
//! fault of the call, the batch, the answer. Some faults strike between the last two.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::Instant;

use super::batch::{Batch, State};
use super::entry::enter;
use super::intake::{Intake, Order};
use super::object::object;
use super::timing::Timing;
use crate::simulator::arrival::Arrival;
use crate::simulator::body_hash::body_hash;
use crate::simulator::canned::Canned;
use crate::simulator::dice::{Dice, Purpose};
use crate::simulator::errors::ApiError;
use crate::simulator::faults::{
    self, Act, BatchFaultOptions, BatchScript, Break, Case, CaseOptions, Venue,
};
use crate::simulator::limits::{Headers, ORGANIZATION, grouped};
use crate::simulator::log::LoggedRequest;
use crate::simulator::render::ERROR_AT_200;
use crate::simulator::reply::{Dropped, Reply, ReplyBody};
use crate::simulator::shared::Shared;
use crate::simulator::wire::Cutter;

/// A body that has been read to its end.
struct Received {
    bytes: u64,
    /// None if nobody wanted to read it, or it was too large.
    intake: Option<Intake>,
}

/// What is answered, and how that came about.
struct Outcome {
    reply: Reply,
    case: &'static str,
    options: CaseOptions,
}

impl Outcome {
    fn of(reply: Reply, case: &'static str) -> Self {
        Self {
            reply,
            case,
            options: CaseOptions::default(),
        }
    }
}

pub(super) async fn create(
    shared: &Arc<Shared>,
    arrival: &Arrival,
    body: Body,
    cutter: &Cutter,
) -> Result<Response<Body>, Dropped> {
    let settings = &shared.settings.batches;
    let entered = enter(shared, arrival);
    let intake = entered.is_ok().then(|| Intake::new(settings.max_requests));
    // The body is read even when the call is refused: many clients hear no answer before they have
    // sent it.
    let received = receive(body, intake, settings.max_bytes).await?;
    shared.batches.catch_up_gently(shared, Instant::now()).await;
    let hash = received.intake.as_ref().map(Intake::hash);
    let outcome = match entered {
        Ok(headers) => answer(shared, arrival, received, headers),
        Err(refused) => Outcome::of(*refused, "refused"),
    };
    shared.records.count_other();
    if shared.settings.log_requests {
        let entry = LoggedRequest {
            body_hash: hash.map(|hash| format!("{hash:016x}")).unwrap_or_default(),
            status: outcome.reply.told_status(),
            case: outcome.case.to_owned(),
            request_id: outcome.reply.request_id.clone(),
            ..arrival.entry(shared)
        };
        shared.records.log(entry, shared.settings.log_capacity);
    }
    if let Some(delay) = outcome.options.delay {
        tokio::time::sleep(delay).await;
    }
    outcome.reply.deliver(cutter, || ()).await
}

/// Reads a body to its end: closing with unread bytes would reset the connection and take the
/// answer with it.
async fn receive(body: Body, mut intake: Option<Intake>, most: u64) -> Result<Received, Dropped> {
    let mut stream = body.into_data_stream();
    let mut bytes = 0_u64;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Dropped)?;
        bytes = bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if bytes > most {
            // Too large already, so nothing of it needs to be kept.
            intake = None;
        }
        if let Some(intake) = &mut intake {
            intake.feed(&chunk);
        }
    }
    Ok(Received { bytes, intake })
}

fn answer(shared: &Shared, arrival: &Arrival, received: Received, headers: Headers) -> Outcome {
    let Some(intake) = received.intake else {
        return Outcome::of(Reply::page(413, "413 Request Entity Too Large"), "refused");
    };
    let refused = |error: &ApiError| Reply::error(error, shared.request_id());
    let mut outcome = match intake.finish() {
        Ok(order) => place(shared, arrival, order, received.bytes)
            .unwrap_or_else(|error| Outcome::of(refused(&error), "limited")),
        Err(error) => Outcome::of(refused(&error), "refused"),
    };
    if !outcome.reply.edge {
        outcome.reply.headers.extend(headers);
    }
    outcome
}

/// What a good body leads to; the error says that the queue is full.
fn place(
    shared: &Shared,
    arrival: &Arrival,
    order: Order,
    bytes: u64,
) -> Result<Outcome, ApiError> {
    let limit = shared.settings.batches.queue_limit;
    let waiting = shared.batches.waiting();
    if let Some(limit) = limit.filter(|limit| waiting.saturating_add(order.count) > *limit) {
        return Err(queue_is_full(limit, waiting));
    }
    let (case, options) = choose(shared, order.script.as_ref());
    let mut reply = if creates(case) {
        let now = Instant::now();
        let batch = shared
            .batches
            .add(order.count, limit, |number| {
                batch(shared, arrival, order, bytes, (number, options.batch), now)
            })
            .map_err(|waiting| queue_is_full(limit.unwrap_or_default(), waiting))?;
        shared.records.count_batch();
        let object = object(&batch, shared, arrival.host(), now).to_string();
        created(shared, case, Bytes::from(object))
    } else {
        not_created(shared, case, &options)
    };
    canned(shared, &options).apply_options(&mut reply);
    Ok(Outcome {
        reply,
        case: case.name(),
        options,
    })
}

/// The wording is not publicly known.
fn queue_is_full(limit: u32, waiting: u32) -> ApiError {
    ApiError::rate_limited(format!(
        "This batch would exceed your organization's limit of {} batch requests in the processing queue (org: {ORGANIZATION}, {} waiting). Please try again when earlier batches have been processed. For details, refer to: https://platform.claude.com/docs/en/api/rate-limits.",
        grouped(limit),
        grouped(waiting)
    ))
}

/// The step of a script in a prompt, else of the settings' script, else what is drawn.
fn choose(shared: &Shared, script: Option<&(String, BatchScript)>) -> (Case, CaseOptions) {
    let settings = &shared.settings;
    let nth = shared.batches.next_call();
    if let Some((words, script)) = script {
        let words = body_hash(words.as_bytes());
        return script.step(shared.records.admitted(words));
    }
    if let Some(script) = &settings.batches.script {
        return script.step(nth);
    }
    let faults = &settings.batches.create_faults;
    let case = faults::draw(faults, settings.seed, u64::from(nth), 0, Venue::Create);
    (case, CaseOptions::default())
}

/// Whether the batch exists afterwards.
fn creates(case: Case) -> bool {
    match case.act() {
        Act::Answer(_) | Act::LostAnswer => true,
        Act::Break(broken) => !matches!(broken, Break::Reset | Break::Hang | Break::ErrorBodyAt200),
        _ => false,
    }
}

fn batch(
    shared: &Shared,
    arrival: &Arrival,
    order: Order,
    bytes: u64,
    (number, options): (u32, BatchFaultOptions),
    now: Instant,
) -> Batch {
    let settings = &shared.settings.batches;
    let header = |name| arrival.header(name).unwrap_or_default().to_owned();
    let seed = shared.settings.seed ^ shared.settings.instance;
    // Not a bare number: ids must not be guessed.
    let mut dice = Dice::new(seed, u64::from(number), 0, Purpose::Batch);
    Batch {
        id: format!("msgbatch_01{}", dice.letters(22)),
        number,
        timing: Timing::new(settings, options, order.count, now),
        count: order.count,
        pack: order.pack,
        cuts: options.cuts.unwrap_or(settings.cuts),
        bytes,
        version: header("anthropic-version"),
        beta: header("anthropic-beta"),
        state: State::new(order.items).into(),
    }
}

/// The answer when the batch exists, as far as it arrives.
fn created(shared: &Shared, case: Case, object: Bytes) -> Reply {
    let half = object.slice(..object.len() / 2);
    let body = match case.act() {
        Act::LostAnswer => ReplyBody::Reset,
        Act::Break(Break::TruncatedJson) => ReplyBody::Whole(half),
        Act::Break(Break::WrongLength) => ReplyBody::Short(half),
        Act::Break(Break::ResetMidBody) => ReplyBody::Cut(half),
        Act::Break(Break::EmptyBody) => ReplyBody::Whole(Bytes::new()),
        _ => ReplyBody::Whole(object),
    };
    let mut reply = Reply::json(200, Bytes::new(), shared.request_id());
    reply.body = body;
    reply
}

fn not_created(shared: &Shared, case: Case, options: &CaseOptions) -> Reply {
    let id = shared.request_id();
    let act = match case.act() {
        Act::Break(Break::ErrorBodyAt200) => ERROR_AT_200,
        act => act,
    };
    if let Some(reply) = canned(shared, options).reply(act, &id) {
        return reply;
    }
    let mut reply = Reply::json(200, Bytes::new(), id);
    reply.body = if matches!(act, Act::Break(Break::Hang)) {
        ReplyBody::Silence
    } else {
        ReplyBody::Reset
    };
    reply
}

/// A create call names no model of its own.
fn canned<'a>(shared: &'a Shared, options: &'a CaseOptions) -> Canned<'a> {
    Canned {
        options,
        epoch: &shared.epoch,
        model: "claude",
        max_tokens: 0,
    }
}
