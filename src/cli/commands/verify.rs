//! `claude-run verify`: the invariants of a store, held against every row of it.

use schemars::JsonSchema;
use serde::Serialize;

use super::select;
use crate::cli::args::VerifyArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Out;
use crate::progress::{plural, thousands};
use crate::store::sqlite::{Aside, aside};
use crate::store::{Check, Reader, Verification};

/// Everything that `verify` found: the object that `verify --json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct VerifyReport {
    /// Every invariant holds.
    pub ok: bool,
    /// What concerns the file as a whole.
    pub file: Vec<Invariant>,
    /// What concerns one run each.
    pub runs: Vec<RunInvariants>,
}

/// The invariants of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RunInvariants {
    /// The run.
    pub run_id: String,
    /// What was checked.
    pub checks: Vec<Invariant>,
}

/// One invariant, held against the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Invariant {
    /// Its stable name.
    pub name: &'static str,
    /// What must be true.
    pub promise: &'static str,
    /// How often it is not.
    pub violations: u64,
    /// The first few of those.
    pub examples: Vec<String>,
}

/// Checks one run, or all.
pub async fn verify(ctx: &Context, args: VerifyArgs) -> Result<Exit, Failure> {
    let opened = select::open(&ctx.settings.store.path)?;
    let runs = match &args.run {
        Some(wanted) => vec![select::one(&opened.reader, Some(wanted)).await?],
        None => opened.reader.runs().await?,
    };
    if runs.is_empty() {
        return Err(select::no_run());
    }
    let ids: Vec<_> = runs.iter().map(|run| run.id).collect();
    let mut report = VerifyReport::of(&opened.reader.verify(&ids)?);
    report.add_spool(&aside(&ctx.settings.store.path)?);
    let mut out = Out::stdout();
    if args.json {
        out.json(&report)?;
    } else {
        out.line(text(&report, args.every))?;
    }
    out.finish()?;
    select::tell_of_spool(ctx);
    if report.ok {
        return Ok(Exit::Success);
    }
    ctx.console.error(&broken(&report));
    Ok(Exit::Internal)
}

impl VerifyReport {
    fn of(found: &Verification) -> Self {
        let all = |checks: &[Check]| checks.iter().map(Invariant::of).collect();
        let runs = found.runs.iter();
        Self {
            ok: found.holds(),
            file: all(&found.file),
            runs: runs
                .map(|(run, checks)| RunInvariants {
                    run_id: run.to_string(),
                    checks: all(checks),
                })
                .collect(),
        }
    }

    fn add_spool(&mut self, aside: &Aside) {
        self.ok &= aside.damaged.is_empty();
        self.file.push(Invariant {
            name: "spool_readable",
            promise: "every record of a spool beside the store can be read",
            violations: aside.damaged.len() as u64,
            examples: aside
                .damaged
                .iter()
                .map(|file| file.display().to_string())
                .collect(),
        });
    }

    fn violations(&self) -> u64 {
        let of_runs = self.runs.iter().flat_map(|run| &run.checks);
        let all = self.file.iter().chain(of_runs);
        all.map(|invariant| invariant.violations).sum()
    }
}

impl Invariant {
    fn of(check: &Check) -> Self {
        Self {
            name: check.name,
            promise: check.promise,
            violations: check.violations,
            examples: check.examples.clone(),
        }
    }
}

fn broken(report: &VerifyReport) -> Failure {
    Failure::internal(
        format!(
            "the store breaks its invariants in {}",
            plural(report.violations(), "place")
        ),
        "keep a copy of the file, export what can be read with `claude-run export`, and report this with the lines above",
    )
    .because("a defect of the disk or of claude-run has changed it")
}

/// One line for the file and for each run, and one below it for each invariant that is broken, with
/// examples; for those that hold too, if `every` is asked for.
fn text(report: &VerifyReport, every: bool) -> String {
    let runs = report.runs.iter();
    let runs = runs.map(|run| (format!("run {}", run.run_id), &run.checks));
    let all = std::iter::once(("the file".to_owned(), &report.file)).chain(runs);
    let mut lines = Vec::new();
    for (what, checks) in all {
        let broken = checks.iter().filter(|check| check.violations > 0).count() as u64;
        let count = plural(checks.len() as u64, "check");
        lines.push(match broken {
            0 => format!("{what}: ok ({count})"),
            _ => format!("{what}: {} of {count} failed", thousands(broken)),
        });
        let shown = checks.iter().filter(|check| every || check.violations > 0);
        lines.extend(shown.flat_map(lines_of));
    }
    lines.join("\n")
}

fn lines_of(invariant: &Invariant) -> Vec<String> {
    let (name, promise) = (invariant.name, invariant.promise);
    if invariant.violations == 0 {
        return vec![format!("  ok      {name:15}  {promise}")];
    }
    let times = thousands(invariant.violations);
    let mut lines = vec![format!(
        "  broken  {name:15}  {promise}: not so {times} times"
    )];
    let examples = invariant.examples.iter();
    lines.extend(examples.map(|example| format!("            {example}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::{Invariant, RunInvariants, VerifyReport, text};

    #[test]
    fn a_run_that_is_sound_is_one_line_and_what_is_broken_stands_below() {
        let sound = Invariant {
            name: "integrity",
            promise: "the file is sound",
            violations: 0,
            examples: vec![],
        };
        let broken = Invariant {
            name: "results",
            promise: "one result each",
            violations: 1_234,
            examples: vec!["line 1 has none".to_owned()],
        };
        let report = VerifyReport {
            ok: false,
            file: vec![sound],
            runs: vec![RunInvariants {
                run_id: "0195".to_owned(),
                checks: vec![broken],
            }],
        };
        assert_eq!(report.violations(), 1_234);
        insta::assert_snapshot!(text(&report, false), @r"
        the file: ok (1 check)
        run 0195: 1 of 1 check failed
          broken  results          one result each: not so 1,234 times
                    line 1 has none
        ");
        insta::assert_snapshot!(text(&report, true), @r"
        the file: ok (1 check)
          ok      integrity        the file is sound
        run 0195: 1 of 1 check failed
          broken  results          one result each: not so 1,234 times
                    line 1 has none
        ");
    }
}
