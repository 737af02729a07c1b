//! What an answer used, as the API reports it.
//!
//! Source: the Messages API's `usage` object. All counts but `input_tokens` and `output_tokens`
//! may be missing; missing means zero. Without those two there is no receipt at all, which is not the
//! same as one over nothing ([`Usage::missing`]).

use serde::{Deserialize, Serialize};

/// Token counts of one kind each. `input` counts what came after the last cache breakpoint, so the
/// whole prompt is `input + cache_read + cache_write_5m + cache_write_1h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Uncached input tokens.
    pub input: u64,
    /// Output tokens, thinking included.
    pub output: u64,
    /// Input tokens read from the cache.
    pub cache_read: u64,
    /// Input tokens written to the five-minute cache.
    pub cache_write_5m: u64,
    /// Input tokens written to the one-hour cache.
    pub cache_write_1h: u64,
}

impl Tokens {
    /// The whole prompt, cached or not.
    #[must_use]
    pub fn prompt(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write_5m)
            .saturating_add(self.cache_write_1h)
    }

    /// The sums, kind by kind.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write_5m: self.cache_write_5m.saturating_add(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.saturating_add(other.cache_write_1h),
        }
    }
}

/// One sampling step inside an answer (`usage.iterations[]`), priced by its own model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Iteration {
    /// The model of this step; none means the answer's own.
    pub model: Option<String>,
    /// What the step used.
    pub tokens: Tokens,
}

/// Everything of an answer that has a price.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each tells of another thing of the answer, and is stored under its name"
)]
pub struct Usage {
    /// The answer's own counts.
    pub tokens: Tokens,
    /// Steps of the answer. Where there are any, the price is the sum over them, because the
    /// top-level counts may leave some out.
    pub iterations: Vec<Iteration>,
    /// Server-side web searches.
    pub web_searches: u64,
    /// A batch answered: half price.
    pub batch_tier: bool,
    /// `inference_geo` was `us`: dearer by a tenth.
    pub us_geo: bool,
    /// `speed` was `fast`.
    pub fast: bool,
    /// The answer told no usage, or none that can be true: all counts here are worth nothing.
    #[serde(default)]
    pub missing: bool,
    /// The answer told more of something than any answer can have used; here it is cut to that.
    #[serde(default)]
    pub saturated: bool,
}
