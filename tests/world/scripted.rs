//! A provider that answers by script, with a memory of every request.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use claude_run::model::{ErrorClass, Evidence, Limit, Pico, RateLimits, Tokens, Usage};
use claude_run::provider::{
    Failure, Message, Partial, Provider, Reply, Request, Reserved, Revision,
};
use fastrand::Rng;
use tokio::time::Instant;

/// Input tokens of every answer.
const INPUT: u64 = 100;
/// Output tokens of every answer.
const OUTPUT: u64 = 50;
/// What such an answer of Haiku 5.5 costs: 100 × 0.10 + 50 × 0.50 USD per million.
const PRICE: Pico = Pico(35_000_000);

/// How a request is answered.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Message,
    /// Cut at `max_tokens`.
    Truncated,
    /// To be gone on with.
    Paused,
    Error(ErrorClass),
    /// A stream that breaks after it has told of half its usage.
    Cut,
    Hint(ErrorClass, Duration),
    /// An error under that status, with those words.
    Said(ErrorClass, u16, &'static str),
    /// A refusal of the request for which the server wants another try.
    TryAgain,
    /// Paid for, and then our own code panics over it.
    Panic,
}

#[derive(Default)]
struct State {
    rng: Rng,
    median_latency_ms: u64,
    mix: Vec<(f64, Answer)>,
    outage: Option<(Range<Instant>, Answer)>,
    script: VecDeque<Answer>,
    poisoned: HashMap<String, Answer>,
    poisoned_models: HashMap<String, Answer>,
    requests: Vec<(Instant, String, String)>,
    by_job: HashMap<String, usize>,
    at_once: usize,
    most_at_once: usize,
    answered: u64,
    /// The messages that each job was given.
    given: HashMap<String, u64>,
    bucket: Option<Bucket>,
}

/// Requests that the service lets in, counted by itself.
#[derive(Clone, Copy)]
struct Bucket {
    per_minute: u64,
    level: f64,
    at: Instant,
}

impl Bucket {
    /// Lets one in, or tells how long to wait.
    fn admit(&mut self) -> Result<(), Duration> {
        let rate = f64::from(u32::try_from(self.per_minute).unwrap()) / 60.0;
        let full = (rate * 60.0).max(1.0);
        self.level = (self.level + self.at.elapsed().as_secs_f64() * rate).min(full);
        self.at = Instant::now();
        if self.level < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.level) / rate));
        }
        self.level -= 1.0;
        Ok(())
    }

    fn told(&self) -> RateLimits {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count"
        )]
        let remaining = self.level as u64;
        RateLimits {
            requests: Some(Limit {
                limit: self.per_minute,
                remaining,
                full_at: None,
            }),
            ..RateLimits::default()
        }
    }
}

/// Answers by script, else by the mix; the n-th request of a seed always gets the same answer.
#[derive(Clone)]
pub struct Scripted(Arc<Mutex<State>>);

impl Scripted {
    pub fn new(seed: u64, median_latency_ms: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng: Rng::with_seed(seed),
            median_latency_ms,
            mix: vec![(1.0, Answer::Message)],
            ..State::default()
        })))
    }

    pub fn mix(&self, mix: &[(f64, Answer)]) {
        self.state().mix = mix.to_vec();
    }

    /// Between these moments every request is answered like that.
    pub fn outage(&self, between: Range<Instant>, answer: Answer) {
        self.state().outage = Some((between, answer));
    }

    /// How many requests began between these moments.
    pub fn requests_in(&self, between: &Range<Instant>) -> usize {
        let state = self.state();
        state
            .requests
            .iter()
            .filter(|(at, ..)| between.contains(at))
            .count()
    }

    pub fn script(&self, answers: Vec<Answer>) {
        self.state().script = answers.into();
    }

    pub fn poison(&self, custom_id: &str, answer: Answer) {
        self.state().poisoned.insert(custom_id.to_owned(), answer);
    }

    pub fn poison_model(&self, model: &str, answer: Answer) {
        self.state()
            .poisoned_models
            .insert(model.to_owned(), answer);
    }

    pub fn requests(&self) -> u64 {
        self.state().requests.len() as u64
    }

    pub fn requests_of(&self, custom_id: &str) -> usize {
        self.state().by_job.get(custom_id).copied().unwrap_or(0)
    }

    pub fn starts(&self) -> Vec<Instant> {
        self.state().requests.iter().map(|(at, ..)| *at).collect()
    }

    pub fn models(&self) -> Vec<String> {
        self.state()
            .requests
            .iter()
            .map(|(.., model)| model.clone())
            .collect()
    }

    /// From now on so many requests a minute are let in.
    pub fn limit(&self, per_minute: Option<u64>) {
        let bucket = |per_minute| Bucket {
            per_minute,
            level: 1.0,
            at: Instant::now(),
        };
        self.state().bucket = per_minute.map(bucket);
    }

    /// The messages that this job was given.
    pub fn messages_for(&self, custom_id: &str) -> u64 {
        self.state().given.get(custom_id).copied().unwrap_or(0)
    }

    pub fn most_at_once(&self) -> usize {
        self.state().most_at_once
    }

    /// Messages that were really given.
    pub fn answers(&self) -> u64 {
        self.state().answered
    }

    /// What all answers cost that were really given.
    pub fn bill(&self) -> Pico {
        Pico(PRICE.0 * i128::from(self.state().answered))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Notes the request and chooses its answer and latency.
    fn arrive(&self, id: &str, model: &str) -> (Answer, Duration, RateLimits) {
        let mut state = self.state();
        state
            .requests
            .push((Instant::now(), id.to_owned(), model.to_owned()));
        *state.by_job.entry(id.to_owned()).or_default() += 1;
        state.at_once += 1;
        state.most_at_once = state.most_at_once.max(state.at_once);
        let chosen = state
            .poisoned
            .get(id)
            .or_else(|| state.poisoned_models.get(model))
            .copied();
        let now = Instant::now();
        let down = state
            .outage
            .as_ref()
            .filter(|(between, _)| between.contains(&now));
        let chosen = down.map(|(_, answer)| *answer).or(chosen);
        let answer = match chosen.or_else(|| state.script.pop_front()) {
            Some(answer) => answer,
            None => state.draw(),
        };
        let median = state.median_latency_ms;
        let latency = state.rng.u64(median / 2..=median + median / 2);
        let admitted = state.bucket.as_mut().map_or(Ok(()), Bucket::admit);
        let limits = state.bucket.as_ref().map(Bucket::told).unwrap_or_default();
        let answer = admitted.map_or_else(
            |wait| Answer::Hint(ErrorClass::RateLimited, wait),
            |()| answer,
        );
        (answer, Duration::from_millis(latency), limits)
    }

    fn depart(&self, answer: Answer, id: &str) {
        if answer.is_message() {
            let mut state = self.state();
            state.answered += 1;
            *state.given.entry(id.to_owned()).or_default() += 1;
        }
    }
}

