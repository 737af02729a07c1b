//! A run of jobs through the budget and a model of the server's buckets, on virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;

use super::super::numbers::count;
use super::super::{Ceilings, ClassId, Demand, Ended, Free, RateBudget, Ticket, whole};
use super::{budget, start};
use crate::clock::add;
use crate::model::{Limit, RateLimits};

/// A bucket as the server counts it.
#[derive(Clone)]
struct Served {
    per_second: f64,
    capacity: f64,
    level: f64,
    at: Timestamp,
}

impl Served {
    fn new(per_minute: u64, burst_s: f64) -> Self {
        let per_second = count(per_minute) / 60.0;
        Self {
            per_second,
            capacity: (per_second * burst_s).max(1.0),
            level: (per_second * burst_s).max(1.0),
            at: start(),
        }
    }

    fn refill(&mut self, now: Timestamp) {
        let passed = now.duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * self.per_second).min(self.capacity);
        self.at = now;
    }

    fn has(&mut self, amount: f64, now: Timestamp) -> bool {
        self.refill(now);
        self.level + 1e-6 >= amount.min(self.capacity)
    }

    fn take(&mut self, amount: f64, now: Timestamp) {
        self.refill(now);
        self.level -= amount;
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "the shape that `RateLimits` takes"
    )]
    fn told(&self, rounding: f64) -> Option<Limit> {
        let remaining = (self.level.max(0.0) / rounding).round() * rounding;
        let until_full = (self.capacity - self.level) / self.per_second;
        Some(Limit {
            limit: u64::from(whole((self.per_second * 60.0).round())),
            remaining: u64::from(whole(remaining)),
            full_at: Some(add(
                self.at,
                Duration::from_secs_f64(until_full.max(0.0).floor()),
            )),
        })
    }
}

/// The server: three buckets, input counted when a request is let in, output when it is produced.
struct Server {
    requests: Served,
    input: Served,
    output: Served,
    refused: u32,
}

impl Server {
    fn admit(&mut self, input: f64, now: Timestamp) -> bool {
        let fits =
            self.requests.has(1.0, now) && self.input.has(input, now) && self.output.has(1.0, now);
        if fits {
            self.requests.take(1.0, now);
            self.input.take(input, now);
        } else {
            self.refused += 1;
        }
        fits
    }

    fn limits_at(&mut self, now: Timestamp) -> RateLimits {
        for bucket in [&mut self.requests, &mut self.input, &mut self.output] {
            bucket.refill(now);
        }
        self.limits()
    }

    fn limits(&self) -> RateLimits {
        RateLimits {
            requests: self.requests.told(1.0),
            input_tokens: self.input.told(1_000.0),
            output_tokens: self.output.told(1_000.0),
        }
    }
}

pub(super) struct Scene {
    pub(super) rpm: u64,
    pub(super) itpm: u64,
    pub(super) otpm: u64,
    pub(super) burst_s: f64,
    pub(super) jobs: usize,
    pub(super) slots: usize,
    /// What another client takes of each bucket, as a part of the rate.
    pub(super) foreign: f64,
    /// The headers tell how things stand when the answer ends, not when it begins.
    pub(super) headers_late: bool,
    pub(super) seed: u64,
}

/// 3,000 jobs of mixed sizes.
pub(super) const MIXED: Scene = Scene {
    rpm: 6_000,
    itpm: 600_000,
    otpm: 200_000,
    burst_s: 60.0,
    jobs: 3_000,
    slots: 1_000,
    foreign: 0.0,
    headers_late: false,
    seed: 0,
};

pub(super) struct Seen {
    pub(super) took_s: f64,
    pub(super) bound_s: f64,
    pub(super) refused: u32,
}

impl Seen {
    pub(super) fn ratio(&self) -> f64 {
        self.took_s / self.bound_s
    }
}

/// An answer on its way: the job's real use if it was let in, and the headers as of its start.
struct Pending {
    ticket: Ticket,
    used: Option<Demand>,
    early: RateLimits,
}

/// Plays jobs through the budget and the server the way the engine does: first come, first served,
/// one at a time, with a pause after a refusal and 64 at once before the first answer.
pub(super) struct Play<'a> {
    scene: &'a Scene,
    rng: Rng,
    budget: RateBudget,
    class: ClassId,
    server: Server,
    queue: Vec<Demand>,
    order: BinaryHeap<Reverse<(Timestamp, usize)>>,
    pending: Vec<Option<Pending>>,
    now: Timestamp,
    paused: Timestamp,
    next_foreign: Timestamp,
    answered: bool,
}

