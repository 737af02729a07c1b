//! How long a run takes as a whole, beside what the limits allow and beside a rival.
//!
//! A run is as slow as its last job. `cargo bench --bench tail` plays these stories with more seeds
//! and prints them as a table; here each is played once and held to its floor.

use std::sync::Arc;
use std::time::Duration;

use claude_run::engine::Ending;
use claude_run::model::{Limit, RateLimits};
use fastrand::Rng;
use jiff::Timestamp;

use crate::metered::{Metered, Service};
use crate::rival;
use crate::world::World;

/// What is done, where, and by how many at a time.
#[derive(Clone, Debug)]
pub struct Story {
    pub name: &'static str,
    pub jobs: u64,
    pub slots: u32,
    pub rival_slots: u32,
    pub body: fn(u64, &str) -> String,
    pub service: Service,
    /// At most this many times the least possible time,
    pub over_least: f64,
    /// or this many times the rival's.
    pub over_rival: f64,
    /// 429s per 100 jobs.
    pub refused: f64,
}

/// What came of a story.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub took_s: f64,
    pub least_s: f64,
    pub rival_s: f64,
    /// 429s per 100 jobs, ours and the rival's.
    pub refused: [f64; 2],
}

impl Story {
    /// Whether what came of it keeps to the floors.
    pub fn holds(&self, seen: &Seen) -> bool {
        seen.took_s <= self.over_least * seen.least_s
            && seen.took_s <= self.over_rival * seen.rival_s
            && seen.refused[0] <= self.refused
    }

    /// A row of the table.
    pub fn row(&self, seen: &Seen) -> String {
        format!(
            "{:<45} {:>7.1} s {:>8.3} {:>8.3} {:>8.2} {:>8.2}",
            self.name,
            seen.took_s,
            seen.took_s / seen.least_s,
            seen.took_s / seen.rival_s,
            seen.refused[0],
            seen.refused[1],
        )
    }
}

/// A short prompt and a short answer: the requests bind.
fn short(line: u64, model: &str) -> String {
    sized(line, model, 40..280, 15..45)
}

/// A short prompt and a longer answer: the output binds.
fn wordy(line: u64, model: &str) -> String {
    sized(line, model, 40..280, 75..225)
}

fn sized(
    line: u64,
    model: &str,
    input: std::ops::Range<u64>,
    output: std::ops::Range<u64>,
) -> String {
    let mut rng = Rng::with_seed(line);
    let (input, output) = (rng.u64(input), rng.u64(output));
    let text = "a durable queue keeps its word ".repeat(10);
    let text = &text[..usize::try_from(input).unwrap()];
    format!(
        r#"{{"model":"{model}","id":"id-{line}","max_tokens":256,"output":{output},"messages":[{{"role":"user","content":"{text}"}}]}}"#
    )
}

/// Limits that nobody reaches and no header tells.
fn unlimited(latency_ms: std::ops::Range<u64>) -> Service {
    Service {
        rpm: 600_000,
        itpm: 600_000_000,
        otpm: 600_000_000,
        tells: false,
        latency_ms,
        ..Service::default()
    }
}

/// Nothing is ever left of a large limit, and yet it is full.
fn nothing_is_left(_: u64, now: Timestamp) -> RateLimits {
    let limit = |limit| {
        Some(Limit {
            limit,
            remaining: 0,
            full_at: Some(now),
        })
    };
    RateLimits {
        requests: limit(600_000),
        input_tokens: limit(600_000_000),
        output_tokens: limit(600_000_000),
    }
}

fn limited() -> Service {
    Service {
        overloaded: 0.05,
        burst_s: 1.0,
        latency_ms: 200..1_000,
        ..Service::default()
    }
}

const NO_FLOOR: f64 = f64::INFINITY;

fn base() -> Story {
    Story {
        name: "",
        jobs: 2_000,
        slots: 256,
        rival_slots: 48,
        body: short,
        service: limited(),
        over_least: NO_FLOOR,
        over_rival: NO_FLOOR,
        refused: NO_FLOOR,
    }
}

/// All of them.
pub fn stories() -> Vec<Story> {
    let mut stories = where_headers_tell();
    stories.extend(where_nobody_tells());
    stories
}

