//! An imitation of prompt caching.
//!
//! A prompt is a chain of segments (tools, then system, then messages). The hash of a segment
//! covers all before it, so a hash names a prefix. A request with breakpoints reads the longest
//! prefix that is stored and writes the rest up to its last breakpoint. As at the API, an entry
//! can be read only after the answer that wrote it has begun: equal requests sent at once all
//! pay the write. Eviction is by age alone, and by a bound on the number of entries.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::errors::ApiError;
use super::request::{Ask, CacheControl, Content, Ttl};
use super::tokens;

/// Most prefixes kept; far beyond what a run uses, and small in memory.
const MAX_ENTRIES: usize = 100_000;
/// How many blocks before a breakpoint are tried for an older entry.
const LOOK_BACK: usize = 20;

#[derive(Deserialize)]
struct Marked {
    cache_control: Option<CacheControl>,
}

/// A piece of a prompt and everything before it.
#[derive(Debug)]
struct Segment {
    place: String,
    /// Names the prefix that ends here.
    prefix: u64,
    /// Tokens of the prefix that ends here.
    tokens: u32,
    mark: Option<Ttl>,
}

/// How a prompt's tokens divide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CacheUse {
    pub(super) read: u32,
    pub(super) write_5m: u32,
    pub(super) write_1h: u32,
    /// Prefixes to store or to refresh when the answer begins.
    touched: Vec<(u64, Ttl)>,
}

impl CacheUse {
    /// What was used some time ago, with nothing left to store.
    pub(super) fn settled([read, short, long]: [u32; 3]) -> Self {
        Self {
            read,
            write_5m: short,
            write_1h: long,
            touched: Vec::new(),
        }
    }

    /// Tokens read, written for five minutes, and written for one hour.
    pub(super) fn tokens(&self) -> [u32; 3] {
        [self.read, self.write_5m, self.write_1h]
    }

    pub(super) fn written(&self) -> u32 {
        self.write_5m + self.write_1h
    }
}

/// The stored prefixes.
#[derive(Debug, Default)]
pub(super) struct PromptCache(Mutex<HashMap<u64, CachedPrefix>>);

#[derive(Clone, Copy, Debug)]
struct CachedPrefix {
    ttl: Ttl,
    /// The batch that wrote it, if one did.
    batch: Option<u32>,
    readable_from: Instant,
    expires: Instant,
}

impl PromptCache {
    /// What a request would read and write now.
    pub(super) fn plan(&self, ask: &Ask<'_>, now: Instant) -> CacheUse {
        self.plan_among(ask, now, |entry| entry.readable_from <= now)
    }

    /// The same for a request of a batch that was created at `created`: what others of that batch
    /// have written it does not see.
    pub(super) fn plan_in_batch(
        &self,
        ask: &Ask<'_>,
        now: Instant,
        (batch, created): (u32, Instant),
    ) -> CacheUse {
        self.plan_among(ask, now, |entry| {
            entry.readable_from <= created && entry.batch != Some(batch)
        })
    }

    fn plan_among(
        &self,
        ask: &Ask<'_>,
        now: Instant,
        seen: impl Fn(&CachedPrefix) -> bool,
    ) -> CacheUse {
        if !is_marked(ask) {
            return CacheUse::default();
        }
        let Ok(segments) = segments(ask) else {
            return CacheUse::default();
        };
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        divide(&segments, ask.model.cache_minimum, |prefix| {
            entries
                .get(&prefix)
                .filter(|entry| now < entry.expires && seen(entry))
                .map(|entry| entry.ttl)
        })
    }

    /// Stores what `used` writes and refreshes what it reads. The lifetime counts from the start
    /// of the request; the answer begins at `begins`.
    pub(super) fn store(&self, used: &CacheUse, now: Instant, begins: Instant) {
        self.store_for(used, now, begins, None);
    }

    /// The same for a request of a batch.
    pub(super) fn store_in_batch(&self, used: &CacheUse, now: Instant, batch: u32) {
        self.store_for(used, now, now, Some(batch));
    }

    fn store_for(&self, used: &CacheUse, now: Instant, begins: Instant, batch: Option<u32>) {
        if used.touched.is_empty() {
            return;
        }
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A long-lived simulator must not grow for ever.
        if entries.len() >= MAX_ENTRIES {
            entries.retain(|_, entry| entry.expires > now);
        }
        if entries.len() >= MAX_ENTRIES {
            entries.clear();
        }
        for (prefix, ttl) in &used.touched {
            let fresh = CachedPrefix {
                ttl: *ttl,
                batch,
                readable_from: begins,
                expires: now + lifetime(*ttl),
            };
            entries
                .entry(*prefix)
                .and_modify(|entry| {
                    if entry.expires <= now {
                        *entry = fresh;
                    } else {
                        // It stays readable while another request writes it again.
                        entry.readable_from = entry.readable_from.min(begins);
                        // A use extends the life of an entry.
                        entry.expires = fresh.expires;
                    }
                })
                .or_insert(fresh);
        }
    }

