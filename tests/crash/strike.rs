//! How a process comes to its end in the middle of a phase: it aborts at a named failpoint, or it is
//! killed when something was seen from outside. Neither looks at a clock.

use std::process::Command;
use std::time::Duration;

use fastrand::Rng;

use super::bench::{Bench, size_of};
use super::process::{Process, Waited};

/// No phase takes so long.
const WHENEVER: Duration = Duration::from_mins(2);

/// What can be counted from outside while a process works.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// Messages requests that the simulator has seen.
    Requests,
    /// Calls of the batch endpoints.
    BatchCalls,
    /// Bytes of the store and its log.
    StoreBytes,
    /// Bytes of an export that is not in its place yet.
    ExportBytes,
}

impl Event {
    fn count(self, bench: &Bench) -> u64 {
        match self {
            Self::Requests => bench.requests(),
            Self::BatchCalls => bench.simulator.stats().calls.values().sum(),
            Self::StoreBytes => size_of(&bench.store()) + size_of(&bench.path("store.db-wal")),
            Self::ExportBytes => bench.part_size(),
        }
    }
}

/// A part of a run's life, and what can happen to it.
#[derive(Debug)]
pub struct Phase {
    pub name: &'static str,
    /// Failpoints on its way, and how often it passes each, more or less.
    pub failpoints: &'static [(&'static str, u64)],
    pub event: Event,
    /// The most events that are waited for.
    pub most_events: u64,
    /// How it may exit when nothing strikes.
    pub exits: &'static [i32],
}

/// Starts the process and strikes it at a point that `rng` chooses; false if it ended before.
pub fn strike(bench: &Bench, phase: &Phase, command: Command, rng: &mut Rng) -> bool {
    if rng.bool() {
        at_a_failpoint(phase, command, rng)
    } else {
        after_an_event(bench, phase, command, rng)
    }
}

fn at_a_failpoint(phase: &Phase, mut command: Command, rng: &mut Rng) -> bool {
    let (failpoint, most) = phase.failpoints[rng.usize(..phase.failpoints.len())];
    let armed = match rng.u64(..most) {
        0 => format!("{failpoint}=return"),
        passes => format!("{failpoint}={passes}*off->return"),
    };
    command.env("FAILPOINTS", armed);
    let ended = Process::start(command).end();
    if !ended.is_aborted() {
        ended.must_exit_with(phase.exits);
    }
    ended.is_aborted()
}

fn after_an_event(bench: &Bench, phase: &Phase, command: Command, rng: &mut Rng) -> bool {
    let goal = phase.event.count(bench) + rng.u64(..=phase.most_events);
    let mut process = Process::start(command);
    match process.wait_until(WHENEVER, || phase.event.count(bench) >= goal) {
        Waited::Met => {
            process.kill();
            true
        }
        Waited::Ended => {
            process.end().must_exit_with(phase.exits);
            false
        }
        Waited::TimeIsOver => panic!("{}: it neither went on nor ended", phase.name),
    }
}
