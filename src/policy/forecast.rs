//! What a run is expected to use and cost before anything of it is sent, on either lane.
//!
//! It adds up guesses of single requests (`estimate`) at the prices of a day. Input is guessed from
//! the texts; output is a quarter of `max_tokens`, since nobody has seen an answer yet, so every sum
//! of money comes with the most that it can be: the sum of what each request allows ([`at_most`]), which
//! no text and no answer exceeds. What has no bound is counted and said. A request that may search is
//! taken to search once. What is marked with `cache_control` is taken to be
//! written once and read by every later request that shares it on the live lane; requests of one
//! batch do not see each other's writes, so there it is priced as plain input.
//!
//! Pure, and bounded in memory however many requests are added.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::at_most::{Bounds, Unbounded, at_most};
use super::estimate::{Estimator, Prompt};
use super::prices::PriceTable;
use super::rate_budget::Ceilings;
use crate::model::{JsonView, Lane, Pico, Tokens, Usage};

/// Prefixes that are remembered; those after them count as written, which is the dearer guess.
const MAX_PREFIXES: usize = 100_000;
/// Tokens of the results of one search, of which Anthropic's own example has about that many.
const RESULTS_OF_A_SEARCH: u64 = 6_000;
/// How fast answers are written, in tokens per second: about what models of middling size do.
const OUTPUT_TOKENS_PER_SECOND: f64 = 60.0;
/// What a request takes besides.
const REQUEST_SECONDS: f64 = 1.0;

/// What some requests are expected to need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// How many they are.
    pub jobs: u64,
    /// Tokens of all prompts, cached or not.
    pub input: u64,
    /// Those of them that count against the limits: not read from the cache.
    pub counted_input: u64,
    /// Output tokens, likely.
    pub output: u64,
    /// Output tokens, at most.
    pub most_output: u64,
    /// What the input costs on the live lane.
    pub live_input: Pico,
    /// What a likely output costs there.
    pub live_output: Pico,
    /// What the largest output costs there.
    pub live_most_output: Pico,
    /// What the input costs in batches.
    pub batch_input: Pico,
    /// What a likely output costs there.
    pub batch_output: Pico,
    /// What the largest output costs there.
    pub batch_most_output: Pico,
    /// Fees of the searches that are likely, the same on both lanes.
    pub fees: Pico,
    /// What the cache saves on the live lane by what is marked for it; negative if it costs more.
    pub saved_by_cache: Pico,
    /// The most that they can cost on the live lane: those that something bounds.
    pub live_at_most: Pico,
    /// The most that they can cost in batches.
    pub batch_at_most: Pico,
    /// Requests that nothing bounds, though their model has a price.
    pub unbounded: u64,
    /// Requests whose model has no known price; they are in no sum of money.
    pub unknown_price: u64,
}

impl Expected {
    /// What is likely to be charged on the live lane.
    #[must_use]
    pub fn live(&self) -> Pico {
        self.live_input + self.live_output + self.fees
    }

    /// The most that is charged there. None if nothing bounds one of them.
    #[must_use]
    pub fn live_most(&self) -> Option<Pico> {
        // The guess may exceed the bound, since it is worked out by other rules; the larger is
        // shown.
        (self.unbounded == 0).then_some(self.live_at_most.max(self.live()))
    }

    /// What is likely to be charged in batches.
    #[must_use]
    pub fn batch(&self) -> Pico {
        self.batch_input + self.batch_output + self.fees
    }

    /// The most that is charged there. None if nothing bounds one of them.
    #[must_use]
    pub fn batch_most(&self) -> Option<Pico> {
        (self.unbounded == 0).then_some(self.batch_at_most.max(self.batch()))
    }

    /// The same with an input this many times as large, as a count of a sample has shown.
    #[must_use]
    pub fn corrected(self, ratio: f64) -> Self {
        Self {
            input: times(self.input, ratio),
            counted_input: times(self.counted_input, ratio),
            live_input: money_times(self.live_input, ratio),
            batch_input: money_times(self.batch_input, ratio),
            saved_by_cache: money_times(self.saved_by_cache, ratio),
            ..self
        }
    }

    fn add(&mut self, other: &Self) {
        self.jobs += other.jobs;
        self.input = self.input.saturating_add(other.input);
        self.counted_input = self.counted_input.saturating_add(other.counted_input);
        self.output = self.output.saturating_add(other.output);
        self.most_output = self.most_output.saturating_add(other.most_output);
        self.live_input += other.live_input;
        self.live_output += other.live_output;
        self.live_most_output += other.live_most_output;
        self.batch_input += other.batch_input;
        self.batch_output += other.batch_output;
        self.batch_most_output += other.batch_most_output;
        self.fees += other.fees;
        self.saved_by_cache += other.saved_by_cache;
        self.live_at_most += other.live_at_most;
        self.batch_at_most += other.batch_at_most;
        self.unbounded += other.unbounded;
        self.unknown_price += other.unknown_price;
    }

