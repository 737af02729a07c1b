//! What all requests share: the world, and the batches that live in it.

use std::ops::Deref;
use std::sync::Arc;

use tokio::time::Instant;

use super::batches::Board;
use super::log::SimulatorStats;
use super::settings::SimulatorSettings;
use super::world::World;

/// What the requests of one simulator share.
#[derive(Debug)]
pub(super) struct Shared {
    world: World,
    pub(super) batches: Board,
}

/// Batches see the world, and calls see both: what needs no batch takes the world alone.
impl Deref for Shared {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Shared {
    pub(super) fn new(settings: SimulatorSettings) -> Self {
        Self {
            world: World::new(settings),
            batches: Board::default(),
        }
    }

    /// The counters, batches up to this moment included.
    pub(super) fn stats(&self) -> SimulatorStats {
        // Batches move on only when somebody looks.
        self.batches.catch_up(self, Instant::now());
        self.records.stats()
    }

    pub(super) fn reset(&self) {
        self.batches.clear();
        self.world.reset();
    }
}

/// A Messages request from its arrival to its last byte, or to the moment the client leaves.
#[derive(Debug)]
pub(super) struct RequestInFlight {
    shared: Arc<Shared>,
    /// How many were open at its arrival, itself included.
    pub(super) count: usize,
}

impl RequestInFlight {
    pub(super) fn enter(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            count: shared.records.enter(),
        }
    }
}

impl Drop for RequestInFlight {
    fn drop(&mut self) {
        self.shared.records.leave();
    }
}
