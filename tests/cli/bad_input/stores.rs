//! Stores that are none.

use std::fs;

use rusqlite::Connection;

use super::Told;
use crate::harness::{Desk, plain_jobs};

#[test]
fn a_store_that_is_none_is_told() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(1));
    desk.write(
        "text.db",
        "a text that is longer than any header of a database ".repeat(30),
    );
    fs::create_dir(desk.path("folder")).unwrap();
    let other = Connection::open(desk.path("other.db")).unwrap();
    other.execute("CREATE TABLE t (x)", []).unwrap();
    let newer = ["submit", "jobs.jsonl", "--no-run", "--store", "newer.db"];
    desk.run(&newer).expect(0);
    let store = Connection::open(desk.path("newer.db")).unwrap();
    store.pragma_update(None, "user_version", 99).unwrap();
    drop(store);

    let mut told = Told::at(&desk);
    for name in [
        "text.db",
        "folder",
        "other.db",
        "newer.db",
        "/dev/null",
        "jobs.jsonl/a.db",
        "no. such: folder/a.db",
    ] {
        told.run(&desk, &["submit", "jobs.jsonl", "--store", name], 1);
    }
    for (name, code) in [
        ("text.db", 1),
        ("folder", 1),
        ("newer.db", 1),
        ("missing.db", 2),
    ] {
        told.run(&desk, &["status", "--store", name], code);
    }
    insta::assert_snapshot!(told.text());
}
