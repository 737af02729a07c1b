//! What is said when the dispatcher has left a run: what came of it, and what to type next.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::message::halt_line;
use super::numbers::{dollars_or_unknown, short_duration};
use crate::model::thousands;
use crate::model::{ErrorClass, Halt, JobCounts, Pico, RunId, Treatment, plural};

/// Why the dispatcher left the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Every job has ended.
    Completed,
    /// No job could succeed.
    Halted(Halt),
    /// The user stopped it.
    Interrupted,
    /// What is left is in remote batches that nobody here waits for.
    LeftInBatches,
}

/// Everything the final summary says, as plain values; its `Display` is the summary, for standard
/// error, with a newline after each line.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    /// The run.
    pub run_id: RunId,
    /// The user's name for it.
    pub name: Option<String>,
    /// Its answers and costs are not real.
    pub simulated: bool,
    /// Why the dispatcher left it.
    pub reason: EndReason,
    /// How many jobs stand where.
    pub jobs: JobCounts,
    /// The classes of failed jobs and how many have each; they add up to the failed.
    pub classes: Vec<(ErrorClass, u64)>,
    /// What marks jobs that succeeded all the same (`truncated`), and how many.
    pub marked: Vec<(ErrorClass, u64)>,
    /// What the whole run has cost, earlier dispatches included.
    pub cost_total: Pico,
    /// Attempts with usage whose model has no known price.
    pub unknown_price: u64,
    /// Attempts that may have been billed without an answer that says so.
    pub maybe_billed: u64,
    /// The most that those may have cost together, if something bounds it.
    pub maybe_billed_at_most: Option<Pico>,
    /// Attempts that are counted at the most that their requests allow, as their answers told no
    /// usage that can be.
    pub at_most: u64,
    /// Attempts that are counted at the price of the model that was asked, as they were answered
    /// under a name without a known price.
    pub asked_model: u64,
    /// Money is shown with all its digits.
    pub all_digits: bool,
    /// How long this dispatch took.
    pub duration: Duration,
    /// Where the store is, as it is shown to the user.
    pub store_path: String,
    /// What must stand behind `--store` in the next commands; none if they find the store without.
    pub store_flag: Option<String>,
    /// How the next commands name the run; none if they find it without (the latest run).
    pub run_arg: Option<String>,
}

impl fmt::Display for RunSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_headline(f)?;
        self.write_jobs(f)?;
        self.write_classes(f)?;
        self.write_cost(f)?;
        self.write_next(f)
    }
}

impl RunSummary {
    fn write_headline(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run = match &self.name {
            Some(name) => format!("Run {} ({name})", self.run_id),
            None => format!("Run {}", self.run_id),
        };
        let took = short_duration(self.duration);
        match &self.reason {
            EndReason::Completed => writeln!(f, "{run} ended after {took}.")?,
            EndReason::Interrupted => writeln!(f, "{run} was interrupted after {took}.")?,
            EndReason::LeftInBatches => writeln!(
                f,
                "Run {}: its batches are created, and nobody waits for them here (--no-wait).",
                self.run_id
            )?,
            EndReason::Halted(halt) => {
                let info = halt.class.info();
                writeln!(f, "{run} was halted after {took}: {}", info.name)?;
                if halt.reason.explains_itself() {
                    writeln!(f, "  {}", halt.message)?;
                    return self.write_simulated(f);
                }
                writeln!(f, "  {}", info.meaning)?;
                writeln!(f, "  It said: {}", halt_line(&halt.message))?;
                writeln!(f, "  {}", halt.class.remedy_of_halt(&halt.message))?;
            }
        }
        self.write_simulated(f)
    }

    fn write_simulated(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.simulated {
            writeln!(
                f,
                "  SIMULATED: the answers and costs below are made up; nothing was sent to the Claude API."
            )?;
        }
        Ok(())
    }

