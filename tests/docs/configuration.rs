//! `docs/reference/configuration.md` has every key of the config file: its meaning and kind from the
//! schema, its default from what `claude-run config` says where nothing is set.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use clap::CommandFactory as _;
use claude_run::cli::args::Cli;
use claude_run::cli::settings::Options;
use claude_run::model::ErrorClass;
use schemars::schema_for;
use serde_json::Value;

use crate::generated::assert_generated;

const HEAD: &str = "\
# Configuration

Generated from the config file's schema and its defaults. To change a key, change its declaration and run `UPDATE_DOCS=1 cargo test --test docs`.

Each layer beats the one before it: defaults, config file, environment, options stored with the run, flags. `claude-run config` shows every
setting in force and where it came from; `--json` prints the same for programs ([schema](../../schemas/settings.schema.json)).

## The file

The config file is the one that `--config` names, else the one that `CLAUDE_RUN_CONFIG` names, else `./claude-run.toml`, else
`~/.config/claude-run/config.toml`. An unknown key is an error that names file and line. [`examples/claude-run.toml`](../../examples/claude-run.toml) is a file with
every key to copy from, and marks those that a merely found `./claude-run.toml` may not set
([why, and what to do](../guide/endpoints.md#keep-the-key-safe)). [`schemas/config.schema.json`](../../schemas/config.schema.json) is its schema, for an editor.

Durations are a number and a unit: `200ms`, `90s`, `15m`, `6h`. Paths are relative to the file's folder.
";

const ENVIRONMENT: &str = "
## Environment variables

An empty variable counts as unset. Credentials come from the environment alone.

| variable | meaning |
|---|---|
| `ANTHROPIC_API_KEY` | the key. Blanks and quotes around it are removed; it is never printed, logged or stored |
| `ANTHROPIC_AUTH_TOKEN` | a bearer token instead of, or beside, the key |
| `ANTHROPIC_BASE_URL` | root of the API; blanks, quotes and line ends around it are removed |
| `ANTHROPIC_CUSTOM_HEADERS` | headers for every request, one `Name: value` per line; quotes around all of it, a line or a value are removed |
| `ANTHROPIC_WORKSPACE_ID` | workspace, for keys that span several |
| `CLAUDE_RUN_STORE` | path of the store |
| `CLAUDE_RUN_CONFIG` | the config file, as `--config` |
| `CLAUDE_RUN_INSECURE_HTTP` | 1 allows `http://` to another machine, as `--insecure-http` |
| `XDG_CONFIG_HOME`, `XDG_STATE_HOME` | your config folder and your state folder, instead of `~/.config` and `~/.local/state` |
| `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` | [proxies](../guide/endpoints.md#use-a-gateway-or-a-proxy), in upper or lower case (upper first) |
| `SSL_CERT_FILE`, `SSL_CERT_DIR` | read the system's certificates from there; named where a certificate is not accepted |
| `NO_COLOR` | no colour |

## Stored with a run

What you give to `submit` by flag is stored with the run and holds again at `resume`; what `resume` is given replaces it for good. `--no-wait`,
`--simulate`, `--events` and `--insecure-http` are not stored; a simulated run always goes on simulated.
";

/// What each key is where nothing is set.
fn defaults() -> BTreeMap<String, Value> {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_claude-run"))
        .args(["config", "--json"])
        .current_dir(folder.path())
        .env_clear()
        .env("HOME", folder.path())
        .output()
        .unwrap();
    let lines: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let pairs = lines.into_iter().map(|line| {
        (
            line["key"].as_str().unwrap().to_owned(),
            line["value"].clone(),
        )
    });
    pairs.collect()
}

fn page() -> String {
    let schema = schema_for!(Options).to_value();
    let defaults = defaults();
    let mut page = HEAD.to_owned();
    for (table, described) in schema["properties"].as_object().unwrap() {
        let described = resolve(&schema, described);
        table_of(&mut page, &schema, &defaults, table, described);
    }
    page + ENVIRONMENT
}

/// One `[table]`, and those within it.
fn table_of(
    page: &mut String,
    schema: &Value,
    defaults: &BTreeMap<String, Value>,
    table: &str,
    described: &Value,
) {
    let about = one_line(described["description"].as_str().unwrap_or_default());
    // A description that only repeats the name says nothing.
    let about = if about == format!("`[{table}]`") {
        String::new()
    } else {
        format!("{about}\n\n")
    };
    writeln!(
        page,
        "\n## [{table}]\n\n{about}| key | flag | default | meaning |\n|---|---|---|---|"
    )
    .unwrap();
    let mut within = Vec::new();
    for (key, value) in described["properties"].as_object().unwrap() {
        let target = resolve(schema, value);
        if target["properties"].is_object() {
            within.push((key, target));
            continue;
        }
        let name = format!("{table}.{key}");
        let default = defaults.get(&name).map_or("none".to_owned(), shown);
        let meaning = one_line(value["description"].as_str().unwrap_or_default());
        let flag = flag(table, key);
        writeln!(
            page,
            "| `{key}` | {flag} | {default} | {meaning}{} |",
            words(schema, value)
        )
        .unwrap();
    }
    let (classes, tables): (Vec<_>, Vec<_>) =
        within.into_iter().partition(|(key, _)| is_class(key));
    if !classes.is_empty() {
        let names: Vec<_> = classes.iter().map(|(key, _)| format!("`{key}`")).collect();
        writeln!(
            page,
            "\n`[{table}.CLASS]` has two keys. `waits`: the waits before the first, second, ... retry of a job that failed with this class; the last one repeats. \
             `max_attempts`: failed attempts that end a job whose last failure is of this class (for limits: refusals in a row), such as 3 for `server_error`. \
             CLASS is one of {}. [Errors](errors.md#the-classes) has the defaults.",
            names.join(", ")
        )
        .unwrap();
    }
    for (key, target) in tables {
        table_of(page, schema, defaults, &format!("{table}.{key}"), target);
    }
}

fn is_class(key: &str) -> bool {
    ErrorClass::all().any(|class| class.to_string() == key)
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let definition = schema["$ref"].as_str().and_then(|at| at.strip_prefix('#'));
    definition.map_or(schema, |at| root.pointer(at).unwrap())
}

/// The words that a key may hold, if there are few.
fn words(root: &Value, schema: &Value) -> String {
    let choices = resolve(root, schema);
    let told: Vec<_> = match (&choices["oneOf"], &choices["enum"]) {
        (Value::Array(all), _) => all.iter().filter_map(|one| one["const"].as_str()).collect(),
        (_, Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if told.is_empty() {
        return String::new();
    }
    let told: Vec<_> = told.iter().map(|word| format!("`{word}`")).collect();
    format!(" One of {}.", told.join(", "))
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => format!("`\"{text}\"`"),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        other => format!("`{other}`"),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

/// The flag of `submit` that sets the same, if there is one.
fn flag(table: &str, key: &str) -> String {
    let command = Cli::command();
    let submit = command.find_subcommand("submit").unwrap();
    let flags: Vec<_> = submit
        .get_arguments()
        .chain(command.get_arguments())
        .filter_map(clap::Arg::get_long)
        .collect();
    let key = key.replace('_', "-");
    let single = key.trim_end_matches('s');
    // The most telling name first: `[retry] scale` is `--retry-scale`, `[fallback] models` `--fallback-model`.
    let names = [
        format!("{table}-{key}"),
        format!("{table}-{single}"),
        key.clone(),
        table.to_owned(),
    ];
    let is_path = key == "path";
    let found = names
        .iter()
        .enumerate()
        .find(|(at, name)| flags.contains(&name.as_str()) && (*at < 3 || is_path));
    found.map_or(String::new(), |(_, name)| format!("`--{name}`"))
}

#[test]
fn the_page_of_configuration_has_every_key() {
    assert_generated("docs/reference/configuration.md", &page());
}

#[test]
fn every_flag_that_is_a_key_is_shown_beside_it() {
    let page = page();
    for (key, flag) in [
        ("concurrency", "--concurrency"),
        ("scale", "--retry-scale"),
        ("models", "--fallback-model"),
        ("size", "--batch-size"),
        ("path", "--store"),
        ("budget_usd", "--budget-usd"),
    ] {
        assert!(page.contains(&format!("| `{key}` | `{flag}` |")), "{key}");
    }
    assert!(
        page.contains("| `version` |  |"),
        "the API's version is no flag"
    );
}
