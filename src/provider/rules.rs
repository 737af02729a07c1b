//! Which evidence makes which class: the tables, and nothing else.
//!
//! Order of evidence: a known code or message fragment, then the HTTP status, then `error.type`.
//! Fragments are compared in lower case and without quotes, because clients and gateways change both.
//! A message may quote its request, so words that would stop more than their job count only where the
//! API says them: at the beginning, under a status and a type that fit. Sources: the API's error, rate-limit, vision and structured-output pages,
//! and raw bodies pasted in issues of the official SDKs and of Claude Code (2023 to 2026).

use crate::model::ErrorClass as C;

/// What an error told, from whichever way it came. A stream event or a batch item has no status.
#[derive(Clone, Copy, Debug, Default)]
pub struct ErrorFacts<'a> {
    /// The HTTP status.
    pub status: Option<u16>,
    /// `error.type`.
    pub kind: Option<&'a str>,
    /// `error.details.error_code`, or the `error.code` of a gateway.
    pub code: Option<&'a str>,
    /// The message, or the text of a body that is no error object.
    pub message: Option<&'a str>,
    /// A person pasted it, and it may be any part of an answer: words count wherever they stand.
    pub pasted: bool,
}

/// Where a fragment means something. Under another status the same words are an accident, such as
/// a 503 that quotes the request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Where the API refuses: an error object whose type is one of 4xx, under such a status if it has
    /// one. The words begin the message.
    Account,
    /// Where a gateway tells of a quota: 402, 403 or 429, or as in `Account`. The words begin the
    /// message.
    Quota,
    /// Where output was stopped: an error object, not under 5xx. The words begin the message.
    Output,
    /// Where the request itself is at fault: 4xx without a meaning of its own.
    Request,
    /// 404.
    NotFound,
    /// 429.
    RateLimit,
}

/// All of `needles`, in any order, make the class.
struct Fragment {
    needles: &'static [&'static str],
    scope: Scope,
    class: C,
}

const fn rule(needles: &'static [&'static str], scope: Scope, class: C) -> Fragment {
    Fragment {
        needles,
        scope,
        class,
    }
}

/// `details.error_code`, or the code or type of a gateway, to class.
const CODES: &[(&str, C)] = &[
    // Tier cap: a 429 without retry-after (rate-limit page).
    ("enforced_spend_limit_reached", C::SpendLimit),
    // Quotas of gateways (LiteLLM; whatever speaks as OpenAI does).
    ("budget_exceeded", C::SpendLimit),
    ("insufficient_quota", C::SpendLimit),
    ("billing_hard_limit_reached", C::SpendLimit),
];

