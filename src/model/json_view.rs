//! One view of a JSON text, made once and handed to everything that wants to know something of it.
//!
//! A [`JsonView`] is one value as a piece of the text. It is taken apart when somebody first asks for
//! its parts, and never twice: a request that is counted, bounded and searched for prefixes is
//! scanned once for all three. Nothing is unescaped or converted on the way, and a value that nobody
//! asks about costs the scan of the value around it alone.
//!
//! A part that is not as expected has no members, or no items; what that means is decided by the fold
//! that asks. Keys may come several times inside a request (its top level is checked by the input),
//! so each lookup says which of them holds.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde_json::value::RawValue;

use super::raw_object::{members, unquote};

/// One JSON value, as a piece of the text that it stands in.
#[derive(Clone, Debug)]
pub struct JsonView<'a> {
    raw: &'a str,
    // Boxed, so that a view of a number costs three words: an array of millions fits a body.
    parts: OnceCell<Box<Parts<'a>>>,
}

#[derive(Clone, Debug)]
enum Parts<'a> {
    Object(ObjectView<'a>),
    Array(Vec<JsonView<'a>>),
    /// A string, a number, ...; or what cannot be taken apart.
    Neither,
}

/// The members of an object, in the order of the text.
#[derive(Clone, Debug)]
pub struct ObjectView<'a>(Vec<(Cow<'a, str>, JsonView<'a>)>);

impl<'a> JsonView<'a> {
    /// A view of a text that should be one JSON value. Costs nothing before it is asked.
    #[must_use]
    pub fn of(raw: &'a str) -> Self {
        Self {
            raw,
            parts: OnceCell::new(),
        }
    }

    /// The value's text.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// Whether it is `null`, by which clients write a member that they leave out.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.raw == "null"
    }

    /// The text that a string stands for; `None` for anything else, and for broken escapes.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'a, str>> {
        unquote(self.raw).ok()
    }

    /// The members of an object; `None` for anything else, and for one that cannot be read.
    #[must_use]
    pub fn members(&self) -> Option<&ObjectView<'a>> {
        match self.parts() {
            Parts::Object(members) => Some(members),
            Parts::Array(_) | Parts::Neither => None,
        }
    }

    /// The items of an array; `None` for anything else, and for one that cannot be read.
    #[must_use]
    pub fn items(&self) -> Option<&[JsonView<'a>]> {
        match self.parts() {
            Parts::Array(items) => Some(items),
            Parts::Object(_) | Parts::Neither => None,
        }
    }

    fn parts(&self) -> &Parts<'a> {
        self.parts.get_or_init(|| Box::new(Parts::of(self.raw)))
    }
}

impl<'a> Parts<'a> {
    fn of(raw: &'a str) -> Self {
        // Only a whole body may have white space before it.
        match raw.trim_ascii_start().as_bytes().first() {
            Some(b'{') => members(raw).map_or(Self::Neither, |members| {
                let views = members
                    .into_iter()
                    .map(|member| (member.key, JsonView::of(member.value)));
                Self::Object(ObjectView(views.collect()))
            }),
            Some(b'[') => {
                serde_json::from_str::<Vec<&RawValue>>(raw).map_or(Self::Neither, |items| {
                    Self::Array(
                        items
                            .into_iter()
                            .map(|item| JsonView::of(item.get()))
                            .collect(),
                    )
                })
            }
            _ => Self::Neither,
        }
    }
}

impl<'a> ObjectView<'a> {
    /// The first of this name: for a guess, where any of them will do.
    #[must_use]
    pub fn first(&self, key: &str) -> Option<&JsonView<'a>> {
        self.0.iter().find(|(found, _)| found == key).map(value)
    }

    /// The last of this name: the one that the API takes.
    #[must_use]
    pub fn last(&self, key: &str) -> Option<&JsonView<'a>> {
        self.0.iter().rfind(|(found, _)| found == key).map(value)
    }

    /// The only one of this name; `None` if there are several.
    #[must_use]
    pub fn only(&self, key: &str) -> Option<&JsonView<'a>> {
        let mut named = self.0.iter().filter(|(found, _)| found == key);
        let only = named.next()?;
        named.next().is_none().then_some(&only.1)
    }

    /// Keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &JsonView<'a>)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }
}

fn value<'v, 'a>((_, value): &'v (Cow<'a, str>, JsonView<'a>)) -> &'v JsonView<'a> {
    value
}

#[cfg(test)]
mod tests {
    use super::JsonView;

    #[test]
    fn a_value_is_taken_apart_once_and_its_parts_are_pieces_of_the_text() {
        let text = String::from(r#" {"a": [1, {"b" : "x\u0041"}], "c": null}"#);
        let view = JsonView::of(&text);
        let items = view.members().unwrap().first("a").unwrap().items().unwrap();
        assert_eq!(items[1].raw(), r#"{"b" : "x\u0041"}"#);
        assert_eq!(items[1].raw().as_ptr(), text[11..].as_ptr());
        let again = view.members().unwrap().first("a").unwrap().items().unwrap();
        assert!(std::ptr::eq(items, again), "it was scanned twice");
        let inner = items[1].members().unwrap().only("b").unwrap();
        assert_eq!(inner.text().as_deref(), Some("xA"));
        assert!(view.members().unwrap().last("c").unwrap().is_null());
    }

    #[test]
    fn of_several_members_of_a_name_each_lookup_says_which_holds() {
        let view = JsonView::of(r#"{"a":1,"b":2,"\u0061":3}"#);
        let members = view.members().unwrap();
        let raw = |found: Option<&JsonView<'_>>| found.map(|view| view.raw().to_owned());
        assert_eq!(raw(members.first("a")).as_deref(), Some("1"));
        assert_eq!(raw(members.last("a")).as_deref(), Some("3"));
        assert_eq!(raw(members.only("a")), None);
        assert_eq!(raw(members.only("b")).as_deref(), Some("2"));
        assert_eq!(members.iter().count(), 3);
    }

    #[test]
    fn what_is_no_object_and_no_array_has_no_parts() {
        for text in [
            "",
            "1",
            "\"{}\"",
            "{\"a\":1",
            "[1,",
            "{\"\\ud800\":1}",
            "{} x",
        ] {
            let view = JsonView::of(text);
            assert!(view.members().is_none() && view.items().is_none(), "{text}");
        }
        assert!(JsonView::of("[]").members().is_none());
        assert!(JsonView::of("{}").items().is_none());
    }
}
