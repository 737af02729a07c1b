//! The config file, and the price table that it names.

use std::fs;

use super::{Told, shown};
use crate::harness::{Desk, plain_jobs};

const FILES: [&str; 40] = [
    // Not TOML.
    "[dispatch\nconcurrency = 3\n",
    "[dispatch]\nconcurrency = \n",
    "[dispatch]\nconcurrency = 3\nconcurrency = 4\n",
    "[dispatch]\nconcurrency: 3\n",
    "a = \"unclosed\n",
    "{\"dispatch\": {}}\n",
    // Keys.
    "concurency = 3\n",
    "[dispach]\nconcurrency = 3\n",
    "[dispatch]\nconcurency = 3\n",
    "[dispatch]\nonly_between = \"night\"\n",
    "[dispatch]\nmodel = \"m\"\n",
    "[api]\nbase-url = \"https://host\"\n",
    "[prices.\"claude-x\"]\ninput = \"1\"\n",
    "[retry.nope]\nwaits = [\"1s\"]\n",
    "[retry.authentication]\nwaits = [\"1s\"]\n",
    // Credentials.
    "[api]\nkey = \"x\"\n",
    "[api]\nheaders = { Authorization = \"x\" }\n",
    // Values.
    "dispatch = 3\n",
    "[dispatch]\nconcurrency = \"many\"\n",
    "[dispatch]\nconcurrency = 0\n",
    "[dispatch]\r\nconcurrency = 1.5\r\n",
    "[dispatch]\nlane = \"fast\"\n",
    "[dispatch]\nlane = 3\n",
    "[dispatch]\ntimeout = 5\n",
    "[dispatch]\ntimeout = \"5\"\n",
    "[dispatch]\ntimeout = \"0s\"\n",
    "[batch]\nsize = 0\n",
    "[retry]\nscale = -1\n",
    "[retry.overloaded]\nwaits = []\n",
    "[retry.overloaded]\nwaits = [\"1s\", \"soon\"]\n",
    "[limits]\nonly_between = \"22:00-06:00@Mars\"\n",
    "[limits]\nbudget_usd = \"ten\"\n",
    "[fallback]\nmodels = [\"a b\"]\n",
    "[fallback.endpoint]\napi_key_env = \"A_KEY\"\n",
    "[fallback.endpoint]\nbase_url = \"host\"\n",
    "[fallback.endpoint]\nbase_url = \"https://host\"\nmodels = [\"a\"]\n",
    "[api]\nbase_url = \"ftp://host\"\n",
    "[api]\nheaders = { Content-Type = \"x\" }\n",
    "[store]\npath = 3\n",
    "[output]\nquiet = \"yes\"\n",
];

#[test]
fn a_mistake_in_the_config_file_is_told_with_its_place() {
    let mut desk = Desk::new();
    desk.set("CLAUDE_RUN_CONFIG", "./claude-run.toml");
    let mut told = Told::at(&desk);
    for text in FILES {
        desk.write("claude-run.toml", text);
        told.case(
            &shown(text.as_bytes()),
            &["config"],
            2,
            desk.run(&["config"]),
        );
    }
    desk.write("claude-run.toml", b"# caf\xE9\n");
    told.case("not UTF-8", &["config"], 2, desk.run(&["config"]));
    desk.write("claude-run.toml", format!("a = {}", "[".repeat(10_000)));
    told.case("nested", &["config"], 2, desk.run(&["config"]));
    desk.write("claude-run.toml", "# long\n".repeat(200_000));
    told.case("1.4 MB", &["config"], 2, desk.run(&["config"]));
    fs::remove_file(desk.path("claude-run.toml")).unwrap();
    fs::create_dir(desk.path("claude-run.toml")).unwrap();
    told.case("a folder", &["config"], 2, desk.run(&["config"]));
    insta::assert_snapshot!(told.text());
}

/// The beginning of a table, up to the rows of its model's prices.
const MODEL: &str =
    "version = \"v\"\n[[model]]\nid = \"m\"\ncontext_window = 1\nmax_output_tokens = 1\n";

