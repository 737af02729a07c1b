//! Remote batches, as far as a run's events tell of them. Pure.

use std::collections::BTreeMap;

use super::message::one_line;
use crate::model::thousands;
use crate::model::{CancelReason, ErrorClass, EventKind, RequestCounts, ResultLines, plural};

/// The batches of a run that are not over.
#[derive(Clone, Debug, Default)]
pub struct BatchTally {
    open: BTreeMap<i64, OpenBatch>,
}

/// A batch that the API has, or may have.
#[derive(Clone, Debug, Default)]
struct OpenBatch {
    requests: u64,
    done: u64,
    uncertain: bool,
    /// Its results came short, and are asked for again.
    short: bool,
}

impl BatchTally {
    /// Takes in one event.
    pub(super) fn observe(&mut self, kind: &EventKind) {
        match kind {
            EventKind::BatchCreated {
                batch, requests, ..
            }
            | EventKind::BatchAdopted {
                batch, requests, ..
            } => self.begun(*batch, *requests, false),
            EventKind::BatchUncertain {
                batch, requests, ..
            } => self.begun(*batch, *requests, true),
            EventKind::BatchProgress { batch, counts, .. }
            | EventKind::BatchEnded { batch, counts, .. } => self.counted(*batch, counts),
            EventKind::BatchWaiting {
                batch,
                error_class: ErrorClass::ResultMissing,
                ..
            } => {
                if let Some(open) = self.open.get_mut(batch) {
                    open.short = true;
                }
            }
            EventKind::BatchHarvested { batch, .. } | EventKind::BatchLost { batch, .. } => {
                self.open.remove(batch);
            }
            _ => {}
        }
    }

    fn begun(&mut self, batch: i64, requests: u32, uncertain: bool) {
        let begun = OpenBatch {
            requests: u64::from(requests),
            done: 0,
            uncertain,
            short: false,
        };
        self.open.insert(batch, begun);
    }

    fn counted(&mut self, batch: i64, counts: &RequestCounts) {
        let open = OpenBatch {
            requests: counts.total(),
            done: counts.total() - counts.processing,
            uncertain: false,
            short: false,
        };
        self.open.insert(batch, open);
    }

    /// `2 batches (30,000/150,000 processed)`; none while there are none.
    pub(super) fn words(&self) -> Option<String> {
        if self.open.is_empty() {
            return None;
        }
        let (mut done, mut requests, mut uncertain, mut short) = (0, 0, 0, 0);
        for batch in self.open.values() {
            done += batch.done;
            requests += batch.requests;
            uncertain += u64::from(batch.uncertain);
            short += u64::from(batch.short);
        }
        let batches = match self.open.len() {
            1 => "1 batch".to_owned(),
            many => format!("{} batches", thousands(many as u64)),
        };
        let doubt = match uncertain {
            0 => String::new(),
            some => format!(", {} uncertain", thousands(some)),
        };
        let awaited = match short {
            0 => String::new(),
            some => format!(", results of {} come short", thousands(some)),
        };
        Some(format!(
            "{batches} ({}/{} processed{doubt}{awaited})",
            thousands(done),
            thousands(requests)
        ))
    }
}

/// What is said of an event of a batch; none where a tally's line is enough.
pub(super) fn line(kind: &EventKind) -> Option<String> {
    Some(match kind {
        EventKind::BatchCreated {
            remote_id,
            requests,
            ..
        } => format!("batch {remote_id} created with {}", requests_of(*requests)),
        EventKind::BatchEnded { remote_id, .. } => {
            format!("batch {remote_id} has ended: fetching its results")
        }
        EventKind::BatchHarvested {
            remote_id, lines, ..
        } => harvested(remote_id, lines),
        EventKind::BatchUncertain {
            requests,
            candidates,
            ..
        } => uncertain(*requests, candidates),
        EventKind::BatchAdopted {
            remote_id,
            requests,
            ..
        } => format!(
            "batch {remote_id} is the one with {} whose create answer was lost: going on with it",
            requests_of(*requests)
        ),
        EventKind::BatchCanceling {
            remote_id, reason, ..
        } => match reason {
            CancelReason::User => format!("batch {remote_id} is being cancelled"),
            CancelReason::Deadline => format!(
                "batch {remote_id} is cancelled for the deadline: what it has not done goes live"
            ),
        },
        EventKind::BatchLost {
            remote_id, message, ..
        } => format!(
            "batch {} is lost: {}",
            remote_id.as_deref().unwrap_or("without an id"),
            one_line(message)
        ),
        EventKind::BatchStuck { message, .. } => one_line(message),
        EventKind::NoBatches { message, .. } => format!(
            "no batch can be created at this endpoint ({}): what may go live goes live, at the full price",
            one_line(message)
        ),
        EventKind::BatchWaiting {
            error_class,
            message,
            next_try_at,
            ..
        } => format!(
            "the Batches API: {error_class}: {}; tried again at {next_try_at}",
            one_line(message)
        ),
        _ => return None,
    })
}

