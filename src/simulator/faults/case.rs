//! The table of cases: the one place where a name, its meaning and its effect stand together.
//!
//! A case is a row of data, not a branch of code: what is done with a row's [`Act`] is decided
//! where answers are made.

use std::fmt;
use std::str::FromStr;

use crate::simulator::receipt::Receipt;

/// One thing that a request can be answered with. Known by its name, as in `[[sim: 529]]`.
#[derive(Clone, Copy)]
pub struct Case(&'static Row);

struct Row {
    name: &'static str,
    about: &'static str,
    act: Act,
}

/// What a case does.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulator) enum Act {
    /// A 200 with a message, perhaps a peculiar one.
    Answer(Twist),
    /// An error made by the API. `{regain}`, `{model}` and `{max_tokens}` are filled in.
    Error {
        status: u16,
        kind: &'static str,
        message: &'static str,
        extra: Extra,
    },
    /// An answer made by something in front of the API.
    Edge {
        status: u16,
        content_type: &'static str,
        body: &'static str,
    },
    /// An error as AWS makes them: its name in a header, and only a message in the body.
    Aws {
        status: u16,
        name: &'static str,
        message: &'static str,
    },
    /// An HTML page made by something in front of the API.
    Page { status: u16, title: &'static str },
    /// The exchange itself breaks.
    Break(Break),
    /// A good answer that is written oddly; only for requests with a plain answer.
    Odd(Oddity),
    /// A stream with a flaw; only for requests with `"stream": true`.
    Stream(StreamTwist),
    /// Something that befalls requests in a batch only.
    Item(ItemTwist),
    /// A batch is created, and the answer that says so never arrives.
    LostAnswer,
}

/// Where a case is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Venue {
    /// A Messages request with a plain answer.
    Plain,
    /// A Messages request with `"stream": true`.
    Streamed,
    /// A request in a batch.
    Item,
    /// The call that creates a batch.
    Create,
}

/// What an error brings besides its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Extra {
    Nothing,
    /// `retry-after: 1` unless an option says otherwise.
    RetryAfter,
    /// The `error_code` of an enforced spend limit.
    SpendCap,
}

/// How a message differs from a plain one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Twist {
    Plain,
    Thinking,
    Empty,
    Refusal,
    RefusalWithOutput,
    MaxTokens,
    ContextWindow,
    PauseTurn,
    PauseInContainer,
    UnknownStop,
    /// Its usage is told in this way.
    Receipt(Receipt),
    /// It names its model in this way.
    Named(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Break {
    TruncatedJson,
    WrongLength,
    Reset,
    ResetMidBody,
    Hang,
    EmptyBody,
    ErrorBodyAt200,
}

/// What befalls a request in a batch, or the line of the results that tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum ItemTwist {
    Expired,
    Canceled,
    MissingLine,
    DuplicateLine,
    ContradictedLine,
    StrangerLine,
    UnreadableLine,
    FlatError,
}

/// How a good answer is written oddly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Oddity {
    RepeatedKey,
    HalfCharacter,
    NotUtf8,
    Deep,
    ByteOrderMark,
    Padded,
    OpenEnd,
    Events,
    TrailingText,
}

/// How a stream is flawed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum StreamTwist {
    Overloaded,
    ErrorFirst,
    ErrorMid,
    ContentFilter,
    Eof,
    BareError,
    Crlf,
    SplitUtf8,
    UnknownEvents,
    Stall,
    NoStop,
    Done,
    NoStopPings,
    Pings,
    StartedTwice,
    ErrorLast,
    NoNames,
    NoUsage,
    ContentFirst,
    Fallback,
    Halves,
    HalfCharacter,
    Stray,
}

/// A fault and how often it strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaultRate {
    /// What goes wrong.
    pub case: Case,
    /// Share of requests that it strikes, 0 to 1.
    pub probability: f64,
}

impl Case {
    /// A plain, good answer.
    pub const OK: Self = Self(&CASES[0]);

