//! What answers cost, worked out by hand and by properties.

use proptest::prelude::*;

use super::super::{PriceTable, Priced};
use super::{today, tokens, using};
use crate::model::usage::Iteration;
use crate::model::{Cost, CostBasis, Pico, Tokens, Usage};

fn cost(model: &str, usage: &Usage) -> Cost {
    PriceTable::embedded().cost(model, usage, today())
}

fn total(model: &str, usage: &Usage) -> String {
    let cost = cost(model, usage);
    assert!(!cost.unknown_price, "{model}");
    cost.total.to_string()
}

#[test]
fn plain_answers_cost_input_and_output() {
    // 1,000 input and 500 output tokens.
    for (model, expected) in [
        ("claude-opus-5-5", "0.014"),
        ("claude-opus-5", "0.0175"),
        ("claude-sonnet-5-5", "0.007"),
        ("claude-sonnet-4-6", "0.0105"),
        ("claude-haiku-5-5", "0.00035"),
        ("claude-haiku-4-5", "0.0035"),
        ("claude-fable-5-2", "0.028"),
        ("claude-mythos-5", "0.035"),
        ("claude-opus-4-1", "0.0525"),
    ] {
        assert_eq!(
            total(model, &using(tokens(1_000, 500))),
            expected,
            "{model}"
        );
    }
}

#[test]
fn every_kind_of_token_has_its_own_price() {
    // Opus 5.5: 10 × 4 + 20 × 20 + 30 × 0.20 + 40 × 5 + 50 × 8 = 1,046 USD per million.
    let usage = using(Tokens {
        input: 10,
        output: 20,
        cache_read: 30,
        cache_write_5m: 40,
        cache_write_1h: 50,
    });
    assert_eq!(total("claude-opus-5-5", &usage), "0.001046");
    // Uncached, the 130 tokens of the prompt would have cost 520 and the output 400: 920.
    let saved = cost("claude-opus-5-5", &usage).saved_by_cache;
    assert_eq!(saved.to_string(), "-0.000126");
}

#[test]
fn one_cached_token_in_a_us_batch_is_exact() {
    let usage = Usage {
        tokens: Tokens {
            cache_read: 1,
            ..Tokens::default()
        },
        batch_tier: true,
        us_geo: true,
        ..Usage::default()
    };
    assert_eq!(total("claude-haiku-5-5", &usage), "0.0000000055");
}

#[test]
fn cache_reads_save_and_cache_writes_cost_extra() {
    let read = using(Tokens {
        cache_read: 1_000_000,
        ..Tokens::default()
    });
    // Sonnet 5: 2 USD uncached, 0.20 read.
    let saved = cost("claude-sonnet-5", &read).saved_by_cache;
    assert_eq!(saved.to_string(), "1.80");
    let written = using(Tokens {
        cache_write_1h: 1_000_000,
        ..Tokens::default()
    });
    // 2 USD uncached, 4 written for an hour.
    let saved = cost("claude-sonnet-5", &written).saved_by_cache;
    assert_eq!(saved.to_string(), "-2.00");
}

#[test]
fn haiku_5_5_is_dearer_above_100_000_prompt_tokens_for_every_token() {
    // 100,000 × 0.10 + 1,000 × 0.50; then 100,001 × 0.50 + 1,000 × 2.50.
    let model = "claude-haiku-5-5";
    assert_eq!(total(model, &using(tokens(100_000, 1_000))), "0.0105");
    assert_eq!(total(model, &using(tokens(100_001, 1_000))), "0.0525005");
    // One token more than the band, of whatever kind: 99,996 × 0.50 + 2 × 0.05 + 0.625 × 2 + 1.
    let mixed = Tokens {
        input: 99_996,
        output: 0,
        cache_read: 2,
        cache_write_5m: 2,
        cache_write_1h: 1,
    };
    assert_eq!(mixed.prompt(), 100_001);
    assert_eq!(total(model, &using(mixed)), "0.05000035");
    // Output does not count towards the band: 1 × 0.10 + 200,000 × 0.50.
    assert_eq!(total(model, &using(tokens(1, 200_000))), "0.1000001");
}

