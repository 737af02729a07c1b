//! What becomes of a job whose next attempt asks a little differently.

use super::*;
use crate::model::{Amended, Amendment};
use crate::store::QueueLoad;

const OTHER: &str = "claude-sonnet-5-5";
const TRUNCATED: &str = r#"{"id":"msg_1","stop_reason":"max_tokens"}"#;

fn to_other_model() -> Amendment {
    Amendment {
        model: Some(OTHER.to_owned()),
        fallbacks_used: 1,
        ..Amendment::none(MODEL)
    }
}

fn more_room() -> Amendment {
    Amendment {
        max_tokens: Some(200),
        raised: true,
        put_aside: Some(1),
        ..Amendment::none(MODEL)
    }
}

fn amended(job: &ClaimedJob, amendment: Amendment, put_aside: Option<&str>) -> Finish {
    let (outcome, class) = match put_aside {
        Some(_) => (AttemptOutcome::Succeeded, ErrorClass::Truncated),
        None => (AttemptOutcome::Errored, ErrorClass::Refused),
    };
    Finish {
        record: record(job.attempt, outcome, Some(class)),
        next: Next::Amend {
            at: at(500),
            amended: Box::new(Amended {
                amendment,
                put_aside: put_aside.map(str::to_owned),
            }),
        },
        lane: Lane::Live,
        history: job.history,
    }
}

impl Bench {
    /// A run of one job whose first attempt led to this.
    async fn amended(amendment: Amendment, put_aside: Option<&str>) -> Self {
        let bench = Self::with_jobs(1).await;
        let job = bench.claim(1, at(10)).await.jobs.remove(0);
        bench.finish(amended(&job, amendment, put_aside)).await;
        bench
    }

    async fn claim_of(&self, model: &str) -> Option<ClaimedJob> {
        let claim = Claim {
            run: self.run,
            model: model.to_owned(),
            max_jobs: 9,
            max_bytes: u64::MAX,
            new_first: false,
            now: at(600),
        };
        self.store.claim(claim).await.unwrap().jobs.pop()
    }

    async fn lanes(&self) -> Vec<(String, u64, u64)> {
        let lanes = self.store.snapshot(self.run).await.unwrap().queues;
        let open = lanes.into_iter().map(|lane| {
            let QueueLoad {
                model,
                queued,
                in_flight,
                ..
            } = lane;
            (model, queued, in_flight)
        });
        open.collect()
    }

    /// The only amendment as it is stored: what it asks, and what is put aside.
    fn kept(&self) -> Option<(bool, bool)> {
        let told = self.reader().verify(&[self.run]).unwrap();
        assert!(told.holds(), "{told:#?}");
        let connection = rusqlite::Connection::open(&self.path).unwrap();
        let row = connection.query_row(
            "SELECT amendment_blob IS NOT NULL, put_aside_blob IS NOT NULL FROM amendments",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        );
        row.ok()
    }
}

