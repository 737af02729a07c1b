//! A provider with real token buckets, counted as the simulator over HTTP counts them: input when a
//! request is let in, output when it has been produced, nothing for a refusal.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use claude_run::model::{ErrorClass, Evidence, Limit, RateLimits, Tokens, Usage};
use claude_run::provider::{Failure, Message, Provider, Reply, Request, Reserved};
use fastrand::Rng;
use jiff::Timestamp;
use tokio::time::Instant;

/// What is refused without work comes back after this time.
const AT_ONCE: Duration = Duration::from_millis(30);

/// How the service behaves.
#[derive(Clone, Debug)]
pub struct Service {
    pub rpm: u32,
    pub itpm: u32,
    pub otpm: u32,
    /// How much quiet time the buckets save up.
    pub burst_s: f64,
    /// Headers tell the limits.
    pub tells: bool,
    /// Share of the jobs whose first request gets a 429 that tells neither limits nor a wait.
    pub sprinkled: f64,
    /// Share of all requests that get a 429 with `retry-after: 1` and no word of limits.
    pub noise: f64,
    /// Share of the admitted requests that get a 529.
    pub overloaded: f64,
    /// Share of the jobs whose first request gets a 529.
    pub overloaded_first: f64,
    /// Refuses what comes while so many are open, without a word of limits.
    pub most_open: Option<usize>,
    /// Headers say this of the answer of that number at that time, whatever is true.
    pub says: Option<fn(u64, Timestamp) -> RateLimits>,
    /// What another client takes of each bucket, as a part of the rate.
    pub foreign: f64,
    pub latency_ms: std::ops::Range<u64>,
    pub seed: u64,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            rpm: 6_000,
            itpm: 600_000,
            otpm: 200_000,
            burst_s: 60.0,
            tells: true,
            sprinkled: 0.0,
            noise: 0.0,
            overloaded: 0.0,
            overloaded_first: 0.0,
            most_open: None,
            says: None,
            foreign: 0.0,
            latency_ms: 500..2_000,
            seed: 0,
        }
    }
}

#[derive(Clone, Debug)]
struct Bucket {
    per_second: f64,
    capacity: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    fn new(per_minute: u32, burst_s: f64, now: Instant) -> Self {
        let per_second = f64::from(per_minute) / 60.0;
        let capacity = (per_second * burst_s).max(1.0);
        Self {
            per_second,
            capacity,
            level: capacity,
            at: now,
        }
    }

    fn level(&mut self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * self.per_second).min(self.capacity);
        self.at = self.at.max(now);
        self.level
    }

    /// Seconds until `amount` is there.
    fn wait_s(&mut self, amount: f64, now: Instant) -> f64 {
        let missing = amount.min(self.capacity) - self.level(now);
        if missing <= 1e-9 * self.capacity {
            return 0.0;
        }
        missing / self.per_second
    }

    fn take(&mut self, amount: f64, now: Instant) {
        self.level = self.level(now) - amount;
    }
}

/// One request as the service saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Instant,
    pub id: String,
    pub model: String,
    pub refused: bool,
    /// When its answer was complete; none while it is on the wire.
    pub answered_at: Option<Instant>,
}

/// A refusal that has nothing to do with the buckets.
struct Whim {
    /// What it asks for.
    wait_s: Option<f64>,
}

struct State {
    rng: Rng,
    requests: Bucket,
    input: Bucket,
    output: Bucket,
    next_foreign: Instant,
    seen: Vec<Seen>,
    tokens: [f64; 2],
    failing: HashMap<String, ErrorClass>,
    open: usize,
    most_open: usize,
}

pub struct Metered {
    service: Service,
    wall: Timestamp,
    origin: Instant,
    state: Mutex<State>,
}

impl Metered {
    /// Begins now, at virtual time.
    pub fn new(service: Service) -> Self {
        let now = Instant::now();
        let bucket = |per_minute| Bucket::new(per_minute, service.burst_s, now);
        let state = State {
            rng: Rng::with_seed(service.seed),
            requests: bucket(service.rpm),
            input: bucket(service.itpm),
            output: bucket(service.otpm),
            next_foreign: now,
            seen: Vec::new(),
            tokens: [0.0; 2],
            failing: HashMap::new(),
            open: 0,
            most_open: 0,
        };
        Self {
            wall: "2026-11-22T00:00:00Z".parse().unwrap(),
            origin: now,
            state: Mutex::new(state),
            service,
        }
    }

