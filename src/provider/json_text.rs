//! JSON text that must be tidied without being understood: white space taken out, a cut end mended.

/// JSON text without the white space between its tokens: the API's plain answers have none, its
/// events are padded. Numbers and escapes stay as they are written.
pub(super) fn compact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut strings = Strings::default();
    for c in text.chars() {
        if strings.next(c) || !matches!(c, ' ' | '\t' | '\n' | '\r') {
            out.push(c);
        }
    }
    out
}

/// A JSON object whose end is missing, closed after its last complete member: what the official
/// SDKs make of a tool's input that `max_tokens` cut. None if nothing of an object is there.
pub(super) fn closed(text: &str) -> Option<String> {
    let (mut strings, mut open) = (Strings::default(), Vec::new());
    // Every bracket moves it on, so what is open there is what is open in the end.
    let mut whole = None;
    for (at, c) in text.char_indices() {
        if strings.next(c) {
            continue;
        }
        match c {
            '{' => open.push('}'),
            '[' => open.push(']'),
            '}' | ']' => drop(open.pop()),
            ',' => {}
            _ => continue,
        }
        // Everything before a comma, and everything up to a bracket, is complete.
        whole = Some(if c == ',' { at } else { at + 1 });
        if open.is_empty() {
            break;
        }
    }
    let closers: String = open.iter().rev().collect();
    let mended = format!("{}{closers}", &text[..whole?]);
    let is_json = serde_json::from_str::<&serde_json::value::RawValue>(&mended).is_ok();
    (is_json && mended.starts_with('{')).then_some(mended)
}

/// Tells what stands inside of strings.
#[derive(Debug, Default)]
struct Strings {
    inside: bool,
    escaped: bool,
}

impl Strings {
    /// Whether this character belongs to a string, its quotes included.
    fn next(&mut self, c: char) -> bool {
        let was_inside = self.inside;
        match c {
            _ if self.escaped => self.escaped = false,
            '\\' if self.inside => self.escaped = true,
            '"' => self.inside = !self.inside,
            _ => {}
        }
        was_inside || self.inside
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{closed, compact};

    #[test]
    fn only_white_space_between_tokens_goes() {
        let text = "{ \"a b\" :\t\"c \\\" d\" ,\r\n\"e\": [1.50, 2E3 , null]\n}  ";
        assert_eq!(
            compact(text),
            "{\"a b\":\"c \\\" d\",\"e\":[1.50,2E3,null]}"
        );
    }

    #[test]
    fn a_cut_object_keeps_its_complete_members() {
        let cases = [
            ("{\"a\":1,\"b\":\"unfin", Some("{\"a\":1}")),
            (
                "{\"a\":[1,{\"b\":2},{\"c\"",
                Some("{\"a\":[1,{\"b\":2},{}]}"),
            ),
            ("{\"a\":[1,2", Some("{\"a\":[1]}")),
            ("{\"a", Some("{}")),
            ("{", Some("{}")),
            ("{\"a\":\"x,y}\",", Some("{\"a\":\"x,y}\"}")),
            ("", None),
            ("\"text", None),
            ("[1,", None),
            ("}", None),
            ("{,", Some("{}")),
        ];
        for (text, expected) in cases {
            assert_eq!(closed(text).as_deref(), expected, "{text}");
        }
    }

    /// In one pass: by a pass for each bracket this takes half a minute and more.
    #[test]
    fn two_hundred_thousand_open_brackets_are_closed() {
        let text = format!("{{\"a\":{}", "[".repeat(200_000));
        let whole = closed(&text).unwrap();
        assert_eq!(whole.len(), 2 * text.len() - 4);
        assert!(whole.ends_with("]]}"));
    }

    proptest! {
        #[test]
        fn a_cut_never_makes_invalid_json(
            object in prop::collection::btree_map("[a-c\\\\\"]", "[x ,{}\\[\\]\"\\\\é]{0,6}", 0..4),
            cut in any::<prop::sample::Index>(),
        ) {
            let text = serde_json::to_string_pretty(&serde_json::json!({"k": [object]})).unwrap();
            let end = text.floor_char_boundary(1 + cut.index(text.len()));
            let mended = closed(&text[..end]).unwrap();
            serde_json::from_str::<serde_json::Value>(&mended).unwrap();
            prop_assert_eq!(
                serde_json::from_str::<serde_json::Value>(&compact(&text)).unwrap(),
                serde_json::from_str::<serde_json::Value>(&text).unwrap()
            );
        }
    }
}
