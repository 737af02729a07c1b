//! Whole runs: taken up, left, cancelled, retried by hand, and what is noted with them.

use claude_run::model::{
    DispatchOptions, ErrorClass, EstimateErrors, Halt, JobState, Lane, PageStatus, Pico, RunState,
};
use claude_run::store::{
    AttemptRow, CancelFilter, EstimateKind, EstimateSums, Reader, RetryFilter, StatusChange, Store,
};

use super::{Bench, Case, lines};
use crate::fixture::Fixture;
use crate::samples::{End, HAIKU, OPUS, at, finish, plain};

pub fn cases<F: Fixture + 'static>() -> Vec<Case<F>> {
    vec![
        (
            "a run that is left has ended, is halted, or is ready",
            |bench| Box::pin(left(bench)),
        ),
        (
            "a start shortens waits that a clock planned which has been set back since",
            |bench| Box::pin(clock_set_back(bench)),
        ),
        (
            "a wait whose end was moved keeps its length at every further start",
            |bench| Box::pin(clock_set_back_a_little(bench)),
        ),
        ("held jobs go again at the next start", |bench| {
            Box::pin(held(bench))
        }),
        (
            "a cancel ends what waits and leaves what is in flight",
            |bench| Box::pin(canceled(bench)),
        ),
        (
            "jobs are taken out and put back to the last one, however many they are",
            |bench| Box::pin(taken_out_and_put_back(bench)),
        ),
        (
            "a retry gives a fresh history, and the ledger stays",
            |bench| Box::pin(fresh_history(bench)),
        ),
        (
            "a cancelled job that is put back remembers its attempts, not its cancel",
            |bench| Box::pin(put_back_after_a_cancel(bench)),
        ),
        ("a retry takes an amendment back", |bench| {
            Box::pin(amendment_taken_back(bench))
        }),
        ("only the chosen jobs are put back", |bench| {
            Box::pin(chosen(bench))
        }),
        (
            "the snapshot tells what is left of each model, and of cancels",
            |bench| Box::pin(snapshot(bench)),
        ),
        ("options, estimates and the status page are kept", |bench| {
            Box::pin(noted(bench))
        }),
    ]
}

async fn left<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    let halt = Halt::own_budget("no credit", at(5));
    bench
        .store
        .leave_run(bench.run, at(5), Some(halt.clone()))
        .await
        .unwrap();
    let run = bench.run().await;
    assert_eq!(
        (run.state, run.halt),
        (RunState::Halted, Some(halt.clone()))
    );
    bench.start(at(6)).await;
    let run = bench.run().await;
    assert_eq!(
        (run.state, run.halt, run.started_at),
        (RunState::Running, None, Some(at(0)))
    );
    bench.store.leave_run(bench.run, at(7), None).await.unwrap();
    assert_eq!(bench.run().await.state, RunState::Ready);
    let job = bench.claim_one(at(8)).await;
    bench.end(End::Failure, &job, at(9)).await;
    bench
        .store
        .leave_run(bench.run, at(9), Some(halt))
        .await
        .unwrap();
    let run = bench.run().await;
    assert_eq!(
        (run.state, run.halt, run.ended_at),
        (RunState::Ended, None, Some(at(9)))
    );
    bench.sound();
}

async fn clock_set_back<F: Fixture>(bench: Bench<F>) {
    const DAY: i64 = 86_400_000;
    bench.with_jobs(3).await;
    let first = bench.claim_one(at(DAY)).await;
    bench.end(End::Retry(3_000), &first, at(DAY)).await;
    let second = bench.claim_one(at(DAY)).await;
    bench.end(End::Retry(9_000), &second, at(DAY)).await;
    // One waits to go into a batch.
    let third = bench.claim_one(at(DAY)).await;
    let mut for_batch = finish(End::Retry(5_000), &third, at(DAY));
    for_batch.lane = Lane::Batch;
    bench
        .store
        .finish(bench.run, vec![for_batch])
        .await
        .unwrap();
    bench.start(at(1_000)).await;
    let planned = |ledger: Vec<AttemptRow>| -> Vec<_> {
        ledger.into_iter().map(|row| row.next_try_at).collect()
    };
    let sooner = [4_000, 10_000, 6_000].map(|ms| Some(at(ms)));
    assert_eq!(planned(bench.ledger().await), sooner);
    // What is nearer than it was planned stays.
    bench.start(at(2_000)).await;
    assert_eq!(planned(bench.ledger().await), sooner);
    assert!(bench.claim(9, at(3_999)).await.jobs.is_empty());
    assert_eq!(bench.claim(9, at(4_000)).await.jobs.len(), 1);
    assert_eq!(bench.claim(9, at(10_000)).await.jobs.len(), 1);
}

