//! `claude-run config`: every setting, its value and where it came from.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::args::ConfigArgs;
use crate::cli::context::Context;
use crate::cli::credentials::Credentials;
use crate::cli::environment::{self, Environment};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Out;
use crate::cli::settings::{Origin, ShownSetting};
use crate::cli::values::shown_url;
use crate::provider::unquoted;

/// Shows every setting, its value and where it came from.
pub fn config(ctx: &Context, args: &ConfigArgs) -> Result<Exit, Failure> {
    run(ctx, args, Out::stdout())
}

fn run(ctx: &Context, args: &ConfigArgs, mut out: Out) -> Result<Exit, Failure> {
    let mut rows = ctx.settings.rows();
    rows.extend(credential_rows(&ctx.credentials()?));
    rows.extend(proxy_rows(&ctx.layers.env));
    rows.extend(trust_rows(ctx));
    if args.json {
        out.json(&SettingList(rows.iter().map(as_json).collect()))?;
    } else {
        for line in aligned(&rows) {
            out.line(line)?;
        }
    }
    out.finish()?;
    Ok(Exit::Success)
}

/// All settings: the array that `config --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SettingList(Vec<SettingLine>);

/// A setting, its value and where it came from.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SettingLine {
    /// Its name in the config file, with its table.
    key: String,
    /// The value in force, as the config file would have it; null if there is none.
    value: Value,
    /// `default`, the file, the variable, the flag, or the run that said so.
    origin: String,
}

pub(super) fn as_json(row: &ShownSetting) -> SettingLine {
    SettingLine {
        key: row.key.clone(),
        value: row.value.clone(),
        origin: row.origin.to_string(),
    }
}

/// Credentials are only said to be there.
fn credential_rows(credentials: &Credentials) -> [ShownSetting; 2] {
    let row = |variable: &'static str, is_set: bool| ShownSetting {
        key: variable
            .to_ascii_lowercase()
            .replace("anthropic_", "credentials."),
        value: if is_set {
            json!(format!("set ({variable})"))
        } else {
            json!("not set")
        },
        origin: if is_set {
            Origin::Environment(variable)
        } else {
            Origin::Default
        },
    };
    [
        row(environment::API_KEY, credentials.api_key.is_some()),
        row(environment::AUTH_TOKEN, credentials.auth_token.is_some()),
    ]
}

/// The proxy variables that are set; the first of a pair is the one that counts.
pub(super) fn proxy_rows(env: &Environment) -> Vec<ShownSetting> {
    let mut rows: Vec<ShownSetting> = Vec::new();
    for variable in environment::PROXIES {
        let value = env.path(variable).unwrap_or_default();
        let value = value.to_string_lossy();
        let value = unquoted(&value);
        if value.is_empty() {
            continue;
        }
        let name = variable.to_ascii_lowercase();
        let key = name
            .strip_suffix("_proxy")
            .map_or_else(String::new, |kind| format!("proxy.{kind}"));
        if rows.iter().all(|row| row.key != key) {
            rows.push(ShownSetting {
                key,
                value: json!(shown_url(value)),
                origin: Origin::Environment(variable),
            });
        }
    }
    rows
}

/// How far the config file is believed, and where it is remembered whom the user trusts.
fn trust_rows(ctx: &Context) -> [ShownSetting; 2] {
    let file = ctx.layers.file.as_ref();
    let folder = ctx.trust.memory().folder();
    let row = |key: &str, value: Value| ShownSetting {
        key: key.to_owned(),
        value,
        origin: Origin::Default,
    };
    [
        row(
            "trust.config",
            json!(file.map(|file| file.standing.as_words())),
        ),
        row(
            "trust.folder",
            json!(folder.map(|folder| folder.display().to_string())),
        ),
    ]
}

/// Three columns. The last is not padded, so no line ends in blanks.
fn aligned(rows: &[ShownSetting]) -> Vec<String> {
    let cells: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.key.as_str(),
                as_text(&row.value),
                row.origin.to_string(),
            )
        })
        .collect();
    let keys = cells.iter().map(|cell| cell.0.chars().count()).max();
    let values = cells.iter().map(|cell| cell.1.chars().count()).max();
    let (keys, values) = (keys.unwrap_or(0), values.unwrap_or(0));
    cells
        .iter()
        .map(|(key, value, origin)| format!("{key:keys$}  {value:values$}  {origin}"))
        .collect()
}

