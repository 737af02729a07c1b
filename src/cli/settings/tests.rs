//! Where each setting comes from, and that the stronger layer wins.

use std::path::Path;
use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};

use super::flags::{self, Flag};
use super::{Layers, Origin, Settings, ShownSetting, keys, variables};
use crate::cli::args::Cli;
use crate::cli::config_file;
use crate::cli::console::testing::Captured;
use crate::cli::console::{Console, Stderr};
use crate::cli::context::Context;
use crate::cli::credentials::Credentials;
use crate::cli::environment::Environment;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::trust::TrustState;
use crate::cli::values::ColorChoice;
use crate::cli::values::{HeaderText, Scale};
use crate::model::{DispatchOptions, ErrorClass};

/// A command line, the text of a config file (`conf/c.toml` if the command line names it so) and an
/// environment.
#[derive(Clone, Copy, Default)]
pub(crate) struct Given<'a> {
    pub(crate) line: &'a str,
    pub(crate) file: &'a str,
    pub(crate) env: &'a [(&'a str, &'a str)],
}

impl Given<'_> {
    fn layers(&self) -> Layers {
        let words = self.line.split_whitespace();
        let cli = Cli::try_parse_from(std::iter::once("claude-run").chain(words)).unwrap();
        let env = Environment::from_lookup(|name| {
            let found = self.env.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).into())
        });
        let path = Path::new(if self.line.contains("conf/") {
            "conf/c.toml"
        } else {
            "c.toml"
        });
        Layers {
            file: Some(config_file::parse(path, self.file).unwrap()),
            env,
            global: cli.global.clone(),
            flags: cli.command.flags(),
        }
    }

    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        self.layers().settings(None)
    }

    pub(crate) fn context(&self) -> Context {
        Context {
            trust: TrustState::of(&self.layers().env),
            layers: self.layers(),
            settings: self.settings().unwrap(),
            console: Console::new(Stderr::to(Box::new(Captured::default())), false, false),
        }
    }
}

/// The origin of the setting in each of these situations.
fn origin(settings: &Settings, key: &str) -> Origin {
    row(settings, key).origin
}

fn row(settings: &Settings, key: &str) -> ShownSetting {
    let mut rows = settings.rows().into_iter();
    rows.find(|row| row.key == key).unwrap()
}

/// The values are all different; the columns are how each is shown, from the weakest layer up.
const LAYERED: &[(&str, [&str; 5])] = &[
    ("dispatch.concurrency", ["64", "2", "2", "3", "4"]),
    ("dispatch.stagger", ["0s", "2s", "2s", "3s", "4s"]),
    ("limits.rpm", ["null", "2", "2", "3", "4"]),
    ("limits.itpm", ["null", "2", "2", "3", "4"]),
    ("limits.otpm", ["null", "2", "2", "3", "4"]),
    (
        "limits.budget_usd",
        ["null", "2.00", "2.00", "3.00", "4.00"],
    ),
    (
        "limits.budget_strict",
        ["false", "true", "true", "false", "true"],
    ),
    (
        "limits.budget_assume_searches",
        ["null", "2", "2", "3", "4"],
    ),
    (
        "limits.only_between",
        [
            "null",
            "02:00-03:00@UTC",
            "02:00-03:00@UTC",
            "03:00-04:00@UTC",
            "04:00-05:00@UTC",
        ],
    ),
    ("limits.cache_warm", ["auto", "off", "off", "off", "auto"]),
    ("dispatch.timeout", ["10m", "2s", "2s", "3s", "4s"]),
    (
        "dispatch.stream",
        ["auto", "always", "always", "never", "auto"],
    ),
    ("dispatch.lane", ["auto", "batch", "batch", "live", "auto"]),
    ("batch.size", ["100000", "2", "2", "3", "4"]),
    ("dispatch.grace", ["30s", "2s", "2s", "3s", "4s"]),
    ("dispatch.seed", ["null", "2", "2", "3", "4"]),
    ("retry.max_attempts", ["8", "2", "2", "3", "4"]),
    ("retry.scale", ["1.0", "2.0", "2.0", "3.0", "4.0"]),
    (
        "api.base_url",
        [
            "https://api.anthropic.com",
            "http://file.test",
            "http://env.test",
            "http://run.test",
            "http://flag.test",
        ],
    ),
    (
        "api.ca_bundle",
        ["null", "/file.pem", "/file.pem", "/run.pem", "/flag.pem"],
    ),
];

