//! Any sequence of verbs, with errors before and after the commit, leaves a store that tells the
//! same as the reference.

use claude_run::model::{
    BatchId, BatchState, CancelReason, ClaimedJob, DispatchOptions, ErrorClass, EstimateErrors,
    Halt, Indicator, Lane, PageStatus, RemoteStatus, RunId,
};
use claude_run::store::{
    BatchStore, Claim, EstimateKind, EstimateSums, Fill, NewBatch, Reader, RetryFilter, RouteRule,
    StatusChange, Unroute,
};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;

use crate::call::{Answer, Call};
use crate::fixture::Fixture;
use crate::flaky::{Fault, Flaky};
use crate::memory::Memory;
use crate::samples::{ENDS, End, MODELS, at, finish, in_lane, mixed, new_run, remote};
use crate::view::View;

/// Runs of a sequence: two are loaded beforehand, the third is loaded, or swept away, on the way.
const RUNS: usize = 3;
const JOBS: u64 = 6;
const DAY_MS: i64 = 86_400_000;
/// After so many interruptions in a row a job fails.
const MAX_INTERRUPTIONS: u32 = 3;

/// What is done next; numbers choose among what there is by then.
#[derive(Clone, Debug)]
pub enum Verb {
    Begin,
    Add(Vec<u64>),
    FinishLoad,
    FinishLoadOnce,
    Sweep,
    Start {
        run: usize,
        clock_back: bool,
    },
    Marks(usize),
    Mark(Vec<usize>),
    Claim {
        run: usize,
        model: usize,
        most: u32,
        bytes: u64,
    },
    Finish(Vec<(usize, End, Lane)>),
    Release(Vec<usize>),
    Options(usize),
    Estimates(usize, u64),
    Status(usize, i64),
    Leave {
        run: usize,
        halted: bool,
    },
    Cancel(usize),
    Retry(usize, RetryFilter),
    Route(usize, RouteRule),
    Unroute(usize, Unroute),
    BeginBatch {
        run: usize,
        nonce: usize,
    },
    Fill {
        batch: usize,
        most: u32,
        bytes: u64,
    },
    Move(usize, BatchState),
    Send(usize, BatchState),
    Note {
        batch: usize,
        status: RemoteStatus,
        id: usize,
    },
    CancelBatch(usize, CancelReason),
    Disband {
        batch: usize,
        lane: Lane,
        keep: bool,
    },
    EndBatch(usize, Vec<(End, Lane)>),
}

/// A verb, how it goes wrong, and how long after the one before.
#[derive(Clone, Debug)]
pub struct Step {
    verb: Verb,
    fault: Option<Fault>,
    wait_ms: i64,
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fault = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Fault::NotDone)),
        1 => Just(Some(Fault::Unheard)),
    ];
    let wait_ms = prop_oneof![1..1_000_i64, 1_000..20_000_000_i64];
    let step = (verb(), fault, wait_ms).prop_map(|(verb, fault, wait_ms)| Step {
        verb,
        fault,
        wait_ms,
    });
    prop::collection::vec(step, 1..30)
}

fn verb() -> impl Strategy<Value = Verb> {
    prop_oneof![
        3 => loading(),
        20 => living(),
        6 => on_runs(),
        20 => on_batches(),
    ]
}

fn loading() -> impl Strategy<Value = Verb> {
    prop_oneof![
        1 => Just(Verb::Begin),
        2 => prop::collection::vec(1..=JOBS, 1..5).prop_map(Verb::Add),
        2 => Just(Verb::FinishLoad),
        1 => Just(Verb::FinishLoadOnce),
        1 => Just(Verb::Sweep),
    ]
}

fn run() -> impl Strategy<Value = usize> {
    prop_oneof![4 => Just(0_usize), 1 => Just(1_usize), 1 => Just(2_usize)]
}

fn lane() -> impl Strategy<Value = Lane> {
    select(vec![Lane::Live, Lane::Batch])
}

fn end() -> impl Strategy<Value = End> {
    select(ENDS.to_vec())
}

