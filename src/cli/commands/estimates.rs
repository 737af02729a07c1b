//! What a file is expected to need and to cost, as `check` and `submit` tell it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::task::JoinSet;

use super::sample::{Counted, Sampled, evaluate};
use crate::cli::settings::Settings;
use crate::model::{Lane, Pico, SharedPrefix};
use crate::policy::{Ceilings, Expected, Forecast, PriceTable, money_times, savings};
use crate::progress::{plural, short_duration, thousands};
use crate::provider::{MessagesClient, Pair};

/// Counts under way at the same time: the endpoint has a limit of its own, and this is far below it.
const COUNTS_AT_ONCE: usize = 4;
/// Time allowed for one count.
const COUNT_TIMEOUT: Duration = Duration::from_secs(20);
/// A batch that has not ended by then expires.
const BATCH_HOURS: u64 = 24;

/// What the good lines are expected to need. Guesses before anything was sent: the output is taken
/// to be a quarter of `max_tokens`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Estimates {
    /// Tokens of all prompts.
    pub input_tokens: u64,
    /// Output tokens, likely.
    pub output_tokens: u64,
    /// Output tokens, at most.
    pub max_output_tokens: u64,
    /// If everything goes live.
    pub live: LaneEstimate,
    /// If everything goes to batches.
    pub batch: LaneEstimate,
    /// What the cache saves on the live lane by the `cache_control` in the file; negative if it
    /// costs more than it saves. It is in the live cost already.
    pub saved_by_cache_usd: Pico,
    /// What `--cache-prefix auto` would save besides, or saves if it is set. None of it is in the
    /// costs above. Null where it was not looked for.
    pub cache_prefix: Option<CachePrefixEstimate>,
    /// Jobs whose model has no known price: they are in no sum of money.
    pub unknown_price_jobs: u64,
    /// Jobs with a price whose cost nothing bounds.
    pub unbounded_jobs: u64,
    /// What of them has no bound: the first such thing.
    pub unbounded_by: Option<String>,
    /// The same by model.
    pub by_model: Vec<ModelEstimate>,
    /// What counting a sample has shown, with `--exact`; the numbers above are corrected by it.
    pub exact: Option<ExactCount>,
}

/// What stands in place of money that is not known.
const UNKNOWN: &str = "unknown";

/// What one lane costs and takes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LaneEstimate {
    /// Likely, in dollars.
    pub cost_usd: Pico,
    /// The most that all requests allow: never less than what can be billed. Null if nothing bounds
    /// one of them.
    pub max_cost_usd: Option<Pico>,
    /// The time that it takes, in seconds: of the live lane by concurrency and ceilings, of a batch
    /// the longest.
    pub time_s: u64,
    /// The API's own limits are in `time_s`. They are not known before the first answer, so on the
    /// live lane this is true only where `--rpm`, `--itpm` or `--otpm` is given.
    pub limits_known: bool,
}

/// What marks at the end of shared prefixes are expected to save.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CachePrefixEstimate {
    /// Jobs that would be marked.
    pub jobs: u64,
    /// Saved if everything goes live.
    pub live_usd: Pico,
    /// Saved if everything goes to batches.
    pub batch_usd: Pico,
}

/// What the jobs of one model need.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ModelEstimate {
    /// The model asked for.
    pub model: String,
    /// Its jobs.
    pub jobs: u64,
    /// Tokens of their prompts.
    pub input_tokens: u64,
    /// Output tokens, likely.
    pub output_tokens: u64,
    /// What they cost on the live lane, likely.
    pub live_usd: Pico,
    /// What they cost in batches, likely.
    pub batch_usd: Pico,
}

/// What counting a sample has shown.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExactCount {
    /// Requests that were counted.
    pub requests: u64,
    /// Tokens that came for each one estimated.
    pub ratio: f64,
    /// The input of the whole file is likely (19 times in 20) within this part of what is told.
    pub margin: f64,
}

