//! The guide's page of the simulator lists what the simulator can do.

use std::fmt::Write as _;
use std::fs;

use claude_run::simulator::Case;

use crate::generated::{assert_generated, in_repository};

const PAGE: &str = "docs/guide/simulator.md";
const BEGIN: &str = "<!-- cases: ";
const END: &str = "<!-- end of cases -->";

fn table() -> String {
    let mut table = "\n| case | what happens |\n|---|---|\n".to_owned();
    for case in Case::all() {
        writeln!(table, "| `{}` | {} |", case.name(), case.about()).unwrap();
    }
    table + "\n"
}

#[test]
fn the_page_of_the_simulator_lists_every_case() {
    let page = fs::read_to_string(in_repository(PAGE)).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (mark, rest) = rest.split_once('\n').unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}{mark}\n{}{END}{after}", table());
    assert_generated(PAGE, &expected);
}
