//! `[retry]`, whose tables are named after error classes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::checked::{AtLeastOne, Scale, Wait, Waits};
use crate::model::{ErrorClass, Treatment};

/// `[retry]` and `[retry.<class>]`.
#[derive(Clone, Debug, Default)]
pub struct RetryTable {
    /// Failed attempts after which a job fails.
    pub max_attempts: Option<AtLeastOne>,
    /// Multiplies every wait before a retry.
    pub scale: Option<Scale>,
    /// A job fails with the first failure so long after its first attempt.
    pub give_up_after: Option<Wait>,
    /// What differs for one error class.
    pub classes: BTreeMap<ErrorClass, ClassTable>,
}

/// `[retry.<class>]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassTable {
    /// Waits before the first, second, ... retry; the last one repeats.
    pub waits: Waits,
}

/// Whether attempts of this class are repeated after a wait: only those can have other waits.
pub(super) fn has_waits(class: ErrorClass) -> bool {
    class.treatment() == Treatment::Retry
}

// By hand: serde's `flatten` would lose the positions of wrong values.
impl<'de> Deserialize<'de> for RetryTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RetryVisitor)
    }
}

struct RetryVisitor;

impl<'de> Visitor<'de> for RetryVisitor {
    type Value = RetryTable;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RetryTable, A::Error> {
        let mut table = RetryTable::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "max_attempts" => table.max_attempts = Some(map.next_value()?),
                "scale" => table.scale = Some(map.next_value()?),
                "give_up_after" => table.give_up_after = Some(map.next_value()?),
                _ => {
                    let class = key.parse().map_err(A::Error::custom)?;
                    table.classes.insert(class, map.next_value()?);
                }
            }
        }
        Ok(table)
    }
}

impl JsonSchema for RetryTable {
    fn schema_name() -> Cow<'static, str> {
        "RetryTable".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = serde_json::Map::new();
        let mut add = |name: &str, about: &str, mut schema: Schema| {
            schema.insert("description".to_owned(), about.into());
            properties.insert(name.to_owned(), schema.to_value());
        };
        add(
            "max_attempts",
            "Failed attempts after which a job fails.",
            generator.subschema_for::<AtLeastOne>(),
        );
        add(
            "scale",
            "Multiplies every wait before a retry.",
            generator.subschema_for::<Scale>(),
        );
        add(
            "give_up_after",
            "A job fails with the first failure so long after its first attempt.",
            generator.subschema_for::<Wait>(),
        );
        for class in ErrorClass::all().filter(|class| has_waits(*class)) {
            let table = generator.subschema_for::<ClassTable>();
            add(class.as_str(), class.info().meaning, table);
        }
        json_schema!({
            "type": "object",
            "description": "`[retry]` and `[retry.<class>]`",
            "properties": properties,
            "additionalProperties": false,
        })
    }
}
