//! Token estimates: about one for four bytes of text, as the published rule of thumb says.
//!
//! Pictures and documents get a flat figure, since their size in bytes says little.

use super::request::{Ask, Block, Content};
use super::server_tools;

/// What every request costs beyond its texts.
const REQUEST_OVERHEAD: u32 = 8;
/// What every message costs beyond its texts.
const TURN_OVERHEAD: u32 = 4;
/// A picture of about 1.15 megapixels.
const IMAGE: u32 = 1_600;
/// A document of about one page.
const DOCUMENT: u32 = 3_000;
/// A document that stands elsewhere: a long one, and nothing in the request tells so.
const DOCUMENT_ELSEWHERE: u32 = 150_000;

/// Tokens of this many bytes.
pub(super) fn of_bytes(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(4)).unwrap_or(u32::MAX)
}

/// Tokens of the whole prompt.
pub(super) fn of_prompt(ask: &Ask<'_>) -> u32 {
    let turns = ask
        .turns
        .iter()
        .map(|turn| TURN_OVERHEAD + of_content(&turn.content));
    let tools = ask.tools.iter().map(|tool| of_bytes(tool.get().len()));
    turns
        .chain(tools)
        .fold(REQUEST_OVERHEAD, u32::saturating_add)
        .saturating_add(of_content(&ask.system))
}

fn of_content(content: &Content<'_>) -> u32 {
    match content {
        Content::Nothing => 0,
        Content::Text(text) => of_bytes(text.len()),
        Content::Blocks(blocks) => blocks.iter().map(of_block).fold(0, u32::saturating_add),
    }
}

pub(super) fn of_block(block: &Block<'_>) -> u32 {
    match (block.known.kind.as_ref(), &block.known.text) {
        ("image", _) => IMAGE,
        ("document", _) if stands_elsewhere(block) => DOCUMENT_ELSEWHERE,
        ("document", _) => DOCUMENT,
        ("web_search_tool_result", _) => server_tools::RESULTS,
        (_, Some(text)) => of_bytes(text.len()),
        (_, None) => of_bytes(block.raw.len()),
    }
}

fn stands_elsewhere(document: &Block<'_>) -> bool {
    let document: serde_json::Value = serde_json::from_str(document.raw).unwrap_or_default();
    let kind = document
        .pointer("/source/type")
        .and_then(|kind| kind.as_str());
    matches!(kind, Some("url" | "file"))
}
