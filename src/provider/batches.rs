//! The Message Batches API: what the engine asks of it, and the client that asks.
//!
//! Here stand the words of the calls; `client` makes them, `upload` streams the body of a create
//! call, `remote` reads batches, `lines` and `item` read results, `verdict` says what a failure
//! means for a batch. Nothing here repeats a call, and nothing remembers one.

mod client;
mod item;
mod lines;
mod remote;
mod upload;
mod verdict;

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::{Failure, Message, Reserved};
use crate::model::RemoteBatch;

pub use client::BatchesClient;
pub use item::read_result_line;
pub use verdict::{
    has_no_batches, is_missing, may_have_been_created, rejected_entry,
    take_back_what_a_request_holds,
};

/// The body of a create call: its exact length, and its bytes as they are read from the store. A
/// sender that is dropped early breaks the call off, and so does one that sends more than was said:
/// the API then never has a whole body, and no batch can come of it.
#[derive(Debug)]
pub struct BatchUpload {
    /// Bytes of the whole body.
    pub bytes: u64,
    /// The bytes, in order.
    pub chunks: mpsc::Receiver<Bytes>,
}

/// A look at a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polled {
    /// What the API says.
    pub batch: RemoteBatch,
    /// When it wants to be asked again at the earliest.
    pub retry_after: Option<Duration>,
}

/// A page of the list of batches, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchPage {
    /// The batches.
    pub batches: Vec<RemoteBatch>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
    /// What the API's clock said when it answered (header `date`), to the second.
    pub server_time: Option<Timestamp>,
}

/// One line of a batch's results.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultLine {
    /// The entry's `custom_id`; none if the line cannot be read.
    pub custom_id: Option<String>,
    /// What became of the entry.
    pub result: ItemResult,
    /// The room that it holds until it is recorded.
    pub reserved: Reserved,
}

/// What became of an entry of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemResult {
    /// It was answered.
    Succeeded(Box<Message>),
    /// It failed, or its answer is a refusal.
    Errored(Box<Failure>),
    /// It was cancelled before it was processed.
    Canceled,
    /// Time ran out before it was processed.
    Expired,
    /// The line is no JSON, its result is of a kind that is not known, or its answer cannot be read;
    /// the beginning of it, for people.
    Unreadable(String),
}

/// The calls of the Message Batches API. Each is one request on the wire (results: one download).
pub trait BatchApi: Send + Sync + 'static {
    /// Creates a batch. After some failures nobody knows whether it exists: see
    /// [`may_have_been_created`]. A full processing queue is `batch_queue_full`, an envelope that is
    /// refused `batch_rejected` ([`rejected_entry`]), one that is too long `request_too_large`.
    fn create(
        &self,
        upload: BatchUpload,
    ) -> impl Future<Output = Result<RemoteBatch, Box<Failure>>> + Send;

    /// Looks at a batch. One that the API does not know (yet) is a failure that [`is_missing`].
    fn retrieve(&self, id: &str) -> impl Future<Output = Result<Polled, Box<Failure>>> + Send;

    /// Lists batches, newest first, after the given one.
    fn list(
        &self,
        after: Option<&str>,
    ) -> impl Future<Output = Result<BatchPage, Box<Failure>>> + Send;

    /// Asks for a batch to be cancelled. What has begun is still finished; look until it has ended.
    fn cancel(&self, id: &str) -> impl Future<Output = Result<RemoteBatch, Box<Failure>>> + Send;

    /// Downloads the results of a batch line by line, in whatever order they come, and returns how
    /// many there were. A download that breaks off is a failure; the lines until then have been sent,
    /// and may be asked for again at no cost. Before a batch has ended its results [`is_missing`].
    fn results(
        &self,
        id: &str,
        lines: mpsc::Sender<ResultLine>,
    ) -> impl Future<Output = Result<u64, Box<Failure>>> + Send;
}

#[cfg(test)]
mod tests;