fn requests_of(requests: u32) -> String {
    plural(u64::from(requests), "request")
}

fn uncertain(requests: u32, candidates: &[String]) -> String {
    let what = format!(
        "the answer that creates a batch of {} was lost",
        requests_of(requests)
    );
    match candidates {
        [] => format!("{what}: looking for the batch before anything is sent again"),
        ids => format!(
            "{what}: it may be {}, which shows when that has ended (`claude-run batches adopt` says so now)",
            ids.join(" or ")
        ),
    }
}

fn harvested(remote_id: &str, lines: &ResultLines) -> String {
    let odd = [
        ("repeated", lines.repeated),
        ("unknown", lines.unknown),
        ("unreadable", lines.unreadable),
        ("missing", lines.missing),
    ];
    let odd: Vec<_> = odd
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| format!(", {} {what}", thousands(count)))
        .collect();
    let elsewhere = match lines.canceled_elsewhere {
        0 => String::new(),
        some => format!(
            "; somebody else cancelled it, so {} ended cancelled: `claude-run retry --class canceled` puts them back",
            plural(some, "job")
        ),
    };
    format!(
        "batch {remote_id}: {} recorded{}{elsewhere}",
        plural(lines.recorded, "result"),
        odd.concat()
    )
}

#[cfg(test)]
mod tests {
    use super::{BatchTally, line};
    use crate::model::{ErrorClass, EventKind, RemoteStatus, RequestCounts, ResultLines};

    fn created(batch: i64) -> EventKind {
        EventKind::BatchCreated {
            batch,
            remote_id: format!("msgbatch_{batch}"),
            requests: 1_500,
            expires_at: None,
        }
    }

    #[test]
    fn the_open_batches_are_summed_up() {
        let mut tally = BatchTally::default();
        assert_eq!(tally.words(), None);
        tally.observe(&created(1));
        tally.observe(&created(2));
        tally.observe(&EventKind::BatchProgress {
            batch: 2,
            remote_id: "msgbatch_2".to_owned(),
            status: RemoteStatus::InProgress,
            counts: RequestCounts {
                processing: 1_000,
                succeeded: 490,
                errored: 10,
                ..RequestCounts::default()
            },
        });
        tally.observe(&EventKind::BatchWaiting {
            batch: 1,
            error_class: ErrorClass::ResultMissing,
            message: String::new(),
            next_try_at: jiff::Timestamp::UNIX_EPOCH,
        });
        tally.observe(&EventKind::BatchUncertain {
            batch: 3,
            requests: 7,
            candidates: Vec::new(),
        });
        assert_eq!(
            tally.words().as_deref(),
            Some("3 batches (500/3,007 processed, 1 uncertain, results of 1 come short)")
        );
        for batch in [1, 3] {
            tally.observe(&EventKind::BatchHarvested {
                batch,
                remote_id: String::new(),
                lines: ResultLines::default(),
            });
        }
        assert_eq!(
            tally.words().as_deref(),
            Some("1 batch (500/1,500 processed)")
        );
    }

    #[test]
    fn what_was_odd_about_results_is_told() {
        let kind = EventKind::BatchHarvested {
            batch: 1,
            remote_id: "msgbatch_1".to_owned(),
            lines: ResultLines {
                recorded: 1_200,
                missing: 2,
                unknown: 1,
                ..ResultLines::default()
            },
        };
        let elsewhere = EventKind::BatchHarvested {
            batch: 1,
            remote_id: "msgbatch_1".to_owned(),
            lines: ResultLines {
                recorded: 9,
                canceled_elsewhere: 4,
                ..ResultLines::default()
            },
        };
        insta::assert_snapshot!(line(&elsewhere).unwrap(), @"batch msgbatch_1: 9 results recorded; somebody else cancelled it, so 4 jobs ended cancelled: `claude-run retry --class canceled` puts them back");
        insta::assert_snapshot!(line(&kind).unwrap(), @"batch msgbatch_1: 1,200 results recorded, 1 unknown, 2 missing");
    }
}
