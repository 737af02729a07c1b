//! The closed list of what can go wrong, and what each class means for a run.
//!
//! One table (`table`) holds everything that depends on the class alone. What makes an answer
//! belong to a class is `provider::classify`; how long to wait is `policy::retry`.

mod api_type;
mod remedy;
mod table;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use table::TABLE;

pub use api_type::API_ERROR_TYPES;

/// What went wrong with an attempt. The names are stable: they stand in the store, in reports, in
/// exports and in `retry --class`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorClass {
    /// The organisation's limit of requests or tokens per minute was reached.
    RateLimited,
    /// Usage grew faster than the API allows, although it is below the limit.
    AccelerationLimited,
    /// Too many requests were open at the same time.
    ConcurrencyLimited,
    /// A spend limit of the organisation or workspace is reached.
    SpendLimit,
    /// The account has no credit, or its payment failed.
    Billing,
    /// The API does not accept the key.
    Authentication,
    /// The key may not do this.
    Permission,
    /// The organisation behind the key is disabled.
    OrganizationDisabled,
    /// The API knows no model of this name: misspelt, retired, or not open to this key.
    ModelNotFound,
    /// Something answered at the base URL, but not the Claude API.
    WrongEndpoint,
    /// The endpoint has not answered a single time in this run.
    Unreachable,
    /// The API has no capacity left for this model just now; it is not your limit.
    Overloaded,
    /// Something failed inside the API.
    ServerError,
    /// A gateway in front of the API got no usable answer from it.
    BadGateway,
    /// No healthy server stood behind the gateway.
    Unavailable,
    /// The API or a gateway in front of it gave up waiting; the work may have been done.
    GatewayTimeout,
    /// The network in front of the API (Cloudflare) failed or asked for a browser.
    EdgeError,
    /// No answer came within the time allowed; the work may have been done.
    Timeout,
    /// No connection could be opened.
    Connect,
    /// The host name could not be resolved.
    Dns,
    /// No secure connection is possible: the certificate was not accepted, or the server refused.
    Tls,
    /// The connection broke before the whole answer had come; the work may have been done.
    ConnectionCut,
    /// A stream ended before its last event; what had come was thrown away, but may have been billed.
    StreamCut,
    /// The answer said success, but was no message: HTML, cut off, too long, or not JSON.
    BadResponse,
    /// The server waited too long for the request.
    RequestTimeout,
    /// The request met another one at the same resource.
    Conflict,
    /// The prompt has more tokens than the model's context window.
    PromptTooLong,
    /// The request body is larger than the API takes (32 MB), or than something in front of it does.
    RequestTooLarge,
    /// `max_tokens` is more than this model can produce, or than the prompt leaves room for.
    MaxTokensTooLarge,
    /// A `tool_use` and its `tool_result` do not stand next to each other.
    ToolPairing,
    /// `cache_control` is used in a way that the API refuses.
    CacheControl,
    /// An image or document could not be used: too large, undecodable, or of another type than it says.
    Image,
    /// A file that the request names does not exist, or its URL could not be read.
    FileMissing,
    /// A tool or output schema was refused, or the form of the whole request.
    ToolSchema,
    /// This model does not continue a message of the assistant.
    PrefillUnsupported,
    /// This model does not take these thinking settings.
    ThinkingUnsupported,
    /// A content filter stopped the output.
    ContentFiltered,
    /// The API refused the request as it is; sending it again would not help.
    InvalidRequest,
    /// The model declined to answer (`stop_reason` `refusal`).
    Refused,
    /// The answer ended at `max_tokens`; it is kept, but incomplete.
    Truncated,
    /// The answer ended because the context window was full; it is kept, but incomplete.
    ContextWindowExceeded,
    /// A long server-tool turn paused (`stop_reason` `pause_turn`); it is continued a few times.
    Paused,
    /// The Batches API refused the whole batch.
    BatchRejected,
    /// The organisation has too many batch requests waiting.
    BatchQueueFull,
    /// A batch ended without a line for this job.
    ResultMissing,
    /// The results of a batch were kept for 29 days and are gone.
    ResultsExpired,
    /// The batch ran out of its 24 hours before this job was processed; it was not billed.
    Expired,
    /// Cancelled before it was processed.
    Canceled,
    /// claude-run ended before the answer was recorded; the request may have been billed.
    Interrupted,
    /// An error that claude-run does not know; its evidence is kept.
    Unknown,
}