#[test]
fn a_mistake_in_the_price_table_is_told_with_its_place() {
    let desk = Desk::new();
    desk.write("jobs.jsonl", plain_jobs(1));
    desk.write("claude-run.toml", "[prices]\nfile = \"prices.toml\"\n");
    let mut told = Told::at(&desk);
    let check = ["check", "jobs.jsonl"];
    for (text, about) in [
        ("", ""),
        ("version = 3\n", ""),
        ("version = \"\"\n", ""),
        ("version = \"v\"\nfactor = 1\n", ""),
        ("version = \"v\"\n[[model]]\nid = \"m\"\n", ""),
        ("version = \"v\"\nmodel = 3\n", ""),
        ("version = v\n", ""),
        ("[[model.price]]\ninput = \"-1\"\n", "a price below 0"),
        ("[[model.price]]\ninput = \"ten\"\n", "a price that is none"),
        ("[[model.price]]\ninput = 3\n", "a row that lacks prices"),
        (
            "[[model.price]]\ninput = \"99999999\"\n",
            "a price per token",
        ),
        ("retires = 2027-13-01\n", "a day that is none"),
        ("aliases = [\"m\"]\nprice = []\n", "a name twice"),
        ("price = []\n", "no price"),
    ] {
        let head = if about.is_empty() { "" } else { MODEL };
        desk.write("prices.toml", format!("{head}{text}"));
        let about = if about.is_empty() {
            &shown(text.as_bytes())
        } else {
            about
        };
        told.case(about, &check, 2, desk.run(&check));
    }
    desk.write("prices.toml", b"# caf\xE9\n");
    told.case("not UTF-8", &check, 2, desk.run(&check));
    fs::remove_file(desk.path("prices.toml")).unwrap();
    told.case("no file", &check, 2, desk.run(&check));
    fs::create_dir(desk.path("prices.toml")).unwrap();
    told.case("a folder", &check, 2, desk.run(&check));
    insta::assert_snapshot!(told.text());
}

/// What a file may not say that was merely found: everything here is right in a file of the user's own.
#[test]
fn what_a_found_file_may_not_say_is_told_with_its_place() {
    let desk = Desk::new();
    let mut told = Told::at(&desk);
    for text in [
        "[api]\nbase_url = \"https://gate.test\"\n",
        "[api]\nheaders = { x-gate = \"a\" }\n",
        "[api.headers]\nx-gate = \"a\"\n",
        "[api]\nca_bundle = \"ca.pem\"\n",
        "[api]\nworkspace_id = \"wrkspc_1\"\n",
        "[api]\ninsecure_http = true\n",
        "[fallback.endpoint]\nbase_url = \"https://gate.test\"\napi_key_env = \"OTHER_API_KEY\"\n",
        "[fallback.endpoint]\napi_key_env = \"AWS_SECRET_ACCESS_KEY\"\nallow_foreign_key_env = true\n",
        "[fallback]\nendpoint.after = \"1s\"\n",
        "[status]\nurl = \"https://gate.test\"\n",
        "[store]\npath = \"/tmp/claude-run.db\"\n",
        "[store]\npath = \"../claude-run.db\"\n",
    ] {
        desk.write("claude-run.toml", text);
        let args = ["config"];
        told.case(&shown(text.as_bytes()), &args, 2, desk.run(&args));
    }
    insta::assert_snapshot!(told.text());
}

#[test]
fn a_second_endpoint_without_its_key_is_told() {
    let mut desk = Desk::new();
    desk.set("CLAUDE_RUN_CONFIG", "./claude-run.toml");
    desk.write("jobs.jsonl", plain_jobs(1));
    let mut told = Told::at(&desk);
    for name in [
        "UNSET_KEY",
        "lower_case",
        "sk-ant-hidden",
        "PGPASSWORD",
        "AWS_SECRET_ACCESS_KEY",
        "GITHUB_TOKEN",
        "OPENAI_API_KEY",
    ] {
        let text =
            format!("[fallback.endpoint]\nbase_url = \"https://host\"\napi_key_env = \"{name}\"\n");
        desk.write("claude-run.toml", text);
        let args = ["submit", "jobs.jsonl"];
        told.case(
            &format!("api_key_env = {name:?}"),
            &args,
            2,
            desk.run(&args),
        );
    }
    assert!(!desk.path("claude-run.db").exists());
    insta::assert_snapshot!(told.text());
}