fn where_headers_tell() -> Vec<Story> {
    vec![
        Story {
            name: "2,000 jobs, requests bind, 5 % 529s",
            over_least: 1.3,
            refused: 0.5,
            ..base()
        },
        Story {
            name: "2,000 jobs, output binds, 5 % 529s",
            body: wordy,
            over_least: 1.15,
            refused: 0.5,
            ..base()
        },
        Story {
            name: "20,000 jobs, requests bind, 5 % 529s",
            jobs: 20_000,
            over_least: 1.03,
            refused: 0.5,
            ..base()
        },
    ]
}

fn where_nobody_tells() -> Vec<Story> {
    vec![
        Story {
            name: "400 jobs, 30 % 429s for no reason",
            jobs: 400,
            slots: 64,
            service: Service {
                noise: 0.3,
                ..unlimited(200..1_000)
            },
            over_rival: 1.1,
            ..base()
        },
        Story {
            name: "300 jobs of 4 s, 30 % get a 529 first",
            jobs: 300,
            slots: 64,
            rival_slots: 64,
            service: Service {
                overloaded_first: 0.3,
                ..unlimited(3_500..4_500)
            },
            over_least: 35.0 / 24.0,
            ..base()
        },
        Story {
            name: "300 jobs of 4 s, 50 % get a 529 first",
            jobs: 300,
            slots: 64,
            rival_slots: 64,
            service: Service {
                overloaded_first: 0.5,
                ..unlimited(3_500..4_500)
            },
            over_least: 1.2,
            ..base()
        },
        Story {
            name: "200 jobs, 5 at a time and no word of it",
            jobs: 200,
            slots: 64,
            rival_slots: 5,
            service: Service {
                most_open: Some(5),
                ..unlimited(800..1_200)
            },
            over_rival: 1.2,
            refused: 11.0,
            ..base()
        },
        Story {
            name: "400 jobs, headers say that nothing is left",
            jobs: 400,
            slots: 64,
            service: Service {
                says: Some(nothing_is_left),
                tells: true,
                ..unlimited(200..1_000)
            },
            over_rival: 1.1,
            ..base()
        },
    ]
}

/// Plays a story with that seed, and the rival's after it.
pub fn play(story: &Story, seed: u64) -> Seen {
    let service = Service {
        seed,
        ..story.service.clone()
    };
    let per_hundred = |metered: &Metered| {
        let count = |number: usize| f64::from(u32::try_from(number).unwrap());
        count(metered.refused()) * 100.0 / f64::from(u32::try_from(story.jobs).unwrap())
    };
    let mut outcome = None;
    World::new(seed)
        .at_the_usual_pace()
        .jobs(story.jobs)
        .concurrency(story.slots)
        .bodies(story.body)
        .block_on(async |world| {
            let metered = Arc::new(Metered::new(service.clone()));
            let run = world.dispatch_to(&metered);
            let ended = tokio::time::timeout(Duration::from_hours(10), run).await;
            assert_eq!(ended.ok(), Some(Ending::Completed), "{}", story.name);
            assert_eq!(world.counts().await.succeeded, story.jobs);
            let took_s = world.elapsed().as_secs_f64();
            let theirs = Arc::new(Metered::new(service.clone()));
            let rival = rival::run(&theirs, story.jobs, story.rival_slots, story.body).await;
            outcome = Some(Seen {
                took_s,
                least_s: metered.least_s(story.slots),
                rival_s: rival.as_secs_f64(),
                refused: [per_hundred(&metered), per_hundred(&theirs)],
            });
        });
    outcome.unwrap()
}

/// Every story but the long one, by the median of three seeds.
#[test]
fn each_run_ends_as_soon_as_its_limits_and_a_rival_say_it_can() {
    let mut over = Vec::new();
    for story in stories().iter().filter(|story| story.jobs <= 2_000) {
        let mut seen: Vec<_> = (1..=3).map(|seed| play(story, seed)).collect();
        seen.sort_by(|a, b| a.took_s.total_cmp(&b.took_s));
        let median = seen[1];
        eprintln!("{}", story.row(&median));
        if !story.holds(&median) {
            over.push(story.name);
        }
    }
    assert!(over.is_empty(), "over their floor: {over:?}");
}
