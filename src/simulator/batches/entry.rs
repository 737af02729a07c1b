//! The door of the batch endpoints: key, limit and version.

use crate::simulator::arrival::{Arrival, authenticate};
use crate::simulator::errors::ApiError;
use crate::simulator::limits::Headers;
use crate::simulator::reply::Reply;
use crate::simulator::request_limit;
use crate::simulator::validate::Dialect;
use crate::simulator::world::World;

/// Lets a call in, or says why not.
pub(super) fn enter(world: &World, arrival: &Arrival) -> Result<Headers, Box<Reply>> {
    let refused = |error: &ApiError| Box::new(Reply::error(error, world.request_id()));
    // The Batches API words a wrong key in its own way.
    authenticate(world, arrival).map_err(|error| match arrival.key() {
        Some(_) => refused(&ApiError::authentication("API key is invalid.")),
        None => refused(&error),
    })?;
    let headers = request_limit::admit(world.batch_limit.as_ref(), &world.epoch, || {
        world.request_id()
    })?;
    Dialect::of(arrival.header("anthropic-version"), false).map_err(|error| refused(&error))?;
    Ok(headers)
}