#[test]
fn sonnet_5_5_reads_became_cheaper_at_the_start_of_october_7() {
    let table = PriceTable::embedded();
    let usage = using(Tokens {
        cache_read: 1_000_000,
        ..Tokens::default()
    });
    for (when, expected) in [
        ("2026-09-28T00:00:00Z", "0.20"),
        ("2026-10-06T23:59:59.999Z", "0.20"),
        ("2026-10-07T00:00:00Z", "0.10"),
        ("2026-10-07T01:00:00+02:00", "0.20"),
        ("2026-11-22T00:00:00Z", "0.10"),
    ] {
        let cost = table.cost("claude-sonnet-5-5", &usage, when.parse().unwrap());
        assert_eq!(cost.total.to_string(), expected, "{when}");
    }
}

#[test]
fn a_batch_costs_half_and_the_us_a_tenth_more() {
    // Opus 5: 1,000 × 5 + 100 × 25 = 7,500 per million.
    let live = using(tokens(1_000, 100));
    let batch = Usage {
        batch_tier: true,
        ..live.clone()
    };
    let us = Usage {
        us_geo: true,
        ..live.clone()
    };
    let us_batch = Usage {
        us_geo: true,
        ..batch.clone()
    };
    for (usage, expected, saved) in [
        (&live, "0.0075", "0.00"),
        (&batch, "0.00375", "0.00375"),
        (&us, "0.00825", "0.00"),
        (&us_batch, "0.004125", "0.004125"),
    ] {
        assert_eq!(total("claude-opus-5", usage), expected);
        let cost = cost("claude-opus-5", usage);
        assert_eq!(cost.saved_by_batch.to_string(), saved);
    }
}

#[test]
fn web_searches_cost_a_cent_without_any_factor() {
    let usage = Usage {
        tokens: tokens(1_000_000, 0),
        web_searches: 3,
        batch_tier: true,
        us_geo: true,
        ..Usage::default()
    };
    // 2 USD × 0.55 + 3 × 0.01.
    assert_eq!(total("claude-sonnet-5", &usage), "1.13");
    let saved = cost("claude-sonnet-5", &usage).saved_by_batch;
    assert_eq!(saved.to_string(), "1.10");
}

#[test]
fn fast_answers_have_their_own_prices_in_every_column() {
    let usage = Usage {
        tokens: Tokens {
            input: 1_000,
            output: 1_000,
            cache_read: 1_000,
            cache_write_5m: 1_000,
            cache_write_1h: 1_000,
        },
        fast: true,
        ..Usage::default()
    };
    // Opus 5.5: 8 + 40 + 0.40 + 10 + 16; Opus 5 and 4.8: 10 + 50 + 1 + 12.50 + 20.
    assert_eq!(total("claude-opus-5-5", &usage), "0.0744");
    assert_eq!(total("claude-opus-5", &usage), "0.0935");
    assert_eq!(total("claude-opus-4-8", &usage), "0.0935");
    // Fable 5.2: 16 + 80 + 0.40 + 20 + 32.
    assert_eq!(total("claude-fable-5-2", &usage), "0.1484");
}

#[test]
fn a_fast_answer_of_a_model_without_a_fast_price_is_of_unknown_price() {
    let usage = Usage {
        fast: true,
        ..using(tokens(10, 10))
    };
    assert!(cost("claude-sonnet-5", &usage).unknown_price);
}

#[test]
fn where_there_are_steps_the_sum_is_over_them() {
    let usage = Usage {
        // The top-level counts leave the adviser's tokens out.
        tokens: tokens(1_000, 100),
        iterations: vec![
            Iteration {
                model: None,
                tokens: tokens(1_000, 100),
            },
            Iteration {
                model: Some("claude-opus-5-5".to_owned()),
                tokens: tokens(2_000, 10),
            },
        ],
        ..Usage::default()
    };
    // Sonnet 5: 2,000 + 1,000; Opus 5.5: 8,000 + 200 per million.
    assert_eq!(total("claude-sonnet-5", &usage), "0.0112");
}