    /// The first request of this job fails like that.
    pub fn fail_once(&self, id: &str, class: ErrorClass) {
        self.state().failing.insert(id.to_owned(), class);
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    pub fn refused(&self) -> usize {
        self.state().seen.iter().filter(|seen| seen.refused).count()
    }

    /// The least time in which the answers that were given can be had by these limits.
    pub fn bound_s(&self) -> f64 {
        let state = self.state();
        let answers = state.seen.iter().filter(|seen| !seen.refused).count();
        let [input, output] = state.tokens;
        let requests = f64::from(u32::try_from(answers).unwrap()) / f64::from(self.service.rpm);
        let minutes = requests
            .max(input / f64::from(self.service.itpm))
            .max(output / f64::from(self.service.otpm));
        minutes * 60.0 / (1.0 - self.service.foreign)
    }

    /// The least time in which these answers can be had with that many slots: the buckets are full
    /// when a run begins, output is paid off later, and the last answer takes its time.
    pub fn least_s(&self, slots: u32) -> f64 {
        let state = self.state();
        let count = |number: usize| f64::from(u32::try_from(number).unwrap());
        let admitted = count(state.seen.iter().filter(|seen| !seen.refused).count());
        let [input, output] = state.tokens;
        let debt = count(state.most_open) * output / admitted;
        let time = |amount: f64, per_minute: u32| {
            amount / f64::from(per_minute) * 60.0 - self.service.burst_s
        };
        let seconds = |ms: u64| f64::from(u32::try_from(ms).unwrap()) / 1_000.0;
        let range = &self.service.latency_ms;
        let (shortest, mean) = (seconds(range.start), seconds(range.start + range.end) / 2.0);
        let limits = time(admitted, self.service.rpm)
            .max(time(input, self.service.itpm))
            .max(time(output - debt, self.service.otpm));
        (admitted * mean / f64::from(slots)).max(limits + shortest)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Lets a request in, or refuses it: then with the seconds to wait.
    fn arrive(&self, id: &str, model: &str, input: f64) -> (Result<(), f64>, RateLimits, Duration) {
        let now = Instant::now();
        let mut state = self.state();
        state.foreign(self.service.foreign, now);
        let never = input > f64::from(self.service.itpm);
        let wait_s = state
            .requests
            .wait_s(1.0, now)
            .max(state.input.wait_s(input, now))
            .max(state.output.wait_s(1.0, now))
            .max(if never { 60.0 } else { 0.0 });
        let refused = wait_s > 0.0;
        if !refused {
            state.requests.take(1.0, now);
            state.input.take(input, now);
            state.tokens[0] += input;
        }
        state.seen.push(Seen {
            at: now,
            id: id.to_owned(),
            model: model.to_owned(),
            refused,
            answered_at: None,
        });
        let latency = if refused {
            30
        } else {
            state.rng.u64(self.service.latency_ms.clone())
        };
        let limits = if self.service.tells {
            self.limits(&mut state, now)
        } else {
            RateLimits::default()
        };
        let verdict = if refused {
            Err(wait_s.ceil().max(1.0))
        } else {
            Ok(())
        };
        (verdict, limits, Duration::from_millis(latency))
    }

    /// Whether this is the first request of one of that share of the jobs.
    fn is_first_of(&self, share: f64, id: &str) -> bool {
        let seed = id.bytes().fold(7_u64, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(byte.into())
        });
        let mut rng = Rng::with_seed(self.service.seed ^ seed);
        rng.f64() < share && !self.state().seen.iter().any(|seen| seen.id == id)
    }

    /// A refusal that has nothing to do with the buckets.
    fn whim(&self, id: &str) -> Option<Whim> {
        if self.is_first_of(self.service.sprinkled, id) {
            return Some(Whim { wait_s: None });
        }
        let mut state = self.state();
        if self.service.noise > 0.0 && state.rng.f64() < self.service.noise {
            return Some(Whim { wait_s: Some(1.0) });
        }
        let most = self.service.most_open;
        most.is_some_and(|most| state.open >= most)
            .then_some(Whim { wait_s: None })
    }

    async fn refuse(&self, id: &str, model: &str, wait_s: Option<f64>) -> Reply {
        self.state().seen.push(Seen {
            at: Instant::now(),
            id: id.to_owned(),
            model: model.to_owned(),
            refused: true,
            answered_at: None,
        });
        let latency = AT_ONCE;
        tokio::time::sleep(latency).await;
        Reply {
            result: Err(failure(ErrorClass::RateLimited, 429, wait_s)),
            limits: RateLimits::default(),
            latency,
            reserved: Reserved::default(),
        }
    }

    fn limits(&self, state: &mut State, now: Instant) -> RateLimits {
        let wall = self.wall + (now - self.origin);
        if let Some(says) = self.service.says {
            return says(u64::try_from(state.seen.len()).unwrap(), wall);
        }
        let told = |bucket: &mut Bucket, rounding: f64| {
            let level = bucket.level(now);
            let full_in = (bucket.capacity - level) / bucket.per_second;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "counts"
            )]
            let whole = |number: f64| number.round() as u64;
            Some(Limit {
                limit: whole(bucket.per_second * 60.0),
                remaining: whole((level.max(0.0) / rounding).round() * rounding),
                full_at: Some(wall + Duration::from_secs_f64(full_in.max(0.0).floor())),
            })
        };
        RateLimits {
            requests: told(&mut state.requests, 1.0),
            input_tokens: told(&mut state.input, 1_000.0),
            output_tokens: told(&mut state.output, 1_000.0),
        }
    }

    fn depart(&self, id: &str, output: u32) {
        let now = Instant::now();
        let mut state = self.state();
        state.output.take(f64::from(output), now);
        state.tokens[1] += f64::from(output);
        if let Some(seen) = state.seen.iter_mut().rfind(|seen| seen.id == id) {
            seen.answered_at = Some(now);
        }
    }
}

