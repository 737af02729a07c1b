//! What the API sent, as text that every reader of JSON takes.
//!
//! The official SDKs read more than strict readers do: of a key that comes twice the last one
//! counts, half a surrogate pair is a character, a byte order mark is nothing. An answer that they
//! read was paid for and must not be lost over it. Promises valid UTF-8, each key once in its
//! object, and no escape that stands for no character; says how much it altered for that. What
//! needs nothing is borrowed. Whether the text is JSON at all is for others to say: of what is none,
//! nothing is promised.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use crate::model::half_pairs::{half_pairs, replaced, without_half_pairs};
use crate::model::raw_object::unquote;

/// Nesting that the readers of the official SDKs take (Python gives up at a little under 1,000
/// levels, its callers' included).
pub(super) const MAX_DEPTH: usize = 900;

/// Most members whose keys are compared, of all objects together: a hostile answer must not take many
/// times its size in memory. Real ones have some thousands.
const MAX_MEMBERS: usize = 200_000;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// How much of a text was altered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Altered {
    /// Characters that were none: U+FFFD stands in their places.
    pub(super) characters: usize,
    /// Members that were left out, because a later one of the same object has the same key.
    pub(super) members: usize,
}

impl Altered {
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            characters: self.characters + other.characters,
            members: self.members + other.members,
        }
    }

    /// What was altered, as a sentence; none if nothing was.
    pub(super) fn words(self) -> Option<String> {
        let characters = match self.characters {
            0 => None,
            1 => Some("1 character of it was broken and is U+FFFD now".to_owned()),
            n => Some(format!(
                "{n} characters of it were broken and are U+FFFD now"
            )),
        };
        let members = match self.members {
            0 => None,
            1 => Some("1 key came twice and its last value was kept".to_owned()),
            n => Some(format!(
                "{n} keys came twice and their last values were kept"
            )),
        };
        let parts: Vec<String> = characters.into_iter().chain(members).collect();
        (!parts.is_empty())
            .then(|| format!("the answer was altered to be valid: {}", parts.join(", ")))
    }
}

/// A text that was made fit for every reader.
#[derive(Debug)]
pub(super) struct Tidy<'a> {
    /// Without anything around it.
    pub(super) text: Cow<'a, str>,
    pub(super) altered: Altered,
    /// Its brackets nest deeper than [`MAX_DEPTH`]: then it is left as it is.
    pub(super) too_deep: bool,
}

/// Makes a body fit to be read. Padding of NULs after it goes with the white space.
pub(super) fn tidy(body: &[u8]) -> Tidy<'_> {
    let body = body.strip_prefix(BOM).unwrap_or(body).trim_ascii();
    let end = body
        .iter()
        .rposition(|byte| !matches!(byte, 0 | b' ' | b'\t' | b'\n' | b'\r'));
    let (text, characters) = lossy(&body[..end.map_or(0, |last| last + 1)]);
    let found = Scan::of(&text);
    let too_deep = found.too_deep;
    let altered = Altered {
        characters: characters + found.halves.len(),
        members: found.repeated.len(),
    };
    let text = if found.halves.is_empty() && found.repeated.is_empty() {
        text
    } else {
        Cow::Owned(found.mended(&text))
    };
    Tidy {
        text,
        altered,
        too_deep,
    }
}

/// The text, each run of bytes that is no UTF-8 replaced, and how many there were.
pub(super) fn lossy(bytes: &[u8]) -> (Cow<'_, str>, usize) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return (Cow::Borrowed(text), 0);
    }
    let chunks = bytes.utf8_chunks();
    let broken = chunks.filter(|chunk| !chunk.invalid().is_empty()).count();
    (String::from_utf8_lossy(bytes), broken)
}

/// What a text has that not every reader takes.
#[derive(Debug, Default)]
struct Scan {
    halves: Vec<usize>,
    repeated: Vec<Range<usize>>,
    too_deep: bool,
}

/// A bracket that is open.
enum Open<'a> {
    Array,
    Object(Members<'a>),
}

/// The members of an object so far.
#[derive(Default)]
struct Members<'a> {
    /// Where each begins: at its key.
    starts: Vec<usize>,
    /// Which of them has that key.
    by_key: HashMap<Cow<'a, str>, usize>,
    /// The key of the member at hand has been read.
    has_key: bool,
}

