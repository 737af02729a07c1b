//! Lesser forms of an end that a store cannot hold as it is.
//!
//! An answer is paid for, so what of it can be held is held: first all of it with numbers that fit;
//! failing that, that there was an answer, while the answer itself is kept aside.

use super::{Finish, JobEnd, Next, ResultBody};
use crate::model::{AttemptOutcome, ErrorClass, JobState, Pico, error_object};

/// No answer has so many tokens. A run's sums stay far from the largest number a store can hold.
const MOST_TOKENS: u64 = 1_000_000_000_000;
/// No answer costs so much: a hundred thousand dollars.
const MOST_COST: Pico = Pico(100_000 * Pico::USD.0);
/// Texts of evidence are cut to so many letters.
const LONGEST: usize = 2_000;

impl Finish {
    /// The same end with every number in the range that any store holds, and short evidence. Its answer
    /// is untouched.
    #[must_use]
    pub fn with_numbers_that_fit(mut self) -> Self {
        let (tokens, cost) = (&mut self.record.usage.tokens, &mut self.record.cost);
        for count in [
            &mut tokens.input,
            &mut tokens.output,
            &mut tokens.cache_read,
            &mut tokens.cache_write_5m,
            &mut tokens.cache_write_1h,
            &mut self.record.usage.web_searches,
        ] {
            *count = (*count).min(MOST_TOKENS);
        }
        for amount in [
            &mut cost.total,
            &mut cost.saved_by_batch,
            &mut cost.saved_by_cache,
        ] {
            *amount = (*amount).clamp(Pico(-MOST_COST.0), MOST_COST);
        }
        let evidence = &mut self.record.evidence;
        for text in [
            &mut evidence.error_type,
            &mut evidence.message,
            &mut evidence.request_id,
            &mut self.record.answered_by,
        ] {
            *text = text.take().map(|text| text.chars().take(LONGEST).collect());
        }
        self
    }

    /// That the attempt has ended, and its job too, although what it brought is not in the store: it is
    /// kept in the file of that name. So nobody buys it a second time.
    #[must_use]
    pub fn held_back(self, why: &str, kept_in: &str) -> Self {
        let Self {
            mut record,
            next,
            history,
        } = self.with_numbers_that_fit();
        let why: String = why.chars().take(LONGEST).collect();
        let message = format!(
            "the answer came, but the store cannot hold it ({why}). It is kept in {kept_in}, and is not asked for again"
        );
        record.outcome = AttemptOutcome::Errored;
        record.error_class = Some(ErrorClass::BadResponse);
        record.evidence.message = Some(message.clone());
        record.evidence.raw_error = None;
        record.evidence.retry_after = None;
        record.latency = None;
        let next = match next {
            Next::RetryAt(_) | Next::Requeue | Next::Hold => next,
            Next::Amend { .. } | Next::End(_) | Next::EndTruncated => Next::End(JobEnd {
                state: JobState::Failed,
                result: ResultBody::Error(error_object("api_error", &message, None)),
            }),
        };
        Self {
            record,
            next,
            history,
        }
    }
}
