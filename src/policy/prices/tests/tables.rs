//! The embedded table, tables of the user, and what is refused.

use super::super::{ModelStatus, PriceTable};
use super::{at, today, tokens, using};
use crate::model::{Pico, Usage};

fn rejected(text: &str) -> String {
    PriceTable::parse(text, "mine.toml")
        .unwrap_err()
        .to_string()
}

/// A table of one model with these lines among its own and one price row.
fn table_with(lines: &str, row: &str) -> String {
    format!(
        "version = \"v1\"\n[[model]]\nid = \"mine\"\ncontext_window = 10\nmax_output_tokens = 5\n{lines}\n\
         [[model.price]]\n{row}\ninput = \"1\"\noutput = \"5\"\ncache_write_5m = \"1.25\"\n\
         cache_write_1h = \"2\"\ncache_read = \"0.1\"\n"
    )
}

fn parsed(text: &str) -> PriceTable {
    PriceTable::parse(text, "mine.toml").unwrap()
}

#[test]
fn models_are_found_by_id_alias_and_date() {
    let table = PriceTable::embedded();
    for (name, id) in [
        ("claude-opus-5-5", "claude-opus-5-5"),
        ("claude-haiku-4-5", "claude-haiku-4-5-20251001"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5-20251001"),
        ("claude-haiku-4-5-20991231", "claude-haiku-4-5-20251001"),
        ("claude-opus-5-5-20260922", "claude-opus-5-5"),
        ("claude-opus-5-5-latest", "claude-opus-5-5"),
        ("anthropic/claude-haiku-4.5", "claude-haiku-4-5-20251001"),
        (
            "anthropic/claude-4-sonnet-20250522",
            "claude-sonnet-4-20250514",
        ),
        ("claude-opus-4", "claude-opus-4-20250514"),
        (
            "us.anthropic.claude-haiku-4-5-20251001-v1:0",
            "claude-haiku-4-5-20251001",
        ),
    ] {
        assert_eq!(
            table.model(name).map(|model| model.id.as_str()),
            Some(id),
            "{name}"
        );
    }
    for name in [
        "",
        "claude",
        "claude-opus-5-5-2026092",
        "claude-opus-5-5-newest",
        "claude-opus-5-5-20260922-20260922",
        "-20260922",
    ] {
        assert_eq!(table.model(name), None, "{name}");
    }
}

#[test]
fn a_name_that_could_be_two_models_is_none() {
    let user = r#"
        version = "mine"
        [[model]]
        id = "claude-haiku-4-5-20301231"
        context_window = 1
        max_output_tokens = 1
        [[model.price]]
        input = "7"
        output = "7"
        cache_write_5m = "7"
        cache_write_1h = "7"
        cache_read = "7"
    "#;
    let user = PriceTable::parse(user, "mine").unwrap();
    let table = PriceTable::embedded().overridden_by(user);
    let found = |name| table.model(name).map(|model| model.id.as_str());
    assert_eq!(found("anthropic/claude-haiku-4.5"), None);
    let of_the_day = found("vertex_ai/claude-haiku-4.5@20301231");
    assert_eq!(of_the_day, Some("claude-haiku-4-5-20301231"));
}

#[test]
fn a_spelling_that_the_users_table_has_is_priced_by_it_alone() {
    let user = r#"
        version = "mine"
        [[model]]
        id = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
        context_window = 1
        max_output_tokens = 1
        [[model.price]]
        input = "7"
        output = "7"
        cache_write_5m = "7"
        cache_write_1h = "7"
        cache_read = "7"
    "#;
    let user = PriceTable::parse(user, "mine").unwrap();
    let table = PriceTable::embedded().overridden_by(user);
    let name = "us.anthropic.claude-haiku-4-5-20251001-v1:0";
    let cost = table.cost(name, &using(tokens(1_000_000, 0)), today());
    assert_eq!(
        cost.total.to_string(),
        "7.00",
        "no surcharge on the user's own price"
    );
}

#[test]
fn the_embedded_table_has_every_published_model() {
    let table = PriceTable::embedded();
    for id in [
        "claude-fable-5-2",
        "claude-mythos-5-2",
        "claude-fable-5-1",
        "claude-mythos-5-1",
        "claude-fable-5",
        "claude-mythos-5",
        "claude-opus-5-5",
        "claude-opus-5",
        "claude-opus-4-8",
        "claude-opus-4-7",
        "claude-opus-4-6",
        "claude-opus-4-5",
        "claude-sonnet-5-5",
        "claude-sonnet-5",
        "claude-sonnet-4-6",
        "claude-sonnet-4-5",
        "claude-haiku-5-5",
        "claude-haiku-4-5",
        "claude-opus-4-1-20250805",
        "claude-opus-4-20250514",
        "claude-sonnet-4-20250514",
        "claude-3-7-sonnet-20250219",
        "claude-3-5-haiku-20241022",
        "claude-3-haiku-20240307",
    ] {
        assert!(table.model(id).is_some(), "{id}");
    }
    assert_eq!(table.models().len(), 24);
    assert_eq!(table.version(), "2026-11-22");
}

#[test]
fn every_row_of_the_embedded_table_is_complete_and_in_proportion() {
    for model in PriceTable::embedded().models() {
        assert!(model.context_window >= 200_000, "{}", model.id);
        assert!(model.max_output_tokens >= 4_096, "{}", model.id);
        assert!(
            model.max_output_tokens < model.context_window,
            "{}",
            model.id
        );
        for rate in &model.rates {
            let prices = rate.prices;
            assert!(prices.cache_read > Pico::ZERO, "{}", model.id);
            assert!(prices.cache_read.0 * 8 < prices.input.0, "{}", model.id);
            assert_eq!(prices.cache_write_1h.0, prices.input.0 * 2, "{}", model.id);
            assert_eq!(prices.output.0, prices.input.0 * 5, "{}", model.id);
            // Haiku 3's is rounded to cents on the page: 0.30 for 0.25.
            if model.id != "claude-3-haiku-20240307" {
                assert_eq!(
                    prices.cache_write_5m.0 * 4,
                    prices.input.0 * 5,
                    "{}",
                    model.id
                );
            }
        }
    }
}

#[test]
fn the_embedded_table_never_needs_rounding() {
    // A price is multiplied by 1/2, 11/10 or 11/20: what 20 divides stays whole.
    for model in PriceTable::embedded().models() {
        for rate in &model.rates {
            let prices = rate.prices;
            for price in [
                prices.input,
                prices.output,
                prices.cache_write_5m,
                prices.cache_write_1h,
                prices.cache_read,
            ] {
                assert_eq!(price.0 % 20, 0, "{} {price}", model.id);
            }
        }
    }
}

#[test]
fn models_that_are_gone_or_going_say_when() {
    let table = PriceTable::embedded();
    for model in table.models() {
        let gone = matches!(model.status, ModelStatus::Retired | ModelStatus::Deprecated);
        assert_eq!(model.retires.is_some(), gone, "{}", model.id);
    }
    let sonnet = table.model("claude-sonnet-4-5").unwrap();
    assert_eq!(sonnet.retires, Some(jiff::civil::date(2026, 11, 30)));
    let haiku = table.model("claude-haiku-5-5").unwrap();
    assert_eq!(haiku.min_cacheable_tokens, Some(512));
    assert_eq!(
        table.model("claude-opus-5-5").unwrap().min_cacheable_tokens,
        None
    );
}

#[test]
fn a_users_model_replaces_ours_by_any_name_and_leaves_the_rest() {
    let user = parsed(&table_with("", "").replace("\"mine\"", "\"claude-haiku-4-5\""));
    let table = PriceTable::embedded().overridden_by(user);
    assert_eq!(table.version(), "2026-11-22+v1");
    assert_eq!(table.models().len(), 24);
    for name in ["claude-haiku-4-5", "claude-haiku-4-5-20251001"] {
        assert_eq!(table.model(name).unwrap().context_window, 10, "{name}");
    }
    let batch = Usage {
        batch_tier: true,
        ..using(tokens(1_000_000, 0))
    };
    let embedded = PriceTable::embedded();
    for model in ["claude-opus-5", "claude-haiku-5-5"] {
        assert_eq!(
            table.cost(model, &batch, today()),
            embedded.cost(model, &batch, today())
        );
    }
}

#[test]
fn a_users_factor_replaces_ours() {
    let user = parsed("version = \"v2\"\nbatch_factor = 0.25\n");
    let table = PriceTable::embedded().overridden_by(user);
    let usage = Usage {
        batch_tier: true,
        us_geo: true,
        ..using(tokens(1_000_000, 0))
    };
    // 5 USD × 0.25 × 1.1.
    let cost = table.cost("claude-opus-5", &usage, today());
    assert_eq!(cost.total.to_string(), "1.375");
    assert_eq!(cost.saved_by_batch.to_string(), "4.125");
}

#[test]
fn a_factor_that_no_table_tells_is_unknown_and_not_one() {
    let table = parsed(&table_with("", ""));
    let plain = using(tokens(1, 1));
    assert!(!table.cost("mine", &plain, today()).unknown_price);
    let batch_tier = Usage {
        batch_tier: true,
        ..plain.clone()
    };
    let us_geo = Usage {
        us_geo: true,
        ..plain.clone()
    };
    let searching = Usage {
        web_searches: 1,
        ..plain
    };
    for usage in [batch_tier, us_geo, searching] {
        assert!(
            table.cost("mine", &usage, today()).unknown_price,
            "{usage:?}"
        );
    }
}

#[test]
fn a_price_that_has_not_begun_is_unknown() {
    let table = parsed(&table_with("", "from = 2026-10-07"));
    let usage = using(tokens(1_000_000, 0));
    assert!(table.cost("mine", &usage, at("2026-10-06")).unknown_price);
    assert_eq!(
        table.cost("mine", &usage, at("2026-10-07")).total,
        Pico::USD
    );
}

#[test]
fn a_newer_day_without_bands_ends_the_bands_of_the_older_one() {
    let row = |head: &str, input: u32| {
        format!(
            "[[model.price]]\n{head}\ninput = {input}\noutput = 1\ncache_write_5m = 1\n\
             cache_write_1h = 1\ncache_read = 1\n"
        )
    };
    let text = format!(
        "{}{}{}",
        table_with("", ""),
        row("prompt_over = 100", 7),
        row("from = 2026-10-07", 3)
    );
    let table = parsed(&text);
    let usage = using(tokens(1_000_000, 0));
    let on = |day| table.cost("mine", &usage, at(day)).total.to_string();
    assert_eq!(
        (on("2026-10-06").as_str(), on("2026-10-07").as_str()),
        ("7.00", "3.00")
    );
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table, one case after the other")]
fn a_bad_table_is_refused_at_its_place() {
    let good = table_with("", "");
    for (text, place, why) in [
        (
            good.replace("version", "vision"),
            "line 1, column 1",
            "vision",
        ),
        ("version = \"v\"\nx = ".to_owned(), "line 2, column", ""),
        (
            good.replace("\"v1\"", "\" \""),
            "line 1, column 11",
            "empty",
        ),
        (table_with("colour = 1", ""), "line 6, column 1", "colour"),
        (
            table_with("status = \"gone\"", ""),
            "line 6, column 10",
            "gone",
        ),
        (
            table_with("aliases = [\"mine\"]", ""),
            "line 3, column 6",
            "named twice",
        ),
        (
            table_with("retires = 2026-10-07T10:00:00Z", ""),
            "line 6, column 11",
            "no day",
        ),
        (
            table_with("retires = \"soon\"", ""),
            "line 6, column 11",
            "",
        ),
        (
            table_with("", "fast = true"),
            "line 3, column 6",
            "standard speed",
        ),
        (
            table_with("", "prompt_over = 1"),
            "line 3, column 6",
            "smaller prompts",
        ),
        (
            good.replace("\"5\"", "\"-5\""),
            "line 10, column 10",
            "not negative",
        ),
        (
            good.replace("\"5\"", "-5.0"),
            "line 10, column 10",
            "not negative",
        ),
        (good.replace("\"5\"", "true"), "line 10, column 10", "0.125"),
        (
            good.replace("\"5\"", "0.0000001"),
            "line 10, column 10",
            "decimals",
        ),
        (
            good.replace("\"5\"", "5e9"),
            "line 10, column 10",
            "per million",
        ),
        (
            good.replace("output = \"5\"", ""),
            "line 7, column 1",
            "output",
        ),
        (
            good.replace("context_window = 10", ""),
            "line 2, column 1",
            "context_window",
        ),
    ] {
        let message = rejected(&text);
        assert!(
            message.starts_with("the price table mine.toml cannot be used: "),
            "{message}"
        );
        assert!(
            message.contains(place) && message.contains(why),
            "{place} {why}: {message}"
        );
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn two_rows_for_the_same_case_are_refused() {
    let row = table_with("", "");
    let (_, again) = row.split_once("[[model.price]]").unwrap();
    let message = rejected(&format!("{row}[[model.price]]{again}"));
    assert!(message.contains("two rows for the same case"), "{message}");
}

#[test]
fn suggestions_are_models_that_are_served() {
    let table = PriceTable::embedded();
    assert_eq!(
        table.nearest_model_ids("claude-sonet-5").first(),
        Some(&"claude-sonnet-5")
    );
    assert_eq!(
        table.nearest_model_ids("claude-haiku-4.5").first(),
        Some(&"claude-haiku-4-5")
    );
    assert!(table.nearest_model_ids("llama-3").is_empty());
    for name in table.nearest_model_ids("claude-opus-4-1") {
        assert_ne!(name, "claude-opus-4-1");
    }
}