impl<'a> Play<'a> {
    fn new(scene: &'a Scene) -> Self {
        let mut rng = Rng::with_seed(scene.seed);
        let (budget, class) = budget(Ceilings::default());
        let queue = (0..scene.jobs).map(|_| Demand {
            input: rng.u64(50..2_000),
            output: rng.u64(10..400),
        });
        Self {
            queue: queue.collect(),
            rng,
            budget,
            class,
            server: Server {
                requests: Served::new(scene.rpm, scene.burst_s),
                input: Served::new(scene.itpm, scene.burst_s),
                output: Served::new(scene.otpm, scene.burst_s),
                refused: 0,
            },
            order: BinaryHeap::new(),
            pending: Vec::new(),
            now: start(),
            paused: start(),
            next_foreign: start(),
            answered: false,
            scene,
        }
    }

    pub(super) fn run(scene: &Scene) -> Seen {
        let mut play = Play::new(scene);
        let bound_s = play.bound_s();
        loop {
            play.foreign();
            let wake = play.start_what_fits();
            let answer = play.order.peek().map(|Reverse((at, _))| *at);
            let Some(next) = [wake, answer].into_iter().flatten().min() else {
                break;
            };
            assert!(
                next > play.now || answer == Some(next),
                "it wakes for nothing"
            );
            play.now = play.now.max(next);
            play.take_answers();
        }
        assert!(
            play.queue.is_empty(),
            "seed {}: jobs are left over",
            scene.seed
        );
        Seen {
            took_s: play.now.duration_since(start()).as_secs_f64(),
            bound_s,
            refused: play.server.refused,
        }
    }

    fn bound_s(&self) -> f64 {
        let sum = |of: fn(&Demand) -> u64| count(self.queue.iter().map(of).sum::<u64>());
        let minutes = [
            sum(|_| 1) / count(self.scene.rpm),
            sum(|job| job.input) / count(self.scene.itpm),
            sum(|job| job.output) / count(self.scene.otpm),
        ];
        minutes.into_iter().fold(0.0, f64::max) * 60.0 / (1.0 - self.scene.foreign)
    }

    /// Another client takes lumps of a random size, so that no mean tells when the next one comes.
    fn foreign(&mut self) {
        while self.scene.foreign > 0.0 && self.next_foreign <= self.now {
            let lump_s = self.rng.f64() * self.scene.foreign;
            let at = self.next_foreign;
            let server = &mut self.server;
            for bucket in [&mut server.requests, &mut server.input, &mut server.output] {
                let amount = bucket.per_second * lump_s;
                if bucket.has(amount, at) {
                    bucket.take(amount, at);
                }
            }
            self.next_foreign = add(at, Duration::from_millis(self.rng.u64(1..1_000)));
        }
    }

    /// Starts what may start; returns when to look again.
    fn start_what_fits(&mut self) -> Option<Timestamp> {
        let slots = if self.answered {
            self.scene.slots
        } else {
            64.min(self.scene.slots)
        };
        if self.now < self.paused {
            return Some(self.paused);
        }
        while self.order.len() < slots {
            let job = *self.queue.last()?;
            let guess = Demand {
                input: job.input * self.rng.u64(90..110) / 100,
                output: 250,
            };
            let Some(ticket) = self
                .budget
                .reserve(self.class, guess, self.now, &mut self.rng)
            else {
                return match self.budget.next_free(self.class, guess, self.now) {
                    Free::At(at) => Some(at),
                    _ => None,
                };
            };
            self.queue.pop();
            self.send(job, ticket);
        }
        None
    }

    fn send(&mut self, job: Demand, ticket: Ticket) {
        let let_in = self.server.admit(count(job.input), self.now);
        let latency = if let_in { self.rng.u64(500..3_000) } else { 30 };
        let back = add(self.now, Duration::from_millis(latency));
        self.order.push(Reverse((back, self.pending.len())));
        self.pending.push(Some(Pending {
            ticket,
            used: let_in.then_some(job),
            early: self.server.limits(),
        }));
        if !let_in {
            self.queue.push(job);
        }
    }

    fn take_answers(&mut self) {
        while let Some(Reverse((at, which))) = self.order.peek().copied() {
            if at > self.now {
                return;
            }
            self.order.pop();
            self.answered = true;
            let Pending {
                ticket,
                used,
                early,
            } = self.pending[which].take().unwrap();
            match used {
                Some(used) => self.server.output.take(count(used.output), self.now),
                None => self.paused = self.paused.max(add(self.now, Duration::from_secs(1))),
            }
            let limits = if self.scene.headers_late {
                self.server.limits_at(self.now)
            } else {
                early
            };
            let ended = Ended {
                used,
                limits: Some(&limits),
                admitted: false,
                refused: used.is_none(),
            };
            self.budget.ended(ticket, ended, self.now);
        }
    }
}
