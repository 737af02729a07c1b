//! Answers that the store could not take: into the spool, and back into the store.

use super::*;
use crate::model::{Amended, Amendment};
use crate::store::Replayed;
use crate::store::sqlite::spool::Spool;
use crate::store::sqlite::spool_files;
use crate::store::sqlite::spool_format;
use crate::store::sqlite::spooled;

fn spool_of(bench: &Bench) -> PathBuf {
    bench.path.with_extension("db.spool")
}

/// A second handle of the bench's spool, as another process has it.
fn opened(bench: &Bench) -> Spool {
    Spool::beside(&bench.path, bench.store.spool.store, true)
}

/// One end of every kind.
fn ends(job: &ClaimedJob) -> Vec<Finish> {
    let as_next = |next| Finish {
        next,
        ..retry(job, at(9))
    };
    let refusal = ResultBody::Refusal {
        error: "{\"type\":\"error\"}".to_owned(),
        message: format!("{{\"text\":\"{}\"}}", "é\\u0000".repeat(900)),
    };
    let canceled = JobEnd {
        state: JobState::Canceled,
        result: ResultBody::Nothing,
    };
    let refused = JobEnd {
        state: JobState::Failed,
        result: refusal,
    };
    let amendment = Amendment {
        paused: vec!["{\"a\":1}".to_owned()],
        paused_cost_pico: -7,
        ..Amendment::none(MODEL)
    };
    let amended = Box::new(Amended {
        amendment,
        put_aside: Some("{}".to_owned()),
    });
    let mut odd = success(job);
    odd.record.cost.saved_by_cache = Pico(-1);
    odd.record.evidence.raw_error = Some("x".to_owned());
    let next = Next::Amend { at: at(3), amended };
    vec![
        odd,
        failure(job),
        retry(job, at(500)),
        as_next(Next::Requeue),
        as_next(Next::Hold),
        as_next(Next::EndPutAside),
        as_next(Next::End(canceled)),
        as_next(Next::End(refused)),
        as_next(next),
        Finish {
            lane: Lane::Batch,
            ..as_next(Next::Requeue)
        },
    ]
}

#[tokio::test]
async fn every_kind_of_end_comes_back_as_it_went_in() {
    let bench = Bench::with_jobs(1).await;
    let job = bench.claim(1, at(10)).await.jobs.remove(0);
    let spool = opened(&bench);
    let ends = ends(&job);
    assert_eq!(spool.append(bench.run, ends.clone()), []);
    let read = spool_files::read(&spool_of(&bench)).unwrap();
    assert_eq!(read.store, Some(bench.store.spool.store));
    assert_eq!(
        read.ends,
        ends.into_iter()
            .map(|end| (bench.run, end))
            .collect::<Vec<_>>()
    );
}

#[test]
fn the_spool_names_the_lane_of_a_batch_alone_so_that_older_processes_read_it() {
    let next = Next::Requeue;
    for (lane, is_named) in [(Lane::Live, false), (Lane::Batch, true)] {
        let record = record(
            AttemptId {
                job: crate::model::JobId(1),
                n: 1,
            },
            AttemptOutcome::Errored,
            None,
        );
        let end = Finish {
            record,
            next: next.clone(),
            lane,
            history: JobHistory::default(),
        };
        let written = serde_json::to_value(&end).unwrap();
        assert_eq!(written.get("lane").is_some(), is_named, "{lane}");
        assert_eq!(serde_json::from_value::<Finish>(written).unwrap(), end);
    }
}

#[tokio::test]
async fn what_was_put_aside_is_recorded_when_a_run_is_taken_up_next() {
    let bench = Bench::with_jobs(4).await;
    let jobs = bench.claim(4, at(10)).await.jobs;
    bench.store.reserve_spool(1).await.unwrap();
    bench.finish(success(&jobs[0])).await;
    // The first one is recorded, although its caller heard an error, say.
    let first = vec![success(&jobs[0]), success(&jobs[1])];
    assert_eq!(bench.store.spool(bench.run, first).await, []);
    assert_eq!(
        bench.store.spool(bench.run, vec![failure(&jobs[2])]).await,
        []
    );
    assert_eq!(spooled(&bench.path).unwrap(), 3);

    let recovered = bench.store.start_run(bench.run, at(50), 20).await.unwrap();
    let counts = JobCounts {
        total: 2,
        succeeded: 1,
        failed: 1,
        ..JobCounts::default()
    };
    let cost = Pico(7_000_000);
    let jobs = counts;
    assert_eq!(recovered.replayed, Replayed { jobs, cost });
    assert_eq!(recovered.interrupted, 1, "the one that nobody heard of");
    assert_eq!(spooled(&bench.path).unwrap(), 0);
    let runs = bench.reader().runs().await.unwrap();
    assert_eq!((runs[0].jobs.succeeded, runs[0].jobs.failed), (2, 1));
    assert_eq!(runs[0].cost, Pico(10_500_000));
    let again = bench.store.start_run(bench.run, at(60), 20).await.unwrap();
    assert_eq!(again.replayed, Replayed::default());
    assert!(bench.reader().verify(&[bench.run]).unwrap().holds());
}