impl<'a> Members<'a> {
    /// Takes a string that stands there. Says which earlier member it makes void, as a key.
    fn string(&mut self, at: usize, raw: &'a str) -> Option<Range<usize>> {
        // The string after a key is its value.
        if std::mem::replace(&mut self.has_key, true) {
            return None;
        }
        let key = unquote(raw).unwrap_or_else(|_| {
            let mended = without_half_pairs(raw);
            unquote(&mended).map_or(Cow::Borrowed(raw), |key| Cow::Owned(key.into_owned()))
        });
        self.starts.push(at);
        let before = self.by_key.insert(key, self.starts.len() - 1)?;
        // A member follows it, if only this one: the comma between them goes too.
        Some(self.starts[before]..self.starts[before + 1])
    }
}

impl Scan {
    /// One pass over the text, without recursion: it may be nested as deep as it likes.
    fn of(text: &str) -> Self {
        let mut scan = Self {
            halves: half_pairs(text),
            ..Self::default()
        };
        let (mut open, mut at, mut left) = (Vec::new(), 0, MAX_MEMBERS);
        let bytes = text.as_bytes();
        let tells = |byte: &u8| matches!(byte, b'"' | b'[' | b'{' | b']' | b'}' | b',');
        while let Some(found) = bytes[at..].iter().position(tells) {
            at += found;
            match bytes[at] {
                b'"' => {
                    let end = end_of_string(text, at);
                    // Keys are remembered up to a bound, so that a hostile object does not fill the
                    // memory; later doubles stay.
                    if left > 0
                        && let Some(Open::Object(members)) = open.last_mut()
                    {
                        left -= 1;
                        scan.repeated.extend(members.string(at, &text[at..end]));
                    }
                    at = end;
                    continue;
                }
                b'[' => open.push(Open::Array),
                b'{' => open.push(Open::Object(Members::default())),
                b',' => {
                    if let Some(Open::Object(members)) = open.last_mut() {
                        members.has_key = false;
                    }
                }
                _ => drop(open.pop()),
            }
            scan.too_deep |= open.len() > MAX_DEPTH;
            // It is refused anyway, and the stack of what is open stays small.
            if scan.too_deep {
                break;
            }
            at += 1;
        }
        scan
    }

    fn mended(mut self, text: &str) -> String {
        let whole = replaced(text, &self.halves);
        self.repeated.sort_unstable_by_key(|range| range.start);
        let (mut out, mut at) = (String::with_capacity(whole.len()), 0);
        for range in self.repeated {
            // A doubled member may lie inside of another that is cut out.
            if range.start >= at {
                out.push_str(&whole[at..range.start]);
            }
            at = at.max(range.end);
        }
        out.push_str(&whole[at..]);
        out
    }
}