    pub(super) fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

fn lifetime(ttl: Ttl) -> Duration {
    match ttl {
        Ttl::FiveMinutes => Duration::from_mins(5),
        Ttl::OneHour => Duration::from_hours(1),
    }
}

/// The breakpoints of a request in prompt order, each with its place in words.
pub(super) fn breakpoints(ask: &Ask<'_>) -> Result<Vec<(String, Ttl)>, ApiError> {
    if !is_marked(ask) {
        return Ok(Vec::new());
    }
    Ok(segments(ask)?
        .into_iter()
        .filter_map(|segment| segment.mark.map(|ttl| (segment.place, ttl)))
        .collect())
}

pub(super) fn is_marked(ask: &Ask<'_>) -> bool {
    let in_blocks = |content: &Content<'_>| {
        content
            .blocks()
            .iter()
            .any(|block| block.known.cache_control.is_some())
    };
    ask.fields.get("cache_control").is_some()
        || ask
            .tools
            .iter()
            .any(|tool| tool.get().contains("cache_control"))
        || in_blocks(&ask.system)
        || ask.turns.iter().any(|turn| in_blocks(&turn.content))
}

fn segments(ask: &Ask<'_>) -> Result<Vec<Segment>, ApiError> {
    let mut chain = Chain::new(ask.model.id);
    for (index, tool) in ask.tools.iter().enumerate() {
        let place = format!("tools.{index}");
        let marked: Marked = serde_json::from_str(tool.get()).map_err(|_| {
            ApiError::invalid(format!("{place}: Input should be a valid dictionary"))
        })?;
        let mark = marked.cache_control.map(|control| control.ttl);
        chain.push(place, tool.get(), tokens::of_bytes(tool.get().len()), mark);
    }
    chain.push_content("system", "system", &ask.system);
    for (index, turn) in ask.turns.iter().enumerate() {
        chain.push_content(
            &format!("messages.{index}.content"),
            &turn.role,
            &turn.content,
        );
    }
    let automatic: Option<CacheControl> = ask.fields.read("cache_control", "a valid dictionary")?;
    if let (Some(control), Some(last)) = (automatic, chain.segments.last_mut()) {
        // A mark of its own holds where both are there.
        last.mark = last.mark.or(Some(control.ttl));
    }
    Ok(chain.segments)
}

/// Segments in the making.
struct Chain {
    segments: Vec<Segment>,
    prefix: u64,
    tokens: u32,
}

impl Chain {
    fn new(model: &str) -> Self {
        Self {
            segments: Vec::new(),
            prefix: hash(0, model, ""),
            tokens: 0,
        }
    }

    fn push(&mut self, place: String, text: &str, tokens: u32, mark: Option<Ttl>) {
        self.prefix = hash(self.prefix, "", &without_mark(text));
        self.tokens = self.tokens.saturating_add(tokens);
        self.segments.push(Segment {
            place,
            prefix: self.prefix,
            tokens: self.tokens,
            mark,
        });
    }

    fn push_content(&mut self, place: &str, role: &str, content: &Content<'_>) {
        self.prefix = hash(self.prefix, role, "");
        if let Content::Text(text) = content {
            let block = serde_json::json!({"type": "text", "text": text}).to_string();
            let place = format!("{place}.0.text");
            self.push(place, &block, tokens::of_bytes(text.len()), None);
        }
        for (index, block) in content.blocks().iter().enumerate() {
            self.push(
                format!("{place}.{index}.{}", block.known.kind),
                block.raw,
                tokens::of_block(block),
                block.known.cache_control.map(|control| control.ttl),
            );
        }
    }
}

/// The same block with and without a breakpoint is the same text.
fn without_mark(block: &str) -> String {
    match serde_json::from_str::<Value>(block) {
        Ok(Value::Object(mut fields)) => {
            fields.remove("cache_control");
            Value::Object(fields).to_string()
        }
        _ => block.to_owned(),
    }
}

fn hash(before: u64, kind: &str, text: &str) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&before.to_le_bytes());
    hasher.update(kind.as_bytes());
    hasher.update(&[0]);
    hasher.update(text.as_bytes());
    first_u64(hasher.finalize().as_bytes())
}

