//! Messages: roles, empty texts, tool pairing, prefilled answers.

use serde_json::value::RawValue;

use crate::simulator::errors::ApiError;
use crate::simulator::request::{Ask, Block, Content, Turn};

const MAX_TURNS: usize = 100_000;

pub(super) fn check(ask: &Ask<'_>) -> Result<(), ApiError> {
    if ask.turns.is_empty() {
        return Err(ApiError::invalid(
            "messages: at least one message is required",
        ));
    }
    if ask.turns.len() > MAX_TURNS {
        return Err(ApiError::invalid(format!(
            "messages: List should have at most {MAX_TURNS} items after validation, not {}",
            ask.turns.len()
        )));
    }
    for (index, turn) in ask.turns.iter().enumerate() {
        role(ask, turn, index)?;
        contents(turn, index, index + 1 == ask.turns.len())?;
    }
    empty_texts(&ask.system, "system")?;
    tool_pairs(ask)?;
    prefill(ask)?;
    container(ask)
}

fn role(ask: &Ask<'_>, turn: &Turn<'_>, index: usize) -> Result<(), ApiError> {
    match turn.role.as_ref() {
        "user" | "assistant" => Ok(()),
        "system" if ask.model.system_turns => Ok(()),
        "system" => Err(ApiError::invalid(format!(
            "messages.{index}.role: role 'system' is not supported on this model"
        ))),
        _ => Err(ApiError::invalid(format!(
            "messages.{index}.role: Input should be 'user' or 'assistant'"
        ))),
    }
}

fn contents(turn: &Turn<'_>, index: usize, last: bool) -> Result<(), ApiError> {
    let empty = match &turn.content {
        Content::Nothing => true,
        Content::Text(text) => text.is_empty(),
        Content::Blocks(blocks) => blocks.is_empty(),
    };
    if empty && !(last && turn.role == "assistant") {
        return Err(ApiError::invalid(format!(
            "messages.{index}: all messages must have non-empty content except for the optional final assistant message"
        )));
    }
    empty_texts(&turn.content, &format!("messages.{index}.content"))
}

fn empty_texts(content: &Content<'_>, place: &str) -> Result<(), ApiError> {
    for (index, block) in content.blocks().iter().enumerate() {
        if block.known.kind != "text" {
            continue;
        }
        match block.known.text.as_deref() {
            None => {
                return Err(ApiError::invalid(format!(
                    "{place}.{index}.text.text: Field required"
                )));
            }
            Some("") if block.known.cache_control.is_some() => {
                return Err(ApiError::invalid(format!(
                    "{place}.{index}.text: cache_control cannot be set for empty text blocks"
                )));
            }
            Some("") => {
                return Err(ApiError::invalid(
                    "messages: text content blocks must be non-empty",
                ));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn tool_uses<'a>(turn: &'a Turn<'_>) -> impl Iterator<Item = &'a str> {
    ids(turn, "tool_use", |block| block.known.id.as_deref())
}

fn tool_results<'a>(turn: &'a Turn<'_>) -> impl Iterator<Item = &'a str> {
    ids(turn, "tool_result", |block| {
        block.known.tool_use_id.as_deref()
    })
}

fn ids<'a, 'b: 'a>(
    turn: &'a Turn<'b>,
    kind: &'static str,
    id: impl Fn(&'a Block<'b>) -> Option<&'a str>,
) -> impl Iterator<Item = &'a str> {
    turn.content
        .blocks()
        .iter()
        .filter(move |block| block.known.kind == kind)
        .filter_map(id)
}

fn tool_pairs(ask: &Ask<'_>) -> Result<(), ApiError> {
    let turns = &ask.turns;
    for (index, turn) in turns.iter().enumerate() {
        if let Some(next) = turns.get(index + 1) {
            let orphan = tool_uses(turn).find(|id| !tool_results(next).any(|other| other == *id));
            if let Some(id) = orphan {
                return Err(ApiError::invalid(format!(
                    "messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {id}. Each `tool_use` block must have a corresponding `tool_result` block in the next message."
                )));
            }
        }
        let before = index.checked_sub(1).and_then(|index| turns.get(index));
        let orphan = tool_results(turn).enumerate().find(|(_, id)| {
            !before.is_some_and(|before| tool_uses(before).any(|other| other == *id))
        });
        if let Some((position, id)) = orphan {
            return Err(ApiError::invalid(format!(
                "messages.{index}.content.{position}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )));
        }
    }
    Ok(())
}

/// Code that is to run on runs where it ran before.
fn container(ask: &Ask<'_>) -> Result<(), ApiError> {
    let is_pending = ask.continues_a_pause()
        && ask.turns.last().is_some_and(|turn| {
            let mut names = turn.content.blocks().iter().map(|block| &block.known.name);
            names.any(|name| name.as_deref() == Some("code_execution"))
        });
    let container = ask.fields.get("container").map_or("null", RawValue::get);
    if is_pending && !container.contains("container_") {
        return Err(ApiError::invalid(
            "container_id is required when there are pending tool uses generated by code execution with tools.",
        ));
    }
    Ok(())
}

fn prefill(ask: &Ask<'_>) -> Result<(), ApiError> {
    let prefilled = ask
        .turns
        .last()
        .is_some_and(|turn| turn.role == "assistant");
    if prefilled && !ask.continues_a_pause() && !ask.model.accepts_prefill() {
        return Err(ApiError::invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        ));
    }
    Ok(())
}