    /// How long the live lane takes with this many requests open at once and these ceilings, if the
    /// API's own limits are not lower. Limits are not known before the first answer tells them.
    #[must_use]
    pub fn live_time(&self, concurrency: u32, ceilings: Ceilings) -> Duration {
        let minutes = |amount: u64, per_minute: Option<u64>| {
            per_minute.map_or(0.0, |limit| float(amount) * 60.0 / float(limit))
        };
        let answers =
            float(self.jobs) * REQUEST_SECONDS + float(self.output) / OUTPUT_TOKENS_PER_SECOND;
        let seconds = (answers / f64::from(concurrency))
            // The tightest of the four decides: they are waited for side by side.
            .max(minutes(self.jobs, ceilings.rpm))
            .max(minutes(self.counted_input, ceilings.itpm))
            .max(minutes(self.output, ceilings.otpm));
        Duration::try_from_secs_f64(seconds.ceil()).unwrap_or(Duration::MAX)
    }
}

/// The forecast of a whole input, by model.
#[derive(Clone, Debug)]
pub struct Forecast {
    estimator: Estimator,
    prices: PriceTable,
    at: Timestamp,
    /// What the user said on searches of requests that name no limit.
    assume_searches: Option<u32>,
    by_model: BTreeMap<String, Expected>,
    /// The first thing that has no bound.
    unbounded: Option<Unbounded>,
    prefixes: HashSet<u64>,
}

impl Forecast {
    /// Of nothing yet, at the prices of that time.
    #[must_use]
    pub fn new(prices: PriceTable, at: Timestamp, assume_searches: Option<u32>) -> Self {
        Self {
            estimator: Estimator::default(),
            prices,
            at,
            assume_searches,
            by_model: BTreeMap::new(),
            unbounded: None,
            prefixes: HashSet::new(),
        }
    }

    /// One more request. Tells its estimated input tokens.
    pub fn add(&mut self, model: &str, body: &JsonView<'_>) -> u64 {
        let prompt = Prompt::of(body);
        let bounds = Bounds::of(body);
        let searches = bounds.likely_searches();
        let mut expected = self.expect(model, &prompt, searches);
        self.bound(model, &bounds, &mut expected);
        // `entry` would copy the name of the model for every line.
        match self.by_model.get_mut(model) {
            Some(sums) => sums.add(&expected),
            None => {
                self.by_model.insert(model.to_owned(), expected);
            }
        }
        expected.input
    }

    /// What the requests of each model need.
    #[must_use]
    pub fn by_model(&self) -> &BTreeMap<String, Expected> {
        &self.by_model
    }

    /// What all need together.
    #[must_use]
    pub fn total(&self) -> Expected {
        let mut total = Expected::default();
        for expected in self.by_model.values() {
            total.add(expected);
        }
        total
    }

    /// The most that the request allows. The reason why nothing bounds it is remembered once.
    fn bound(&mut self, model: &str, bounds: &Bounds, expected: &mut Expected) {
        let most = |lane| {
            at_most(
                &self.prices,
                model,
                bounds,
                (lane, self.at),
                self.assume_searches,
            )
        };
        match (most(Lane::Live), most(Lane::Batch)) {
            (Ok(live), Ok(batch)) => {
                expected.live_at_most = live;
                expected.batch_at_most = batch;
            }
            // Without a price nothing can be bounded, and that is counted already.
            (Err(why), _) | (_, Err(why)) if expected.unknown_price == 0 => {
                expected.unbounded = 1;
                self.unbounded.get_or_insert(why);
            }
            _ => {}
        }
    }

    /// Why nothing bounds what some request may cost: the first such reason.
    #[must_use]
    pub fn unbounded(&self) -> Option<&Unbounded> {
        self.unbounded.as_ref()
    }

