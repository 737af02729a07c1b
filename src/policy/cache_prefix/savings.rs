//! What marks are expected to save, on either lane.

use jiff::Timestamp;

use super::census::worth_warming;
use crate::model::{Lane, Pico, SharedPrefix, Tokens, Usage};
use crate::policy::prices::PriceTable;

/// What the requests of this prefix save together on that lane if one of them writes it and all
/// others read it: for five minutes live, for an hour in batches, where it is not done unless it
/// pays.
#[must_use]
pub fn savings(prices: &PriceTable, prefix: &SharedPrefix, lane: Lane, at: Timestamp) -> Pico {
    let tokens = prefix.tokens;
    let cost = |tokens: Tokens| {
        let usage = Usage {
            tokens,
            batch_tier: lane == Lane::Batch,
            ..Usage::default()
        };
        prices.cost(&prefix.model, &usage, at).total
    };
    let plain = cost(Tokens {
        input: tokens,
        ..Tokens::default()
    });
    let read = cost(Tokens {
        cache_read: tokens,
        ..Tokens::default()
    });
    let written = cost(match lane {
        Lane::Live => Tokens {
            cache_write_5m: tokens,
            ..Tokens::default()
        },
        Lane::Batch => Tokens {
            cache_write_1h: tokens,
            ..Tokens::default()
        },
    });
    let model = prices.model(&prefix.model);
    let of_token = model.and_then(|model| model.prices(at, tokens, false));
    let pays = of_token.is_some_and(|prices| worth_warming(prices, prefix.jobs));
    if prefix.jobs == 0 || (lane == Lane::Batch && (!pays || prefix.first.is_empty())) {
        return Pico::ZERO;
    }
    let times = |amount: Pico, count: u64| Pico(amount.0 * i128::from(count));
    times(plain, prefix.jobs) - written - times(read, prefix.jobs - 1)
}

#[cfg(test)]
mod tests {
    use super::savings;
    use crate::model::{Lane, Pico, SharedPrefix};
    use crate::policy::PriceTable;

    #[test]
    fn savings_are_what_all_others_do_not_pay() {
        let prices = PriceTable::embedded();
        let at = "2026-11-22T00:00:00Z".parse().unwrap();
        for (jobs, first, live, batch) in [
            // 3 USD a million to read plainly, 3.75 and 6 to write, 0.30 from the cache.
            (
                11,
                &[1][..],
                33_000_000 - 3_750_000 - 3_000_000,
                16_500_000 - 3_000_000 - 1_500_000,
            ),
            (
                3,
                &[1],
                9_000_000 - 3_750_000 - 600_000,
                4_500_000 - 3_000_000 - 300_000,
            ),
            (3, &[], 9_000_000 - 3_750_000 - 600_000, 0),
            (2, &[1], 6_000_000 - 3_750_000 - 300_000, 0),
            (0, &[], 0, 0),
        ] {
            let prefix = SharedPrefix {
                hash: 1,
                model: "claude-sonnet-4-6".to_owned(),
                tokens: 10_000,
                jobs,
                first: first.to_vec(),
            };
            let saved = |lane| savings(&prices, &prefix, lane, at);
            // Micro-dollars of a million tokens are pico-dollars of one.
            assert_eq!(saved(Lane::Live), Pico(live * 10_000), "{jobs} live");
            assert_eq!(
                saved(Lane::Batch),
                Pico(batch * 10_000),
                "{jobs} in batches"
            );
        }
    }
}
