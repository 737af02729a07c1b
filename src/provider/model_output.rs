//! What stands in an answer that the model was paid to write: what its receipt is held against.

use serde::Deserialize;
use serde_json::value::RawValue;

/// How much of an answer's content cost something to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ModelOutput {
    /// Bytes of texts, of thinking that is shown, and of the inputs of tools, as JSON writes them.
    pub(super) bytes: u64,
    /// Web searches that found something: only those have a fee.
    pub(super) searches: u64,
}

/// A content block, as far as it tells that.
#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    caller: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

impl ModelOutput {
    /// Reads the content blocks of a message. What is of an unknown kind counts for nothing: it may
    /// be the server's own.
    pub(super) fn read(content: &RawValue) -> Self {
        let blocks: Vec<&RawValue> = serde_json::from_str(content.get()).unwrap_or_default();
        let blocks = blocks.into_iter();
        let blocks = blocks.filter_map(|block| serde_json::from_str(block.get()).ok());
        blocks.fold(Self::default(), |sum, block: Block<'_>| {
            let of = block.written();
            Self {
                bytes: sum.bytes.saturating_add(of.bytes),
                searches: sum.searches + of.searches,
            }
        })
    }
}

impl Block<'_> {
    fn written(&self) -> ModelOutput {
        let bytes = match self.kind() {
            "text" => text_bytes(self.text),
            "thinking" => text_bytes(self.thinking),
            // What code calls, and not the model, no token was written for.
            "tool_use" | "server_tool_use" | "mcp_tool_use" if self.is_the_models_call() => {
                self.input.map_or(0, |input| input.get().len() as u64)
            }
            _ => 0,
        };
        let found = self.content.is_some_and(|raw| raw.get().starts_with('['));
        let searches = self.kind() == "web_search_tool_result" && found;
        ModelOutput {
            bytes,
            searches: u64::from(searches),
        }
    }

    fn kind(&self) -> &str {
        let kind = self.kind.map_or("", RawValue::get);
        kind.trim_matches('"')
    }

    fn is_the_models_call(&self) -> bool {
        self.caller.is_none_or(|caller| {
            let told: serde_json::Value = serde_json::from_str(caller.get()).unwrap_or_default();
            told["type"].is_null() || told["type"] == "direct"
        })
    }
}

/// The bytes between the quotes.
fn text_bytes(raw: Option<&RawValue>) -> u64 {
    let raw = raw.map_or("", RawValue::get);
    let text = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'));
    text.map_or(0, str::len) as u64
}

#[cfg(test)]
mod tests {
    use serde_json::{json, value::to_raw_value};

    use super::ModelOutput;

    #[test]
    fn what_the_model_wrote_is_told_from_what_the_server_added() {
        for (block, bytes, searches) in [
            (json!({"type":"text","text":"four"}), 4, 0),
            (json!({"type":"text","text":""}), 0, 0),
            (json!({"type":"text","text":null}), 0, 0),
            (
                json!({"type":"text","text":"a","citations":[{"cited_text":"long"}]}),
                1,
                0,
            ),
            (
                json!({"type":"thinking","thinking":"hm","signature":"EqQB"}),
                2,
                0,
            ),
            (json!({"type":"redacted_thinking","data":"EqQB"}), 0, 0),
            (json!({"type":"tool_use","input":{}}), 2, 0),
            (
                json!({"type":"tool_use","input":{"a":1},"caller":{"type":"direct"}}),
                7,
                0,
            ),
            (
                json!({"type":"tool_use","input":{"a":1},"caller":{"type":"code_execution_20260120"}}),
                0,
                0,
            ),
            (json!({"type":"server_tool_use","input":{"q":1}}), 7, 0),
            (
                json!({"type":"web_search_tool_result","content":[{"type":"web_search_result"}]}),
                0,
                1,
            ),
            (
                json!({"type":"web_search_tool_result","content":{"error_code":"unavailable"}}),
                0,
                0,
            ),
            (json!({"type":"fallback","from":{"model":"m"}}), 0, 0),
            (json!({"type":"new_kind","text":"x"}), 0, 0),
            (json!("text"), 0, 0),
            (json!(null), 0, 0),
        ] {
            let content = to_raw_value(&json!([block])).unwrap();
            assert_eq!(
                ModelOutput::read(&content),
                ModelOutput { bytes, searches },
                "{block}"
            );
            let twice = to_raw_value(&json!([block, block])).unwrap();
            assert_eq!(ModelOutput::read(&twice).bytes, 2 * bytes, "{block}");
        }
        assert_eq!(
            ModelOutput::read(&to_raw_value("x").unwrap()),
            ModelOutput::default()
        );
    }
}
