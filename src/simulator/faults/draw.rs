//! Random faults.
//!
//! Whether the n-th request of a body is struck depends on the seed, the body and n alone: a run
//! meets the same faults however its requests are timed or ordered.

use super::{Case, FaultRate, Venue};
use crate::simulator::dice::{Dice, Purpose};

/// The case of the `nth` admitted request (from 0) with this body hash.
pub(in crate::simulator) fn draw(
    rates: &[FaultRate],
    seed: u64,
    body: u64,
    nth: u32,
    venue: Venue,
) -> Case {
    if rates.is_empty() {
        return Case::OK;
    }
    let mut left = Dice::new(seed, body, nth, Purpose::Fault).unit();
    for rate in rates {
        if left < rate.probability {
            let fits = rate.case.fits(venue).is_ok();
            return if fits { rate.case } else { Case::OK };
        }
        left -= rate.probability;
    }
    Case::OK
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates() -> Vec<FaultRate> {
        [("529", 0.2), ("stream-eof", 0.1)]
            .map(|(name, probability)| FaultRate {
                case: name.parse().unwrap(),
                probability,
            })
            .into()
    }

    #[test]
    fn a_fault_depends_on_seed_body_and_count_alone() {
        let run = |seed| -> Vec<_> {
            (0..50_u64)
                .flat_map(|body| (0..3).map(move |nth| (body, nth)))
                .map(|(body, nth)| draw(&rates(), seed, body, nth, Venue::Streamed).name())
                .collect()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn faults_strike_as_often_as_asked() {
        let count = |name| {
            (0..10_000)
                .filter(|body| draw(&rates(), 3, *body, 0, Venue::Streamed).name() == name)
                .count()
        };
        assert!((1_850..2_150).contains(&count("529")));
        assert!((880..1_120).contains(&count("stream-eof")));
    }

    #[test]
    fn a_request_that_does_not_stream_is_spared_stream_faults() {
        let drawn = |body| draw(&rates(), 3, body, 0, Venue::Plain).name();
        assert!((0..1_000).all(|body| drawn(body) != "stream-eof"));
    }
}