    fn write_jobs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jobs = &self.jobs;
        let parts = [
            ("failed", jobs.failed),
            ("canceled", jobs.canceled),
            ("in a batch", jobs.in_batch),
            ("in flight", jobs.in_flight),
            ("left to do", jobs.pending),
        ];
        let mut line = format!("{} succeeded", thousands(jobs.succeeded));
        for (what, n) in parts.into_iter().filter(|(_, n)| *n > 0) {
            write!(line, ", {} {what}", thousands(n))?;
        }
        writeln!(f, "  {}: {line}", plural(jobs.total, "job"))
    }

    fn write_classes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (class, n) in self.classes.iter().filter(|(_, n)| *n > 0) {
            let info = class.info();
            writeln!(f, "    {} {}: {}", thousands(*n), info.name, info.meaning)?;
            writeln!(f, "      {}", remedy(*class))?;
        }
        for (class, n) in &self.marked {
            let info = class.info();
            let n = thousands(*n);
            writeln!(
                f,
                "    {n} of the succeeded {}: {}",
                info.name, info.meaning
            )?;
            writeln!(f, "      {}", remedy(*class))?;
        }
        Ok(())
    }

    fn write_cost(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made_up = if self.simulated { " (SIMULATED)" } else { "" };
        let cost = dollars_or_unknown(self.cost_total, self.unknown_price, self.all_digits);
        writeln!(f, "  cost: {cost}{made_up}")?;
        if self.at_most > 0 {
            writeln!(
                f,
                "    {} told no usage that can be priced: counted at the most that the request allows",
                plural(self.at_most, "answer")
            )?;
        }
        if self.asked_model > 0 {
            writeln!(
                f,
                "    {} under a name without a known price: counted at the price of the model that was asked",
                plural(self.asked_model, "answer")
            )?;
        }
        if self.unknown_price > 0 {
            writeln!(
                f,
                "    not counted: {} at models without a known price; give it with `[prices] file`",
                plural(self.unknown_price, "attempt")
            )?;
        }
        if self.maybe_billed > 0 {
            writeln!(
                f,
                "    not counted: {} that may have been billed although no answer came{}",
                plural(self.maybe_billed, "attempt"),
                self.maybe_billed_at_most
                    .map_or(String::new(), |most| format!(
                        ", at most ${}",
                        most.shown(self.all_digits)
                    ))
            )?;
        }
        Ok(())
    }

    fn write_next(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ended = self.jobs.total - self.jobs.open();
        if ended > 0 {
            writeln!(f, "Results are kept in {}. Next:", self.store_path)?;
        } else {
            writeln!(f, "Jobs are kept in {}. Next:", self.store_path)?;
        }
        let mut steps = Vec::new();
        if self.jobs.open() > 0 {
            let what = match self.reason {
                EndReason::LeftInBatches => "wait for the batches and fetch their results",
                _ => "go on where it stopped",
            };
            steps.push((self.command("resume", ""), what));
        }
        if ended > 0 {
            let export = self.command("export", " -o results.jsonl");
            steps.push((export, "write the results to a file"));
        }
        steps.push((self.command("report", ""), "costs and errors in detail"));
        let again = self.worth_a_retry();
        if !again.is_empty() {
            let retry = self.command("retry", &again);
            steps.push((retry, "put these back in the queue"));
            if self.jobs.open() == 0 {
                steps.push((self.command("resume", ""), "and run them"));
            }
        }
        let width = steps.iter().map(|(command, _)| command.chars().count());
        let width = width.max().unwrap_or(0);
        for (command, what) in steps {
            writeln!(f, "  {command:<width$}   # {what}")?;
        }
        Ok(())
    }

    /// ` --class ...` for failures that may well succeed another time.
    fn worth_a_retry(&self) -> String {
        let is_passing = |class: ErrorClass| {
            matches!(
                class.treatment(),
                Treatment::Retry | Treatment::Requeue | Treatment::HoldModel | Treatment::Halt
            )
        };
        let classes = self.classes.iter();
        let names = classes
            .filter(|(class, n)| *n > 0 && is_passing(*class))
            .flat_map(|(class, _)| [" --class ", class.as_str()]);
        names.collect()
    }

    fn command(&self, verb: &str, flags: &str) -> String {
        let run = self.run_arg.as_deref().map(spaced).unwrap_or_default();
        let store = self.store_flag.as_deref().map(spaced);
        let store = store.map(|path| format!(" --store{path}"));
        format!("claude-run {verb}{run}{flags}{}", store.unwrap_or_default())
    }
}