/// Where the string that begins there ends, its quotes included.
fn end_of_string(text: &str, start: usize) -> usize {
    let (bytes, mut at) = (text.as_bytes(), start + 1);
    let tells = |byte: &u8| matches!(byte, b'"' | b'\\');
    while let Some(found) = bytes[at..].iter().position(tells) {
        at += found + 1;
        if bytes[at - 1] == b'"' {
            return at;
        }
        let escaped = text[at..].chars().next();
        at += escaped.map_or(0, char::len_utf8);
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::{Altered, MAX_DEPTH, tidy};

    /// The text that is made of these bytes, how many characters and members were altered.
    fn read(body: &[u8]) -> (String, usize, usize) {
        let tidy = tidy(body);
        assert!(!tidy.too_deep);
        let Altered {
            characters,
            members,
        } = tidy.altered;
        (tidy.text.into_owned(), characters, members)
    }

    #[test]
    fn what_every_sdk_reads_is_made_what_every_reader_takes() {
        let cases: &[(&[u8], &str, usize, usize)] = &[
            (br#"{"a":1}"#, r#"{"a":1}"#, 0, 0),
            (b"\xEF\xBB\xBF {\"a\":1} \n", r#"{"a":1}"#, 0, 0),
            (b"{\"a\":1}\n\0\0 \0", r#"{"a":1}"#, 0, 0),
            // The last value counts, however the key is written, and in each object for itself.
            (br#"{"a":1,"b":2,"a":3}"#, r#"{"b":2,"a":3}"#, 0, 1),
            (br#"{ "a":1 , "\u0061":3 }"#, r#"{ "\u0061":3 }"#, 0, 1),
            (br#"{"a":1,"a":2,"a":3}"#, r#"{"a":3}"#, 0, 2),
            (
                br#"[{"a":1,"b":{"a":"a"}},{"a":2}]"#,
                r#"[{"a":1,"b":{"a":"a"}},{"a":2}]"#,
                0,
                0,
            ),
            (
                br#"{"a":{"x":1,"x":2},"b":{"x":1,"x":2},"a":0}"#,
                r#"{"b":{"x":2},"a":0}"#,
                0,
                3,
            ),
            (
                br#"{"a":"a","b":["b","b",{"c":"}"}],"c":"{\"a\":1"}"#,
                r#"{"a":"a","b":["b","b",{"c":"}"}],"c":"{\"a\":1"}"#,
                0,
                0,
            ),
            // Half a pair is no character, a whole one is.
            (br#""\ud83e\udd80""#, r#""\ud83e\udd80""#, 0, 0),
            (br#""x\ud83ey""#, r#""x\ufffdy""#, 1, 0),
            (br#""\uDD80\uD83E""#, r#""\ufffd\ufffd""#, 2, 0),
            (br#""\ud83e\ud83e\udd80""#, r#""\ufffd\ud83e\udd80""#, 1, 0),
            (br#""\\ud83e \\\ud83e""#, r#""\\ud83e \\\ufffd""#, 1, 0),
            (br#"{"\ud83e":1,"\ud83e":2}"#, r#"{"\ufffd":2}"#, 2, 1),
            (b"\"a\xFFb\xE2\x82\"", "\"a\u{fffd}b\u{fffd}\"", 2, 0),
            // What is no JSON stays what it is.
            (b"", "", 0, 0),
            (b"{\"a", "{\"a", 0, 0),
            (b"]}{,\"", "]}{,\"", 0, 0),
            (b"\\", "\\", 0, 0),
        ];
        for (body, text, characters, members) in cases {
            let shown = String::from_utf8_lossy(body);
            assert_eq!(
                read(body),
                ((*text).to_owned(), *characters, *members),
                "{shown}"
            );
        }
    }

    #[test]
    fn what_was_altered_is_told() {
        let words = |characters, members| {
            Altered {
                characters,
                members,
            }
            .words()
        };
        assert_eq!(words(0, 0), None);
        let told = "the answer was altered to be valid: 1 character of it was broken and is U+FFFD now, 2 keys came twice and their last values were kept";
        assert_eq!(words(1, 2).as_deref(), Some(told));
    }

    #[test]
    fn nesting_is_bounded_and_costs_no_stack() {
        let nested = |depth: usize| {
            tidy(format!("{}{}", "[".repeat(depth), "]".repeat(depth)).as_bytes()).too_deep
        };
        assert!(!nested(MAX_DEPTH));
        assert!(nested(MAX_DEPTH + 1));
        assert!(nested(1_000_000));
    }

    /// JSON text with everything in it that is mended.
    fn odd_json() -> impl Strategy<Value = String> {
        let text = prop::collection::vec(
            prop::sample::select(vec![
                "a", "\\ud83e", "\\udd80", "\\\\", "\\\"", "{", ",", "é", "\\n",
            ]),
            0..4,
        );
        let text = text.prop_map(|parts| format!("\"{}\"", parts.concat()));
        text.clone().prop_recursive(3, 20, 4, move |inner| {
            let members = prop::collection::vec((text.clone(), inner.clone()), 0..4);
            prop_oneof![
                prop::collection::vec(inner, 0..4)
                    .prop_map(|all| format!("[ {} ]", all.join(" ,"))),
                members.prop_map(|all| {
                    let all = all.iter().map(|(key, value)| format!("{key} : {value}"));
                    format!("{{ {} }}", all.collect::<Vec<_>>().join(" , "))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_comes_out_is_json_for_every_reader(json in odd_json()) {
            prop_assert!(serde_json::from_str::<&RawValue>(&json).is_ok());
            let once = tidy(json.as_bytes());
            // A strict reader takes it, and sees no key twice.
            let value: serde_json::Value = serde_json::from_str(&once.text).unwrap();
            let again = tidy(once.text.as_bytes());
            prop_assert_eq!(again.altered, Altered::default());
            prop_assert_eq!(&*again.text, &*once.text);
            drop(value);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(
            prop::sample::select(b"\"\\{}[],:ud8fFDc \xEF\xBB\xFFa".to_vec()), 0..60)) {
            let whole = tidy(&bytes);
            prop_assert!(whole.text.len() <= bytes.len() * 3);
        }
    }
}