fn living() -> impl Strategy<Value = Verb> {
    let bytes = select(vec![150, 300, u64::MAX]);
    prop_oneof![
        2 => (run(), any::<bool>()).prop_map(|(run, clock_back)| Verb::Start { run, clock_back }),
        2 => run().prop_map(Verb::Marks),
        4 => prop::collection::vec(0..4_usize, 1..3).prop_map(Verb::Mark),
        6 => (run(), 0..MODELS.len(), 1..5_u32, bytes)
            .prop_map(|(run, model, most, bytes)| Verb::Claim { run, model, most, bytes }),
        6 => prop::collection::vec((0..4_usize, end(), lane()), 1..4).prop_map(Verb::Finish),
        2 => prop::collection::vec(0..4_usize, 1..3).prop_map(Verb::Release),
    ]
}

fn on_runs() -> impl Strategy<Value = Verb> {
    let filter = select(vec![
        RetryFilter::default(),
        RetryFilter {
            classes: vec![ErrorClass::InvalidRequest],
            ..RetryFilter::default()
        },
        RetryFilter {
            classes: vec![ErrorClass::Canceled, ErrorClass::Interrupted],
            custom_ids: vec!["id-1".to_owned(), "id-2".to_owned()],
        },
    ]);
    prop_oneof![
        1 => run().prop_map(Verb::Options),
        1 => (run(), 1..500_u64).prop_map(|(run, tokens)| Verb::Estimates(run, tokens)),
        1 => (run(), 0..3_i64).prop_map(|(run, ms)| Verb::Status(run, ms)),
        2 => (run(), any::<bool>()).prop_map(|(run, halted)| Verb::Leave { run, halted }),
        2 => run().prop_map(Verb::Cancel),
        3 => (run(), filter).prop_map(|(run, filter)| Verb::Retry(run, filter)),
    ]
}

fn on_batches() -> impl Strategy<Value = Verb> {
    let state = || select(BatchState::ALL.to_vec());
    let status = select(vec![
        RemoteStatus::InProgress,
        RemoteStatus::Canceling,
        RemoteStatus::Ended,
    ]);
    let reason = select(vec![CancelReason::User, CancelReason::Deadline]);
    let sent = select(vec![
        BatchState::Ready,
        BatchState::Sending,
        BatchState::Uncertain,
    ]);
    let bytes = select(vec![180, 400, 100_000]);
    let batch = || 0..4_usize;
    prop_oneof![
        4 => (run(), rule()).prop_map(|(run, rule)| Verb::Route(run, rule)),
        1 => (run(), unroute()).prop_map(|(run, which)| Verb::Unroute(run, which)),
        3 => (run(), batch()).prop_map(|(run, nonce)| Verb::BeginBatch { run, nonce }),
        5 => (batch(), 1..5_u32, bytes).prop_map(|(batch, most, bytes)| Verb::Fill { batch, most, bytes }),
        2 => (batch(), state()).prop_map(|(batch, to)| Verb::Move(batch, to)),
        4 => (batch(), sent).prop_map(|(batch, to)| Verb::Send(batch, to)),
        5 => (batch(), status, batch()).prop_map(|(batch, status, id)| Verb::Note { batch, status, id }),
        1 => (batch(), reason).prop_map(|(batch, reason)| Verb::CancelBatch(batch, reason)),
        2 => (batch(), lane(), any::<bool>())
            .prop_map(|(batch, lane, keep)| Verb::Disband { batch, lane, keep }),
        4 => (batch(), prop::collection::vec((end(), lane()), 1..4))
            .prop_map(|(batch, ends)| Verb::EndBatch(batch, ends)),
    ]
}

fn moment() -> impl Strategy<Value = Option<Timestamp>> {
    let ms = select(vec![None, Some(0), Some(100_000_000), Some(200_000_000)]);
    ms.prop_map(|ms| ms.map(at))
}

fn rule() -> impl Strategy<Value = RouteRule> {
    let parts = (prop::option::of(lane()), moment(), moment());
    parts.prop_map(|(lane, deadline, batch_from)| RouteRule {
        lane,
        deadline,
        batch_from: batch_from.unwrap_or(at(50_000_000)),
    })
}

fn unroute() -> impl Strategy<Value = Unroute> {
    (moment(), moment()).prop_map(|(before, deadline)| Unroute { before, deadline })
}

/// The reference and the store, side by side.
struct Pair<F: Fixture> {
    reference: Memory,
    fixture: F,
    store: Flaky<F::Store>,
    runs: [RunId; RUNS],
    now_ms: i64,
    /// What was given out, whatever has become of it since.
    claimed: Vec<(RunId, ClaimedJob)>,
}

