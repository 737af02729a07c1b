//! The download of a batch's results: one line for each request, in no order, made while it is sent.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use serde_json::{Value, json};

use super::batch::Batch;
use super::item::{Answered, Item, ItemState, Verdict};
use super::records::ItemOutcome;
use super::settings::{ErrorNesting, ShortAs};
use crate::simulator::dice::{Dice, Purpose};
use crate::simulator::errors::ApiError;
use crate::simulator::faults::ItemTwist;
use crate::simulator::message::Message;
use crate::simulator::reply::{BEFORE_CUT, Dropped, Reply, ReplyBody};
use crate::simulator::shared::Shared;
use crate::simulator::wire::Cutter;

const JSON_LINES: &str = "application/x-jsonl";

#[derive(Serialize)]
struct Line<'a> {
    custom_id: &'a str,
    result: LineResult<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum LineResult<'a> {
    Succeeded { message: &'a Message },
    Errored { error: Value },
    Canceled,
    Expired,
}

/// A download on its way.
struct Download {
    shared: Arc<Shared>,
    batch: Arc<Batch>,
    cutter: Cutter,
    dice: Dice,
    /// Blocks that are still to come; the next one is the last.
    blocks: Vec<usize>,
    /// After this many requests it ends early.
    left: Option<usize>,
    early: Early,
    broken: bool,
}

/// How a download ends early.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Early {
    /// It breaks off in the middle of a line.
    Cut,
    /// The connection says nothing of it: after a line, or in the middle of one.
    Whole,
    HalfLine,
}

/// The results of a batch that has ended.
pub(super) fn reply(shared: &Arc<Shared>, batch: Arc<Batch>, cutter: &Cutter) -> Reply {
    let download = Download::new(Arc::clone(shared), batch, cutter.clone());
    let body = Body::from_stream(stream::unfold(download, |mut download| async move {
        let chunk = download.next().await?;
        Some((chunk, download))
    }));
    let mut reply = Reply::json(200, Bytes::new(), shared.request_id());
    reply.content_type = JSON_LINES;
    reply.body = ReplyBody::Ready(body);
    reply
}

impl Download {
    fn new(shared: Arc<Shared>, batch: Arc<Batch>, cutter: Cutter) -> Self {
        let nth = {
            let mut state = batch.state();
            // Counted when it begins: a download that is cut was one.
            state.downloads += 1;
            state.downloads - 1
        };
        let dice = |purpose| Dice::new(shared.settings.seed, u64::from(batch.number), nth, purpose);
        let mut order = dice(Purpose::Order);
        let mut blocks: Vec<usize> = (0..batch.pack.blocks()).collect();
        // The API promises no order, and clients must not rely on ours.
        order.shuffle(&mut blocks);
        let mut fate = dice(Purpose::Download);
        let drawn = fate.unit() < shared.settings.batches.cut_rate;
        let count = usize::try_from(batch.count).unwrap_or(usize::MAX);
        let settings = &shared.settings.batches;
        let (left, early) = match settings.short_as {
            // The first few are short; then all is there, as with results that are still being
            // written.
            _ if nth >= settings.short_downloads => {
                let left = (nth < batch.cuts || drawn).then(|| fate.below(count));
                (left, Early::Cut)
            }
            ShortAs::Part => (Some(count - count / 3), Early::Whole),
            ShortAs::HalfLine => (Some(count - 1), Early::HalfLine),
            ShortAs::Empty | ShortAs::Missing | ShortAs::Page => (Some(0), Early::Whole),
        };
        Self {
            shared,
            batch,
            cutter,
            dice: order,
            blocks,
            left,
            early,
            broken: false,
        }
    }

    async fn next(&mut self) -> Option<Result<Bytes, Dropped>> {
        if self.broken {
            // What was sent must reach the client before the reset discards it.
            tokio::time::sleep(BEFORE_CUT).await;
            self.cutter.reset_on_close();
            return Some(Err(Dropped));
        }
        // One block is a chunk. One without any line is no news.
        loop {
            let block = self.blocks.pop()?;
            let chunk = self.block(block);
            // An empty chunk would end the body.
            if !chunk.is_empty() || self.broken {
                return Some(Ok(Bytes::from(chunk)));
            }
        }
    }

