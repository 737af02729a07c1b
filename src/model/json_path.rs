//! Places in a JSON text.

use std::fmt;

use super::json_view::JsonView;

/// A step from a JSON value to one of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonStep {
    /// To the member of this key.
    Key(&'static str),
    /// To the item at this index, from 0.
    Index(usize),
}

impl fmt::Display for JsonStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Index(index) => index.fmt(f),
        }
    }
}

impl<'a> JsonView<'a> {
    /// The part at the end of that path, or the last one on the way to it that is there.
    #[must_use]
    pub fn at(&self, path: &[JsonStep]) -> &Self {
        let mut here = self;
        for step in path {
            let next: Option<&JsonView<'a>> = match *step {
                JsonStep::Key(key) => here.members().and_then(|members| members.last(key)),
                JsonStep::Index(index) => here.items().and_then(|items| items.get(index)),
            };
            let Some(next) = next else { break };
            here = next;
        }
        here
    }
}

#[cfg(test)]
mod tests {
    use super::JsonStep::{Index, Key};
    use super::JsonView;

    #[test]
    fn a_path_leads_to_its_end_or_as_far_as_it_goes() {
        let view = JsonView::of(r#"{"a": [1, {"b": "x"}]}"#);
        assert_eq!(view.at(&[Key("a"), Index(1), Key("b")]).raw(), r#""x""#);
        assert_eq!(
            view.at(&[Key("a"), Index(1), Key("c")]).raw(),
            r#"{"b": "x"}"#
        );
        assert_eq!(view.at(&[Key("z"), Index(1)]).raw(), view.raw());
        assert_eq!(view.at(&[]).raw(), view.raw());
    }
}
