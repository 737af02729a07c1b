//! Everything at once, by seed: both lanes, several models, deadlines, budgets, faults of every class,
//! streams that break, limits that change, crashes between any two effects, a store that fails before
//! or after a commit, a wall clock that is set by an hour or a day, cancels, retries by hand, Ctrl-C.
//!
//! A run has several lives, each with another mood of the world, and each ends in its own way. Then all
//! is well, and the run must come to its end. What must hold is checked after every life where it is
//! cheap, and at the end in full.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use claude_run::engine::{Ending, EngineError, LimitSettings, Stop};
use claude_run::model::batch::parse_item_id;
use claude_run::model::{AttemptOutcome, ErrorClass, JobState, Lane, Pico};
use claude_run::policy::Ceilings;
use claude_run::store::{AttemptRow, ResultBody};
use fastrand::Rng;
use jiff::SignedDuration;

use super::World;
use super::flaky::Fault;
use super::plan::{HAIKU, Line, Plan};
use super::remote::{Create, Item, Manners, Results};
use super::scripted::{Answer, Scripted};

const SONNET: &str = "claude-sonnet-5-5";
/// Lives of a run before all is well.
const MOST_LIVES: u32 = 4;
/// Multiplies every wait of the run, those for batches too.
const SCALE: f64 = 0.01;
/// A batch runs out of time so soon here: every virtual second costs some real time.
const LIFETIME: Duration = Duration::from_mins(1);
/// Dispatches that a run may need when all is well: it may have been halted before, or have batches
/// that nobody waits for.
const MOST_ROUNDS: u32 = 200;
/// No dispatch lasts so long when all is well, also where the clock was set back by a day, twice,
/// while jobs waited.
const LONGEST: Duration = Duration::from_hours(24 * 4);
/// How far the API's clock is ahead of ours, in minutes.
const CLOCK_AHEAD: [i64; 5] = [0, 0, 2, -3 * 60, 24 * 60];

/// What a live answer costs: 100 tokens in and 50 out, at the published prices.
fn price(model: &str) -> Pico {
    match model {
        HAIKU => Pico(35_000_000),
        SONNET => Pico(700_000_000),
        other => panic!("{other} has no price here"),
    }
}

/// Plays the world of that seed to its end; panics if something does not hold.
pub fn play(seed: u64) {
    let mut rng = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9) ^ 0xA11);
    plan(seed, &mut rng).block_on(async |world| Story::new(world, rng).play().await);
}

fn one_in(rng: &mut Rng, chances: u32) -> bool {
    rng.u32(0..chances) == 0
}

fn plan(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = World::of_both_lanes(seed)
        .with_moments()
        .concurrency(rng.u32(1..=8))
        .retry_scale(SCALE)
        .max_attempts(rng.u32(2..=8))
        .latency(rng.u64(20..600))
        .settings(|it| {
            it.size = rng.u32(2..=8);
            it.min_jobs = rng.u32(1..=4);
            it.poll_min = Duration::from_secs(1).div_f64(SCALE);
            it.poll_max = Duration::from_secs(8).div_f64(SCALE);
            it.uncertain_for = Duration::from_secs(5).div_f64(SCALE);
            it.not_found_for = Duration::from_secs(15);
        });
    if seed.is_multiple_of(2) {
        plan = plan.at_the_usual_pace();
    }
    for _ in 0..rng.u32(6..=16) {
        plan = plan.lines(1, line(rng));
    }
    if one_in(rng, 3) {
        plan = plan.forced();
    }
    if one_in(rng, 3) {
        plan = plan.deadline(Duration::from_mins(rng.u64(10..3_000)));
    }
    if one_in(rng, 8) {
        plan = plan.no_wait();
    }
    if one_in(rng, 4) {
        plan = plan.stagger(Duration::from_millis(rng.u64(1..300)));
    }
    if one_in(rng, 4) {
        plan = plan.with_second_endpoint(Duration::from_secs(rng.u64(1..60)));
    }
    if one_in(rng, 3) {
        plan = plan.amend(&[SONNET]);
    }
    if one_in(rng, 8) {
        plan = plan.give_up_after(Duration::from_secs(rng.u64(10..600)));
    }
    let limits = LimitSettings {
        cache_warm: rng.bool(),
        ceilings: Ceilings {
            rpm: one_in(rng, 4).then(|| rng.u64(30..600)),
            ..Ceilings::default()
        },
        budget: one_in(rng, 5).then(|| Pico(i128::from(rng.u64(1..8)) * price(SONNET).0)),
        ..LimitSettings::default()
    };
    plan.limits(limits)
}