/// Carries out the steps on a new store and on the reference, and compares after every one.
pub async fn compare<F: Fixture>(steps: Vec<Step>) {
    let mut pair = Pair::<F>::loaded().await;
    for step in steps {
        pair.now_ms += step.wait_ms;
        pair.carry_out(step).await;
    }
    let known = pair
        .runs
        .into_iter()
        .filter(|run| pair.reference.knows(*run));
    let known: Vec<_> = known.collect();
    for run in &known {
        pair.compare_run(*run, "at the end").await;
    }
    let contradictions = pair.fixture.contradictions(&known);
    assert!(contradictions.is_empty(), "{contradictions:#?}");
    assert_eq!(pair.reference.contradictions(), Vec::<String>::new());
}

impl<F: Fixture> Pair<F> {
    async fn loaded() -> Self {
        let fixture = F::open();
        let mut pair = Self {
            reference: Memory::default(),
            store: Flaky::new(fixture.store()),
            fixture,
            runs: [(); RUNS].map(|()| RunId::generate()),
            now_ms: 0,
            claimed: Vec::new(),
        };
        for (run, print) in pair.runs.into_iter().zip(0..) {
            let jobs = (1..=JOBS).map(mixed).collect();
            pair.call(Call::BeginLoad(new_run(run)), None).await;
            if usize::from(print) + 1 < RUNS {
                pair.call(Call::AddJobs(run, jobs), None).await;
                pair.call(Call::FinishLoad(run, [print; 32]), None).await;
            }
        }
        pair
    }

    async fn carry_out(&mut self, step: Step) {
        let Some((run, call)) = self.chosen(&step.verb).await else {
            return;
        };
        let told = format!("{step:?} as {call:?}");
        let fault = step.fault.filter(|_| !call.cannot_fail());
        let starts = matches!(call, Call::StartRun(..));
        let answer = self.call(call.clone(), fault).await;
        if starts {
            // What a start has mended, a second one leaves as it is.
            call.on(&self.store).await.unwrap();
        }
        if let Answer::Claimed(claimed) = answer {
            self.claimed
                .extend(claimed.jobs.into_iter().map(|job| (run, job)));
        }
        if self.reference.knows(run) {
            self.compare_run(run, &told).await;
        }
        let (ours, theirs) = (
            self.reference.runs().await,
            self.fixture.reader().runs().await,
        );
        assert_eq!(ours.unwrap(), theirs.unwrap(), "{told}");
        for print in 0..RUNS {
            let print = [u8::try_from(print).unwrap(); 32];
            let ours = self.reference.unfinished_run(&print).await.unwrap();
            let theirs = self.fixture.reader().unfinished_run(&print).await.unwrap();
            assert_eq!(ours, theirs, "{told}");
        }
    }

    /// Calls both. After an error the caller does as the engine does: it repeats the call, and what
    /// nobody heard of a claim is taken back by the next start.
    async fn call(&mut self, call: Call, fault: Option<Fault>) -> Answer {
        let expected = call.on(&self.reference).await.unwrap();
        let Some(fault) = fault else {
            let answer = call.on(&self.store).await.unwrap();
            assert_eq!(expected, answer, "{call:?}");
            return answer;
        };
        self.store.fail_once_after(0, fault);
        let heard = call.on(&self.store).await;
        self.store.repair();
        match (fault, heard) {
            (Fault::Unheard, Ok(refused)) => {
                assert_eq!((&refused, &expected), (&Answer::Refused, &Answer::Refused));
                refused
            }
            (_, Ok(answer)) => panic!("{call:?} worked: {answer:?}"),
            (Fault::NotDone | Fault::Panics, Err(_)) => {
                let answer = call.on(&self.store).await.unwrap();
                assert_eq!(expected, answer, "{call:?}, after an error");
                answer
            }
            (Fault::Unheard, Err(_)) => self.repeat(call).await,
        }
    }

    async fn repeat(&mut self, call: Call) -> Answer {
        if let Call::Claim(claim) = &call {
            let start = Call::StartRun(claim.run, claim.now, MAX_INTERRUPTIONS);
            let expected = start.on(&self.reference).await.unwrap();
            assert_eq!(start.on(&self.store).await.unwrap(), expected, "{call:?}");
        } else if call.may_be_repeated() {
            let answer = call.on(&self.store).await.unwrap();
            assert_ne!(answer, Answer::Refused, "{call:?}, repeated");
        }
        Answer::Nothing
    }