    /// The case of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        CASES.iter().find(|row| row.name == name).map(Self)
    }

    /// Every case there is, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        CASES.iter().map(Self)
    }

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// What happens, in one line for a person.
    #[must_use]
    pub fn about(self) -> &'static str {
        self.0.about
    }

    /// Whether it needs a request with `"stream": true`.
    #[must_use]
    pub fn needs_stream(self) -> bool {
        matches!(self.0.act, Act::Stream(_))
    }

    /// Whether it is for requests in a batch, or for the call that creates one.
    #[must_use]
    pub fn needs_batch(self) -> bool {
        matches!(self.0.act, Act::Item(_) | Act::LostAnswer)
    }

    pub(in crate::simulator) fn act(self) -> Act {
        self.0.act
    }

    /// Whether it can happen there; the error says where it can.
    pub(in crate::simulator) fn fits(self, venue: Venue) -> Result<(), String> {
        let place = match self.0.act {
            Act::Odd(_) if venue != Venue::Plain => "needs a request without \"stream\": true",
            Act::Stream(_) if venue != Venue::Streamed => "needs a request with \"stream\": true",
            Act::Item(_) if venue != Venue::Item => "is for requests in a batch",
            Act::LostAnswer if venue != Venue::Create => "is for the creation of a batch",
            _ => return Ok(()),
        };
        Err(format!("The simulator's case `{self}` {place}."))
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::named(name).ok_or_else(|| {
            format!("there is no case `{name}`: `claude-run simulate --list-faults` lists them")
        })
    }
}

