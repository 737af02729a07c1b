//! The parameters at the top of a request.

use super::Draft;
use super::fault::{Faults, Rule, Step};
use super::rules::Sampling;
use crate::model::{JsonView, shown, thousands};
use crate::policy::ModelClasses;
use crate::policy::estimate::Prompt;
use crate::policy::rate_budget::numbers::count;

/// The version of the API that took the sampling parameters away.
const WITHOUT_SAMPLING: &str = "2026-10-21";
const SAMPLING: [&str; 3] = ["temperature", "top_p", "top_k"];
/// Keys that the Messages API knows, those of betas included.
const KNOWN: [&str; 27] = [
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "output_format",
    "cache_control",
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
    "fallbacks",
    "fallback_credit_token",
    "context_management",
    "mcp_servers",
    "diagnostics",
    "user_profile_id",
    "store",
];
/// So many letters wrong are a slip; what is farther off may be a key that is new at the API.
const SLIP: usize = 2;
/// An estimate is off by some per cent: a prompt is told that is larger than the window by more.
const SURELY: f64 = 1.15;

pub(super) fn look_over(request: &Draft<'_, '_>, faults: &mut Faults) {
    keys(request, faults);
    max_tokens(request, faults);
    window(request, faults);
    sampling(request, faults);
    tool_choice(request, faults);
    if request.given("inference_geo").is_some() && request.rules.is_some_and(|rules| !rules.geo) {
        faults.at(
            Rule::Parameter,
            &[Step::Key("inference_geo")],
            "is not known to this model: leave it out, or take a model from the 4.6 family on",
        );
    }
}

fn keys(request: &Draft<'_, '_>, faults: &mut Faults) {
    for (key, _) in request.members.iter() {
        if KNOWN.contains(&key) || key.len() > 40 {
            continue;
        }
        let near = KNOWN
            .into_iter()
            .min_by_key(|known| strsim::levenshtein(key, known))
            .filter(|known| strsim::levenshtein(key, known) <= SLIP);
        if let Some(near) = near {
            // The key is the user's, so the place is told by the key that was meant.
            faults.at(
                Rule::MisspeltKey,
                &[],
                format_args!(
                    "has the key `{}`, which the API refuses: did you mean `{near}`?",
                    shown(key)
                ),
            );
        }
    }
}

fn max_tokens(request: &Draft<'_, '_>, faults: &mut Faults) {
    let (Some(asked), Some(sizes)) = (request.number("max_tokens"), request.sizes) else {
        return;
    };
    // A beta raises what a batch may give.
    let most = sizes.max_output_tokens;
    if asked > count(most) && !request.to.has_betas {
        faults.at(
            Rule::MaxTokens,
            &[Step::Key("max_tokens")],
            format_args!(
                "is {asked}, but {} gives at most {} tokens: lower it",
                sizes.id,
                thousands(most)
            ),
        );
    }
}

fn window(request: &Draft<'_, '_>, faults: &mut Faults) {
    let Some(sizes) = request.sizes else { return };
    // A token is a byte at least: most requests need no counting.
    if (request.body.raw().len() as u64) <= sizes.context_window {
        return;
    }
    let plain = Prompt::of(request.body).tokens;
    let tokens = plain * ModelClasses::embedded().tokenizer_factor(&sizes.id);
    if tokens > count(sizes.context_window) * SURELY {
        faults.at(
            Rule::Window,
            &[Step::Key("messages")],
            format_args!(
                "has about {:.0}k tokens with all that stands before it, but {} takes {}: shorten the prompt, or take a model with a larger window",
                tokens / 1_000.0,
                sizes.id,
                thousands(sizes.context_window)
            ),
        );
    }
}

fn sampling(request: &Draft<'_, '_>, faults: &mut Faults) {
    let given: Vec<_> = SAMPLING
        .into_iter()
        .filter_map(|key| Some((key, request.given(key)?)))
        .collect();
    for (key, value) in &given {
        let refused = refused_value(request, key, value);
        if let Some(why) = refused {
            faults.at(Rule::Sampling, &[Step::Key(key)], why);
        }
    }
    let both = ["temperature", "top_p"]
        .iter()
        .all(|key| given.iter().any(|(found, _)| found == key));
    if both && request.rules.map(|rules| rules.sampling) == Some(Sampling::OneOfTwo) {
        faults.at(
            Rule::Sampling,
            &[Step::Key("top_p")],
            "stands beside `temperature`, and this model takes only one of them: leave one out",
        );
    }
}

/// Why the API refuses a sampling parameter of this value, if it does.
fn refused_value(request: &Draft<'_, '_>, key: &str, value: &JsonView<'_>) -> Option<&'static str> {
    if request.to.api_version.as_str() >= WITHOUT_SAMPLING {
        return Some("was taken out of the API with this version of it: leave it out");
    }
    let Ok(number) = value.raw().parse::<f64>() else {
        return Some("is no number");
    };
    if key != "top_k" && !(0.0..=1.0).contains(&number) {
        return Some("must be from 0 to 1");
    }
    // `top_k` has no default that could be written.
    let is_default = key != "top_k" && (number - 1.0).abs() < f64::EPSILON;
    let rules = request.rules?;
    (rules.sampling == Sampling::DefaultOnly && !is_default)
        .then_some("is refused by this model: leave it out")
}

fn tool_choice(request: &Draft<'_, '_>, faults: &mut Faults) {
    let Some(choice) = request.given("tool_choice").and_then(JsonView::members) else {
        return;
    };
    let place = [Step::Key("tool_choice")];
    let text = |key| choice.last(key).and_then(JsonView::text);
    let kind = text("type");
    let is_forced = matches!(kind.as_deref(), Some("any" | "tool"));
    if is_forced && request.rules.is_some_and(|rules| !rules.forced_tools) {
        faults.at(
            Rule::ToolChoice,
            &place,
            "orders a tool to be used, which this model does not take: write `{\"type\": \"auto\"}` and ask for the tool in words",
        );
    }
    let Some(wanted) = text("name") else { return };
    let tools = request.given("tools").and_then(JsonView::items);
    let is_there = tools.into_iter().flatten().any(|tool| {
        let name = tool.members().and_then(|tool| tool.last("name")?.text());
        name.as_deref() == Some(&*wanted)
    });
    if !is_there && !request.to.has_betas {
        faults.at(
            Rule::ToolChoice,
            &place,
            format_args!(
                "names the tool `{}`, which is not among `tools`",
                shown(&wanted)
            ),
        );
    }
}
