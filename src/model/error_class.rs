//! The closed list of what can go wrong, and what each class means for a run.
//!
//! One table holds everything that depends on the class alone. What makes an answer belong to a
//! class is `provider::classify`; how long to wait is `policy::retry`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
    /// The server's TLS certificate was not accepted.
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
    /// The request body is larger than the API takes (32 MB).
    RequestTooLarge,
    /// `max_tokens` is more than this model can produce, or than its thinking budget or context leaves room for.
    MaxTokensTooLarge,
    /// A `tool_use` and its `tool_result` do not stand next to each other.
    ToolPairing,
    /// `cache_control` is used in a way that the API refuses.
    CacheControl,
    /// An image or document could not be used: too large, undecodable, or of another type than it says.
    Image,
    /// A file that the request names does not exist, or its URL could not be read.
    FileMissing,
    /// A tool or output schema was refused.
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
    /// A long server-tool turn paused (`stop_reason` `pause_turn`); what had come is kept.
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

/// In the order of the enum, which `info` relies on.
const TABLE: &[ClassInfo] = &[
    ClassInfo {
        class: ErrorClass::RateLimited,
        name: "rate_limited",
        treatment: Treatment::Retry,
        budget: Budget::RateLimits,
        maybe_billed: false,
        meaning: "The organisation's limit of requests or tokens per minute was reached.",
        remedy: "Nothing: claude-run waits as long as the API asks. Lower --concurrency if it happens often, or if other programs share the key.",
    },
    ClassInfo {
        class: ErrorClass::AccelerationLimited,
        name: "acceleration_limited",
        treatment: Treatment::Retry,
        budget: Budget::RateLimits,
        maybe_billed: false,
        meaning: "Usage grew faster than the API allows, although it is below the limit.",
        remedy: "Nothing: claude-run waits and starts more slowly.",
    },
    ClassInfo {
        class: ErrorClass::ConcurrencyLimited,
        name: "concurrency_limited",
        treatment: Treatment::Retry,
        budget: Budget::RateLimits,
        maybe_billed: false,
        meaning: "Too many requests were open at the same time.",
        remedy: "Nothing: claude-run waits. Lower --concurrency to avoid it.",
    },
    ClassInfo {
        class: ErrorClass::SpendLimit,
        name: "spend_limit",
        treatment: Treatment::Halt,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "A spend limit of the organisation or workspace is reached.",
        remedy: "Raise the limit in the Console under Limits, or wait for the time that the message names; then `claude-run resume`.",
    },
    ClassInfo {
        class: ErrorClass::Billing,
        name: "billing",
        treatment: Treatment::Halt,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "The account has no credit, or its payment failed.",
        remedy: "Buy credit or repair the payment in the Console under Billing; then `claude-run resume`.",
    },
    ClassInfo {
        class: ErrorClass::Authentication,
        name: "authentication",
        treatment: Treatment::Halt,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "The API does not accept the key.",
        remedy: "Set ANTHROPIC_API_KEY to a valid key (Console, API keys); then `claude-run resume`.",
    },
    ClassInfo {
        class: ErrorClass::Permission,
        name: "permission",
        treatment: Treatment::Halt,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "The key may not do this.",
        remedy: "Use a key of a workspace that has access, or ask an administrator; then `claude-run resume`.",
    },
    ClassInfo {
        class: ErrorClass::OrganizationDisabled,
        name: "organization_disabled",
        treatment: Treatment::Halt,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "The organisation behind the key is disabled.",
        remedy: "Use a key of another organisation, or ask Anthropic's support; then `claude-run resume`.",
    },
    ClassInfo {
        class: ErrorClass::ModelNotFound,
        name: "model_not_found",
        treatment: Treatment::HoldModel,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "The API knows no model of this name: misspelt, retired, or not open to this key.",
        remedy: "Correct the model in the input and submit again, or use a key that may use it and `claude-run resume`.",
    },
    ClassInfo {
        class: ErrorClass::WrongEndpoint,
        name: "wrong_endpoint",
        treatment: Treatment::Halt,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "Something answered at the base URL, but not the Claude API.",
        remedy: "Correct --base-url or ANTHROPIC_BASE_URL (the root, without /v1); then `claude-run resume`.",
    },
    ClassInfo {
        class: ErrorClass::Unreachable,
        name: "unreachable",
        treatment: Treatment::Halt,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "The endpoint has not answered a single time in this run.",
        remedy: "Check the network, the proxy variables and --base-url; then `claude-run resume`.",
    },
    ClassInfo {
        class: ErrorClass::Overloaded,
        name: "overloaded",
        treatment: Treatment::Retry,
        budget: Budget::Faults,
        maybe_billed: false,
        meaning: "The API has no capacity left for this model just now; it is not your limit.",
        remedy: "Nothing: claude-run tries again. If it lasts, run at another hour or use another model.",
    },
    ClassInfo {
        class: ErrorClass::ServerError,
        name: "server_error",
        treatment: Treatment::Retry,
        budget: Budget::Faults,
        maybe_billed: false,
        meaning: "Something failed inside the API.",
        remedy: "Nothing: claude-run tries again. If one job alone keeps failing, report its request id to Anthropic.",
    },
    ClassInfo {
        class: ErrorClass::BadGateway,
        name: "bad_gateway",
        treatment: Treatment::Retry,
        budget: Budget::Faults,
        maybe_billed: false,
        meaning: "A gateway in front of the API got no usable answer from it.",
        remedy: "Nothing: claude-run tries again.",
    },
    ClassInfo {
        class: ErrorClass::Unavailable,
        name: "unavailable",
        treatment: Treatment::Retry,
        budget: Budget::Faults,
        maybe_billed: false,
        meaning: "No healthy server stood behind the gateway.",
        remedy: "Nothing: claude-run tries again, and goes on when the service is back.",
    },
    ClassInfo {
        class: ErrorClass::GatewayTimeout,
        name: "gateway_timeout",
        treatment: Treatment::Retry,
        budget: Budget::Faults,
        maybe_billed: true,
        meaning: "The API or a gateway in front of it gave up waiting; the work may have been done.",
        remedy: "Nothing: claude-run tries again. Lower max_tokens if it keeps happening to one job.",
    },
    ClassInfo {
        class: ErrorClass::EdgeError,
        name: "edge_error",
        treatment: Treatment::Retry,
        budget: Budget::Faults,
        maybe_billed: false,
        meaning: "The network in front of the API (Cloudflare) failed or asked for a browser.",
        remedy: "Nothing: claude-run tries again. If it lasts, check proxies and VPNs.",
    },
    ClassInfo {
        class: ErrorClass::Timeout,
        name: "timeout",
        treatment: Treatment::Retry,
        budget: Budget::Faults,
        maybe_billed: true,
        meaning: "No answer came within the time allowed; the work may have been done.",
        remedy: "Raise --timeout or lower max_tokens if it keeps happening.",
    },
    ClassInfo {
        class: ErrorClass::Connect,
        name: "connect",
        treatment: Treatment::Retry,
        budget: Budget::Faults,
        maybe_billed: false,
        meaning: "No connection could be opened.",
        remedy: "Check the network and the proxy variables if it lasts.",
    },
    ClassInfo {
        class: ErrorClass::Dns,
        name: "dns",
        treatment: Treatment::Retry,
        budget: Budget::Faults,
        maybe_billed: false,
        meaning: "The host name could not be resolved.",
        remedy: "Check the network, the DNS settings and --base-url if it lasts.",
    },
    ClassInfo {
        class: ErrorClass::Tls,
        name: "tls",
        treatment: Treatment::Halt,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "The server's TLS certificate was not accepted.",
        remedy: "If a company proxy inspects traffic, give its certificate with --ca-bundle; check the clock; then `claude-run resume`.",
    },
    ClassInfo {
        class: ErrorClass::ConnectionCut,
        name: "connection_cut",
        treatment: Treatment::Retry,
        budget: Budget::Faults,
        maybe_billed: true,
        meaning: "The connection broke before the whole answer had come; the work may have been done.",
        remedy: "Nothing: claude-run tries again.",
    },
    ClassInfo {
        class: ErrorClass::StreamCut,
        name: "stream_cut",
        treatment: Treatment::Retry,
        budget: Budget::Faults,
        maybe_billed: true,
        meaning: "A stream ended before its last event; what had come was thrown away, but may have been billed.",
        remedy: "Nothing: claude-run tries again.",
    },
    ClassInfo {
        class: ErrorClass::BadResponse,
        name: "bad_response",
        treatment: Treatment::Retry,
        budget: Budget::Faults,
        maybe_billed: true,
        meaning: "The answer said success, but was no message: HTML, cut off, too long, or not JSON.",
        remedy: "Check what stands between you and the API (a proxy or gateway) if it lasts.",
    },
    ClassInfo {
        class: ErrorClass::RequestTimeout,
        name: "request_timeout",
        treatment: Treatment::Retry,
        budget: Budget::Faults,
        maybe_billed: false,
        meaning: "The server waited too long for the request.",
        remedy: "Nothing: claude-run tries again. Check the upload speed if it lasts.",
    },
    ClassInfo {
        class: ErrorClass::Conflict,
        name: "conflict",
        treatment: Treatment::Retry,
        budget: Budget::Faults,
        maybe_billed: false,
        meaning: "The request met another one at the same resource.",
        remedy: "Nothing: claude-run tries again.",
    },
    ClassInfo {
        class: ErrorClass::PromptTooLong,
        name: "prompt_too_long",
        treatment: Treatment::Fail,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "The prompt has more tokens than the model's context window.",
        remedy: "Shorten or split the prompt, or use a model with a larger window, and submit it again.",
    },
    ClassInfo {
        class: ErrorClass::RequestTooLarge,
        name: "request_too_large",
        treatment: Treatment::Fail,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "The request body is larger than the API takes (32 MB).",
        remedy: "Use smaller or fewer images and documents, or upload them with the Files API.",
    },
    ClassInfo {
        class: ErrorClass::MaxTokensTooLarge,
        name: "max_tokens_too_large",
        treatment: Treatment::Fail,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "max_tokens is more than this model can produce, or than its thinking budget or context leaves room for.",
        remedy: "Lower max_tokens and submit the job again.",
    },
    ClassInfo {
        class: ErrorClass::ToolPairing,
        name: "tool_pairing",
        treatment: Treatment::Fail,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "A tool_use and its tool_result do not stand next to each other.",
        remedy: "Give every tool_use a tool_result in the very next message.",
    },
    ClassInfo {
        class: ErrorClass::CacheControl,
        name: "cache_control",
        treatment: Treatment::Fail,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "cache_control is used in a way that the API refuses.",
        remedy: "Use at most four breakpoints, one-hour ones before five-minute ones, and none on empty text.",
    },
    ClassInfo {
        class: ErrorClass::Image,
        name: "image",
        treatment: Treatment::Fail,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "An image or document could not be used: too large, undecodable, or of another type than it says.",
        remedy: "Correct or resize the file and submit the job again.",
    },
    ClassInfo {
        class: ErrorClass::FileMissing,
        name: "file_missing",
        treatment: Treatment::Fail,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "A file that the request names does not exist, or its URL could not be read.",
        remedy: "Upload the file again, or correct its id or URL.",
    },
    ClassInfo {
        class: ErrorClass::ToolSchema,
        name: "tool_schema",
        treatment: Treatment::Fail,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "A tool or output schema was refused.",
        remedy: "Correct the schema: see the message.",
    },
    ClassInfo {
        class: ErrorClass::PrefillUnsupported,
        name: "prefill_unsupported",
        treatment: Treatment::Fail,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "This model does not continue a message of the assistant.",
        remedy: "End the conversation with a user message; use output_config.format for structured output.",
    },
    ClassInfo {
        class: ErrorClass::ThinkingUnsupported,
        name: "thinking_unsupported",
        treatment: Treatment::Fail,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "This model does not take these thinking settings.",
        remedy: "Use the kind of thinking that the model's page names.",
    },
    ClassInfo {
        class: ErrorClass::ContentFiltered,
        name: "content_filtered",
        treatment: Treatment::Fail,
        budget: Budget::None,
        maybe_billed: true,
        meaning: "A content filter stopped the output.",
        remedy: "Rephrase the prompt.",
    },
    ClassInfo {
        class: ErrorClass::InvalidRequest,
        name: "invalid_request",
        treatment: Treatment::Fail,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "The API refused the request as it is; sending it again would not help.",
        remedy: "Correct what the message names and submit the job again.",
    },
    ClassInfo {
        class: ErrorClass::Refused,
        name: "refused",
        treatment: Treatment::Fail,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "The model declined to answer (stop_reason `refusal`).",
        remedy: "Rephrase the prompt or use another model; the same request will nearly always be refused again.",
    },
    ClassInfo {
        class: ErrorClass::Truncated,
        name: "truncated",
        treatment: Treatment::Mark,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "The answer ended at max_tokens; it is kept, but incomplete.",
        remedy: "Raise max_tokens for this job if the rest matters.",
    },
    ClassInfo {
        class: ErrorClass::ContextWindowExceeded,
        name: "context_window_exceeded",
        treatment: Treatment::Mark,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "The answer ended because the context window was full; it is kept, but incomplete.",
        remedy: "Shorten the prompt or use a model with a larger window.",
    },
    ClassInfo {
        class: ErrorClass::Paused,
        name: "paused",
        treatment: Treatment::Mark,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "A long server-tool turn paused (stop_reason `pause_turn`); what had come is kept.",
        remedy: "Continue the conversation with the answer appended.",
    },
    ClassInfo {
        class: ErrorClass::BatchRejected,
        name: "batch_rejected",
        treatment: Treatment::Fail,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "The Batches API refused the whole batch.",
        remedy: "See the message; it names the entry at fault.",
    },
    ClassInfo {
        class: ErrorClass::BatchQueueFull,
        name: "batch_queue_full",
        treatment: Treatment::Retry,
        budget: Budget::RateLimits,
        maybe_billed: false,
        meaning: "The organisation has too many batch requests waiting.",
        remedy: "Nothing: claude-run waits until there is room.",
    },
    ClassInfo {
        class: ErrorClass::ResultMissing,
        name: "result_missing",
        treatment: Treatment::Retry,
        budget: Budget::Faults,
        maybe_billed: true,
        meaning: "A batch ended without a line for this job.",
        remedy: "Nothing: claude-run tries again.",
    },
    ClassInfo {
        class: ErrorClass::ResultsExpired,
        name: "results_expired",
        treatment: Treatment::Retry,
        budget: Budget::Faults,
        maybe_billed: true,
        meaning: "The results of a batch were kept for 29 days and are gone.",
        remedy: "Nothing: claude-run sends the job again; the lost answer was paid for.",
    },
    ClassInfo {
        class: ErrorClass::Expired,
        name: "expired",
        treatment: Treatment::Requeue,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "The batch ran out of its 24 hours before this job was processed; it was not billed.",
        remedy: "Nothing: claude-run tries again.",
    },
    ClassInfo {
        class: ErrorClass::Canceled,
        name: "canceled",
        treatment: Treatment::Fail,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "Cancelled before it was processed.",
        remedy: "`claude-run retry` puts it back.",
    },
    ClassInfo {
        class: ErrorClass::Interrupted,
        name: "interrupted",
        treatment: Treatment::Requeue,
        budget: Budget::Interruptions,
        maybe_billed: true,
        meaning: "claude-run ended before the answer was recorded; the request may have been billed.",
        remedy: "Nothing: claude-run tries again. If it repeats, find out what kills the process.",
    },
    ClassInfo {
        class: ErrorClass::Unknown,
        name: "unknown",
        treatment: Treatment::Fail,
        budget: Budget::None,
        maybe_billed: false,
        meaning: "An error that claude-run does not know; its evidence is kept.",
        remedy: "Read the message with `claude-run attempts --job ID`, and report it if it should be known.",
    },
];

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
            assert!(
                row.meaning.ends_with('.') && row.remedy.ends_with('.'),
                "{}",
                row.name
            );
        }
    }
}
