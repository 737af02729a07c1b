//! How many requests may be open after a start or a pause: a few, and soon more.
//!
//! Sharp growth is refused by the API even below every other limit, and a service that takes few at a
//! time refuses all others. A refusal comes at once, while an answer may take minutes: so while none
//! comes, the first 64 leave within a second, and a refusal ends that. From there on it is good
//! answers that make room.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::add;

/// How many are allowed at first.
const FIRST: u32 = 8;
/// Twice as many are allowed each time that no refusal has come for this long,
const DOUBLED_EVERY: Duration = Duration::from_millis(250);
/// up to so many. Beyond, answers count.
const BY_TIME: u32 = 64;
/// What a good answer adds where headers tell that there is room: then it is they that bound the growth.
const WITH_ROOM: u32 = 3;

/// Allows 8 at first and 64 within a second, and one more with each good answer.
#[derive(Clone, Copy, Debug)]
pub struct Ramp {
    allowed: u32,
    /// One request goes first, and the next ones wait for its answer.
    is_probing: bool,
    /// Since when time makes room; `None` before the first request, and once it does no more.
    since: Option<Timestamp>,
    /// Time makes room from the first request on.
    by_time: bool,
}

impl Default for Ramp {
    fn default() -> Self {
        Self {
            allowed: FIRST,
            is_probing: false,
            since: None,
            by_time: true,
        }
    }
}

impl Ramp {
    /// How many may be open at once.
    #[must_use]
    pub fn allowed(&self, now: Timestamp) -> u32 {
        let by_time = FIRST << self.doublings(now).min(BY_TIME.ilog2() - FIRST.ilog2());
        match self.since {
            Some(_) => self.allowed.max(by_time),
            None => self.allowed,
        }
    }

    fn doublings(&self, now: Timestamp) -> u32 {
        let waited_ms = self
            .since
            .map_or(0, |since| now.duration_since(since).as_millis());
        let doublings = waited_ms.max(0) / i128::try_from(DOUBLED_EVERY.as_millis()).unwrap_or(1);
        u32::try_from(doublings).unwrap_or(u32::MAX)
    }

    /// When time alone allows more; `None` if it does not.
    #[must_use]
    pub fn opens_at(&self, now: Timestamp) -> Option<Timestamp> {
        let since = self.since?;
        let next = DOUBLED_EVERY * (self.doublings(now).min(BY_TIME) + 1);
        (self.allowed(now) < BY_TIME).then(|| add(since, next))
    }

    /// A request leaves.
    pub fn started(&mut self, now: Timestamp) {
        if self.by_time {
            self.since.get_or_insert(now);
        }
    }

    /// A request was answered as it should. `room`: headers tell that the limits have room.
    pub fn good(&mut self, room: bool, now: Timestamp) {
        if self.is_probing {
            return self.restart();
        }
        let more = if room { WITH_ROOM } else { 1 };
        self.allowed = self.allowed(now).saturating_add(more);
    }

    /// A request was refused for a limit: time makes no more room.
    pub fn refused(&mut self, now: Timestamp) {
        self.allowed = self.allowed(now);
        self.since = None;
        self.by_time = false;
    }

    /// There was a pause: begins again.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// There was a long pause, of which nothing tells whether it was long enough: one request goes
    /// first.
    pub fn probe(&mut self) {
        *self = Self {
            allowed: 1,
            is_probing: true,
            since: None,
            by_time: false,
        };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::Ramp;
    use crate::clock::add;

    fn at(ms: u64) -> Timestamp {
        add(Timestamp::UNIX_EPOCH, Duration::from_millis(ms))
    }

    fn started() -> Ramp {
        let mut ramp = Ramp::default();
        ramp.started(at(0));
        ramp
    }

    #[test]
    fn within_a_second_all_of_the_first_may_leave_if_nothing_is_refused() {
        let ramp = started();
        let seen = [0, 249, 250, 500, 750, 10_000].map(|ms| ramp.allowed(at(ms)));
        assert_eq!(seen, [8, 8, 16, 32, 64, 64]);
        let opens = [0, 300, 800].map(|ms| ramp.opens_at(at(ms)));
        assert_eq!(opens, [Some(at(250)), Some(at(500)), None]);
        assert_eq!(
            Ramp::default().opens_at(at(0)),
            None,
            "nothing has left yet"
        );
    }

    #[test]
    fn after_a_refusal_only_good_answers_make_room() {
        let mut ramp = started();
        ramp.refused(at(300));
        ramp.started(at(400));
        assert_eq!(
            (ramp.allowed(at(60_000)), ramp.opens_at(at(300))),
            (16, None)
        );
        (0..10).for_each(|_| ramp.good(false, at(60_000)));
        assert_eq!(ramp.allowed(at(60_000)), 26);
        ramp.restart();
        assert_eq!(ramp.allowed(at(60_000)), 8);
    }

    #[test]
    fn each_round_of_good_answers_doubles_it_and_makes_it_fourfold_where_there_is_room() {
        for (room, expected) in [(false, 128), (true, 256)] {
            let mut ramp = started();
            (0..64).for_each(|_| ramp.good(room, at(1_000)));
            assert_eq!(ramp.allowed(at(1_000)), expected);
        }
    }

    #[test]
    fn after_a_long_pause_one_request_goes_first() {
        let mut ramp = started();
        ramp.probe();
        ramp.started(at(0));
        assert_eq!(ramp.allowed(at(60_000)), 1);
        ramp.good(false, at(60_000));
        assert_eq!(ramp.allowed(at(60_000)), 8);
    }
}
