//! The top-level keys of an input line.

use super::line_error::{Fault, REQUESTS_HINT, shown};
use super::suggest::closest;
use super::values::Value;
use crate::model::raw_object::Member;

/// A key that a line may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineKey {
    CustomId,
    Params,
    Prompt,
    System,
    Model,
    MaxTokens,
    Temperature,
    Deadline,
    Lane,
    Metadata,
}

impl LineKey {
    const ALL: [(Self, &'static str); 10] = [
        (Self::CustomId, "custom_id"),
        (Self::Params, "params"),
        (Self::Prompt, "prompt"),
        (Self::System, "system"),
        (Self::Model, "model"),
        (Self::MaxTokens, "max_tokens"),
        (Self::Temperature, "temperature"),
        (Self::Deadline, "deadline"),
        (Self::Lane, "lane"),
        (Self::Metadata, "metadata"),
    ];

    /// The keys that only a line with `prompt` may have.
    const OF_PROMPT: [Self; 4] = [
        Self::System,
        Self::Model,
        Self::MaxTokens,
        Self::Temperature,
    ];

    fn parse(name: &str) -> Option<(Self, &'static str)> {
        Self::ALL.into_iter().find(|(_, known)| *known == name)
    }
}

/// Keys of a Messages API request that people put beside `custom_id` by mistake.
/// Source: <https://platform.claude.com/docs/en/api/messages/create>.
const REQUEST_KEYS: [&str; 17] = [
    "messages",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "top_p",
    "top_k",
    "stop_sequences",
    "stream",
    "service_tier",
    "cache_control",
    "container",
    "inference_geo",
    "context_management",
    "mcp_servers",
    "speed",
    "fallbacks",
];

/// What other batch formats call the request and its parts.
const REQUEST_NAMES: [&str; 4] = ["method", "url", "body", "request"];

/// What people call the text to be answered.
const PROMPT_NAMES: [&str; 6] = ["text", "input", "content", "question", "message", "query"];

/// The values of a line, by key. All keys are known, none came twice, and a key whose value is null
/// counts as left out (but for `metadata`, which is carried as it is).
#[derive(Debug, Default)]
pub(super) struct Fields<'a>([Option<Value<'a>>; LineKey::ALL.len()]);

impl<'a> Fields<'a> {
    /// Sorts the members of a line.
    ///
    /// # Errors
    ///
    /// An unknown key, a key that comes twice, or keys that do not go together.
    pub(super) fn sort(members: Vec<Member<'a>>) -> Result<Self, Fault> {
        let (mut fields, mut seen) = (Self::default(), [false; LineKey::ALL.len()]);
        for member in members {
            // A misspelt key would be left out in silence, and its request be paid for without it.
            let Some((key, name)) = LineKey::parse(&member.key) else {
                return Err(unknown(&member));
            };
            let slot = &mut fields.0[key as usize];
            if seen[key as usize] {
                let reason = format!("`{name}` stands twice on this line: keep one");
                return Err(Fault::at(member.key_offset, reason));
            }
            // What writes every key of a record writes null for what it has not.
            seen[key as usize] = true;
            if member.value == "null" && key != LineKey::Metadata {
                continue;
            }
            *slot = Some(Value {
                name,
                key_offset: member.key_offset,
                raw: member.value,
                offset: member.value_offset,
            });
        }
        fields.check_together()?;
        Ok(fields)
    }

    /// The value of a key, if the line has it.
    pub(super) fn get(&self, key: LineKey) -> Option<&Value<'a>> {
        self.0[key as usize].as_ref()
    }

    /// A line takes one of its two forms, not both.
    fn check_together(&self) -> Result<(), Fault> {
        let Some(params) = self.get(LineKey::Params) else {
            return Ok(());
        };
        if let Some(prompt) = self.get(LineKey::Prompt) {
            return Err(Fault::at(
                // The later of the two is the one that is too many.
                prompt.key_offset.max(params.key_offset),
                "a line has either `params` or `prompt`, not both: remove one",
            ));
        }
        match LineKey::OF_PROMPT.iter().find_map(|key| self.get(*key)) {
            Some(value) => Err(Fault::at(
                value.key_offset,
                format!(
                    "`{0}` stands beside `params`: put it inside `params`",
                    value.name
                ),
            )),
            None => Ok(()),
        }
    }
}

fn unknown(member: &Member<'_>) -> Fault {
    let key = &*member.key;
    let hint = if key == "requests" {
        REQUESTS_HINT.to_owned()
    } else if REQUEST_KEYS.contains(&key) {
        // Before the spelling: such a key is no slip, it is in the wrong place.
        "it belongs to the request, put it inside `params`".to_owned()
    } else if let Some(meant) = closest(key, &LineKey::ALL.map(|(_, name)| name)) {
        format!("did you mean `{meant}`?")
    } else if REQUEST_NAMES.contains(&key) {
        "it is a key of another API's batches, here the request is written in `params`".to_owned()
    } else if PROMPT_NAMES.contains(&key) {
        "write the text as `prompt`, or data of your own into `metadata`".to_owned()
    } else if key == "id" {
        "did you mean `custom_id`?".to_owned()
    } else {
        "put data of your own into `metadata`".to_owned()
    };
    Fault::at(
        member.key_offset,
        format!("unknown key `{}`: {hint}", shown(key)),
    )
}