/// The first eight bytes of a hash.
pub(super) fn first_u64(bytes: &[u8; 32]) -> u64 {
    bytes
        .first_chunk()
        .map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

fn divide(segments: &[Segment], minimum: u32, stored: impl Fn(u64) -> Option<Ttl>) -> CacheUse {
    let marks: Vec<usize> = (0..segments.len())
        .filter(|at| segments[*at].mark.is_some())
        .collect();
    // The API looks back from each mark, the last one first, for the longest entry.
    let hit = marks.iter().rev().find_map(|mark| {
        (mark.saturating_sub(LOOK_BACK)..=*mark)
            .rev()
            .find_map(|at| stored(segments[at].prefix).map(|ttl| (at, ttl)))
    });
    let mut used = CacheUse::default();
    let mut done = 0;
    if let Some((at, ttl)) = hit {
        used.read = segments[at].tokens;
        used.touched.push((segments[at].prefix, ttl));
        done = used.read;
    }
    // What was read is not written again.
    let beyond = |at: &&usize| hit.is_none_or(|(hit, _)| **at > hit);
    for at in marks.iter().filter(beyond) {
        let segment = &segments[*at];
        let Some(ttl) = segment.mark.filter(|_| segment.tokens >= minimum) else {
            continue;
        };
        let written = segment.tokens - done;
        match ttl {
            Ttl::FiveMinutes => used.write_5m += written,
            Ttl::OneHour => used.write_1h += written,
        }
        done = segment.tokens;
        used.touched.push((segment.prefix, ttl));
    }
    used
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::simulator::request::{self, Endpoint};

    /// 4,000 tokens of system prompt (a cacheable prefix of Sonnet 5), and a question.
    fn body(question: &str, ttl: &str) -> String {
        json!({"model": "claude-sonnet-5", "max_tokens": 9,
            "system": [{"type": "text", "text": "s".repeat(16_000),
                "cache_control": {"type": "ephemeral", "ttl": ttl}}],
            "messages": [{"role": "user", "content": question}]})
        .to_string()
    }

    fn ask(body: &str) -> Ask<'_> {
        Ask::read(
            request::fields(body.as_bytes()).unwrap(),
            Endpoint::Messages,
        )
        .unwrap()
    }

    fn use_at(cache: &PromptCache, body: &str, now: Instant, answered: Instant) -> (u32, u32, u32) {
        let used = cache.plan(&ask(body), now);
        cache.store(&used, now, answered);
        (used.read, used.write_5m, used.write_1h)
    }

    #[test]
    fn the_first_request_writes_and_later_ones_read() {
        let (cache, now) = (PromptCache::default(), Instant::now());
        let later = now + Duration::from_secs(1);
        assert_eq!(use_at(&cache, &body("a", "5m"), now, now), (0, 4_000, 0));
        assert_eq!(
            use_at(&cache, &body("b", "5m"), later, later),
            (4_000, 0, 0)
        );
    }

    #[test]
    fn requests_sent_before_the_first_answer_begins_all_write() {
        let (cache, now) = (PromptCache::default(), Instant::now());
        let begins = now + Duration::from_secs(2);
        assert_eq!(use_at(&cache, &body("a", "1h"), now, begins), (0, 0, 4_000));
        assert_eq!(use_at(&cache, &body("b", "1h"), now, begins), (0, 0, 4_000));
        assert_eq!(
            use_at(&cache, &body("c", "1h"), begins, begins),
            (4_000, 0, 0)
        );
    }

    #[test]
    fn an_entry_ages_from_its_last_use() {
        let (cache, now) = (PromptCache::default(), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        let body = body("a", "5m");
        assert_eq!(use_at(&cache, &body, at(0), at(0)).0, 0);
        assert_eq!(use_at(&cache, &body, at(290), at(290)).0, 4_000);
        assert_eq!(use_at(&cache, &body, at(580), at(580)).0, 4_000);
        assert_eq!(use_at(&cache, &body, at(880), at(880)).0, 0);
    }

    #[test]
    fn a_prefix_below_the_minimum_is_silently_not_cached() {
        let (cache, now) = (PromptCache::default(), Instant::now());
        let short = body("a", "5m").replace("claude-sonnet-5", "claude-haiku-4-5");
        assert_eq!(use_at(&cache, &short, now, now), (0, 0, 0));
    }

    #[test]
    fn a_conversation_that_grows_reads_its_older_part() {
        let (cache, now) = (PromptCache::default(), Instant::now());
        let turn = |role: &str, text: &str| json!({"role": role, "content": text});
        let talk = |turns: Value| {
            json!({"model": "claude-sonnet-5", "max_tokens": 9, "messages": turns,
                "cache_control": {"type": "ephemeral"}})
            .to_string()
        };
        let long = "u".repeat(8_000);
        let first = talk(json!([turn("user", &long)]));
        let second = talk(json!([
            turn("user", &long),
            turn("assistant", "yes"),
            turn("user", "and?")
        ]));
        assert_eq!(use_at(&cache, &first, now, now), (0, 2_000, 0));
        assert_eq!(use_at(&cache, &second, now, now), (2_000, 2, 0));
    }

    #[test]
    fn a_request_without_breakpoints_leaves_the_cache_alone() {
        let plain = r#"{"model":"claude-sonnet-5","max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#;
        let used = PromptCache::default().plan(&ask(plain), Instant::now());
        assert_eq!(used, CacheUse::default());
    }
}
