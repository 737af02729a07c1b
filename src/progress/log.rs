//! Events as lines of the log, for those who ask with `-v`.
//!
//! One `-v` tells what happens to the run and which jobs fail, two every attempt that does not
//! succeed, three every attempt.

use super::batches;
use super::message::one_line;
use crate::model::{Event, EventKind, Observer};

/// What the first endpoint is called.
const FIRST: &str = "the first endpoint";

/// Writes each event to the log; the log's own level decides which are seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Log;

impl Observer for Log {
    fn observe(&mut self, event: &Event) {
        let run = &event.run_id;
        match &event.kind {
            EventKind::RunStarted {
                total,
                ended,
                interrupted,
                ..
            } => tracing::info!(%run, total, ended, interrupted, "run taken up"),
            EventKind::RunHalted {
                error_class,
                message,
            } => {
                tracing::info!(%run, class = %error_class, "run halted: {}", one_line(message));
            }
            EventKind::CircuitOpened {
                model,
                error_class,
                endpoint,
                ..
            } => {
                let at = endpoint.as_deref().unwrap_or(FIRST);
                tracing::info!(%run, model, class = %error_class, "circuit opened at {at}");
            }
            EventKind::CircuitClosed { model, endpoint } => {
                let at = endpoint.as_deref().unwrap_or(FIRST);
                tracing::info!(%run, model, "circuit closed at {at}");
            }
            EventKind::EndpointSwitched { model, endpoint } => {
                let to = endpoint.as_deref().unwrap_or(FIRST);
                tracing::info!(%run, model, "requests go to {to} now");
            }
            EventKind::EndpointOff {
                endpoint,
                model,
                error_class,
                message,
            } => {
                let (model, said) = (model.as_deref().unwrap_or("-"), one_line(message));
                tracing::warn!(%run, model, class = %error_class, "{endpoint} is not used any more: {said}");
            }
            EventKind::StatusPage(status) => {
                let component = status.component.as_deref().unwrap_or("-");
                tracing::info!(%run, component, "status page: {}", one_line(&status.to_string()));
            }
            EventKind::HaltWaiting {
                error_class,
                next_try_at,
                ..
            } => tracing::info!(%run, class = %error_class, %next_try_at, "waiting for a repair"),
            EventKind::Draining { in_flight } => tracing::info!(%run, in_flight, "draining"),
            EventKind::RunEnded {
                reason,
                largest_stall_ms,
            } => tracing::info!(%run, largest_stall_ms, "run left: {reason}"),
            kind => match batches::line(kind) {
                Some(line) => tracing::info!(%run, "{line}"),
                None => observe_job(kind),
            },
        }
    }
}

fn observe_job(kind: &EventKind) {
    match kind {
        EventKind::JobEnded {
            custom_id,
            state,
            error_class: Some(class),
            attempts,
        } => tracing::info!(job = custom_id, %class, attempts, "job {state}"),
        EventKind::JobEnded {
            custom_id,
            attempts,
            ..
        } => tracing::trace!(job = custom_id, attempts, "job succeeded"),
        EventKind::AttemptStarted {
            custom_id,
            n,
            model,
            lane,
        } => tracing::trace!(job = custom_id, n, model, %lane, "attempt started"),
        ended @ EventKind::AttemptEnded { .. } => observe_attempt(ended),
        _ => {}
    }
}

fn observe_attempt(ended: &EventKind) {
    let EventKind::AttemptEnded {
        custom_id,
        n,
        outcome,
        error_class,
        http_status,
        message,
        request_id,
        next_try_at,
        latency_ms,
        ..
    } = ended
    else {
        return;
    };
    let (job, request) = (custom_id, request_id.as_deref().unwrap_or("-"));
    let Some(class) = error_class else {
        tracing::trace!(job, n, request, latency_ms, "attempt {outcome}");
        return;
    };
    let said = one_line(message.as_deref().unwrap_or_default());
    let next = next_try_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    tracing::debug!(job, n, %class, http_status, request, next, "attempt {outcome}: {said}");
}
