//! Requests and refusals by how many were open when each left.
//!
//! What grows with the load shows in here: more is refused at high levels than at low ones. A refusal
//! that has nothing to do with the load comes as often at each of them. Requests count when they leave and
//! not when they are answered: a refusal comes at once, and the answers that it stands beside come later.

/// About this many requests are remembered.
const MEMORY: f64 = 200.0;
/// Sums are brought back to plain numbers before they grow out of exactness.
const MOST_WEIGHT: f64 = 1e9;
/// Levels up to this stand by themselves; above, sixteen groups make an octave.
const SINGLE: u32 = 64;
const PER_OCTAVE: f64 = 16.0;
/// Fewer requests on a side tell nothing of it.
const LEAST_BELOW: f64 = 4.0;
const LEAST_ABOVE: f64 = 2.0;
/// The shares on both sides differ at least by this,
const LEAST_DIFFERENCE: f64 = 0.25;
/// and by this many times what chance makes of equal ones: several borders are compared, again and again.
const LEAST_DEVIATIONS: f64 = 4.2;
/// Fewer will do where nearly nothing is refused below and nearly all above.
const LEAST_OF_A_CLEAR_BORDER: f64 = 3.3;
const NEARLY: f64 = 0.05;

/// Some requests, and how many of them were refused.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    pub(super) sent: f64,
    refused: f64,
}

impl Share {
    /// The part of them that was refused; none of nothing.
    pub(super) fn part(self) -> f64 {
        if self.sent > 0.0 {
            (self.refused / self.sent).min(1.0)
        } else {
            0.0
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            refused: self.refused + other.refused,
        }
    }

    fn scaled(self, by: f64) -> Self {
        Self {
            sent: self.sent * by,
            refused: self.refused * by,
        }
    }
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(super) struct Levels {
    groups: Vec<Share>,
    /// What the next request weighs: it grows, which is cheaper than to let all others shrink.
    weight: f64,
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            groups: Vec::new(),
            weight: 1.0,
        }
    }
}

impl Levels {
    /// A request leaves, and that many are open, itself included.
    pub(super) fn sent(&mut self, level: u32) {
        self.weight *= 1.0 + 1.0 / MEMORY;
        if self.weight > MOST_WEIGHT {
            let by = 1.0 / self.weight;
            self.groups
                .iter_mut()
                .for_each(|group| *group = group.scaled(by));
            self.weight = 1.0;
        }
        let weight = self.weight;
        self.group(level).sent += weight;
    }

    /// A request that had left at that level was refused.
    pub(super) fn refused(&mut self, level: u32) {
        let weight = self.weight;
        self.group(level).refused += weight;
    }

    fn group(&mut self, level: u32) -> &mut Share {
        let at = group_of(level);
        if self.groups.len() <= at {
            self.groups.resize(at + 1, Share::default());
        }
        &mut self.groups[at]
    }

    fn sum(&self, groups: impl IntoIterator<Item = Share>) -> Share {
        let sum = groups.into_iter().fold(Share::default(), Share::and);
        sum.scaled(1.0 / self.weight)
    }

    /// What came of those that left at that level or below.
    pub(super) fn up_to(&self, level: u32) -> Share {
        self.sum(self.groups.iter().take(group_of(level) + 1).copied())
    }

    /// What came of those that left above that level.
    pub(super) fn above(&self, level: u32) -> Share {
        self.sum(self.groups.iter().skip(group_of(level) + 1).copied())
    }

    /// What came of those that left above the one and at most at the other.
    pub(super) fn between(&self, low: u32, high: u32) -> Share {
        self.above(low).and(self.above(high).scaled(-1.0))
    }

    /// The level above which more is refused than below, if chance does not explain that.
    pub(super) fn border(&self) -> Option<u32> {
        let all = self.sum(self.groups.iter().copied());
        if all.refused < LEAST_ABOVE {
            return None;
        }
        let mut below = Share::default();
        let mut best = (0.0, None);
        for (at, group) in self.groups.iter().enumerate() {
            below = below.and(group.scaled(1.0 / self.weight));
            let above = all.and(below.scaled(-1.0));
            let (deviations, least) = deviations(below, above);
            if deviations >= least && deviations > best.0 {
                best = (deviations, Some(highest_of(at)));
            }
        }
        best.1
    }

    /// What was seen above that level counts as one request from now on: it is about to be tried again.
    pub(super) fn doubt_above(&mut self, level: u32) {
        let above = self.above(level).sent;
        if above > 1.0 {
            let groups = self.groups.iter_mut().skip(group_of(level) + 1);
            groups.for_each(|group| *group = group.scaled(1.0 / above));
        }
    }
}

