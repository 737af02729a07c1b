//! The guide's page of the input lists what is looked for before a request is sent.

use std::fmt::Write as _;
use std::fs;

use claude_run::policy::Rule;

use crate::generated::{assert_generated, in_repository};

const PAGE: &str = "docs/guide/input.md";
const BEGIN: &str = "<!-- rules: ";
const END: &str = "<!-- end of rules -->";

fn table() -> String {
    let mut table = "\n| rule | what is wrong |\n|---|---|\n".to_owned();
    for rule in Rule::ALL {
        let told = if rule.is_refused() {
            ""
        } else {
            " (told, never an error)"
        };
        writeln!(table, "| `{}` | {}{told} |", rule.name(), rule.summary()).unwrap();
    }
    table + "\n"
}

#[test]
fn the_page_of_the_input_lists_every_rule() {
    let page = fs::read_to_string(in_repository(PAGE)).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (mark, rest) = rest.split_once('\n').unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}{mark}\n{}{END}{after}", table());
    assert_generated(PAGE, &expected);
}
