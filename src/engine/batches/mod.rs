//! The batch lane: jobs that have time are answered together, at half the price.
//!
//! ```text
//! lane        the handle by which the dispatcher and the lane talk; how a run is taken up
//! signals     what they say to each other
//! driver      a task for each batch and one for the queue, and the orders for all
//!
//! life/       one batch, from its first job to its last result: an act for each state
//! queue       the jobs that wait for a batch: counted, moved between the lanes, put into the next batch
//!
//! shared      what every task holds: `batch_io`, and the coordinator behind a lock
//! batch_io    the way to the store, the API and the dispatcher
//! coordinator pure: what the batches share
//! turn        pure: what a batch may do now, given how it and the others stand
//! batch       pure: how one batch stands with us, and what it wants
//! footprint   pure: what the others must know of it
//! view        what all decisions about batches go by
//!
//! ways        pure: which lane a job takes next, and when a batch must be given up for the live lane
//! intake      pure: when a batch is begun, and what goes live instead
//! warm_up     pure: the batch that goes before others, so that they find the cache warm
//! create_pace pure: when the next batch may be created after one was refused
//! refusal     pure: what it means that a batch could not be created
//! narrowing   pure: the search for an entry at fault that no refusal names; judged in `suspects`
//! absence     pure: whether an endpoint has no Message Batches; what is left then, in `stranded`
//! alarms      pure: what concerns all batches, and when it is believed
//! search      pure: which remote batches may be one whose create answer was lost
//! stuck       pure: batches that do not end when they should, and what is told of them
//! short       pure: results that lack lines: what is missing, and when they are asked for again
//! sorting     pure: the lines of one download, and which of two for one request counts
//! items       pure: what a line of results means for its job
//! upload      the body of a create call, read from the store as it is sent
//! harvester   the results of a batch, from the download into the store
//! ```
//!
//! Nothing is sent that is not written down, nothing is sent again of which nobody knows whether it
//! was heard, and nothing counts as done that is not stored. A crash at any moment leaves a batch in
//! a state from which the next start goes on.

mod absence;
mod alarms;
mod batch;
mod batch_io;
mod coordinator;
mod create_pace;
mod driver;
mod footprint;
mod harvester;
mod intake;
mod items;
mod lane;
mod life;
mod narrowing;
mod queue;
mod refusal;
mod search;
mod shared;
mod short;
mod signals;
mod sorting;
mod stranded;
mod stuck;
mod suspects;
#[cfg(test)]
pub(in crate::engine) mod testing;
mod turn;
mod upload;
mod view;
mod warm_up;
mod ways;

pub(super) use lane::BatchLane;
pub(super) use signals::{LiveView, Mode, News};
