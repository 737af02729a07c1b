//! Disks that fill up or cannot be written: a clear error, nothing lost, and resume goes on once the
//! cause is gone.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Desk, jobs, plain_jobs};

/// A small file system of its own. It goes when it is dropped.
struct Disk(PathBuf);

impl Disk {
    /// None where the test may not mount: then it says that it is skipped.
    fn mount(desk: &Desk, size: &str) -> Option<Self> {
        let path = desk.path("disk");
        fs::create_dir(&path).unwrap();
        let options = format!("size={size},mode=0777");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&path)
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(path));
        }
        eprintln!("skipped: only root may mount a small disk");
        None
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let mut mount = Command::new("mount");
        let status = mount.args(["-o", &options]).arg(&self.0).status();
        assert!(status.unwrap().success());
    }

    /// Takes all the room there is left.
    fn fill(&self) {
        use std::io::Write;
        let mut file = fs::File::create(self.0.join("filler")).unwrap();
        for size in [65_536, 4_096, 1] {
            while file.write_all(&vec![1; size]).is_ok() {}
        }
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

const STORE: [&str; 2] = ["--store", "disk/store.db"];

/// Text that no compression makes small.
fn noise(bytes: usize, seed: u64) -> String {
    let mut rng = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| rng.alphanumeric())
        .take(bytes)
        .collect()
}

#[test]
fn a_disk_that_fills_during_a_load_stores_nothing_and_says_so() {
    let desk = Desk::new();
    let Some(mounted) = Disk::mount(&desk, "2m") else {
        return;
    };
    desk.write("jobs.jsonl", jobs((0..64).map(|n| noise(100_000, n))));
    let submit = [&["submit", "jobs.jsonl"], &STORE[..]].concat();
    desk.run(&submit)
        .expect(1)
        .clear_error()
        .says(&["disk", "full"]);
    let status = [&["status", "--json"], &STORE[..]].concat();
    desk.run(&status).expect(2).says(&["no run"]);
    assert_eq!(desk.simulator.stats().requests, 0);
    mounted.remount("size=64m");
    desk.run(&submit).expect(0);
    assert_eq!(desk.run(&status).expect(0).json_lines().len(), 1);
    assert_eq!(desk.simulator.stats().requests, 64);
}

#[test]
fn a_disk_that_fills_during_a_run_costs_no_answer() {
    let desk = Desk::new();
    let Some(mounted) = Disk::mount(&desk, "64m") else {
        return;
    };
    let prompts = (0..300).map(|n| format!("{n} [[sim: ok delay=20ms]]"));
    desk.write("jobs.jsonl", jobs(prompts));
    let submit = ["submit", "jobs.jsonl", "--concurrency", "4"];
    let mut process = desk.spawn(&[&submit[..], &STORE].concat());
    desk.wait_for_requests(40);
    mounted.fill();
    process.wait().expect(1).clear_error().says(&[
        "full",
        "kept in the spool",
        "claude-run resume",
    ]);
    let status = [&["status", "--json"], &STORE[..]].concat();
    let before = desk.run(&status).expect(0);
    let before = before.says(&["that the store could not take", "disk/store.db.spool"]);
    let before = before.json_lines().remove(0);
    assert!(before["jobs"]["succeeded"].as_u64().unwrap() > 0);
    assert_eq!(before["jobs"]["failed"], 0);
    let verify = [&["verify"], &STORE[..]].concat();
    desk.run(&verify).expect(0).says(&["disk/store.db.spool"]);
    let resume = [&["resume"], &STORE[..]].concat();
    desk.run(&resume).expect(1).clear_error().says(&["full"]);

    mounted.empty();
    desk.run(&resume)
        .expect(0)
        .says(&["were taken from the spool"]);
    let after = desk.run(&status).expect(0).json_lines().remove(0);
    assert_eq!(after["jobs"]["succeeded"], 300);
    let sent = desk.simulator.stats().requests;
    assert_eq!(sent, 300, "no answer was paid twice");
    assert!(!desk.path("disk/store.db.spool").exists());
}

#[test]
fn a_disk_without_any_room_is_a_clear_error() {
    let desk = Desk::new();
    let Some(mounted) = Disk::mount(&desk, "1m") else {
        return;
    };
    mounted.fill();
    desk.write("jobs.jsonl", plain_jobs(3));
    let submit = [&["submit", "jobs.jsonl"], &STORE[..]].concat();
    desk.run(&submit)
        .expect(1)
        .clear_error()
        .says(&["disk", "full"]);
    mounted.empty();
    desk.run(&submit).expect(0);
}

#[test]
fn a_store_in_a_read_only_place_can_be_read() {
    let desk = Desk::new();
    let Some(mounted) = Disk::mount(&desk, "8m") else {
        return;
    };
    desk.write("jobs.jsonl", plain_jobs(3));
    desk.run(&[&["submit", "jobs.jsonl"], &STORE[..]].concat())
        .expect(0);
    mounted.remount("ro");
    for args in [
        &["status"][..],
        &["status", "latest", "--json"],
        &["attempts"],
        &["report"],
        &["export", "-o", "-"],
        &["verify"],
        &["batches"],
    ] {
        let output = desk.run(&[args, &STORE[..]].concat()).expect(0);
        assert!(!output.stderr.contains("error"), "{output}");
    }
    let export = [&["export", "-o", "out.jsonl"], &STORE[..]].concat();
    desk.run(&export).expect(0);
    assert_eq!(desk.read("out.jsonl").lines().count(), 3);
    desk.run(&[&["retry"], &STORE[..]].concat())
        .expect(1)
        .clear_error()
        .says(&["cannot be written"]);
    mounted.remount("rw");
}

#[test]
fn a_read_only_disk_is_a_clear_error_and_resume_goes_on_later() {
    let desk = Desk::new();
    let Some(mounted) = Disk::mount(&desk, "8m") else {
        return;
    };
    desk.write("jobs.jsonl", plain_jobs(3));
    let submit = [&["submit", "jobs.jsonl", "--no-run"], &STORE[..]].concat();
    mounted.remount("ro");
    desk.run(&submit)
        .expect(1)
        .clear_error()
        .says(&["cannot be written", "disk/store.db"]);
    mounted.remount("rw");
    desk.run(&submit).expect(0);
    mounted.remount("ro");
    desk.run(&[&["resume"], &STORE[..]].concat())
        .expect(1)
        .clear_error()
        .says(&["cannot be written"]);
    assert_eq!(desk.simulator.stats().requests, 0);
    let export = [&["export", "-o", "disk/out.jsonl"], &STORE[..]].concat();
    desk.run(&export).expect(1).clear_error();
    mounted.remount("rw");
    desk.run(&[&["resume"], &STORE[..]].concat()).expect(0);
    assert_eq!(desk.simulator.stats().requests, 3);
}
