//! What the simulator remembers of its requests: a bounded log, counters, and a ledger of usage.
//!
//! Tests and benchmarks read it to learn what was really sent and what was really answered.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::receipt::AnswerUsage;

/// How many characters of a prompt the log keeps.
pub(super) const LOGGED_PROMPT: usize = 80;
/// Bodies whose count is kept exactly; beyond twice as many the least recent are forgotten.
const MAX_BODIES: usize = 1 << 20;

/// One request as the simulator saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoggedRequest {
    /// Milliseconds from the simulator's start to the arrival of the request's head.
    pub at_ms: u64,
    /// The HTTP method.
    pub method: String,
    /// The path without a query.
    pub path: String,
    /// Sixteen hex digits that stand for the exact bytes of the body, but for `stream`; empty
    /// without a body.
    pub body_hash: String,
    /// The first characters of the last user message; empty if there is none.
    pub prompt: String,
    /// The model's resolved id; empty if the request was refused before it was known.
    pub model: String,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// How often this body has been sent, this time included; 0 without a body.
    pub attempt: u32,
    /// The status that is answered with; none when no answer is given.
    pub status: Option<u16>,
    /// The case that was applied, or `limited` (rate limit), `refused` (authentication,
    /// validation) or `other` (not a Messages request).
    pub case: String,
    /// Open Messages requests at arrival, this one included.
    pub open: usize,
    /// The `request-id` of the answer, if it has one.
    pub request_id: Option<String>,
    /// The headers without credentials; only when bodies are logged.
    pub headers: Option<BTreeMap<String, String>>,
    /// The body; only when bodies are logged.
    pub body: Option<String>,
}

/// Counters since the start or the last reset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SimulatorStats {
    /// Messages requests received.
    pub requests: u64,
    /// Requests to other endpoints of the API.
    pub other_requests: u64,
    /// Calls by what they are for: `batches.create`, `batches.list`, `batches.retrieve`,
    /// `batches.results`, `batches.cancel`, `batches.delete`, `count_tokens`. When each came stands
    /// in the log.
    pub calls: BTreeMap<String, u64>,
    /// Batches created, those whose answer was lost included.
    pub batches_created: u64,
    /// Requests in batches by what became of them: `succeeded`, `errored`, `canceled`, `expired`.
    pub batch_items: BTreeMap<String, u64>,
    /// By resolved model: usage of every request in a batch that succeeded and has a readable line
    /// in its results; to be priced at half, once each.
    pub batch_ledger: BTreeMap<String, LedgerRow>,
    /// By resolved model: usage of those whose line is missing or unreadable.
    pub batch_lost: BTreeMap<String, LedgerRow>,
    /// Messages requests by the status they were answered with.
    pub by_status: BTreeMap<u16, u64>,
    /// Messages requests that get no status at all (`reset`, `hang`).
    pub unanswered: u64,
    /// Messages requests by case (see [`LoggedRequest::case`]).
    pub by_case: BTreeMap<String, u64>,
    /// Messages requests open now.
    pub open: usize,
    /// Most Messages requests open at once.
    pub max_open: usize,
    /// Connections accepted.
    pub connections: u64,
    /// By resolved model: usage of every message that was sent whole, with status 200.
    pub ledger: BTreeMap<String, LedgerRow>,
    /// By resolved model: usage of messages that were generated but cut on their way; not of
    /// those that stalled or whose client left first.
    pub cut: BTreeMap<String, LedgerRow>,
}

/// Sums of usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LedgerRow {
    /// Messages.
    pub messages: u64,
    /// Uncached input tokens.
    pub input_tokens: u64,
    /// Output tokens, thinking included.
    pub output_tokens: u64,
    /// Tokens read from the cache.
    pub cache_read_tokens: u64,
    /// Tokens written for five minutes.
    pub cache_write_5m_tokens: u64,
    /// Tokens written for one hour.
    pub cache_write_1h_tokens: u64,
    /// Web searches.
    pub web_searches: u64,
}

impl LedgerRow {
    fn add(&mut self, usage: &AnswerUsage) {
        self.messages += 1;
        self.input_tokens += u64::from(usage.input_tokens);
        self.output_tokens += u64::from(usage.output_tokens);
        self.cache_read_tokens += u64::from(usage.cache_read_input_tokens);
        self.cache_write_5m_tokens += u64::from(usage.cache_creation.ephemeral_5m_input_tokens);
        self.cache_write_1h_tokens += u64::from(usage.cache_creation.ephemeral_1h_input_tokens);
        self.web_searches += u64::from(usage.server_tool_use.web_search_requests);
    }
}

/// The records of one simulator.
#[derive(Debug, Default)]
pub(super) struct Records {
    log: Mutex<VecDeque<LoggedRequest>>,
    stats: Mutex<SimulatorStats>,
    bodies: Mutex<Bodies>,
    open: AtomicUsize,
    max_open: AtomicUsize,
    connections: AtomicU64,
}

impl Records {
    pub(super) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// One more open request; says how many there are now.
    pub(super) fn enter(&self) -> usize {
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.max_open.fetch_max(open, Ordering::Relaxed);
        open
    }

