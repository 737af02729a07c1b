//! Each key has a decision: may a config file that was merely found set it?

use super::{InFile, all};

/// Whoever adds a key decides here, with the reason. What says where keys, prompts, answers or
/// certificates come from or go to is `Trusted`. So will be: `credential_command`, the `exec:` targets
/// of notifications and every key of `[[endpoint]]`.
const DECISIONS: [(&str, InFile, &str); 58] = [
    ("config", InFile::Never, "flag and variable"),
    ("deadline", InFile::Never, "flag"),
    ("verbose", InFile::Never, "flag"),
    (
        "store.path",
        InFile::Inside,
        "prompts and answers are kept there",
    ),
    ("api.base_url", InFile::Trusted, "keys and prompts go there"),
    (
        "api.headers",
        InFile::Trusted,
        "gateways route, and bill, by headers",
    ),
    (
        "api.workspace_id",
        InFile::Trusted,
        "others of that workspace may read its batches",
    ),
    (
        "api.ca_bundle",
        InFile::Trusted,
        "whoever has a certificate of it can pass for the API",
    ),
    (
        "api.insecure_http",
        InFile::Trusted,
        "the key could be read on the way",
    ),
    (
        "fallback.endpoint.base_url",
        InFile::Trusted,
        "keys and prompts go there",
    ),
    (
        "fallback.endpoint.api_key_env",
        InFile::Trusted,
        "it names the secret that is sent",
    ),
    (
        "fallback.endpoint.allow_foreign_key_env",
        InFile::Trusted,
        "as above",
    ),
    (
        "fallback.endpoint.headers",
        InFile::Trusted,
        "as those of the first",
    ),
    (
        "fallback.endpoint.after",
        InFile::Trusted,
        "it says when prompts go there",
    ),
    (
        "fallback.endpoint.models",
        InFile::Trusted,
        "it says what is asked there",
    ),
    (
        "status.url",
        InFile::Trusted,
        "a host of somebody's choice would be asked",
    ),
    ("api.version", InFile::Any, "a header of the API's own"),
    ("api.beta", InFile::Any, "a header of the API's own"),
    ("status.enabled", InFile::Any, "on or off"),
    (
        "fallback.models",
        InFile::Any,
        "models of the same endpoint; a budget holds",
    ),
    (
        "prices.file",
        InFile::Any,
        "what is counted, not where anything goes; a budget takes no lower prices from it",
    ),
    (
        "preflight.file",
        InFile::Any,
        "what is told, not where anything goes",
    ),
    ("output.color", InFile::Any, "looks"),
    (
        "output.quiet",
        InFile::Any,
        "the line about the host is shown all the same",
    ),
    ("dispatch.concurrency", InFile::Any, "pace"),
    ("dispatch.stagger", InFile::Any, "pace"),
    ("dispatch.timeout", InFile::Any, "pace"),
    ("dispatch.stream", InFile::Any, "the same answers"),
    ("dispatch.idle_timeout", InFile::Any, "pace"),
    ("dispatch.grace", InFile::Any, "pace"),
    ("dispatch.on_halt", InFile::Any, "pace"),
    (
        "dispatch.on_truncated",
        InFile::Any,
        "at most one more answer",
    ),
    ("dispatch.lane", InFile::Any, "the same API"),
    ("dispatch.seed", InFile::Any, "pace"),
    ("batch.size", InFile::Any, "pace"),
    ("batch.poll_min", InFile::Any, "pace"),
    ("batch.poll_max", InFile::Any, "pace"),
    ("batch.uncertain_for", InFile::Any, "pace"),
    ("batch.not_found_for", InFile::Any, "pace"),
    ("batch.spill_after", InFile::Any, "the same API"),
    ("batch.min_jobs", InFile::Any, "the same API"),
    ("batch.queue_limit", InFile::Any, "pace"),
    (
        "batch.short_for",
        InFile::Any,
        "pace; nothing is bought sooner than the API says",
    ),
    ("retry.max_attempts", InFile::Any, "pace"),
    ("retry.scale", InFile::Any, "pace"),
    ("retry.give_up_after", InFile::Any, "pace"),
    ("retry.by", InFile::Any, "pace"),
    ("retry.<class>.waits", InFile::Any, "pace"),
    ("retry.<class>.max_attempts", InFile::Any, "pace"),
    ("limits.rpm", InFile::Any, "pace"),
    ("limits.itpm", InFile::Any, "pace"),
    ("limits.otpm", InFile::Any, "pace"),
    (
        "limits.budget_strict",
        InFile::Any,
        "a flag beats it, and off is the default",
    ),
    (
        "limits.budget_assume_searches",
        InFile::Any,
        "a flag beats it; without one such lines are refused",
    ),
    (
        "limits.budget_usd",
        InFile::Any,
        "a flag beats it, and none is the default",
    ),
    ("limits.only_between", InFile::Any, "pace"),
    ("limits.cache_warm", InFile::Any, "pace"),
    ("limits.cache_prefix", InFile::Any, "the same API"),
];

#[test]
fn every_key_has_a_decision_whether_a_found_file_may_set_it() {
    for key in all() {
        let decided = DECISIONS.iter().find(|(name, ..)| *name == key.name);
        let Some((_, file, reason)) = decided else {
            panic!(
                "decide whether a file that was merely found may set `{}`",
                key.name
            );
        };
        assert_eq!(key.file, *file, "{}: {reason}", key.name);
        assert_eq!(key.is_in_file(), key.name.contains('.'), "{}", key.name);
    }
    assert_eq!(
        all().len(),
        DECISIONS.len(),
        "a decision about a key that is none"
    );
}

/// Whatever stands in these tables says where secrets go, and so will what is added to them.
#[test]
fn every_key_of_a_second_endpoint_needs_trust() {
    let second = all()
        .iter()
        .filter(|key| key.name.starts_with("fallback.endpoint."));
    for key in second {
        assert_eq!(key.file, InFile::Trusted, "{}", key.name);
    }
}
