//! How much may be open at once: the user's concurrency, lowered when the API says that it is too
//! much, and raised again step by step.

/// Additive increase, multiplicative decrease.
#[derive(Clone, Debug)]
pub(super) struct Ceiling {
    most: u32,
    now: u32,
    /// Successes since the last step up.
    successes: u32,
}

impl Ceiling {
    pub(super) fn new(most: u32) -> Self {
        Self {
            most,
            now: most,
            successes: 0,
        }
    }

    pub(super) fn now(&self) -> u32 {
        self.now
    }

    /// Half of it, at least one.
    pub(super) fn lower(&mut self) {
        self.now = (self.now / 2).max(1);
        self.successes = 0;
    }

    /// One more after a whole round of successes.
    pub(super) fn raise(&mut self) {
        if self.now >= self.most {
            return;
        }
        self.successes += 1;
        if self.successes >= self.now {
            self.now += 1;
            self.successes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ceiling;

    #[test]
    fn it_halves_at_once_and_comes_back_step_by_step() {
        let mut ceiling = Ceiling::new(8);
        ceiling.lower();
        assert_eq!(ceiling.now(), 4);
        for _ in 0..4 {
            ceiling.raise();
        }
        assert_eq!(ceiling.now(), 5);
        for _ in 0..1_000 {
            ceiling.raise();
        }
        assert_eq!(ceiling.now(), 8);
        for _ in 0..10 {
            ceiling.lower();
        }
        assert_eq!(ceiling.now(), 1);
    }
}