fn line(rng: &mut Rng) -> Line {
    Line {
        model: if one_in(rng, 3) { SONNET } else { HAIKU },
        lane: match rng.u32(0..6) {
            0 => Some(Lane::Live),
            1 | 2 => Some(Lane::Batch),
            _ => None,
        },
        deadline: one_in(rng, 3).then(|| Duration::from_mins(rng.u64(1..4_000))),
    }
}

/// Classes that a live request may end with; those that halt a run are rarer.
const FAULTS: [ErrorClass; 24] = [
    ErrorClass::RateLimited,
    ErrorClass::AccelerationLimited,
    ErrorClass::ConcurrencyLimited,
    ErrorClass::Overloaded,
    ErrorClass::ServerError,
    ErrorClass::BadGateway,
    ErrorClass::Unavailable,
    ErrorClass::GatewayTimeout,
    ErrorClass::EdgeError,
    ErrorClass::Timeout,
    ErrorClass::Connect,
    ErrorClass::Dns,
    ErrorClass::ConnectionCut,
    ErrorClass::StreamCut,
    ErrorClass::BadResponse,
    ErrorClass::RequestTimeout,
    ErrorClass::Conflict,
    ErrorClass::InvalidRequest,
    ErrorClass::PromptTooLong,
    ErrorClass::Image,
    ErrorClass::ContentFiltered,
    ErrorClass::Refused,
    ErrorClass::ContextWindowExceeded,
    ErrorClass::Unknown,
];
/// Those of one job, which every attempt counts for in the end.
const POISONS: [ErrorClass; 6] = [
    ErrorClass::Overloaded,
    ErrorClass::ServerError,
    ErrorClass::Unavailable,
    ErrorClass::StreamCut,
    ErrorClass::InvalidRequest,
    ErrorClass::PromptTooLong,
];
const HALTS: [ErrorClass; 8] = [
    ErrorClass::Authentication,
    ErrorClass::Billing,
    ErrorClass::SpendLimit,
    ErrorClass::Permission,
    ErrorClass::OrganizationDisabled,
    ErrorClass::ModelNotFound,
    ErrorClass::WrongEndpoint,
    ErrorClass::Tls,
];

fn live_mood(rng: &mut Rng, provider: &Scripted) {
    let good = [0.2, 0.6, 0.9][rng.usize(0..3)];
    let mut mix = vec![(good, Answer::Message)];
    let others = rng.usize(1..6);
    let share = (1.0 - good) / 6.0;
    for _ in 0..others {
        let answer = match rng.u32(0..12) {
            0 => Answer::Truncated,
            1 => Answer::Paused,
            2 => Answer::Cut,
            3 => Answer::Hint(ErrorClass::RateLimited, Duration::from_secs(rng.u64(1..4))),
            4 if one_in(rng, 3) => Answer::Error(HALTS[rng.usize(0..HALTS.len())]),
            _ => Answer::Error(FAULTS[rng.usize(0..FAULTS.len())]),
        };
        mix.push((share, answer));
    }
    mix.push((1.0, Answer::Message));
    provider.mix(&mix);
    provider.limit(one_in(rng, 3).then(|| rng.u64(20..400)));
}

/// Some jobs fail live for ever, also when all is well.
fn poison(rng: &mut Rng, world: &World) {
    for _ in 0..rng.u32(0..=2) {
        let id = format!("id-{}", rng.usize(1..=world.plan.lines.len()));
        let class = POISONS[rng.usize(..POISONS.len())];
        for provider in [&world.provider, &world.second] {
            provider.poison(&id, Answer::Error(class));
        }
    }
}

