//! A config file is read with its places, and every mistake in it is located.

use std::path::Path;

use super::{LoadedFile, Standing, load, parse, parse_as};
use crate::cli::environment::Environment;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::settings::{InFile, Origin, keys};

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
by = "table"
[retry.overloaded]
waits = ["2s", "1m"]
max_attempts = 4
[fallback]
models = ["claude-opus-5"]
[limits]
rpm = 100
itpm = 1000
otpm = 10
budget_usd = 2.50
budget_strict = true
budget_assume_searches = 3
only_between = "18:00-08:00@UTC"
cache_warm = "off"
cache_prefix = "auto"
[api]
base_url = "https://h.test/"
version = "2026-10-21"
beta = ["a", "b"]
workspace_id = "wrkspc_1"
ca_bundle = "ca.pem"
insecure_http = true
[api.headers]
X-Team = "red"
[fallback.endpoint]
base_url = "https://other.test"
api_key_env = "OTHER_KEY"
allow_foreign_key_env = true
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
[preflight]
file = "r.toml"
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
        ("retry.scale", 25),
        ("retry.overloaded.waits", 29),
        ("fallback.models", 32),
        ("limits.only_between", 40),
        ("api.headers", 50),
        ("fallback.endpoint.headers", 58),
        ("status.url", 64),
        ("output.quiet", 71),
    ] {
        assert_eq!(
            file.origin(key),
            Origin::File("c.toml".into(), line),
            "{key}"
        );
    }
    // The file above is complete: whoever adds a setting adds it there too.
    for key in keys::all().iter().filter(|key| key.is_in_file()) {
        let name = key.name.replace("<class>", "overloaded");
        assert_ne!(
            file.origin(&name),
            Origin::File("c.toml".into(), 1),
            "{name}"
        );
    }
    assert_eq!(file.options.dispatch.concurrency.0, 8);
    assert_eq!(file.options.retry.classes.len(), 1);
    assert!(file.options.output.quiet);
}

/// It is to be copied, with two tables that are not commented out themselves.
#[test]
fn the_example_as_it_is_says_nothing() {
    let text = include_str!("../../../examples/claude-run.toml");
    assert_eq!(read(text).unwrap().keys().count(), 0);
}

