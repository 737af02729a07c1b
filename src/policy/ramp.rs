//! How many requests may be open after a start or a pause: more with every round of good answers.
//!
//! Sharp growth is refused by the API even below every other limit. A round is as many good answers
//! as are allowed at once; it is counted in answers, since slow answers are no reason for haste.

/// How many are allowed at first.
const FIRST: u32 = 64;

/// Allows 64 at first, and twice as many after each round.
#[derive(Clone, Copy, Debug)]
pub struct Ramp {
    allowed: u32,
    good: u32,
}

impl Default for Ramp {
    fn default() -> Self {
        Self {
            allowed: FIRST,
            good: 0,
        }
    }
}

impl Ramp {
    /// How many may be open at once.
    #[must_use]
    pub fn allowed(&self) -> u32 {
        self.allowed
    }

    /// A request was answered as it should.
    pub fn good(&mut self) {
        self.good = self.good.saturating_add(1);
        if self.good >= self.allowed {
            // At least the first step: after a probe of one, six more rounds would be lost.
            self.allowed = self.allowed.saturating_mul(2).max(FIRST);
            self.good = 0;
        }
    }

    /// There was a pause: begins again.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// There was a long pause, of which nobody knows whether it was long enough: one request goes
    /// first.
    pub fn probe(&mut self) {
        *self = Self {
            allowed: 1,
            good: 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::Ramp;

    #[test]
    fn each_round_of_good_answers_doubles_it() {
        let mut ramp = Ramp::default();
        let mut seen = vec![ramp.allowed()];
        for _ in 0..64 + 128 + 256 {
            ramp.good();
            if ramp.allowed() != seen[seen.len() - 1] {
                seen.push(ramp.allowed());
            }
        }
        assert_eq!(seen, [64, 128, 256, 512]);
        ramp.good();
        ramp.restart();
        assert_eq!(ramp.allowed(), 64);
        for _ in 0..63 {
            ramp.good();
        }
        assert_eq!(
            ramp.allowed(),
            64,
            "what was counted before the pause is forgotten"
        );
    }
}
