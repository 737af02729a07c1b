//! Runs, jobs and ends to try a store with.

use std::time::Duration;

use claude_run::model::{
    Amended, Amendment, AttemptOutcome, AttemptRecord, ClaimedJob, Cost, CostBasis,
    DispatchOptions, ErrorClass, Evidence, JobHistory, JobState, Lane, NewJob, Pico, RemoteBatch,
    RemoteStatus, RequestBody, RequestCounts, RunId, Shaping, Tokens, Usage, WaitRule,
};
use claude_run::store::{Finish, JobEnd, NewRun, Next, ResultBody};
use jiff::Timestamp;

pub const HAIKU: &str = "claude-haiku-5-5";
pub const OPUS: &str = "claude-opus-5-5";
pub const MODELS: [&str; 2] = [HAIKU, OPUS];

pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap()
}

pub fn new_run(id: RunId) -> NewRun {
    NewRun {
        id,
        name: Some("a name".to_owned()),
        file: "jobs.jsonl".to_owned(),
        simulated: false,
        created_at: at(0),
        shaping: Shaping::default(),
        options: DispatchOptions::default(),
    }
}

/// A line that names nothing of its own.
pub fn plain(line: u64) -> NewJob {
    NewJob {
        line,
        custom_id: format!("id-{line}"),
        model: HAIKU.to_owned(),
        body: RequestBody::from_json(format!(
            r#"{{"model":"{HAIKU}","max_tokens":9,"line":{line},"messages":[]}}"#
        )),
        lane: None,
        deadline: None,
        live_only: false,
        metadata: None,
    }
}