#[test]
fn an_empty_file_says_nothing() {
    let file = read("").unwrap();
    assert!(!file.has("dispatch.concurrency"));
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
      because: [retry] takes max_attempts, scale, give_up_after, by and tables named after error classes
      next: did you mean `max_attempts`?
    "#);
    insta::assert_snapshot!(mistake("[retry.overlaoded]\nwaits = []\n"), @r#"
    c.toml:1:8: unknown key `overlaoded` in [retry]
      because: [retry] takes max_attempts, scale, give_up_after, by and tables named after error classes
      next: did you mean `overloaded`?
    "#);
    insta::assert_snapshot!(mistake("[dispach]\n"), @r#"
    c.toml:1:2: unknown key `dispach` in the top level
      because: the top level takes store, dispatch, batch, retry, fallback, limits, api, status, prices, preflight, output
      next: did you mean `dispatch`?
    "#);
    insta::assert_snapshot!(mistake("[retry.dns]\nwait = [\"1s\"]\n"), @r#"
    c.toml:2:1: unknown key `wait` in [retry.dns]
      because: [retry.dns] takes waits, max_attempts
      next: did you mean `waits`?
    "#);
}

#[test]
fn a_key_in_the_wrong_table_is_told_the_right_one() {
    insta::assert_snapshot!(mistake("concurrency = 8"), @r#"
    c.toml:1:1: unknown key `concurrency` in the top level
      because: the top level takes store, dispatch, batch, retry, fallback, limits, api, status, prices, preflight, output
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
      because: it must be a number of at least 0 and at most 1000, such as 0.5 or 2
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
    insta::assert_snapshot!(mistake("[retry.dns]\nmax_attempts = 0\n"), @r#"
    c.toml:2:16: the value of `retry.dns.max_attempts` cannot be used
      because: it must be from 1 to 4294967295
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
    let schema = schemars::schema_for!(crate::cli::settings::Options).to_value();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let json =
        |text: &str| serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    for good in [
        "",
        "[dispatch]\nconcurrency = 8\nstagger = \"50ms\"\nseed = 1",
        "[retry]\nscale = 2\n[retry.overloaded]\nwaits = [\"2s\"]",
        "[retry.server_error]\nmax_attempts = 3",
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
        "[retry.dns]\nmax_attempts = 0",
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

/// The problem of a file that was merely found in this folder.
fn found(folder: &Path, text: &str) -> Result<LoadedFile, Failure> {
    parse_as(&folder.join("c.toml"), text, Standing::Found)
}

/// The keys of the complete file as a file of one key each.
fn single_keys() -> Vec<(&'static keys::Key, String)> {
    let table: toml::Table = COMPLETE.parse().unwrap();
    let in_file = keys::all().iter().filter(|key| key.is_in_file());
    in_file
        .map(|key| {
            let name = key.name.replace("<class>", "overloaded");
            let found = name
                .split('.')
                .try_fold(&toml::Value::Table(table.clone()), |value, part| {
                    value.get(part)
                })
                .cloned();
            let value = found.unwrap_or_else(|| panic!("{name} is not in the complete file"));
            (key, format!("{name} = {value}\n"))
        })
        .collect()
}

#[test]
fn a_found_file_may_set_every_key_but_those_that_say_where_secrets_go() {
    let folder = tempfile::tempdir().unwrap();
    for (key, text) in single_keys() {
        match (key.file, found(folder.path(), &text)) {
            (InFile::Trusted, Err(failure)) => {
                assert_eq!(failure.exit, Exit::Usage);
                let column = key.name.rfind('.').unwrap() + 2;
                let place = format!("c.toml:1:{column}: `{}`", key.name);
                assert!(failure.what.contains(&place), "{place}: {failure}");
                assert!(failure.next.contains("config trust"), "{failure}");
            }
            (InFile::Trusted, Ok(_)) => panic!("{} is taken from a found file", key.name),
            (_, read) => {
                read.unwrap();
            }
        }
    }
}

#[test]
fn a_guarded_key_is_found_in_every_form_that_toml_has() {
    let folder = tempfile::tempdir().unwrap();
    for (text, place) in [
        ("[api]\nbase_url = \"https://h\"\n", "2:1"),
        ("api.base_url = \"https://h\"\n", "1:5"),
        ("api = { base_url = \"https://h\" }\n", "1:9"),
        ("[api]\n\"base_url\" = \"https://h\"\n", "2:1"),
        ("[\"api\"]\n'base_url' = 'https://h'\n", "2:1"),
        ("[api.headers]\nx-gate = \"a\"\n", "1:6"),
        ("[api]\nheaders.x-gate = \"a\"\n", "2:1"),
        (
            "[fallback]\nendpoint = { base_url = \"https://h\" }\n",
            "2:14",
        ),
        // A value of the wrong kind is no way around.
        ("[api]\nbase_url = 3\n", "2:1"),
        ("[api]\nheaders = []\n", "2:1"),
    ] {
        let failure = found(folder.path(), text).unwrap_err();
        assert!(
            failure.what.contains(&format!("c.toml:{place}: ")),
            "{text}: {failure}"
        );
        assert!(failure.what.contains("merely found"), "{text}: {failure}");
    }
    // The example with nothing in it switched on.
    found(
        folder.path(),
        "[api.headers]\n[fallback.endpoint]\n[fallback.endpoint.models]\n",
    )
    .unwrap();
}

#[test]
fn a_found_file_keeps_its_store_in_its_own_folder() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir(root.join("data")).unwrap();
    let mut refused = vec![
        "../s.db".to_owned(),
        "data/../../s.db".to_owned(),
        outside.path().join("s.db").display().to_string(),
    ];
    #[cfg(unix)]
    {
        let link = |target: &Path, name: &str| {
            std::os::unix::fs::symlink(target, root.join(name)).unwrap();
        };
        link(outside.path(), "linked");
        link(&outside.path().join("later.db"), "dangling.db");
        refused.extend([
            "linked/s.db".to_owned(),
            "linked/new/s.db".to_owned(),
            "dangling.db".to_owned(),
        ]);
    }
    for path in ["s.db", "./s.db", "data/s.db", "data/new/s.db"] {
        found(root, &format!("[store]\npath = {path:?}\n")).unwrap();
    }
    for path in refused {
        let text = format!("[store]\npath = {path:?}\n");
        let failure = found(root, &text).unwrap_err();
        assert!(
            failure.what.contains("c.toml:2:1: `store.path` leads out"),
            "{path}: {failure}"
        );
        parse_as(&root.join("c.toml"), &text, Standing::Trusted).unwrap();
    }
}

#[test]
fn a_foreign_secret_is_named_only_with_a_word_beside_it() {
    let text = |more: &str| {
        format!(
            "[fallback.endpoint]\nbase_url = \"https://h\"\napi_key_env = \"AWS_SECRET_ACCESS_KEY\"\n{more}"
        )
    };
    for more in ["", "allow_foreign_key_env = false\n"] {
        let said = mistake(&text(more));
        assert!(
            said.contains(
                "c.toml:3:15: `fallback.endpoint.api_key_env` names AWS_SECRET_ACCESS_KEY"
            ),
            "{said}"
        );
        assert!(said.contains("allow_foreign_key_env = true"), "{said}");
    }
    read(&text("allow_foreign_key_env = true\n")).unwrap();
}