const LAYERED_FILE: &str = "
[dispatch]
concurrency = 2
stagger = \"2s\"
timeout = \"2s\"
stream = \"always\"
grace = \"2s\"
lane = \"batch\"
seed = 2
[batch]
size = 2
[retry]
max_attempts = 2
scale = 2
[limits]
rpm = 2
itpm = 2
otpm = 2
budget_usd = 2
budget_strict = true
budget_assume_searches = 2
only_between = \"02:00-03:00@UTC\"
cache_warm = \"off\"
cache_prefix = \"auto\"
[api]
base_url = \"http://file.test\"
ca_bundle = \"/file.pem\"
";

const LAYERED_FLAGS: &str = "submit f --concurrency 4 --stagger 4s --timeout 4s --stream auto --grace 4s --seed 4 --lane auto --batch-size 4 \
                 --max-attempts 4 --retry-scale 4 --base-url http://flag.test --ca-bundle /flag.pem --rpm 4 --itpm 4 --otpm 4 \
                 --budget-usd 4 --budget-strict --budget-assume-searches 4 --only-between 04:00-05:00@UTC --cache-warm auto --cache-prefix off";

/// What is stored with the run.
fn layered_options() -> DispatchOptions {
    let kept = json!({
        "concurrency": 3,
        "stagger": {"secs": 3, "nanos": 0},
        "max_attempts": 3,
        "retry_scale": 3.0,
        "timeout": {"secs": 3, "nanos": 0},
        "stream": "never",
        "lane": "live",
        "batch_size": 3,
        "grace": {"secs": 3, "nanos": 0},
        "base_url": "http://run.test",
        "ca_bundle": "/run.pem",
        "seed": 3,
        "rpm": 3,
        "itpm": 3,
        "otpm": 3,
        "budget_usd": "3.00",
        "budget_strict": false,
        "budget_assume_searches": 3,
        "only_between": "03:00-04:00@UTC",
        "cache_warm": "off",
        "cache_prefix": "auto",
        // As older versions wrote what was not given.
        "on_halt": null,
        "fallback_models": null,
        "deadline": null,
    });
    serde_json::from_value(kept).unwrap()
}

/// Dispatch options in every layer: in the file, in the environment, stored with the run, as flags.
#[test]
fn each_layer_beats_the_ones_below() {
    let (file, flags, stored) = (LAYERED_FILE, LAYERED_FLAGS, layered_options());
    let env: &[(&str, &str)] = &[("ANTHROPIC_BASE_URL", "http://env.test")];
    let situation = |line, file, env| Given { line, file, env };
    let nothing = situation("submit f", "", &[]);
    let with_file = situation("submit f", file, &[]);
    let with_env = situation("submit f", file, env);
    let with_flags = situation(flags, file, env);

    for (key, values) in LAYERED {
        let layered = [
            nothing.layers().settings(None),
            with_file.layers().settings(None),
            with_env.layers().settings(None),
            with_env.layers().settings(Some(&stored)),
            with_flags.layers().settings(Some(&stored)),
        ];
        for (layer, (settings, expected)) in layered.into_iter().zip(values).enumerate() {
            let settings = settings.unwrap();
            let row = row(&settings, key);
            let shown = row
                .value
                .as_str()
                .map_or_else(|| row.value.to_string(), str::to_owned);
            assert_eq!(shown, *expected, "{key} in layer {layer}");
            let fits = match (layer, &row.origin) {
                (0, Origin::Default) | (1, Origin::File(..)) | (3, Origin::Run) => true,
                (2, Origin::Environment(name)) => Some(*name) == variables::of(key),
                (2, Origin::File(..)) => variables::of(key).is_none(),
                (4, Origin::Flag(name)) => Some(*name) == flags::find(key).map(Flag::name),
                _ => false,
            };
            assert!(fits, "{key} in layer {layer}: {:?}", row.origin);
        }
    }
}