/// A run that is taken up is told of its own jobs alone.
#[tokio::test]
async fn ends_of_another_run_are_recorded_and_not_counted_for_this_one() {
    let bench = Bench::with_jobs(2).await;
    let jobs = bench.claim(2, at(10)).await.jobs;
    let ends = jobs.iter().map(success).collect();
    assert_eq!(bench.store.spool(bench.run, ends).await, []);
    let other = RunId::generate();
    bench.store.begin_load(new_run(other)).await.unwrap();
    bench.store.add_jobs(other, vec![job(1)]).await.unwrap();
    bench.store.finish_load(other, [8; 32]).await.unwrap();
    let recovered = bench.store.start_run(other, at(20), 20).await.unwrap();
    assert_eq!(recovered.replayed, Replayed::default());
    let runs = bench.reader().runs().await.unwrap();
    let of_bench = runs.iter().find(|run| run.id == bench.run).unwrap();
    assert_eq!(of_bench.jobs.succeeded, 2);
}

/// What is in the spool stays there until it is recorded.
#[tokio::test]
async fn a_replay_that_the_store_refuses_can_be_done_again() {
    let bench = Bench::with_jobs(1).await;
    let job = bench.claim(1, at(10)).await.jobs.remove(0);
    let end = vec![success(&job)];
    assert_eq!(bench.store.spool(bench.run, end).await, []);
    let fails = bench.store.writer.call(|tx| {
        let (path, why) = (tx.path().to_path_buf(), "disk I/O error".to_owned());
        Err::<(), _>(StoreError::DiskFailed { path, why })
    });
    assert!(fails.await.is_err());
    assert!(bench.store.start_run(bench.run, at(20), 20).await.is_err());
    assert_eq!(spooled(&bench.path).unwrap(), 1);
    let anew = SqliteStore::open(&bench.path).unwrap();
    anew.start_run(bench.run, at(30), 20).await.unwrap();
    assert_eq!(bench.counts().await.succeeded, 1);
}

#[tokio::test]
async fn an_end_that_fits_nothing_is_left_out_and_spoils_no_other() {
    let bench = Bench::with_jobs(2).await;
    let jobs = bench.claim(2, at(10)).await.jobs;
    let mut never_started = success(&jobs[0]);
    never_started.record.attempt.n = 9;
    let ends = vec![never_started, success(&jobs[1])];
    assert_eq!(bench.store.spool(bench.run, ends).await, []);
    let of_another_store = vec![success(&jobs[0])];
    assert_eq!(
        bench.store.spool(RunId::generate(), of_another_store).await,
        []
    );
    let recovered = bench.store.start_run(bench.run, at(50), 20).await.unwrap();
    assert_eq!(
        (recovered.replayed.jobs.succeeded, recovered.interrupted),
        (1, 1)
    );
    assert_eq!(spooled(&bench.path).unwrap(), 0);
}

/// A spool with two records, and how long it was with one.
fn of_two(bench: &Bench, job: &ClaimedJob) -> (Vec<u8>, usize) {
    let append = || {
        let left = opened(bench).append(bench.run, vec![success(job)]);
        assert_eq!(left, []);
        std::fs::read(spool_of(bench)).unwrap()
    };
    let one = append().len();
    (append(), one)
}

#[tokio::test]
async fn a_record_that_was_broken_off_is_none_and_its_place_is_taken() {
    let bench = Bench::with_jobs(1).await;
    let job = bench.claim(1, at(10)).await.jobs.remove(0);
    let (two, one) = of_two(&bench, &job);
    for cut in 0..two.len() {
        std::fs::write(spool_of(&bench), &two[..cut]).unwrap();
        let read = spool_files::read(&spool_of(&bench)).unwrap();
        // Without the last four bytes, its end, it is all there.
        let whole = usize::from(cut >= one - 4) + usize::from(cut >= two.len() - 4);
        assert_eq!((read.ends.len(), read.damaged), (whole, 0), "cut at {cut}");
    }
    // The room behind it is still there.
    let mut cut = two[..two.len() - 9].to_vec();
    cut.resize(two.len() + 100, 0);
    std::fs::write(spool_of(&bench), cut).unwrap();
    let left = opened(&bench).append(bench.run, vec![success(&job); 2]);
    assert_eq!(left, []);
    assert_eq!(spooled(&bench.path).unwrap(), 3);
}

