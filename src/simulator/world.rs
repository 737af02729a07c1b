//! What an answer may depend on: settings, time, limits, the prompt cache and what came before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::cache::PromptCache;
use super::dice::{Dice, Purpose};
use super::limits::Limiter;
use super::log::Records;
use super::request_limit::RequestLimit;
use super::settings::SimulatorSettings;
use super::status_page::ImitatedPage;
use super::time::Epoch;

/// What the requests of one simulator share, batches and single ones alike.
#[derive(Debug)]
pub(super) struct World {
    pub(super) settings: SimulatorSettings,
    pub(super) epoch: Epoch,
    pub(super) records: Records,
    pub(super) cache: PromptCache,
    pub(super) limiter: Option<Limiter>,
    pub(super) count_limit: Option<RequestLimit>,
    pub(super) batch_limit: Option<RequestLimit>,
    status_page: Mutex<ImitatedPage>,
    answered: AtomicU64,
}

impl World {
    pub(super) fn new(settings: SimulatorSettings) -> Self {
        Self {
            epoch: Epoch::begin(),
            records: Records::default(),
            cache: PromptCache::default(),
            limiter: settings.limits.clone().map(Limiter::new),
            count_limit: settings.count_tokens_per_minute.map(RequestLimit::new),
            batch_limit: settings.batches.requests_per_minute.map(RequestLimit::new),
            status_page: Mutex::new(settings.status_page.clone()),
            answered: AtomicU64::new(0),
            settings,
        }
    }

    /// A new `request-id`.
    pub(super) fn request_id(&self) -> String {
        let count = self.answered.fetch_add(1, Ordering::Relaxed);
        let mut dice = Dice::new(self.settings.seed, count, 0, Purpose::Identifier);
        format!("req_011C{}", dice.letters(20))
    }

    pub(super) fn status_page(&self) -> ImitatedPage {
        self.status_page
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn set_status_page(&self, page: ImitatedPage) {
        *self
            .status_page
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = page;
    }

    pub(super) fn reset(&self) {
        self.records.reset();
        self.cache.clear();
        for limit in self.count_limit.iter().chain(&self.batch_limit) {
            limit.reset();
        }
        if let Some(limiter) = &self.limiter {
            limiter.reset();
        }
    }
}