#[tokio::test]
async fn an_amended_job_waits_in_the_lane_of_its_next_model() {
    let bench = Bench::amended(to_other_model(), None).await;
    assert_eq!(
        bench.lanes().await,
        [(MODEL.to_owned(), 0, 0), (OTHER.to_owned(), 1, 0)]
    );
    assert_eq!(bench.claim_of(MODEL).await, None);
    let job = bench.claim_of(OTHER).await.unwrap();
    assert_eq!(job.model, OTHER);
    assert_eq!(
        job.body.as_str(),
        format!(r#"{{"model":"{OTHER}","line":1}}"#)
    );
    assert_eq!(job.amendment.as_deref(), Some(&to_other_model()));
    let attempts = bench.reader().attempts(bench.run, None, 0).await.unwrap();
    let models: Vec<_> = attempts.iter().map(|row| row.model.as_str()).collect();
    assert_eq!(models, [MODEL, OTHER]);
    assert_eq!(attempts[0].next_try_at, Some(at(500)));
}

#[tokio::test]
async fn an_amendment_that_is_recorded_twice_is_recorded_once() {
    let bench = Bench::with_jobs(1).await;
    let job = bench.claim(1, at(10)).await.jobs.remove(0);
    let finish = amended(&job, to_other_model(), None);
    bench.finish(finish.clone()).await;
    bench.finish(finish.clone()).await;
    let before = bench.lanes().await;
    // A late repetition, when the job is on its way again, changes nothing either.
    let again = bench.claim_of(OTHER).await.unwrap();
    bench.finish(finish).await;
    bench.finish(success(&again)).await;
    assert_eq!(before[1], (OTHER.to_owned(), 1, 0));
    assert_eq!(bench.counts().await.succeeded, 1);
}

#[tokio::test]
async fn an_amendment_survives_a_crash_and_a_release() {
    let bench = Bench::amended(to_other_model(), None).await;
    let job = bench.claim_of(OTHER).await.unwrap();
    bench
        .store
        .release(bench.run, vec![job.attempt])
        .await
        .unwrap();
    let released = bench.claim_of(OTHER).await.unwrap();
    assert_eq!(released.amendment, job.amendment);
    bench
        .store
        .start_run(bench.run, at(3_000), 20)
        .await
        .unwrap();
    let recovered = bench.claim_of(OTHER).await.unwrap();
    assert_eq!(
        (recovered.amendment, recovered.body),
        (job.amendment, job.body)
    );
}

#[tokio::test]
async fn retry_by_hand_asks_as_the_input_line_does_again() {
    let bench = Bench::amended(to_other_model(), None).await;
    let job = bench.claim_of(OTHER).await.unwrap();
    bench.finish(failure(&job)).await;
    assert_eq!(
        bench.kept(),
        Some((false, false)),
        "ended jobs keep nothing"
    );
    let filter = RetryFilter::default();
    assert_eq!(bench.store.retry(bench.run, filter, 0).await.unwrap().0, 1);
    assert_eq!(bench.kept(), None);
    assert_eq!(
        bench.lanes().await,
        [(MODEL.to_owned(), 1, 0), (OTHER.to_owned(), 0, 0)]
    );
    let job = bench.claim_of(MODEL).await.unwrap();
    assert_eq!(job.amendment, None);
    assert_eq!(
        job.body.as_str(),
        format!(r#"{{"model":"{MODEL}","line":1}}"#)
    );
}

#[tokio::test]
async fn what_is_put_aside_becomes_the_result_of_the_attempt_that_brought_it() {
    let bench = Bench::amended(more_room(), Some(TRUNCATED)).await;
    assert_eq!(bench.kept(), Some((true, true)));
    let job = bench.claim_of(MODEL).await.unwrap();
    let finish = Finish {
        next: Next::EndPutAside,
        ..failure(&job)
    };
    bench.finish(finish.clone()).await;
    bench.finish(finish).await;
    assert_eq!(bench.kept(), Some((false, false)));
    let results = bench.reader().results(bench.run, Only::All, 0).await;
    let result = results.unwrap().remove(0);
    assert_eq!(result.state, JobState::Succeeded);
    assert_eq!(result.error_class, Some(ErrorClass::Truncated));
    assert_eq!(result.result, ResultBody::Message(TRUNCATED.to_owned()));
    assert_eq!(result.attempts, 2);
    let groups = bench.reader().attempt_groups(bench.run).await.unwrap();
    for group in groups {
        let brought_it = group.error_class == Some(ErrorClass::Truncated);
        assert_eq!(group.is_result, brought_it, "{group:?}");
    }
}

#[tokio::test]
async fn the_parts_of_a_turn_are_marked_as_such_however_its_job_ends() {
    for interrupted in [false, true] {
        let bench = Bench::with_jobs(1).await;
        let job = bench.claim(1, at(10)).await.jobs.remove(0);
        let mut pause = amended(&job, more_room(), Some(TRUNCATED));
        pause.record.error_class = Some(ErrorClass::Paused);
        bench.finish(pause).await;
        let job = bench.claim_of(MODEL).await.unwrap();
        if interrupted {
            let recovered = bench.store.start_run(bench.run, at(3_000), 1).await;
            assert_eq!(recovered.unwrap().put_aside, 1);
        } else {
            let next = Next::EndPutAside;
            bench
                .finish(Finish {
                    next,
                    ..failure(&job)
                })
                .await;
        }
        let results = bench.reader().results(bench.run, Only::All, 0).await;
        let result = results.unwrap().remove(0);
        assert_eq!(result.error_class, Some(ErrorClass::Paused));
        assert_eq!(result.result, ResultBody::Message(TRUNCATED.to_owned()));
    }
}

#[tokio::test]
async fn a_later_amendment_keeps_what_was_put_aside() {
    let bench = Bench::amended(more_room(), Some(TRUNCATED)).await;
    let job = bench.claim_of(MODEL).await.unwrap();
    let both = Amendment {
        put_aside: Some(1),
        ..to_other_model()
    };
    bench.finish(amended(&job, both, None)).await;
    let job = bench.claim_of(OTHER).await.unwrap();
    let finish = Finish {
        next: Next::EndPutAside,
        ..failure(&job)
    };
    bench.finish(finish).await;
    let results = bench.reader().results(bench.run, Only::Succeeded, 0).await;
    let result = results.unwrap().remove(0);
    assert_eq!(result.result, ResultBody::Message(TRUNCATED.to_owned()));
}

#[tokio::test]
async fn a_better_answer_replaces_what_was_put_aside() {
    let bench = Bench::amended(more_room(), Some(TRUNCATED)).await;
    let job = bench.claim_of(MODEL).await.unwrap();
    bench.finish(success(&job)).await;
    assert_eq!(bench.kept(), Some((false, false)));
    let results = bench.reader().results(bench.run, Only::All, 0).await;
    let result = results.unwrap().remove(0);
    assert_eq!(result.error_class, None);
    assert_ne!(result.result, ResultBody::Message(TRUNCATED.to_owned()));
}

#[tokio::test]
async fn a_job_that_is_interrupted_too_often_ends_with_what_was_put_aside() {
    let bench = Bench::amended(more_room(), Some(TRUNCATED)).await;
    bench.claim_of(MODEL).await.unwrap();
    let recovered = bench.store.start_run(bench.run, at(3_000), 1).await;
    let recovered = recovered.unwrap();
    assert_eq!((recovered.failed, recovered.put_aside), (0, 1));
    assert_eq!(bench.kept(), Some((false, false)));
    let results = bench.reader().results(bench.run, Only::All, 0).await;
    let result = results.unwrap().remove(0);
    assert_eq!(result.error_class, Some(ErrorClass::Truncated));
    assert_eq!(result.result, ResultBody::Message(TRUNCATED.to_owned()));
}

#[tokio::test]
async fn a_cancelled_job_keeps_nothing() {
    let bench = Bench::amended(more_room(), Some(TRUNCATED)).await;
    assert!(!bench.store.cancel(bench.run, at(3_000)).await.unwrap());
    assert_eq!(bench.counts().await.canceled, 1);
    assert_eq!(bench.kept(), Some((false, false)));
}

#[tokio::test]
async fn an_amendment_that_does_not_fit_its_job_is_found() {
    for damage in [
        "UPDATE jobs SET amended = 0",
        "DELETE FROM amendments",
        "UPDATE amendments SET amendment_blob = NULL",
        "UPDATE jobs SET state = 6",
    ] {
        let bench = Bench::amended(more_room(), Some(TRUNCATED)).await;
        let connection = rusqlite::Connection::open(&bench.path).unwrap();
        connection.execute(damage, []).unwrap();
        let told = bench.reader().verify(&[bench.run]).unwrap();
        let broken = told.runs[0].1.iter().filter(|check| !check.holds());
        let names: Vec<_> = broken.map(|check| check.name).collect();
        assert!(names.contains(&"amendments"), "{damage}: {names:?}");
    }
}