#[tokio::test]
async fn a_flipped_bit_costs_its_own_record_and_the_file_is_never_erased() {
    let bench = Bench::with_jobs(2).await;
    let jobs = bench.claim(2, at(10)).await.jobs;
    let ends: Vec<_> = jobs.iter().map(success).collect();
    assert_eq!(bench.store.spool(bench.run, ends).await, []);
    let whole = std::fs::read(spool_of(&bench)).unwrap();
    let damage = |at: usize| {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(spool_of(&bench), &damaged).unwrap();
        damaged
    };
    // The first eight bytes say what the file is; without them nothing is read, and nothing done.
    for at in 8..whole.len() {
        damage(at);
        let read = spool_files::read(&spool_of(&bench)).unwrap();
        let in_the_uuid = at < spool_format::BEGIN;
        let in_an_end = whole[at - at.min(3)..(at + 4).min(whole.len())]
            .windows(4)
            .any(|bytes| bytes == b"\xFFend");
        let expected = match (in_the_uuid, in_an_end) {
            (true, _) => (2, 1),
            (_, true) => (2, 0),
            _ => (1, 1),
        };
        assert_eq!((read.ends.len(), read.damaged), expected, "at {at}");
        assert_eq!(spooled(&bench.path).unwrap(), expected.0 as u64, "at {at}");
        let aside = crate::store::sqlite::aside(&bench.path).unwrap();
        assert_eq!(aside.damaged.len() as u64, expected.1, "at {at}");
    }
    let damaged = damage(whole.len() / 3);
    // Nothing is written over it while it is there.
    assert_eq!(opened(&bench).append(bench.run, vec![]), []);
    let recovered = bench.store.start_run(bench.run, at(50), 20).await.unwrap();
    assert_eq!(
        (recovered.replayed.jobs.succeeded, recovered.interrupted),
        (1, 1)
    );
    let aside = crate::store::sqlite::aside(&bench.path).unwrap();
    assert_eq!((aside.spooled.len(), aside.damaged.len()), (0, 1));
    assert_eq!(std::fs::read(&aside.damaged[0]).unwrap(), damaged);
    let again = bench.store.start_run(bench.run, at(60), 20).await.unwrap();
    assert_eq!(again.replayed, Replayed::default());
}

/// No marks, no ends, no checksum of the uuid; in version 1 no uuid either.
#[tokio::test]
async fn a_spool_of_an_older_version_is_recorded() {
    for has_uuid in [false, true] {
        older_spool_is_recorded(has_uuid).await;
    }
}

async fn older_spool_is_recorded(has_uuid: bool) {
    let bench = Bench::with_jobs(1).await;
    let job = bench.claim(1, at(10)).await.jobs.remove(0);
    let json = serde_json::to_string(&(bench.run, success(&job))).unwrap();
    let payload = crate::store::sqlite::blob::pack(&json);
    let mut old = b"CLRSPL1\n".to_vec();
    if has_uuid {
        old = b"CLRSPL2\n".to_vec();
        old.extend(bench.store.spool.store);
    }
    old.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
    old.extend(&blake3::hash(&payload).as_bytes()[..16]);
    old.extend(payload);
    old.extend([0; 64]);
    std::fs::write(spool_of(&bench), &old).unwrap();
    let recovered = bench.store.start_run(bench.run, at(50), 20).await.unwrap();
    assert_eq!(recovered.replayed.jobs.succeeded, 1);
    assert!(!spool_of(&bench).exists());
    *old.last_mut().unwrap() = 1;
    std::fs::write(spool_of(&bench), &old).unwrap();
    assert_eq!(spool_files::read(&spool_of(&bench)).unwrap().damaged, 1);
}

#[tokio::test]
async fn a_spool_of_another_version_is_refused_and_kept() {
    let bench = Bench::with_jobs(1).await;
    std::fs::write(spool_of(&bench), "CLRSPL9\nanything").unwrap();
    let refused = bench.store.start_run(bench.run, at(50), 20).await;
    assert!(
        matches!(refused, Err(StoreError::Spool { .. })),
        "{refused:?}"
    );
    assert!(spool_of(&bench).exists());
}

