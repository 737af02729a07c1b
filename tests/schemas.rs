//! The JSON Schemas in `schemas/` say what the code says, and the examples keep to them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it expects by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};

use claude_run::cli::commands::{CheckReport, DoctorReport, SettingList, VerifyReport};
use claude_run::cli::config_file;
use claude_run::cli::settings::Options;
use claude_run::explain::Explained;
use claude_run::input::{InputLine, Item, JobReader, Source};
use claude_run::model::{Event, Shaping};
use claude_run::report::{AttemptLine, BatchLine, Report, ResultLine, StatusLine, Totals};
use jsonschema::Validator;
use schemars::{JsonSchema, schema_for};
use serde_json::Value;

/// Set (to anything), it makes this test write the schemas instead of comparing them.
const UPDATE: &str = "UPDATE_SCHEMAS";

/// Makes the schema of one shape.
type Shape = fn() -> Value;

/// Every documented shape: the name of its file, its version, and the shape. The version is raised when
/// a change breaks what `docs/reference/exit-codes-and-json.md` promises, and not for what is added.
const SHAPES: [(&str, u32, Shape); 14] = [
    ("input-line", 1, schema_of::<InputLine>),
    ("result-line", 1, schema_of::<ResultLine>),
    ("report", 1, schema_of::<Report>),
    ("check", 1, schema_of::<CheckReport>),
    ("totals", 1, schema_of::<Totals>),
    ("attempt", 1, schema_of::<AttemptLine>),
    ("batch", 1, schema_of::<BatchLine>),
    ("status", 1, schema_of::<StatusLine>),
    ("event", 1, schema_of::<Event>),
    ("config", 1, schema_of::<Options>),
    ("explanation", 1, schema_of::<Explained>),
    ("doctor", 1, schema_of::<DoctorReport>),
    ("verify", 1, schema_of::<VerifyReport>),
    ("settings", 1, schema_of::<SettingList>),
];

/// Every documented shape as its file has it, by the name of the file.
fn schemas() -> [(&'static str, Value); 14] {
    SHAPES.map(|(name, version, shape)| {
        let mut schema = shape();
        // A name and no address: that would promise that something can be fetched there.
        schema["$id"] = Value::String(format!("urn:claude-run:schema:{name}:{version}"));
        (name, schema)
    })
}

fn schema_of<T: JsonSchema>() -> Value {
    schema_for!(T).to_value()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema_path(name: &str) -> PathBuf {
    root().join(format!("schemas/{name}.schema.json"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn validator_of<T: JsonSchema>() -> Validator {
    jsonschema::validator_for(&schema_of::<T>()).unwrap()
}

fn assert_fits(validator: &Validator, value: &Value, what: &str) {
    let errors: Vec<_> = validator
        .iter_errors(value)
        .map(|error| format!("{error} (at `{}`)", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{what}: {}", errors.join("; "));
}

#[test]
fn schema_files_are_what_the_code_generates() {
    let update = std::env::var_os(UPDATE).is_some();
    let mut stale = Vec::new();
    for (name, schema) in schemas() {
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        let path = schema_path(name);
        if update {
            fs::write(&path, text).unwrap();
        } else if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            stale.push(path.display().to_string());
        }
    }
    assert!(
        stale.is_empty(),
        "the code no longer says what these files say:\n  {}\n\
         If the change is meant, write them anew with\n  {UPDATE}=1 cargo test --test schemas",
        stale.join("\n  ")
    );
}

#[test]
fn every_schema_file_is_one_of_those_checked() {
    let known = schemas().map(|(name, _)| format!("{name}.schema.json"));
    for entry in fs::read_dir(root().join("schemas")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_schema = name.ends_with(".schema.json");
        assert!(!is_schema || known.contains(&name), "{name} is of no type");
    }
}

#[test]
fn schemas_are_valid_and_explain_themselves() {
    for (name, schema) in schemas() {
        assert!(jsonschema::meta::is_valid(&schema), "{name}");
        let text = |key: &str| schema[key].as_str().unwrap_or_default();
        assert_eq!(
            text("$schema"),
            "https://json-schema.org/draft/2020-12/schema",
            "{name}"
        );
        assert!(!text("title").is_empty(), "{name} has no title");
        assert!(!text("description").is_empty(), "{name} has no description");
        let id = text("$id");
        assert!(
            id.starts_with(&format!("urn:claude-run:schema:{name}:")),
            "{id}"
        );
        // With its name, a schema still finds its own definitions.
        assert!(jsonschema::validator_for(&schema).is_ok(), "{name}");
    }
}

#[test]
fn example_prompts_fit_the_schema_of_input_lines() {
    let validator = validator_of::<InputLine>();
    let text = read(&root().join("examples/prompts.jsonl"));
    assert_eq!(text.lines().count(), 200);
    for (line, number) in text.lines().zip(1..) {
        let value: Value = serde_json::from_str(line).unwrap();
        assert_fits(&validator, &value, &format!("line {number}"));
    }
}

#[test]
fn example_prompts_are_read_without_a_remark() {
    let path = root().join("examples/prompts.jsonl");
    let source = Source::open(path.to_str().unwrap()).unwrap();
    let now = "2026-11-22T00:00:00Z".parse().unwrap();
    let mut jobs = 0;
    for item in JobReader::new(source, &Shaping::default(), now) {
        match item.unwrap() {
            Item::Job { job, notes } => {
                assert!(notes.is_empty(), "line {}: {notes:?}", job.line);
                jobs += 1;
            }
            Item::Bad(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(jobs, 200);
}

#[test]
fn example_config_with_every_key_enabled_loads_and_fits_its_schema() {
    let path = root().join("examples/claude-run.toml");
    let text = with_keys_enabled(&read(&path));
    let enabled: Value = toml::from_str(&text).unwrap();
    assert_fits(&validator_of::<Options>(), &enabled, "claude-run.toml");
    let loaded = config_file::parse(&path, &text);
    assert!(loaded.is_ok(), "{:?}", loaded.err());
}

#[test]
fn example_config_shows_every_key_of_its_schema() {
    let text = with_keys_enabled(&read(&root().join("examples/claude-run.toml")));
    let enabled: Value = toml::from_str(&text).unwrap();
    let schema = schema_of::<Options>();
    for (table, described) in schema["properties"].as_object().unwrap() {
        let described = resolve(&schema, described);
        for (key, value) in described["properties"].as_object().unwrap() {
            // `[retry]` has a table for each class; the example shows some.
            let is_table = resolve(&schema, value)["type"] == "object";
            let shown = enabled[table].get(key).is_some();
            assert!(shown || is_table, "[{table}] {key} is not shown");
        }
    }
}

#[test]
fn commented_keys_are_enabled_and_comments_stay() {
    let text = "# A remark.\n#key = 1\n#[table]\n[other]\n";
    assert_eq!(
        with_keys_enabled(text),
        "# A remark.\nkey = 1\n[table]\n[other]\n"
    );
}

/// The example with the `#` taken away from keys and tables, as its first lines tell the reader.
fn with_keys_enabled(text: &str) -> String {
    let enable = |line: &str| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => {
            format!("{key}\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(enable).collect()
}

/// What a schema stands for: itself, or the definition it points to.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let definition = schema["$ref"].as_str().and_then(|at| at.strip_prefix('#'));
    definition.map_or(schema, |at| root.pointer(at).unwrap())
}