impl State {
    fn draw(&mut self) -> Answer {
        let mut left = self.rng.f64();
        for (weight, answer) in &self.mix {
            if left < *weight {
                return *answer;
            }
            left -= weight;
        }
        self.mix
            .last()
            .map_or(Answer::Message, |(_, answer)| *answer)
    }
}

/// Counts a request as on the wire for as long as it lives, even if it is dropped.
struct OnWire<'a>(&'a Scripted);

impl Drop for OnWire<'_> {
    fn drop(&mut self) {
        self.0.state().at_once -= 1;
    }
}

impl Provider for Scripted {
    async fn send(&self, request: Request) -> Reply {
        let body: serde_json::Value = serde_json::from_str(request.body.as_str()).unwrap();
        let (id, model) = (
            body["id"].as_str().or(body["metadata"].as_str()).unwrap(),
            body["model"].as_str().unwrap(),
        );
        let (answer, latency, limits) = self.arrive(id, model);
        let _on_wire = OnWire(self);
        tokio::time::sleep(latency).await;
        self.depart(answer, id);
        let result = match answer {
            Answer::Message => Ok(message(id, model, "end_turn", None)),
            Answer::Truncated => Ok(message(
                id,
                model,
                "max_tokens",
                Some(ErrorClass::Truncated),
            )),
            Answer::Paused => Ok(message(id, model, "pause_turn", Some(ErrorClass::Paused))),
            Answer::Error(class) => Err(failure(class, None)),
            Answer::Cut => Err(cut(model)),
            Answer::Hint(class, hint) => Err(failure(class, Some(hint))),
            Answer::Said(class, status, words) => Err(said(class, status, words)),
            Answer::TryAgain => {
                let mut failure = said(ErrorClass::InvalidRequest, 400, "messages: no");
                failure.evidence.should_retry = Some(true);
                Err(failure)
            }
            Answer::Panic => panic!("as it was told to"),
        };
        Reply {
            result,
            limits,
            latency,
            reserved: Reserved::default(),
        }
    }
}

impl Answer {
    fn is_message(self) -> bool {
        matches!(
            self,
            Self::Message | Self::Truncated | Self::Paused | Self::Panic
        )
    }
}

/// A message of one block, which tells why it ended.
fn message(id: &str, model: &str, stop_reason: &str, mark: Option<ErrorClass>) -> Message {
    Message {
        raw: format!(r#"{{"id":"msg_{id}","type":"message","content":[ "{stop_reason}" ]}}"#),
        model: Some(model.to_owned()),
        stop_reason: Some(stop_reason.to_owned()),
        mark,
        usage: Usage {
            tokens: Tokens {
                input: INPUT,
                output: OUTPUT,
                ..Tokens::default()
            },
            ..Usage::default()
        },
        request_id: Some(format!("req_{id}")),
        note: None,
    }
}

fn said(class: ErrorClass, status: u16, words: &str) -> Box<Failure> {
    let mut failure = failure(class, None);
    failure.evidence.http_status = Some(status);
    failure.evidence.message = Some(words.to_owned());
    failure.evidence.unreadable = (status == 200).then(|| "{}".to_owned());
    if class == ErrorClass::WrongEndpoint && status == 400 {
        // What the classifier says of a page: a fault on the way, once others got past it.
        failure.revision = Some(Box::new(Revision {
            once_proven: Some(ErrorClass::BadGateway),
            quoted: None,
        }));
    }
    failure
}

fn cut(model: &str) -> Box<Failure> {
    let tokens = Tokens {
        input: INPUT,
        ..Tokens::default()
    };
    let partial = Partial {
        model: Some(model.to_owned()),
        usage: Usage {
            tokens,
            ..Usage::default()
        },
    };
    Box::new(Failure {
        partial: Some(partial),
        ..*failure(ErrorClass::StreamCut, None)
    })
}

fn failure(class: ErrorClass, retry_after: Option<Duration>) -> Box<Failure> {
    let no_answer = [
        ErrorClass::Connect,
        ErrorClass::Dns,
        ErrorClass::ConnectionCut,
        ErrorClass::Timeout,
    ];
    let evidence = Evidence {
        http_status: (!no_answer.contains(&class)).then_some(500),
        message: Some(class.info().meaning.to_owned()),
        retry_after,
        ..Evidence::default()
    };
    Box::new(Failure {
        class,
        evidence,
        message: None,
        partial: None,
        unsent: false,
        revision: None,
    })
}
