//! `--send`: one real message, because nothing else sees an account without credit.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::api::{shown_limits, words};
use super::finding::{Finding, remedy_of};
use crate::clock::Clock;
use crate::model::{RequestBody, Treatment};
use crate::policy::{ModelStatus, PriceTable};
use crate::provider::{MessagesClient, Provider, Request};

const NAME: &str = "message";
/// The most that the answer may have; the prompt has about as many.
const TOKENS: u64 = 10;

/// Sends the message to the cheapest of the listed models.
pub(super) async fn check(
    client: &MessagesClient,
    prices: &PriceTable,
    listed: &[String],
    clock: Clock,
    limit: Duration,
) -> Finding {
    let now = clock.now();
    let Some(model) = cheapest(prices, listed, now) else {
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
                format!("${}", cost.total)
            };
            let limits = shown_limits(&reply.limits);
            let limits = limits.map_or_else(String::new, |limits| format!("; limits: {limits}"));
            Finding::ok(NAME, format!("{asked} answered; it cost {cost}{limits}"))
        }
        Err(failure) => {
            let found = format!("{model}: {}", words(&failure));
            match failure.class.treatment() {
                Treatment::Retry => Finding::warning(NAME, found, remedy_of(failure.class)),
                _ => Finding::failed(NAME, found, remedy_of(failure.class)),
            }
        }
    }
}

/// The id of the model whose answer costs least: of those listed, or of all that are current.
fn cheapest<'a>(prices: &'a PriceTable, listed: &[String], now: Timestamp) -> Option<&'a str> {
    let by_price = || {
        prices.models().iter().filter_map(|model| {
            let prices = model.prices(now, TOKENS, false)?;
            Some((prices.input + prices.output, model))
        })
    };
    let is_listed = |id: &str| listed.iter().any(|listed| listed == id);
    let of_listed = by_price().filter(|(_, model)| model.names().any(is_listed));
    let of_current = by_price().filter(|(_, model)| model.status == ModelStatus::Current);
    let cheapest = of_listed.min_by_key(|(price, _)| *price);
    let cheapest = cheapest.or_else(|| of_current.min_by_key(|(price, _)| *price));
    cheapest.map(|(_, model)| model.id.as_str())
}
