//! A price table: `checks::price_table` says what the input is and what must hold.

#![no_main]

#[path = "../checks.rs"]
#[allow(dead_code, reason = "every target takes its own of the checks")]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::price_table(data));
