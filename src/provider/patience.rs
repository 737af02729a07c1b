//! How long the next piece of an answer is waited for.
//!
//! A plain answer may be silent until it is complete; only its timeout bounds it. A stream shows that
//! it is at work, so its silence is bounded, and so is what tells nothing: pings. What is whole but
//! for its end is not waited for much longer.

use std::time::Duration;

use tokio::time::Instant;

use super::payload::Payload;
use super::stream::EventStream;
use crate::model::duration::format_duration;

/// How long the end of an answer is waited for that is whole without it.
const SETTLED: Duration = Duration::from_secs(3);

/// Pings alone may come for this many idle timeouts: with the default of two minutes as long as a plain
/// answer may be silent.
const PINGS_ALONE: u32 = 5;

/// What has come of an answer, and when. Time in which the process stood still counts for no more than
/// one silence: `clock::timeout`, which waits, knows better.
#[derive(Debug)]
pub(super) struct Patience {
    /// The longest silence of a stream.
    idle: Duration,
    /// Bytes came last.
    heard: Instant,
    taken: usize,
    /// This long nothing was told: anything but pings.
    untold: Duration,
    life: u64,
    /// A plain answer of that length was not whole.
    not_whole: Option<usize>,
}

impl Patience {
    /// Of an answer that begins now.
    pub(super) fn new(idle: Duration) -> Self {
        Self {
            idle,
            heard: Instant::now(),
            taken: 0,
            untold: Duration::ZERO,
            life: 0,
            not_whole: None,
        }
    }

    pub(super) fn heard(&mut self, payload: &Payload) {
        self.untold += self.heard.elapsed().min(self.idle);
        self.heard = Instant::now();
        self.taken = payload.taken();
        let life = payload.events().map_or(0, EventStream::life);
        if life != self.life {
            (self.untold, self.life) = (Duration::ZERO, life);
        }
    }

    /// A plain answer was looked at, and is not whole.
    pub(super) fn not_whole(&mut self) {
        self.not_whole = Some(self.taken);
    }

    /// How long to wait for the next piece; none while only the timeout of the whole counts.
    /// `announced`: events were announced, whatever has come of them.
    pub(super) fn limit(&self, payload: &Payload, announced: bool) -> Option<Duration> {
        match payload.events() {
            Some(stream) if stream.is_whole() => {
                Some(SETTLED.min(self.idle).saturating_sub(self.untold))
            }
            Some(stream) if stream.is_thinking() => Some(self.idle),
            Some(_) => Some(self.idle.min(self.pings_left())),
            None if announced => Some(self.idle),
            None if self.not_whole == Some(self.taken) => None,
            None => Some(SETTLED),
        }
    }

    /// How much longer pings alone are taken.
    fn pings_left(&self) -> Duration {
        let alone = self.idle.saturating_mul(PINGS_ALONE);
        alone.saturating_sub(self.untold)
    }

    /// What to say of a stream that is waited for no longer.
    pub(super) fn words(&self) -> String {
        if self.pings_left() >= self.idle {
            return format!("the stream was silent for {}", format_duration(self.idle));
        }
        let alone = format_duration(self.idle.saturating_mul(PINGS_ALONE));
        format!("the stream told nothing but pings for {alone}")
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, PINGS_ALONE, Patience, Payload, SETTLED};
    use crate::provider::payload::Form;

    const IDLE: Duration = Duration::from_secs(100);
    const PING: &str = "data: {\"type\":\"ping\"}\n\n";
    const START: &str = "data: {\"type\":\"message_start\",\"message\":{\"content\":[]}}\n\n";
    const THINKING: &str = "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\"}}\n\n";
    const STOPPED: &str = "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n";
    const REASON: &str =
        "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n";

    const UNKNOWN: &str = "data: {\"type\":\"sparkle\"}\n\n";

    /// How long is waited from the beginning on, if a piece came every half idle timeout.
    async fn waited(form: Form, pieces: &[&str]) -> Option<Duration> {
        let begun = Instant::now();
        let (mut payload, mut patience) = (Payload::new(form, 1000), Patience::new(IDLE));
        for piece in pieces {
            tokio::time::advance(IDLE / 2).await;
            payload.take(piece.as_bytes());
            patience.heard(&payload);
        }
        let limit = patience.limit(&payload, form == Form::Events);
        limit.map(|limit| begun.elapsed() + limit)
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_bounded_and_so_are_pings_alone() {
        let half = IDLE / 2;
        let alone = IDLE * PINGS_ALONE;
        let cases: [(&[&str], Duration); 8] = [
            (&[], IDLE),
            (&[START], half + IDLE),
            (&[START, PING], 2 * half + IDLE),
            (
                &[
                    START, PING, PING, PING, PING, PING, PING, PING, PING, PING, PING,
                ],
                half + alone,
            ),
            // What is not shown of thinking brings nothing else.
            (
                &[
                    START, THINKING, PING, PING, PING, PING, PING, PING, PING, PING, PING, PING,
                ],
                12 * half + IDLE,
            ),
            // Whole but for its end, which pings do not put off.
            (&[START, REASON], 2 * half + SETTLED),
            (&[START, THINKING, STOPPED, REASON, PING, PING], 6 * half),
            // Nor does anything else but the end.
            (&[START, REASON, REASON, UNKNOWN], 4 * half),
        ];
        for (pieces, expected) in cases {
            assert_eq!(
                waited(Form::Events, pieces).await,
                Some(expected),
                "{pieces:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_plain_answer_is_looked_at_once_each_time_it_falls_silent() {
        for form in [Form::Plain, Form::Message] {
            let looked = IDLE / 2 + SETTLED;
            assert_eq!(waited(form, &["{\"content\""]).await, Some(looked));
        }
        let (payload, mut patience) = (Payload::new(Form::Plain, 9), Patience::new(IDLE));
        patience.not_whole();
        assert_eq!(patience.limit(&payload, false), None);
    }
}
