//! Options as they may be shown: a value for each dotted name, in the order of the declaration.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::options::Options;

/// Every setting with its value, without anything secret.
pub(super) fn rows(options: &Options) -> Vec<(String, Value)> {
    // A `Value` would sort the names; the text has them in the order of the fields.
    let text = serde_json::to_string(options).unwrap_or_default();
    let mut rows = Vec::new();
    add(&mut rows, "", &text);
    rows
}

fn add(rows: &mut Vec<(String, Value)>, area: &str, text: &str) {
    match serde_json::from_str::<Members>(text) {
        Ok(Members(members)) => {
            for (name, text) in members {
                let dot = if area.is_empty() { "" } else { "." };
                add(rows, &format!("{area}{dot}{name}"), text.get());
            }
        }
        Err(_) => rows.push((
            area.to_owned(),
            serde_json::from_str(text).unwrap_or_default(),
        )),
    }
}

/// The members of a JSON object as they come.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}
