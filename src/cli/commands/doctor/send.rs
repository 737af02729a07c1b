//! `--send`: one real message, because nothing else sees an account without credit.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::api::{shown_limits, words};
use super::finding::{Finding, remedy_of};
use crate::clock::Clock;
use crate::model::{RequestBody, Treatment};
use crate::policy::{ModelPrices, ModelStatus, PriceTable};
use crate::provider::{MessagesClient, Provider, Request};

const NAME: &str = "message";
/// The most that the answer may have; the prompt has about as many.
const TOKENS: u64 = 10;

/// Sends the message to the cheapest of the models that the endpoint lists.
pub(super) async fn check(
    client: &MessagesClient,
    prices: &PriceTable,
    listed: &[String],
    clock: Clock,
    limit: Duration,
) -> Finding {
    let now = clock.now();
    let Some(model) = to_ask(prices, listed, now) else {
        let remedy = "Correct the price table ([prices] file).";
        return Finding::failed(NAME, "not sent: no model has a price", remedy);
    };
    let body = json!({
        "model": model,
        "max_tokens": TOKENS,
        "messages": [{"role": "user", "content": "Say hi."}],
    });
    let reply = client.send(Request {
        body: RequestBody::from_json(body.to_string()),
        stream: false,
        endpoint: crate::model::Endpoint::First,
        timeout: limit,
    });
    let reply = reply.await;
    match reply.result {
        Ok(message) => {
            let asked = message.model.as_deref().unwrap_or(model);
            let usage = &message.usage;
            let cost = prices.priced(Some(asked), model, usage, now).cost;
            let cost = if cost.unknown_price || usage.missing {
                "an unknown amount".to_owned()
            } else {
                format!("${}", cost.total.rounded())
            };
            let limits = shown_limits(&reply.limits);
            let limits = limits.map_or_else(String::new, |limits| format!("; limits: {limits}"));
            Finding::ok(NAME, format!("{asked} answered; it cost {cost}{limits}"))
        }
        Err(failure) => {
            let found = format!("{model}: {}", words(&failure));
            let remedy = remedy_of(failure.class, &found);
            match failure.class.treatment() {
                Treatment::Retry => Finding::warning(NAME, found, remedy),
                _ => Finding::failed(NAME, found, remedy),
            }
        }
    }
}

/// The model to ask: of those that the endpoint lists, under the name that it lists them by; where it
/// lists none, the cheapest of all that are current.
fn to_ask<'a>(prices: &'a PriceTable, listed: &'a [String], now: Timestamp) -> Option<&'a str> {
    let price = |model: &ModelPrices| {
        let prices = model.prices(now, TOKENS, false)?;
        Some(prices.input + prices.output)
    };
    let of_table = prices.models().iter();
    let current = of_table.filter(|model| model.status == ModelStatus::Current);
    let current = current.filter_map(|model| Some((price(model)?, model.id.as_str())));
    let known = listed
        .iter()
        .filter_map(|id| Some((price(prices.model(id)?)?, id.as_str())));
    if let Some((_, cheapest)) = known.min_by_key(|(price, _)| *price) {
        return Some(cheapest);
    }
    // Without a price: a gateway may list models of others too.
    let of_claude = listed.iter().find(|id| id.contains("claude"));
    if let Some(some) = of_claude.or(listed.first()) {
        return Some(some);
    }
    let cheapest = current.min_by_key(|(price, _)| *price);
    cheapest.map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::{PriceTable, to_ask};

    #[test]
    fn a_model_is_asked_that_the_endpoint_lists_and_by_the_name_that_it_gives() {
        let prices = PriceTable::embedded();
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        for (listed, asked) in [
            (
                &["claude-opus-5", "claude-haiku-4-5"][..],
                "claude-haiku-4-5",
            ),
            (
                &["openai/gpt-9", "anthropic/claude-haiku-4.5"],
                "anthropic/claude-haiku-4.5",
            ),
            // No price is known, but it is what is there.
            (&["text-embedding", "acme/claude-next"], "acme/claude-next"),
            (&["acme-1", "acme-2"], "acme-1"),
        ] {
            let listed: Vec<_> = listed.iter().map(|id| (*id).to_owned()).collect();
            assert_eq!(to_ask(&prices, &listed, now), Some(asked), "{listed:?}");
        }
        let current = to_ask(&prices, &[], now).unwrap();
        assert!(prices.model(current).is_some(), "{current}");
    }
}