impl PartialEq for Case {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Case {}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Case({})", self.0.name)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

const fn row(name: &'static str, about: &'static str, act: Act) -> Row {
    Row { name, about, act }
}

const fn answer(twist: Twist) -> Act {
    Act::Answer(twist)
}

const fn error(status: u16, kind: &'static str, message: &'static str) -> Act {
    Act::Error {
        status,
        kind,
        message,
        extra: Extra::Nothing,
    }
}

const fn invalid(message: &'static str) -> Act {
    error(400, "invalid_request_error", message)
}

const fn limited(message: &'static str, extra: Extra) -> Act {
    Act::Error {
        status: 429,
        kind: "rate_limit_error",
        message,
        extra,
    }
}

const fn page(status: u16, title: &'static str) -> Act {
    Act::Page { status, title }
}

const fn text(status: u16, body: &'static str) -> Act {
    Act::Edge {
        status,
        content_type: "text/plain",
        body,
    }
}

const fn json(status: u16, body: &'static str) -> Act {
    Act::Edge {
        status,
        content_type: "application/json",
        body,
    }
}

const fn aws(status: u16, name: &'static str, message: &'static str) -> Act {
    Act::Aws {
        status,
        name,
        message,
    }
}

const CREDIT: &str = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.";

#[rustfmt::skip] // One case a line: the table is read by column.
static CASES: [Row; 165] = [
    row("ok", "a good answer", answer(Twist::Plain)),
    row("thinking", "a good answer that starts with a thinking block", answer(Twist::Thinking)),
    row("empty-answer", "a good answer with no content", answer(Twist::Empty)),
    row("refusal", "refused before any output", answer(Twist::Refusal)),
    row("refusal-with-output", "refused in the middle of the answer", answer(Twist::RefusalWithOutput)),
    row("max-tokens-stop", "cut at max_tokens", answer(Twist::MaxTokens)),
    row("context-window-stop", "cut at the end of the context window", answer(Twist::ContextWindow)),
    row("pause-turn", "paused in a server tool's loop", answer(Twist::PauseTurn)),
    row("pause-turn-container", "paused after code ran in a container, which the next request must name", answer(Twist::PauseInContainer)),
    row("unknown-stop", "a stop reason nobody knows", answer(Twist::UnknownStop)),

    row("usage-absent", "a good answer without usage", answer(Twist::Receipt(Receipt::Absent))),
    row("usage-null", "a good answer whose usage is null", answer(Twist::Receipt(Receipt::Null))),
    row("usage-zeros", "a good answer that tells of no token", answer(Twist::Receipt(Receipt::Zeros))),
    row("usage-floats", "a good answer that counts tokens in fractions", answer(Twist::Receipt(Receipt::Floats))),
    row("usage-strings", "a good answer whose counts are texts", answer(Twist::Receipt(Receipt::Strings))),
    row("usage-negative", "a good answer that counts below zero", answer(Twist::Receipt(Receipt::Negative))),
    row("usage-huge", "a good answer that tells of 2^64 tokens", answer(Twist::Receipt(Receipt::Huge))),
    row("usage-beyond", "a good answer that tells of more tokens than fit into an integer", answer(Twist::Receipt(Receipt::Beyond))),
    row("usage-searches", "a good answer that tells of 999,999,999 searches", answer(Twist::Receipt(Receipt::Searches))),
    row("usage-many-steps", "a good answer of 3,000 steps", answer(Twist::Receipt(Receipt::ManySteps))),
    row("usage-huge-steps", "a good answer of 3,000 steps of a billion tokens each", answer(Twist::Receipt(Receipt::HugeSteps))),
    row("usage-no-output", "a good answer that tells of its input alone", answer(Twist::Receipt(Receipt::NoOutput))),
    row("usage-zero-output", "a good answer that tells of no output", answer(Twist::Receipt(Receipt::ZeroOutput))),
    row("usage-empty-step", "a good answer with a step that tells nothing", answer(Twist::Receipt(Receipt::EmptyStep))),
    row("usage-half-step", "a good answer with a step that tells of its input alone", answer(Twist::Receipt(Receipt::HalfStep))),
    row("usage-lesser-step", "a good answer with a step of less output than the whole", answer(Twist::Receipt(Receipt::LesserStep))),
    row("usage-fast", "a good answer that calls itself fast", answer(Twist::Receipt(Receipt::Fast))),
    row("usage-batch-tier", "a good answer that calls itself a batch's", answer(Twist::Receipt(Receipt::BatchTier))),
    row("model-own", "a good answer under a name of a gateway's own", answer(Twist::Named("our-small-one"))),
    row("model-openrouter", "a good answer by Haiku 4.5 as OpenRouter names it", answer(Twist::Named("anthropic/claude-haiku-4.5"))),
    row("model-bedrock", "a good answer by Haiku 4.5 as Bedrock names it", answer(Twist::Named("us.anthropic.claude-haiku-4-5-20251001-v1:0"))),

    row("429", "request rate exceeded, with retry-after", limited("This request would exceed your organization's rate limit of 1,000 requests per minute (org: {org}, model: {model}). For details, refer to: https://platform.claude.com/docs/en/api/rate-limits.", Extra::RetryAfter)),
    row("429-acceleration", "usage grew too fast", limited("This request would exceed your organization's ({org}) maximum usage increase rate for input tokens per minute. Please scale up your input tokens usage more gradually to stay within the acceleration limit. For details, refer to: https://platform.claude.com/docs/en/api/rate-limits.", Extra::RetryAfter)),
    row("429-concurrency", "too many connections at once", limited("Number of concurrent connections has exceeded your rate limit. Please try again later or contact sales at https://claude.com/contact-sales to discuss your options for a rate limit increase.", Extra::Nothing)),
    row("429-spend-cap", "the tier's monthly spend cap, without retry-after", limited("You have reached your API usage limits: your organization has crossed its monthly API usage threshold, set based on your organization's API tier. You will regain access on {regain} at 00:00 UTC.", Extra::SpendCap)),
    row("429-bare", "the short wording, without retry-after", limited("Rate limited", Extra::Nothing)),

    row("400", "a request that is wrong for some reason", invalid("messages.0.content: Input should be a valid list")),
    row("400-credit", "no credit left, as the API says it", invalid(CREDIT)),
    row("402-billing", "no credit left, as the documentation says it", error(402, "billing_error", CREDIT)),
    row("400-spend-limit", "the organization's own spend limit", invalid("You have reached your specified API usage limits. You will regain access on {regain} at 00:00 UTC.")),
    row("400-workspace-spend-limit", "the workspace's own spend limit", invalid("You have reached your specified workspace API usage limits. You will regain access on {regain} at 00:00 UTC.")),
    row("400-org-disabled", "the organization is switched off", invalid("This organization has been disabled.")),
    row("400-page", "http:// to a port that wants TLS", page(400, "400 The plain HTTP request was sent to HTTPS port")),
    row("400-gateway", "a gateway that knows no such key, in its own JSON", json(400, r#"{"message":"No API key found in request"}"#)),
    row("400-budget", "the budget of a gateway is used up", json(400, r#"{"error":{"message":"Budget has been exceeded! Current cost: 12.5, Max budget: 10.0","type":"budget_exceeded","param":null,"code":"400"}}"#)),
    row("429-quota", "the quota at a gateway is used up", json(429, r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#)),
    row("200-error-code", "status 200 with an error of a gateway and its code", json(200, r#"{"error":{"message":"Provider returned error","code":502}}"#)),
    row("200-openai", "status 200 with an answer of another API", json(200, r#"{"id":"chatcmpl-1","object":"chat.completion","choices":[]}"#)),
    row("302", "a redirect to a login page", page(302, "302 Found")),
    row("401", "a wrong key", error(401, "authentication_error", "invalid x-api-key")),
    row("401-expired", "an OAuth token past its time", error(401, "authentication_error", "OAuth token has expired. Please obtain a new token or refresh your existing token.")),
    row("403", "a key without permission", error(403, "permission_error", "Your API key does not have permission to use the specified resource.")),
    row("403-model", "a key without permission for this model", error(403, "permission_error", "Your organization does not have access to the model {model}.")),
    row("403-challenge", "a Cloudflare challenge, not the API", page(403, "Just a moment...")),
    row("404-model", "a model that does not exist or is retired", error(404, "not_found_error", "model: {model}")),
    row("404-html", "something that is not the API", page(404, "404 Not Found")),
    row("404-path", "a path that the API does not have", error(404, "not_found_error", "Not Found")),
    row("404-gateway", "a path that a gateway does not forward", Act::Edge { status: 404, content_type: "application/json", body: r#"{"detail":"Not Found"}"# }),
    row("405", "a method that the path does not have", error(405, "invalid_request_error", "Method Not Allowed")),
    row("405-gateway", "a method that a gateway does not forward", Act::Edge { status: 405, content_type: "application/json", body: r#"{"detail":"Method Not Allowed"}"# }),
    row("408", "request timeout", error(408, "timeout_error", "Request timed out.")),
    row("409", "conflict", error(409, "conflict_error", "The request conflicts with the current state of the resource.")),
    row("413-html", "too large, refused at the edge", page(413, "413 Request Entity Too Large")),
    row("413-json", "too large, in the edge's own JSON", Act::Edge { status: 413, content_type: "application/json", body: r#"{"error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}"# }),
    row("422", "unprocessable", error(422, "invalid_request_error", "Unprocessable request.")),

    row("500", "internal error", error(500, "api_error", "Internal server error")),
    row("501", "something that a gateway does not do", text(501, "Not Implemented")),
    row("502", "bad gateway, HTML", page(502, "api.anthropic.com | 502: Bad gateway")),
    row("503", "no healthy upstream, plain text", text(503, "no healthy upstream")),
    row("503-upstream-connect", "upstream connect error, plain text", text(503, "upstream connect error or disconnect/reset before headers. reset reason: overflow")),
    row("503-json", "unavailable, as the API", error(503, "api_error", "Service temporarily unavailable")),
    row("504", "the API ran out of time", error(504, "timeout_error", "Request timed out. Please consider streaming for long requests.")),
    row("504-html", "a gateway ran out of time", page(504, "504: Gateway time-out")),
    row("520", "Cloudflare: unknown error", page(520, "api.anthropic.com | 520: Web server is returning an unknown error")),
    row("522", "Cloudflare: connection timed out", page(522, "api.anthropic.com | 522: Connection timed out")),
    row("524", "Cloudflare: a timeout occurred", page(524, "api.anthropic.com | 524: A timeout occurred")),
    row("525", "Cloudflare: TLS handshake failed", page(525, "api.anthropic.com | 525: SSL handshake failed")),
    row("529", "overloaded", error(529, "overloaded_error", "Overloaded")),
    row("unknown-error-type", "a 500 with an error type nobody knows", error(500, "quantum_error", "The wave function collapsed")),

    row("prompt-too-long", "more input than the context window", invalid("prompt is too long: 208310 tokens > 200000 maximum")),
    row("context-limit", "input and max_tokens exceed the window", invalid("input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease input length or `max_tokens` and try again")),
    row("max-tokens", "max_tokens over the model's cap", invalid("max_tokens: {max_tokens} > 64000, which is the maximum allowed number of output tokens for {model}")),
    row("tool-pairing", "a tool use without its result", invalid("messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_01SIMULATED. Each `tool_use` block must have a corresponding `tool_result` block in the next message.")),
    row("tool-pairing-result", "a tool result without its use", invalid("messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_01SIMULATED. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.")),
    row("tool-schema", "a schema that cannot be compiled", invalid("Schema is too complex for compilation.")),
    row("cache-control", "too many cache breakpoints", invalid("A maximum of 4 blocks with cache_control may be provided. Found 5.")),
    row("cache-control-ttl", "a long-lived breakpoint after a short-lived one", invalid("messages.0.content.0.text.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that blocks are processed in the following order: tools, system, messages.")),
    row("image", "an image beyond the allowed size", invalid("messages.0.content.0.image.source.base64.data: At least one of the image dimensions exceed max allowed size: 8000 pixels")),
    row("image-undecodable", "an image that cannot be read", invalid("Could not process image")),
    row("image-url", "an image that cannot be downloaded", invalid("Unable to download the file. Please verify the URL and try again.")),
    row("file-missing", "a file that is gone", error(404, "not_found_error", "File `file_011SIMULATED` not found.")),
    row("prefill", "an answer begun by the client", invalid("This model does not support assistant message prefill. The conversation must end with a user message.")),
    row("thinking-unsupported", "a kind of thinking the model has not", invalid("\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\" and \"output_config.effort\" to control thinking behavior.")),
    row("content-filter", "output blocked", invalid("Output blocked by content filtering policy")),

    row("aws-throttled", "limited, as Bedrock says it: the name in a header, no retry-after", aws(429, "ThrottlingException", "Too many tokens, please wait before trying again.")),
    row("aws-daily-quota", "Bedrock's quota of the day is used up", aws(429, "ThrottlingException", "Too many tokens per day, please wait before trying again.")),
    row("aws-model-invalid", "a model's name that Bedrock does not know", aws(400, "ValidationException", "The provided model identifier is invalid.")),
    row("aws-use-case", "Bedrock waits for the form of use cases", aws(404, "ResourceNotFoundException", "Model use case details have not been submitted for this account. Fill out the Anthropic use case details form before using the model. If you have already filled out the form, try again in 15 minutes.")),
    row("aws-unable", "Bedrock's own 503 inside a 400", aws(400, "ValidationException", "Bedrock is unable to process your request.")),
    row("aws-denied", "a role of AWS that may not use the model", aws(403, "AccessDeniedException", "User: arn:aws:iam::123456789012:user/batch is not authorized to perform: bedrock:InvokeModel on resource: arn:aws:bedrock:us-east-1::foundation-model/x because no identity-based policy allows the bedrock:InvokeModel action")),
    row("aws-too-long", "a prompt that is too long for Bedrock", aws(400, "ValidationException", "Input is too long for requested model.")),
    row("aws-fault", "a fault of the request, as Bedrock says it", aws(400, "ValidationException", "The model returned the following errors: messages.0.content: Field required")),
    row("aws-operation", "status 200 for an operation that AWS has not", json(200, r#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#)),
    row("google-limited", "limited, as Google says it in a stream: in an array", json(429, r#"[{"error":{"code":429,"message":"Quota exceeded for aiplatform.googleapis.com/online_prediction_input_tokens_per_minute_per_base_model with base model: anthropic-claude-haiku. Please submit a quota increase request.","status":"RESOURCE_EXHAUSTED"}}]"#)),
    row("google-region", "a model that Google does not serve in this region", json(400, r#"{"error":{"code":400,"message":"Publisher Model `projects/p/locations/us-central1/publishers/anthropic/models/x` is not servable in region us-central1.","status":"FAILED_PRECONDITION"}}"#)),
    row("litellm-credit", "no credit left, told by the API to LiteLLM", json(400, r#"{"error":{"message":"litellm.BadRequestError: AnthropicException - {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Your credit balance is too low to access the Anthropic API.\"},\"request_id\":\"req_1\"}. Received Model Group=x\nAvailable Model Group Fallbacks=None","type":null,"param":null,"code":"400"}}"#)),
    row("litellm-overloaded", "overloaded, inside a 400 of LiteLLM", json(400, r#"{"error":{"message":"litellm.BadRequestError: AnthropicException - {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}","type":"None","param":"None","code":"400"}}"#)),
    row("litellm-denied", "a right that AWS misses, inside a 500 of LiteLLM", json(500, r#"{"error":{"message":"litellm.APIConnectionError: BedrockException - {\"Message\":\"User: arn:aws:iam::1:role/x is not authorized to perform: bedrock:InvokeModel on resource: y\"}","type":null,"param":null,"code":"500"}}"#)),
    row("litellm-budget", "over the budget, as FastAPI says it", json(400, r#"{"detail":"ExceededBudget: User=u over budget. Spend=10.6, Budget=10.0"}"#)),
    row("litellm-model", "a model that this key of LiteLLM may not use", json(401, r#"{"error":{"message":"key not allowed to access model. This key can only access models=['a']. Tried to access x","type":"key_model_access_denied","param":"model","code":"401"}}"#)),
    row("openrouter-raw", "the provider's answer inside OpenRouter's", json(400, r#"{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 208310 tokens > 200000 maximum\"}}","provider_name":"Anthropic"}},"user_id":"user_1"}"#)),
    row("openrouter-model", "a model that nobody serves at OpenRouter", json(404, r#"{"error":{"message":"No endpoints found for anthropic/claude-x.","code":404},"user_id":"user_1"}"#)),
    row("extra-usage", "the extra usage of a subscription is used up", invalid("You're out of extra usage. Add more at claude.ai/settings/usage and keep going.")),
    row("country", "a network that the API takes no requests from", json(403, r#"{"error":{"type":"forbidden","message":"Request not allowed"}}"#)),
    row("404-reason", "a 404 whose body is no API's and gives a reason", json(404, r#"{"message":"container c-1 is gone"}"#)),
    row("422-detail", "a gateway's check of the request, as FastAPI says it", json(422, r#"{"detail":[{"type":"missing","loc":["body","messages"],"msg":"Field required","input":{}}]}"#)),

    row("200-overloaded-error-body", "status 200 with an error body", Act::Break(Break::ErrorBodyAt200)),
    row("empty-200", "status 200 with no body", Act::Break(Break::EmptyBody)),
    row("html-200", "status 200 with a page, as captive portals do", page(200, "Welcome to the guest network")),
    row("truncated-json", "a whole answer whose JSON is cut", Act::Break(Break::TruncatedJson)),
    row("wrong-length", "fewer bytes than content-length says", Act::Break(Break::WrongLength)),
    row("reset", "connection reset before any answer", Act::Break(Break::Reset)),
    row("reset-mid-body", "connection reset in the middle of the body", Act::Break(Break::ResetMidBody)),
    row("hang", "no answer until the client leaves", Act::Break(Break::Hang)),

    row("odd-repeated-key", "a good answer in which two keys come twice, wrongly first", Act::Odd(Oddity::RepeatedKey)),
    row("odd-half-character", "a good answer with half a surrogate pair in its text", Act::Odd(Oddity::HalfCharacter)),
    row("odd-not-utf8", "a good answer with a byte in its text that is no UTF-8", Act::Odd(Oddity::NotUtf8)),
    row("odd-deep", "a good answer nested 400 levels deep", Act::Odd(Oddity::Deep)),
    row("odd-bom", "a good answer behind a byte order mark", Act::Odd(Oddity::ByteOrderMark)),
    row("odd-padded", "a good answer padded with NULs", Act::Odd(Oddity::Padded)),
    row("odd-open-end", "a good answer after which the connection stays open", Act::Odd(Oddity::OpenEnd)),
    row("odd-events", "a good answer as a stream that nobody asked for", Act::Odd(Oddity::Events)),
    row("odd-trailing-text", "a good answer twice in one body, which nobody can read", Act::Odd(Oddity::TrailingText)),

    row("stream-error-overloaded", "overloaded before any content", Act::Stream(StreamTwist::Overloaded)),
    row("stream-error-first", "an error as the very first event", Act::Stream(StreamTwist::ErrorFirst)),
    row("stream-error-mid", "an internal error after some content", Act::Stream(StreamTwist::ErrorMid)),
    row("stream-content-filter", "blocked after some content", Act::Stream(StreamTwist::ContentFilter)),
    row("stream-eof", "a clean end without message_stop", Act::Stream(StreamTwist::Eof)),
    row("stream-bare-error", "a bare JSON error that is no event", Act::Stream(StreamTwist::BareError)),
    row("stream-crlf", "a good stream with CRLF line ends", Act::Stream(StreamTwist::Crlf)),
    row("stream-split-utf8", "a good stream cut inside characters and lines", Act::Stream(StreamTwist::SplitUtf8)),
    row("stream-unknown-events", "a good stream with events nobody knows", Act::Stream(StreamTwist::UnknownEvents)),
    row("stream-stall", "a stream that stops in the middle and stays open", Act::Stream(StreamTwist::Stall)),

    row("stream-no-stop", "a whole stream without its message_stop", Act::Stream(StreamTwist::NoStop)),
    row("stream-done", "a whole stream with [DONE] instead of message_stop, left open", Act::Stream(StreamTwist::Done)),
    row("stream-no-stop-pings", "a whole stream with pings for ever instead of message_stop", Act::Stream(StreamTwist::NoStopPings)),
    row("stream-pings", "pings for ever in the middle of a stream", Act::Stream(StreamTwist::Pings)),
    row("stream-started-twice", "a good stream whose message_start comes twice", Act::Stream(StreamTwist::StartedTwice)),
    row("stream-error-last", "an error after the stop reason", Act::Stream(StreamTwist::ErrorLast)),
    row("stream-no-usage", "a good stream whose last event tells no usage", Act::Stream(StreamTwist::NoUsage)),
    row("stream-no-names", "a good stream without the names of its events", Act::Stream(StreamTwist::NoNames)),
    row("stream-content-first", "a good stream whose message_start brings the first block", Act::Stream(StreamTwist::ContentFirst)),
    row("stream-fallback", "a good stream in which another model takes over", Act::Stream(StreamTwist::Fallback)),
    row("stream-halves", "a good stream in which a character comes in two halves", Act::Stream(StreamTwist::Halves)),
    row("stream-half-character", "a good stream with half a character", Act::Stream(StreamTwist::HalfCharacter)),
    row("stream-stray", "a stream that goes on with a block it never began", Act::Stream(StreamTwist::Stray)),

    row("item-expired", "expired, when the batch ends", Act::Item(ItemTwist::Expired)),
    row("item-canceled", "canceled, though nobody asked for it", Act::Item(ItemTwist::Canceled)),
    row("item-missing", "a good answer whose line is missing in the results", Act::Item(ItemTwist::MissingLine)),
    row("item-duplicate", "a good answer whose line comes twice", Act::Item(ItemTwist::DuplicateLine)),
    row("item-contradicted", "a good answer, and before it a line that calls the same request errored", Act::Item(ItemTwist::ContradictedLine)),
    row("item-stranger", "a good answer, and a line with a custom_id that nobody sent", Act::Item(ItemTwist::StrangerLine)),
    row("item-unreadable", "a good answer whose line is no JSON", Act::Item(ItemTwist::UnreadableLine)),
    row("item-flat-error", "overloaded, with the error object nested once instead of twice", Act::Item(ItemTwist::FlatError)),
    row("lost-answer", "a batch is created, and the connection cut before the answer", Act::LostAnswer),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_fit_into_a_script() {
        let names: BTreeSet<_> = Case::all().map(Case::name).collect();
        assert_eq!(names.len(), CASES.len());
        for name in names {
            assert!(
                name.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "{name}"
            );
        }
    }

    #[test]
    fn the_constant_ok_is_the_plain_answer() {
        assert_eq!(Case::OK.name(), "ok");
        assert!(matches!(Case::OK.act(), Act::Answer(Twist::Plain)));
    }
}
