//! Cache breakpoints: at most four, long-lived ones first.

use crate::simulator::cache;
use crate::simulator::errors::ApiError;
use crate::simulator::request::Ask;

const MAX_BREAKPOINTS: usize = 4;

pub(super) fn check(ask: &Ask<'_>) -> Result<(), ApiError> {
    let marks = cache::breakpoints(ask)?;
    if marks.len() > MAX_BREAKPOINTS {
        return Err(ApiError::invalid(format!(
            "A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {}.",
            marks.len()
        )));
    }
    match marks.windows(2).find(|pair| pair[0].1 > pair[1].1) {
        None => Ok(()),
        Some(pair) => Err(ApiError::invalid(format!(
            "{}.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that blocks are processed in the following order: tools, system, messages.",
            pair[1].0
        ))),
    }
}
