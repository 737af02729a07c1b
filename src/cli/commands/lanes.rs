//! What the lane of a line means for what there is to remark about it: refused, told, or nothing.

use jiff::Timestamp;

use super::endpoint::retry_scale;
use crate::cli::settings::Settings;
use crate::input::{LineError, LineNote, NoteKind};
use crate::model::{Lane, NewJob};
use crate::policy::{Rule, Way, way};

/// The lane and the deadline of lines that name none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lanes {
    lane: Option<Lane>,
    deadline: Option<Timestamp>,
    now: Timestamp,
    /// See [`crate::policy::routing`].
    scale: f64,
}

/// What to do about a remark.
#[derive(Debug, PartialEq)]
pub(super) enum Remark {
    /// The line cannot be carried out as its lane is forced.
    Refuse(LineError),
    /// Tell it.
    Tell(Told),
    /// It does not matter for this line.
    Nothing,
}

/// What is told of lines, counted by what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    Note(NoteKind),
    /// The line would go to a batch, but a batch cannot take it.
    GoesLive(NoteKind),
    /// The API is known to refuse it, or what it asks for does nothing.
    Fault(Rule),
}

impl Told {
    /// The name of the rule by which it is told, if the guide names it.
    pub(super) fn rule(self) -> Option<&'static str> {
        match self {
            Self::Fault(rule) => Some(rule.name()),
            Self::Note(_) | Self::GoesLive(_) => None,
        }
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Note(kind) => kind.fmt(f),
            Self::GoesLive(kind) => write!(f, "goes live at the live price, because {kind}"),
            Self::Fault(rule) if rule.is_refused() => {
                write!(f, "the API refuses it: {}", rule.summary())
            }
            Self::Fault(rule) => f.write_str(rule.summary()),
        }
    }
}

impl Lanes {
    /// Those of a submit at `now`.
    pub(super) fn of(settings: &Settings, simulated: bool, now: Timestamp) -> Self {
        Self {
            scale: retry_scale(settings, simulated),
            lane: settings.dispatch.lane.forced(),
            deadline: settings.deadline,
            now,
        }
    }

    /// The way that the line would go if a batch could take it.
    pub(super) fn way(&self, job: &NewJob) -> Way {
        let (lane, deadline) = (job.lane.or(self.lane), job.deadline.or(self.deadline));
        way(lane, deadline, self.now, self.scale)
    }

    /// What to do about a remark on this line.
    pub(super) fn judge(&self, job: &NewJob, note: &LineNote) -> Remark {
        let kind = note.kind;
        match (kind, self.way(job)) {
            (NoteKind::NotInBatch(_) | NoteKind::IgnoredInBatch(_), Way::Live) => Remark::Nothing,
            // The user forces a lane that the API refuses for this line.
            (NoteKind::NotInBatch(_), Way::BatchOnly) => Remark::Refuse(LineError {
                line: note.line,
                column: note.column,
                reason: kind.to_string(),
            }),
            (NoteKind::NotInBatch(_), _) => Remark::Tell(Told::GoesLive(kind)),
            _ => Remark::Tell(Told::Note(kind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lanes, Remark, Told};
    use crate::cli::settings::tests::Given;
    use crate::input::{Item, JobReader, Source};
    use crate::model::Shaping;

    const NOW: &str = "2026-11-22T12:00:00Z";

    /// What is said of a line with these keys whose request asks for fast mode.
    fn said(flags: &str, keys: &str) -> String {
        let line = format!("submit f {flags}");
        let settings = Given {
            line: &line,
            ..Given::default()
        };
        let mut lanes = Lanes::of(&settings.settings().unwrap(), false, NOW.parse().unwrap());
        if flags.contains("--deadline") {
            lanes.deadline = Some("2026-11-24T12:00:00Z".parse().unwrap());
        }
        let text = format!(r#"{{{keys}"params":{{"messages":[1],"model":"m","speed":"fast"}}}}"#);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, text).unwrap();
        let source = Source::open(path.to_str().unwrap()).unwrap();
        let mut reader = JobReader::new(source, &Shaping::default(), NOW.parse().unwrap());
        let Some(Ok(Item::Job { job, notes })) = reader.next() else {
            panic!("a good line");
        };
        let remarks = notes.iter().map(|note| lanes.judge(&job, note));
        let said = remarks.map(|remark| match remark {
            Remark::Refuse(error) => format!("refused at {}", error.line),
            Remark::Tell(told @ Told::GoesLive(_)) => {
                assert!(told.to_string().contains("`speed`"), "{told}");
                "goes live".to_owned()
            }
            Remark::Tell(Told::Note(kind)) => kind.to_string(),
            Remark::Tell(Told::Fault(rule)) => rule.summary().to_owned(),
            Remark::Nothing => "nothing".to_owned(),
        });
        said.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn what_no_batch_takes_is_refused_where_a_batch_is_forced_and_told_where_it_was_meant() {
        let (batch, live) = (r#""lane":"batch","#, r#""lane":"live","#);
        for (flags, keys, expected) in [
            ("", "", "nothing"),
            ("", batch, "refused at 1"),
            ("", r#""deadline":"30h","#, "goes live"),
            ("", r#""deadline":"30m","#, "nothing"),
            ("--deadline 48h", "", "goes live"),
            ("--deadline 48h", r#""deadline":"5m","#, "nothing"),
            ("--lane batch", "", "refused at 1"),
            ("--lane batch", live, ""),
            ("--lane live --deadline 48h", "", "nothing"),
            ("--lane live", batch, "refused at 1"),
        ] {
            assert_eq!(said(flags, keys), expected, "{flags} {keys}");
        }
    }
}
