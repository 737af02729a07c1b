//! Marks of what was sent: their file, and what makes them void. What they are for stands in
//! `tests/conformance` and `tests/crash/sent.rs`.
#![cfg(target_os = "linux")]

use super::*;
use crate::store::sqlite::sent_format::{HEAD, MarkHead, SLOT, Whereabouts};

fn file_of(bench: &Bench) -> PathBuf {
    bench.path.with_extension("db.sent")
}

/// A bench whose dispatch keeps marks.
async fn marking(jobs: u64) -> Bench {
    let bench = Bench::with_jobs(jobs).await;
    bench.store.begin_marks(bench.run).await.unwrap();
    bench
}

impl Bench {
    async fn claim_and_mark(&self, jobs: u32) -> Vec<ClaimedJob> {
        let claimed = self.claim(jobs, at(1)).await.jobs;
        for job in &claimed {
            self.store.mark_sent(job.attempt);
        }
        claimed
    }

    /// What another process finds: interrupted attempts, and claims that were never sent.
    async fn taken_up(&self) -> (u64, u64) {
        let store = SqliteStore::open(&self.path).unwrap();
        let recovered = store.start_run(self.run, at(50), 20).await.unwrap();
        (recovered.interrupted, recovered.unsent)
    }
}

#[tokio::test]
async fn marks_outlive_their_process_and_tell_what_was_sent() {
    let bench = marking(5).await;
    bench.claim_and_mark(2).await;
    bench.claim(3, at(2)).await;
    assert_eq!(bench.taken_up().await, (2, 3));
    assert_eq!(bench.taken_up().await, (0, 0));
    assert_eq!(bench.counts().await.pending, 5);
}

#[tokio::test]
async fn the_file_grows_with_what_is_open_and_no_further() {
    let bench = marking(700).await;
    let length = || std::fs::metadata(file_of(&bench)).unwrap().len();
    assert_eq!(length(), 4096);
    for _ in 0..4 {
        let claimed = bench.claim_and_mark(120).await;
        let ends = claimed.iter().map(success).collect();
        bench.store.finish(bench.run, ends).await.unwrap();
        assert_eq!(length(), 4096, "slots are used again");
    }
    bench.claim_and_mark(130).await;
    assert_eq!(length(), 8192);
    bench.claim(20, at(3)).await;
    assert_eq!(bench.taken_up().await, (130, 20));
}

#[tokio::test]
async fn marks_of_another_boot_are_void() {
    let bench = marking(2).await;
    bench.claim_and_mark(1).await;
    bench.claim(1, at(2)).await;
    let path = file_of(&bench);
    let mut bytes = std::fs::read(&path).unwrap();
    let identity = |path: &Path| {
        use std::os::unix::fs::MetadataExt;
        let found = std::fs::metadata(path).unwrap();
        (found.dev(), found.ino())
    };
    let head = MarkHead {
        run: bench.run,
        dispatch: bytes[24..40].try_into().unwrap(),
        slots: 126,
    };
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let mut place = Whereabouts {
        store: bench.store.spool.store,
        boot: boot.trim().to_owned(),
        files: [identity(&bench.path), identity(&path)],
    };
    assert_eq!(bytes[..HEAD], head.bytes(&place), "as it was written");
    place.boot = "00000000-0000-0000-0000-000000000000".to_owned();
    bytes[..HEAD].copy_from_slice(&head.bytes(&place));
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(bench.taken_up().await, (2, 0));
}

/// Its file is made before anything can be claimed, and what an earlier one left there is not its own.
#[tokio::test]
async fn a_dispatch_whose_file_could_not_be_made_believes_no_older_one() {
    let bench = marking(2).await;
    let older = std::fs::read(file_of(&bench)).unwrap();
    assert_eq!(older.len(), HEAD + 126 * SLOT);
    bench.store.start_run(bench.run, at(1), 20).await.unwrap();
    std::fs::remove_file(file_of(&bench)).unwrap();
    std::fs::create_dir(file_of(&bench)).unwrap();
    bench.store.begin_marks(bench.run).await.unwrap();
    bench.claim(2, at(2)).await;
    std::fs::remove_dir(file_of(&bench)).unwrap();
    std::fs::write(file_of(&bench), older).unwrap();
    assert_eq!(bench.taken_up().await, (2, 0));
}

#[tokio::test]
async fn a_link_in_its_place_is_not_followed() {
    let bench = Bench::with_jobs(2).await;
    let elsewhere = bench.path.with_extension("precious");
    std::fs::write(&elsewhere, "precious").unwrap();
    std::os::unix::fs::symlink(&elsewhere, file_of(&bench)).unwrap();
    bench.store.begin_marks(bench.run).await.unwrap();
    bench.claim_and_mark(1).await;
    bench.claim(1, at(2)).await;
    assert_eq!(bench.taken_up().await, (1, 1));
    assert_eq!(std::fs::read(&elsewhere).unwrap(), b"precious");
}

#[tokio::test]
async fn the_file_is_private_and_goes_with_the_dispatch() {
    use std::os::unix::fs::PermissionsExt;
    let bench = marking(1).await;
    let mode = std::fs::metadata(file_of(&bench))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let claimed = bench.claim_and_mark(1).await;
    bench.store.leave_run(bench.run, at(2), None).await.unwrap();
    assert!(file_of(&bench).exists(), "one was sent and has no end");
    bench.store.begin_marks(bench.run).await.unwrap();
    bench.store.mark_sent(claimed[0].attempt);
    bench.finish(success(&claimed[0])).await;
    bench.store.leave_run(bench.run, at(3), None).await.unwrap();
    assert!(!file_of(&bench).exists());
}
