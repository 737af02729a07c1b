//! Loading: a run is invisible until it is whole.

use claude_run::model::{NewJob, RunId, RunState};
use claude_run::store::{DuplicateId, NewRun, Reader, Store, StoreError};

use super::{Bench, Case};
use crate::fixture::Fixture;
use crate::samples::{at, mixed, new_run, plain};

pub fn cases<F: Fixture + 'static>() -> Vec<Case<F>> {
    vec![
        (
            "a run that is still being loaded is not taken up",
            |bench| Box::pin(not_taken_up(bench)),
        ),
        ("a run is invisible until it is loaded", |bench| {
            Box::pin(invisible_until_loaded(bench))
        }),
        ("loading verbs may be repeated", |bench| {
            Box::pin(loading_twice(bench))
        }),
        ("a second use of an id is told with both lines", |bench| {
            Box::pin(second_use_of_an_id(bench))
        }),
        ("two runs may have the same ids", |bench| {
            Box::pin(same_ids_in_two_runs(bench))
        }),
        ("jobs are added to a loading run alone", |bench| {
            Box::pin(added_to_a_loading_run_alone(bench))
        }),
        ("a load is finished once, as one content", |bench| {
            Box::pin(finished_as_one_content(bench))
        }),
        (
            "of several loads of one content one becomes visible",
            |bench| Box::pin(once_of_several(bench)),
        ),
        (
            "a broken load is swept away, and a whole one never",
            |bench| Box::pin(swept_away(bench)),
        ),
        ("an unfinished run is found by its content", |bench| {
            Box::pin(found_by_content(bench))
        }),
        ("a line comes back as it was given", |bench| {
            Box::pin(as_it_was_given(bench))
        }),
    ]
}

async fn invisible_until_loaded<F: Fixture>(bench: Bench<F>) {
    bench.loading(vec![plain(1)]).await;
    assert_eq!(bench.reader().runs().await.unwrap(), []);
    assert_eq!(bench.reader().unfinished_run(&[7; 32]).await.unwrap(), None);
    bench.store.finish_load(bench.run, [7; 32]).await.unwrap();
    let run = bench.run().await;
    assert_eq!((run.state, run.jobs.pending), (RunState::Ready, 1));
}

async fn loading_twice<F: Fixture>(bench: Bench<F>) {
    for _ in 0..2 {
        bench.loading(vec![plain(1), plain(2)]).await;
    }
    for _ in 0..2 {
        bench.store.finish_load(bench.run, [7; 32]).await.unwrap();
    }
    assert_eq!(bench.run().await.jobs.total, 2);
}

async fn second_use_of_an_id<F: Fixture>(bench: Bench<F>) {
    bench.loading(vec![plain(1)]).await;
    let again = NewJob {
        custom_id: "id-1".to_owned(),
        ..plain(5)
    };
    let duplicates = bench.store.add_jobs(bench.run, vec![again, plain(6)]).await;
    let told = DuplicateId {
        line: 5,
        custom_id: "id-1".to_owned(),
        first_line: 1,
    };
    assert_eq!(duplicates.unwrap(), [told]);
    bench.store.finish_load(bench.run, [7; 32]).await.unwrap();
    assert_eq!(bench.run().await.jobs.total, 2);
}

async fn same_ids_in_two_runs<F: Fixture>(bench: Bench<F>) {
    bench.loading(vec![plain(1)]).await;
    let other = RunId::generate();
    bench.store.begin_load(new_run(other)).await.unwrap();
    let added = bench.store.add_jobs(other, vec![plain(1)]).await;
    assert_eq!(added.unwrap(), []);
}

async fn added_to_a_loading_run_alone<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    let late = bench.store.add_jobs(bench.run, vec![plain(2)]).await;
    assert!(
        matches!(late, Err(StoreError::IllegalTransition(_))),
        "{late:?}"
    );
    assert_eq!(bench.run().await.jobs.total, 1);
    let nowhere = bench
        .store
        .add_jobs(RunId::generate(), vec![plain(2)])
        .await;
    assert!(nowhere.is_err());
}

