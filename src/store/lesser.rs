//! The lesser form of an end that a store cannot hold as it is.
//!
//! An answer is paid for. Where the store works and yet refuses it, what of it can be held is held: that
//! there was an answer, and what it cost. The answer itself is kept aside.

use super::{Finish, JobEnd, Next, ResultBody};
use crate::model::{AttemptOutcome, ErrorClass, Evidence, JobState, error_object};

/// Texts are cut to so many letters.
const LONGEST: usize = 2_000;

impl Finish {
    /// That the attempt has ended, and its job too, although what it brought is not in the store: it is
    /// kept in the file of that name. So nobody buys it a second time.
    #[must_use]
    pub fn held_back(self, why: &str, kept_in: &str) -> Self {
        let Self {
            mut record,
            next,
            lane,
            history,
        } = self;
        let short = |text: &str| -> String { text.chars().take(LONGEST).collect() };
        let message = format!(
            "the answer came, but the store cannot hold it ({}). It is kept in {kept_in}, and is not asked for again",
            short(why)
        );
        record.outcome = AttemptOutcome::Errored;
        record.error_class = Some(ErrorClass::BadResponse);
        record.answered_by = record.answered_by.as_deref().map(short);
        record.evidence = Evidence {
            http_status: record.evidence.http_status,
            request_id: record.evidence.request_id.as_deref().map(short),
            message: Some(message.clone()),
            ..Evidence::default()
        };
        record.latency = None;
        let next = match next {
            Next::RetryAt(_) | Next::Requeue | Next::Hold => next,
            Next::Amend { .. } | Next::End(_) | Next::EndPutAside => Next::End(JobEnd {
                state: JobState::Failed,
                result: ResultBody::Error(error_object("api_error", &message, None)),
            }),
        };
        Self {
            record,
            next,
            lane,
            history,
        }
    }
}