/// A wait of an hour; the clock is set back by less than that.
async fn clock_set_back_a_little<F: Fixture>(bench: Bench<F>) {
    const HOUR: i64 = 3_600_000;
    bench.with_jobs(1).await;
    let job = bench.claim_one(at(HOUR)).await;
    bench.end(End::Retry(HOUR), &job, at(HOUR)).await;
    for (now, due) in [
        (HOUR / 2, 3 * HOUR / 2),
        (HOUR / 2, 3 * HOUR / 2),
        (HOUR / 4, 5 * HOUR / 4),
    ] {
        bench.start(at(now)).await;
        assert_eq!(bench.ledger().await[0].next_try_at, Some(at(due)));
    }
    assert!(bench.claim(1, at(5 * HOUR / 4 - 1)).await.jobs.is_empty());
    bench.claim_one(at(5 * HOUR / 4)).await;
}

async fn held<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    let job = bench.claim_one(at(1)).await;
    bench.end(End::Hold, &job, at(2)).await;
    assert_eq!(bench.claim(1, at(3)).await.jobs, []);
    assert_eq!(
        bench.store.snapshot(bench.run).await.unwrap().queues[0].held,
        1
    );
    bench.start(at(4)).await;
    assert_eq!(bench.claim_one(at(5)).await.attempt.n, 2);
}

async fn canceled<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(4).await;
    let claimed = bench.claim(3, at(1)).await;
    bench.end(End::Retry(1_000), &claimed.jobs[0], at(2)).await;
    bench.end(End::Hold, &claimed.jobs[1], at(2)).await;
    while bench.store.cancel(bench.run, at(3)).await.unwrap() {}
    let jobs = bench.run().await.jobs;
    assert_eq!((jobs.canceled, jobs.in_flight, jobs.pending), (3, 1, 0));
    assert!(
        bench
            .store
            .snapshot(bench.run)
            .await
            .unwrap()
            .cancel_requested
    );
    bench.sound();
}

async fn fresh_history<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    let job = bench.claim_one(at(1)).await;
    bench.end(End::Failure, &job, at(2)).await;
    bench.store.leave_run(bench.run, at(3), None).await.unwrap();
    let all = RetryFilter::default();
    assert_eq!(
        bench
            .store
            .retry(bench.run, all.clone(), 0)
            .await
            .unwrap()
            .0,
        1
    );
    assert_eq!(
        bench.store.retry(bench.run, all, 0).await.unwrap(),
        (0, None)
    );
    let run = bench.run().await;
    // That it had ended tells it from a run that was stopped before its end.
    assert_eq!((run.state, run.ended_at), (RunState::Ready, Some(at(3))));
    assert_eq!(
        (bench.results().await, bench.ledger().await.len()),
        (vec![], 1)
    );
    let again = bench.claim_one(at(9)).await;
    assert_eq!((again.attempt.n, again.first_started_at), (2, at(9)));
    assert_eq!(
        (again.history.counted, again.last_class),
        (0, Some(ErrorClass::InvalidRequest))
    );
    bench.sound();
}

async fn put_back_after_a_cancel<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(2).await;
    let job = bench.claim_one(at(1)).await;
    bench.end(End::Retry(10), &job, at(2)).await;
    while bench.store.cancel(bench.run, at(3)).await.unwrap() {}
    let put_back = bench
        .store
        .retry(bench.run, RetryFilter::default(), 0)
        .await;
    assert_eq!(put_back.unwrap().0, 2);
    let classes: Vec<_> = bench
        .claim(2, at(9))
        .await
        .jobs
        .iter()
        .map(|it| it.last_class)
        .collect();
    assert_eq!(classes, [Some(ErrorClass::Overloaded), None]);
    // It went before the time that was set for it before the cancel.
    bench.sound();
    assert!(
        !bench
            .store
            .snapshot(bench.run)
            .await
            .unwrap()
            .cancel_requested
    );
}

async fn amendment_taken_back<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    let job = bench.claim_one(at(1)).await;
    bench
        .end(End::OtherModel { puts_aside: true }, &job, at(2))
        .await;
    while bench.store.cancel(bench.run, at(3)).await.unwrap() {}
    bench
        .store
        .retry(bench.run, RetryFilter::default(), 0)
        .await
        .unwrap();
    let again = bench.claim_one(at(9)).await;
    assert_eq!((again.model.as_str(), again.amendment), (HAIKU, None));
    assert_eq!(again.body, plain(1).body);
    bench.sound();
}

