//! The commands: each takes the context and its arguments and returns how it ended.
//!
//! ```text
//! submit, resume        change the queue and run it
//!   load                an input file into the store
//!   lanes               what a line's lane means for what is remarked about it
//!   budget              whether a budget can be kept for the lines
//!   session             what a dispatching process holds: store, lock, signals
//!   drive               one run under dispatch: provider, engine, progress, summary
//!   endpoint            where requests go: the API, or a simulator inside the process
//! status, batches, attempts, export, report, retry, cancel, check
//!   estimates, sample   what a file is expected to need and to cost
//!   select              which run is meant
//! doctor                what is in order, and what is not
//! verify                the invariants of the store
//! simulate, explain, config, completions
//!   trust               which config files and hosts the user trusts
//! ```

mod attempts;
mod batches;
mod budget;
mod cancel;
mod check;
mod client_settings;
pub(crate) mod completions;
mod config;
mod doctor;
mod drive;
mod endpoint;
mod estimates;
mod explain;
mod export;
mod found_prices;
mod judge;
mod lanes;
mod load;
mod prefixes;
mod preflight;
mod report;
mod resume;
mod retry;
mod sample;
mod second;
mod select;
mod session;
mod simulate;
mod status;
mod submit;
mod take_out;
mod targets;
mod trust;
mod verify;
mod watch;

pub use attempts::attempts;
pub use batches::batches;
pub use cancel::cancel;
pub use check::{CheckReport, Problem, Remarked, check};
pub use config::{SettingLine, SettingList, config};
pub use doctor::{DoctorReport, Finding, Level, doctor, doctor_without_settings};
pub use estimates::{Estimates, ExactCount, LaneEstimate, ModelEstimate};
pub use explain::explain;
pub use export::export;
pub use report::report;
pub use resume::resume;
pub use retry::retry;
pub use simulate::simulate;
pub use status::status;
pub use submit::submit;
pub use trust::trust;
pub use verify::{Invariant, RunInvariants, VerifyReport, verify};
