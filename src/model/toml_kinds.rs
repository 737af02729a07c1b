//! What the reader of TOML calls the kinds of values, in the words of a user: for the files that users
//! write (`config_file`, `prices`).

/// What stands there, such as `string "8"`.
#[must_use]
pub fn found(kind: &str) -> &str {
    match kind.split(['"', '`']).next().unwrap_or(kind).trim() {
        "string" => "text in quotes",
        "integer" => "a whole number",
        "floating point" => "a number with a fraction",
        "boolean" => "true or false",
        "sequence" => "a list",
        "map" => "a table",
        other => other,
    }
}

/// What should stand there, such as `u64`.
#[must_use]
pub fn wanted(kind: &str) -> &str {
    match kind {
        "i64" => "a whole number",
        "u64" => "a whole number of at least 0",
        "f64" => "a number",
        "a string" => "text in quotes",
        "path string" => "a path in quotes",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        "a map" => "a table",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
}
