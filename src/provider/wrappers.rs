//! What gateways and SDKs write before the words of an error that they pass on.
//!
//! Only what begins a message is taken off, and only what these tables know: what stands further inside
//! may be the quoted request. To teach it a new wrapper, add a row to `PHRASES`. Pure text; who reads
//! the JSON that may follow is `error_body`.

use super::rules::status_of;

/// Wrappers around wrappers that are taken off: LiteLLM puts three before Bedrock's own words.
const MAX_WRAPPERS: usize = 6;

/// Most bytes of a name such as `litellm.BadRequestError`.
const MAX_NAME: usize = 80;

/// Most bytes between the beginning of a phrase and its end (`Error from provider(NAME,MODEL: 404): `).
const MAX_INSIDE: usize = 200;

/// How a wrapper begins and ends, in lower case. What stands between is whatever it likes.
const PHRASES: &[(&str, &str)] = &[
    // Amazon Bedrock, about what the model's own API said.
    ("the model returned the following errors", ": "),
    // boto3: the name of the exception is between the brackets.
    ("an error occurred (", "operation: "),
    ("an error occurred (", "): "),
    // claude-code-router.
    ("error from provider(", "): "),
    ("error from provider", ": "),
    // OpenRouter and others.
    ("provider returned error", ": "),
    ("upstream error", ": "),
    ("upstream provider error", ": "),
    // Portkey: the provider's name comes first.
    ("anthropic error", ": "),
    ("bedrock error", ": "),
    ("vertex-ai error", ": "),
    ("azure-ai error", ": "),
    ("openrouter error", ": "),
    // Claude Code, the official SDKs.
    ("api error", ": "),
    ("error code", ": "),
];

/// Exceptions of SDKs and of LiteLLM, in lower case, with the status that they stand for.
const EXCEPTIONS: &[(&str, u16)] = &[
    ("badrequesterror", 400),
    ("contextwindowexceedederror", 400),
    ("contentpolicyviolationerror", 400),
    ("authenticationerror", 401),
    ("permissiondeniederror", 403),
    ("notfounderror", 404),
    ("unprocessableentityerror", 422),
    ("ratelimiterror", 429),
    ("internalservererror", 500),
    ("badgatewayerror", 502),
    ("serviceunavailableerror", 503),
];

/// A message without its wrappers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stripped<'a> {
    /// What is left.
    pub(super) rest: &'a str,
    /// The exception of a cloud that a wrapper named, such as `ValidationException`.
    pub(super) kind: Option<&'a str>,
    /// The status that the innermost wrapper stands for.
    pub(super) status: Option<u16>,
    /// Whether there was any wrapper.
    pub(super) is_wrapped: bool,
}

/// Takes the wrappers off the beginning of a message.
pub(super) fn strip(message: &str) -> Stripped<'_> {
    let mut found = Stripped {
        rest: message.trim_start(),
        ..Stripped::default()
    };
    for _ in 0..MAX_WRAPPERS {
        let Some(next) = named(found)
            .or_else(|| phrase(found))
            .or_else(|| number(found))
        else {
            break;
        };
        found = Stripped {
            rest: next.rest.trim_start(),
            is_wrapped: true,
            ..next
        };
    }
    found
}