#[test]
fn settings_of_no_run_follow_the_same_order() {
    let file = "[store]\npath = \"f.db\"\n[output]\ncolor = \"always\"\nquiet = true\n[api]\nworkspace_id = \"f\"\n";
    let env: &[(&str, &str)] = &[
        ("CLAUDE_RUN_STORE", "e.db"),
        ("NO_COLOR", "1"),
        ("ANTHROPIC_WORKSPACE_ID", "e"),
    ];
    let of = |line, file, env| Given { line, file, env }.settings().unwrap();

    let settings = of("status", "", &[]);
    assert_eq!(settings.store.path, Path::new("./claude-run.db"));
    assert_eq!(settings.output.color, ColorChoice::Auto);
    assert!(!settings.output.quiet);
    assert_eq!(settings.api.workspace_id, None);

    let settings = of("status", file, &[]);
    assert_eq!(settings.store.path, Path::new("f.db"));
    assert_eq!(settings.output.color, ColorChoice::Always);
    assert!(settings.output.quiet);
    assert_eq!(settings.api.workspace_id, Some(HeaderText("f".to_owned())));

    let settings = of("status", file, env);
    assert_eq!(settings.store.path, Path::new("e.db"));
    assert_eq!(settings.output.color, ColorChoice::Never);
    assert_eq!(settings.api.workspace_id, Some(HeaderText("e".to_owned())));

    let settings = of("status --store x.db --color always --quiet", file, env);
    assert_eq!(settings.store.path, Path::new("x.db"));
    assert_eq!(settings.output.color, ColorChoice::Always);
    assert_eq!(origin(&settings, "output.quiet"), Origin::Flag("--quiet"));
}

#[test]
fn an_empty_variable_beats_nothing() {
    let settings = Given {
        line: "status",
        file: "[store]\npath = \"f.db\"\n[api]\nbase_url = \"http://file.test\"\n",
        env: &[
            ("CLAUDE_RUN_STORE", ""),
            ("ANTHROPIC_BASE_URL", " "),
            ("ANTHROPIC_CUSTOM_HEADERS", ""),
            ("NO_COLOR", ""),
        ],
    }
    .settings()
    .unwrap();
    assert_eq!(
        origin(&settings, "store.path"),
        Origin::File("c.toml".into(), 2)
    );
    assert_eq!(
        origin(&settings, "api.base_url"),
        Origin::File("c.toml".into(), 4)
    );
    assert_eq!(origin(&settings, "api.headers"), Origin::Default);
    assert_eq!(origin(&settings, "output.color"), Origin::Default);
}

#[test]
fn waits_come_from_the_file_class_by_class() {
    let settings = Given {
        line: "status",
        file: "[retry.overloaded]\nwaits = [\"2s\", \"1m\"]\n[retry.dns]\nwaits = [\"0s\"]\n",
        env: &[],
    }
    .settings()
    .unwrap();
    let classes = &settings.retry.classes;
    assert_eq!(classes.len(), 2);
    let overloaded = &classes[&ErrorClass::Overloaded].waits.as_ref().unwrap().0;
    assert_eq!(
        overloaded[..],
        [Duration::from_secs(2), Duration::from_mins(1)]
    );
    let origin = origin(&settings, "retry.overloaded.waits");
    assert_eq!(origin, Origin::File("c.toml".into(), 2));
}

#[test]
fn paths_in_the_file_are_relative_to_its_folder() {
    let settings = Given {
        line: "status --config conf/c.toml",
        file: "[store]\npath = \"s.db\"\n[prices]\nfile = \"/abs/p.toml\"\n[preflight]\nfile = \"r.toml\"\n[api]\nca_bundle = \"ca.pem\"\n",
        env: &[],
    }
    .settings()
    .unwrap();
    assert_eq!(settings.store.path, Path::new("conf/s.db"));
    assert_eq!(
        settings.prices.file.as_deref(),
        Some(Path::new("/abs/p.toml"))
    );
    assert!(settings.preflight.file.as_deref() == Some(Path::new("conf/r.toml")));
    assert_eq!(
        settings.api.ca_bundle.as_deref(),
        Some(Path::new("conf/ca.pem"))
    );
    assert_eq!(origin(&settings, "config"), Origin::Flag("--config"));
}

#[test]
fn only_what_flags_gave_is_stored_with_a_run() {
    let given = Given {
        line: "submit f --concurrency 4 --ca-bundle ca.pem --seed 0",
        file: "[dispatch]\nstagger = \"2s\"\n",
        env: &[("ANTHROPIC_BASE_URL", "http://env.test")],
    };
    let options = given.settings().unwrap().dispatch_options_given_by_flags();
    let ca_bundle = options.others["ca_bundle"].as_str().unwrap();
    assert!(Path::new(&ca_bundle).is_absolute() && ca_bundle.ends_with("ca.pem"));
    assert_eq!(
        options.kept().collect::<Vec<_>>(),
        [
            ("ca_bundle".to_owned(), json!(ca_bundle)),
            ("concurrency".to_owned(), json!(4)),
            ("seed".to_owned(), json!(0)),
        ]
    );
    assert_eq!((options.budget_usd, options.deadline), (None, None));
}