impl State {
    fn opened(&mut self, by: isize) {
        self.open = self.open.saturating_add_signed(by);
        self.most_open = self.most_open.max(self.open);
    }

    /// Another client takes lumps of a random size.
    fn foreign(&mut self, part: f64, now: Instant) {
        while part > 0.0 && self.next_foreign <= now {
            let at = self.next_foreign;
            let lump_s = self.rng.f64() * part;
            for bucket in [&mut self.requests, &mut self.input, &mut self.output] {
                let amount = bucket.per_second * lump_s;
                if bucket.level(at) >= amount {
                    bucket.take(amount, at);
                }
            }
            self.next_foreign = at + Duration::from_millis(self.rng.u64(1..1_000));
        }
    }
}

impl Provider for Metered {
    async fn send(&self, request: Request) -> Reply {
        let body: serde_json::Value = serde_json::from_str(request.body.as_str()).unwrap();
        let (id, model) = (
            body["id"].as_str().unwrap(),
            body["model"].as_str().unwrap(),
        );
        let text = body["messages"][0]["content"].as_str().unwrap_or_default();
        let cached = body["system"][0]["text"].as_str().unwrap_or_default();
        let input = u32::try_from((text.len() + cached.len()) / 4 + 12).unwrap();
        if let Some(Whim { wait_s }) = self.whim(id) {
            return self.refuse(id, model, wait_s).await;
        }
        let overloaded = self.is_first_of(self.service.overloaded_first, id);
        let (verdict, limits, mut latency) = self.arrive(id, model, f64::from(input));
        if overloaded {
            latency = AT_ONCE;
        }
        let draw = self.state().rng.f64();
        let failing = self.state().failing.remove(id);
        self.state().opened(1);
        tokio::time::sleep(latency).await;
        self.state().opened(-1);
        let result = match (verdict, failing) {
            (Err(wait_s), _) => Err(failure(ErrorClass::RateLimited, 429, Some(wait_s))),
            (_, Some(class)) => Err(failure(class, 500, None)),
            _ if overloaded || draw < self.service.overloaded => {
                Err(failure(ErrorClass::Overloaded, 529, None))
            }
            _ => {
                let output = u32::try_from(body["output"].as_u64().unwrap_or(50)).unwrap();
                self.depart(id, output);
                Ok(message(id, model, input, output))
            }
        };
        Reply {
            result,
            limits,
            latency,
            reserved: Reserved::default(),
        }
    }
}

fn message(id: &str, model: &str, input: u32, output: u32) -> Message {
    Message {
        raw: format!(r#"{{"id":"msg_{id}","type":"message"}}"#),
        model: Some(model.to_owned()),
        stop_reason: Some("end_turn".to_owned()),
        mark: None,
        usage: Usage {
            tokens: Tokens {
                input: input.into(),
                output: output.into(),
                ..Tokens::default()
            },
            ..Usage::default()
        },
        request_id: None,
        note: None,
    }
}

fn failure(class: ErrorClass, status: u16, wait_s: Option<f64>) -> Box<Failure> {
    let evidence = Evidence {
        http_status: Some(status),
        message: Some(class.info().meaning.to_owned()),
        retry_after: wait_s.map(Duration::from_secs_f64),
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
