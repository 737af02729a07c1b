//! What happened, as events for those who watch.

use jiff::Timestamp;

use super::scheduler::QueueChange;
use super::settings::SecondEndpoint;
use crate::model::{
    Amendment, ClaimedJob, Endpoint, Event, EventKind, JobState, Lane, PageStatus, RunId,
};
use crate::store::{Finish, Next};

/// Makes the events of one run.
#[derive(Clone, Debug)]
pub(super) struct EventMaker {
    run_id: String,
    second: Option<String>,
}

impl EventMaker {
    pub(super) fn new(run: RunId, second: Option<&SecondEndpoint>) -> Self {
        Self {
            run_id: run.to_string(),
            second: second.map(|second| second.shown.clone()),
        }
    }

    pub(super) fn make(&self, at: Timestamp, kind: EventKind) -> Event {
        Event {
            at,
            run_id: self.run_id.clone(),
            kind,
        }
    }

    pub(super) fn started(&self, at: Timestamp, job: &ClaimedJob) -> Event {
        let kind = EventKind::AttemptStarted {
            custom_id: job.custom_id.clone(),
            n: job.attempt.n,
            model: job.model.clone(),
            lane: Lane::Live,
        };
        self.make(at, kind)
    }

    /// The end of the attempt, and of its job if it has ended; told when both are recorded, so that
    /// events stand in the order of their times.
    pub(super) fn finished(
        &self,
        at: Timestamp,
        job: &ClaimedJob,
        finish: &Finish,
        lane: Lane,
    ) -> (Event, Option<Event>) {
        let record = &finish.record;
        let attempt = EventKind::AttemptEnded {
            custom_id: job.custom_id.clone(),
            n: record.attempt.n,
            lane,
            outcome: record.outcome,
            error_class: record.error_class,
            http_status: record.evidence.http_status,
            message: record.evidence.message.clone(),
            request_id: record.evidence.request_id.clone(),
            next_try_at: finish.next.next_try_at(),
            latency_ms: record
                .latency
                .map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)),
            input_tokens: record.usage.tokens.prompt(),
            output_tokens: record.usage.tokens.output,
            cost_usd: (!record.cost.unknown_price).then_some(record.cost.total),
            cost_basis: record.cost_basis,
        };
        let job_ended = match &finish.next {
            Next::End(end) => Some(EventKind::JobEnded {
                custom_id: job.custom_id.clone(),
                state: end.state,
                error_class: record.error_class,
                attempts: record.attempt.n,
            }),
            Next::EndPutAside => Some(EventKind::JobEnded {
                custom_id: job.custom_id.clone(),
                state: JobState::Succeeded,
                error_class: job.amendment.as_deref().map(Amendment::put_aside_mark),
                attempts: record.attempt.n,
            }),
            _ => None,
        };
        (
            self.make(at, attempt),
            job_ended.map(|kind| self.make(at, kind)),
        )
    }
}

impl EventMaker {
    /// The status page says something new.
    pub(super) fn status_page(&self, at: Timestamp, status: PageStatus) -> Event {
        self.make(at, EventKind::StatusPage(status))
    }

    /// A model's requests go to another endpoint now.
    pub(super) fn switched(&self, model: String, to: Endpoint) -> EventKind {
        let endpoint = self.shown(to);
        EventKind::EndpointSwitched { model, endpoint }
    }

    /// An endpoint as it is shown: nothing is the first.
    fn shown(&self, endpoint: Endpoint) -> Option<String> {
        let second = self.second.clone();
        second.filter(|_| endpoint == Endpoint::Second)
    }

    /// What an answer changed for a whole lane or for the run.
    pub(super) fn lane_change(
        &self,
        at: Timestamp,
        model: &str,
        change: QueueChange,
    ) -> Option<Event> {
        let model = model.to_owned();
        let kind = match change {
            QueueChange::None => return None,
            QueueChange::Opened {
                at,
                class,
                next_probe_at,
            } => EventKind::CircuitOpened {
                model,
                error_class: class,
                next_probe_at,
                endpoint: self.shown(at),
            },
            QueueChange::Closed { at } => EventKind::CircuitClosed {
                model,
                endpoint: self.shown(at),
            },
            QueueChange::SecondOff(unfit) => EventKind::EndpointOff {
                endpoint: self.shown(Endpoint::Second).unwrap_or_default(),
                model: (!unfit.any_model).then_some(model),
                error_class: unfit.because.class,
                message: unfit.because.message,
            },
            QueueChange::Waiting { halt, until } => EventKind::HaltWaiting {
                error_class: halt.class,
                message: halt.message,
                next_try_at: until,
            },
        };
        Some(self.make(at, kind))
    }
}