fn as_text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(as_text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::testing::Captured;
    use crate::cli::settings::tests::Given;

    fn printed(given: &Given<'_>, json: bool) -> String {
        let captured = Captured::default();
        let out = Out::to(Box::new(captured.clone()));
        let exit = run(&given.context(), &ConfigArgs { json, action: None }, out).unwrap();
        assert_eq!(exit, Exit::Success);
        captured.text()
    }

    const GIVEN: Given<'_> = Given {
        line: "config --store s.db -v",
        file: "[dispatch]\nconcurrency = 8\n[retry.overloaded]\nwaits = [\"2s\", \"1m\"]\n[api]\nbeta = [\"a\", \"b\"]\n",
        env: &[
            ("ANTHROPIC_API_KEY", "sk-ant-hidden"),
            ("ANTHROPIC_BASE_URL", "https://me:hidden@h.test/v?k=hidden"),
            ("ANTHROPIC_CUSTOM_HEADERS", "X-Gate: hidden"),
            ("https_proxy", "http://me:hidden@proxy:3128"),
            ("NO_COLOR", "1"),
        ],
    };

    #[test]
    fn every_setting_is_shown_with_value_and_origin() {
        insta::assert_snapshot!(printed(&GIVEN, false), @r#"
        config                                   c.toml                   default
        store.path                               s.db                     flag --store
        dispatch.concurrency                     8                        file c.toml:2
        dispatch.stagger                         0s                       default
        dispatch.timeout                         10m                      default
        dispatch.stream                          auto                     default
        dispatch.idle_timeout                    2m                       default
        dispatch.grace                           30s                      default
        dispatch.on_halt                         exit                     default
        dispatch.on_truncated                    keep                     default
        dispatch.lane                            auto                     default
        dispatch.seed                            -                        default
        deadline                                 -                        default
        batch.size                               100000                   default
        batch.poll_min                           10s                      default
        batch.poll_max                           5m                       default
        batch.uncertain_for                      2m                       default
        batch.not_found_for                      10m                      default
        batch.short_for                          6h                       default
        batch.spill_after                        -                        default
        batch.min_jobs                           20                       default
        batch.queue_limit                        200000                   default
        retry.max_attempts                       8                        default
        retry.scale                              1.0                      default
        retry.give_up_after                      -                        default
        retry.by                                 evidence                 default
        retry.overloaded.waits                   2s, 1m                   file c.toml:4
        fallback.models                          -                        default
        fallback.endpoint.base_url               -                        default
        fallback.endpoint.api_key_env            -                        default
        fallback.endpoint.allow_foreign_key_env  false                    default
        fallback.endpoint.headers                -                        default
        fallback.endpoint.after                  5m                       default
        fallback.endpoint.models                 -                        default
        limits.rpm                               -                        default
        limits.itpm                              -                        default
        limits.otpm                              -                        default
        limits.budget_usd                        -                        default
        limits.budget_strict                     false                    default
        limits.budget_assume_searches            -                        default
        limits.only_between                      -                        default
        limits.cache_warm                        auto                     default
        limits.cache_prefix                      off                      default
        api.base_url                             https://h.test/v         environment ANTHROPIC_BASE_URL
        api.version                              2023-06-01               default
        api.beta                                 a, b                     file c.toml:6
        api.workspace_id                         -                        default
        api.headers                              X-Gate                   environment ANTHROPIC_CUSTOM_HEADERS
        api.ca_bundle                            -                        default
        api.insecure_http                        false                    default
        status.enabled                           true                     default
        status.url                               -                        default
        prices.file                              -                        default
        preflight.file                           -                        default
        output.color                             never                    environment NO_COLOR
        output.quiet                             false                    default
        verbose                                  1                        flag -v
        credentials.api_key                      set (ANTHROPIC_API_KEY)  environment ANTHROPIC_API_KEY
        credentials.auth_token                   not set                  default
        proxy.https                              http://proxy:3128        environment https_proxy
        trust.config                             named                    default
        trust.folder                             -                        default
        "#);
    }

    #[test]
    fn json_is_an_array_of_key_value_and_origin() {
        let rows: Vec<serde_json::Map<String, Value>> =
            serde_json::from_str(&printed(&GIVEN, true)).unwrap();
        for row in &rows {
            assert_eq!(row.keys().collect::<Vec<_>>(), ["key", "origin", "value"]);
        }
        let of = |key: &str| rows.iter().find(|row| row["key"] == key).unwrap();
        assert_eq!(of("dispatch.concurrency")["value"], 8);
        assert_eq!(of("dispatch.concurrency")["origin"], "file c.toml:2");
        assert_eq!(of("dispatch.seed")["value"], Value::Null);
        assert_eq!(of("api.base_url")["value"], "https://h.test/v");
        assert_eq!(of("credentials.auth_token")["value"], "not set");
    }

    #[test]
    fn no_secret_is_shown() {
        for json in [false, true] {
            assert!(!printed(&GIVEN, json).contains("hidden"));
        }
        assert!(!format!("{:?}", GIVEN.context().settings).contains("hidden"));
    }
}
