//! What a kill leaves: claims that were sent, and claims that were not. The ledger calls as many
//! possibly billed as the server saw, and where nothing tells them apart, all of them.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use claude_run::simulator::SimulatorSettings;

use super::bench::Bench;
use super::ledger::{AttemptSet, Ledger};
use super::process::Process;

/// Jobs that are answered at once, and jobs of which the first request is never answered.
const QUICK: u64 = 60;
const HANGING: u64 = 90;
const SLOTS: u32 = 32;
const MAYBE_BILLED: &str =
    "SELECT count(*) FROM attempts WHERE outcome = 'interrupted' AND maybe_billed = 1";

fn bench() -> Bench {
    let bench = Bench::new(SimulatorSettings::default());
    bench.write_prompts(QUICK + HANGING, |n| match n {
        1..=QUICK => "tell me a number".to_owned(),
        _ => "[[sim: hang, ok]]".to_owned(),
    });
    bench
}

fn marks(bench: &Bench) -> PathBuf {
    bench.path("store.db.sent")
}

fn maybe_billed(bench: &Bench) -> u64 {
    u64::try_from(Ledger::open(&bench.store()).number(MAYBE_BILLED)).unwrap()
}

/// Starts a process and kills it when so many jobs have ended, so many requests have come in all, and
/// more is claimed than that. Returns what it left open.
fn kill_at(bench: &Bench, command: Command, ended: u64, requests: u64, ahead: bool) -> AttemptSet {
    let mut process = Process::start(command);
    process.must_live_until("all slots are taken", || {
        bench.requests() == requests
            && bench.counts().succeeded == ended
            && (!ahead || bench.open_attempts().len() > SLOTS as usize)
    });
    // Others who work on the store change nothing of it.
    Process::start(bench.go_on(SLOTS))
        .end()
        .must_exit_with(&[4]);
    assert_eq!(bench.json(&["verify", "--json"])["ok"], true);
    process.kill();
    bench.open_attempts()
}

#[test]
fn after_kills_as_many_attempts_may_be_billed_as_the_server_saw() {
    let bench = bench();
    let slots = u64::from(SLOTS);
    let (mut lost, mut ended) = (0, QUICK);
    for sent in [slots, slots, HANGING - 2 * slots] {
        let ahead = sent == slots && lost < slots;
        let requests = ended + lost + sent;
        let open = kill_at(&bench, bench.go_on(SLOTS), ended, requests, ahead);
        assert!(open.len() as u64 >= sent, "{open:?}");
        assert_eq!(maybe_billed(&bench), lost, "of the kills before");
        // The next process asks again for what was lost, and then for more.
        (lost, ended) = (lost + sent, ended + sent);
    }
    Process::start(bench.go_on(SLOTS)).end().must_succeed();
    assert_eq!(bench.requests(), QUICK + 2 * HANGING);
    let report = bench.json(&["report", "--format", "json"]);
    assert_eq!(report["jobs"]["succeeded"], QUICK + HANGING);
    assert_eq!(report["attempts"]["maybe_billed"], HANGING);
    assert_eq!(report["attempts"]["total"], bench.requests());
    assert_eq!(bench.json(&["verify", "--json"])["ok"], true);
    assert!(!marks(&bench).exists(), "they are removed with the end");
}

/// A run that was killed with every slot taken and more claimed.
fn killed(failpoints: Option<&str>) -> (Bench, AttemptSet) {
    let bench = bench();
    let mut command = bench.go_on(SLOTS);
    if let Some(failpoints) = failpoints {
        command.env("FAILPOINTS", failpoints);
    }
    let requests = QUICK + u64::from(SLOTS);
    let open = kill_at(&bench, command, QUICK, requests, true);
    (bench, open)
}

/// What the next process makes of it: it writes all of that in one step.
fn found_by_the_next(bench: &Bench) -> u64 {
    let mut process = Process::start(bench.go_on(SLOTS));
    process.must_live_until("the run is taken up", || maybe_billed(bench) > 0);
    let found = maybe_billed(bench);
    process.kill();
    found
}

/// In place of the file a copy of it, which is another file.
fn replace_by_copy(path: &Path) {
    let copy = path.with_extension("copy");
    fs::copy(path, &copy).unwrap();
    fs::rename(&copy, path).unwrap();
}

/// What befalls the files between the kill and the next process.
type Mishap = fn(&Bench);

#[test]
fn marks_that_cannot_be_trusted_leave_the_cautious_count() {
    let mishaps: [(&str, Mishap); 6] = [
        ("deleted", |bench| fs::remove_file(marks(bench)).unwrap()),
        ("emptied", |bench| fs::write(marks(bench), "").unwrap()),
        ("half", |bench| {
            let file = fs::File::options().write(true).open(marks(bench)).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        }),
        ("damaged", |bench| {
            let file = fs::File::options().write(true).open(marks(bench)).unwrap();
            file.write_all_at(&[0xFF], 70).unwrap();
        }),
        ("a copy", |bench| replace_by_copy(&marks(bench))),
        ("beside a copy of the store", |bench| {
            replace_by_copy(&bench.store());
        }),
    ];
    for (how, spoil) in mishaps {
        let (bench, open) = killed(None);
        let mode = fs::metadata(marks(&bench)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        spoil(&bench);
        assert_eq!(found_by_the_next(&bench), open.len() as u64, "{how}");
    }
    // The same story without such a mishap.
    let (bench, open) = killed(None);
    assert!(open.len() > SLOTS as usize);
    assert_eq!(found_by_the_next(&bench), u64::from(SLOTS));
}

#[test]
fn a_mark_that_cannot_be_written_stops_no_job_and_leaves_the_cautious_count() {
    let (bench, open) = killed(Some("mark-sent=40*off->return"));
    assert!(!marks(&bench).exists());
    assert_eq!(found_by_the_next(&bench), open.len() as u64);

    let bench = Bench::new(SimulatorSettings::default());
    bench.write_jobs(20);
    // Not even the file can be made.
    fs::create_dir(marks(&bench)).unwrap();
    let ended = Process::start(bench.go_on(SLOTS)).end();
    ended.must_succeed();
    let warned = "store.db.sent cannot be written";
    assert!(ended.said.contains(warned), "{}", ended.said);
    assert_eq!((bench.counts().succeeded, bench.requests()), (20, 20));
}
