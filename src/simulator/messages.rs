//! `POST /v1/messages` and its token count.
//!
//! The order of things: credentials, body, fields, validity, the script if there is one, limits,
//! case, answer. All of it up to the answer is decided at once, without waiting; then comes the
//! latency, then the bytes.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use bytes::Bytes;
use serde_json::json;
use tokio::time::Instant;

use super::answer::Question;
use super::arrival::{Arrival, authenticate};
use super::body_hash::body_hash;
use super::cache;
use super::choice::{choose, script};
use super::dice::{Dice, Purpose};
use super::errors::ApiError;
use super::faults::{Case, CaseOptions, Venue};
use super::limits::Headers;
use super::log::{LOGGED_PROMPT, LoggedRequest};
use super::message::Message;
use super::models::Model;
use super::render::{self, Rendered, Scene};
use super::reply::{Dropped, Reply};
use super::request::{self, Ask, Endpoint};
use super::request_limit;
use super::shared::{RequestInFlight, Shared};
use super::strict;
use super::tokens;
use super::validate::{self, Dialect};
use super::wire::Cutter;

/// Errors come faster than answers, by this factor.
const ERROR_SPEED: u32 = 4;
/// The first event of a stream comes after this part of the latency.
const FIRST_EVENT: f64 = 0.4;

/// What will happen to a request.
struct Plan {
    reply: Reply,
    case: &'static str,
    wait: Duration,
    /// What was generated, for which model, and whether it is sent whole.
    message: Option<(&'static Model, Message, bool)>,
    model: &'static str,
    prompt: String,
    stream: bool,
}

/// Answers one Messages request. `body` is none when it was too large to be read.
pub(super) async fn create(
    shared: Arc<Shared>,
    arrival: Arrival,
    body: Option<Bytes>,
    open: RequestInFlight,
    cutter: &Cutter,
) -> Result<Response<Body>, Dropped> {
    let body = body.unwrap_or_default();
    let hash = body_hash(&body);
    let attempt = shared.records.arrived(hash);
    let plan = plan(&shared, &arrival, &body, hash, open.count);
    // Before the wait: a client that leaves meanwhile has been served all the same.
    shared.records.count(plan.reply.told_status(), plan.case);
    if shared.settings.log_requests {
        let entry = entry(&shared, &arrival, &plan, &body, (hash, attempt), open.count);
        shared.records.log(entry, shared.settings.log_capacity);
    }
    if !plan.wait.is_zero() {
        tokio::time::sleep(plan.wait).await;
    }
    let message = plan.message;
    let done = move || {
        if let Some((model, message, whole)) = message {
            settle(&shared, model, &message, whole);
        }
        drop(open);
    };
    plan.reply.deliver(cutter, done).await
}

/// Counts what was produced, when it has been sent.
fn settle(shared: &Shared, model: &Model, message: &Message, whole: bool) {
    if let Some(limiter) = &shared.limiter {
        limiter.produced(model, message.usage.output_tokens, Instant::now());
    }
    shared.records.book(model.id, &message.usage, whole);
}

fn entry(
    shared: &Shared,
    arrival: &Arrival,
    plan: &Plan,
    body: &Bytes,
    (hash, attempt): (u64, u32),
    open: usize,
) -> LoggedRequest {
    LoggedRequest {
        body_hash: format!("{hash:016x}"),
        prompt: plan.prompt.clone(),
        model: plan.model.to_owned(),
        stream: plan.stream,
        attempt,
        status: plan.reply.told_status(),
        case: plan.case.to_owned(),
        open,
        request_id: plan.reply.request_id.clone(),
        body: shared
            .settings
            .log_bodies
            .then(|| String::from_utf8_lossy(body).into_owned()),
        ..arrival.entry(shared)
    }
}

fn plan(shared: &Shared, arrival: &Arrival, body: &Bytes, hash: u64, open: usize) -> Plan {
    // The edge refuses it before the API sees key or body.
    if arrival.too_large {
        let page = Reply::page(413, "413 Request Entity Too Large");
        return Plan::refused(page);
    }
    match read(shared, arrival, body, Endpoint::Messages) {
        Ok(ask) => plan_for(shared, &ask, body, hash, open)
            .unwrap_or_else(|error| Plan::refused(Reply::error(&error, shared.request_id()))),
        Err(error) => Plan::refused(Reply::error(&error, shared.request_id())),
    }
}

impl Plan {
    fn refused(reply: Reply) -> Self {
        Self {
            reply,
            case: "refused",
            wait: Duration::ZERO,
            message: None,
            model: "",
            prompt: String::new(),
            stream: false,
        }
    }
}

fn read<'a>(
    shared: &Shared,
    arrival: &Arrival,
    body: &'a [u8],
    endpoint: Endpoint,
) -> Result<Ask<'a>, ApiError> {
    authenticate(shared, arrival)?;
    let dialect = Dialect::of(
        arrival.header("anthropic-version"),
        arrival.header("anthropic-beta").is_some(),
    )?;
    let fields = request::fields(body)?;
    strict::check(body, 0)?;
    validate::known_fields(&fields, endpoint, dialect)?;
    let ask = Ask::read(fields, endpoint)?;
    validate::check(&ask, dialect)?;
    Ok(ask)
}

