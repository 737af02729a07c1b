//! The body of a create call, cut into its entries while it arrives.
//!
//! At most one entry is held in memory, and the skeleton: the body with a `0` in the place of each
//! entry. The skeleton tells whether the whole is JSON and has the right shape; what is in an entry
//! is none of this module's business.

/// Cuts bodies such as `{"requests": [ENTRY, ENTRY]}`.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    skeleton: Vec<u8>,
    entry: Vec<u8>,
    /// The last string at the top level, which is the key of what follows.
    key: Vec<u8>,
    /// How many brackets are open.
    depth: usize,
    /// Whether the list of requests is open; its entries stand at depth 2.
    in_list: bool,
    in_string: bool,
    escaped: bool,
}

impl Splitter {
    /// Takes the next bytes in, and calls `take` with each entry that ends in them.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut take: impl FnMut(&[u8])) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.in_string && !self.escaped {
                let run = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\'));
                let (plain, rest) = bytes.split_at(run.unwrap_or(bytes.len()));
                if !plain.is_empty() {
                    self.keep(plain);
                    bytes = rest;
                    continue;
                }
            }
            bytes = rest;
            if self.in_string {
                self.in_a_string(byte);
            } else {
                self.outside(byte, &mut take);
            }
        }
    }

    /// The body without its entries.
    pub(super) fn skeleton(&self) -> &[u8] {
        &self.skeleton
    }

    fn in_a_string(&mut self, byte: u8) {
        if self.escaped {
            self.escaped = false;
        } else if byte == b'\\' {
            self.escaped = true;
        } else {
            // A quote: everything else was kept as a run.
            self.in_string = false;
            return self.push(&[byte]);
        }
        self.keep(&[byte]);
    }

    fn outside(&mut self, byte: u8, take: &mut impl FnMut(&[u8])) {
        let at_entry = self.in_list && self.depth == 2;
        match byte {
            b'"' => {
                self.in_string = true;
                if self.depth == 1 {
                    self.key.clear();
                }
                self.push(&[byte]);
            }
            b'[' if self.depth == 1 && self.key == b"requests" => {
                self.push(&[byte]);
                self.depth = 2;
                self.in_list = true;
            }
            b'{' | b'[' => {
                self.depth += 1;
                self.push(&[byte]);
            }
            b',' if at_entry => {
                self.end_entry(take);
                self.skeleton.push(byte);
            }
            b'}' | b']' => {
                if at_entry {
                    self.end_entry(take);
                    self.in_list = false;
                }
                self.depth = self.depth.saturating_sub(1);
                self.push(&[byte]);
            }
            _ => self.push(&[byte]),
        }
    }

    fn end_entry(&mut self, take: &mut impl FnMut(&[u8])) {
        let entry = self.entry.trim_ascii();
        if !entry.is_empty() {
            self.skeleton.push(b'0');
            take(entry);
        }
        self.entry.clear();
    }

    /// Keeps a piece of a string, which may be a key.
    fn keep(&mut self, bytes: &[u8]) {
        if self.depth == 1 {
            self.key.extend_from_slice(bytes);
        }
        self.push(bytes);
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.in_list {
            self.entry.extend_from_slice(bytes);
        } else {
            self.skeleton.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn split(chunks: &[&[u8]]) -> (Vec<String>, String) {
        let mut splitter = Splitter::default();
        let mut entries = Vec::new();
        for chunk in chunks {
            splitter.feed(chunk, |entry| {
                entries.push(String::from_utf8(entry.to_vec()).unwrap());
            });
        }
        let skeleton = String::from_utf8(splitter.skeleton().to_vec()).unwrap();
        (entries, skeleton)
    }

    #[test]
    fn entries_are_cut_out_and_the_rest_is_the_skeleton() {
        let cases = [
            (r#"{"requests":[]}"#, vec![], r#"{"requests":[]}"#),
            (
                r#"{"requests": [{"a":[1,2]} , {"b":"],[\"{"}], "x": [3]}"#,
                vec![r#"{"a":[1,2]}"#, r#"{"b":"],[\"{"}"#],
                r#"{"requests": [0,0], "x": [3]}"#,
            ),
            (r#"{"requests":[1,]}"#, vec!["1"], r#"{"requests":[0,]}"#),
            (
                r#"{"x":{"requests":[1]}}"#,
                vec![],
                r#"{"x":{"requests":[1]}}"#,
            ),
            (
                r#"{"x":"requests","y":[1]}"#,
                vec![],
                r#"{"x":"requests","y":[1]}"#,
            ),
            (
                r#"{"requests":[{"a":1}}"#,
                vec![r#"{"a":1}"#],
                r#"{"requests":[0}"#,
            ),
        ];
        for (body, entries, skeleton) in cases {
            let (got, left) = split(&[body.as_bytes()]);
            assert_eq!(got, entries, "{body}");
            assert_eq!(left, skeleton, "{body}");
        }
    }

    fn entry() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i32>().prop_map(Value::from),
            "[\\\\\"\\[\\]{},a-c\u{e9}]{0,8}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-z\"\\\\]{0,4}", inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn however_it_arrives_every_entry_comes_out(
            entries in prop::collection::vec(entry(), 0..6), size in 1_usize..40, pretty in any::<bool>()
        ) {
            let body = json!({"requests": entries});
            let text = if pretty { serde_json::to_string_pretty(&body) } else { serde_json::to_string(&body) }.unwrap();
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let (got, skeleton) = split(&chunks);
            let got: Vec<Value> = got.iter().map(|entry| serde_json::from_str(entry).unwrap()).collect();
            prop_assert_eq!(&got, &entries);
            let left: Value = serde_json::from_str(&skeleton).unwrap();
            prop_assert_eq!(left["requests"].as_array().unwrap().len(), entries.len());
        }

        #[test]
        fn no_body_breaks_it(body in prop::collection::vec(any::<u8>(), 0..200)) {
            Splitter::default().feed(&body, |_| ());
        }
    }
}