/// What to do about a class once its job has ended. The table speaks of a run that goes on, where
/// nothing need be done about what is tried again by itself; by now the tries are used up.
fn remedy(class: ErrorClass) -> &'static str {
    match class.treatment() {
        Treatment::Retry | Treatment::Requeue => {
            "It was tried until the tries were used up; `claude-run retry` gives it new ones."
        }
        Treatment::Fail | Treatment::Mark | Treatment::HoldModel | Treatment::Halt => {
            class.info().remedy
        }
    }
}

/// A space and the argument, quoted for a shell where it needs that.
fn spaced(argument: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:=@%+,".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        format!(" {argument}")
    } else {
        format!(" '{}'", argument.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{EndReason, RunSummary, spaced};
    use crate::model::{ErrorClass, Halt, JobCounts, Pico, RunId};

    fn summary() -> RunSummary {
        RunSummary {
            all_digits: false,
            run_id: RunId::from_bytes([7; 16]),
            name: None,
            simulated: false,
            reason: EndReason::Completed,
            jobs: JobCounts {
                total: 2_000,
                succeeded: 2_000,
                ..JobCounts::default()
            },
            classes: Vec::new(),
            marked: Vec::new(),
            cost_total: Pico(12_345_600_000),
            unknown_price: 0,
            maybe_billed: 0,
            maybe_billed_at_most: None,
            at_most: 0,
            asked_model: 0,
            duration: Duration::from_millis(125_400),
            store_path: "./claude-run.db".to_owned(),
            store_flag: None,
            run_arg: None,
        }
    }

    #[test]
    fn a_good_run_says_where_its_results_are() {
        insta::assert_snapshot!(summary(), @r"
        Run 07070707-0707-0707-0707-070707070707 ended after 2m05s.
          2,000 jobs: 2,000 succeeded
          cost: $0.0123
        Results are kept in ./claude-run.db. Next:
          claude-run export -o results.jsonl   # write the results to a file
          claude-run report                    # costs and errors in detail
        ");
    }

    #[test]
    fn a_simulated_run_says_so_twice() {
        let summary = RunSummary {
            simulated: true,
            name: Some("nightly".to_owned()),
            ..summary()
        };
        insta::assert_snapshot!(summary, @r"
        Run 07070707-0707-0707-0707-070707070707 (nightly) ended after 2m05s.
          SIMULATED: the answers and costs below are made up; nothing was sent to the Claude API.
          2,000 jobs: 2,000 succeeded
          cost: $0.0123 (SIMULATED)
        Results are kept in ./claude-run.db. Next:
          claude-run export -o results.jsonl   # write the results to a file
          claude-run report                    # costs and errors in detail
        ");
    }

    #[test]
    fn failures_are_explained_and_what_may_succeed_is_offered_again() {
        let summary = RunSummary {
            jobs: JobCounts {
                total: 2_000,
                succeeded: 1_990,
                failed: 9,
                canceled: 1,
                ..JobCounts::default()
            },
            classes: vec![
                (ErrorClass::Overloaded, 5),
                (ErrorClass::Timeout, 1),
                (ErrorClass::Refused, 3),
                (ErrorClass::Canceled, 1),
                (ErrorClass::Dns, 0),
            ],
            marked: vec![(ErrorClass::Truncated, 12)],
            unknown_price: 1,
            maybe_billed: 2,
            maybe_billed_at_most: Some(Pico(1_500_000_000)),
            at_most: 3,
            asked_model: 1,
            ..summary()
        };
        insta::assert_snapshot!(summary, @r"
        Run 07070707-0707-0707-0707-070707070707 ended after 2m05s.
          2,000 jobs: 1,990 succeeded, 9 failed, 1 canceled
            5 overloaded: The API has no capacity left for this model just now; it is not your limit.
              It was tried until the tries were used up; `claude-run retry` gives it new ones.
            1 timeout: No answer came within the time allowed; the work may have been done.
              It was tried until the tries were used up; `claude-run retry` gives it new ones.
            3 refused: The model declined to answer (stop_reason `refusal`).
              Rephrase the prompt or use another model (`--fallback-model` does that by itself); the same request will nearly always be refused again.
            1 canceled: Cancelled before it was processed.
              `claude-run retry --class canceled` puts it back.
            12 of the succeeded truncated: The answer ended at max_tokens; it is kept, but incomplete.
              Raise max_tokens for this job if the rest matters, or let `--on-truncated raise` do it.
          cost: $0.0123 + unknown
            3 answers told no usage that can be priced: counted at the most that the request allows
            1 answer under a name without a known price: counted at the price of the model that was asked
            not counted: 1 attempt at models without a known price; give it with `[prices] file`
            not counted: 2 attempts that may have been billed although no answer came, at most $0.0015
        Results are kept in ./claude-run.db. Next:
          claude-run export -o results.jsonl                    # write the results to a file
          claude-run report                                     # costs and errors in detail
          claude-run retry --class overloaded --class timeout   # put these back in the queue
          claude-run resume                                     # and run them
        ");
    }

    #[test]
    fn a_halted_run_says_why_and_how_it_goes_on() {
        let summary = RunSummary {
            reason: EndReason::Halted(Halt::new(
                ErrorClass::Authentication,
                "invalid x-api-key",
                jiff::Timestamp::UNIX_EPOCH,
            )),
            jobs: JobCounts {
                total: 200,
                pending: 200,
                ..JobCounts::default()
            },
            cost_total: Pico::ZERO,
            ..summary()
        };
        insta::assert_snapshot!(summary, @r"
        Run 07070707-0707-0707-0707-070707070707 was halted after 2m05s: authentication
          The API does not accept the key.
          It said: invalid x-api-key
          Set ANTHROPIC_API_KEY to a valid key (Console, API keys), or give a gateway its own credential (ANTHROPIC_CUSTOM_HEADERS); then `claude-run resume`.
          200 jobs: 0 succeeded, 200 left to do
          cost: $0.00
        Jobs are kept in ./claude-run.db. Next:
          claude-run resume   # go on where it stopped
          claude-run report   # costs and errors in detail
        ");
    }

    #[test]
    fn an_interrupted_run_repeats_the_store_and_the_run_in_the_next_commands() {
        let summary = RunSummary {
            reason: EndReason::Interrupted,
            jobs: JobCounts {
                total: 200,
                succeeded: 120,
                pending: 79,
                in_flight: 1,
                ..JobCounts::default()
            },
            store_path: "my runs/a.db".to_owned(),
            store_flag: Some("my runs/a.db".to_owned()),
            run_arg: Some("nightly".to_owned()),
            ..summary()
        };
        insta::assert_snapshot!(summary, @r"
        Run 07070707-0707-0707-0707-070707070707 was interrupted after 2m05s.
          200 jobs: 120 succeeded, 1 in flight, 79 left to do
          cost: $0.0123
        Results are kept in my runs/a.db. Next:
          claude-run resume nightly --store 'my runs/a.db'                    # go on where it stopped
          claude-run export nightly -o results.jsonl --store 'my runs/a.db'   # write the results to a file
          claude-run report nightly --store 'my runs/a.db'                    # costs and errors in detail
        ");
    }

    #[test]
    fn arguments_are_quoted_where_a_shell_needs_it() {
        let cases = [
            ("./a.db", " ./a.db"),
            ("größe.db", " größe.db"),
            ("a b", " 'a b'"),
            ("it's", r" 'it'\''s'"),
            ("$HOME", " '$HOME'"),
            ("", " ''"),
        ];
        for (argument, quoted) in cases {
            assert_eq!(spaced(argument), quoted);
        }
    }
}
