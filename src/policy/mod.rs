//! Pure decisions on values: what happens to a job after a failure, whether it is asked a little
//! differently then, what an answer cost, whether it is streamed, which lane it takes, what may be
//! sent now and what it will need.
//!
//! Nothing here does I/O, reads a clock or keeps a random source: the time and the source are
//! arguments, so every decision can be repeated. `engine` acts on what is decided here.

pub mod amend;
pub mod at_most;
pub mod batch;
mod batch_costs;
pub mod cache_prefix;
pub mod cache_warm;
pub mod circuit;
pub mod concurrency;
pub mod doubt;
pub mod estimate;
pub mod forecast;
pub mod halt;
pub mod health;
pub mod hours;
pub mod model_classes;
pub mod preflight;
pub mod prices;
pub mod ramp;
pub mod rate_budget;
pub mod refusals;
pub mod retry;
pub mod routing;
mod spelling;
pub mod spend;
pub mod stream;
pub mod unusable;
pub mod waits;

pub use amend::{AmendSettings, Asked, MAX_CONTINUATIONS, Trouble, after_failure, after_message};
pub use at_most::{Bounds, SHORTER, Unbounded, at_most};
pub use batch::BatchSettings;
pub use batch_costs::BatchCosts;
pub use cache_prefix::{Census, Keep, Marker, savings, worth_warming};
pub use cache_warm::{CacheWarmer, Gate};
pub use circuit::{Changed, Circuit, DIFFERENT_JOBS, speaks_of_the_model};
pub use concurrency::{Concurrency, Signal};
pub use doubt::{Belief, Beliefs, CONFIRM_AFTER, Crowd, Doubt};
pub use estimate::{Estimator, Prefix, Prompt, estimate};
pub use forecast::{Expected, Forecast, money_times};
pub use health::Health;
pub use hours::{Hours, HoursError};
pub use model_classes::ModelClasses;
pub use preflight::{Addressee, Foreseen, Reviewer, Rule, RuleError, Rules};
pub use prices::{ModelPrices, ModelStatus, PriceError, PriceTable, Priced, TokenPrices};
pub use ramp::Ramp;
pub use rate_budget::{Ceilings, ClassId, Demand, Ended, Free, Known, RateBudget, Ticket};
pub use refusals::{
    Concerns, Refusal, Refusals, TOO_LARGE_TRIES, TooLarge, refused_though_full, surely_too_large,
};
pub use retry::{
    LONGEST_HINT, Others, RANGE_BY_EVIDENCE, RetryBy, RetrySettings, Standing, Step, Verdict,
    acting_class, believed, decide, decide_after_panic, no_more_retries, patience, probe_wait,
    same_again,
};
pub use routing::{LiveSpeed, Way, batch_from, deserves_batch, rescue_at, way};
pub use spend::{Hold, Room, Spend, batch_reservation};
pub use stream::{LONGEST_PLAIN_OUTPUT, max_tokens_of, streams};
pub use unusable::{Unusable, Useless};
pub use waits::{Waits, WaitsError};
