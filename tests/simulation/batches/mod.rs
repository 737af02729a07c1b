//! The batch lane: a Batches API in memory that loses answers, hides batches, cuts downloads and
//! forgets lines, and a live lane that answers by script.

mod absent;
mod budget;
mod chaos;
mod halts;
mod life;
mod narrowing;
mod roads;
mod short;
mod stuck;
mod warm;

/// Fewer seeds than for the live lane: a run of batches takes hours.
fn seeds() -> std::ops::Range<u64> {
    crate::world::seeds(4)
}