    fn expect(&mut self, model: &str, prompt: &Prompt, searches: u64) -> Expected {
        let estimate = self.estimator.estimate(model, prompt);
        let results = results(estimate.input, searches);
        let known = self.prices.model(model);
        let bound = known.map(|known| known.max_output_tokens);
        // A model that the table does not know has no bound to fall back on.
        let most_output = prompt.max_tokens.or(bound).unwrap_or(estimate.output);
        let least = known.and_then(|known| known.min_cacheable_tokens);
        let mut cached = self.cached(model, prompt, estimate.input, least.unwrap_or_default());
        cached.input = cached.input.saturating_add(results);
        let plain = Tokens {
            input: estimate.input.saturating_add(results),
            ..Tokens::default()
        };
        let cost = |tokens: Tokens, batch_tier| {
            let usage = Usage {
                tokens,
                batch_tier,
                us_geo: prompt.us_geo,
                fast: prompt.fast,
                ..Usage::default()
            };
            self.prices.cost(model, &usage, self.at)
        };
        // A price may depend on the size of the prompt, so output is priced together with it.
        let with = |tokens: Tokens, output, batch| cost(Tokens { output, ..tokens }, batch).total;
        // A batch may find nothing in the cache, since its requests run at any time: the dearer
        // guess.
        let (live, batch) = (cost(cached, false), cost(plain, true));
        let fees = Usage {
            web_searches: searches,
            ..Usage::default()
        };
        let output = estimate.output.min(most_output);
        Expected {
            jobs: 1,
            input: plain.input,
            counted_input: cached.prompt() - cached.cache_read,
            output,
            most_output,
            live_input: live.total,
            live_output: with(cached, output, false) - live.total,
            live_most_output: with(cached, most_output, false) - live.total,
            batch_input: batch.total,
            batch_output: with(plain, output, true) - batch.total,
            batch_most_output: with(plain, most_output, true) - batch.total,
            fees: self.prices.cost(model, &fees, self.at).total,
            saved_by_cache: live.saved_by_cache,
            unknown_price: u64::from(live.unknown_price),
            // What the request allows is added beside the guess.
            live_at_most: Pico::ZERO,
            batch_at_most: Pico::ZERO,
            unbounded: 0,
        }
    }

    /// The prompt's tokens by kind, if what is marked is written by the first request that has it
    /// and read by the others.
    fn cached(&mut self, model: &str, prompt: &Prompt, input: u64, least: u64) -> Tokens {
        let mut tokens = Tokens {
            input,
            ..Tokens::default()
        };
        let share = |prefix: f64| times(input, (prefix / prompt.tokens.max(1.0)).min(1.0));
        let long = prompt.prefixes.iter().rev();
        let mut long = long.filter(|prefix| share(prefix.tokens) >= least.max(1));
        let Some(longest) = long.next() else {
            return tokens;
        };
        let known = |hash: &u64| self.prefixes.contains(hash);
        let warm = std::iter::once(longest)
            .chain(long)
            // From the longest: what is read from the cache is the longest prefix that was written
            // before.
            .find(|prefix| known(&prefix.hash));
        tokens.cache_read = warm.map_or(0, |prefix| share(prefix.tokens));
        // The mark on the longest prefix writes what the warm one did not hold.
        let written = share(longest.tokens) - tokens.cache_read;
        tokens.input = input - tokens.cache_read - written;
        if longest.for_an_hour {
            tokens.cache_write_1h = written;
        } else {
            tokens.cache_write_5m = written;
        }
        for prefix in &prompt.prefixes {
            if self.prefixes.len() < MAX_PREFIXES {
                self.prefixes.insert(prefix.hash);
            }
        }
        debug_assert_eq!(tokens.prompt(), input, "{model}");
        tokens
    }
}

/// After each search the model reads its results, and everything before them once more.
fn results(input: u64, searches: u64) -> u64 {
    input
        .saturating_add(RESULTS_OF_A_SEARCH)
        .saturating_mul(searches)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of tokens is positive, and far below what a float holds"
)]
fn times(count: u64, factor: f64) -> u64 {
    (float(count) * factor).round() as u64
}

