//! The machine: it takes up a run and drives it until every job has ended or nothing more can be
//! done.
//!
//! ```text
//! settings     what a dispatcher goes by
//! scheduler    the pure state machine: inputs in, effects out; never waits, never fails
//! budget       what the run may still spend
//! throttle     what holds starts back: budgets, the ramp, the hours, a cold cache
//! batch_money  what the batch lane asks it, and tells it
//! gate         what holds a whole lane back: the hours, a halt, an endpoint that never answers
//! endpoints    which endpoint a model's requests go to
//! model_queues which models' jobs may be claimed or sent now
//! model_queue  the part of its state that belongs to one model
//! charge       pure: what an attempt cost, and what it may have cost at most
//! terms        what the bound of a request's cost rests on
//! bounds       the same of attempts that a crash left open
//! outcome      pure: what a reply means for its job (class, retry, money)
//! again        pure: whether the next attempt asks differently
//! error_result the result of a job that failed
//! dispatcher   the one loop: waits for something to happen, tells the scheduler, does as it says
//! events       what happened, as events for those who watch
//! live_rate    how fast the live lane works
//! providers    where requests go
//! batches/     the batch lane: a task for each batch, beside the dispatcher
//! beside       how a run is taken up, and how its two lanes leave it together
//! status       when the status page is asked, and how long it is believed
//! stop         how the run is told to stop
//! ```
//!
//! The engine knows the traits of store and provider, not what is behind them. It keeps no retry
//! in memory: a job that goes again is a row with a time. A poll of a batch may
//! sleep, since its row says where it stands. It never sends a request whose attempt is not stored,
//! and counts nothing as done that is not.

mod again;
mod batch_money;
mod batches;
mod beside;
mod bounds;
mod budget;
mod charge;
mod dispatcher;
mod endpoints;
mod error_result;
mod events;
mod gate;
mod interrupted;
mod live_rate;
mod model_queue;
mod model_queues;
mod outcome;
mod providers;
mod scheduler;
mod settings;
mod status;
mod stop;
mod terms;
mod throttle;
mod throttles;

pub use bounds::keep_bounds;
pub use budget::BudgetRule;
pub use dispatcher::{Ending, EngineError, dispatch};
pub use providers::{NoBatches, Providers};
pub use settings::{BatchOptions, EngineSettings, Heartbeat, LimitSettings, SecondEndpoint};
pub use status::StatusProbe;
pub use stop::{Stop, StopSignal, Stopper};
pub use terms::Terms;