impl Estimates {
    pub(super) fn new(forecast: &Forecast, settings: &Settings, counted: Option<Counted>) -> Self {
        let ratio = counted.map_or(1.0, |counted| counted.ratio);
        let total = forecast.total().corrected(ratio);
        let limits = &settings.limits;
        let ceilings = Ceilings {
            rpm: limits.rpm.map(|n| n.0),
            itpm: limits.itpm.map(|n| n.0),
            otpm: limits.otpm.map(|n| n.0),
        };
        let live_time = total.live_time(settings.dispatch.concurrency.0, ceilings);
        let by_model = forecast.by_model().iter();
        // What has no known price is in no sum, and no sum without it is the most.
        let all_priced = total.unknown_price == 0;
        Self {
            input_tokens: total.input,
            output_tokens: total.output,
            max_output_tokens: total.most_output,
            live: LaneEstimate {
                cost_usd: total.live(),
                max_cost_usd: total.live_most().filter(|_| all_priced),
                time_s: live_time.as_secs(),
                limits_known: ceilings != Ceilings::default(),
            },
            batch: LaneEstimate {
                cost_usd: total.batch(),
                max_cost_usd: total.batch_most().filter(|_| all_priced),
                time_s: BATCH_HOURS * 3_600,
                limits_known: true,
            },
            saved_by_cache_usd: total.saved_by_cache,
            cache_prefix: None,
            unknown_price_jobs: total.unknown_price,
            unbounded_jobs: total.unbounded,
            unbounded_by: forecast.unbounded().map(ToString::to_string),
            by_model: by_model
                .map(|(model, expected)| of_model(model, &expected.corrected(ratio)))
                .collect(),
            exact: counted.map(|counted| ExactCount {
                requests: counted.requests,
                ratio: rounded(counted.ratio),
                margin: rounded(counted.margin),
            }),
        }
    }

    /// With what marks at the end of these prefixes would save.
    pub(super) fn with_prefixes(
        self,
        prefixes: &[SharedPrefix],
        prices: &PriceTable,
        at: Timestamp,
    ) -> Self {
        // A count of a sample corrects these as it corrects the sums.
        let ratio = self.exact.as_ref().map_or(1.0, |exact| exact.ratio);
        let saved = |lane| {
            let of_each = prefixes.iter();
            let guessed: Pico = of_each
                .map(|prefix| savings(prices, prefix, lane, at))
                .sum();
            money_times(guessed, ratio)
        };
        let found = CachePrefixEstimate {
            jobs: prefixes.iter().map(|prefix| prefix.jobs).sum(),
            live_usd: saved(Lane::Live),
            batch_usd: saved(Lane::Batch),
        };
        Self {
            cache_prefix: Some(found),
            ..self
        }
    }

    /// The table for people; money with all its digits, or as people read it.
    pub(super) fn lines(&self, all_digits: bool) -> Vec<String> {
        let mut lines = vec![format!(
            "Estimate: {} tokens in, {} out (at most {})",
            thousands(self.input_tokens),
            thousands(self.output_tokens),
            thousands(self.max_output_tokens)
        )];
        if let Some(exact) = &self.exact {
            lines.push(format!(
                "  input corrected by a count of {}: within {:.1} %",
                plural(exact.requests, "request"),
                exact.margin * 100.0
            ));
        }
        let row = |lane, likely: &str, most: &str, time: &str| {
            format!("  {lane:<5}  {likely:>18}  {most:>18}  {time}")
        };
        lines.push(row("LANE", "LIKELY USD", "AT MOST USD", "TIME"));
        let most = |lane: &LaneEstimate| match lane.max_cost_usd {
            Some(most) => most.shown(all_digits),
            None => self.no_most().to_owned(),
        };
        let of = |lane: &LaneEstimate| (self.likely(lane, all_digits), most(lane));
        let (live, batch) = (of(&self.live), of(&self.batch));
        lines.push(row("live", &live.0, &live.1, &self.live_time()));
        let batch_time = format!("up to {BATCH_HOURS}h, mostly less than 1h");
        lines.push(row("batch", &batch.0, &batch.1, &batch_time));
        let saved = self.saved_by_cache_usd.0;
        if saved != 0 {
            let what = if saved > 0 { "saves" } else { "costs" };
            let amount = Pico(saved.abs()).shown(all_digits);
            lines.push(format!(
                "  the cache {what} ${amount} of that on the live lane, by the cache_control in the file"
            ));
        }
        if let Some(found) = self.cache_prefix.as_ref().filter(|found| found.jobs > 0) {
            lines.push(format!(
                "  --cache-prefix auto saves about ${} of that live, ${} in batches: {} share long prefixes",
                found.live_usd.shown(all_digits),
                found.batch_usd.shown(all_digits),
                plural(found.jobs, "job")
            ));
        }
        if self.unknown_price_jobs > 0 {
            lines.push(format!(
                "  {} of models without a known price: in no sum of money",
                plural(self.unknown_price_jobs, "job")
            ));
        }
        lines.extend(self.unbounded());
        lines
    }