#[test]
fn every_step_has_the_band_of_its_own_prompt() {
    let step = |input| Iteration {
        model: None,
        tokens: tokens(input, 0),
    };
    let usage = Usage {
        iterations: vec![step(100_000), step(100_001)],
        ..Usage::default()
    };
    // 100,000 × 0.10 + 100,001 × 0.50.
    assert_eq!(total("claude-haiku-5-5", &usage), "0.0600005");
}

#[test]
fn an_unknown_model_anywhere_makes_the_price_unknown_and_not_zero_dollars() {
    let unknown = Cost {
        unknown_price: true,
        ..Cost::default()
    };
    let plain = using(tokens(1_000, 100));
    assert_eq!(cost("gpt-4", &plain), unknown);
    assert_eq!(cost("claude-opus-9", &plain), unknown);
    let mut stepped = plain;
    stepped.iterations = vec![Iteration {
        model: Some("claude-opus-9".to_owned()),
        tokens: tokens(1, 1),
    }];
    assert_eq!(cost("gpt-4", &stepped), unknown);
}

fn priced(answered: Option<&str>, asked: &str, usage: &Usage) -> Priced {
    PriceTable::embedded().priced(answered, asked, usage, today())
}

#[test]
fn a_name_without_a_price_is_a_gateways_own_for_what_was_asked() {
    let plain = using(tokens(1_000_000, 0));
    let by_asked = priced(Some("our-small-one"), "claude-haiku-4-5", &plain);
    assert_eq!(by_asked.cost.total.to_string(), "1.00");
    assert_eq!(by_asked.basis, Some(CostBasis::AskedModel));
    assert_eq!(by_asked.row.as_deref(), Some("claude-haiku-4-5-20251001"));
    let by_name = priced(Some("claude-opus-5"), "claude-haiku-4-5", &plain);
    assert_eq!(
        (by_name.cost.total.to_string(), by_name.basis),
        ("5.00".to_owned(), None)
    );
    let neither = priced(Some("our-small-one"), "our-small-one", &plain);
    assert_eq!(neither, Priced::unknown());
}

#[test]
fn a_fallback_of_the_server_is_priced_by_the_models_of_its_steps() {
    let step = |model: &str, input, output| Iteration {
        model: Some(model.to_owned()),
        tokens: tokens(input, output),
    };
    let usage = Usage {
        // As the docs say: the counts of the whole leave out what the first model used.
        tokens: tokens(1_000, 100),
        iterations: vec![
            step("claude-fable-5-2", 1_000, 10),
            step("claude-opus-5", 1_000, 100),
        ],
        ..Usage::default()
    };
    let told = priced(Some("claude-opus-5"), "claude-fable-5-2", &usage);
    // 1,000 × 8 + 10 × 40, and 1,000 × 5 + 100 × 25, per million.
    assert_eq!(told.cost.total.to_string(), "0.0159");
    assert_eq!(told.basis, None);
    assert_eq!(
        told.row.as_deref(),
        Some("claude-fable-5-2 + claude-opus-5")
    );
}

#[test]
fn what_a_name_says_of_the_region_is_paid_for_once_and_by_newer_models_alone() {
    let mut usage = using(tokens(1_000_000, 0));
    let total =
        |model: &str, usage: &Usage| priced(Some(model), model, usage).cost.total.to_string();
    let name = |place: &str| format!("{place}anthropic.claude-haiku-4-5-20251001-v1:0");
    for (model, usd) in [
        (name("us."), "1.10"),
        (name("eu."), "1.10"),
        (name("apac."), "1.10"),
        (name(""), "1.10"),
        (name("global."), "1.00"),
        ("anthropic/claude-haiku-4.5".to_owned(), "1.00"),
        (
            "us.anthropic.claude-3-haiku-20240307-v1:0".to_owned(),
            "0.25",
        ),
    ] {
        assert_eq!(total(&model, &usage), usd, "{model}");
    }
    usage.batch_tier = true;
    assert_eq!(total(&name("us."), &usage), "0.55");
    usage.us_geo = true;
    assert_eq!(total(&name("us."), &usage), "0.55");
}

