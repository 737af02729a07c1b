//! What requests are looked over by before they are sent.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use crate::cli::failure::{Failure, in_plain_words};
use crate::cli::settings::Settings;
use crate::policy::{Addressee, PriceTable, Reviewer, Rules};
use crate::provider::BaseUrl;

/// Whom requests are for, as far as it matters for what is refused. A simulated run is for an imitation
/// of the first party's API, at the newest behaviour of the version that is asked for.
pub(super) fn addressee(settings: &Settings, simulated: bool) -> Addressee {
    let base = BaseUrl::parse(settings.api.base_url.expose());
    Addressee {
        first_party: simulated || base.is_ok_and(|base| base.is_first_party()),
        api_version: settings.api.version.0.clone(),
        has_betas: !settings.api.beta.is_empty(),
    }
}

/// What looks requests over before they are sent: our rules, with the user's laid over them.
pub(super) fn preflight(
    settings: &Settings,
    prices: &PriceTable,
    to: Addressee,
    now: Timestamp,
) -> Result<Reviewer, Failure> {
    let ours = Rules::embedded();
    let rules = match &settings.preflight.file {
        None => ours,
        Some(path) => ours.overridden_by(rules_of(path)?),
    };
    Ok(Reviewer::new(rules, Arc::new(prices.clone()), to, now))
}

fn rules_of(path: &Path) -> Result<Rules, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(
            format!("the rules {shown} cannot be read"),
            "correct `[preflight] file` in the configuration, or take it out to use the built-in rules",
        )
        .because(in_plain_words(&error))
    })?;
    Rules::parse(&text).map_err(|error| {
        Failure::usage(
            format!("{shown}:{}:{}: the rules cannot be used", error.line, error.column),
            "correct them, or take `[preflight] file` out of the configuration to use the built-in rules",
        )
        .because(error.reason)
    })
}