async fn finished_as_one_content<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    let other = bench.store.finish_load(bench.run, [8; 32]).await;
    assert!(
        matches!(other, Err(StoreError::IllegalTransition(_))),
        "{other:?}"
    );
}

async fn once_of_several<F: Fixture>(bench: Bench<F>) {
    let begin = async |created_at| {
        let id = RunId::generate();
        let run = NewRun {
            created_at,
            ..new_run(id)
        };
        bench.store.begin_load(run).await.unwrap();
        let added = bench.store.add_jobs(id, vec![plain(1)]).await;
        assert_eq!(added.unwrap(), []);
        id
    };
    let (one, two, three) = (begin(at(0)).await, begin(at(10)).await, begin(at(99)).await);
    let finish = async |run| bench.store.finish_load_once(run, [7; 32]).await.unwrap();
    for _ in 0..2 {
        assert_eq!(finish(one).await, None, "repeating it changes nothing");
    }
    assert_eq!(finish(two).await, Some(one));
    let runs = bench.reader().runs().await.unwrap();
    assert_eq!(runs.iter().map(|run| run.id).collect::<Vec<_>>(), [one]);

    while bench.store.cancel(one, at(20)).await.unwrap() {}
    bench.store.leave_run(one, at(50), None).await.unwrap();
    assert_eq!(finish(two).await, Some(one), "it has ended meanwhile");
    assert_eq!(finish(three).await, None, "it had ended before");
}

async fn swept_away<F: Fixture>(bench: Bench<F>) {
    bench.loading((1..=2_500).map(plain).collect()).await;
    let mut pages = 1;
    while bench.store.sweep_load(bench.run).await.unwrap() {
        pages += 1;
    }
    assert!(pages < 100, "{pages}");
    assert!(bench.store.snapshot(bench.run).await.is_err());
    let gone = bench.store.finish_load(bench.run, [7; 32]).await;
    assert!(gone.is_err(), "nothing is left of it");
    let whole = Bench {
        run: RunId::generate(),
        ..bench
    };
    whole.with_jobs(1).await;
    assert!(!whole.store.sweep_load(whole.run).await.unwrap());
    assert_eq!(whole.run().await.jobs.total, 1);
}

async fn found_by_content<F: Fixture>(bench: Bench<F>) {
    bench.with_jobs(1).await;
    let found = bench.reader().unfinished_run(&[7; 32]).await.unwrap();
    assert_eq!(found.map(|run| run.id), Some(bench.run));
    while bench.store.cancel(bench.run, at(1)).await.unwrap() {}
    bench.store.leave_run(bench.run, at(1), None).await.unwrap();
    assert_eq!(bench.reader().unfinished_run(&[7; 32]).await.unwrap(), None);
}

async fn as_it_was_given<F: Fixture>(bench: Bench<F>) {
    bench.loaded(vec![mixed(1), mixed(2)]).await;
    let claimed = bench.claim(2, at(1)).await;
    for (job, line) in claimed.jobs.iter().zip(1..) {
        let given = mixed(line);
        assert_eq!((&job.custom_id, &job.body), (&given.custom_id, &given.body));
        bench.end(crate::samples::End::Success, job, at(2)).await;
    }
    let metadata: Vec<_> = bench
        .results()
        .await
        .into_iter()
        .map(|row| row.metadata)
        .collect();
    assert_eq!(metadata, [None, mixed(2).metadata]);
}

async fn not_taken_up<F: Fixture>(bench: Bench<F>) {
    bench.loading(vec![plain(1)]).await;
    bench.start(at(1)).await;
    let added = bench.store.add_jobs(bench.run, vec![plain(2)]).await;
    assert_eq!(added.unwrap(), []);
    bench.store.finish_load(bench.run, [7; 32]).await.unwrap();
    bench.start(at(2)).await;
    assert_eq!(bench.claim(9, at(3)).await.jobs.len(), 2);
}
