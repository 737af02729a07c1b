//! Fields and parameters.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;

use super::{Dialect, VERSION_WITHOUT_SAMPLING};
use crate::simulator::errors::ApiError;
use crate::simulator::models::{Sampling, Thinking};
use crate::simulator::request::{Ask, Endpoint, Fields};

const BOTH: [&str; 8] = [
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "cache_control",
];
const MESSAGES_ONLY: [&str; 11] = [
    "max_tokens",
    "stop_sequences",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "service_tier",
    "inference_geo",
    "metadata",
    "container",
    "speed",
];
const BETA_ONLY: [&str; 6] = [
    "fallbacks",
    "fallback_credit_token",
    "context_management",
    "mcp_servers",
    "diagnostics",
    "user_profile_id",
];
const SAMPLING: [&str; 3] = ["temperature", "top_p", "top_k"];

/// Longest name of a tool.
const MOST_NAME: usize = 128;
const MIN_THINKING_BUDGET: u32 = 1_024;

#[derive(Deserialize)]
struct ThinkingField<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    budget_tokens: Option<u32>,
}

#[derive(Default, Deserialize)]
struct OutputConfig {
    effort: Option<String>,
}

#[derive(Deserialize)]
struct ToolChoice {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

pub(super) fn known_fields(
    fields: &Fields<'_>,
    endpoint: Endpoint,
    dialect: Dialect<'_>,
) -> Result<(), ApiError> {
    let known = |name: &str| {
        BOTH.contains(&name)
            || (endpoint == Endpoint::Messages && MESSAGES_ONLY.contains(&name))
            || (dialect.beta && BETA_ONLY.contains(&name))
    };
    match fields.names().find(|name| !known(name)) {
        None => Ok(()),
        Some(name) => Err(extra_input(name)),
    }
}

fn extra_input(name: &str) -> ApiError {
    ApiError::invalid(format!("{name}: Extra inputs are not permitted"))
}

pub(super) fn check(ask: &Ask<'_>, dialect: Dialect<'_>) -> Result<(), ApiError> {
    max_tokens(ask)?;
    sampling(ask, dialect)?;
    thinking(ask)?;
    tool_names(ask)?;
    tool_choice(ask)?;
    choices(ask)
}

fn max_tokens(ask: &Ask<'_>) -> Result<(), ApiError> {
    if ask.max_tokens > ask.model.max_output {
        return Err(ApiError::invalid(format!(
            "max_tokens: {} > {}, which is the maximum allowed number of output tokens for {}",
            ask.max_tokens, ask.model.max_output, ask.model.id
        )));
    }
    // Zero warms the cache; a stream of nothing is refused. The wording is not publicly known.
    if ask.max_tokens == 0 && ask.stream {
        return Err(ApiError::invalid(
            "max_tokens: must be greater than or equal to 1 when streaming",
        ));
    }
    Ok(())
}

fn sampling(ask: &Ask<'_>, dialect: Dialect<'_>) -> Result<(), ApiError> {
    let given = |name: &str| ask.fields.get(name).is_some();
    if dialect.version == VERSION_WITHOUT_SAMPLING {
        // The wording is not publicly known; removed fields are unknown fields.
        return SAMPLING
            .into_iter()
            .find(|name| given(name))
            .map_or(Ok(()), |name| Err(extra_input(name)));
    }
    for name in ["temperature", "top_p"] {
        unit_range(ask, name)?;
    }
    match ask.model.sampling {
        Sampling::OneOfTwo if given("temperature") && given("top_p") => Err(ApiError::invalid(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
        )),
        Sampling::Free | Sampling::OneOfTwo => Ok(()),
        Sampling::Deprecated => SAMPLING
            .into_iter()
            .find(|name| given(name) && !is_default(ask, name))
            .map_or(Ok(()), |name| {
                Err(ApiError::invalid(format!(
                    "`{name}` is deprecated for this model."
                )))
            }),
    }
}

fn number(ask: &Ask<'_>, name: &str) -> Result<Option<f64>, ApiError> {
    ask.fields.read(name, "a valid number")
}

/// The defaults of `temperature` and `top_p` are 1; `top_k` has none.
fn is_default(ask: &Ask<'_>, name: &str) -> bool {
    name != "top_k"
        && number(ask, name)
            .ok()
            .flatten()
            .is_some_and(|value| (value - 1.0).abs() < f64::EPSILON)
}

fn unit_range(ask: &Ask<'_>, name: &str) -> Result<(), ApiError> {
    match number(ask, name)? {
        Some(value) if value < 0.0 => Err(ApiError::invalid(format!(
            "{name}: Input should be greater than or equal to 0"
        ))),
        Some(value) if value > 1.0 => Err(ApiError::invalid(format!(
            "{name}: Input should be less than or equal to 1"
        ))),
        _ => Ok(()),
    }
}

fn thinking(ask: &Ask<'_>) -> Result<(), ApiError> {
    let Some(field) = ask
        .fields
        .read::<ThinkingField<'_>>("thinking", "a valid dictionary")?
    else {
        return Ok(());
    };
    match field.kind.as_ref() {
        "enabled" => enabled_thinking(ask, &field),
        "disabled" => disabled_thinking(ask),
        "adaptive" if ask.model.thinking == Thinking::Manual => Err(ApiError::invalid(
            "adaptive thinking is not supported on this model",
        )),
        "adaptive" => Ok(()),
        _ => Err(ApiError::invalid(
            "thinking: Input tag does not match any of the expected tags: 'adaptive', 'disabled', 'enabled'",
        )),
    }
}

fn enabled_thinking(ask: &Ask<'_>, field: &ThinkingField<'_>) -> Result<(), ApiError> {
    if !matches!(ask.model.thinking, Thinking::Manual | Thinking::Any) {
        return Err(ApiError::invalid(
            "\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\" and \"output_config.effort\" to control thinking behavior.",
        ));
    }
    let budget = field
        .budget_tokens
        .ok_or_else(|| ApiError::invalid("thinking.enabled.budget_tokens: Field required"))?;
    if budget < MIN_THINKING_BUDGET {
        return Err(ApiError::invalid(
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
        ));
    }
    if ask.max_tokens <= budget {
        return Err(ApiError::invalid(
            "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at https://platform.claude.com/docs/en/build-with-claude/extended-thinking#max-tokens-and-context-window-size",
        ));
    }
    if ask.fields.get("temperature").is_some() && !is_default(ask, "temperature") {
        return Err(ApiError::invalid(
            "`temperature` may only be set to 1 when thinking is enabled.",
        ));
    }
    Ok(())
}

fn disabled_thinking(ask: &Ask<'_>) -> Result<(), ApiError> {
    let config: OutputConfig = ask
        .fields
        .read("output_config", "a valid dictionary")?
        .unwrap_or_default();
    let high_effort = matches!(config.effort.as_deref(), Some("xhigh" | "max"));
    match ask.model.thinking {
        Thinking::Always => Err(no_disabling()),
        Thinking::AdaptiveByEffort if high_effort => Err(no_disabling()),
        _ => Ok(()),
    }
}

fn no_disabling() -> ApiError {
    ApiError::invalid("\"thinking.type.disabled\" is not supported for this model.")
}

/// Every tool has a name of its own, of the characters that the API allows.
fn tool_names(ask: &Ask<'_>) -> Result<(), ApiError> {
    let mut seen = HashSet::new();
    for (index, raw) in ask.tools.iter().enumerate() {
        let tool: Tool<'_> = serde_json::from_str(raw.get()).map_err(|_| {
            ApiError::invalid(format!("tools.{index}: Input should be a valid dictionary"))
        })?;
        // A set of tools is called by its server's name.
        if tool.kind.as_deref() == Some("mcp_toolset") {
            continue;
        }
        let Some(name) = tool.name else {
            return Err(ApiError::invalid(format!(
                "tools.{index}.name: Field required"
            )));
        };
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !(1..=MOST_NAME).contains(&name.len()) || !name.bytes().all(good) {
            let kind = tool.kind.as_deref().unwrap_or("custom");
            return Err(ApiError::invalid(format!(
                "tools.{index}.{kind}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
            )));
        }
        if !seen.insert(name) {
            return Err(ApiError::invalid("tools: Tool names must be unique."));
        }
    }
    Ok(())
}

