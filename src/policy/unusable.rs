//! When a run is given up that gets nothing but complete answers of one kind that nobody can use.
//!
//! Each of them may be paid for, and none is an outage that passes: a gateway that speaks another
//! language, or one that refuses every request and asks for another try. Answers that are held against
//! their own job do not count, unless nothing has ever succeeded. Pure: time is an argument.

use std::time::Duration;

use jiff::Timestamp;

use super::circuit::DIFFERENT_JOBS;
use super::retry::patience;
use crate::clock::add;
use crate::model::{ErrorClass, JobId};

/// This many such answers in a row are enough, if they are of [`DIFFERENT_JOBS`].
const ENOUGH: u32 = 20;
/// And this many after a halt, while one request goes at a time.
const ENOUGH_AFTER_HALT: u32 = 5;
/// Else, in a run in which nothing has ever succeeded, this long with nothing else; times the retry
/// scale.
const PATIENCE: Duration = Duration::from_mins(1);
/// And this many: one job is tried again so often within that time.
const FEW: u32 = 5;

/// An answer, as far as it matters here.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a trait of its own of the answer"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Useless {
    /// Its class.
    pub class: ErrorClass,
    /// It was held against its job.
    pub is_its_own: bool,
    /// Nothing has ever succeeded in the run.
    pub is_all: bool,
    /// The run was halted, and nothing else has come since.
    pub after_halt: bool,
    /// It was the last one of its job.
    pub ends: bool,
}

/// The row of such answers that nothing else has broken.
#[derive(Clone, Debug, Default)]
pub struct Unusable {
    row: Option<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    class: ErrorClass,
    since: Timestamp,
    answers: u32,
    /// The first few different jobs.
    jobs: Vec<JobId>,
}

impl Unusable {
    /// Something else came: a success, or another refusal.
    pub fn broken(&mut self) {
        self.row = None;
    }

    /// Such an answer came. Tells how many there are in a row, if they are enough.
    pub fn came(&mut self, job: JobId, answer: Useless, scale: f64, now: Timestamp) -> Option<u32> {
        // Others of the run have succeeded, so a job's own refusal says nothing of them.
        if answer.is_its_own && !answer.is_all {
            return None;
        }
        if self
            .row
            .as_ref()
            .is_some_and(|row| row.class != answer.class)
        {
            self.row = None;
        }
        let row = self.row.get_or_insert_with(|| Row {
            class: answer.class,
            since: now,
            answers: 0,
            jobs: Vec::new(),
        });
        row.answers = row.answers.saturating_add(1);
        // Only their number up to the bound matters, so no more are kept.
        if row.jobs.len() < DIFFERENT_JOBS && !row.jobs.contains(&job) {
            row.jobs.push(job);
        }
        let enough = if answer.after_halt {
            ENOUGH_AFTER_HALT
        } else {
            ENOUGH
        };
        let many = row.answers >= enough && row.jobs.len() >= DIFFERENT_JOBS;
        let long =
            answer.is_all && !answer.ends && add(row.since, patience(PATIENCE, scale)) <= now;
        (many || (long && row.answers >= FEW)).then_some(row.answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    const OTHERS_FAIL_TOO: Useless = Useless {
        class: ErrorClass::BadResponse,
        is_its_own: false,
        is_all: false,
        after_halt: false,
        ends: false,
    };

    const FIRST_OF_ALL: Useless = Useless {
        is_its_own: true,
        is_all: true,
        ..OTHERS_FAIL_TOO
    };

    #[test]
    fn twenty_answers_of_five_jobs_are_enough() {
        let mut unusable = Unusable::default();
        let mut told = (0..20).map(|n| unusable.came(JobId(n % 5), OTHERS_FAIL_TOO, 1.0, at(n)));
        assert!(told.by_ref().take(19).all(|enough| enough.is_none()));
        assert_eq!(told.next(), Some(Some(20)));
        let mut unusable = Unusable::default();
        let mut told = (0..99).map(|n| unusable.came(JobId(n % 4), OTHERS_FAIL_TOO, 1.0, at(n)));
        assert!(
            told.all(|enough| enough.is_none()),
            "four jobs tell nothing"
        );
    }

    #[test]
    fn after_a_halt_five_are_enough() {
        let mut unusable = Unusable::default();
        let probe = Useless {
            after_halt: true,
            ..OTHERS_FAIL_TOO
        };
        let told = (0..5).map(|n| unusable.came(JobId(n), probe, 1.0, at(n)));
        assert_eq!(told.flatten().collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn anything_else_breaks_the_row() {
        let mut unusable = Unusable::default();
        for n in 0..200 {
            if n % 19 == 0 {
                unusable.broken();
            }
            assert_eq!(unusable.came(JobId(n), OTHERS_FAIL_TOO, 1.0, at(n)), None);
        }
        let odd = |n: usize| Useless {
            class: [ErrorClass::BadResponse, ErrorClass::InvalidRequest][n % 2],
            ..OTHERS_FAIL_TOO
        };
        for n in 0..200_usize {
            let job = JobId(i64::try_from(n).unwrap());
            assert_eq!(unusable.came(job, odd(n), 1.0, at(0)), None);
        }
    }

    #[test]
    fn where_nothing_ever_succeeded_a_minute_is_enough() {
        let mut unusable = Unusable::default();
        for (now, enough) in [(0, None), (9, None), (20, None), (40, None), (60, Some(5))] {
            assert_eq!(unusable.came(JobId(1), FIRST_OF_ALL, 1.0, at(now)), enough);
        }
        let mut scaled = Unusable::default();
        let told = [0, 1, 2, 3, 6].map(|now| scaled.came(JobId(1), FIRST_OF_ALL, 0.1, at(now)));
        assert_eq!(told, [None, None, None, None, Some(5)]);
    }

    #[test]
    fn what_is_held_against_its_job_does_not_count_after_a_success() {
        let mut unusable = Unusable::default();
        let own = Useless {
            is_its_own: true,
            ..OTHERS_FAIL_TOO
        };
        for n in 0..1_000 {
            assert_eq!(unusable.came(JobId(n % 9), own, 1.0, at(n)), None);
        }
    }
}
