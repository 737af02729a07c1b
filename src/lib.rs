//! claude-run: a batch-job runner with durable retries for the Claude API.
//!
//! The rooms, from the outside in: `cli` knows everything; `engine` decides what happens when and
//! drives `store` and `provider` through their traits; `policy` holds the pure decisions;
//! `input`, `progress`, `report` and `simulator` do what their names say; `model` is the
//! vocabulary that all of them share. Imports point that way only; a test keeps it so.

pub mod cli;
pub mod clock;
pub mod engine;
pub mod explain;
pub mod input;
pub mod model;
pub mod policy;
pub mod progress;
pub mod provider;
pub mod report;
pub mod simulator;
pub mod store;