fn tool_choice(ask: &Ask<'_>) -> Result<(), ApiError> {
    let choice: Option<ToolChoice> = ask.fields.read("tool_choice", "a valid dictionary")?;
    let wanted = choice.as_ref().and_then(|choice| choice.name.as_deref());
    if let Some(wanted) = wanted {
        let is_there = ask.tools.iter().any(|raw| {
            let tool = serde_json::from_str::<Tool<'_>>(raw.get());
            tool.is_ok_and(|tool| tool.name.as_deref() == Some(wanted))
        });
        if !is_there {
            return Err(ApiError::invalid(format!(
                "Tool '{wanted}' not found in provided tools"
            )));
        }
    }
    let forced = choice.is_some_and(|choice| matches!(choice.kind.as_str(), "any" | "tool"));
    if forced && !ask.model.forced_tools {
        // The wording is not publicly known.
        return Err(ApiError::invalid(
            "tool_choice: forced tool use is not supported for this model.",
        ));
    }
    Ok(())
}

fn choices(ask: &Ask<'_>) -> Result<(), ApiError> {
    let tier: Option<String> = ask.fields.read("service_tier", "a valid string")?;
    if tier.is_some_and(|tier| !["auto", "standard_only"].contains(&tier.as_str())) {
        return Err(ApiError::invalid(
            "service_tier: Input should be 'auto' or 'standard_only'",
        ));
    }
    if ask.fields.get("inference_geo").is_some() && !ask.model.accepts_geo() {
        // The wording is not publicly known.
        return Err(ApiError::invalid(
            "inference_geo: not supported for this model.",
        ));
    }
    Ok(())
}
