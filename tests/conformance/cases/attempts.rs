//! The life of a live attempt: claimed, ended once, given back, interrupted.

use claude_run::model::{
    AttemptId, AttemptOutcome, ErrorClass, JobId, JobState, Lane, Pico, RunId,
};
use claude_run::store::{BatchStore, MaybeBilled, Recovered, ResultBody, Store, StoreError};

use super::{Bench, Case, lines};
use crate::fixture::Fixture;
use crate::samples::{End, HAIKU, OPUS, at, finish, new_run, plain};

#[allow(clippy::too_many_lines, reason = "a table, one case after the other")]
pub fn cases<F: Fixture + 'static>() -> Vec<Case<F>> {
    vec![
        ("an amended job goes into no batch", |bench| {
            Box::pin(amended_stays_live(bench))
        }),
        (
            "retries that are due come first, then new jobs in input order",
            |bench| Box::pin(order_of_claims(bench)),
        ),
        (
            "nothing is claimed before its time, and the earliest time is told",
            |bench| Box::pin(not_before_its_time(bench)),
        ),
        ("new jobs go first where that is wanted", |bench| {
            Box::pin(new_jobs_first(bench))
        }),
        (
            "bodies are bounded, but one is given whatever its size",
            |bench| Box::pin(bounded_bytes(bench)),
        ),
        ("a claim records an attempt as started", |bench| {
            Box::pin(recorded_as_started(bench))
        }),
        ("an end is recorded once", |bench| {
            Box::pin(ended_once(bench))
        }),
        (
            "an end of what was never started is refused, with all that came with it",
            |bench| Box::pin(never_started(bench)),
        ),
        ("what is given back never was", |bench| {
            Box::pin(given_back(bench))
        }),
        ("a first attempt that was given back was none", |bench| {
            Box::pin(no_first_attempt(bench))
        }),
        (
            "a crash interrupts what is open, and the job goes again",
            |bench| Box::pin(interrupted(bench)),
        ),
        (
            "a crash interrupts what was sent, and gives back what was only claimed",
            |bench| Box::pin(told_apart(bench)),
        ),
        (
            "marks of another run tell of that one, and of nothing that came after them",
            |bench| Box::pin(marks_of_another_run(bench)),
        ),
        ("without marks everything open was sent", |bench| {
            Box::pin(no_marks(bench))
        }),
        (
            "an attempt does not end before it began, whatever the clock",
            |bench| Box::pin(clock_back(bench)),
        ),
        ("who is interrupted too often fails", |bench| {
            Box::pin(interrupted_too_often(bench))
        }),
        ("an end that comes after a crash is not heard", |bench| {
            Box::pin(heard_too_late(bench))
        }),
        (
            "an amended job asks differently, and of another model in its lane",
            |bench| Box::pin(amended(bench)),
        ),
        (
            "what was put aside becomes the result if nothing better came",
            |bench| Box::pin(put_aside(bench)),
        ),
        (
            "what was put aside of a turn that paused keeps its mark",
            |bench| Box::pin(parts_put_aside(bench)),
        ),
        (
            "a claim tells what was wrong with the answer before",
            |bench| Box::pin(bad_answer_before(bench)),
        ),
        ("nobody succeeds with what was not put aside", |bench| {
            Box::pin(nothing_was_put_aside(bench))
        }),
        (
            "what may have been billed is bounded by its request, also what a crash left open",
            |bench| Box::pin(bounds(bench)),
        ),
        ("the cost of a run is that of its attempts", |bench| {
            Box::pin(costs(bench))
        }),
    ]
}

async fn order_of_claims<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(5).await;
    let claimed = bench.claim(3, at(1)).await;
    assert_eq!(lines(&claimed), ["1", "2", "3"]);
    assert!(claimed.more, "two are left");
    for (job, wait_ms) in claimed.jobs.iter().zip([300, 200, 100]) {
        bench.end(End::Retry(wait_ms), job, at(10)).await;
    }
    let claimed = bench.claim(4, at(250)).await;
    assert_eq!(lines(&claimed), ["3", "2", "4", "5"]);
    assert_eq!(claimed.next_due, Some(at(310)));
    assert!(
        bench.claim(9, at(250)).await.jobs.is_empty(),
        "each is given once"
    );
}