    fn block(&mut self, block: usize) -> Vec<u8> {
        let batch = Arc::clone(&self.batch);
        let opened = batch.pack.open(block);
        let mut requests: Vec<_> = opened.requests().collect();
        self.dice.shuffle(&mut requests);
        let state = batch.state();
        let mut chunk = Vec::new();
        for (index, params) in requests {
            let Some(item) = usize::try_from(index)
                .ok()
                .and_then(|index| state.items.get(index))
            else {
                continue;
            };
            let start = chunk.len();
            self.lines(&mut chunk, item, params);
            match &mut self.left {
                Some(0) => {
                    let kept = match self.early {
                        Early::Whole => 0,
                        // Half of the line, so that the cut shows.
                        Early::Cut | Early::HalfLine => (chunk.len() - start) / 2,
                    };
                    chunk.truncate(start + kept);
                    self.broken = self.early == Early::Cut;
                    self.blocks.clear();
                    break;
                }
                Some(left) => *left -= 1,
                None => {}
            }
        }
        chunk
    }

    /// Writes the line of a request, and what its flaw makes of it.
    fn lines(&mut self, out: &mut Vec<u8>, item: &Item, params: &[u8]) {
        let answered = match item.state {
            ItemState::Ended(ItemOutcome::Canceled) => Verdict::Canceled.into(),
            ItemState::Ended(ItemOutcome::Expired) => Verdict::Expired.into(),
            _ => self.batch.desk(&self.shared).replay(item, params),
        };
        let flat = self.shared.settings.batches.nesting == ErrorNesting::Once;
        let start = out.len();
        self.line(out, &item.custom_id, &answered, flat);
        match answered.flaw {
            Some(ItemTwist::MissingLine) => out.truncate(start),
            Some(ItemTwist::ContradictedLine) => {
                let answer = out.split_off(start);
                let error =
                    Verdict::Error(ApiError::new(529, "overloaded_error", "Overloaded")).into();
                self.line(out, &item.custom_id, &error, flat);
                out.extend(answer);
            }
            Some(ItemTwist::DuplicateLine) => self.line(out, &item.custom_id, &answered, flat),
            Some(ItemTwist::StrangerLine) => {
                let stranger = format!("stranger-{}", self.dice.letters(12));
                self.line(out, &stranger, &answered, flat);
            }
            Some(ItemTwist::UnreadableLine) => {
                out.truncate(start + (out.len() - start) / 2);
                out.push(b'\n');
            }
            _ => {}
        }
    }

    fn line(&mut self, out: &mut Vec<u8>, custom_id: &str, answered: &Answered, flat: bool) {
        let flat = flat || answered.flaw == Some(ItemTwist::FlatError);
        let result = match &answered.verdict {
            Verdict::Message(message) => LineResult::Succeeded { message },
            Verdict::Error(error) => LineResult::Errored {
                error: if flat {
                    error.object()
                } else {
                    self.nested(error)
                },
            },
            Verdict::Canceled => LineResult::Canceled,
            Verdict::Expired | Verdict::Stuck => LineResult::Expired,
        };
        // Writing JSON of our own into memory does not fail.
        let _ = serde_json::to_writer(&mut *out, &Line { custom_id, result });
        out.push(b'\n');
    }

    /// What was refused before any work has no request id; what a worker failed at has one of its own.
    fn nested(&mut self, error: &ApiError) -> Value {
        // Errors that the front door finds have no id of a worker.
        let by_worker = !["invalid_request_error", "not_found_error"].contains(&error.kind);
        let id = by_worker.then(|| format!("workerreq_011C{}", self.dice.letters(20)));
        json!({"type": "error", "error": error.object(), "request_id": id})
    }
}
