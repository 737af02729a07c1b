//! The tools: names and schemas.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

use super::Draft;
use super::fault::{Faults, Foreseen, Rule, Step};
use crate::model::{JsonView, ObjectView, shown};

/// Longest name of a tool.
const MOST_NAME: usize = 128;
/// Longest schema that is looked at: a larger one is checked by the API alone.
const MOST_SCHEMA: usize = 256 * 1024;

/// The tools of the request before, and what is told of them: a file mostly gives every line the same,
/// and to check schemas is dear.
#[derive(Debug, Default)]
pub(super) struct KnownTools {
    hash: Option<u64>,
    faults: Vec<Foreseen>,
}

impl KnownTools {
    pub(super) fn look_over(&mut self, request: &Draft<'_, '_>, faults: &mut Faults) {
        let Some(tools) = request.given("tools") else {
            return;
        };
        let mut hasher = DefaultHasher::new();
        tools.raw().hash(&mut hasher);
        let hash = Some(hasher.finish());
        if self.hash != hash {
            let mut found = Faults::default();
            look_over(tools, &mut found);
            *self = Self {
                hash,
                faults: found.into_vec(),
            };
        }
        for fault in &self.faults {
            faults.add(fault.clone());
        }
    }
}

fn look_over(tools: &JsonView<'_>, faults: &mut Faults) {
    let mut seen = HashSet::new();
    for (index, tool) in tools.items().into_iter().flatten().enumerate() {
        let Some(tool) = tool.members() else { continue };
        let kind = tool.last("type").and_then(JsonView::text);
        // A set of tools is called by its server's name.
        if kind.as_deref() == Some("mcp_toolset") {
            continue;
        }
        let place = [Step::Key("tools"), Step::Index(index), Step::Key("name")];
        let Some(name) = tool.last("name").and_then(JsonView::text) else {
            faults.at(Rule::ToolName, &place[..2], "has no `name`: give it one");
            continue;
        };
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !(1..=MOST_NAME).contains(&name.len()) || !name.bytes().all(is_good) {
            faults.at(
                Rule::ToolName,
                &place,
                format_args!(
                    "must be of 1 to {MOST_NAME} letters, digits, `_` and `-`: change the name"
                ),
            );
        }
        if !seen.insert(name.into_owned()) {
            faults.at(
                Rule::ToolName,
                &place,
                "is the name of another tool too: names must be unique",
            );
        }
        // Tools of the API's own have their schemas there.
        if matches!(kind.as_deref(), None | Some("custom")) {
            schema(index, tool, faults);
        }
    }
}

fn schema(index: usize, tool: &ObjectView<'_>, faults: &mut Faults) {
    let place = [
        Step::Key("tools"),
        Step::Index(index),
        Step::Key("input_schema"),
    ];
    let Some(schema) = tool.last("input_schema") else {
        faults.at(
            Rule::ToolSchema,
            &place[..2],
            "has no `input_schema`: give it one, such as `{\"type\": \"object\", \"properties\": {}}`",
        );
        return;
    };
    let kind = schema
        .members()
        .and_then(|schema| schema.last("type")?.text());
    if kind.as_deref() != Some("object") {
        faults.at(
            Rule::ToolSchema,
            &place,
            "must be a JSON Schema of an object: begin it with `\"type\": \"object\"`",
        );
        return;
    }
    if schema.raw().len() > MOST_SCHEMA {
        return;
    }
    // What `Value` does not read (a number beyond f64) is left to the API.
    let Ok(value) = serde_json::from_str::<Value>(schema.raw()) else {
        return;
    };
    if let Err(error) = jsonschema::draft202012::meta::validate(&value) {
        // A value that is quoted in them may be as long as the schema.
        let why = shown(&error.to_string());
        let within = shown(&error.instance_path().to_string());
        faults.at(
            Rule::ToolSchema,
            &place,
            format_args!("is no JSON Schema (draft 2020-12): at `{within}`: {why}"),
        );
    }
}