    async fn compare_run(&self, run: RunId, told: &str) {
        let (now, reference) = (at(self.now_ms), &self.reference);
        let ours = View::of(reference, reference, run, now).await;
        let theirs = View::of(&self.store.store, self.fixture.reader(), run, now).await;
        assert_eq!(ours, theirs, "{told}");
    }

    /// The call that a verb means now; none if there is nothing to choose from.
    async fn chosen(&self, verb: &Verb) -> Option<(RunId, Call)> {
        let third = self.runs[RUNS - 1];
        Some(match verb.clone() {
            Verb::Begin => (third, Call::BeginLoad(new_run(third))),
            Verb::Add(lines) => {
                let job = |line| match line {
                    // A second use of the id of another line.
                    JOBS => claude_run::model::NewJob {
                        custom_id: "id-1".to_owned(),
                        ..mixed(line)
                    },
                    line => mixed(line),
                };
                (
                    third,
                    Call::AddJobs(third, lines.into_iter().map(job).collect()),
                )
            }
            Verb::FinishLoad => (third, Call::FinishLoad(third, [9; 32])),
            // The content of the first run, which may have ended.
            Verb::FinishLoadOnce => (third, Call::FinishLoadOnce(third, [0; 32])),
            Verb::Sweep => (third, Call::SweepLoad(third)),
            verb => {
                let chosen = match self.of_run(verb)? {
                    Ok(chosen) => chosen,
                    Err(verb) => self.of_batch(verb).await?,
                };
                // Nobody knows of a run that is loading.
                return Some(chosen).filter(|(run, _)| self.reference.has_loaded(*run));
            }
        })
    }

    /// A verb on a run; another verb is given back.
    fn of_run(&self, verb: Verb) -> Option<Result<(RunId, Call), Verb>> {
        let (now, runs) = (at(self.now_ms), self.runs);
        let on = |run: usize, call: &dyn Fn(RunId) -> Call| Some(Ok((runs[run], call(runs[run]))));
        match verb {
            Verb::Start { run, clock_back } => {
                let now = at(self.now_ms - if clock_back { DAY_MS } else { 0 });
                on(run, &|run| Call::StartRun(run, now, MAX_INTERRUPTIONS))
            }
            Verb::Claim {
                run,
                model,
                most,
                bytes,
            } => on(run, &|run| {
                Call::Claim(Claim {
                    run,
                    model: MODELS[model].to_owned(),
                    max_jobs: most,
                    max_bytes: bytes,
                    new_first: most % 2 == 0,
                    now,
                })
            }),
            Verb::Finish(ends) => {
                let ends = ends.into_iter().map(|(n, end, lane)| (n, (end, lane)));
                let (run, chosen) = self.given_out(ends)?;
                let ends = chosen.iter();
                let ends = ends.map(|(job, (end, lane))| in_lane(*lane, finish(*end, job, now)));
                Some(Ok((run, Call::Finish(run, ends.collect()))))
            }
            Verb::Marks(run) => on(run, &Call::BeginMarks),
            Verb::Mark(chosen) => {
                let (run, chosen) = self.given_out(chosen.into_iter().map(|it| (it, ())))?;
                let attempts = chosen.iter().map(|(job, ())| job.attempt);
                Some(Ok((run, Call::MarkSent(attempts.collect()))))
            }
            Verb::Release(chosen) => {
                let (run, chosen) = self.given_out(chosen.into_iter().map(|it| (it, ())))?;
                let attempts = chosen.iter().map(|(job, ())| job.attempt);
                Some(Ok((run, Call::Release(run, attempts.collect()))))
            }
            Verb::Options(run) => on(run, &|run| {
                let options = DispatchOptions::from_iter([("rpm".to_owned(), self.now_ms.into())]);
                Call::KeepOptions(run, options)
            }),
            Verb::Estimates(run, tokens) => {
                on(run, &|run| Call::NoteEstimates(run, estimates(tokens)))
            }
            Verb::Status(run, ms) => on(run, &|run| Call::NoteStatus(run, status(ms, self.now_ms))),
            Verb::Leave { run, halted } => on(run, &|run| {
                let halt = halted.then(|| Halt::new(ErrorClass::Billing, "no credit", now));
                Call::LeaveRun(run, now, halt)
            }),
            Verb::Cancel(run) => on(run, &|run| Call::Cancel(run, now)),
            Verb::Retry(run, filter) => on(run, &|run| Call::Retry(run, filter.clone())),
            Verb::Route(run, rule) => on(run, &|run| Call::Route(run, rule)),
            Verb::Unroute(run, which) => on(run, &|run| Call::Unroute(run, which)),
            other => Some(Err(other)),
        }
    }