/// The first that fits decides, so the particular stands before the general.
#[rustfmt::skip]
const FRAGMENTS: &[Fragment] = &[
    // Money and quota. Seen at 400, documented for 402; the self-set limit is a 400 (rate-limit page).
    rule(&["credit balance is too low"], Scope::Account, C::Billing),
    rule(&["you have reached your specified", "usage limits"], Scope::Account, C::SpendLimit),
    rule(&["you have reached your api usage limits"], Scope::Account, C::SpendLimit),
    rule(&["you exceeded your current quota"], Scope::Quota, C::SpendLimit),
    rule(&["exceeded your current quota"], Scope::Quota, C::SpendLimit),
    rule(&["budget has been exceeded"], Scope::Quota, C::SpendLimit),
    rule(&["exceededbudget"], Scope::Quota, C::SpendLimit),
    rule(&["exceeded budget"], Scope::Quota, C::SpendLimit),
    // A permanent stop of everything, although it is a 400 (Claude Code error reference).
    rule(&["organization has been disabled"], Scope::Account, C::OrganizationDisabled),
    // A key of several workspaces needs the header: no job can succeed (authentication page).
    rule(&["anthropic-workspace-id"], Scope::Account, C::Permission),
    // 400, or an event in mid-stream (issues).
    rule(&["output blocked by content filtering policy"], Scope::Output, C::ContentFiltered),

    // 429 (issues, rate-limit page).
    rule(&["usage increase rate"], Scope::RateLimit, C::AccelerationLimited),
    rule(&["acceleration limit"], Scope::RateLimit, C::AccelerationLimited),
    rule(&["concurrent connections"], Scope::RateLimit, C::ConcurrencyLimited),
    rule(&["concurrent requests"], Scope::RateLimit, C::ConcurrencyLimited),

    // 404. The message is `model: <id>`; gateways write sentences.
    rule(&["model:"], Scope::NotFound, C::ModelNotFound),
    rule(&["model", "not found"], Scope::NotFound, C::ModelNotFound),
    rule(&["model", "does not exist"], Scope::NotFound, C::ModelNotFound),

    // Files (Files API page); a URL that the API could not read (issues).
    rule(&["file_", "not found"], Scope::Request, C::FileMissing),
    rule(&["file not found"], Scope::Request, C::FileMissing),
    rule(&["unable to download the file"], Scope::Request, C::FileMissing),

    // Length and size (issues, Claude Code error reference).
    rule(&["prompt is too long"], Scope::Request, C::PromptTooLong),
    // Input and max_tokens together: lowering max_tokens helps.
    rule(&["input length and max_tokens exceed context limit"], Scope::Request, C::MaxTokensTooLarge),
    rule(&["maximum allowed number of output tokens"], Scope::Request, C::MaxTokensTooLarge),

    // Tools (issues).
    rule(&["tool_use", "without", "tool_result"], Scope::Request, C::ToolPairing),
    rule(&["unexpected tool_use_id"], Scope::Request, C::ToolPairing),
    rule(&["tool_use block must have a corresponding tool_result"], Scope::Request, C::ToolPairing),
    rule(&["tool_result block must have a corresponding tool_use"], Scope::Request, C::ToolPairing),

    // Caching: every message that names the field (issues).
    rule(&["cache_control"], Scope::Request, C::CacheControl),

    // Media (vision and PDF pages, issues).
    rule(&["image.source"], Scope::Request, C::Image),
    rule(&["image dimensions exceed"], Scope::Request, C::Image),
    rule(&["image exceeds", "maximum"], Scope::Request, C::Image),
    rule(&["could not process image"], Scope::Request, C::Image),
    rule(&["image does not match the provided media type"], Scope::Request, C::Image),
    rule(&["could not process pdf"], Scope::Request, C::Image),
    rule(&["pdf pages may be provided"], Scope::Request, C::Image),
    rule(&["pdf specified"], Scope::Request, C::Image),

    // Schemas (structured-output page).
    rule(&["schema is too complex"], Scope::Request, C::ToolSchema),
    rule(&["json schema is invalid"], Scope::Request, C::ToolSchema),
    rule(&["tools.", "input_schema"], Scope::Request, C::ToolSchema),
    rule(&["output_config.format", "schema"], Scope::Request, C::ToolSchema),

    // What a model does not take (errors page, model pages).
    rule(&["does not support assistant message prefill"], Scope::Request, C::PrefillUnsupported),
    rule(&["conversation must end with a user message"], Scope::Request, C::PrefillUnsupported),
    rule(&["thinking.type", "not supported"], Scope::Request, C::ThinkingUnsupported),
    rule(&["thinking is not supported"], Scope::Request, C::ThinkingUnsupported),
    rule(&["does not support thinking"], Scope::Request, C::ThinkingUnsupported),
];

/// Statuses that mean the same whatever the body says. 520 to 527 and 530 are Cloudflare's.
#[rustfmt::skip]
const STATUSES: &[(u16, u16, C)] = &[
    (300, 399, C::WrongEndpoint),
    (401, 401, C::Authentication),
    (402, 402, C::Billing),
    (403, 403, C::Permission),
    // No request of ours has another method, proxy or host than its neighbour.
    (405, 405, C::WrongEndpoint),
    (407, 407, C::WrongEndpoint),
    (421, 421, C::WrongEndpoint),
    (408, 408, C::RequestTimeout),
    (409, 409, C::Conflict),
    (413, 413, C::RequestTooLarge),
    (422, 422, C::ToolSchema),
    (429, 429, C::RateLimited),
    (500, 501, C::ServerError),
    (502, 502, C::BadGateway),
    (503, 503, C::Unavailable),
    (504, 504, C::GatewayTimeout),
    (505, 519, C::ServerError),
    (520, 527, C::EdgeError),
    (528, 528, C::ServerError),
    (529, 529, C::Overloaded),
    (530, 530, C::EdgeError),
    (531, 599, C::ServerError),
];

/// `error.type` to the status that it comes with (errors page).
const TYPES: &[(&str, u16)] = &[
    ("invalid_request_error", 400),
    ("authentication_error", 401),
    ("billing_error", 402),
    ("permission_error", 403),
    ("not_found_error", 404),
    ("conflict_error", 409),
    ("request_too_large", 413),
    ("rate_limit_error", 429),
    ("api_error", 500),
    ("timeout_error", 504),
    ("overloaded_error", 529),
];

/// Statuses that speak of the address alone, when no error object comes with them.
const ADDRESS: &[u16] = &[404, 405, 407, 410, 421, 426];

/// How the API begins what its rules know only the rest of.
const LEAD_INS: &[&str] = &["your ", "this ", "the ", "output "];

