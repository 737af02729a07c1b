//! A config file is read with its places, and every mistake in it is located.

use std::path::Path;

use super::{LoadedFile, load, parse};
use crate::cli::environment::Environment;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::settings::{Origin, keys};

fn read(text: &str) -> Result<LoadedFile, Failure> {
    parse(Path::new("c.toml"), text)
}

fn mistake(text: &str) -> String {
    let failure = read(text).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    failure.to_string()
}

/// Whoever adds a setting adds it here.
const COMPLETE: &str = r#"
[dispatch]
concurrency = 8
stagger = "50ms"
timeout = "5m"
stream = "always"
idle_timeout = "30s"
grace = "0s"
seed = 7
on_halt = "wait"
on_truncated = "raise"
lane = "batch"
[batch]
size = 9
poll_min = "1s"
poll_max = "2s"
uncertain_for = "3s"
not_found_for = "4s"
short_for = "8s"
spill_after = "5s"
min_jobs = 6
queue_limit = 7
[retry]
max_attempts = 3
scale = 0
give_up_after = "1h"
[retry.overloaded]
waits = ["2s", "1m"]
[fallback]
models = ["claude-opus-5"]
[limits]
rpm = 100
itpm = 1000
otpm = 10
budget_usd = 2.50
only_between = "18:00-08:00@UTC"
cache_warm = "off"
cache_prefix = "auto"
[api]
base_url = "https://h.test/"
version = "2026-10-21"
beta = ["a", "b"]
workspace_id = "wrkspc_1"
ca_bundle = "ca.pem"
[api.headers]
X-Team = "red"
[fallback.endpoint]
base_url = "https://other.test"
api_key_env = "OTHER_KEY"
after = "10m"
models = { "claude-haiku-5-5" = "their-haiku" }
[fallback.endpoint.headers]
X-Team = "red"
[store]
path = "s.db"
[status]
enabled = false
url = "https://status.test"
[prices]
file = "p.toml"
[output]
color = "never"
quiet = true
"#;

#[test]
fn a_complete_file_is_read_with_its_lines() {
    let file = read(COMPLETE).unwrap();
    for (key, line) in [
        ("dispatch.concurrency", 3),
        ("dispatch.seed", 9),
        ("batch.size", 14),
        ("retry.scale", 24),
        ("retry.overloaded.waits", 27),
        ("fallback.models", 29),
        ("limits.only_between", 35),
        ("api.headers", 44),
        ("fallback.endpoint.headers", 51),
        ("status.url", 57),
        ("output.quiet", 62),
    ] {
        assert_eq!(
            file.origin(key),
            Origin::File("c.toml".into(), line),
            "{key}"
        );
    }
    // The file above is complete: whoever adds a setting adds it there too.
    for key in keys::ALL.iter().filter(|key| key.is_in_file()) {
        let name = key.name.replace("<class>", "overloaded");
        assert_ne!(
            file.origin(&name),
            Origin::File("c.toml".into(), 1),
            "{name}"
        );
    }
    assert_eq!(file.values.dispatch.concurrency.unwrap().0, 8);
    assert_eq!(file.values.retry.classes.len(), 1);
    assert_eq!(file.values.output.quiet, Some(true));
}

#[test]
fn an_empty_file_says_nothing() {
    let file = read("").unwrap();
    assert!(file.values.dispatch.concurrency.is_none());
}