/// By how many standard deviations more was refused above than below, zero if too little is known; and by
/// how many it must be, to be believed.
fn deviations(below: Share, above: Share) -> (f64, f64) {
    let difference = above.part() - below.part();
    // Older requests weigh a little less than one.
    let is_known = below.sent >= LEAST_BELOW * 0.95 && above.sent >= LEAST_ABOVE * 0.95;
    if !is_known || difference < LEAST_DIFFERENCE {
        return (0.0, LEAST_DEVIATIONS);
    }
    let part = below.and(above).part();
    let variance = part * (1.0 - part) * (1.0 / below.sent + 1.0 / above.sent);
    let is_clear = below.part() < NEARLY && above.part() > 1.0 - NEARLY;
    let least = if is_clear {
        LEAST_OF_A_CLEAR_BORDER
    } else {
        LEAST_DEVIATIONS
    };
    (difference / variance.max(f64::EPSILON).sqrt(), least)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small positive number"
)]
fn group_of(level: u32) -> usize {
    let octaves = (f64::from(level.max(1)) / f64::from(SINGLE)).log2();
    if level < SINGLE {
        level.saturating_sub(1) as usize
    } else {
        (SINGLE - 1) as usize + (octaves * PER_OCTAVE) as usize
    }
}

/// The highest level of a group.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "there are some two hundred groups, and no level beyond u32"
)]
fn highest_of(group: usize) -> u32 {
    let single = SINGLE as usize;
    if group + 1 < single {
        return group as u32 + 1;
    }
    let octaves = (group + 2 - single) as f64 / PER_OCTAVE;
    (f64::from(SINGLE) * octaves.exp2()).ceil() as u32 - 1
}

#[cfg(test)]
mod tests {
    use super::{Levels, group_of, highest_of};

    #[test]
    fn each_level_is_in_one_group_that_ends_below_the_next() {
        for level in 1..20_000 {
            let group = group_of(level);
            assert!(level <= highest_of(group), "{level}");
            assert!(group == 0 || level > highest_of(group - 1), "{level}");
        }
    }

    fn note(levels: &mut Levels, level: u32, refused: bool) {
        levels.sent(level);
        if refused {
            levels.refused(level);
        }
    }

    #[test]
    fn a_limit_shows_as_a_border_and_chance_does_not() {
        let seen = |refused: fn(u32, u32) -> bool| {
            let mut levels = Levels::default();
            for n in 0..300 {
                let level = 1 + n * 7 % 64;
                note(&mut levels, level, refused(level, n));
            }
            levels.border()
        };
        assert_eq!(seen(|level, _| level > 5), Some(5));
        assert_eq!(seen(|level, _| level > 31), Some(31));
        assert_eq!(seen(|_, n| n % 3 == 0), None);
        assert_eq!(seen(|_, n| n % 2 == 0), None);
        assert_eq!(seen(|_, _| true), None);
        assert_eq!(seen(|_, _| false), None);
    }

    /// Refusals come at once, long before anything is known of what was let in beside them.
    #[test]
    fn a_border_shows_before_the_first_answer() {
        let mut levels = Levels::default();
        (1..=8).for_each(|level| levels.sent(level));
        (6..=8).for_each(|level| levels.refused(level));
        assert_eq!(levels.border(), None, "three may be chance");
        (0..4).for_each(|_| note(&mut levels, 6, true));
        assert_eq!(levels.border(), Some(5));
        let mut by_chance = Levels::default();
        (1..=64).for_each(|level| by_chance.sent(level));
        (1..=64)
            .filter(|level| level % 3 == 0)
            .for_each(|level| by_chance.refused(level));
        assert_eq!(by_chance.border(), None);
    }

    #[test]
    fn what_is_long_past_is_forgotten() {
        let mut levels = Levels::default();
        (0..50).for_each(|_| note(&mut levels, 64, true));
        (0..50).for_each(|_| note(&mut levels, 8, false));
        assert!(levels.border().is_some());
        (0..2_000).for_each(|_| note(&mut levels, 64, false));
        assert_eq!(levels.border(), None);
        assert!((levels.above(8).sent - 200.0).abs() < 2.0);
    }

    #[test]
    fn sums_stay_numbers_over_millions_of_answers() {
        let mut levels = Levels::default();
        for n in 0..1_000_000_u32 {
            note(&mut levels, 1 + n % 64, n % 10 == 0);
        }
        let part = levels.up_to(64).part();
        assert!((part - 0.1).abs() < 0.02, "{part}");
    }
}