/// The class that code or fragments make, if any does.
pub(super) fn by_words(facts: &ErrorFacts<'_>) -> Option<C> {
    let by_fragment = || fragment(facts).map(|rule| rule.class);
    by_codes(facts).or_else(by_fragment)
}

fn by_codes(facts: &ErrorFacts<'_>) -> Option<C> {
    let mut codes = [facts.code, facts.kind].into_iter().flatten();
    codes.find_map(|code| {
        let row = CODES.iter().find(|(known, _)| *known == code);
        row.map(|(_, class)| *class)
    })
}

fn fragment(facts: &ErrorFacts<'_>) -> Option<&'static Fragment> {
    let text = normalise(facts.message?);
    let text = text.trim_start();
    FRAGMENTS
        .iter()
        .filter(|rule| in_scope(rule.scope, facts))
        .find(|rule| {
            let said = rule.needles.iter().all(|needle| text.contains(needle));
            said && (facts.pasted || !rule.scope.is_beginning() || begins(text, rule.needles[0]))
        })
}

/// Whether the text begins with those words, or with what the API says before them.
fn begins(text: &str, words: &str) -> bool {
    let lead_ins = LEAD_INS.iter().filter_map(|lead| text.strip_prefix(lead));
    lead_ins.chain([text]).any(|text| text.starts_with(words))
}

/// Whether these facts make a class by words that would stop more than their job, and that the job's
/// own request holds: then nobody said them but the request.
pub(super) fn quotes_the_request(facts: &ErrorFacts<'_>, request: &str) -> bool {
    let rule = fragment(facts).filter(|rule| rule.scope.is_beginning());
    by_codes(facts).is_none()
        && rule.is_some_and(|rule| {
            let request = lower(request);
            rule.needles.iter().all(|needle| request.contains(needle))
        })
}

/// The class that the status alone makes. 400, 404 and whatever has no row say too little.
pub(super) fn by_status(status: u16) -> Option<C> {
    let row = STATUSES
        .iter()
        .find(|(from, to, _)| (*from..=*to).contains(&status));
    row.map(|(_, _, class)| *class)
}

/// The status that an `error.type` stands for, if it is one of the API's.
#[must_use]
pub fn status_of(kind: &str) -> Option<u16> {
    let row = TYPES.iter().find(|(known, _)| *known == kind);
    row.map(|(_, status)| *status)
}

/// Whether a refusal of that class and status, which is no error object of the API, is about the way
/// there and not about the address: a port that wants TLS, a missing certificate, a gateway that knows
/// no such key.
#[must_use]
pub fn is_refused_on_the_way(class: C, status: Option<u16>) -> bool {
    let is_refusal = |status| (400..500).contains(&status) && !ADDRESS.contains(&status);
    class == C::WrongEndpoint && status.is_some_and(is_refusal)
}

/// Whether a 404 of the API is about the path rather than about something the request names. The
/// path never changes, so then the base URL is wrong.
pub(super) fn names_the_path(message: &str) -> bool {
    let text = normalise(message);
    let bare = text.trim_end_matches('.').trim();
    matches!(bare, "" | "not found" | "not_found" | "not_found_error")
        || [
            "/v1",
            "invalid url",
            "unknown url",
            "route",
            "endpoint",
            "path not found",
        ]
        .iter()
        .any(|needle| text.contains(needle))
}

/// Fragments stand at the beginning of a message; what follows may be the quoted request.
const MAX_SEARCHED: usize = 16 * 1024;

fn normalise(message: &str) -> String {
    let end = message.floor_char_boundary(MAX_SEARCHED);
    lower(&message[..end])
}

fn lower(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '`' | '"' | '\'' | '\\'))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

impl Scope {
    /// Whether the words must begin the message.
    fn is_beginning(self) -> bool {
        matches!(self, Self::Account | Self::Quota | Self::Output)
    }
}

fn in_scope(scope: Scope, facts: &ErrorFacts<'_>) -> bool {
    let of_kind = facts.kind.and_then(status_of);
    let status = facts.status.or(of_kind);
    let refuses = |status| matches!(status, 400..=499);
    let is_refusal =
        of_kind.is_some_and(refuses) && facts.status.is_none_or(refuses) || facts.pasted;
    match scope {
        Scope::Account => is_refusal,
        Scope::Quota => is_refusal || matches!(status, Some(402 | 403 | 429)),
        Scope::Output => {
            (facts.kind.is_some() || facts.pasted) && facts.status.is_none_or(|it| it < 500)
        }
        Scope::Request => status
            .is_none_or(|status| refuses(status) && !matches!(status, 401..=403 | 407..=409 | 429)),
        Scope::NotFound => status == Some(404),
        Scope::RateLimit => status == Some(429),
    }
}
