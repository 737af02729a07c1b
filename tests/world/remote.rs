//! A Batches API in memory, with faults by script, and a memory of everything that was bought.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use claude_run::clock::Clock;
use claude_run::model::{
    ErrorClass, Evidence, Pico, RemoteBatch, RemoteStatus, RequestCounts, Tokens, Usage,
};
use claude_run::provider::{
    BatchApi, BatchPage, BatchUpload, Failure, ItemResult, Message, Polled, Reserved, ResultLine,
    Revision,
};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::mpsc;

/// How a create call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    /// It is answered.
    Fine,
    /// It is heard, and its answer is lost.
    AnswerLost,
    /// It is not heard.
    NotHeard,
    /// It is heard, but a gateway gives up first.
    Gateway,
    /// The API is overloaded, and there is no batch.
    Overloaded,
    /// The queue is full.
    QueueFull,
    /// A limit is reached.
    Limited,
    /// It is larger than the API takes.
    TooLarge,
    /// This entry is refused.
    BadEntry(usize),
    /// It is refused, and nothing says for what.
    Unnamed,
    /// It is refused, and the reason quotes a request of it: words that else would stop the run.
    Quotes,
    /// The key is refused.
    BadKey,
    /// The endpoint has no Message Batches, and says so with this status.
    NoBatches(u16),
}

/// What becomes of a request that is processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    Message,
    Error(ErrorClass),
    Expired,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Results {
    /// The first downloads of a batch break off after so many lines each.
    pub cuts: u32,
    pub cut_after: usize,
    /// Each `n`th line is missing, in this many downloads of the batch.
    pub drop_every: usize,
    pub drop_in_downloads: u32,
    /// So long after the end of a batch this part of its lines, the last ones, is held back.
    pub late: Duration,
    pub late_share: f64,
    /// So long after the end of a batch there are no results of it at all: how the API says so.
    pub none_for: Duration,
    pub none: NoResults,
    /// What is told of how the requests of an ended batch stand.
    pub counts: Counts,
    /// A line that calls it errored comes beside each answer, before or after it.
    pub contradicted: bool,
    /// Each line comes twice, and strangers' and unreadable lines stand between them.
    pub noisy: bool,
}

/// How a list does not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endless {
    /// The same page again and again.
    Repeats,
    /// There is always another batch of today.
    Grows,
}

/// How it says that there are no results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoResults {
    #[default]
    NotFound,
    /// A page instead of results, with 200.
    Page,
}

/// What is told of the requests of an ended batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counts {
    #[default]
    True,
    Zero,
    AllSucceeded,
    AllErrored,
}

/// How the API behaves.
#[derive(Clone, Debug)]
pub struct Manners {
    pub latency: Duration,
    /// A request is processed within this time.
    pub processing: Duration,
    /// This part of the requests of a batch is never processed by itself.
    pub stalled: f64,
    /// A batch is not found for so long after its creation.
    pub hidden_for: Duration,
    /// Chance that a look, a list, a cancel or the start of a download fails.
    pub trouble: f64,
    pub results: Results,
    pub items: Vec<(f64, Item)>,
    /// What the `n`th request that ever comes uses, from 0.
    pub usage: fn(u64) -> Usage,
    /// How create calls go by chance, when none is scripted.
    pub creates: Vec<(f64, Create)>,
    /// The lines of jobs for which any batch is refused, without a word about which.
    pub poisoned: Vec<u64>,
    /// What is said of such a batch is [`QUOTED`], which stands in those jobs' requests.
    pub quotes: bool,
    /// The list of batches is refused so, too.
    pub no_list: bool,
    /// No batch ever ends, whatever its time.
    pub never_ends: bool,
    /// The list of batches never ends.
    pub endless: Option<Endless>,
    /// The lines of jobs that always come to this, in any batch.
    pub spoiled: Vec<(u64, Item)>,
    /// How long its answer to a look says to wait.
    pub hint: Duration,
    /// A batch runs out of time after so long.
    pub lifetime: Duration,
    /// A cancelled batch ends after so long.
    pub cancel_takes: Duration,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(300),
            processing: Duration::from_mins(20),
            stalled: 0.0,
            hidden_for: Duration::ZERO,
            trouble: 0.0,
            results: Results::default(),
            items: vec![(1.0, Item::Message)],
            usage: |_| used(100, 50),
            creates: vec![(1.0, Create::Fine)],
            poisoned: Vec::new(),
            quotes: false,
            no_list: false,
            endless: None,
            never_ends: false,
            spoiled: Vec::new(),
            hint: Duration::from_secs(10),
            lifetime: Duration::from_hours(24),
            cancel_takes: Duration::from_secs(25),
        }
    }
}

