//! Tools that the API runs itself: how often they may be used, and what the model reads again
//! because of it.
//!
//! A request with such a tool is a loop at the API: the model is asked, uses the tool, and is asked
//! once more with everything so far. The usage of the answer is the sum over all those rounds, so the
//! prompt, each result and what was written before are billed again with each.

use super::unbounded::Unbounded;
use crate::model::Lane;
use crate::policy::prices::Written;

/// What the results of one search add to the input. Ten results are given, of which Anthropic's own
/// example makes about 6,000 tokens.
pub(super) const TOKENS_OF_A_SEARCH: u64 = 20_000;
/// Rounds of one request; after them the turn pauses. Documented for the live lane.
const ROUNDS_LIVE: u64 = 10;
/// In a batch there are more, but it is not said how many.
const ROUNDS_IN_BATCH: u64 = 40;

/// A tool that the API runs, by what its use costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `web_search_*`: a fee for each, and results of a known size.
    Search,
    /// `web_fetch_*`: a page or a document of any length. `max_content_tokens` does not hold for
    /// PDF files, so only the model's window bounds it.
    Fetch,
    /// `tool_search_tool_*`: finds definitions, which are in the request already.
    ToolSearch,
}

impl Kind {
    /// The kind of the tool with that type; none if it is another.
    pub(super) fn of(name: &str) -> Option<Self> {
        let kinds = [
            ("web_search_", Self::Search),
            ("web_fetch_", Self::Fetch),
            ("tool_search_tool_", Self::ToolSearch),
        ];
        let found = kinds
            .into_iter()
            .find(|(prefix, _)| name.starts_with(prefix));
        found.map(|(_, kind)| kind)
    }
}

/// The server tools of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerTools {
    tools: Vec<Tool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tool {
    name: String,
    kind: Kind,
    max_uses: Option<u64>,
}

impl ServerTools {
    pub(super) fn add(&mut self, name: &str, kind: Kind, max_uses: Option<u64>) {
        self.tools.push(Tool {
            name: name.to_owned(),
            kind,
            max_uses,
        });
    }

    /// The loop that they allow.
    /// Searches that are likely: one, where they are allowed at all. Most answers need none or one.
    pub(super) fn likely_searches(&self) -> u64 {
        let searches = self.tools.iter().filter(|tool| tool.kind == Kind::Search);
        let most: u64 = searches.map(|tool| tool.max_uses.unwrap_or(1)).sum();
        most.min(1)
    }

    pub(super) fn rounds(
        &self,
        lane: Lane,
        assume_searches: Option<u32>,
    ) -> Result<Rounds, Unbounded> {
        let mut rounds = Rounds::default();
        let most = match lane {
            Lane::Live => ROUNDS_LIVE,
            Lane::Batch => ROUNDS_IN_BATCH,
        };
        for tool in &self.tools {
            let uses = match tool.kind {
                Kind::ToolSearch => Some(most),
                _ => tool.max_uses.or(assume_searches.map(u64::from)),
            };
            let uses = uses.ok_or_else(|| Unbounded::Uses {
                tool: tool.name.clone(),
            })?;
            match tool.kind {
                Kind::Search => rounds.searches = rounds.searches.saturating_add(uses),
                Kind::Fetch => rounds.fetches = rounds.fetches.saturating_add(uses),
                Kind::ToolSearch => rounds.others = rounds.others.saturating_add(uses),
            }
        }
        if !self.tools.is_empty() {
            // One more for a use beyond the last, which is refused: the model is told, and goes on.
            rounds.again = (rounds.uses().saturating_add(1)).min(most - 1);
        }
        Ok(rounds)
    }
}

/// The loop of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rounds {
    searches: u64,
    fetches: u64,
    others: u64,
    /// Rounds after the first.
    again: u64,
}

impl Rounds {
    fn uses(&self) -> u64 {
        let uses = self.searches.saturating_add(self.fetches);
        uses.saturating_add(self.others)
    }

    /// Searches that are paid for.
    pub(super) fn searches(&self) -> u64 {
        self.searches
    }

    /// Between its rounds the API keeps the prompt in its cache, asked or not.
    pub(super) fn written(&self) -> Written {
        match self.again {
            0 => Written::Not,
            _ => Written::FiveMinutes,
        }
    }

    /// Input tokens of all rounds: no round's prompt is larger than the model's window. Most is read
    /// again if as much as possible was used in the first round already.
    pub(super) fn input(&self, prompt: u64, output: u64, window: u64) -> u64 {
        let uses = self.searches.saturating_add(self.fetches);
        let round = |nth: u64| {
            let so_far = uses
                .saturating_sub(self.again)
                .saturating_add(nth)
                .min(uses);
            let results = match self.fetches {
                0 => so_far.saturating_mul(TOKENS_OF_A_SEARCH),
                _ => window,
            };
            let read = prompt.saturating_add(output).saturating_add(results);
            read.min(window.max(prompt))
        };
        (1..=self.again)
            .map(round)
            .fold(prompt, u64::saturating_add)
    }
}
