//! A local imitation of the Claude API, with faults and limits.
//!
//! It serves people who try the runner out without a key, tests and benchmarks. It shares no type
//! with the rest of the crate, so that a wrong wire type of ours cannot hide behind itself.
//!
//! # What it promises
//!
//! - `POST /v1/messages` (plain and streamed), `POST /v1/messages/count_tokens`,
//!   `GET /v1/models[/ID]`, and the status page `GET /api/v2/{status,summary}.json`.
//! - The Message Batches API: see [`BatchSettings`]. `[[batch: lost-answer, ok]]` in a prompt is for
//!   the call that creates its batch.
//! - Validation, error bodies, headers and rate limits as the API has them, in its words where
//!   they are publicly known.
//! - Every [`Case`] on demand: a prompt that contains `[[sim: 529*2, 500 retry-after=1, ok]]` is
//!   answered by that script, one step for each request with the same body; the last step repeats.
//! - Faults at random, from [`SimulatorSettings::faults`]: the n-th request of a body meets the
//!   same fault in every run with the same seed. A request that was turned away by a limit does
//!   not count.
//! - [`Simulator::log`] and [`Simulator::stats`] tell what was sent and answered; for other
//!   processes `GET /_simulator/{log,stats,batches,batch-items}`, `POST /_simulator/reset` and
//!   `POST /_simulator/status`.
//!
//! # What it does not do
//!
//! It listens where it is told, without TLS; it runs no model and no tools (a web search is only billed), and keeps no files.
//! Tokens are estimated from bytes, and prices are unknown to it.
//!
//! # Options of a step
//!
//! `retry-after=3` (or `0.5`, `-1`, `garbage`, `date:+2s`, `none`), `retry-after-ms=250`,
//! `should-retry=true|false`, `no-request-id`, `details`, `delay=200ms`, `regain=2026-12-01`; for
//! the creation of a batch `takes=2h`, `stall=0.4`, `hidden=2m`, `unlisted=2m`, `cuts=2`.

mod answer;
mod arrival;
mod batches;
mod body_hash;
mod bucket;
mod cache;
mod canned;
mod choice;
mod dice;
mod errors;
mod faults;
mod limits;
mod log;
mod message;
mod messages;
mod models;
mod oddity;
mod receipt;
mod render;
mod reply;
mod request;
mod request_limit;
mod routes;
mod schema;
mod server;
mod server_tools;
mod settings;
mod shared;
mod sse;
mod status_page;
mod strict;
mod time;
mod tokens;
mod validate;
mod wire;
mod world;

pub use batches::{
    BatchItemRecord, BatchProgress, BatchRecord, BatchSettings, ErrorNesting, ItemOutcome, ShortAs,
    ToldCounts,
};
pub use faults::{BatchScript, Case, FaultRate};
pub use log::{LedgerRow, LoggedRequest, SimulatorStats};
pub use server::Simulator;
pub use settings::{ClassLimits, Latency, OutputLength, RateLimits, SimulatorSettings};
pub use status_page::{ImitatedPage, Indicator};