fn plan_for(
    shared: &Shared,
    ask: &Ask<'_>,
    body: &[u8],
    hash: u64,
    open: usize,
) -> Result<Plan, ApiError> {
    let script = script(ask, body)?;
    let prompt_tokens = tokens::of_prompt(ask);
    let now = Instant::now();
    if cache::is_marked(ask) {
        // What a batch has written by now can be read.
        shared.batches.catch_up(shared, now);
    }
    let cached = shared.cache.plan(ask, now);
    // What is read from the cache does not count against the limit.
    let counted = prompt_tokens.saturating_sub(cached.read);
    let plan = match admit(shared, ask.model, counted, open, now) {
        Err(reply) => Plan {
            case: "limited",
            ..Plan::refused(*reply)
        },
        Ok(headers) => {
            // A refused request is no step of its script.
            let nth = shared.records.admitted(hash);
            let (case, options) = choose(shared, script, venue_of(ask), hash, nth)?;
            let question = Question {
                ask,
                prompt_tokens,
                cached: &cached,
                service_tier: "standard",
                seed: shared.settings.seed,
                body: hash,
                nth,
                output: shared.settings.output,
            };
            let mut plan = answer(shared, &question, case, &options, now);
            // What the edge answers knows nothing of the limits.
            if !plan.reply.edge {
                plan.reply.headers.extend(headers);
            }
            plan
        }
    };
    Ok(Plan {
        model: ask.model.id,
        prompt: ask.prompt().chars().take(LOGGED_PROMPT).collect(),
        stream: ask.stream,
        ..plan
    })
}

/// What an admitted request gets, and when. A generated answer fills the prompt cache as it begins.
fn answer(
    shared: &Shared,
    question: &Question<'_>,
    case: Case,
    options: &CaseOptions,
    now: Instant,
) -> Plan {
    let mut dice = Dice::new(question.seed, question.body, question.nth, Purpose::Latency);
    let latency = dice.latency(shared.settings.latency);
    let scene = Scene {
        question,
        options,
        request_id: shared.request_id(),
        epoch: &shared.epoch,
        streaming: latency.mul_f64(1.0 - FIRST_EVENT),
    };
    let Rendered { reply, message } = render::render(case, &scene);
    let wait = match (&message, question.ask.stream) {
        (None, _) => latency / ERROR_SPEED,
        // The rest of the latency passes between the events.
        (Some(_), true) => latency.mul_f64(FIRST_EVENT),
        (Some(_), false) => latency,
    };
    let wait = wait + options.delay.unwrap_or_default();
    if message.is_some() {
        // Readable once the answer has begun, as documented.
        shared.cache.store(question.cached, now, now + wait);
    }
    Plan {
        case: case.name(),
        wait,
        message: message.map(|(message, whole)| (question.ask.model, message, whole)),
        ..Plan::refused(reply)
    }
}

/// Lets a request in or says why not; with limits come headers.
fn admit(
    shared: &Shared,
    model: &Model,
    counted: u32,
    open: usize,
    now: Instant,
) -> Result<Headers, Box<Reply>> {
    if shared
        .settings
        .max_concurrent
        .is_some_and(|most| open > most)
    {
        let error = ApiError::rate_limited(
            "Number of concurrent connections has exceeded your rate limit. Please try again later or contact sales at https://claude.com/contact-sales to discuss your options for a rate limit increase.",
        );
        return Err(Box::new(Reply::error(&error, shared.request_id())));
    }
    let Some(limiter) = &shared.limiter else {
        return Ok(Headers::new());
    };
    limiter
        .admit(model, counted, now, &shared.epoch)
        .map_err(|refused| {
            let mut reply = Reply::error(&refused.error, shared.request_id());
            reply.headers = refused.headers;
            let seconds = refused.retry_after.to_string();
            reply.headers.push(("retry-after", seconds));
            Box::new(reply)
        })
}

fn venue_of(ask: &Ask<'_>) -> Venue {
    if ask.stream {
        Venue::Streamed
    } else {
        Venue::Plain
    }
}

/// Answers `POST /v1/messages/count_tokens`.
pub(super) fn count_tokens(shared: &Shared, arrival: &Arrival, body: Option<&Bytes>) -> Reply {
    shared.records.count_call("count_tokens");
    let Some(body) = body else {
        return Reply::page(413, "413 Request Entity Too Large");
    };
    let headers = match request_limit::admit(shared.count_limit.as_ref(), &shared.epoch, || {
        shared.request_id()
    }) {
        Ok(headers) => headers,
        Err(refused) => return *refused,
    };
    let mut reply = match read(shared, arrival, body, Endpoint::CountTokens) {
        Ok(ask) => Reply::value(
            &json!({"input_tokens": tokens::of_prompt(&ask)}),
            shared.request_id(),
        ),
        Err(error) => Reply::error(&error, shared.request_id()),
    };
    reply.headers.extend(headers);
    reply
}