/// Also what was held before this start: it does not go as the first again.
async fn new_jobs_first<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(4).await;
    let claimed = bench.claim(3, at(1)).await;
    for (job, end) in claimed
        .jobs
        .iter()
        .zip([End::Hold, End::Retry(2), End::Retry(1)])
    {
        bench.end(end, job, at(10)).await;
    }
    bench.start(at(20)).await;
    let claim = claude_run::store::Claim {
        run: bench.run,
        model: HAIKU.to_owned(),
        max_jobs: 9,
        max_bytes: u64::MAX,
        new_first: true,
        now: at(20),
    };
    let claimed = bench.store.claim(claim).await.unwrap();
    assert_eq!(lines(&claimed), ["4", "3", "2", "1"]);
}

async fn not_before_its_time<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    let job = bench.claim_one(at(1)).await;
    bench.end(End::Retry(100), &job, at(10)).await;
    let early = bench.claim(1, at(109)).await;
    assert_eq!(
        (early.jobs, early.next_due, early.more),
        (vec![], Some(at(110)), false)
    );
    let again = bench.claim_one(at(110)).await;
    assert_eq!(
        (again.attempt.n, again.previous_ended_at),
        (2, Some(at(10)))
    );
    assert_eq!(
        (again.history.counted, again.last_class),
        (1, Some(ErrorClass::Overloaded))
    );
}

async fn bounded_bytes<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(4).await;
    let body = plain(1).body.len() as u64;
    let first = bench.claim_bytes(4, 1, at(1)).await;
    assert_eq!((lines(&first), first.more), (vec!["1".to_owned()], true));
    let two = bench.claim_bytes(4, 2 * body, at(1)).await;
    assert_eq!((lines(&two).len(), two.more), (2, true));
    let last = bench.claim_bytes(4, 2 * body, at(1)).await;
    assert_eq!((lines(&last).len(), last.more), (1, false));
}

async fn recorded_as_started<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    let job = bench.claim_one(at(5)).await;
    let row = bench.ledger().await.remove(0);
    assert_eq!((row.attempt, row.started_at), (job.attempt, at(5)));
    assert_eq!((row.ended_at, row.outcome), (None, None));
    assert_eq!(bench.run().await.jobs.in_flight, 1);
}

async fn ended_once<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    let job = bench.claim_one(at(1)).await;
    bench.end(End::Success, &job, at(10)).await;
    let (before, results) = (bench.ledger().await, bench.results().await);
    for end in [End::Success, End::Failure, End::Retry(5)] {
        bench.end(end, &job, at(20)).await;
    }
    assert_eq!(
        (bench.ledger().await, bench.results().await),
        (before, results)
    );
    bench.sound();
}

async fn never_started<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(2).await;
    let job = bench.claim_one(at(1)).await;
    let mut stranger = job.clone();
    stranger.attempt = AttemptId {
        job: JobId(job.attempt.job.0 + 1),
        n: 1,
    };
    let both = vec![
        finish(End::Success, &job, at(10)),
        finish(End::Success, &stranger, at(10)),
    ];
    let refused = bench.store.finish(bench.run, both).await;
    assert!(
        matches!(refused, Err(StoreError::IllegalTransition(_))),
        "{refused:?}"
    );
    assert_eq!(bench.run().await.jobs.succeeded, 0);
    assert_eq!(bench.run().await.cost, Pico::ZERO);
}

async fn given_back<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(2).await;
    let claimed = bench.claim(2, at(1)).await;
    bench.end(End::Success, &claimed.jobs[1], at(2)).await;
    let attempts: Vec<_> = claimed.jobs.iter().map(|job| job.attempt).collect();
    for _ in 0..2 {
        bench
            .store
            .release(bench.run, attempts.clone())
            .await
            .unwrap();
    }
    let ledger = bench.ledger().await;
    assert_eq!(ledger.len(), 1, "what has ended stays: {ledger:?}");
    assert_eq!(bench.claim_one(at(3)).await.attempt.n, 1);
}

