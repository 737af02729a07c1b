//! How long a run takes as a whole, beside what the limits allow and beside a rival.
//!
//! A run is as slow as its last job. `cargo bench --bench tail` plays these stories with more seeds
//! and prints them as a table; here each is played once and held to its floor.

use std::sync::Arc;
use std::time::Duration;

use claude_run::engine::Ending;
use fastrand::Rng;

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

fn limited() -> Service {
    Service {
        overloaded: 0.05,
        burst_s: 1.0,
        latency_ms: 200..1_000,
        ..Service::default()
    }
}

const NO_FLOOR: f64 = f64::INFINITY;

/// All of them.
pub fn stories() -> Vec<Story> {
    let base = Story {
        name: "",
        jobs: 2_000,
        slots: 256,
        rival_slots: 48,
        body: short,
        service: limited(),
        over_least: NO_FLOOR,
        over_rival: NO_FLOOR,
        refused: NO_FLOOR,
    };
    vec![
        Story {
            name: "2,000 jobs, requests bind, 5 % 529s",
            over_least: 1.15,
            refused: 0.5,
            ..base.clone()
        },
        Story {
            name: "2,000 jobs, output binds, 5 % 529s",
            body: wordy,
            over_least: 1.05,
            refused: 0.5,
            ..base.clone()
        },
        Story {
            name: "20,000 jobs, requests bind, 5 % 529s",
            jobs: 20_000,
            over_least: 1.03,
            refused: 0.5,
            ..base.clone()
        },
        Story {
            name: "400 jobs, 30 % 429s for no reason",
            jobs: 400,
            slots: 64,
            service: Service {
                noise: 0.3,
                ..unlimited(200..1_000)
            },
            over_rival: 1.5,
            ..base.clone()
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
            over_least: 35.0 / 20.0,
            ..base.clone()
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
            ..base.clone()
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
            over_rival: 1.5,
            refused: 10.0,
            ..base.clone()
        },
        Story {
            name: "400 jobs, headers say that nothing is left",
            jobs: 400,
            slots: 64,
            service: Service {
                says_nothing_is_left: true,
                tells: true,
                ..unlimited(200..1_000)
            },
            over_rival: 1.5,
            ..base
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
    let mut seen = None;
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
            if std::env::var("TIMELINE").is_ok() {
                for event in world.events() {
                    if let claude_run::model::EventKind::Pace { ceiling, .. } = event {
                        eprint!("c{ceiling} ");
                    }
                    if let claude_run::model::EventKind::CircuitOpened { .. } = event {
                        eprint!("OPEN ");
                    }
                }
                eprintln!();
                timeline(&metered.seen(), world.began());
            }
            let theirs = Arc::new(Metered::new(service.clone()));
            let rival = rival::run(&theirs, story.jobs, story.rival_slots, story.body).await;
            seen = Some(Seen {
                took_s,
                least_s: metered.least_s(story.slots),
                rival_s: rival.as_secs_f64(),
                refused: [per_hundred(&metered), per_hundred(&theirs)],
            });
        });
    seen.unwrap()
}

fn timeline(seen: &[crate::metered::Seen], began: tokio::time::Instant) {
    let mut known = std::collections::HashSet::new();
    let mut last_first = 0.0;
    let mut by_s = std::collections::BTreeMap::<u64, [u32; 3]>::new();
    for one in seen {
        let at = one.at.duration_since(began);
        let row = by_s.entry(at.as_secs()).or_default();
        row[0] += 1;
        row[1] += u32::from(one.refused);
        if known.insert(one.id.clone()) {
            last_first = at.as_secs_f64();
        } else {
            row[2] += 1;
        }
    }
    eprintln!("last first try at {last_first}");
    let rows: Vec<_> = by_s.iter().collect();
    let show = |row: &(&u64, &[u32; 3])| eprint!("{}:{}/{}/{} ", row.0, row.1[0], row.1[1], row.1[2]);
    rows.iter().take(30).for_each(show);
    eprint!(" ... ");
    rows.iter().rev().take(15).rev().for_each(show);
    eprintln!();
}

#[test]
fn each_run_ends_as_soon_as_its_limits_and_a_rival_say_it_can() {
    let mut over = Vec::new();
    let only: Option<usize> = std::env::var("ONLY").ok().map(|s| s.parse().unwrap());
    let burst: Option<f64> = std::env::var("BURST").ok().map(|s| s.parse().unwrap());
    let seed: u64 = std::env::var("TSEED").ok().map_or(1, |s| s.parse().unwrap());
    for (n, mut story) in stories().into_iter().enumerate() {
        if only.is_some_and(|only| only != n) { continue; }
        if let Some(burst) = burst { story.service.burst_s = burst; }
        let seen = play(&story, seed);
        eprintln!(
            "{:<45} {:>7.1} s  {:>6.3} of the least, {:>6.3} of the rival's, 429s per 100 jobs {:.2} (rival {:.2})",
            story.name,
            seen.took_s,
            seen.took_s / seen.least_s,
            seen.took_s / seen.rival_s,
            seen.refused[0],
            seen.refused[1],
        );
        let is_over = seen.took_s / seen.least_s > story.over_least
            || seen.took_s / seen.rival_s > story.over_rival
            || seen.refused[0] > story.refused;
        if is_over {
            over.push(story.name);
        }
    }
    assert!(over.is_empty(), "over their floor: {over:?}");
}