/// In millionths, so that only the factor is rounded.
#[expect(clippy::cast_possible_truncation, reason = "a factor is small")]
#[must_use]
pub fn money_times(amount: Pico, factor: f64) -> Pico {
    Pico(amount.0.saturating_mul((factor * 1e6).round() as i128) / 1_000_000)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "an estimate needs no more than a float's precision"
)]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Expected, Forecast};
    use crate::model::{JsonView, Pico};
    use crate::policy::{Ceilings, PriceTable};

    const MODEL: &str = "claude-opus-4-6";

    fn forecast(bodies: &[String]) -> Forecast {
        let at = "2026-11-22T00:00:00Z".parse().unwrap();
        let mut forecast = Forecast::new(PriceTable::embedded(), at, None);
        for body in bodies {
            forecast.add(MODEL, &JsonView::of(body.as_str()));
        }
        forecast
    }

    fn body(system: &str, question: u32) -> String {
        format!(
            r#"{{"model":"{MODEL}","max_tokens":1000,"system":[{{"type":"text","text":"{}"{system}}}],"messages":[{{"role":"user","content":"question {question}"}}]}}"#,
            "know this by heart ".repeat(2_000),
        )
    }

    #[test]
    fn batches_cost_half_and_output_is_a_part_of_its_bound() {
        let total = forecast(&[body("", 1), body("", 2)]).total();
        assert_eq!(
            (total.jobs, total.most_output, total.output),
            (2, 2_000, 500)
        );
        assert_eq!(total.live().0, total.batch().0 * 2);
        let most = (total.live_most().unwrap(), total.batch_most().unwrap());
        assert_eq!(most.0.0, most.1.0 * 2);
        assert!(most.0 >= total.live(), "{most:?}");
        // 2,000 output tokens at 25 USD per million.
        assert_eq!(total.live_most_output, Pico(Pico::USD.0 / 20));
        assert_eq!(total.saved_by_cache, Pico::ZERO);
    }

    #[test]
    fn what_is_marked_is_written_once_and_read_by_the_others() {
        let mark = r#","cache_control":{"type":"ephemeral"}"#;
        let bodies: Vec<_> = (0..10).map(|n| body(mark, n)).collect();
        let (one, ten) = (forecast(&bodies[..1]).total(), forecast(&bodies).total());
        assert!(one.saved_by_cache < Pico::ZERO, "a write that nobody reads");
        assert!(ten.saved_by_cache > Pico::ZERO);
        assert!(ten.counted_input < ten.input / 5, "{ten:?}");
        let plain: Vec<_> = (0..10).map(|n| body("", n)).collect();
        let plain = forecast(&plain).total();
        let parts = ten.live_input + ten.saved_by_cache;
        let off = (parts - plain.live_input).0.abs();
        assert!(
            off * 100 < plain.live_input.0,
            "{parts} {}",
            plain.live_input
        );
    }

    #[test]
    fn a_model_without_a_price_is_in_no_sum() {
        let mut forecast = forecast(&[]);
        forecast.add("someone-elses", &JsonView::of(&body("", 1)));
        let total = forecast.total();
        assert_eq!(
            (total.unknown_price, total.live_most()),
            (1, Some(Pico::ZERO))
        );
        assert!(total.input > 0);
    }

    #[test]
    fn the_slowest_limit_tells_the_time() {
        let expected = Expected {
            jobs: 6_000,
            counted_input: 1_200_000,
            output: 600_000,
            ..Expected::default()
        };
        let ceilings = |rpm, itpm, otpm| Ceilings { rpm, itpm, otpm };
        for (concurrency, ceilings, seconds) in [
            // 6,000 seconds of requests and 10,000 of output.
            (1, ceilings(None, None, None), 16_000),
            (1_000, ceilings(None, None, None), 16),
            (1_000, ceilings(Some(1_000), None, None), 360),
            (1_000, ceilings(Some(1_000), Some(100_000), None), 720),
            (
                1_000,
                ceilings(Some(1_000), Some(100_000), Some(30_000)),
                1_200,
            ),
        ] {
            let time = expected.live_time(concurrency, ceilings);
            assert_eq!(time, Duration::from_secs(seconds), "{ceilings:?}");
        }
    }

    #[test]
    fn a_count_corrects_the_input_alone() {
        let total = forecast(&[body("", 1)]).total();
        let more = total.corrected(1.5);
        assert_eq!(more.input, (total.input * 3).div_ceil(2));
        assert_eq!(more.live_output, total.live_output);
        assert_eq!(more.live_input.0, total.live_input.0 * 3 / 2);
    }

    fn searching(max_uses: &str) -> Expected {
        let body = format!(
            r#"{{"model":"{MODEL}","max_tokens":1000,"tools":[{{"type":"web_search_20250305","name":"web_search"{max_uses}}}],"messages":[{{"role":"user","content":"who won?"}}]}}"#
        );
        forecast(&[body]).total()
    }

    #[test]
    fn a_request_that_may_search_is_expected_to_search_and_its_most_has_every_search() {
        let (few, many) = (searching(r#","max_uses":2"#), searching(r#","max_uses":9"#));
        let cent = Pico(Pico::USD.0 / 100);
        assert!(few.live() > cent && few.live() == many.live(), "{few:?}");
        assert!(few.batch() > cent, "no discount on searches: {few:?}");
        assert!(few.input > 6_000, "results are read: {few:?}");
        assert!(few.live_most().unwrap().0 > 2 * cent.0);
        assert!(many.live_most().unwrap().0 > 9 * cent.0);
    }

    #[test]
    fn searches_without_a_limit_have_no_bound_and_the_reason_is_told() {
        assert_eq!(searching("").unbounded, 1);
        assert_eq!(
            (searching("").live_most(), searching("").batch_most()),
            (None, None)
        );
        let body = format!(
            r#"{{"model":"{MODEL}","max_tokens":1000,"messages":[{{"role":"user","content":[{{"type":"document","source":{{"type":"url","url":"https://x.test/a.pdf"}}}}]}}]}}"#
        );
        let forecast = forecast(&[body]);
        let why = forecast.unbounded().unwrap().what();
        assert!(why.contains("document"), "{why}");
    }
}