/// What a refusal says that quotes its request.
pub const QUOTED: &str = "Your credit balance is too low to access the API";

/// A request of a batch.
#[derive(Clone, Debug)]
struct Entry {
    custom_id: String,
    model: String,
    /// It is marked for an hour of the cache.
    marked: bool,
    /// When it is processed; none: never.
    done_at: Option<Timestamp>,
    item: Item,
    usage: Usage,
}

#[derive(Clone, Debug)]
struct Batch {
    id: String,
    created_at: Timestamp,
    entries: Vec<Entry>,
    canceled_at: Option<Timestamp>,
    downloads: u32,
    deleted: bool,
}

struct State {
    rng: Rng,
    clock_ahead: SignedDuration,
    manners: Manners,
    script: VecDeque<Create>,
    batches: Vec<Batch>,
    /// Requests that came, in whichever batch.
    requests: u64,
    creates: u32,
    looks: u32,
    lists: u32,
    cancels: u32,
}

/// The API.
#[derive(Clone)]
pub struct Remote {
    state: Arc<Mutex<State>>,
    clock: Clock,
}

/// What one message costs in a batch: half of 100 × 0.10 + 50 × 0.50 USD per million.
pub const BATCH_PRICE: Pico = Pico(17_500_000);
/// A batch's results are removed after 29.
const KEPT: Duration = Duration::from_hours(29 * 24);

impl Remote {
    pub fn new(seed: u64, clock: Clock) -> Self {
        let state = State {
            rng: Rng::with_seed(seed),
            clock_ahead: SignedDuration::ZERO,
            manners: Manners::default(),
            script: VecDeque::new(),
            batches: Vec::new(),
            requests: 0,
            creates: 0,
            looks: 0,
            lists: 0,
            cancels: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            clock,
        }
    }

    /// Its clock is so far ahead of ours, or behind it.
    pub fn set_clock_ahead(&self, by: SignedDuration) {
        self.state().clock_ahead = by;
    }