/// A line that differs from its neighbours in everything that it may name.
pub fn mixed(line: u64) -> NewJob {
    let model = MODELS[usize::from(line % 4 == 3)];
    let filling = "x".repeat(usize::try_from(line * line).unwrap());
    NewJob {
        model: model.to_owned(),
        body: RequestBody::from_json(format!(
            r#"{{"model":"{model}","max_tokens":9,"line":{line},"x":"{filling}","messages":[]}}"#
        )),
        lane: [None, None, Some(Lane::Batch), Some(Lane::Live)][usize::try_from(line % 4).unwrap()],
        deadline: (line % 3 == 1).then(|| at(i64::try_from(line).unwrap() * 40_000_000)),
        live_only: line == 5,
        metadata: (line == 2).then(|| r#"{"row":17}"#.to_owned()),
        ..plain(line)
    }
}

/// How an attempt ends.
#[derive(Clone, Copy, Debug)]
pub enum End {
    Success,
    Marked,
    Failure,
    Refusal,
    /// It goes again after so long.
    Retry(i64),
    Requeue,
    Hold,
    /// Another model is asked; the truncated answer is put aside.
    OtherModel {
        puts_aside: bool,
    },
    MoreRoom,
    /// With what was put aside.
    Truncated,
    Canceled,
}

pub const ENDS: [End; 13] = [
    End::Success,
    End::Success,
    End::Marked,
    End::Failure,
    End::Refusal,
    End::Retry(3_000),
    End::Retry(9_000_000),
    End::Requeue,
    End::Hold,
    End::OtherModel { puts_aside: true },
    End::MoreRoom,
    End::Truncated,
    End::Canceled,
];

fn message(job: &ClaimedJob) -> String {
    format!(r#"{{"id":"msg_{}","type":"message"}}"#, job.custom_id)
}

fn error() -> String {
    r#"{"type":"error","error":{"type":"invalid_request_error","message":"no"}}"#.to_owned()
}

impl End {
    fn class(self) -> Option<ErrorClass> {
        match self {
            Self::Success => None,
            Self::Marked | Self::OtherModel { .. } | Self::MoreRoom => Some(ErrorClass::Truncated),
            Self::Failure => Some(ErrorClass::InvalidRequest),
            Self::Refusal => Some(ErrorClass::Refused),
            Self::Retry(_) | Self::Truncated => Some(ErrorClass::Overloaded),
            Self::Requeue => Some(ErrorClass::Authentication),
            Self::Hold => Some(ErrorClass::ModelNotFound),
            Self::Canceled => Some(ErrorClass::Canceled),
        }
    }

    fn next(self, job: &ClaimedJob, now: Timestamp) -> Next {
        let end = |state, result| Next::End(JobEnd { state, result });
        let amend = |amendment, put_aside| Next::Amend {
            at: now + Duration::from_millis(7),
            amended: Box::new(Amended {
                amendment,
                put_aside,
            }),
        };
        match self {
            Self::Success | Self::Marked => {
                end(JobState::Succeeded, ResultBody::Message(message(job)))
            }
            Self::Failure => end(JobState::Failed, ResultBody::Error(error())),
            Self::Refusal => {
                let (error, message) = (error(), message(job));
                end(JobState::Failed, ResultBody::Refusal { error, message })
            }
            Self::Canceled => end(JobState::Canceled, ResultBody::Nothing),
            Self::Retry(ms) => {
                Next::RetryAt(now + Duration::from_millis(u64::try_from(ms).unwrap()))
            }
            Self::Requeue => Next::Requeue,
            Self::Hold => Next::Hold,
            Self::Truncated => Next::EndPutAside,
            Self::OtherModel { puts_aside } => {
                let other = MODELS[usize::from(job.model == HAIKU)];
                let mut amendment = amendment_of(job);
                amendment.model = Some(other.to_owned());
                amend(amendment, puts_aside.then(|| message(job)))
            }
            Self::MoreRoom => {
                let mut amendment = amendment_of(job);
                amendment.max_tokens = Some(18);
                amendment.raised = true;
                amend(amendment, None)
            }
        }
    }
}

fn amendment_of(job: &ClaimedJob) -> Amendment {
    match &job.amendment {
        Some(amendment) => Amendment::clone(amendment),
        None => Amendment::none(&job.model),
    }
}

/// The same end, of a job that goes again by that lane if it does.
pub fn in_lane(lane: Lane, end: Finish) -> Finish {
    Finish { lane, ..end }
}

/// The end of an attempt, with a cost and tokens that no other line has.
pub fn finish(end: End, job: &ClaimedJob, now: Timestamp) -> Finish {
    let class = end.class();
    let answered = class.is_none() || class == Some(ErrorClass::Truncated);
    let outcome = match end {
        End::Canceled => AttemptOutcome::Canceled,
        _ if answered => AttemptOutcome::Succeeded,
        _ => AttemptOutcome::Errored,
    };
    let number = u64::try_from(job.attempt.job.0 % 1_000).unwrap();
    let evidence = Evidence {
        http_status: (!matches!(end, End::Canceled)).then_some(if answered { 200 } else { 529 }),
        error_type: (!answered).then(|| "overloaded_error".to_owned()),
        message: class.map(|class| class.info().meaning.to_owned()),
        request_id: Some(format!("req_{}", job.attempt.n)),
        retry_after: matches!(end, End::Retry(_)).then_some(Duration::from_secs(3)),
        ..Evidence::default()
    };
    let record = AttemptRecord {
        attempt: job.attempt,
        ended_at: now,
        outcome,
        error_class: class,
        evidence,
        endpoint: matches!(end, End::Requeue).then(|| "https://second.test".to_owned()),
        answered_by: answered.then(|| job.model.clone()),
        usage: Usage {
            tokens: Tokens {
                input: 10 + number,
                output: 5,
                cache_read: number,
                ..Tokens::default()
            },
            ..Usage::default()
        },
        cost: Cost {
            total: Pico(3_500_000 + i128::from(number)),
            saved_by_cache: Pico(i128::from(number)),
            unknown_price: matches!(end, End::Refusal),
            ..Cost::default()
        },
        cost_basis: matches!(end, End::Marked).then_some(CostBasis::AtMost),
        price_row: answered.then(|| format!("row of {}", job.model)),
        at_most: matches!(end, End::Marked | End::Requeue).then_some(Pico(9_000_000)),
        maybe_billed: matches!(end, End::Requeue),
        latency: Some(Duration::from_millis(900 + number)),
        wait_rule: matches!(end, End::Retry(_)).then_some(WaitRule::Evidence),
    };
    Finish {
        record,
        next: end.next(job, now),
        lane: Lane::Live,
        history: JobHistory {
            counted: job.history.counted + 1,
            faults_in_row: job.history.faults_in_row + u32::from(!answered),
            interruptions_in_row: 0,
            ..job.history
        },
    }
}

pub fn remote(id: &str, status: RemoteStatus, now: Timestamp) -> RemoteBatch {
    RemoteBatch {
        id: id.to_owned(),
        status,
        counts: RequestCounts {
            processing: 1,
            ..RequestCounts::default()
        },
        created_at: Some(now),
        expires_at: Some(now + Duration::from_hours(24)),
        ended_at: (status == RemoteStatus::Ended).then_some(now),
        archived_at: None,
    }
}
