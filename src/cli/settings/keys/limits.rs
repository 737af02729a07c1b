//! Settings of how fast requests are sent, and of what they may cost.

use serde_json::json;

use super::{InFile, Key, one};

/// Our own ceiling of requests.
pub const RPM: Key = Key {
    name: "limits.rpm",
    flag: Some("--rpm"),
    env: None,
    file: InFile::Any,
    about: "Requests per minute, at most, over the whole run",
    rows: |s| one(&s.limits.rpm, |n| json!(n)),
};
/// Our own ceiling of input tokens.
pub const ITPM: Key = Key {
    name: "limits.itpm",
    flag: Some("--itpm"),
    env: None,
    file: InFile::Any,
    about: "Input tokens per minute, at most; cache reads do not count",
    rows: |s| one(&s.limits.itpm, |n| json!(n)),
};
/// Our own ceiling of output tokens.
pub const OTPM: Key = Key {
    name: "limits.otpm",
    flag: Some("--otpm"),
    env: None,
    file: InFile::Any,
    about: "Output tokens per minute, at most",
    rows: |s| one(&s.limits.otpm, |n| json!(n)),
};
/// What a run may cost.
pub const BUDGET_USD: Key = Key {
    name: "limits.budget_usd",
    flag: Some("--budget-usd"),
    env: None,
    file: InFile::Any,
    about: "What a run may cost in all, in dollars; it halts before it costs more",
    rows: |s| {
        one(&s.limits.budget_usd, |amount| {
            json!(amount.map(|amount| amount.to_string()))
        })
    },
};
/// Whether batches keep to the rule of single requests.
pub const BUDGET_STRICT: Key = Key {
    name: "limits.budget_strict",
    flag: Some("--budget-strict"),
    env: None,
    file: InFile::Any,
    about: "Hold for a batch all that its requests can cost: without it 2 % may be overrun",
    rows: |s| one(&s.limits.budget_strict, |strict| json!(strict)),
};
/// Searches of lines that name no bound.
pub const BUDGET_ASSUME_SEARCHES: Key = Key {
    name: "limits.budget_assume_searches",
    flag: Some("--budget-assume-searches"),
    env: None,
    file: InFile::Any,
    about: "Searches a request is taken to make, under a budget, where its tool names no max_uses",
    rows: |s| one(&s.limits.budget_assume_searches, |n| json!(n)),
};
/// Hours in which requests are sent.
pub const ONLY_BETWEEN: Key = Key {
    name: "limits.only_between",
    flag: Some("--only-between"),
    env: None,
    file: InFile::Any,
    about: "Hours in which requests are sent, with their time zone",
    rows: |s| {
        one(&s.limits.only_between, |hours| {
            json!(hours.as_ref().map(ToString::to_string))
        })
    },
};
/// Whether one request warms the cache for others.
pub const CACHE_WARM: Key = Key {
    name: "limits.cache_warm",
    flag: Some("--cache-warm"),
    env: None,
    file: InFile::Any,
    about: "Let one request warm a shared prompt cache before the rest: auto or off",
    rows: |s| one(&s.limits.cache_warm, |warm| json!(warm.as_str())),
};
/// Whether shared beginnings are marked for the cache.
pub const CACHE_PREFIX: Key = Key {
    name: "limits.cache_prefix",
    flag: Some("--cache-prefix"),
    env: None,
    file: InFile::Any,
    about: "Mark long beginnings that many requests share for the prompt cache: auto or off",
    rows: |s| one(&s.limits.cache_prefix, |prefix| json!(prefix.as_str())),
};
