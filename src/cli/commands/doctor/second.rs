//! The second endpoint: is its key there, does it answer, and does it take the key.

use super::TimeLimits;
use super::api::authentication_as;
use super::finding::Finding;
use crate::cli::commands::second::second_client;
use crate::cli::context::Context;
use crate::clock::Clock;
use crate::provider::ReadBudget;

const NAME: &str = "fallback_endpoint";

/// One finding, if there is a second endpoint.
pub(super) async fn check(ctx: &Context, limits: TimeLimits) -> Option<Finding> {
    let client = match second_client(ctx, &ctx.settings, Clock::system(), ReadBudget::default()) {
        Ok(None) => return None,
        Ok(Some(made)) => {
            made.passage.announce(ctx);
            made.client
        }
        Err(failure) => return Some(Finding::from_failure(NAME, &failure)),
    };
    let reply = client.models(limits.models).await;
    let finding = authentication_as(NAME, client.base_url(), &reply);
    let shown = ctx.settings.fallback.endpoint.base_url.as_ref()?;
    Some(Finding {
        found: format!("{shown}: {}", finding.found),
        ..finding
    })
}