#[test]
fn a_misspelt_key_is_located_and_the_nearest_one_suggested() {
    insta::assert_snapshot!(mistake("[dispatch]\nstagger = \"1s\"\n  concurency = 8\n"), @r#"
    c.toml:3:3: unknown key `concurency` in [dispatch]
      because: [dispatch] takes concurrency, stagger, timeout, stream, idle_timeout, grace, on_halt, on_truncated, lane, seed
      next: did you mean `concurrency`?
    "#);
    insta::assert_snapshot!(mistake("[retry]\nmax-attempts = 8\n"), @r#"
    c.toml:2:1: unknown key `max-attempts` in [retry]
      because: [retry] takes max_attempts, scale, give_up_after and tables named after error classes
      next: did you mean `max_attempts`?
    "#);
    insta::assert_snapshot!(mistake("[retry.overlaoded]\nwaits = []\n"), @r#"
    c.toml:1:8: unknown key `overlaoded` in [retry]
      because: [retry] takes max_attempts, scale, give_up_after and tables named after error classes
      next: did you mean `overloaded`?
    "#);
    insta::assert_snapshot!(mistake("[dispach]\n"), @r#"
    c.toml:1:2: unknown key `dispach` in the top level
      because: the top level takes store, dispatch, batch, retry, fallback, limits, api, status, prices, output
      next: did you mean `dispatch`?
    "#);
    insta::assert_snapshot!(mistake("[retry.dns]\nwait = [\"1s\"]\n"), @r#"
    c.toml:2:1: unknown key `wait` in [retry.dns]
      because: [retry.dns] takes waits
      next: did you mean `waits`?
    "#);
}

#[test]
fn a_key_in_the_wrong_table_is_told_the_right_one() {
    insta::assert_snapshot!(mistake("concurrency = 8"), @r#"
    c.toml:1:1: unknown key `concurrency` in the top level
      because: the top level takes store, dispatch, batch, retry, fallback, limits, api, status, prices, output
      next: write it under [dispatch]
    "#);
    insta::assert_snapshot!(mistake("[dispatch]\nmax_attempts = 8"), @r#"
    c.toml:2:1: unknown key `max_attempts` in [dispatch]
      because: [dispatch] takes concurrency, stagger, timeout, stream, idle_timeout, grace, on_halt, on_truncated, lane, seed
      next: write it under [retry]
    "#);
}

#[test]
fn waits_for_a_class_that_is_not_repeated_are_refused() {
    insta::assert_snapshot!(mistake("[retry.billing]\nwaits = [\"1s\"]\n"), @r#"
    c.toml:1:8: `retry.billing` has no effect
      because: attempts that end as `billing` are not repeated after a wait
      next: remove it
    "#);
}

#[test]
fn a_wrong_value_is_located_and_the_rule_told() {
    insta::assert_snapshot!(mistake("[dispatch]\nconcurrency = 0\n"), @r#"
    c.toml:2:15: the value of `dispatch.concurrency` cannot be used
      because: it must be from 1 to 10000
      next: correct the value; `claude-run config` shows every setting
    "#);
    insta::assert_snapshot!(mistake("[dispatch]\nconcurrency = \"8\"\n"), @r#"
    c.toml:2:15: the value of `dispatch.concurrency` cannot be used
      because: it must be a whole number, not text in quotes
      next: correct the value; `claude-run config` shows every setting
    "#);
    insta::assert_snapshot!(mistake("[dispatch]\nstagger = 5\n"), @r#"
    c.toml:2:11: the value of `dispatch.stagger` cannot be used
      because: it must be text in quotes, not a whole number
      next: correct the value; `claude-run config` shows every setting
    "#);
    insta::assert_snapshot!(mistake("[dispatch]\ntimeout = \"0s\"\n"), @r#"
    c.toml:2:11: the value of `dispatch.timeout` cannot be used
      because: it must be longer than 0s
      next: correct the value; `claude-run config` shows every setting
    "#);
    insta::assert_snapshot!(mistake("[retry]\nscale = -1.5\n"), @r#"
    c.toml:2:9: the value of `retry.scale` cannot be used
      because: it must be a number of at least 0, such as 0.5 or 2
      next: correct the value; `claude-run config` shows every setting
    "#);
    insta::assert_snapshot!(mistake("[retry.dns]\nwaits = [\"1s\", \"2\"]\n"), @r#"
    c.toml:2:9: the value of `retry.dns.waits` cannot be used
      because: `2` is no duration: write a number and a unit, such as 200ms, 90s, 15m or 6h
      next: correct the value; `claude-run config` shows every setting
    "#);
    insta::assert_snapshot!(mistake("[retry.dns]\nwaits = []\n"), @r#"
    c.toml:2:9: the value of `retry.dns.waits` cannot be used
      because: it must name at least one wait
      next: correct the value; `claude-run config` shows every setting
    "#);
    insta::assert_snapshot!(mistake("[retry.dns]\n"), @r#"
    c.toml:1:1: the value of `retry.dns` cannot be used
      because: it lacks `waits`
      next: correct the value; `claude-run config` shows every setting
    "#);
    insta::assert_snapshot!(mistake("[output]\ncolor = \"blue\"\n"), @r#"
    c.toml:2:9: the value of `output.color` cannot be used
      because: it must be one of `auto`, `always`, `never`
      next: correct the value; `claude-run config` shows every setting
    "#);
    insta::assert_snapshot!(mistake("[api]\nbase_url = \"h.test\"\n"), @r#"
    c.toml:2:12: the value of `api.base_url` cannot be used
      because: it must begin with https:// (or http://) and name a host
      next: correct the value; `claude-run config` shows every setting
    "#);
    insta::assert_snapshot!(mistake("[api.headers]\n\"X Y\" = \"1\"\n"), @r#"
    c.toml:1:1: the value of `api.headers` cannot be used
      because: a header's name may hold letters, digits and hyphens
      next: correct the value; `claude-run config` shows every setting
    "#);
    insta::assert_snapshot!(mistake("dispatch = 5\n"), @r#"
    c.toml:1:12: the value of `dispatch` cannot be used
      because: it must be a table, not a whole number
      next: correct the value; `claude-run config` shows every setting
    "#);
}

#[test]
fn what_is_no_toml_is_located() {
    insta::assert_snapshot!(mistake("[dispatch]\nconcurrency = \n"), @r#"
    c.toml:2:15: this is not TOML
      because: a value is missing here, or text stands without double quotes
      next: correct the line (https://toml.io shows how TOML is written)
    "#);
    insta::assert_snapshot!(mistake("[output]\nquiet = true\nquiet = false\n"), @r#"
    c.toml:3:1: this is not TOML
      because: duplicate key
      next: correct the line (https://toml.io shows how TOML is written)
    "#);
}

#[test]
fn the_first_of_several_mistakes_is_told() {
    let told = mistake("[store]\nzzz = 1\n[api]\naaa = 1\n");
    assert!(told.starts_with("c.toml:2:1: "), "{told}");
}

#[test]
fn a_credential_in_the_file_is_refused_and_not_repeated() {
    for text in [
        "api_key = \"sk-ant-api03-hidden\"",
        "[api]\nkey = \"hidden\"",
        "[api]\nauth_token = \"hidden\"",
        "[api]\nversion = \"sk-ant-hidden\"",
        "[api.headers]\nx-api-key = \"hidden\"",
        "[api.headers]\nAuthorization = \"Bearer hidden\"",
        "[api.headers]\nX-Gate = \"sk-ant-hidden\"",
    ] {
        let told = mistake(text);
        assert!(told.contains("ANTHROPIC_API_KEY"), "{told}");
        assert!(!told.contains("hidden"), "{told}");
    }
}

#[test]
fn no_mistake_repeats_a_value() {
    for text in [
        "[dispatch]\nconcurrency = \"hidden\"",
        "[api]\nbase_url = \"https://me:hidden@\"",
        "[api.headers]\nX-A = \"hidden\u{e4}\"",
        "[api]\nbeta = \"hidden\"",
    ] {
        let told = mistake(text);
        assert!(!told.contains("hidden"), "{told}");
    }
}

#[test]
fn the_first_file_found_is_the_one_that_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let here = folder.path().join("here");
    std::fs::create_dir_all(home.join(".config/claude-run")).unwrap();
    std::fs::create_dir_all(&here).unwrap();
    let env = Environment::from_lookup(|name| (name == "HOME").then(|| home.clone().into()));
    let found = |explicit: Option<&Path>| {
        let file = load(explicit, &env, &here).unwrap();
        file.map(|file| file.path)
    };

    assert_eq!(found(None), None);
    if cfg!(not(windows)) {
        let of_user = home.join(".config/claude-run/config.toml");
        std::fs::write(&of_user, "").unwrap();
        assert_eq!(found(None), Some(of_user));
    }
    let beside = here.join("claude-run.toml");
    std::fs::write(&beside, "").unwrap();
    assert_eq!(found(None), Some(beside));
    let given = folder.path().join("given.toml");
    std::fs::write(&given, "").unwrap();
    assert_eq!(found(Some(&given)), Some(given.clone()));
}

#[test]
fn a_config_file_that_was_asked_for_must_exist() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no.toml");
    let failure = load(Some(&missing), &Environment::default(), folder.path()).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.what.contains("no.toml"));
}

#[test]
fn a_file_that_is_far_too_long_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.toml");
    std::fs::write(&path, "#".repeat(1024 * 1024 + 1)).unwrap();
    let failure = load(Some(&path), &Environment::default(), folder.path()).unwrap_err();
    assert_eq!(failure.why.as_deref(), Some("it is longer than 1 MiB"));
}

#[test]
fn the_schema_knows_the_keys_that_the_file_takes_and_no_others() {
    let schema = schemars::schema_for!(super::ConfigFile).to_value();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let json =
        |text: &str| serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    for good in [
        "",
        "[dispatch]\nconcurrency = 8\nstagger = \"50ms\"\nseed = 1",
        "[retry]\nscale = 2\n[retry.overloaded]\nwaits = [\"2s\"]",
        "[api]\nbeta = [\"a\"]\n[api.headers]\nX = \"y\"",
        "[output]\ncolor = \"auto\"",
        "[limits]\nrpm = 1\nonly_between = \"8:00-18:30@Europe/Berlin\"\ncache_warm = \"auto\"",
    ] {
        assert!(read(good).is_ok(), "{good}");
        assert!(validator.is_valid(&json(good)), "{good}");
    }
    for bad in [
        "[dispatch]\nconcurrency = 0",
        "[dispatch]\nconcurency = 8",
        "[dispatch]\nstagger = \"5\"",
        "[retry.overlaoded]\nwaits = [\"2s\"]",
        "[retry.billing]\nwaits = [\"2s\"]",
        "[retry.dns]\nwaits = []",
        "[output]\ncolor = \"blue\"",
        "[limits]\nrpm = 0",
        "[limits]\nonly_between = \"8:00\"",
    ] {
        assert!(read(bad).is_err(), "{bad}");
        assert!(!validator.is_valid(&json(bad)), "{bad}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[\\[\\]a-c.=\"0-9 \\n#{}\u{e4}-]{0,60}") {
        if let Err(failure) = read(&text) {
            proptest::prop_assert!(failure.what.starts_with("c.toml:"));
        }
    }
}
