//! Prices that somebody else may have written, under a budget that is the user's.

use super::endpoint::prices;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::settings::Settings;
use crate::clock::Clock;
use crate::model::{Tokens, Usage};
use crate::policy::PriceTable;

/// A budget is not counted at prices of a file that was merely found where they are lower than ours:
/// whoever made the folder could make it void. What they add to ours is taken, and said.
///
/// # Errors
///
/// A model of ours is cheaper by such a file (exit code 2).
pub(super) fn refuse_found_prices(ctx: &Context, settings: &Settings) -> Result<(), Failure> {
    let Some(path) = &settings.prices.file else {
        return Ok(());
    };
    // Nothing but a config file names a price table.
    let file = ctx.layers.file.as_ref();
    let is_trusted = file.is_none_or(|file| file.standing.is_trusted());
    if is_trusted || settings.limits.budget_usd.is_none() {
        return Ok(());
    }
    let (path, origin) = (path.display(), settings.origin("prices.file"));
    let Some(model) = undercut(&PriceTable::embedded(), &prices(settings)?) else {
        let note = format!("the budget is counted at prices of {path} too, which {origin} names");
        if ctx.trust.is_news(&note) {
            ctx.console.warn(note);
        }
        return Ok(());
    };
    Err(Failure::usage(
        format!("the price table {path} is not taken for a budget: it makes `{model}` cheaper than it is known to be"),
        "read both files; if they are yours, accept the configuration with `claude-run config trust`, or name it with --config or CLAUDE_RUN_CONFIG",
    )
    .because(format!(
        "{origin} names it, which was merely found, and whoever made this folder may have written it"
    )))
}

/// A model of ours of which any kind of token costs less by theirs.
fn undercut(ours: &PriceTable, theirs: &PriceTable) -> Option<String> {
    let now = Clock::system().now();
    let kinds: [fn(&mut Tokens) -> &mut u64; 5] = [
        |tokens| &mut tokens.input,
        |tokens| &mut tokens.output,
        |tokens| &mut tokens.cache_read,
        |tokens| &mut tokens.cache_write_5m,
        |tokens| &mut tokens.cache_write_1h,
    ];
    let is_cheaper = |model: &str| {
        kinds.iter().any(|kind| {
            let mut usage = Usage::default();
            *kind(&mut usage.tokens) = 1_000;
            let of = |table: &PriceTable| table.cost(model, &usage, now);
            let (ours, theirs) = (of(ours), of(theirs));
            !ours.unknown_price && !theirs.unknown_price && theirs.total < ours.total
        })
    };
    let mut models = ours.models().iter().map(|model| &model.id);
    models.find(|model| is_cheaper(model)).cloned()
}
