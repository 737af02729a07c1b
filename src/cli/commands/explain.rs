//! `claude-run explain`: what an error means and what to do.

use std::io::{self, Read};

use super::endpoint::retry_settings;
use crate::cli::args::ExplainArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Out;
use crate::explain::{closest_word, explain as explained, explained_text, recognise};
use crate::model::printable;

/// An error with its log around it is a few kB; more is the wrong file.
const MAX_BYTES: u64 = 1 << 20;

/// Explains what was typed, or what standard input holds.
pub fn explain(ctx: &Context, args: &ExplainArgs) -> Result<Exit, Failure> {
    let text = match args.what.as_slice() {
        [dash] if dash == "-" => read(io::stdin().lock())?,
        words => words.join(" "),
    };
    run(ctx, &text, args.json, Out::stdout())
}

fn run(ctx: &Context, text: &str, json: bool, mut out: Out) -> Result<Exit, Failure> {
    let found = recognise(text).ok_or_else(|| unknown(text))?;
    let explained = explained(&found, &retry_settings(&ctx.settings, false)?);
    if json {
        out.json(&explained)?;
    } else {
        // Wherever it goes: what was pasted may hold the colours of the terminal that it came from.
        out.line(printable(explained_text(&explained).trim_end()))?;
    }
    out.finish()?;
    Ok(Exit::Success)
}

/// Bytes that are no UTF-8 are replaced: a terminal's log may hold some.
fn read(input: impl Read) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = input.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| {
        Failure::internal("standard input could not be read", "try again")
            .because(error.to_string())
    })?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Failure::usage(
            "standard input has more than 1 MB",
            "give the error alone, not the whole log",
        ));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn unknown(text: &str) -> Failure {
    if text.trim().is_empty() {
        return Failure::usage(
            "there is nothing to explain",
            "give an error, such as `claude-run explain 529`",
        );
    }
    let failure = Failure::usage(
        "this is no error that claude-run knows",
        "give a class, an HTTP status, an error type, or the whole error as it was printed",
    );
    match closest_word(text) {
        Some(word) => failure.because(format!("the nearest class is `{word}`")),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::testing::Captured;
    use crate::cli::settings::tests::Given;

    fn printed(given: &Given<'_>, text: &str, json: bool) -> Result<String, Failure> {
        let captured = Captured::default();
        let out = Out::to(Box::new(captured.clone()));
        run(&given.context(), text, json, out)?;
        Ok(captured.text())
    }

    const PLAIN: Given<'_> = Given {
        line: "explain x",
        file: "",
        env: &[],
    };

    #[test]
    fn a_status_is_explained_with_the_waits_in_force() {
        insta::assert_snapshot!(printed(&PLAIN, "529", false).unwrap(), @r"
        Read as: HTTP status 529

        overloaded
          meaning       The API has no capacity left for this model just now; it is not your limit.
          known by      529, or `overloaded_error` inside another error, or without a status (inside a stream or a batch result).
          usual causes  Many people use this model at this hour. Capacity is per model, so another model may work.
          claude-run    The job is tried again after 1s to 8s while most others of its model succeed, else after about 10s, 30s, 1m, 2m, then 5m each time; a `retry-after` of the server goes first. It fails after 8 such attempts in all. With `--fallback-model` the next model is asked after two of these in a row. Not billed, as far as is known.
          you           Nothing: claude-run tries again. If it lasts, run at another hour or use another model.
        ");
        let given = Given {
            file: "[retry]\nscale = 2.0\nmax_attempts = 3\n[retry.overloaded]\nwaits = [\"1s\", \"40s\"]\n",
            ..PLAIN
        };
        let text = printed(&given, "529", false).unwrap();
        assert!(
            text.contains("after about 2s, then 80s each time"),
            "{text}"
        );
        assert!(text.contains("after 3 such attempts"), "{text}");
    }

    #[test]
    fn json_is_one_object() {
        let text = printed(&PLAIN, "timeout", true).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["classes"][0]["class"], "timeout");
        assert_eq!(
            value["classes"][0]["waits_ms"],
            serde_json::json!([5000, 15000, 30000, 60000])
        );
        assert_eq!(value["classes"][0]["billed"], "maybe");
    }

    #[test]
    fn an_unknown_text_is_a_fault_of_the_command_line() {
        for (text, why) in [
            ("how are you", None),
            ("", None),
            ("overlaoded", Some("the nearest class is `overloaded`")),
        ] {
            let failure = printed(&PLAIN, text, false).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{text}");
            assert_eq!(failure.why.as_deref(), why, "{text}");
        }
    }

    #[test]
    fn standard_input_is_bounded() {
        let long = vec![b'x'; usize::try_from(MAX_BYTES).unwrap() + 1];
        assert_eq!(read(&long[1..]).unwrap().len(), long.len() - 1);
        assert_eq!(read(&long[..]).unwrap_err().exit, Exit::Usage);
        assert_eq!(read(&b"a\xffb"[..]).unwrap(), "a\u{fffd}b");
    }
}
