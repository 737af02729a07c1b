//! Pure decisions on values: what happens to a job after a failure, whether it is asked a little
//! differently then, what an answer cost, whether it is streamed, which lane it takes.
//!
//! Nothing here does I/O, reads a clock or keeps a random source: the time and the source are
//! arguments, so every decision can be repeated. `engine` acts on what is decided here.

pub mod amend;
pub mod batch;
pub mod circuit;
pub mod halt;
pub mod prices;
pub mod retry;
pub mod routing;
pub mod stream;
pub mod waits;

pub use amend::{AmendSettings, Asked, MAX_CONTINUATIONS, Trouble, after_failure, after_message};
pub use batch::BatchSettings;
pub use circuit::{Changed, Circuit, speaks_of_the_lane};
pub use prices::{ModelPrices, ModelStatus, PriceError, PriceTable, TokenPrices};
pub use retry::{RetrySettings, Standing, Step, Verdict, decide, no_more_retries, probe_wait};
pub use routing::{LiveSpeed, Way, batch_from, deserves_batch, rescue_at, way};
pub use stream::{LONGEST_PLAIN_OUTPUT, max_tokens_of, streams};
pub use waits::{Waits, WaitsError};
