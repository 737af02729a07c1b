//! Values of the config file that know their own rule, so that a wrong one is located by TOML's
//! reader and described by the schema.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::cli::settings::CustomHeader;
use crate::cli::values::{self, BaseUrl, MAX_CONCURRENCY};
use crate::model::Pico;
use crate::model::batch::MAX_BATCH_REQUESTS;
use crate::model::duration::parse_duration;
use crate::policy::Hours;

/// Requests open at the same time.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "i64")]
pub struct Concurrency(pub u32);

/// A count of at least one.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "i64")]
pub struct AtLeastOne(pub u32);

/// Requests in one batch.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "i64")]
pub struct BatchSize(pub u32);
/// A ceiling by the minute.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "i64")]
pub struct PerMinute(pub u64);

/// An amount of dollars, as a number or as text.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "Dollars")]
pub struct BudgetUsd(pub Pico);

/// How an amount may be written. A float is read by its shortest digits, which are those written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Dollars {
    Whole(i64),
    Decimal(f64),
    Text(String),
}

/// A window of hours with its time zone.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct HoursText(pub Hours);

/// A factor for waits.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "f64")]
pub struct Scale(pub f64);

/// A duration.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Wait(pub Duration);

/// A duration that is not zero.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct PositiveWait(pub Duration);

/// Waits before the first, second, ... retry; at least one, and the last one repeats.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Vec<Wait>")]
pub struct Waits(pub Vec<Duration>);

/// The root of the API.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct BaseUrlText(pub BaseUrl);

/// Text that is sent as the value of a header.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct HeaderText(pub String);

/// The name of an environment variable that holds a key.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct KeyVariable(pub String);

/// The id of a model.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct ModelId(pub String);

/// Headers by name.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct HeaderTable(pub Vec<CustomHeader>);

impl TryFrom<i64> for Concurrency {
    type Error = String;
    fn try_from(number: i64) -> Result<Self, String> {
        values::concurrency(number).map(Self)
    }
}

impl TryFrom<i64> for AtLeastOne {
    type Error = String;
    fn try_from(number: i64) -> Result<Self, String> {
        values::at_least_one(number).map(Self)
    }
}

impl TryFrom<i64> for BatchSize {
    type Error = String;
    fn try_from(number: i64) -> Result<Self, String> {
        values::batch_size(number).map(Self)
    }
}

impl TryFrom<i64> for PerMinute {
    type Error = String;
    fn try_from(number: i64) -> Result<Self, String> {
        values::per_minute(number).map(Self)
    }
}

impl TryFrom<Dollars> for BudgetUsd {
    type Error = String;
    fn try_from(amount: Dollars) -> Result<Self, String> {
        let text = match amount {
            Dollars::Whole(number) => number.to_string(),
            Dollars::Decimal(number) => number.to_string(),
            Dollars::Text(text) => text,
        };
        values::budget(&text).map(Self)
    }
}

impl TryFrom<String> for HoursText {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        values::hours(&text).map(Self)
    }
}

impl TryFrom<f64> for Scale {
    type Error = String;
    fn try_from(number: f64) -> Result<Self, String> {
        values::scale(number).map(Self)
    }
}

impl TryFrom<String> for Wait {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        parse_duration(&text).map(Self)
    }
}

impl TryFrom<String> for PositiveWait {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        values::positive_duration(&text).map(Self)
    }
}

impl TryFrom<Vec<Wait>> for Waits {
    type Error = String;
    fn try_from(waits: Vec<Wait>) -> Result<Self, String> {
        if waits.is_empty() {
            return Err("must name at least one wait".to_owned());
        }
        Ok(Self(waits.into_iter().map(|wait| wait.0).collect()))
    }
}

impl TryFrom<String> for BaseUrlText {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        BaseUrl::parse(&text).map(Self)
    }
}

impl TryFrom<String> for HeaderText {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        values::header_value(&text).map(Self)
    }
}

impl TryFrom<String> for KeyVariable {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        values::key_variable(&text).map(Self)
    }
}

impl TryFrom<String> for ModelId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        values::model_id(&text).map(Self)
    }
}

impl TryFrom<BTreeMap<String, String>> for HeaderTable {
    type Error = String;
    fn try_from(headers: BTreeMap<String, String>) -> Result<Self, String> {
        let headers = headers.iter();
        headers
            .map(|(name, value)| CustomHeader::new(name, value))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// The shape of a duration as users write it.
fn duration_schema() -> Schema {
    json_schema!({
        "type": "string",
        "pattern": "^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$",
        "examples": ["200ms", "90s", "15m", "6h"]
    })
}

impl JsonSchema for Concurrency {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Concurrency".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": MAX_CONCURRENCY })
    }
}

impl JsonSchema for AtLeastOne {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "AtLeastOne".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": u32::MAX })
    }
}

impl JsonSchema for BatchSize {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "BatchSize".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": MAX_BATCH_REQUESTS })
    }
}

impl JsonSchema for PerMinute {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "PerMinute".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1 })
    }
}

impl JsonSchema for BudgetUsd {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "BudgetUsd".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "number", "exclusiveMinimum": 0 },
            { "type": "string", "pattern": r"^[0-9]+(\.[0-9]{1,12})?$" },
        ] })
    }
}

impl JsonSchema for HoursText {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "HoursText".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]{1,2}:[0-9]{2}-[0-9]{1,2}:[0-9]{2}@.+$",
            "examples": ["18:00-08:00@America/Los_Angeles"]
        })
    }
}

impl JsonSchema for Scale {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Scale".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0 })
    }
}

impl JsonSchema for Wait {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Wait".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        duration_schema()
    }
}

impl JsonSchema for PositiveWait {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "PositiveWait".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        duration_schema()
    }
}

impl JsonSchema for Waits {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Waits".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "minItems": 1, "items": duration_schema() })
    }
}

impl JsonSchema for BaseUrlText {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "BaseUrl".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^https?://" })
    }
}

impl JsonSchema for HeaderText {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "HeaderText".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[ -~]*$" })
    }
}

impl JsonSchema for KeyVariable {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "KeyVariable".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Z_][A-Z0-9_]*_(KEY|TOKEN)$" })
    }
}

impl JsonSchema for ModelId {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "ModelId".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl JsonSchema for HeaderTable {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "HeaderTable".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": { "type": "string", "pattern": "^[ -~]*$" } })
    }
}