    pub(super) fn leave(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// One more arrival of a body; the first is 1.
    pub(super) fn arrived(&self, body: u64) -> u32 {
        let count = &mut *lock(&self.bodies);
        let count = count.of(body);
        count.arrived += 1;
        count.arrived
    }

    /// One more admission of a body past the limits; the first is 0.
    pub(super) fn admitted(&self, body: u64) -> u32 {
        let count = &mut *lock(&self.bodies);
        let count = count.of(body);
        count.admitted += 1;
        count.admitted - 1
    }

    pub(super) fn count(&self, status: Option<u16>, case: &str) {
        let mut totals = lock(&self.stats);
        totals.requests += 1;
        match status {
            Some(status) => *totals.by_status.entry(status).or_default() += 1,
            None => totals.unanswered += 1,
        }
        match totals.by_case.get_mut(case) {
            Some(count) => *count += 1,
            None => {
                totals.by_case.insert(case.to_owned(), 1);
            }
        }
    }

    /// Counts a request to another endpoint.
    pub(super) fn count_other(&self) {
        lock(&self.stats).other_requests += 1;
    }

    /// Books the usage of a message that was sent, whole or cut.
    pub(super) fn book(&self, model: &str, usage: &AnswerUsage, whole: bool) {
        let mut stats = lock(&self.stats);
        let ledger = if whole {
            &mut stats.ledger
        } else {
            &mut stats.cut
        };
        match ledger.get_mut(model) {
            Some(row) => row.add(usage),
            None => ledger.entry(model.to_owned()).or_default().add(usage),
        }
    }

    /// Counts a call by what it is for.
    pub(super) fn count_call(&self, what: &str) {
        *lock(&self.stats).calls.entry(what.to_owned()).or_default() += 1;
    }

    /// Counts a batch that was created.
    pub(super) fn count_batch(&self) {
        lock(&self.stats).batches_created += 1;
    }

    /// Counts requests of a batch by what became of them.
    pub(super) fn count_items(&self, outcome: &str, number: u64) {
        let mut stats = lock(&self.stats);
        *stats.batch_items.entry(outcome.to_owned()).or_default() += number;
    }

    /// Books the usage of a request in a batch; its line in the results can be read or not.
    pub(super) fn book_item(&self, model: &str, usage: &AnswerUsage, readable: bool) {
        let mut stats = lock(&self.stats);
        let ledger = if readable {
            &mut stats.batch_ledger
        } else {
            &mut stats.batch_lost
        };
        match ledger.get_mut(model) {
            Some(row) => row.add(usage),
            None => ledger.entry(model.to_owned()).or_default().add(usage),
        }
    }

    /// Appends to the log, and drops what exceeds `capacity`.
    pub(super) fn log(&self, request: LoggedRequest, capacity: usize) {
        let mut log = lock(&self.log);
        while log.len() >= capacity.max(1) {
            log.pop_front();
        }
        log.push_back(request);
    }

    pub(super) fn logged(&self) -> Vec<LoggedRequest> {
        lock(&self.log).iter().cloned().collect()
    }

    pub(super) fn stats(&self) -> SimulatorStats {
        SimulatorStats {
            open: self.open.load(Ordering::Relaxed),
            max_open: self.max_open.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
            ..lock(&self.stats).clone()
        }
    }

    /// Forgets everything but what is open now.
    pub(super) fn reset(&self) {
        lock(&self.log).clear();
        *lock(&self.stats) = SimulatorStats::default();
        *lock(&self.bodies) = Bodies::default();
        self.connections.store(0, Ordering::Relaxed);
        self.max_open
            .store(self.open.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// How often each body has come, in two generations: when the young one is full it becomes the
/// old one, and what was in the old one is forgotten. That bounds memory without a list of ages.
#[derive(Debug, Default)]
struct Bodies {
    young: HashMap<u64, Count>,
    old: HashMap<u64, Count>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    arrived: u32,
    admitted: u32,
}

impl Bodies {
    fn of(&mut self, body: u64) -> &mut Count {
        if self.young.len() >= MAX_BODIES && !self.young.contains_key(&body) {
            self.old = std::mem::take(&mut self.young);
        }
        let known = &self.old;
        self.young
            .entry(body)
            .or_insert_with(|| known.get(&body).copied().unwrap_or_default())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(at_ms: u64) -> LoggedRequest {
        LoggedRequest {
            at_ms,
            method: "POST".into(),
            path: "/v1/messages".into(),
            body_hash: String::new(),
            prompt: String::new(),
            model: String::new(),
            stream: false,
            attempt: 1,
            status: Some(200),
            case: "ok".into(),
            open: 1,
            request_id: None,
            headers: None,
            body: None,
        }
    }

    #[test]
    fn the_log_keeps_the_newest() {
        let records = Records::default();
        for at_ms in 0..10 {
            records.log(request(at_ms), 3);
        }
        let kept: Vec<_> = records.logged().iter().map(|one| one.at_ms).collect();
        assert_eq!(kept, [7, 8, 9]);
    }

    #[test]
    fn arrivals_and_admissions_are_counted_by_body() {
        let records = Records::default();
        assert_eq!((records.arrived(1), records.arrived(1)), (1, 2));
        assert_eq!((records.admitted(1), records.admitted(1)), (0, 1));
        assert_eq!(records.arrived(2), 1);
    }

    #[test]
    fn a_reset_keeps_what_is_open() {
        let records = Records::default();
        records.enter();
        records.enter();
        records.leave();
        records.count(Some(200), "ok");
        records.reset();
        let stats = records.stats();
        assert_eq!((stats.requests, stats.open, stats.max_open), (0, 1, 1));
    }
}