/// `litellm.BadRequestError: `, `AnthropicException - `, `VertexAIException BadRequestError - `.
fn named(found: Stripped<'_>) -> Option<Stripped<'_>> {
    let (name, after) = exception(found.rest)?;
    let rest = [": ", " - "]
        .iter()
        .find_map(|separator| after.strip_prefix(separator))
        // LiteLLM writes two names in a row for Vertex AI.
        .or_else(|| {
            let rest = after.strip_prefix(' ')?;
            exception(rest).map(|_| rest)
        })?;
    let lower = name.to_ascii_lowercase();
    let of_sdk = EXCEPTIONS.iter().find(|(known, _)| *known == lower);
    let of_cloud = status_of(name);
    Some(Stripped {
        rest,
        kind: of_cloud.map(|_| name).or(found.kind),
        status: of_cloud
            .or(of_sdk.map(|(_, status)| *status))
            .or(found.status),
        ..found
    })
}

/// The name of an exception at the beginning, without its package, and what follows it.
fn exception(text: &str) -> Option<(&str, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let end = text.find(|c| !is_name(c)).filter(|end| *end <= MAX_NAME)?;
    let (name, after) = text.split_at(end);
    let name = name.rsplit('.').next().unwrap_or(name);
    // AWS spells names in a stream with a small letter first.
    (name.ends_with("Error") || name.ends_with("xception")).then_some((name, after))
}

fn phrase(found: Stripped<'_>) -> Option<Stripped<'_>> {
    PHRASES.iter().find_map(|(begin, end)| {
        let head = found.rest.get(..begin.len())?;
        if !head.eq_ignore_ascii_case(begin) {
            return None;
        }
        let after = &found.rest[begin.len()..];
        let near = &after[..after.floor_char_boundary(MAX_INSIDE)];
        let at = near.find(end)?;
        // A phrase that ends with a colon ends right there: what stands between is part of a sentence.
        if *end == ": " && at > 0 {
            return None;
        }
        let inside = near[..at].split(')').next().unwrap_or_default();
        let kind = status_of(inside).map(|_| inside);
        Some(Stripped {
            rest: &after[at + end.len()..],
            kind: kind.or(found.kind),
            status: status_of(inside).or(found.status),
            ..found
        })
    })
}

/// `400 {...}`, `400 - {...}`: only before JSON or another wrapper, since a sentence may begin with a
/// number.
fn number(found: Stripped<'_>) -> Option<Stripped<'_>> {
    let (digits, after) = found.rest.split_at_checked(3)?;
    let status: u16 = digits.parse().ok()?;
    let rest = after.trim_start_matches([' ', '-', ':']);
    let goes_on = rest.starts_with(['{', '[']) || named(Stripped { rest, ..found }).is_some();
    let is_status = (400..600).contains(&status) && rest.len() < after.len();
    (is_status && goes_on).then_some(Stripped {
        rest,
        status: Some(status),
        ..found
    })
}

#[cfg(test)]
mod tests {
    use super::strip;

    #[test]
    fn wrappers_are_taken_off_the_beginning_and_named() {
        for (message, rest, kind, status) in [
            (
                "litellm.BadRequestError: AnthropicException - {\"a\":1}",
                "{\"a\":1}",
                None,
                Some(400),
            ),
            (
                "litellm.BadRequestError: BedrockException - The model returned the following errors: no",
                "no",
                None,
                Some(400),
            ),
            (
                "litellm.RateLimitError: VertexAIException RateLimitError - slow",
                "slow",
                None,
                Some(429),
            ),
            (
                "An error occurred (ThrottlingException) when calling the InvokeModel operation (reached max retries: 4): Too many tokens",
                "Too many tokens",
                Some("ThrottlingException"),
                Some(429),
            ),
            (
                "An error occurred (ValidationException) when calling the Converse operation: no",
                "no",
                Some("ValidationException"),
                Some(400),
            ),
            (
                "Error from provider(openrouter,x/y: 404): {}",
                "{}",
                None,
                None,
            ),
            ("Error code: 429 - {}", "{}", None, Some(429)),
            ("API Error: 400 {}", "{}", None, Some(400)),
            ("anthropic error: no", "no", None, None),
            (
                "ValidationException: no",
                "no",
                Some("ValidationException"),
                Some(400),
            ),
        ] {
            let found = strip(message);
            assert_eq!(
                (found.rest, found.kind, found.status),
                (rest, kind, status),
                "{message}"
            );
            assert!(found.is_wrapped, "{message}");
        }
    }

    #[test]
    fn what_only_looks_like_a_wrapper_stays() {
        for message in [
            "max_tokens: 128001 > 128000",
            "messages.3: `tool_use` ids must be unique",
            "Your prompt said litellm.BadRequestError: AnthropicException - {}",
            "the model returned the following errors in your prompt: x",
            "500 apples",
            "Errors were made: x",
            "",
        ] {
            let found = strip(message);
            assert_eq!((found.rest, found.is_wrapped), (message, false));
        }
    }
}