/// What happens to the job, or to more than the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// The job is tried again, at its schedule.
    Retry,
    /// The job is tried again without a wait of its own.
    Requeue,
    /// The job fails: sending it again cannot help.
    Fail,
    /// The job succeeded; the class marks its result.
    Mark,
    /// No job of this model can succeed now.
    HoldModel,
    /// No job of this run can succeed now.
    Halt,
}

/// Which of a job's counters an attempt of this class moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// Failures of the server or the network: they count towards the attempt limit.
    Faults,
    /// Limits: they are waited for and cost the job nothing.
    RateLimits,
    /// Our own crashes, which have a limit of their own.
    Interruptions,
    /// Nothing is counted.
    None,
}

/// A row of the table: everything that follows from the class alone.
#[derive(Clone, Copy, Debug)]
pub struct ClassInfo {
    /// The class.
    pub class: ErrorClass,
    /// Its stable name.
    pub name: &'static str,
    /// What it does to the job, the model or the run.
    pub treatment: Treatment,
    /// What it counts towards.
    pub budget: Budget,
    /// Whether such an attempt may have been billed without an answer that tells its usage.
    pub maybe_billed: bool,
    /// What happened, in words.
    pub meaning: &'static str,
    /// What makes the class: status, `error.type`, `details.error_code`, words of the message.
    pub evidence: &'static str,
    /// What usually leads to it.
    pub causes: &'static str,
    /// What to do next, in words.
    pub remedy: &'static str,
}

impl ErrorClass {
    /// Every class, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.class)
    }

    /// The class's row of the table.
    #[must_use]
    pub fn info(self) -> &'static ClassInfo {
        &TABLE[self as usize]
    }

    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.info().name
    }

    /// What to do next when a run has halted for it, with these words. A limit is mostly waited for, and
    /// says so: not where nothing has ever got past it.
    #[must_use]
    pub fn remedy_of_halt(self, said: &str) -> &'static str {
        match self.budget() {
            Budget::RateLimits => {
                "Find out what the limit is: it is 0 for this key or model, or counts for a day, or is a budget of your gateway. Raise it, use another key or model, or wait; then `claude-run resume`."
            }
            _ => self.remedy_for(said),
        }
    }

    /// What it does to the job, the model or the run.
    #[must_use]
    pub fn treatment(self) -> Treatment {
        self.info().treatment
    }

    /// What it counts towards.
    #[must_use]
    pub fn budget(self) -> Budget {
        self.info().budget
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ErrorClass {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::all()
            .find(|class| class.as_str() == name)
            .ok_or_else(|| format!("`{name}` is no error class"))
    }
}

impl Serialize for ErrorClass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ErrorClass {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for ErrorClass {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ErrorClass".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names: Vec<_> = Self::all().map(Self::as_str).collect();
        schemars::json_schema!({ "type": "string", "enum": names })
    }
}

#[cfg(test)]
mod tests {
    use super::{ErrorClass, TABLE};

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.class as usize, index, "{}", row.name);
        }
    }

    #[test]
    fn every_name_is_read_back() {
        for class in ErrorClass::all() {
            assert_eq!(class.as_str().parse(), Ok(class));
        }
    }

    #[test]
    fn every_class_is_explained() {
        for row in TABLE {
            for text in [row.meaning, row.evidence, row.causes, row.remedy] {
                assert!(text.ends_with('.'), "{}: {text}", row.name);
            }
        }
    }
}
