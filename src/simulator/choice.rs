//! Which case a request meets: what its prompt's script says, or what is drawn.

use super::errors::ApiError;
use super::faults::{self, Case, CaseOptions, Script, Venue};
use super::request::Ask;
use super::world::World;

/// The script in a prompt, if it has one.
pub(super) fn script(ask: &Ask<'_>, body: &[u8]) -> Result<Option<Script>, ApiError> {
    // Most prompts have none: one search over the raw bytes settles it.
    if !std::str::from_utf8(body).is_ok_and(Script::may_be_in) {
        return Ok(None);
    }
    let mut texts = ask.turns.iter().flat_map(|turn| turn.content.texts());
    let found = texts.find_map(Script::find).transpose();
    found
        .map(|script| script.map(|script| script.for_requests(ask.model, ask.max_tokens)))
        .map_err(|reason| {
            ApiError::invalid(format!(
                "The simulator cannot read the script in this prompt: {reason}."
            ))
        })
}

/// The script's step, or what is drawn.
pub(super) fn choose(
    world: &World,
    script: Option<Script>,
    venue: Venue,
    hash: u64,
    nth: u32,
) -> Result<(Case, CaseOptions), ApiError> {
    let settings = &world.settings;
    let Some(script) = script else {
        let case = faults::draw(&settings.faults, settings.seed, hash, nth, venue);
        return Ok((case, CaseOptions::default()));
    };
    let (case, options) = script.step(nth);
    // A script that cannot work must say so, and not pass for success.
    case.fits(venue).map_err(ApiError::invalid)?;
    Ok((case, options))
}
