//! How fast the live lane works: what a deadline is reckoned with.

/// What is older counts less and less: by half after about this many looks.
const KEPT: f64 = 0.98;
/// With fewer looks nothing is said.
const ENOUGH: f64 = 5.0;

/// Jobs that the live lane answers a second while it has all it can do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LiveRate {
    answered: f64,
    looks: f64,
    since_look: u32,
}

impl LiveRate {
    /// A job succeeded.
    pub(super) fn succeeded(&mut self) {
        self.since_look += 1;
    }

    /// A second has passed. A lane that has nothing to wait for shows nothing of what it could do.
    pub(super) fn look(&mut self, has_backlog: bool) {
        let answered = std::mem::take(&mut self.since_look);
        if has_backlog {
            self.answered = self.answered.mul_add(KEPT, f64::from(answered));
            self.looks = self.looks.mul_add(KEPT, 1.0);
        }
    }

    /// Jobs a second, once that is known.
    pub(super) fn per_second(&self) -> Option<f64> {
        (self.looks >= ENOUGH && self.answered > 0.0).then(|| self.answered / self.looks)
    }
}

#[cfg(test)]
mod tests {
    use super::LiveRate;

    #[test]
    fn a_lane_is_measured_while_it_has_more_to_do_than_it_can() {
        let mut rate = LiveRate::default();
        for _ in 0..20 {
            for _ in 0..30 {
                rate.succeeded();
            }
            rate.look(true);
        }
        assert!((rate.per_second().unwrap() - 30.0).abs() < 0.01);
        for _ in 0..100 {
            rate.succeeded();
            rate.look(false);
        }
        assert!((rate.per_second().unwrap() - 30.0).abs() < 0.01);
    }

    #[test]
    fn the_rate_follows_and_says_nothing_too_early() {
        let mut rate = LiveRate::default();
        rate.succeeded();
        rate.look(true);
        assert_eq!(rate.per_second(), None);
        for second in 0..400 {
            for _ in 0..(if second < 100 { 50 } else { 10 }) {
                rate.succeeded();
            }
            rate.look(true);
        }
        assert!((rate.per_second().unwrap() - 10.0).abs() < 0.5);
    }
}