    /// What is likely of a lane. Without a single known price that is nothing, which is not 0.
    fn likely(&self, lane: &LaneEstimate, all_digits: bool) -> String {
        match lane.cost_usd {
            Pico::ZERO if self.unknown_price_jobs > 0 => UNKNOWN.to_owned(),
            known => known.shown(all_digits),
        }
    }

    fn no_most(&self) -> &'static str {
        match self.unknown_price_jobs {
            0 => "not bounded",
            _ => UNKNOWN,
        }
    }

    /// Why there is no most, and what would give one.
    fn unbounded(&self) -> Option<String> {
        let why = self.unbounded_by.as_ref()?;
        Some(format!(
            "  at most: not bounded by {}: {why}",
            plural(self.unbounded_jobs, "job")
        ))
    }

    fn live_time(&self) -> String {
        let time = short_duration(Duration::from_secs(self.live.time_s));
        if self.live.limits_known {
            format!("about {time} by the ceilings given")
        } else {
            format!("at least {time}; limits are not known before the first answer")
        }
    }

    /// One line, for the start of a run.
    pub(super) fn summary(&self, all_digits: bool) -> String {
        let most = match self.live.max_cost_usd {
            Some(most) => format!("at most ${}", most.shown(all_digits)),
            None => format!("at most: {}", self.no_most()),
        };
        let likely = |lane: &LaneEstimate| match self.likely(lane, all_digits) {
            unknown if unknown == UNKNOWN => unknown,
            known => format!("${known}"),
        };
        let unpriced = match self.unknown_price_jobs {
            0 => String::new(),
            jobs => format!(
                "; without {} of models without a known price",
                plural(jobs, "job")
            ),
        };
        format!(
            "expected: {} tokens in, {} out; {} live ({most}), {} in batches{unpriced}",
            thousands(self.input_tokens),
            thousands(self.output_tokens),
            likely(&self.live),
            likely(&self.batch)
        )
    }
}

fn of_model(model: &str, expected: &Expected) -> ModelEstimate {
    ModelEstimate {
        model: model.to_owned(),
        jobs: expected.jobs,
        input_tokens: expected.input,
        output_tokens: expected.output,
        live_usd: expected.live(),
        batch_usd: expected.batch(),
    }
}

fn rounded(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}

/// Counts a sample at the API, which costs nothing. What went wrong with the last request that could
/// not be counted, if any.
pub(super) async fn count(
    provider: &Arc<Pair<MessagesClient>>,
    sample: Vec<Sampled>,
) -> (Option<Counted>, Option<String>) {
    let (mut pairs, mut trouble) = (Vec::new(), None);
    let mut sample = sample.into_iter();
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() < COUNTS_AT_ONCE {
            let Some(one) = sample.next() else { break };
            let provider = Arc::clone(provider);
            under_way.spawn(async move {
                let counted = provider
                    .first()
                    .count_tokens(&one.body, COUNT_TIMEOUT)
                    .await;
                (one.estimated, counted)
            });
        }
        match under_way.join_next().await {
            None => return (evaluate(&pairs), trouble),
            Some(Ok((estimated, Ok(counted)))) => pairs.push((estimated, counted)),
            Some(Ok((_, Err(failure)))) => {
                let said = failure.evidence.message.unwrap_or_default();
                trouble = Some(format!("{}: {said}", failure.class));
            }
            // What it panicked with was told when it happened; it may quote what is secret.
            Some(Err(_)) => trouble = Some("a count was lost in a bug of claude-run".to_owned()),
        }
    }
}
