//! The Message Batches API of the simulator, over real sockets.

mod creation;
mod downloads;
mod envelope;
mod items;
mod life;
mod limits;
mod listing;
mod money;
mod support;