#[test]
fn a_cost_that_cannot_be_is_cut_and_marked() {
    let usage = Usage {
        tokens: tokens(1_000, 100),
        web_searches: 999_999_999,
        ..Usage::default()
    };
    let told = priced(None, "claude-opus-5", &usage);
    assert_eq!(
        (told.cost.total, told.basis),
        (Pico::MOST, Some(CostBasis::Saturated))
    );
    let step = Iteration {
        model: None,
        tokens: tokens(1_000_000_000, 1_000_000_000),
    };
    let usage = Usage {
        iterations: vec![step; 3_000],
        ..Usage::default()
    };
    let told = priced(None, "claude-opus-5", &usage);
    assert_eq!(
        (told.cost.total, told.basis),
        (Pico::MOST, Some(CostBasis::Saturated))
    );
}

#[test]
fn the_largest_counts_do_not_overflow() {
    let usage = Usage {
        tokens: Tokens {
            input: u64::MAX,
            output: u64::MAX,
            cache_read: u64::MAX,
            cache_write_5m: u64::MAX,
            cache_write_1h: u64::MAX,
        },
        web_searches: u64::MAX,
        batch_tier: true,
        us_geo: true,
        ..Usage::default()
    };
    assert!(cost("claude-opus-4-1", &usage).total > Pico::ZERO);
}

fn any_model() -> impl Strategy<Value = String> {
    let ids: Vec<_> = PriceTable::embedded()
        .models()
        .iter()
        .map(|m| m.id.clone())
        .collect();
    proptest::sample::select(ids)
}

/// Two of them together stay within the lower band of every model.
fn some_tokens() -> impl Strategy<Value = Tokens> {
    let n = 0_u64..12_500;
    (n.clone(), n.clone(), n.clone(), n.clone(), n).prop_map(
        |(input, output, cache_read, cache_write_5m, cache_write_1h)| Tokens {
            input,
            output,
            cache_read,
            cache_write_5m,
            cache_write_1h,
        },
    )
}

proptest! {
    #[test]
    fn cost_is_additive_and_never_negative(
        model in any_model(), one in some_tokens(), other in some_tokens(),
        batch_tier: bool, us_geo: bool,
    ) {
        let table = PriceTable::embedded();
        let priced = |tokens| {
            let usage = Usage { tokens, batch_tier, us_geo, ..Usage::default() };
            table.cost(&model, &usage, today())
        };
        let (first, second, both) = (priced(one), priced(other), priced(one.plus(&other)));
        prop_assert!(!both.unknown_price);
        prop_assert_eq!(first.total + second.total, both.total);
        prop_assert_eq!(first.saved_by_cache + second.saved_by_cache, both.saved_by_cache);
        prop_assert_eq!(first.saved_by_batch + second.saved_by_batch, both.saved_by_batch);
        prop_assert!(first.total >= Pico::ZERO);
        prop_assert_eq!(both.total > Pico::ZERO, one.plus(&other) != Tokens::default());
    }

    #[test]
    fn a_batch_saves_exactly_what_it_costs(
        model in any_model(), tokens in some_tokens(), us_geo: bool,
    ) {
        let usage = Usage { tokens, us_geo, batch_tier: true, ..Usage::default() };
        let cost = cost(&model, &usage);
        prop_assert_eq!(cost.saved_by_batch, cost.total);
    }

    #[test]
    fn steps_of_one_model_cost_what_the_answers_cost_apart(
        model in any_model(), one in some_tokens(), other in some_tokens(),
    ) {
        let step = |tokens| Iteration { model: Some(model.clone()), tokens };
        let usage = Usage { iterations: vec![step(one), step(other)], ..Usage::default() };
        let apart = cost(&model, &using(one)).total + cost(&model, &using(other)).total;
        prop_assert_eq!(cost("not asked", &usage).total, apart);
    }
}
