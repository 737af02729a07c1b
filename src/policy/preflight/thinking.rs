//! `thinking`: which kinds of it a model accepts, and how much.

use super::Draft;
use super::fault::{Faults, Rule, Step};
use super::rules::Thinking;
use crate::model::JsonView;

/// The least that may be thought, in tokens.
const LEAST: f64 = 1_024.0;
const PLACE: &[Step] = &[Step::Key("thinking")];

pub(super) fn look_over(request: &Draft<'_, '_>, faults: &mut Faults) {
    let Some(thinking) = request.given("thinking").and_then(JsonView::members) else {
        return;
    };
    let kind = thinking.last("type").and_then(JsonView::text);
    let allowed = request
        .rules
        .map_or(Thinking::Unknown, |rules| rules.thinking);
    match kind.as_deref() {
        Some("enabled") => {
            if matches!(
                allowed,
                Thinking::Adaptive | Thinking::AdaptiveByEffort | Thinking::Always
            ) {
                faults.at(
                    Rule::Thinking,
                    PLACE,
                    "of type `enabled` is refused by this model: write `{\"type\": \"adaptive\"}`, and say how much by `output_config.effort`",
                );
            }
            let budget = thinking.last("budget_tokens");
            enabled(request, budget.and_then(|budget| budget.raw().parse().ok()), faults);
        }
        Some("adaptive") if allowed == Thinking::Manual => faults.at(
            Rule::Thinking,
            PLACE,
            "of type `adaptive` is refused by this model: write `{\"type\": \"enabled\", \"budget_tokens\": N}`",
        ),
        Some("disabled") => disabled(request, allowed, faults),
        _ => {}
    }
}

fn enabled(request: &Draft<'_, '_>, budget: Option<f64>, faults: &mut Faults) {
    let place = [Step::Key("thinking"), Step::Key("budget_tokens")];
    let Some(budget) = budget else {
        faults.at(
            Rule::Thinking,
            PLACE,
            "of type `enabled` wants `budget_tokens`",
        );
        return;
    };
    if budget < LEAST {
        faults.at(
            Rule::Thinking,
            &place,
            format_args!("is {budget}, but must be at least {LEAST}"),
        );
    }
    if request
        .number("max_tokens")
        .is_some_and(|most| most <= budget)
    {
        faults.at(
            Rule::Thinking,
            &place,
            format_args!(
                "is {budget}, but must be less than `max_tokens`: lower it, or raise `max_tokens`"
            ),
        );
    }
    if request
        .number("temperature")
        .is_some_and(|temperature| (temperature - 1.0).abs() > f64::EPSILON)
    {
        faults.at(
            Rule::Thinking,
            &[Step::Key("temperature")],
            "may only be 1 while thinking is enabled: leave it out",
        );
    }
}

fn disabled(request: &Draft<'_, '_>, allowed: Thinking, faults: &mut Faults) {
    let effort = request
        .given("output_config")
        .and_then(|config| config.members()?.last("effort")?.text());
    let is_high = matches!(effort.as_deref(), Some("xhigh" | "max"));
    match allowed {
        Thinking::Always => faults.at(
            Rule::Thinking,
            PLACE,
            "cannot be disabled on this model: leave it out",
        ),
        Thinking::AdaptiveByEffort if is_high => faults.at(
            Rule::Thinking,
            PLACE,
            "cannot be disabled at this effort: lower `output_config.effort` to `high`, or leave `thinking` out",
        ),
        _ => {}
    }
}