    /// The latest claims of the run that the first number chooses, each with what comes with it.
    fn given_out<T>(
        &self,
        chosen: impl Iterator<Item = (usize, T)>,
    ) -> Option<(RunId, Vec<(&ClaimedJob, T)>)> {
        let mut of_run = None;
        let mut jobs = Vec::new();
        for (back, with) in chosen {
            let index = self.claimed.len().checked_sub(back + 1)?;
            let (run, job) = &self.claimed[index];
            if *of_run.get_or_insert(*run) == *run {
                jobs.push((job, with));
            }
        }
        Some((of_run?, jobs))
    }

    async fn of_batch(&self, verb: Verb) -> Option<(RunId, Call)> {
        let now = at(self.now_ms);
        if let Verb::BeginBatch { run, nonce } = verb {
            let (run, nonce) = (self.runs[run], format!("n{nonce}"));
            return Some((run, Call::BeginBatch(NewBatch { run, nonce, now })));
        }
        let number = match &verb {
            Verb::Fill { batch, .. } | Verb::Note { batch, .. } | Verb::Disband { batch, .. } => {
                batch
            }
            Verb::Move(batch, _)
            | Verb::Send(batch, _)
            | Verb::CancelBatch(batch, _)
            | Verb::EndBatch(batch, _) => batch,
            other => unreachable!("{other:?} is of no batch"),
        };
        let (run, batch) = self.batch(*number).await?;
        let call = match verb {
            Verb::Fill { most, bytes, .. } => Call::FillBatch(Fill {
                batch,
                max_requests: most,
                max_bytes: bytes,
                now,
                only: None,
            }),
            Verb::Move(_, to) | Verb::Send(_, to) => Call::MoveBatch(batch, to, now),
            Verb::Note { status, id, .. } => {
                Call::NoteRemote(batch, remote(&format!("msgbatch_{id}"), status, now), now)
            }
            Verb::CancelBatch(_, reason) => Call::CancelBatch(batch, reason),
            Verb::Disband { lane, keep, .. } => Call::DisbandBatch(batch, lane, keep, now),
            Verb::EndBatch(_, ends) => {
                let missing = self.reference.missing_items(batch).await.unwrap();
                let items = self.reference.open_items(batch, missing).await.unwrap();
                let ends = items.iter().zip(ends);
                let ends =
                    ends.map(|(item, (end, lane))| in_lane(lane, finish(end, &item.job, now)));
                Call::Finish(run, ends.collect())
            }
            other => unreachable!("{other:?} is of no batch"),
        };
        Some((run, call))
    }

    /// The batch of that number, of whichever run that is there.
    async fn batch(&self, number: usize) -> Option<(RunId, BatchId)> {
        let mut all = Vec::new();
        for run in self
            .runs
            .into_iter()
            .filter(|run| self.reference.knows(*run))
        {
            let rows = BatchStore::batches(&self.reference, run).await.unwrap();
            all.extend(rows.into_iter().map(|row| (run, row.id)));
        }
        all.sort_by_key(|(_, id)| *id);
        all.get(number).copied()
    }
}

fn estimates(tokens: u64) -> Vec<EstimateSums> {
    let mut errors = EstimateErrors::default();
    errors.add(tokens, 100);
    let sums = |kind, model: &str| EstimateSums {
        model: model.to_owned(),
        kind,
        errors,
    };
    vec![
        sums(EstimateKind::Input, MODELS[0]),
        sums(EstimateKind::Output, MODELS[1]),
    ]
}

/// Now and then a change of the same moment.
fn status(ms: i64, now_ms: i64) -> StatusChange {
    StatusChange {
        at: at(ms),
        status: PageStatus {
            indicator: Indicator::Major,
            incident: Some(format!("since {now_ms}")),
            ..PageStatus::default()
        },
    }
}
