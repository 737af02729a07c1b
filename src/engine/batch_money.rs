//! What the batch lane and the owner of the budget say to each other.
//!
//! The budget has one owner (`budget`), the dispatcher. Before jobs go into a batch the batch
//! lane asks it for room; what is held for them is given back with each result, or with the batch.

use tokio::sync::oneshot;

use crate::model::{AttemptRecord, BatchId, JobId, Pico, Tokens};
use crate::policy::Prompt;
use crate::store::{AnswerCosts, BatchEntry, OpenItem};

/// A job that is, or is to be, in a batch.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) job: JobId,
    pub(super) model: String,
    pub(super) prompt: Prompt,
}

impl Item {
    /// Counts the prompt of an entry and bounds it, which takes a while if it is large.
    pub(super) fn read(entry: &BatchEntry) -> Self {
        let model = entry.body.member("model").ok().flatten();
        let model = model.and_then(|raw| serde_json::from_str(raw).ok());
        Self {
            job: entry.attempt.job,
            model: model.unwrap_or_default(),
            prompt: Prompt::read_with_bounds(&entry.body),
        }
    }
}

/// Asks for room for these jobs, in their order.
#[derive(Debug)]
pub(super) struct Wish {
    /// What fits is held for this batch; without one it is only looked at.
    pub(super) batch: Option<BatchId>,
    pub(super) items: Vec<Item>,
    pub(super) answer: oneshot::Sender<Grant>,
}

/// The answer to a [`Wish`]. Without an answer nothing fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Grant {
    /// So many of the jobs, from the first one on, fit.
    pub(super) fits: usize,
}

/// What is held when a batch is taken up or left.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What is in remote batches since an earlier dispatch.
    pub(super) batches: Vec<(BatchId, Vec<Item>)>,
    /// What answers of the run have cost until now.
    pub(super) costs: Vec<AnswerCosts>,
}

/// What became of a job in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) job: JobId,
    pub(super) used: Tokens,
    pub(super) cost: Pico,
    /// It may have been billed for more.
    pub(super) maybe_billed: bool,
}

/// Results of a batch that are recorded.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) batch: BatchId,
    /// Each with the model of its job.
    pub(super) spent: Vec<(String, Spent)>,
}

impl Recorded {
    pub(super) fn new(batch: BatchId) -> Self {
        Self {
            batch,
            spent: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, item: &OpenItem, record: &AttemptRecord) {
        let spent = Spent {
            job: item.job.job(),
            used: record.usage.tokens,
            cost: record.cost.total,
            maybe_billed: record.maybe_billed,
        };
        self.spent.push((item.job.model.clone(), spent));
    }
}
