//! What a simulator can be told: who may ask, how fast it answers, what goes wrong, what is limited.
//!
//! Owns the plain settings and their two presets. Decides nothing at run time.

use std::time::Duration;

use secrecy::SecretString;

use super::batches::BatchSettings;
use super::faults::{Case, FaultRate};
use super::status_page::ImitatedPage;

/// Settings of one simulator. The default is quiet: no latency, no faults, no limits, seed 0.
#[derive(Clone, Debug)]
pub struct SimulatorSettings {
    /// Decides every drawn number: answers, latencies, faults.
    pub seed: u64,
    /// Tells this simulator's batches from those of every other: ids of batches are never used again,
    /// whatever the seed.
    pub instance: u64,
    /// How long an answer takes.
    pub latency: Latency,
    /// How long an answer's text is.
    pub output: OutputLength,
    /// Random faults of prompts that bring no script. The probabilities add up to at most 1.
    pub faults: Vec<FaultRate>,
    /// Rate limits by model class; with them come the `anthropic-ratelimit-*` headers.
    pub limits: Option<RateLimits>,
    /// Token counts per minute, a limit of their own; with it come the headers of the requests family.
    pub count_tokens_per_minute: Option<u32>,
    /// How batches go.
    pub batches: BatchSettings,
    /// Most Messages requests open at once; one more gets the concurrency 429.
    pub max_concurrent: Option<usize>,
    /// Whether a request needs a key at all.
    pub check_auth: bool,
    /// The keys that are accepted; empty means any key that does not contain `invalid`.
    pub accepted_keys: Vec<SecretString>,
    /// Whether requests are logged.
    pub log_requests: bool,
    /// Whether the log keeps request bodies and headers (credentials left out).
    pub log_bodies: bool,
    /// Most requests the log keeps; the oldest go first.
    pub log_capacity: usize,
    /// What the status page says at first.
    pub status_page: ImitatedPage,
}

impl Default for SimulatorSettings {
    fn default() -> Self {
        Self {
            seed: 0,
            instance: 0,
            latency: Latency::default(),
            output: OutputLength::default(),
            faults: Vec::new(),
            limits: None,
            count_tokens_per_minute: None,
            batches: BatchSettings::default(),
            max_concurrent: None,
            check_auth: true,
            accepted_keys: Vec::new(),
            log_requests: true,
            log_bodies: false,
            log_capacity: 100_000,
            status_page: ImitatedPage::default(),
        }
    }
}

impl SimulatorSettings {
    /// The newcomer's demo: a few per cent of everything that goes wrong on a bad day, and limits
    /// that a run of 200 short prompts at concurrency 64 touches now and then.
    #[must_use]
    pub fn lively(seed: u64) -> Self {
        Self {
            seed,
            latency: Latency {
                median: Duration::from_millis(600),
                spread: 0.5,
            },
            output: OutputLength {
                median: 60,
                spread: 0.6,
            },
            faults: lively_faults(),
            limits: Some(RateLimits::same_for_all(ClassLimits {
                requests_per_minute: 1_500,
                input_tokens_per_minute: 400_000,
                output_tokens_per_minute: 1_000_000,
                // 50 requests at once, then 25 a second: 64 at a time ask for more.
                burst: Duration::from_secs(2),
            })),
            batches: BatchSettings::lively(),
            ..Self::default()
        }
    }
}

fn lively_faults() -> Vec<FaultRate> {
    [("529", 0.03), ("500", 0.02), ("503", 0.01), ("reset", 0.01)]
        .into_iter()
        .filter_map(|(name, probability)| {
            Case::named(name).map(|case| FaultRate { case, probability })
        })
        .collect()
}

/// How long an answer takes: log-normal around the median, kept between a third and five times it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Latency {
    /// The median; zero answers at once.
    pub median: Duration,
    /// Standard deviation of the logarithm: 0 is always the median, 0.5 is lifelike.
    pub spread: f64,
}

/// How many tokens an answer has before `max_tokens` cuts it: log-normal around the median.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutputLength {
    /// The median in tokens.
    pub median: u32,
    /// Standard deviation of the logarithm; 0 is always the median.
    pub spread: f64,
}

impl Default for OutputLength {
    fn default() -> Self {
        Self {
            median: 40,
            spread: 0.0,
        }
    }
}

/// Rate limits of every model class.
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimits {
    /// For classes that are not named in `by_class`.
    pub default: ClassLimits,
    /// Class name (`opus-5-5`, `sonnet-4`, `haiku-4-5`, ...) and its limits.
    pub by_class: Vec<(String, ClassLimits)>,
}

impl RateLimits {
    /// The same limits for every class, each with buckets of its own.
    #[must_use]
    pub fn same_for_all(limits: ClassLimits) -> Self {
        Self {
            default: limits,
            by_class: Vec::new(),
        }
    }

    /// The limits of a class.
    #[must_use]
    pub fn of(&self, class: &str) -> ClassLimits {
        self.by_class
            .iter()
            .find(|(name, _)| name == class)
            .map_or(self.default, |(_, limits)| *limits)
    }
}

/// Limits of one model class. Each is a token bucket that refills continuously.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassLimits {
    /// Requests per minute.
    pub requests_per_minute: u32,
    /// Input tokens per minute: uncached input and cache writes; cache reads are free.
    pub input_tokens_per_minute: u32,
    /// Output tokens per minute, counted as they are produced; `max_tokens` plays no role.
    pub output_tokens_per_minute: u32,
    /// How much quiet time the buckets save up: 60 s makes a bucket hold a whole minute's worth.
    pub burst: Duration,
}

impl Default for ClassLimits {
    /// The published limits of the entry tier.
    fn default() -> Self {
        Self {
            requests_per_minute: 1_000,
            input_tokens_per_minute: 2_000_000,
            output_tokens_per_minute: 400_000,
            burst: Duration::from_mins(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lively_preset_has_all_its_faults() {
        let names: Vec<_> = SimulatorSettings::lively(7)
            .faults
            .iter()
            .map(|fault| fault.case.name())
            .collect();
        assert_eq!(names, ["529", "500", "503", "reset"]);
    }

    #[test]
    fn a_key_is_never_shown_by_debug() {
        let settings = SimulatorSettings {
            accepted_keys: vec![SecretString::from("sk-ant-secret")],
            ..SimulatorSettings::default()
        };
        assert!(!format!("{settings:?}").contains("sk-ant-secret"));
    }
}