#[test]
fn wrong_variables_and_flags_are_named_and_not_repeated() {
    for (line, env, named) in [
        (
            "status",
            ("ANTHROPIC_BASE_URL", "hidden"),
            "ANTHROPIC_BASE_URL",
        ),
        (
            "status",
            ("ANTHROPIC_CUSTOM_HEADERS", "hidden"),
            "ANTHROPIC_CUSTOM_HEADERS",
        ),
        (
            "status",
            ("ANTHROPIC_WORKSPACE_ID", "hidden\u{e4}"),
            "ANTHROPIC_WORKSPACE_ID",
        ),
        ("resume --base-url hidden", ("HOME", "/"), "--base-url"),
        (
            "resume --base-url http://me:hidden@h.test",
            ("HOME", "/"),
            "--base-url",
        ),
        (
            "resume --base-url http://h.test?k=hidden",
            ("HOME", "/"),
            "--base-url",
        ),
    ] {
        let failure = Given {
            line,
            file: "",
            env: &[env],
        }
        .settings()
        .unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.what.contains(named), "{failure}");
        assert!(!format!("{failure:?}").contains("hidden"), "{failure}");
    }
}

#[test]
fn keys_are_unique_and_every_flag_is_that_of_a_key() {
    let mut names: Vec<_> = keys::all().iter().map(|key| &key.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), keys::all().len());
    for flag in flags::all() {
        assert!(keys::find(flag.key()).is_some(), "{}", flag.key());
    }
    assert_eq!(
        flags::find("batch.size").map(Flag::name),
        Some("--batch-size")
    );
}

/// What older versions kept is read by us, and what we keep is read by them.
#[test]
fn what_flags_gave_is_kept_as_ever_and_read_back() {
    let line = format!(
        "{LAYERED_FLAGS} --give-up-after 90m --on-halt wait --on-truncated raise --fallback-model a --fallback-model b"
    );
    let given = Given {
        // Finer than what is shown in milliseconds.
        line: &line.replace("--stagger 4s", "--stagger 0.0001s"),
        ..Given::default()
    };
    let settings = given.settings().unwrap();
    let kept = settings.dispatch_options_given_by_flags();
    let secs = |secs: u64| json!({"secs": secs, "nanos": 0});
    let expected = json!({
        "budget_usd": "4.00", "deadline": null, "cache_prefixes": null,
        "base_url": "http://flag.test", "ca_bundle": "/flag.pem", "concurrency": 4,
        "stagger": {"secs": 0, "nanos": 100_000}, "timeout": secs(4), "stream": "auto",
        "grace": secs(4), "on_halt": "wait", "on_truncated": "raise", "lane": "auto", "seed": 4,
        "batch_size": 4, "max_attempts": 4, "retry_scale": 4.0, "give_up_after": secs(5_400),
        "fallback_models": ["a", "b"], "rpm": 4, "itpm": 4, "otpm": 4, "budget_strict": true,
        "budget_assume_searches": 4, "only_between": "04:00-05:00@UTC", "cache_warm": "auto",
        "cache_prefix": "off",
    });
    assert_eq!(serde_json::to_value(&kept).unwrap(), expected);

    let again = Given {
        line: "resume",
        ..Given::default()
    };
    let again = again.layers().settings(Some(&kept)).unwrap();
    for (ours, theirs) in settings.rows().iter().zip(again.rows()) {
        assert_eq!((&ours.key, &ours.value), (&theirs.key, &theirs.value));
        let is_kept = matches!(ours.origin, Origin::Flag(_));
        assert_eq!(theirs.origin == Origin::Run, is_kept, "{}", ours.key);
    }
}

/// Whoever made the store may have written anything into it.
#[test]
fn what_a_run_brings_is_checked_like_a_flag() {
    let of = |kept: Value| {
        let kept = serde_json::from_value(kept).unwrap();
        let given = Given {
            line: "resume",
            ..Given::default()
        };
        given.layers().settings(Some(&kept))
    };
    for (kept, what, why) in [
        (
            json!({"concurrency": 0}),
            "--concurrency",
            "must be from 1 to 10000",
        ),
        (json!({"grace": "\u{1b}[2J"}), "--grace", "\u{fffd}[2J"),
        (json!({"lane": "fast"}), "--lane", ""),
        (
            json!({"base_url": "ftp://me:hidden@h"}),
            "base URL",
            "must begin with https://",
        ),
    ] {
        let failure = of(kept).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.what.contains(what), "{failure}");
        assert!(
            failure.why.as_deref().unwrap_or_default().contains(why),
            "{failure}"
        );
        assert!(
            !failure.to_string().contains(['\u{1b}']) && !failure.to_string().contains("hidden")
        );
    }
    // What is no setting of a run, or of a newer version, says nothing.
    let settings = of(
        json!({"api.insecure_http": true, "insecure_http": true, "store.path": "/x", "new.thing": 1}),
    );
    let is_default = |row: &ShownSetting| row.origin == Origin::Default;
    assert!(
        settings
            .unwrap()
            .rows()
            .iter()
            .filter(|row| row.key != "config")
            .all(is_default)
    );
    // Older versions kept any scale.
    assert_eq!(
        of(json!({"retry_scale": 1e9})).unwrap().retry.scale,
        Scale(1_000.0)
    );
}

