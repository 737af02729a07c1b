//! The calls under `/v1/messages/batches`.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::batch::Batch;
use super::board::Cursor;
use super::entry::enter;
use super::object::object;
use super::settings::ShortAs;
use super::{create, results};
use crate::simulator::arrival::{Arrival, collect, record};
use crate::simulator::errors::ApiError;
use crate::simulator::reply::{Dropped, Reply};
use crate::simulator::shared::Shared;
use crate::simulator::wire::Cutter;

const ROOT: &str = "/v1/messages/batches";
const DEFAULT_PAGE: usize = 20;
const LARGEST_PAGE: i64 = 1_000;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
enum Call<'a> {
    Create,
    List,
    Retrieve(&'a str),
    Results(&'a str),
    Cancel(&'a str),
    Delete(&'a str),
    /// The path is known, but not with this method.
    WrongMethod,
    Unknown,
}

impl<'a> Call<'a> {
    fn of(method: &str, path: &'a str) -> Self {
        let rest = path.strip_prefix(ROOT).unwrap_or_default();
        let mut parts = rest.split('/').skip(1);
        match (method, parts.next(), parts.next(), parts.next()) {
            ("POST", None, _, _) => Self::Create,
            ("GET", None, _, _) => Self::List,
            ("GET", Some(id), None, _) => Self::Retrieve(id),
            ("DELETE", Some(id), None, _) => Self::Delete(id),
            ("GET", Some(id), Some("results"), None) => Self::Results(id),
            ("POST", Some(id), Some("cancel"), None) => Self::Cancel(id),
            (_, None, _, _) | (_, Some(_), None | Some("results" | "cancel"), None) => {
                Self::WrongMethod
            }
            _ => Self::Unknown,
        }
    }

    /// Its name in the counters.
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Create => Some("batches.create"),
            Self::List => Some("batches.list"),
            Self::Retrieve(_) => Some("batches.retrieve"),
            Self::Results(_) => Some("batches.results"),
            Self::Cancel(_) => Some("batches.cancel"),
            Self::Delete(_) => Some("batches.delete"),
            Self::WrongMethod | Self::Unknown => None,
        }
    }
}

/// Whether a path belongs here.
pub(in crate::simulator) fn is_at(path: &str) -> bool {
    path.strip_prefix(ROOT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers a call under that path.
pub(in crate::simulator) async fn serve(
    shared: Arc<Shared>,
    arrival: &Arrival,
    body: Body,
    cutter: &Cutter,
) -> Result<Response<Body>, Dropped> {
    let call = Call::of(arrival.method.as_str(), &arrival.path);
    if let Some(name) = call.name() {
        shared.records.count_call(name);
    }
    if matches!(call, Call::Create) {
        return create::create(&shared, arrival, body, cutter).await;
    }
    // The body says nothing here, but a client that is not read to the end sees a broken
    // connection.
    collect(body).await?;
    let now = Instant::now();
    shared.batches.catch_up_gently(&shared, now).await;
    let reply = match enter(&shared, arrival) {
        Ok(headers) => {
            let desk = Desk {
                shared: &shared,
                arrival,
                cutter,
                now,
            };
            let mut reply = desk.answer(call);
            reply.headers.extend(headers);
            reply
        }
        Err(refused) => *refused,
    };
    record(&shared, arrival, &reply);
    reply.deliver(cutter, || ()).await
}

/// One call and what it needs.
struct Desk<'a> {
    shared: &'a Arc<Shared>,
    arrival: &'a Arrival,
    cutter: &'a Cutter,
    now: Instant,
}

impl Desk<'_> {
    fn answer(&self, call: Call<'_>) -> Reply {
        let answered = match call {
            Call::List => self.list(),
            Call::Retrieve(id) => self.find(id).map(|batch| self.shown(&batch)),
            Call::Results(id) => self.results(id),
            Call::Cancel(id) => self.cancel(id),
            Call::Delete(id) => self.delete(id),
            Call::Create | Call::WrongMethod => Err(ApiError::new(
                405,
                "invalid_request_error",
                "Method Not Allowed",
            )),
            Call::Unknown => Err(ApiError::not_found("Not Found")),
        };
        answered.unwrap_or_else(|error| Reply::error(&error, self.shared.request_id()))
    }

    fn find(&self, id: &str) -> Result<Arc<Batch>, ApiError> {
        self.shared
            .batches
            .find(id)
            // A batch that was just created may not be found yet.
            .filter(|batch| !batch.timing.is_hidden(self.now))
            .ok_or_else(|| unknown(id))
    }

    fn object(&self, batch: &Batch) -> Value {
        object(batch, self.shared, self.arrival.host(), self.now)
    }

    /// The object, with the wish when to be asked again.
    fn shown(&self, batch: &Batch) -> Reply {
        let mut reply = Reply::value(&self.object(batch), self.shared.request_id());
        if batch.state().ended_at.is_none() {
            let settings = &self.shared.settings.batches;
            let wait = settings.real(settings.retry_after);
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            reply
                .headers
                .push(("retry-after", seconds.max(1).to_string()));
        }
        reply
    }

    fn list(&self) -> Result<Reply, ApiError> {
        let limit = self
            .arrival
            .query("limit")
            .map_or(Ok(DEFAULT_PAGE), limit)?;
        let (after, before) = (
            self.arrival.query("after_id"),
            self.arrival.query("before_id"),
        );
        let cursor = match (after, before) {
            (Some(id), _) => Cursor::After(id),
            (None, Some(id)) => Cursor::Before(id),
            (None, None) => Cursor::Newest,
        };
        let page = self
            .shared
            .batches
            .page(cursor, limit, self.now)
            .ok_or_else(|| unknown(after.or(before).unwrap_or_default()))?;
        let data: Vec<Value> = page
            .batches
            .iter()
            .map(|batch| self.object(batch))
            .collect();
        let list = json!({
            "data": data,
            "has_more": page.has_more,
            "first_id": page.batches.first().map(|batch| &batch.id),
            "last_id": page.batches.last().map(|batch| &batch.id),
        });
        Ok(Reply::value(&list, self.shared.request_id()))
    }

    fn results(&self, id: &str) -> Result<Reply, ApiError> {
        let batch = self.find(id)?;
        let ended = batch.state().ended_at.is_some();
        if !ended || batch.timing.archived() <= self.now {
            return Err(ApiError::not_found(format!(
                "Message Batch {id} has no available results."
            )));
        }
        let settings = &self.shared.settings.batches;
        let is_short = batch.state().downloads < settings.short_downloads;
        match settings.short_as {
            ShortAs::Missing if is_short => {
                batch.state().downloads += 1;
                Err(ApiError::not_found(format!(
                    "Message Batch {id} has no available results."
                )))
            }
            ShortAs::Page if is_short => {
                batch.state().downloads += 1;
                Ok(Reply::page(200, "Please wait"))
            }
            _ => Ok(results::reply(self.shared, batch, self.cutter)),
        }
    }

    fn cancel(&self, id: &str) -> Result<Reply, ApiError> {
        let batch = self.find(id)?;
        {
            let mut state = batch.state();
            if state.ended_at.is_some() {
                // What the API says then is not publicly known.
                return Err(ApiError::invalid(format!(
                    "Message Batch {id} has already ended and cannot be canceled."
                )));
            }
            // A second cancel changes nothing.
            state.canceled_at.get_or_insert(self.now);
        }
        Ok(Reply::value(&self.object(&batch), self.shared.request_id()))
    }

    fn delete(&self, id: &str) -> Result<Reply, ApiError> {
        let batch = self.find(id)?;
        let mut state = batch.state();
        if state.ended_at.is_none() {
            return Err(ApiError::invalid(
                "In progress batches cannot be deleted. Consider canceling the batch instead.",
            ));
        }
        state.deleted = true;
        let deleted = json!({"id": id, "type": "message_batch_deleted"});
        Ok(Reply::value(&deleted, self.shared.request_id()))
    }
}

fn unknown(id: &str) -> ApiError {
    ApiError::not_found(format!("Message Batch {id} not found."))
}

fn limit(text: &str) -> Result<usize, ApiError> {
    let should_be = |what: &str| ApiError::invalid(format!("limit: Input should be {what}"));
    let limit: i64 = text.parse().map_err(|_| should_be("a valid integer"))?;
    if limit > LARGEST_PAGE {
        return Err(should_be("less than or equal to 1000"));
    }
    usize::try_from(limit)
        .ok()
        .filter(|limit| *limit > 0)
        .ok_or_else(|| should_be("greater than or equal to 1"))
}