#[cfg(unix)]
#[tokio::test]
async fn the_room_of_the_spool_is_really_there_private_and_given_back() {
    use std::os::unix::fs::MetadataExt;
    let bench = Bench::with_jobs(1).await;
    let job = bench.claim(1, at(10)).await.jobs.remove(0);
    for (slots, bytes) in [(1, 1 << 20), (100, 6_553_600), (5_000, 16 << 20)] {
        bench.store.reserve_spool(slots).await.unwrap();
        let found = std::fs::metadata(spool_of(&bench)).unwrap();
        assert!(
            found.len() >= bytes && found.blocks() * 512 >= bytes,
            "{found:?}"
        );
        assert_eq!(found.mode() & 0o777, 0o600);
    }
    bench.store.release_spool().await;
    assert!(!spool_of(&bench).exists());

    bench.store.reserve_spool(1).await.unwrap();
    bench.store.spool(bench.run, vec![success(&job)]).await;
    bench.store.release_spool().await;
    assert_eq!(spooled(&bench.path).unwrap(), 1, "what is in it stays");
}

/// The store would not take it, and the spool was away when the run went on.
#[tokio::test]
async fn an_answer_that_comes_late_becomes_the_next_attempt_of_its_job() {
    let bench = Bench::with_jobs(2).await;
    let jobs = bench.claim(2, at(10)).await.jobs;
    let late = success(&jobs[0]);
    assert_eq!(bench.store.spool(bench.run, vec![late.clone()]).await, []);
    let away = bench.path.with_extension("away");
    std::fs::rename(spool_of(&bench), &away).unwrap();
    let store = SqliteStore::open(&bench.path).unwrap();
    let recovered = store.start_run(bench.run, at(50), 20).await.unwrap();
    assert_eq!(recovered.interrupted, 2);
    std::fs::rename(&away, spool_of(&bench)).unwrap();

    let recovered = store.start_run(bench.run, at(60), 20).await.unwrap();
    assert_eq!(recovered.replayed.jobs.succeeded, 1);
    assert_eq!(spooled(&bench.path).unwrap(), 0);
    let ledger = bench.reader().attempts(bench.run, None, 0).await.unwrap();
    let of_first: Vec<_> = ledger.iter().filter(|row| row.line == 1).collect();
    assert_eq!(of_first.len(), 2, "interrupted, and the answer that came");
    assert_eq!(of_first[1].outcome, Some(AttemptOutcome::Succeeded));
    assert!(bench.reader().verify(&[bench.run]).unwrap().holds());
    // Again, as after a crash in between: nothing changes.
    assert_eq!(bench.store.spool(bench.run, vec![late]).await, []);
    let again = store.start_run(bench.run, at(70), 20).await.unwrap();
    assert_eq!(again.replayed, Replayed::default());
    assert!(!bench.path.with_extension("db.kept.jsonl").exists());
}