async fn no_first_attempt<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    let job = bench.claim_one(at(1)).await;
    bench
        .store
        .release(bench.run, vec![job.attempt])
        .await
        .unwrap();
    assert_eq!(bench.claim_one(at(9_000)).await.first_started_at, at(9_000));
}

async fn interrupted<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    bench.claim_one(at(1)).await;
    let recovered = bench.store.start_run(bench.run, at(50), 20).await.unwrap();
    let one = Recovered {
        interrupted: 1,
        ..Recovered::default()
    };
    assert_eq!(recovered, one);
    let again = bench.store.start_run(bench.run, at(51), 20).await.unwrap();
    assert_eq!(again, Recovered::default());
    let row = bench.ledger().await.remove(0);
    assert_eq!(row.outcome, Some(AttemptOutcome::Interrupted));
    assert_eq!((row.ended_at, row.maybe_billed), (Some(at(50)), true));
    let job = bench.claim_one(at(60)).await;
    assert_eq!((job.attempt.n, job.history.interruptions_in_row), (2, 1));
    assert_eq!(
        (job.first_started_at, job.last_class),
        (at(1), Some(ErrorClass::Interrupted))
    );
}

async fn told_apart<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(4).await;
    bench.store.begin_marks(bench.run).await.unwrap();
    let claimed = bench.claim(4, at(1)).await;
    let [ended, sent, answered, _unsent] = claimed.jobs.try_into().unwrap();
    for job in [&ended, &sent, &answered] {
        bench.store.mark_sent(job.attempt);
    }
    bench.end(End::Success, &ended, at(2)).await;
    let recovered = bench.store.start_run(bench.run, at(50), 20).await.unwrap();
    assert_eq!((recovered.interrupted, recovered.unsent), (2, 1));
    let outcomes: Vec<_> = bench.ledger().await.iter().map(|row| row.outcome).collect();
    let interrupted = Some(AttemptOutcome::Interrupted);
    let expected = [Some(AttemptOutcome::Succeeded), interrupted, interrupted];
    assert_eq!(outcomes, expected);
    // As if it had never been claimed, and it comes when it would have come.
    let again = bench.claim(4, at(60)).await.jobs;
    let tries: Vec<_> = again
        .iter()
        .map(|job| (job.attempt.n, job.history.interruptions_in_row))
        .collect();
    assert_eq!(tries, [(2, 1), (2, 1), (1, 0)]);
    assert_eq!(again[2].first_started_at, at(60));
    bench.sound();
}

async fn marks_of_another_run<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(3).await;
    bench.store.begin_marks(bench.run).await.unwrap();
    let claimed = bench.claim(2, at(1)).await;
    bench.store.mark_sent(claimed.jobs[0].attempt);
    let other = RunId::generate();
    bench.store.begin_load(new_run(other)).await.unwrap();
    let jobs = vec![plain(1)];
    bench.store.add_jobs(other, jobs).await.unwrap();
    bench.store.finish_load(other, [8; 32]).await.unwrap();
    let recovered = bench.store.start_run(other, at(20), 20).await.unwrap();
    assert_eq!(recovered, Recovered::default(), "it had nothing open");
    let open = bench.ledger().await;
    assert_eq!(open.len(), 1, "the other claim was given back");
    bench.store.begin_marks(other).await.unwrap();
    // Claimed by somebody who keeps no marks of this run.
    bench.claim_one(at(30)).await;
    let recovered = bench.store.start_run(bench.run, at(50), 20).await.unwrap();
    assert_eq!((recovered.interrupted, recovered.unsent), (2, 0));
    bench.sound();
}

async fn no_marks<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(2).await;
    bench.store.begin_marks(bench.run).await.unwrap();
    bench.start(at(1)).await;
    bench.claim(1, at(2)).await;
    let recovered = bench.store.start_run(bench.run, at(3), 20).await.unwrap();
    assert_eq!((recovered.interrupted, recovered.unsent), (1, 0));
    // Whoever leaves in order takes the marks along.
    bench.store.begin_marks(bench.run).await.unwrap();
    bench.store.leave_run(bench.run, at(4), None).await.unwrap();
    bench.claim(1, at(5)).await;
    let recovered = bench.store.start_run(bench.run, at(6), 20).await.unwrap();
    assert_eq!((recovered.interrupted, recovered.unsent), (1, 0));
    bench.sound();
}