async fn chosen<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(4).await;
    let claimed = bench.claim(4, at(1)).await;
    let ends = [End::Failure, End::Refusal, End::Failure, End::Success];
    for (job, end) in claimed.jobs.iter().zip(ends) {
        bench.end(end, job, at(2)).await;
    }
    let filter = RetryFilter {
        classes: vec![ErrorClass::InvalidRequest],
        custom_ids: vec!["id-2".to_owned(), "id-3".to_owned(), "id-4".to_owned()],
    };
    assert_eq!(bench.store.retry(bench.run, filter, 0).await.unwrap().0, 1);
    assert_eq!(lines(&bench.claim(4, at(9)).await), ["3"]);
    let states: Vec<_> = bench.results().await.iter().map(|row| row.state).collect();
    assert_eq!(
        states,
        [JobState::Failed, JobState::Failed, JobState::Succeeded]
    );
}

async fn snapshot<F: Fixture>(bench: Bench<F>) {
    let mut other = plain(3);
    OPUS.clone_into(&mut other.model);
    bench.loaded(vec![plain(1), plain(2), other]).await;
    let before = bench.store.snapshot(bench.run).await.unwrap();
    assert!(!before.cancel_requested && !before.answered);
    let job = bench.claim_one(at(1)).await;
    let lanes = bench.store.snapshot(bench.run).await.unwrap().queues;
    let told = |model: &str| {
        let lane = lanes.iter().find(|lane| lane.model == model).unwrap();
        (lane.queued, lane.in_flight, lane.held)
    };
    assert_eq!((told(HAIKU), told(OPUS)), ((1, 1, 0), (1, 0, 0)));
    bench.end(End::Retry(5), &job, at(2)).await;
    assert!(bench.store.snapshot(bench.run).await.unwrap().answered);
}

async fn noted<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    let options = DispatchOptions {
        budget_usd: Some(Pico(50)),
        ..DispatchOptions::from_iter([("rpm".to_owned(), 50.into())])
    };
    bench
        .store
        .keep_options(bench.run, options.clone())
        .await
        .unwrap();
    assert_eq!(bench.run().await.options, options);
    for name in ["night", "day"] {
        let named = bench.store.name_run(bench.run, name.to_owned());
        named.await.unwrap();
        assert_eq!(bench.run().await.name.as_deref(), Some(name));
    }

    let mut errors = EstimateErrors::default();
    errors.add(110, 100);
    let sums = |errors| EstimateSums {
        model: HAIKU.to_owned(),
        kind: EstimateKind::Output,
        errors,
    };
    for _ in 0..2 {
        bench
            .store
            .note_estimates(bench.run, vec![sums(errors)])
            .await
            .unwrap();
    }
    let mut twice = errors;
    twice.merge(&errors);
    assert_eq!(
        bench.reader().estimates(bench.run).await.unwrap(),
        [sums(twice)]
    );

    let change = |ms, incident: &str| StatusChange {
        at: at(ms),
        status: PageStatus {
            incident: Some(incident.to_owned()),
            ..PageStatus::default()
        },
    };
    for change in [change(9, "b"), change(1, "a"), change(9, "again")] {
        bench.store.note_status(bench.run, change).await.unwrap();
    }
    let kept = bench.reader().status_changes(bench.run).await.unwrap();
    assert_eq!(kept, [change(1, "a"), change(9, "b")]);
}

/// More jobs than any store changes in one call.
const MANY: u64 = 2_100;

async fn taken_out_and_put_back<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(MANY).await;
    let job = bench.claim_one(at(1)).await;
    let (mut canceled, mut in_flight, mut next) = (0, 0, Some(0));
    while let Some(after) = next {
        let filter = CancelFilter::default();
        let taken = bench.store.cancel_jobs(bench.run, filter, after, at(2));
        let taken = taken.await.unwrap();
        canceled += taken.canceled;
        in_flight += taken.in_flight;
        next = taken.next;
    }
    assert_eq!((canceled, in_flight), (MANY - 1, 1));
    bench.end(End::Success, &job, at(3)).await;
    let (mut put_back, mut next) = (0, Some(0));
    while let Some(after) = next {
        let retried = bench.store.retry(bench.run, RetryFilter::default(), after);
        let (jobs, more) = retried.await.unwrap();
        put_back += jobs;
        next = more;
    }
    assert_eq!(put_back, MANY - 1);
    bench.sound();
}