    pub fn behave(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.state().manners);
    }

    pub fn script(&self, creates: &[Create]) {
        self.state().script.extend(creates);
    }

    /// Somebody else's batch of so many requests.
    pub fn stranger(&self, requests: usize) -> String {
        let number = self.batches();
        let entries = (0..requests).map(|n| (format!("their{number}-{n}"), "m".to_owned(), false));
        self.commit(entries.collect())
    }

    pub fn batches(&self) -> usize {
        self.state().batches.len()
    }

    pub fn creates(&self) -> u32 {
        self.state().creates
    }

    pub fn looks(&self) -> u32 {
        self.state().looks
    }

    pub fn lists(&self) -> u32 {
        self.state().lists
    }

    fn endless_page(endless: Endless, after: Option<&str>, now: Timestamp) -> BatchPage {
        let after: u64 = after.map_or(0, |id| id.rsplit('_').next().unwrap().parse().unwrap());
        let first = match endless {
            Endless::Repeats => 0,
            Endless::Grows => after,
        };
        let batches = (first + 1..=first + 100).map(|n| RemoteBatch {
            id: format!("msgbatch_{n}"),
            status: RemoteStatus::InProgress,
            counts: RequestCounts::default(),
            created_at: Some(now),
            expires_at: None,
            ended_at: None,
            archived_at: None,
        });
        BatchPage {
            batches: batches.collect(),
            next: Some(format!("msgbatch_{}", first + 100)),
            server_time: Some(now),
        }
    }

    pub fn cancels(&self) -> u32 {
        self.state().cancels
    }

    pub fn sizes(&self) -> Vec<usize> {
        let state = self.state();
        state
            .batches
            .iter()
            .map(|batch| batch.entries.len())
            .collect()
    }

    /// How many requests of each batch are marked for the cache.
    pub fn marked(&self) -> Vec<usize> {
        let state = self.state();
        let marked = |batch: &Batch| batch.entries.iter().filter(|entry| entry.marked).count();
        state.batches.iter().map(marked).collect()
    }

    /// Somebody cancels every batch that has not ended, in the Console.
    pub fn cancel_all_elsewhere(&self) {
        let mut state = self.state();
        let now = self.now(&state);
        let open = state.batches.iter_mut();
        open.for_each(|batch| _ = batch.canceled_at.get_or_insert(now));
    }

    /// Downloads of all batches' results.
    pub fn downloads(&self) -> u32 {
        self.state()
            .batches
            .iter()
            .map(|batch| batch.downloads)
            .sum()
    }

    /// Every batch is gone, as if somebody had deleted them.
    pub fn delete_all(&self) {
        self.state()
            .batches
            .iter_mut()
            .for_each(|it| it.deleted = true);
    }

    /// How often each of our ids was bought.
    pub fn bought(&self) -> BTreeMap<String, u32> {
        let mut bought = BTreeMap::new();
        for batch in &self.state().batches {
            for entry in &batch.entries {
                *bought.entry(entry.custom_id.clone()).or_default() += 1;
            }
        }
        bought
    }

    /// Requests that were answered with a message, and are billed.
    pub fn answered(&self) -> u64 {
        let state = self.state();
        let now = self.now(&state);
        let answered = |batch: &Batch| {
            let done =
                |entry: &&Entry| batch.outcome(entry, &state.manners, now) == Outcome::Message;
            batch.entries.iter().filter(done).count() as u64
        };
        state.batches.iter().map(answered).sum()
    }

    /// What those answers cost, by what each of them told: half of 0.10 and 0.50 USD per million
    /// tokens, and a cent for a search.
    pub fn bill(&self) -> Pico {
        let state = self.state();
        let now = self.now(&state);
        let cost = |entry: &Entry| {
            let Tokens { input, output, .. } = entry.usage.tokens;
            let tokens = i128::from(input) * 50_000 + i128::from(output) * 250_000;
            Pico(tokens + i128::from(entry.usage.web_searches) * Pico::USD.0 / 100)
        };
        let answered = |batch: &Batch| -> Pico {
            let entries = batch.entries.iter();
            let is_answered =
                |entry: &&Entry| batch.outcome(entry, &state.manners, now) == Outcome::Message;
            entries.filter(is_answered).map(cost).sum()
        };
        state.batches.iter().map(answered).sum()
    }

    /// Our ids of the requests that were answered with a message.
    pub fn messages(&self) -> Vec<String> {
        let state = self.state();
        let now = self.now(&state);
        let batches = state.batches.iter();
        let entries = batches.flat_map(|batch| batch.entries.iter().map(move |it| (batch, it)));
        entries
            .filter(|(batch, entry)| batch.outcome(entry, &state.manners, now) == Outcome::Message)
            .map(|(_, entry)| entry.custom_id.clone())
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn now(&self, state: &State) -> Timestamp {
        self.clock.now().checked_add(state.clock_ahead).unwrap()
    }

    async fn lag(&self) {
        let latency = {
            let mut state = self.state();
            let most = u64::try_from(state.manners.latency.as_millis()).unwrap();
            state.rng.u64(1..=most)
        };
        tokio::time::sleep(Duration::from_millis(latency)).await;
    }

    fn trouble(&self) -> Result<(), Box<Failure>> {
        let mut state = self.state();
        let chance = state.manners.trouble;
        if state.rng.f64() < chance {
            return Err(failure(ErrorClass::ServerError, Some(500), "trouble"));
        }
        Ok(())
    }

    fn next_create(&self) -> Create {
        let mut state = self.state();
        state.creates += 1;
        if let Some(scripted) = state.script.pop_front() {
            return scripted;
        }
        let mut left = state.rng.f64();
        for (weight, create) in state.manners.creates.clone() {
            if left < weight {
                return create;
            }
            left -= weight;
        }
        Create::Fine
    }

    fn is_poisoned(&self, entries: &[(String, String, bool)]) -> bool {
        let state = self.state();
        let poisoned = &state.manners.poisoned;
        let mut lines = entries.iter().map(|(id, ..)| line_of(id));
        lines.any(|line| poisoned.contains(&line))
    }

    fn commit(&self, entries: Vec<(String, String, bool)>) -> String {
        let mut state = self.state();
        let created_at = self.now(&state);
        let id = format!("msgbatch_{}", state.batches.len() + 1);
        let entries = entries
            .into_iter()
            .map(|(custom_id, model, marked)| Entry {
                marked,
                ..state.entry(custom_id, model, created_at)
            })
            .collect();
        state.batches.push(Batch {
            id: id.clone(),
            created_at,
            entries,
            canceled_at: None,
            downloads: 0,
            deleted: false,
        });
        id
    }

    fn describe(&self, id: &str) -> Option<RemoteBatch> {
        let state = self.state();
        let now = self.now(&state);
        let batch = state.batches.iter().find(|it| it.id == id && !it.deleted)?;
        Some(batch.describe(&state.manners, now))
    }
}

