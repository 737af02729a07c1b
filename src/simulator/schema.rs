//! An example value for a JSON Schema: enough for tool inputs and structured answers.
//!
//! It follows what schemas for models commonly use: types, enums, required properties, local
//! references, unions (the first branch). It does not honour formats or patterns.

use serde_json::{Map, Value, json};

/// Recursive schemas end here.
const MAX_DEPTH: u32 = 12;

/// A value that fits `schema`.
pub(super) fn example(schema: &Value) -> Value {
    example_in(schema, schema, 0)
}

fn example_in(root: &Value, schema: &Value, depth: u32) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    let next = |schema: &Value| example_in(root, schema, depth + 1);
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = target.strip_prefix('#').and_then(|path| root.pointer(path));
        return target.map_or(Value::Null, next);
    }
    if let Some(fixed) = fixed(schema) {
        return fixed;
    }
    for union in ["anyOf", "oneOf", "allOf"] {
        if let Some(branch) = schema.get(union).and_then(|branches| branches.get(0)) {
            return next(branch);
        }
    }
    match kind(schema) {
        "object" => object(schema, next),
        "array" => array(schema, next),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        "boolean" => json!(true),
        "null" => Value::Null,
        _ => json!("simulated"),
    }
}

fn fixed(schema: &Value) -> Option<Value> {
    let first = |key: &str| schema.get(key).and_then(|values| values.get(0));
    schema
        .get("const")
        .or_else(|| schema.get("default"))
        .or_else(|| first("enum"))
        .or_else(|| first("examples"))
        .cloned()
}

fn kind(schema: &Value) -> &str {
    let named = schema
        .get("type")
        .and_then(|kind| kind.as_str().or_else(|| kind.get(0)?.as_str()));
    match named {
        Some(kind) => kind,
        None if schema.get("properties").is_some() => "object",
        None => "string",
    }
}

fn object(schema: &Value, next: impl Fn(&Value) -> Value) -> Value {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return json!({});
    };
    let values: Map<String, Value> = properties
        .iter()
        .filter(|(name, _)| required.contains(&name.as_str()))
        .map(|(name, schema)| (name.clone(), next(schema)))
        .collect();
    Value::Object(values)
}

fn array(schema: &Value, next: impl Fn(&Value) -> Value) -> Value {
    let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1);
    let item = schema.get("items").map_or(Value::Null, next);
    Value::Array((0..least.min(100)).map(|_| item.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_fits_its_schema() {
        let schema = json!({"type": "object", "required": ["name", "tags", "kind", "age", "next"],
            "$defs": {"tag": {"type": ["string", "null"]}},
            "properties": {
                "name": {"type": "string"},
                "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "minItems": 2},
                "kind": {"enum": ["cat", "dog"]},
                "age": {"type": "integer", "minimum": 3},
                "next": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
                "optional": {"type": "string"}}});
        let value = example(&schema);
        assert_eq!(
            value,
            json!({"name": "simulated", "tags": ["simulated", "simulated"], "kind": "cat", "age": 3, "next": true})
        );
        assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&value));
    }

    #[test]
    fn a_schema_that_contains_itself_ends() {
        let schema = json!({"$ref": "#"});
        assert_eq!(example(&schema), Value::Null);
    }
}