fn batch_mood(rng: &mut Rng) -> Manners {
    let trouble = [0.0, 0.1, 0.4][rng.usize(0..3)];
    Manners {
        processing: Duration::from_secs(rng.u64(1..10)),
        stalled: if one_in(rng, 4) { 0.3 } else { 0.0 },
        hidden_for: Duration::from_secs(rng.u64(0..4)),
        trouble,
        hint: Duration::from_secs(2),
        lifetime: LIFETIME,
        results: Results {
            cuts: rng.u32(0..3),
            cut_after: rng.usize(0..4),
            drop_every: if one_in(rng, 4) { 3 } else { 0 },
            drop_in_downloads: 1,
            noisy: rng.bool(),
            late: Duration::from_secs(rng.u64(0..10)),
            late_share: if one_in(rng, 3) { 0.5 } else { 0.0 },
            none_for: Duration::from_secs(if one_in(rng, 4) { 3 } else { 0 }),
            contradicted: one_in(rng, 3),
            ..Results::default()
        },
        items: vec![
            (0.1 * trouble, Item::Error(ErrorClass::InvalidRequest)),
            (0.5 * trouble, Item::Error(ErrorClass::Overloaded)),
            (0.2 * trouble, Item::Expired),
            (1.0, Item::Message),
        ],
        creates: vec![
            (0.3 * trouble, Create::AnswerLost),
            (0.3 * trouble, Create::NotHeard),
            (0.3 * trouble, Create::Gateway),
            (0.3 * trouble, Create::Overloaded),
            (0.2 * trouble, Create::QueueFull),
            (0.1 * trouble, Create::BadKey),
            (0.1 * trouble, Create::BadEntry(0)),
            (0.1 * trouble, Create::TooLarge),
            (0.1 * trouble, Create::Unnamed),
        ],
        ..Manners::default()
    }
}

/// A world on its way, and what is known of it.
struct Story<'a> {
    world: &'a World,
    rng: Rng,
    /// Jobs that have succeeded, by line.
    succeeded: BTreeMap<u64, ResultBody>,
    /// Somebody sets the wall clock between lives. It is rare, since a retry whose time the clock was
    /// taken back from waits for it, and a virtual day costs some real time.
    clock_is_set: bool,
}

impl<'a> Story<'a> {
    fn new(world: &'a World, mut rng: Rng) -> Self {
        let minutes = CLOCK_AHEAD[rng.usize(..CLOCK_AHEAD.len())];
        let ahead = SignedDuration::from_mins(minutes);
        world.remote.set_clock_ahead(ahead);
        poison(&mut rng, world);
        Self {
            world,
            clock_is_set: one_in(&mut rng, 12),
            rng,
            succeeded: BTreeMap::new(),
        }
    }

    async fn play(mut self) {
        for _ in 0..self.rng.u32(1..=MOST_LIVES) {
            self.mood();
            self.weather();
            let ended = self.live().await;
            self.world.repair_store();
            self.look().await;
            if matches!(ended, Some(Ok(Ending::Completed))) && self.rng.bool() {
                break;
            }
            self.between_lives().await;
        }
        self.all_is_well();
        self.come_to_the_end().await;
        self.look().await;
        self.world.check().await;
        self.check_ledgers().await;
    }

    fn mood(&mut self) {
        live_mood(&mut self.rng, &self.world.provider);
        live_mood(&mut self.rng, &self.world.second);
        let manners = batch_mood(&mut self.rng);
        self.world.remote.behave(|it| *it = manners);
    }

    /// Now and then a call of the store goes wrong, or all do from some moment on.
    fn weather(&mut self) {
        let fault = if self.rng.bool() {
            Fault::NotDone
        } else {
            Fault::Unheard
        };
        let calls = self.rng.u64(0..200);
        match self.rng.u32(0..6) {
            0 => self.world.store().fail_once_after(calls, fault),
            1 => self.world.store().break_after(calls, fault),
            _ => {}
        }
    }

