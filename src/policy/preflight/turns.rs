//! The messages: roles, blank texts, tools that are used and their results, an answer begun.

use std::collections::HashSet;

use super::Draft;
use super::fault::{Faults, Rule, Step};
use crate::model::{JsonView, ObjectView, shown};

const MESSAGES: Step = Step::Key("messages");
const CONTENT: Step = Step::Key("content");

pub(super) fn look_over(request: &Draft<'_, '_>, faults: &mut Faults) {
    let turns = request.given("messages").and_then(JsonView::items);
    let Some(turns) = turns else { return };
    let turns: Vec<_> = turns.iter().map(Turn::read).collect();
    for (index, turn) in turns.iter().enumerate() {
        role(request, index, turn, faults);
        blank(index, turn, index + 1 == turns.len(), faults);
    }
    pairs(&turns, faults);
    prefill(request, &turns, faults);
}

/// One message.
struct Turn<'v, 'a> {
    role: Option<String>,
    content: Option<&'v JsonView<'a>>,
}

impl<'v, 'a> Turn<'v, 'a> {
    fn read(message: &'v JsonView<'a>) -> Self {
        let members = message.members();
        Self {
            role: members.and_then(|m| Some(m.last("role")?.text()?.into_owned())),
            content: members.and_then(|m| m.last("content")),
        }
    }

    fn is_of(&self, role: &str) -> bool {
        self.role.as_deref() == Some(role)
    }

    /// Its blocks with their places; none of a plain text.
    fn blocks(&self) -> impl Iterator<Item = (usize, &'v ObjectView<'a>)> + use<'v, 'a> {
        let items = self.content.and_then(JsonView::items);
        let blocks = items.into_iter().flatten().enumerate();
        blocks.filter_map(|(index, block)| Some((index, block.members()?)))
    }

    /// Blocks of that type, each with the id in that key.
    fn ids(&self, kind: &'static str, key: &'static str) -> Vec<(usize, String)> {
        self.blocks()
            .filter(|(_, block)| is_a(block, kind))
            .filter_map(|(index, block)| Some((index, block.last(key)?.text()?.into_owned())))
            .collect()
    }
}

fn is_a(block: &ObjectView<'_>, kind: &str) -> bool {
    block
        .last("type")
        .is_some_and(|found| found.text().as_deref() == Some(kind))
}

fn role(request: &Draft<'_, '_>, index: usize, turn: &Turn<'_, '_>, faults: &mut Faults) {
    let place = [MESSAGES, Step::Index(index), Step::Key("role")];
    match turn.role.as_deref() {
        Some("user" | "assistant") | None => {}
        Some("system") => {
            let known = request.rules;
            if known.is_some_and(|rules| rules.system_turns != Some(true)) {
                faults.at(
                    Rule::SystemTurn,
                    &place,
                    "is `system`, which this model does not take among the messages: put the text into `system` at the top",
                );
            }
        }
        Some(other) => faults.at(
            Rule::Role,
            &place,
            format_args!(
                "is `{}`: the API knows `user` and `assistant`",
                shown(other)
            ),
        ),
    }
}

/// A text must be more than white space, but for an answer that is begun.
fn blank(index: usize, turn: &Turn<'_, '_>, is_last: bool, faults: &mut Faults) {
    if is_last && turn.is_of("assistant") {
        return;
    }
    let is_blank = |text: &JsonView<'_>| {
        // A text of many bytes is no blank one: only short ones are unescaped.
        text.raw().starts_with('"') && text.text().is_some_and(|text| text.trim().is_empty())
    };
    let place = [MESSAGES, Step::Index(index), CONTENT];
    if turn.content.is_some_and(is_blank) {
        faults.at(Rule::BlankText, &place, "is blank: give it a text");
    }
    for (at, block) in turn.blocks() {
        if is_a(block, "text") && block.last("text").is_some_and(is_blank) {
            faults.at(
                Rule::BlankText,
                &[MESSAGES, Step::Index(index), CONTENT, Step::Index(at)],
                "is a blank text: give it one, or leave the block out",
            );
        }
    }
}

/// Each `tool_use` is answered in the message after it, and nothing else is.
fn pairs(turns: &[Turn<'_, '_>], faults: &mut Faults) {
    let uses: Vec<_> = turns
        .iter()
        .map(|turn| {
            if turn.is_of("assistant") {
                turn.ids("tool_use", "id")
            } else {
                Vec::new()
            }
        })
        .collect();
    let results: Vec<_> = turns
        .iter()
        .map(|turn| turn.ids("tool_result", "tool_use_id"))
        .collect();
    let mut seen = HashSet::new();
    for index in 0..turns.len() {
        let at = |block| [MESSAGES, Step::Index(index), CONTENT, Step::Index(block)];
        let answered = ids_of(results.get(index + 1));
        for (block, id) in &uses[index] {
            if !seen.insert(id) {
                faults.at(
                    Rule::ToolPairs,
                    &at(*block),
                    format_args!(
                        "has the id `{}` of another `tool_use`: ids must be unique",
                        shown(id)
                    ),
                );
            }
            if !answered.contains(&**id) {
                faults.at(
                    Rule::ToolPairs,
                    &at(*block),
                    format_args!("uses a tool (`{}`) whose `tool_result` is not in the next message: add it, or leave the use out", shown(id)),
                );
            }
        }
        let asked = ids_of(index.checked_sub(1).map(|before| &uses[before]));
        for (block, id) in &results[index] {
            if !asked.contains(&**id) {
                faults.at(
                    Rule::ToolPairs,
                    &at(*block),
                    format_args!("is a result of `{}`, which the message before does not use: leave it out, or put the `tool_use` before it", shown(id)),
                );
            }
        }
    }
}

/// A set: of a line of many megabytes each id would else be compared with all others.
fn ids_of(blocks: Option<&Vec<(usize, String)>>) -> HashSet<&str> {
    let blocks = blocks.into_iter().flatten();
    blocks.map(|(_, id)| &**id).collect()
}

fn prefill(request: &Draft<'_, '_>, turns: &[Turn<'_, '_>], faults: &mut Faults) {
    let Some(last) = turns.last().filter(|last| last.is_of("assistant")) else {
        return;
    };
    // What goes on after a pause ends in the use of a server's tool, and is no prefill.
    let is_pause = last.blocks().any(|(_, block)| {
        block
            .last("type")
            .and_then(JsonView::text)
            .is_some_and(|kind| kind.starts_with("server_tool") || kind.ends_with("_tool_result"))
    });
    if !is_pause && request.rules.is_some_and(|rules| !rules.prefill) {
        faults.at(
            Rule::Prefill,
            &[MESSAGES, Step::Index(turns.len() - 1)],
            "is the assistant's, and this model takes no answer that is begun for it: end with a message of the user, and say there how the answer begins",
        );
    }
}
