//! What a bug of claude-run's own looks like to its user: an error like every other, without a
//! credential in it, and exit code 1.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};

use super::environment::{self, Environment};
use super::exit::Exit;
use super::failure::Failure;
use crate::provider::Redactor;

/// Has every panic of this process told in our words from now on.
pub fn install(env: &Environment) {
    let redactor = redactor(env);
    set_hook(Box::new(move |info| {
        let mut text = format!("error: {}\n", told(message(info), &place(info), &redactor));
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            text.push_str(&redactor.redact(&trace.to_string()));
        }
        // Nobody is left to tell if this cannot be printed.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }));
}

/// Does the work; a panic in it, which the hook has told by then, is a fault of ours.
pub fn guarded(work: impl FnOnce() -> Exit) -> Exit {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Exit::Internal)
}

fn told(message: &str, place: &str, redactor: &Redactor) -> Failure {
    Failure::internal(
        format!("claude-run has run into a bug of its own, at {place}"),
        "what was recorded is safe and `claude-run resume` goes on with it; please report this message",
    )
    .because(redactor.redact(message))
}

fn message<'a>(info: &'a PanicHookInfo<'_>) -> &'a str {
    info.payload_as_str().unwrap_or("it said nothing")
}

fn place(info: &PanicHookInfo<'_>) -> String {
    info.location()
        .map_or_else(|| "an unknown place".to_owned(), ToString::to_string)
}

/// Knows every credential that the environment holds.
fn redactor(env: &Environment) -> Redactor {
    let text = |name| env.text(name).ok().flatten().unwrap_or_default();
    let headers = text(environment::CUSTOM_HEADERS).lines();
    let values = headers.filter_map(|line| line.split_once(':'));
    let secrets = [text(environment::API_KEY), text(environment::AUTH_TOKEN)];
    Redactor::new(
        secrets
            .into_iter()
            .chain(values.map(|(_, value)| value.trim())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_is_told_without_the_credentials_of_the_environment() {
        let env = Environment::from_lookup(|name| match name {
            environment::AUTH_TOKEN => Some("hidden-token".into()),
            environment::CUSTOM_HEADERS => Some("X-Gate: hidden-gate\nX-B: hidden-b".into()),
            _ => None,
        });
        let message = "no hidden-token, hidden-gate, hidden-b or sk-ant-api03-hidden here";
        let told = told(message, "src/a.rs:1:2", &redactor(&env));
        assert_eq!(told.exit, Exit::Internal);
        let told = told.to_string();
        assert!(
            told.contains("src/a.rs:1:2") && told.contains("no [redacted]"),
            "{told}"
        );
        assert!(!told.contains("hidden"), "{told}");
    }

    #[test]
    fn work_that_ends_well_keeps_its_exit() {
        assert_eq!(guarded(|| Exit::Halted), Exit::Halted);
    }
}
