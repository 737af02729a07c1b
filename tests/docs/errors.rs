//! `docs/reference/errors.md` says what the table of error classes says.

use std::fmt::Write as _;

use claude_run::explain::{Billed, handling};
use claude_run::model::duration::format_duration;
use claude_run::model::{Budget, ErrorClass, Treatment};
use claude_run::policy::RetrySettings;

use crate::generated::assert_generated;

const HEAD: &str = "\
# Errors

Generated from `src/model/error_class/table.rs`. To change it, change the table and run `UPDATE_DOCS=1 cargo test --test docs`.

Every failed attempt gets one of these classes. `claude-run explain WHAT` prints a row, and finds the row of a status, a body or an
exception; `claude-run attempts` shows the class of each attempt; `claude-run retry --class CLASS` takes one.

## How a class is found

First `details.error_code` and the words of the message, then the HTTP status, then `error.type`. An error inside a stream or a batch
result has no status, so there the type decides. An answer that is not JSON (HTML, text, empty) is classified by its status.

The error of Anthropic, Amazon Bedrock (`{\"message\"}`, `__type`, the header `x-amzn-errortype`), Google (`{\"error\":{\"status\"}}`, also in an array), Microsoft Foundry,
`FastAPI` (`{\"detail\"}`) and `OpenAI`'s kind of gateways is read alike. An error inside another one counts instead of it: JSON in a
message, what LiteLLM writes behind `...Exception - `, OpenRouter's `metadata.raw`, up to three levels deep. So an `overloaded_error` inside a 400 is tried
again, and an `invalid_request_error` inside a 500 is not.

Words that would halt the run or hold a model count only where an API says them: at the beginning of the message, under a status and a type that fit, and not
if the job's own request holds them.

## What happens

- **retry**: the job is tried again after the waits of its class. Each is drawn between half and one and a half times its value, the
  last one repeats, `--retry-scale` multiplies them all, and a `retry-after` of the server goes first.
- **counts**: whether the attempt counts towards `--max-attempts` (default 8). Limits never do.
- **requeue**: the job is sent again at once.
- **fail**: the job fails at once, the others go on. If the server says `x-should-retry: true`, it is treated as `server_error`.
- **mark**: the job succeeds, and its answer carries the class as `error_class`.
- **hold**: the jobs of that model are held; other models go on. **halt**: no request starts any more. Neither fails a job; exit code 4. One job is not enough: [what halts a run](../guide/retries-and-outages.md#what-halts-a-run).
- Until the endpoint has answered for the first time, no job fails for the network; after a minute the run halts as `unreachable`.
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    page += "\n## The classes\n\n| class | what happens | counts | may be billed | waits before retry 1, 2, 3, ... |\n|---|---|---|---|---|\n";
    let settings = RetrySettings::default();
    for class in ErrorClass::all() {
        let handling = handling(class, &settings);
        let waits: Vec<_> = handling.waits.into_iter().map(format_duration).collect();
        writeln!(
            page,
            "| [`{class}`](#{class}) | {} | {} | {} | {} |",
            treatment(class),
            counts(class),
            billed(handling.billed),
            waits.join(", "),
        )
        .unwrap();
    }
    for class in ErrorClass::all() {
        let info = class.info();
        let handling = handling(class, &settings);
        writeln!(page, "\n## {class}\n\n{}\n", info.meaning).unwrap();
        for (what, words) in [
            ("Known by", info.evidence),
            ("Usual causes", info.causes),
            ("claude-run", &handling.what_happens),
            ("Money", handling.billed.words()),
            ("You", info.remedy),
        ] {
            writeln!(page, "- {what}: {words}").unwrap();
        }
    }
    page
}

fn treatment(class: ErrorClass) -> &'static str {
    match class.treatment() {
        Treatment::Retry => "retry",
        Treatment::Requeue => "requeue",
        Treatment::Fail => "fail",
        Treatment::Mark => "mark",
        Treatment::HoldModel => "hold",
        Treatment::Halt => "halt",
    }
}

fn counts(class: ErrorClass) -> &'static str {
    match class.budget() {
        Budget::Faults => "yes",
        Budget::RateLimits => "no",
        Budget::Interruptions => "apart (20 in a row)",
        Budget::None => "",
    }
}

fn billed(billed: Billed) -> &'static str {
    match billed {
        Billed::No => "",
        Billed::ByUsage => "by its usage",
        Billed::Maybe => "yes",
    }
}

#[test]
fn the_page_of_errors_is_what_the_table_says() {
    assert_generated("docs/reference/errors.md", &page());
}

#[test]
fn the_page_s_counts_and_limits_are_the_defaults() {
    let settings = RetrySettings::default();
    assert_eq!((settings.max_attempts, settings.max_interruptions), (8, 20));
    assert!(HEAD.contains("default 8"));
}