/// The upper bits of a job's number are its run's.
fn line_of(custom_id: &str) -> u64 {
    let job = custom_id.split('-').nth(1).unwrap();
    job.parse::<u64>().unwrap() % (1 << 40)
}

impl State {
    fn entry(&mut self, custom_id: String, model: String, created_at: Timestamp) -> Entry {
        self.requests += 1;
        let within = u64::try_from(self.manners.processing.as_millis()).unwrap();
        let wait = Duration::from_millis(self.rng.u64(1..=within));
        let stalls = self.rng.f64() < self.manners.stalled;
        let mut left = self.rng.f64();
        let mut item = Item::Message;
        for (weight, possible) in &self.manners.items {
            if left < *weight {
                item = *possible;
                break;
            }
            left -= weight;
        }
        let line = line_of(&custom_id);
        let spoiled = self.manners.spoiled.iter().find(|(of, _)| *of == line);
        let item = spoiled.map_or(item, |(_, item)| *item);
        Entry {
            custom_id,
            model,
            marked: false,
            usage: (self.manners.usage)(self.requests - 1),
            done_at: (!stalls).then(|| created_at + wait),
            item,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Processing,
    Message,
    Error(ErrorClass),
    Canceled,
    Expired,
}

impl Batch {
    /// When nothing is processed any more.
    fn closes_at(&self, manners: &Manners) -> Timestamp {
        let expiry = self.created_at + manners.lifetime;
        match self.canceled_at {
            Some(at) => expiry.min(at + manners.cancel_takes),
            None => expiry,
        }
    }

    fn ended_at(&self, manners: &Manners) -> Timestamp {
        let closes = self.closes_at(manners);
        let last = self
            .entries
            .iter()
            .map(|entry| entry.done_at.unwrap_or(closes))
            .max();
        last.unwrap_or(closes).min(closes)
    }

    fn outcome(&self, entry: &Entry, manners: &Manners, now: Timestamp) -> Outcome {
        let closes = self.closes_at(manners);
        match entry.done_at {
            Some(at) if at <= closes.min(now) => match entry.item {
                Item::Message => Outcome::Message,
                Item::Error(class) => Outcome::Error(class),
                Item::Expired => Outcome::Expired,
            },
            _ if closes > now => Outcome::Processing,
            _ if self.canceled_at.is_some() => Outcome::Canceled,
            _ => Outcome::Expired,
        }
    }

    fn describe(&self, manners: &Manners, now: Timestamp) -> RemoteBatch {
        let mut counts = RequestCounts::default();
        for entry in &self.entries {
            match self.outcome(entry, manners, now) {
                Outcome::Processing => counts.processing += 1,
                Outcome::Message => counts.succeeded += 1,
                Outcome::Error(_) => counts.errored += 1,
                Outcome::Canceled => counts.canceled += 1,
                Outcome::Expired => counts.expired += 1,
            }
        }
        let ended_at = self.ended_at(manners);
        let has_ended = ended_at <= now && !manners.never_ends;
        if has_ended {
            counts = told(counts, manners.results.counts);
        }
        let status = match (has_ended, self.canceled_at) {
            (true, _) => RemoteStatus::Ended,
            (false, Some(_)) => RemoteStatus::Canceling,
            (false, None) => RemoteStatus::InProgress,
        };
        RemoteBatch {
            id: self.id.clone(),
            status,
            counts,
            created_at: Some(self.created_at),
            expires_at: Some(self.created_at + manners.lifetime),
            ended_at: has_ended.then_some(ended_at),
            archived_at: None,
        }
    }

    fn lines(&self, manners: &Manners, now: Timestamp, rng: &mut Rng) -> Vec<ResultLine> {
        let results = &manners.results;
        let is_late = now < self.ended_at(manners) + results.late;
        let float = |n: usize| f64::from(u32::try_from(n).unwrap());
        let count = float(self.entries.len());
        let first_late = if is_late {
            count * (1.0 - results.late_share)
        } else {
            count
        };
        let drops = self.downloads <= results.drop_in_downloads && results.drop_every > 0;
        let kept = self
            .entries
            .iter()
            .enumerate()
            .filter(|(index, _)| float(*index) < first_late)
            .filter(|(index, _)| !(drops && (index + 1) % results.drop_every == 0));
        let mut lines: Vec<_> = kept
            .map(|(_, entry)| ResultLine {
                custom_id: Some(entry.custom_id.clone()),
                result: result(entry, self.outcome(entry, manners, now)),
                reserved: Reserved::default(),
            })
            .collect();
        if results.contradicted {
            let answers = lines
                .iter()
                .filter(|it| matches!(it.result, ItemResult::Succeeded(_)));
            let errored = answers.map(|line| ResultLine {
                custom_id: line.custom_id.clone(),
                result: ItemResult::Errored(failure(ErrorClass::Overloaded, None, "not so")),
                reserved: Reserved::default(),
            });
            lines.extend(errored.collect::<Vec<_>>());
        }
        if results.noisy {
            lines.extend(lines.clone());
            lines.extend((0..3).map(|n| stranger_line(Some(format!("theirs-{n}")))));
            lines.push(stranger_line(None));
        }
        rng.shuffle(&mut lines);
        lines
    }
}

fn told(counts: RequestCounts, how: Counts) -> RequestCounts {
    let all = counts.total();
    let none = RequestCounts::default();
    match how {
        Counts::True => counts,
        Counts::Zero => none,
        Counts::AllSucceeded => RequestCounts {
            succeeded: all,
            ..none
        },
        Counts::AllErrored => RequestCounts {
            errored: all,
            ..none
        },
    }
}

fn stranger_line(custom_id: Option<String>) -> ResultLine {
    ResultLine {
        custom_id,
        result: ItemResult::Unreadable("odd".to_owned()),
        reserved: Reserved::default(),
    }
}

fn result(entry: &Entry, outcome: Outcome) -> ItemResult {
    match outcome {
        Outcome::Message => ItemResult::Succeeded(Box::new(message(entry))),
        Outcome::Error(class) => ItemResult::Errored(failure(class, None, "failed in its batch")),
        Outcome::Canceled => ItemResult::Canceled,
        Outcome::Expired | Outcome::Processing => ItemResult::Expired,
    }
}

/// An answer of a batch that took so many tokens.
pub fn used(input: u64, output: u64) -> Usage {
    Usage {
        tokens: Tokens {
            input,
            output,
            ..Tokens::default()
        },
        batch_tier: true,
        ..Usage::default()
    }
}

fn message(entry: &Entry) -> Message {
    Message {
        raw: format!(r#"{{"id":"{}","type":"message"}}"#, entry.custom_id),
        model: Some(entry.model.clone()),
        stop_reason: Some("end_turn".to_owned()),
        mark: None,
        usage: Usage {
            tokens: Tokens {
                cache_write_1h: if entry.marked { 600 } else { 0 },
                ..entry.usage.tokens
            },
            ..entry.usage.clone()
        },
        request_id: None,
        note: None,
    }
}

fn failure(class: ErrorClass, http_status: Option<u16>, message: &str) -> Box<Failure> {
    let error_type = match http_status {
        Some(400) => Some("invalid_request_error".to_owned()),
        Some(404) => Some("not_found_error".to_owned()),
        _ => None,
    };
    Box::new(Failure {
        class,
        evidence: Evidence {
            http_status,
            error_type,
            message: Some(message.to_owned()),
            ..Evidence::default()
        },
        message: None,
        partial: None,
        unsent: false,
        revision: None,
    })
}

/// As an endpoint says it that has no Message Batches.
fn no_batches(status: u16) -> Box<Failure> {
    let class = match status {
        403 => ErrorClass::Permission,
        _ => ErrorClass::WrongEndpoint,
    };
    let mut failure = failure(class, Some(status), "Not Found");
    failure.evidence.error_type = None;
    failure
}

fn not_found() -> Box<Failure> {
    failure(
        ErrorClass::InvalidRequest,
        Some(404),
        "Message Batch not found.",
    )
}

/// The ids and models of a create call's body, and whether each is marked for an hour of the cache; which must be whole and as long as it said.
async fn read(mut upload: BatchUpload) -> Option<Vec<(String, String, bool)>> {
    let mut body = Vec::new();
    while let Some(chunk) = upload.chunks.recv().await {
        body.extend_from_slice(&chunk);
    }
    if body.len() as u64 != upload.bytes {
        return None;
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    let requests = body["requests"].as_array().unwrap();
    let read = requests.iter().map(|request| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (
            text(&request["custom_id"]),
            text(&request["params"]["model"]),
            request.to_string().contains(r#""ttl":"1h""#),
        )
    });
    Some(read.collect())
}

impl BatchApi for Remote {
    async fn create(&self, upload: BatchUpload) -> Result<RemoteBatch, Box<Failure>> {
        let how = self.next_create();
        let Some(entries) = read(upload).await else {
            return Err(failure(ErrorClass::ConnectionCut, None, "half a body"));
        };
        let ids: std::collections::HashSet<_> = entries.iter().map(|(id, ..)| id).collect();
        assert_eq!(ids.len(), entries.len(), "ids are unique in a batch");
        self.lag().await;
        let how = match how {
            Create::Fine if self.is_poisoned(&entries) => {
                if self.state().manners.quotes {
                    Create::Quotes
                } else {
                    Create::Unnamed
                }
            }
            how => how,
        };
        let refusal = match how {
            Create::Fine | Create::AnswerLost | Create::Gateway => None,
            Create::NotHeard => Some(failure(ErrorClass::ConnectionCut, None, "cut")),
            Create::Overloaded => Some(failure(ErrorClass::Overloaded, Some(529), "Overloaded")),
            Create::QueueFull => Some(failure(ErrorClass::BatchQueueFull, Some(429), "queue")),
            Create::Limited => Some(failure(ErrorClass::RateLimited, Some(429), "limit")),
            Create::TooLarge => Some(failure(ErrorClass::RequestTooLarge, Some(413), "size")),
            Create::Unnamed => Some(failure(
                ErrorClass::BatchRejected,
                Some(400),
                "The request body is not valid JSON: no low surrogate in string: line 1 column 9 (char 8)",
            )),
            Create::Quotes => {
                let mut failure = failure(ErrorClass::Billing, Some(400), QUOTED);
                // As the classifier has it: by these words alone it is about money.
                failure.revision = Some(Box::new(Revision {
                    quoted: Some((&["credit balance is too low"], ErrorClass::InvalidRequest)),
                    once_proven: None,
                }));
                Some(failure)
            }
            Create::BadKey => Some(failure(ErrorClass::Authentication, Some(401), "key")),
            Create::NoBatches(status) => Some(no_batches(status)),
            Create::BadEntry(place) => Some(failure(
                ErrorClass::BatchRejected,
                Some(400),
                &format!("requests.{place}.params: Input should be an object"),
            )),
        };
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        // The API goes on with what it has heard, whoever waits for the answer.
        let (api, server_time) = (
            self.clone(),
            Duration::from_millis(self.state().rng.u64(1..500)),
        );
        let made = tokio::spawn(async move {
            tokio::time::sleep(server_time).await;
            api.commit(entries)
        });
        if how == Create::Gateway {
            return Err(failure(ErrorClass::GatewayTimeout, Some(504), "gateway"));
        }
        let id = made.await.unwrap();
        self.lag().await;
        if how == Create::AnswerLost {
            return Err(failure(ErrorClass::ConnectionCut, None, "cut"));
        }
        Ok(self.describe(&id).unwrap())
    }

    async fn retrieve(&self, id: &str) -> Result<Polled, Box<Failure>> {
        self.state().looks += 1;
        self.lag().await;
        self.trouble()?;
        let batch = self.describe(id).ok_or_else(not_found)?;
        let (is_hidden, hint) = {
            let state = self.state();
            let hidden_until = batch.created_at.unwrap() + state.manners.hidden_for;
            (hidden_until > self.now(&state), state.manners.hint)
        };
        if is_hidden {
            return Err(not_found());
        }
        Ok(Polled {
            batch,
            retry_after: Some(hint),
        })
    }

    async fn list(&self, after: Option<&str>) -> Result<BatchPage, Box<Failure>> {
        self.lag().await;
        self.trouble()?;
        let mut state = self.state();
        state.lists += 1;
        if state.manners.no_list {
            return Err(no_batches(404));
        }
        let now = self.now(&state);
        if let Some(endless) = state.manners.endless {
            drop(state);
            return Ok(Self::endless_page(endless, after, now));
        }
        let mut all: Vec<_> = state.batches.iter().filter(|it| !it.deleted).collect();
        all.reverse();
        let from = after.map_or(0, |id| all.iter().position(|it| it.id == id).unwrap() + 1);
        let page: Vec<_> = all[from..]
            .iter()
            .take(2)
            .map(|it| it.describe(&state.manners, now))
            .collect();
        let more = from + page.len() < all.len();
        let next = page.last().map(|it| it.id.clone()).filter(|_| more);
        Ok(BatchPage {
            batches: page,
            next,
            server_time: Some(now),
        })
    }

    async fn cancel(&self, id: &str) -> Result<RemoteBatch, Box<Failure>> {
        self.lag().await;
        self.trouble()?;
        {
            let mut state = self.state();
            let now = self.now(&state);
            state.cancels += 1;
            let batch = state.batches.iter_mut().find(|it| it.id == id);
            batch.ok_or_else(not_found)?.canceled_at.get_or_insert(now);
        }
        self.describe(id).ok_or_else(not_found)
    }

    async fn results(
        &self,
        id: &str,
        lines: mpsc::Sender<ResultLine>,
    ) -> Result<u64, Box<Failure>> {
        self.lag().await;
        self.trouble()?;
        let described = self.describe(id).ok_or_else(not_found)?;
        if described.status != RemoteStatus::Ended {
            return Err(not_found());
        }
        let (all, cut_after) = {
            let mut state = self.state();
            let now = self.now(&state);
            let mut rng = state.rng.fork();
            let manners = state.manners.clone();
            let batch = state.batches.iter_mut().find(|it| it.id == id).unwrap();
            if batch.created_at + KEPT <= now {
                return Err(not_found());
            }
            batch.downloads += 1;
            if now < batch.ended_at(&manners) + manners.results.none_for {
                match manners.results.none {
                    NoResults::NotFound => return Err(not_found()),
                    NoResults::Page => {
                        return Err(failure(ErrorClass::WrongEndpoint, Some(200), "a page"));
                    }
                }
            }
            let cut = batch.downloads <= manners.results.cuts;
            let cut_after = cut.then_some(manners.results.cut_after);
            (batch.lines(&manners, now, &mut rng), cut_after)
        };
        let mut sent = 0;
        for line in all {
            if cut_after == Some(sent) {
                return Err(failure(ErrorClass::ConnectionCut, None, "cut"));
            }
            if sent % 100 == 99 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            if lines.send(line).await.is_err() {
                return Err(failure(ErrorClass::ConnectionCut, None, "nobody reads"));
            }
            sent += 1;
        }
        Ok(sent as u64)
    }
}
