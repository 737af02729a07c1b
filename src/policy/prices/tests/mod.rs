//! Sums worked out by hand, the rules of the embedded table, and the reading of tables.

mod sums;
mod tables;

use jiff::Timestamp;

use crate::model::{Tokens, Usage};

fn at(day: &str) -> Timestamp {
    format!("{day}T12:00:00Z").parse().unwrap()
}

/// A day on which every embedded price holds.
fn today() -> Timestamp {
    at("2026-11-22")
}

fn tokens(input: u64, output: u64) -> Tokens {
    Tokens {
        input,
        output,
        ..Tokens::default()
    }
}

fn using(tokens: Tokens) -> Usage {
    Usage {
        tokens,
        ..Usage::default()
    }
}
