//! What it means that a batch could not be created.
//!
//! The one question that matters is whether the call may have been heard. Nothing but an answer
//! that refuses, or a connection that was never opened, says that it was not.

use crate::model::{AttemptId, ErrorClass, Treatment, batch::parse_item_id};
use crate::provider::{Failure, has_no_batches, may_have_been_created, rejected_entry};

/// What a failed create call means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nobody knows whether the batch exists.
    Uncertain,
    /// It does not exist, and may later: no room in the queue, no connection.
    Wait,
    /// It does not exist, and must be smaller.
    TooLarge,
    /// It does not exist, because of this entry.
    Entry(EntryName),
    /// It does not exist, because of some entry, and nothing says which.
    Unnamed,
    /// It does not exist: there are no Message Batches at this endpoint, or none for this key.
    NoBatches,
    /// It does not exist, and no batch can be created now.
    Halt,
}

/// How a refusal names the entry at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EntryName {
    /// By its place in the list, from 0.
    Place(usize),
    /// By its id.
    Attempt(AttemptId),
}

/// What this failure of a create call means.
pub(super) fn refusal(failure: &Failure) -> Refusal {
    let class = failure.class;
    if may_have_been_created(failure) {
        return Refusal::Uncertain;
    }
    if has_no_batches(failure) {
        return Refusal::NoBatches;
    }
    if class == ErrorClass::RequestTooLarge {
        return Refusal::TooLarge;
    }
    match class.treatment() {
        Treatment::Halt | Treatment::HoldModel => Refusal::Halt,
        Treatment::Retry | Treatment::Requeue => Refusal::Wait,
        Treatment::Fail | Treatment::Mark => {
            let place = rejected_entry(failure).map(EntryName::Place);
            // Only the API's own words are about entries: a page in its place is about the way to it.
            let unnamed = match failure.evidence.error_type {
                Some(_) => Refusal::Unnamed,
                None => Refusal::Halt,
            };
            place
                .or_else(|| entry_of_ours(failure))
                .map_or(unnamed, Refusal::Entry)
        }
    }
}

/// Any of our own ids in the words of the refusal (`Duplicate custom_id found: ...`).
fn entry_of_ours(failure: &Failure) -> Option<EntryName> {
    let message = failure.evidence.message.as_deref()?;
    let words = message.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let mut ours = words.filter_map(parse_item_id);
    ours.next().map(|(_, id)| EntryName::Attempt(id))
}

#[cfg(test)]
mod tests {
    use super::{EntryName, Refusal, refusal};
    use crate::model::{AttemptId, ErrorClass, Evidence, JobId};
    use crate::provider::Failure;

    fn failure(class: ErrorClass, http_status: Option<u16>, message: &str) -> Failure {
        Failure {
            class,
            evidence: Evidence {
                http_status,
                message: Some(message.to_owned()),
                ..Evidence::default()
            },
            message: None,
            partial: None,
            unsent: false,
            revision: None,
        }
    }

    #[test]
    fn only_an_answer_that_refuses_says_that_there_is_no_batch() {
        use ErrorClass as C;
        for (class, status, meaning) in [
            (C::ConnectionCut, None, Refusal::Uncertain),
            (C::Timeout, None, Refusal::Uncertain),
            (C::BadResponse, Some(200), Refusal::Uncertain),
            (C::RequestTimeout, Some(408), Refusal::Uncertain),
            (C::ServerError, Some(500), Refusal::Uncertain),
            (C::GatewayTimeout, Some(504), Refusal::Uncertain),
            (C::Overloaded, Some(529), Refusal::Uncertain),
            (C::Connect, None, Refusal::Wait),
            (C::Dns, None, Refusal::Wait),
            (C::Tls, None, Refusal::Halt),
            (C::BatchQueueFull, Some(429), Refusal::Wait),
            (C::RateLimited, Some(429), Refusal::Wait),
            (C::Conflict, Some(409), Refusal::Wait),
            (C::RequestTooLarge, Some(413), Refusal::TooLarge),
            (C::Authentication, Some(401), Refusal::Halt),
            (C::Billing, Some(400), Refusal::Halt),
            (C::SpendLimit, Some(400), Refusal::Halt),
            (C::WrongEndpoint, Some(307), Refusal::Halt),
            (C::WrongEndpoint, Some(404), Refusal::NoBatches),
            (C::WrongEndpoint, Some(405), Refusal::NoBatches),
            (C::WrongEndpoint, Some(501), Refusal::NoBatches),
            (C::Permission, Some(403), Refusal::NoBatches),
            (C::OrganizationDisabled, Some(403), Refusal::Halt),
            (C::BatchRejected, Some(400), Refusal::Halt),
        ] {
            let found = refusal(&failure(class, status, "no"));
            assert_eq!(found, meaning, "{class} {status:?}");
        }
    }

    #[test]
    fn the_entry_at_fault_is_read_from_the_words_of_the_api() {
        let attempt = AttemptId {
            job: JobId(77),
            n: 2,
        };
        for (message, entry) in [
            (
                "requests.12.custom_id: Field required",
                Some(EntryName::Place(12)),
            ),
            (
                "requests: custom_id's must be unique within a batch. Duplicate custom_id found: k3x-77-2",
                Some(EntryName::Attempt(attempt)),
            ),
            ("requests: List should have at least 1 item", None),
            ("requests.: odd", None),
            (
                "The request body is not valid JSON: no low surrogate in string",
                None,
            ),
        ] {
            let mut failure = failure(ErrorClass::BatchRejected, Some(400), message);
            failure.evidence.error_type = Some("invalid_request_error".to_owned());
            let expected = entry.map_or(Refusal::Unnamed, Refusal::Entry);
            assert_eq!(refusal(&failure), expected, "{message}");
        }
    }
}
