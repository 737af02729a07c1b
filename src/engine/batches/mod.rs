//! The batch lane: jobs that have time are answered together, at half the price.
//!
//! ```text
//! ways       pure: which route a job takes next, and when a batch must be given up for the live lane
//! view       what all decisions about batches go by
//! effect     what the driver is to do
//! answer     how that ends
//! planner    the pure state machine of the lane: answers in, effects out
//! answers    what it makes of answers; of create calls in `creation`, of looks in `looks`, of results
//!            in `results`
//! track      the part of its state that belongs to one batch
//! intake     the part of its state that belongs to the queue and the batch that is being filled
//! warm_up    pure: the batch that goes before others, so that they find the cache warm
//! refusal    pure: what it means that a batch could not be created
//! absence    pure: whether an endpoint has no Message Batches; what is done then in `without`
//! alarms     what concerns all batches, and when it is believed
//! narrowing  pure: the search for an entry at fault that no refusal names; judged in `suspects`
//! search     pure: which remote batches may be one whose create answer was lost
//! items      pure: what a line of results means for its job
//! upload     the body of a create call, read from the store as it is sent
//! sorting    pure: the lines of one download, and which of two for one request counts
//! stuck      pure: batches that do not end when they should, and what is told of them
//! short      pure: results that lack lines: what is missing, and when they are asked for again
//! harvest    the results of a batch, from the download into the store
//! hands      what every task needs
//! tasks      what each effect does, in straight lines
//! driver     the loop: waits for something to happen, tells the planner, does as it says
//! signals    what the dispatcher and this loop say to each other
//! lane       the handle by which the dispatcher and this loop talk
//! ```
//!
//! Nothing is sent that is not written down, nothing is sent again of which nobody knows whether it
//! was heard, and nothing counts as done that is not stored. A crash at any moment leaves a batch in
//! a state from which the next start goes on.

mod absence;
mod alarms;
mod answer;
mod answers;
mod batch_io;
mod creation;
mod driver;
mod effect;
mod harvest;
mod intake;
mod items;
mod lane;
mod narrowing;
mod planner;
mod poll;
mod refusal;
mod results;
mod search;
mod short;
mod signals;
mod sorting;
mod stuck;
mod suspects;
mod tasks;
#[cfg(test)]
pub(in crate::engine) mod testing;
mod track;
mod upload;
mod view;
mod warm_up;
mod ways;
mod without;

pub(super) use lane::BatchLane;
pub(super) use signals::{LiveView, Mode, News};