async fn clock_back<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    bench.claim_one(at(90_000_000)).await;
    bench.start(at(1)).await;
    assert_eq!(bench.ledger().await[0].ended_at, Some(at(90_000_000)));
    let again = bench.claim_one(at(95_000_000)).await;
    bench.end(End::Success, &again, at(2)).await;
    assert_eq!(bench.ledger().await[1].ended_at, Some(at(95_000_000)));
    bench.sound();
}

async fn bounds<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(3).await;
    let claimed = bench.claim(3, at(1)).await;
    bench.end(End::MoreRoom, &claimed.jobs[0], at(2)).await;
    bench.end(End::Requeue, &claimed.jobs[1], at(2)).await;
    let amended = bench.claim_one(at(100)).await;
    let store = &bench.store;
    let open = store.without_bound(bench.run, None).await.unwrap();
    let ids: Vec<_> = open.iter().map(|attempt| attempt.attempt).collect();
    assert_eq!(ids, [amended.attempt, claimed.jobs[2].attempt]);
    assert_eq!(open[0].body, Some(amended.body.clone()), "as it was sent");
    let rest = store.without_bound(bench.run, Some(ids[0])).await.unwrap();
    assert_eq!(rest, open[1..]);
    let told = vec![(ids[0], Pico(40))];
    store.keep_bounds(bench.run, told.clone()).await.unwrap();
    store.keep_bounds(bench.run, told).await.unwrap();
    let before = bench.ledger().await;
    let of_an_answer = vec![(claimed.jobs[0].attempt, Pico(7))];
    store.keep_bounds(bench.run, of_an_answer).await.unwrap();
    assert_eq!(bench.ledger().await, before, "it is known what it cost");
    bench.start(at(200)).await;
    let sums = store.maybe_billed(bench.run).await.unwrap();
    let row = bench
        .ledger()
        .await
        .into_iter()
        .find(|row| row.attempt == claimed.jobs[1].attempt);
    let expected = MaybeBilled {
        attempts: 3,
        unbounded: 1,
        at_most: Pico(9_000_040),
        counted: row.unwrap().cost.total,
    };
    assert_eq!(sums, expected);
    let left = store.without_bound(bench.run, None).await.unwrap();
    assert_eq!(left, open[1..], "closed, and still without a bound");
    bench.sound();
}

async fn interrupted_too_often<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    for round in 1..=3 {
        bench.claim_one(at(round)).await;
        let recovered = bench
            .store
            .start_run(bench.run, at(round), 3)
            .await
            .unwrap();
        assert_eq!(recovered.failed, u64::from(round == 3));
    }
    let result = bench.results().await.remove(0);
    assert_eq!((result.state, result.attempts), (JobState::Failed, 3));
    assert_eq!(result.error_class, Some(ErrorClass::Interrupted));
    bench.sound();
}

async fn heard_too_late<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    let job = bench.claim_one(at(1)).await;
    bench.start(at(2)).await;
    bench.end(End::Success, &job, at(3)).await;
    assert_eq!(bench.run().await.jobs.pending, 1);
    assert_eq!(
        bench.ledger().await[0].outcome,
        Some(AttemptOutcome::Interrupted)
    );
}

async fn amended<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    let job = bench.claim_one(at(1)).await;
    bench.end(End::MoreRoom, &job, at(2)).await;
    let again = bench.claim_one(at(100)).await;
    assert!(
        again.body.as_str().contains(r#""max_tokens":18"#),
        "{}",
        again.body.as_str()
    );
    let end = End::OtherModel { puts_aside: false };
    bench.end(end, &again, at(101)).await;
    assert_eq!(bench.claim(1, at(200)).await.jobs, [], "no {HAIKU} is left");
    let claim = claude_run::store::Claim {
        run: bench.run,
        model: OPUS.to_owned(),
        max_jobs: 1,
        max_bytes: 1,
        new_first: false,
        now: at(200),
    };
    let other = bench.store.claim(claim).await.unwrap().jobs.remove(0);
    assert_eq!((other.model.as_str(), other.attempt.n), (OPUS, 3));
    assert!(other.body.as_str().contains(OPUS) && other.body.as_str().contains("18"));
    bench.sound();
}