    /// A dispatch that ends by itself, by Ctrl-C, or in a crash (none), while others meddle.
    async fn live(&mut self) -> Option<Result<Ending, EngineError>> {
        let within_ms = [300, 3_000, 15_000][self.rng.usize(0..3)];
        let never = Duration::from_hours(1_000);
        let mut moment = || Duration::from_millis(self.rng.u64(1..within_ms));
        let (crash, meddle, stop) = (moment(), moment(), moment());
        let (crash, stop) = match self.rng.u32(0..3) {
            0 => (Duration::from_secs(20), stop),
            _ => (crash, never),
        };
        let urgency = if self.rng.bool() {
            Stop::Drain
        } else {
            Stop::Now
        };
        let meddling = self.rng.u32(0..12);
        let mut rng = self.rng.fork();
        let world = self.world;
        let others = async {
            tokio::time::sleep(meddle).await;
            match meddling {
                0 => world.cancel().await,
                1 => drop(world.retry().await),
                2..=5 => live_mood(&mut rng, &world.provider),
                _ => {}
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ended = world.try_dispatch_and_stop_at(stop, urgency) => Some(ended),
            () = tokio::time::sleep(crash) => None,
            () = others => unreachable!(),
        }
    }

    async fn between_lives(&mut self) {
        if self.clock_is_set && self.rng.bool() {
            let hours = [1, 24, -1, -24][self.rng.usize(0..4)];
            self.world.set_wall(SignedDuration::from_hours(hours));
        }
        if one_in(&mut self.rng, 3) {
            let pause = Duration::from_secs(self.rng.u64(1..600));
            tokio::time::sleep(pause).await;
        }
        if one_in(&mut self.rng, 12) {
            self.world.retry().await;
        }
    }

    fn all_is_well(&self) {
        for provider in [&self.world.provider, &self.world.second] {
            provider.mix(&[(1.0, Answer::Message)]);
            provider.limit(None);
        }
        self.world.remote.behave(|it| {
            *it = Manners {
                processing: Duration::from_secs(2),
                hint: Duration::from_secs(2),
                lifetime: LIFETIME,
                ..Manners::default()
            };
        });
        // What may have been billed in all those breaks stays held.
        self.world.set_budget(Pico(100 * Pico::USD.0));
    }

    async fn come_to_the_end(&self) {
        for _ in 0..MOST_ROUNDS {
            let dispatch = tokio::time::timeout(LONGEST, self.world.dispatch());
            let Ok(ending) = dispatch.await else {
                panic!("the run does not end: {:?}", self.world.run().await);
            };
            if ending == Ending::Completed {
                return;
            }
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        panic!("the run makes no progress: {:?}", self.world.run().await);
    }

    /// What a job succeeded with stays, whatever comes.
    async fn look(&mut self) {
        let world = self.world;
        let most = usize::try_from(world.plan.concurrency).unwrap();
        assert!(
            world.provider.most_at_once() <= most,
            "more requests at once than allowed"
        );
        let run = world.run().await;
        assert_eq!(
            run.jobs.total,
            world.plan.lines.len() as u64,
            "a job is missing"
        );
        let now: BTreeMap<_, _> = world
            .results()
            .await
            .into_iter()
            .filter(|row| row.state == JobState::Succeeded)
            .map(|row| (row.line, row.result))
            .collect();
        for (line, result) in &self.succeeded {
            assert_eq!(
                now.get(line),
                Some(result),
                "line {line} has another result"
            );
        }
        self.succeeded = now;
    }

    /// Every message that the endpoints gave is an attempt that has it and its price, or one that a
    /// crash interrupted and that says that it may have been billed.
    async fn check_ledgers(&self) {
        let ledger = self.world.ledger().await;
        let mut by_job: HashMap<&str, Vec<&AttemptRow>> = HashMap::new();
        for row in &ledger {
            check_cost(row);
            by_job.entry(&row.custom_id).or_default().push(row);
        }
        for (id, rows) in by_job {
            let live = |outcome| {
                let found = rows.iter().filter(|row| row.lane == Lane::Live);
                found.filter(|row| row.outcome == Some(outcome)).count() as u64
            };
            let given = self.world.provider.messages_for(id) + self.world.second.messages_for(id);
            let had = live(AttemptOutcome::Succeeded);
            let lost = live(AttemptOutcome::Interrupted);
            assert!(
                (had..=had + lost).contains(&given),
                "{id}: {given} messages, {had} recorded"
            );
        }
        if self.world.may_have_bought_twice() {
            return;
        }
        let messages = self.world.remote.messages();
        let messages: HashSet<_> = messages.iter().filter_map(|id| parse_item_id(id)).collect();
        let messages: HashSet<_> = messages.into_iter().map(|(_, attempt)| attempt).collect();
        for row in ledger.iter().filter(|row| row.lane == Lane::Batch) {
            let (answered, outcome) = (messages.contains(&row.attempt), row.outcome);
            let agree = answered == (outcome == Some(AttemptOutcome::Succeeded));
            let lost = answered && outcome == Some(AttemptOutcome::Interrupted);
            assert!(agree || lost, "the API and the ledger disagree on {row:?}");
        }
    }
}

fn check_cost(row: &AttemptRow) {
    let live = price(&row.model);
    let due = match (row.outcome, row.lane) {
        (Some(AttemptOutcome::Succeeded), Lane::Live) => live,
        (Some(AttemptOutcome::Succeeded), Lane::Batch) => Pico(live.0 / 2),
        // A stream that broke told of its input.
        _ if row.error_class == Some(ErrorClass::StreamCut) => return,
        _ => Pico::ZERO,
    };
    assert_eq!(row.cost.total, due, "{row:?}");
    let in_doubt = row.outcome == Some(AttemptOutcome::Interrupted);
    assert!(row.maybe_billed || !in_doubt, "{row:?}");
}
