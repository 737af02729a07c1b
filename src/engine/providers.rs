//! Where requests go: the live lane, and the batch lane if there is one.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::model::RemoteBatch;
use crate::provider::{BatchApi, BatchPage, BatchUpload, Failure, Polled, ResultLine};

/// Where requests go.
#[derive(Debug)]
pub struct Providers<P, B> {
    /// The Messages API.
    pub live: Arc<P>,
    /// The Message Batches API. Without it every job that is queued for the live lane goes live,
    /// and jobs of a batch stay where they are.
    pub batches: Option<Arc<B>>,
}

impl<P> Providers<P, NoBatches> {
    /// The live lane alone.
    #[must_use]
    pub fn live_only(live: Arc<P>) -> Self {
        Self {
            live,
            batches: None,
        }
    }
}

/// The Batches API of a program that has none: no value of this type exists.
#[derive(Clone, Copy, Debug)]
pub enum NoBatches {}

impl BatchApi for NoBatches {
    async fn create(&self, _: BatchUpload) -> Result<RemoteBatch, Box<Failure>> {
        match *self {}
    }

    async fn retrieve(&self, _: &str) -> Result<Polled, Box<Failure>> {
        match *self {}
    }

    async fn list(&self, _: Option<&str>) -> Result<BatchPage, Box<Failure>> {
        match *self {}
    }

    async fn cancel(&self, _: &str) -> Result<RemoteBatch, Box<Failure>> {
        match *self {}
    }

    async fn results(&self, _: &str, _: mpsc::Sender<ResultLine>) -> Result<u64, Box<Failure>> {
        match *self {}
    }
}