#[test]
fn a_deadline_is_stored_as_a_time_and_overridden_by_a_flag() {
    let line = "submit f --deadline 2099-01-31T18:00:00Z";
    let given = Given {
        line,
        ..Given::default()
    };
    let at = Some("2099-01-31T18:00:00Z".parse().unwrap());
    let options = given.settings().unwrap().dispatch_options_given_by_flags();
    assert_eq!(options.deadline, at);

    let stored = DispatchOptions {
        deadline: at,
        ..DispatchOptions::default()
    };
    let later = Given {
        line: "resume --deadline 2h",
        ..Given::default()
    };
    for (given, kept) in [
        (
            Given {
                line: "resume",
                ..given
            },
            true,
        ),
        (later, false),
    ] {
        let settings = given.layers().settings(Some(&stored)).unwrap();
        assert_eq!(settings.deadline == at, kept, "{}", given.line);
    }
}

#[test]
fn the_batch_lane_goes_by_the_file_and_by_documented_defaults() {
    let given = Given {
        line: "status",
        ..Given::default()
    };
    let default = given.settings().unwrap().batch.to_policy();
    assert_eq!(default, crate::policy::BatchSettings::default());
    let file = "[batch]\npoll_min = \"10m\"\nuncertain_for = \"0s\"\nspill_after = \"1h\"\nmin_jobs = 1\nqueue_limit = 500000\n";
    let given = Given {
        line: "status",
        file,
        ..Given::default()
    };
    let batch = given.settings().unwrap().batch.to_policy();
    assert_eq!(batch.poll_min, Duration::from_mins(10));
    // The longest wait is never shorter than the shortest.
    assert_eq!(batch.poll_max, Duration::from_mins(10));
    assert_eq!(batch.uncertain_for, Duration::ZERO);
    assert_eq!(batch.spill_after, Some(Duration::from_hours(1)));
    assert_eq!((batch.min_jobs, batch.queue_limit), (1, 500_000));
}

#[test]
fn debug_of_everything_that_holds_a_credential_shows_none() {
    let given = Given {
        line: "submit a.jsonl --base-url https://me:PLANTED@host/?k=PLANTED",
        file: "[api]\nbase_url = \"https://me:PLANTED@host\"\nheaders = { X-Gate = \"PLANTED\" }\n[fallback.endpoint]\nbase_url = \"https://me:PLANTED@host\"\napi_key_env = \"OTHER_KEY\"\nheaders = { X-Gate = \"PLANTED\" }\n[status]\nurl = \"https://me:PLANTED@host\"\n",
        env: &[
            ("ANTHROPIC_API_KEY", "PLANTED-key"),
            ("ANTHROPIC_AUTH_TOKEN", "PLANTED-token"),
            ("ANTHROPIC_CUSTOM_HEADERS", "X-Gate: PLANTED"),
            ("ANTHROPIC_BASE_URL", "https://me:PLANTED@host"),
            ("HTTPS_PROXY", "http://me:PLANTED@host"),
            ("OTHER_KEY", "PLANTED-other"),
        ],
    };
    let layers = given.layers();
    let credentials = Credentials::from_environment(&layers.env).unwrap();
    let shown = format!("{layers:?} {:?} {credentials:?}", given.settings());
    assert!(!shown.contains("PLANTED"), "{shown}");
    let without_flag = Given {
        line: "submit a.jsonl",
        ..given
    };
    let settings = without_flag.settings().unwrap();
    assert!(!format!("{settings:?}").contains("PLANTED"));
    let rows = settings.rows().into_iter();
    assert!(
        rows.map(|row| row.value.to_string())
            .all(|shown| !shown.contains("PLANTED"))
    );
}