fn kept_lines(bench: &Bench) -> usize {
    let path = bench.path.with_extension("db.kept.jsonl");
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[tokio::test]
async fn what_has_no_place_in_the_store_is_kept_and_never_erased() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::with_jobs(3).await;
    let jobs = bench.claim(3, at(10)).await.jobs;
    let (first, other) = (success(&jobs[0]), RunId::generate());
    bench.finish(first.clone()).await;
    bench.finish(failure(&jobs[2])).await;
    let mut another_answer = first.clone();
    another_answer.record.evidence.request_id = Some("req_2".to_owned());
    for (run, end) in [
        (bench.run, first),
        (bench.run, another_answer),
        (other, success(&jobs[1])),
        (bench.run, success(&jobs[2])),
    ] {
        assert_eq!(bench.store.spool(run, vec![end]).await, []);
    }
    bench.store.start_run(bench.run, at(50), 20).await.unwrap();
    assert_eq!(spooled(&bench.path).unwrap(), 0);
    assert_eq!(bench.counts().await.failed, 1);
    assert_eq!(kept_lines(&bench), 3, "all but the one that is recorded");
    let aside = crate::store::sqlite::aside(&bench.path).unwrap();
    let (file, answers) = aside.kept.unwrap();
    assert_eq!(answers, 3);
    let mode = std::fs::metadata(file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// As a text that is too long would be, or a number.
fn refuse_message_of_line(bench: &Bench, line: u64) {
    let connection = rusqlite::Connection::open(&bench.path).unwrap();
    let trigger = format!(
        "CREATE TRIGGER refuse BEFORE INSERT ON results
         WHEN NEW.message_blob IS NOT NULL AND NEW.job_id & 0xFFFFFFFFFF = {line}
         BEGIN SELECT RAISE(ABORT, 'not this one'); END"
    );
    connection.execute_batch(&trigger).unwrap();
}

#[tokio::test]
async fn a_finish_that_is_refused_fails_alone_and_its_answer_is_kept() {
    let bench = Bench::with_jobs(3).await;
    let jobs = bench.claim(3, at(10)).await.jobs;
    refuse_message_of_line(&bench, 2);
    let ends: Vec<_> = jobs.iter().map(success).collect();
    let lesser = bench.store.finish(bench.run, ends.clone()).await.unwrap();
    assert_eq!(lesser.len(), 1);
    assert_eq!(lesser[0].record.attempt, jobs[1].attempt);
    assert_eq!(lesser[0].record.error_class, Some(ErrorClass::BadResponse));
    assert_eq!(lesser[0].record.cost, ends[1].record.cost, "it was paid");
    let counts = bench.counts().await;
    assert_eq!(
        (counts.succeeded, counts.failed, counts.in_flight),
        (2, 1, 0)
    );
    assert_eq!(kept_lines(&bench), 1);
    // Told twice, kept once; and never put back while it is kept.
    assert_eq!(bench.store.finish(bench.run, ends).await.unwrap(), []);
    let all = RetryFilter::default();
    let put_back = bench.store.retry(bench.run, all.clone(), 0).await.unwrap();
    assert_eq!((put_back, kept_lines(&bench)), ((0, None), 1));
    std::fs::remove_file(bench.path.with_extension("db.kept.jsonl")).unwrap();
    let put_back = bench.store.retry(bench.run, all, 0).await.unwrap();
    assert_eq!(put_back, (1, None));
}

/// It has its place before the store says that it has none, so a crash between loses nothing.
#[tokio::test]
async fn an_answer_that_cannot_be_kept_is_not_recorded_as_refused() {
    let bench = Bench::with_jobs(1).await;
    let job = bench.claim(1, at(10)).await.jobs.remove(0);
    refuse_message_of_line(&bench, 1);
    std::fs::create_dir(bench.path.with_extension("db.kept.jsonl")).unwrap();
    let finish = bench.store.finish(bench.run, vec![success(&job)]).await;
    assert!(finish.is_err(), "{finish:?}");
    let counts = bench.counts().await;
    assert_eq!((counts.failed, counts.in_flight), (0, 1));
}

#[tokio::test]
async fn a_kept_line_that_a_crash_cut_off_spoils_no_other() {
    let bench = Bench::with_jobs(1).await;
    let job = bench.claim(1, at(10)).await.jobs.remove(0);
    refuse_message_of_line(&bench, 1);
    std::fs::write(bench.path.with_extension("db.kept.jsonl"), "{\"run_id\":").unwrap();
    bench.finish(success(&job)).await;
    assert_eq!(kept_lines(&bench), 2);
    let all = RetryFilter::default();
    let put_back = bench.store.retry(bench.run, all, 0).await.unwrap();
    assert_eq!(put_back, (0, None), "its answer is kept");
}

#[tokio::test]
async fn a_spooled_answer_that_is_refused_is_kept_and_not_bought_again() {
    let bench = Bench::with_jobs(2).await;
    let jobs = bench.claim(2, at(10)).await.jobs;
    refuse_message_of_line(&bench, 1);
    let ends = jobs.iter().map(success).collect();
    assert_eq!(bench.store.spool(bench.run, ends).await, []);
    for start in [50, 60] {
        bench
            .store
            .start_run(bench.run, at(start), 20)
            .await
            .unwrap();
        let counts = bench.counts().await;
        assert_eq!((counts.succeeded, counts.failed, counts.pending), (1, 1, 0));
        assert_eq!(kept_lines(&bench), 1);
        assert_eq!(bench.claim(2, at(start)).await.jobs, []);
    }
}

#[tokio::test]
async fn numbers_that_no_store_holds_cost_no_answer() {
    let bench = Bench::with_jobs(1).await;
    let job = bench.claim(1, at(10)).await.jobs.remove(0);
    let mut monstrous = success(&job);
    monstrous.record.cost.total = Pico(i128::MAX);
    monstrous.record.usage.tokens.input = u64::MAX;
    monstrous.record.usage.web_searches = u64::MAX;
    bench.finish(monstrous).await;
    assert_eq!(bench.counts().await.succeeded, 1);
    assert_eq!(kept_lines(&bench), 0);
    assert!(bench.reader().verify(&[bench.run]).unwrap().holds());
    bench.reader().attempt_groups(bench.run).await.unwrap();
}
