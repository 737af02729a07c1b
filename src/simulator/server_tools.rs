//! Tools that the API runs itself. The simulator searches as often as it may, and bills what that
//! makes the model read: each search is one more round with the whole prompt and all results so far.

use serde::Deserialize;
use serde_json::json;

use super::dice::Dice;
use super::message::Block;
use super::request::Ask;

/// Tokens that the results of one search add to the prompt: many, as ten long pages have.
pub(super) const RESULTS: u32 = 15_000;
/// Rounds of one request; after them the turn would pause.
const ROUNDS: u32 = 10;

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<std::borrow::Cow<'a, str>>,
    #[serde(default)]
    max_uses: Option<u32>,
}

/// Searches that an answer makes: all that its tools allow; those without a bound are used in every
/// round.
pub(super) fn searches(ask: &Ask<'_>) -> u32 {
    let tools = ask.tools.iter();
    let tools = tools.filter_map(|raw| serde_json::from_str::<Tool<'_>>(raw.get()).ok());
    let searches = tools.filter(|tool| {
        let kind = tool.kind.as_deref().unwrap_or_default();
        kind.starts_with("web_search_")
    });
    let uses = searches.map(|tool| tool.max_uses.unwrap_or(ROUNDS));
    uses.fold(0, u32::saturating_add)
}

/// Input tokens of all rounds of an answer with this many searches. As many as do not fit into rounds of
/// their own are made in the first.
pub(super) fn input_tokens(prompt: u32, searches: u32, window: u32) -> u32 {
    let again = searches.min(ROUNDS - 1);
    let round = |nth: u32| {
        let results = (searches - again + nth).saturating_mul(RESULTS);
        prompt.saturating_add(results).min(window)
    };
    (1..=again).map(round).fold(prompt, u32::saturating_add)
}

/// What a search leaves in the answer.
pub(super) fn blocks(dice: &mut Dice) -> [Block; 2] {
    let id = format!("srvtoolu_01{}", dice.letters(22));
    [
        Block::ServerToolUse {
            id: id.clone(),
            name: "web_search".to_owned(),
            input: json!({"query": "simulation"}),
        },
        Block::WebSearchToolResult {
            tool_use_id: id,
            content: json!([{
                "type": "web_search_result",
                "url": "https://example.com/simulated",
                "title": "A simulated page",
                "encrypted_content": dice.letters(64),
                "page_age": null,
            }]),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::{RESULTS, input_tokens};

    #[test]
    fn every_search_is_one_more_round_with_all_results_so_far() {
        let window = 1_000_000;
        assert_eq!(input_tokens(100, 0, window), 100);
        assert_eq!(input_tokens(100, 1, window), 200 + RESULTS);
        assert_eq!(input_tokens(100, 3, window), 400 + 6 * RESULTS);
        // Nine more rounds; the first has made all searches but eight.
        let results: u32 = (12..=20).map(|n| n * RESULTS).sum();
        assert_eq!(input_tokens(100, 20, window), 1_000 + results);
        assert_eq!(input_tokens(100, 2, 20_000), 100 + 15_100 + 20_000);
    }
}