async fn put_aside<F: Fixture>(bench: Bench<F>) {
    ends_with_what_was_put_aside(bench, ErrorClass::Truncated).await;
}

async fn parts_put_aside<F: Fixture>(bench: Bench<F>) {
    ends_with_what_was_put_aside(bench, ErrorClass::Paused).await;
}

async fn ends_with_what_was_put_aside<F: Fixture>(bench: Bench<F>, mark: ErrorClass) {
    bench.with_jobs(1).await;
    let job = bench.claim_one(at(1)).await;
    let mut first = finish(End::OtherModel { puts_aside: true }, &job, at(2));
    first.record.error_class = Some(mark);
    if let claude_run::store::Next::Amend { amended, .. } = &mut first.next {
        amended.amendment.model = None;
        amended.put_aside = Some(r#"{"cut":1}"#.to_owned());
    }
    bench.store.finish(bench.run, vec![first]).await.unwrap();
    let again = bench.claim_one(at(100)).await;
    bench.end(End::Truncated, &again, at(101)).await;
    let result = bench.results().await.remove(0);
    assert_eq!(
        result.result,
        ResultBody::Message(r#"{"cut":1}"#.to_owned())
    );
    assert_eq!(result.error_class, Some(mark));
    assert_eq!((result.state, result.attempts), (JobState::Succeeded, 2));
    bench.sound();
}

async fn bad_answer_before<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    let mut now = 1;
    for (class, told) in [
        (ErrorClass::BadResponse, true),
        (ErrorClass::StreamCut, true),
        (ErrorClass::Overloaded, false),
    ] {
        let job = bench.claim_one(at(now)).await;
        let mut end = finish(End::Retry(1), &job, at(now));
        end.record.error_class = Some(class);
        end.record.evidence.message = Some(format!("{class}!"));
        bench.store.finish(bench.run, vec![end]).await.unwrap();
        let again = bench.claim_one(at(now + 10)).await;
        let said = told.then(|| format!("{class}!"));
        assert_eq!(again.last_message, said, "{class}");
        bench.end(End::Retry(1), &again, at(now + 10)).await;
        now += 20;
    }
}

async fn nothing_was_put_aside<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    let job = bench.claim_one(at(1)).await;
    let end = vec![finish(End::Truncated, &job, at(2))];
    let refused = bench.store.finish(bench.run, end).await;
    assert!(
        matches!(refused, Err(StoreError::IllegalTransition(_))),
        "{refused:?}"
    );
    assert_eq!(bench.run().await.jobs.in_flight, 1);
    bench.sound();
}

async fn costs<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(3).await;
    for _ in 0..2 {
        let claimed = bench.claim(3, at(1)).await;
        for job in &claimed.jobs {
            bench.end(End::Retry(0), job, at(2)).await;
        }
    }
    let sum: Pico = bench.ledger().await.iter().map(|row| row.cost.total).sum();
    assert!(sum > Pico::ZERO);
    assert_eq!(bench.run().await.cost, sum);
}

async fn amended_stays_live<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    let job = bench.claim_one(at(1)).await;
    bench.end(End::MoreRoom, &job, at(2)).await;
    let again = bench.claim_one(at(100)).await;
    let mut ended = finish(End::Retry(1_000), &again, at(101));
    ended.lane = Lane::Batch;
    bench.store.finish(bench.run, vec![ended]).await.unwrap();
    let queue = bench.store.batch_queue(bench.run, at(102)).await.unwrap();
    assert_eq!((queue.due, queue.waiting), (0, 0));
    assert_eq!(bench.claim(1, at(1_101)).await.jobs.len(), 1);
    bench.sound();
}
