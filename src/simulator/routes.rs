//! From a request's head to the endpoint that answers it.
//!
//! Besides the API's endpoints there are the status page and, under `/_simulator`, a way for other
//! processes to read and clear the simulator's records.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, Response, Version};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::arrival::{Arrival, authenticate, collect, record};
use super::batches;
use super::errors::ApiError;
use super::messages;
use super::models::{self, Model};
use super::reply::{Dropped, Reply};
use super::shared::{RequestInFlight, Shared};
use super::wire::Cutter;

/// Models of a page, unless the query says otherwise.
const MODELS_OF_A_PAGE: usize = 20;

pub(super) async fn serve<B>(
    shared: Arc<Shared>,
    cutter: Cutter,
    request: Request<B>,
) -> Result<Response<Body>, Dropped>
where
    B: axum::body::HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    let (parts, body) = request.into_parts();
    // In HTTP/2 a reset takes one stream: the connection and its other streams live on.
    let cutter = if parts.version == Version::HTTP_2 {
        Cutter::default()
    } else {
        cutter
    };
    let mut arrival = Arrival::new(parts, shared.epoch.elapsed_ms());
    let body = Body::new(body);
    if arrival.method == Method::POST && arrival.path == "/v1/messages" {
        let open = RequestInFlight::enter(&shared);
        let body = collect(body).await?;
        arrival.too_large = body.is_none();
        return messages::create(shared, arrival, body, open, &cutter).await;
    }
    if batches::is_at(&arrival.path) {
        return batches::serve(shared, &arrival, body, &cutter).await;
    }
    let body = collect(body).await?;
    let reply = if arrival.path.starts_with("/_simulator/") {
        control(&shared, &arrival, body.as_ref())
    } else {
        let reply = other(&shared, &arrival, body.as_ref());
        record(&shared, &arrival, &reply);
        reply
    };
    reply.deliver(&cutter, || ()).await
}

fn other(shared: &Shared, arrival: &Arrival, body: Option<&Bytes>) -> Reply {
    let path = arrival.path.as_str();
    match (arrival.method.as_str(), path) {
        ("POST", "/v1/messages/count_tokens") => messages::count_tokens(shared, arrival, body),
        ("GET", "/v1/models") => authenticated(shared, arrival, || model_list(arrival)),
        ("GET", "/api/v2/status.json" | "/api/v2/summary.json") => status_page(shared, path),
        ("GET", _) if path.starts_with("/v1/models/") => {
            let id = &path["/v1/models/".len()..];
            authenticated(shared, arrival, || one_model(id))
        }
        (_, "/v1/messages" | "/v1/messages/count_tokens" | "/v1/models") => {
            let error = ApiError::new(405, "invalid_request_error", "Method Not Allowed");
            Reply::error(&error, shared.request_id())
        }
        _ => Reply::error(&ApiError::not_found("Not Found"), shared.request_id()),
    }
}

fn authenticated(
    shared: &Shared,
    arrival: &Arrival,
    answer: impl FnOnce() -> Result<Value, ApiError>,
) -> Reply {
    match authenticate(shared, arrival).and_then(|()| answer()) {
        Ok(value) => Reply::value(&value, shared.request_id()),
        Err(error) => Reply::error(&error, shared.request_id()),
    }
}

/// One page of the models, in the order of the table.
fn model_list(arrival: &Arrival) -> Result<Value, ApiError> {
    let limit = arrival
        .query("limit")
        .map_or(Ok(MODELS_OF_A_PAGE), |text| {
            let limit = text
                .parse()
                .ok()
                .filter(|limit| (1..=1_000).contains(limit));
            // The wording is not publicly known.
            limit.ok_or_else(|| ApiError::invalid("limit: Input should be between 1 and 1000"))
        })?;
    let all = models::all();
    let place = |id: &str| {
        let found = all.iter().position(|model| model.id == id);
        found.ok_or_else(|| ApiError::not_found(format!("model: {id}")))
    };
    let range = match (arrival.query("after_id"), arrival.query("before_id")) {
        (Some(id), _) => place(id)? + 1..all.len(),
        (None, Some(id)) => 0..place(id)?,
        (None, None) => 0..all.len(),
    };
    let is_backwards = arrival.query("after_id").is_none() && arrival.query("before_id").is_some();
    let has_more = range.len() > limit;
    let page = if is_backwards {
        range.end.saturating_sub(limit).max(range.start)..range.end
    } else {
        range.start..range.end.min(range.start + limit)
    };
    let data: Vec<Value> = all[page].iter().map(model_info).collect();
    let id_of = |model: Option<&Value>| model.map(|model| model["id"].clone());
    Ok(json!({
        "data": data,
        "has_more": has_more,
        "first_id": id_of(data.first()),
        "last_id": id_of(data.last()),
    }))
}

fn one_model(id: &str) -> Result<Value, ApiError> {
    models::find(id)
        .map(model_info)
        .ok_or_else(|| ApiError::not_found(format!("model: {id}")))
}

fn model_info(model: &Model) -> Value {
    json!({
        "id": model.id,
        "type": "model",
        "display_name": model.display_name,
        "created_at": format!("{}T00:00:00Z", model.created),
        "max_input_tokens": model.context,
        "max_tokens": model.max_output,
        "capabilities": null,
    })
}

fn status_page(shared: &Shared, path: &str) -> Reply {
    let page = shared.status_page();
    // Bot protection in front of the page, which answers before it.
    if page.challenge {
        return Reply::page(405, "Human Verification");
    }
    let body = if path.ends_with("summary.json") {
        page.summary(&shared.epoch)
    } else {
        page.status(&shared.epoch)
    };
    Reply::edge(200, "application/json", Bytes::from(body.to_string()))
}

/// The simulator's own endpoints.
fn control(shared: &Shared, arrival: &Arrival, body: Option<&Bytes>) -> Reply {
    let json = |text: String| Reply::edge(200, "application/json", Bytes::from(text));
    match (arrival.method.as_str(), arrival.path.as_str()) {
        ("GET", "/_simulator/log") => lines(&shared.records.logged()),
        ("GET", "/_simulator/stats") => json(text(&shared.stats())),
        ("GET", "/_simulator/batches") => lines(&shared.batches.records(shared)),
        ("GET", "/_simulator/batch-items") => lines(&shared.batches.item_records(shared)),
        ("POST", "/_simulator/reset") => {
            shared.reset();
            json("{}".to_owned())
        }
        ("POST", "/_simulator/status") => {
            match serde_json::from_slice(body.map_or(&[], |body| body.as_ref())) {
                Ok(page) => {
                    shared.set_status_page(page);
                    json("{}".to_owned())
                }
                Err(error) => Reply::edge(400, "text/plain", Bytes::from(error.to_string())),
            }
        }
        _ => Reply::edge(404, "text/plain", Bytes::from_static(b"no such endpoint")),
    }
}

/// One JSON object a line.
fn lines(values: &[impl Serialize]) -> Reply {
    let mut lines = String::new();
    for value in values {
        lines.push_str(&text(value));
        lines.push('\n');
    }
    Reply::edge(200, "application/x-jsonl", Bytes::from(lines))
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
