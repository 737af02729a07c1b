//! The vocabulary, as plain values: ids, runs, jobs, attempts, error classes, usage, money, events.
//!
//! Nothing here does I/O, reads a clock or draws a random number, and nothing here imports another
//! room: every other room speaks in these words.

pub mod amendment;
pub mod attempt;
pub mod auto_or_off;
pub mod batch;
pub mod body;
pub mod cache_prefix;
pub mod duration;
pub mod endpoint;
pub mod error_class;
pub mod error_object;
pub mod estimate;
pub mod event;
pub mod evidence;
pub mod half_pairs;
pub mod halt;
pub mod ids;
pub mod job;
pub mod json_path;
pub mod json_view;
pub mod lane_choice;
pub mod money;
pub mod observer;
pub mod printable;
pub mod problem;
pub mod raw_object;
pub mod run;
pub mod status_page;
pub mod stream_mode;
pub mod thousands;
pub mod toml_kinds;
pub mod usage;
pub mod wait_rule;

pub use amendment::{Amended, Amendment};
pub use attempt::{AttemptOutcome, AttemptRecord};
pub use auto_or_off::AutoOrOff;
pub use batch::{
    BatchId, BatchState, CancelReason, RemoteBatch, RemoteStatus, RequestCounts, ShortResults,
    StuckBatch,
};
pub use body::RequestBody;
pub use cache_prefix::SharedPrefix;
pub use endpoint::Endpoint;
pub use error_class::{Budget, ErrorClass, Treatment};
pub use error_object::error_object;
pub use estimate::{ERROR_BINS, Estimate, EstimateErrors, error_bin};
pub use event::{Event, EventKind, ResultLines, RunEnd};
pub use evidence::{Evidence, Limit, OUT_OF_FILES, RateLimits};
pub use halt::{Halt, HaltReason};
pub use ids::{AttemptId, JobId, RunId};
pub use job::{ClaimedJob, JobHistory, JobState, Lane, NewJob};
pub use json_path::JsonStep;
pub use json_view::{JsonView, ObjectView};
pub use lane_choice::LaneChoice;
pub use money::{Cost, CostBasis, Pico};
pub use observer::Observer;
pub use printable::{is_bidi_control, is_control, printable, shown};
pub use problem::Problem;
pub use run::{DispatchOptions, JobCounts, OnHalt, OnTruncated, Run, RunState, Shaping};
pub use status_page::{Indicator, PageStatus};
pub use stream_mode::StreamMode;
pub use thousands::{plural, thousands};
pub use usage::{Tokens, Usage};
pub use wait_rule::WaitRule;
