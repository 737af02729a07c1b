//! Where each setting comes from, and that the stronger layer wins.

use std::path::Path;
use std::time::Duration;

use clap::Parser;

use super::{Layers, Origin, Settings, keys};
use crate::cli::args::{Cli, ColorChoice};
use crate::cli::config_file;
use crate::cli::console::testing::Captured;
use crate::cli::console::{Console, Stderr};
use crate::cli::context::Context;
use crate::cli::credentials::Credentials;
use crate::cli::environment::Environment;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::trust::Gate;
use crate::model::{AutoOrOff, DispatchOptions, ErrorClass, LaneChoice, Pico, StreamMode};

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
            dispatch: cli.command.dispatch(),
        }
    }

    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        self.layers().settings(None)
    }

    pub(crate) fn context(&self) -> Context {
        Context {
            gate: Gate::of(&self.layers().env),
            layers: self.layers(),
            settings: self.settings().unwrap(),
            console: Console::new(Stderr::to(Box::new(Captured::default())), false, false),
        }
    }
}

/// The origin of the setting in each of these situations.
fn origin(settings: &Settings, key: &keys::Key) -> Origin {
    key.rows(settings).remove(0).origin
}

/// The values are all different; the columns are how each is shown, from the weakest layer up.
const LAYERED: &[(&keys::Key, [&str; 5])] = &[
    (&keys::CONCURRENCY, ["64", "2", "2", "3", "4"]),
    (&keys::STAGGER, ["0s", "2s", "2s", "3s", "4s"]),
    (&keys::RPM, ["null", "2", "2", "3", "4"]),
    (&keys::ITPM, ["null", "2", "2", "3", "4"]),
    (&keys::OTPM, ["null", "2", "2", "3", "4"]),
    (&keys::BUDGET_USD, ["null", "2.00", "2.00", "3.00", "4.00"]),
    (
        &keys::BUDGET_STRICT,
        ["false", "true", "true", "false", "true"],
    ),
    (&keys::BUDGET_ASSUME_SEARCHES, ["null", "2", "2", "3", "4"]),
    (
        &keys::ONLY_BETWEEN,
        [
            "null",
            "02:00-03:00@UTC",
            "02:00-03:00@UTC",
            "03:00-04:00@UTC",
            "04:00-05:00@UTC",
        ],
    ),
    (&keys::CACHE_WARM, ["auto", "off", "off", "off", "auto"]),
    (&keys::TIMEOUT, ["10m", "2s", "2s", "3s", "4s"]),
    (&keys::STREAM, ["auto", "always", "always", "never", "auto"]),
    (&keys::LANE, ["auto", "batch", "batch", "live", "auto"]),
    (&keys::BATCH_SIZE, ["100000", "2", "2", "3", "4"]),
    (&keys::GRACE, ["30s", "2s", "2s", "3s", "4s"]),
    (&keys::SEED, ["null", "2", "2", "3", "4"]),
    (&keys::MAX_ATTEMPTS, ["8", "2", "2", "3", "4"]),
    (&keys::RETRY_SCALE, ["1.0", "2.0", "2.0", "3.0", "4.0"]),
    (
        &keys::BASE_URL,
        [
            "https://api.anthropic.com",
            "http://file.test",
            "http://env.test",
            "http://run.test",
            "http://flag.test",
        ],
    ),
    (
        &keys::CA_BUNDLE,
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
    DispatchOptions {
        concurrency: Some(3),
        stagger: Some(Duration::from_secs(3)),
        max_attempts: Some(3),
        retry_scale: Some(3.0),
        timeout: Some(Duration::from_secs(3)),
        stream: Some(StreamMode::Never),
        lane: Some(LaneChoice::Live),
        batch_size: Some(3),
        grace: Some(Duration::from_secs(3)),
        base_url: Some("http://run.test".to_owned()),
        ca_bundle: Some("/run.pem".to_owned()),
        seed: Some(3),
        rpm: Some(3),
        itpm: Some(3),
        otpm: Some(3),
        budget_usd: Some(Pico(3 * Pico::USD.0)),
        budget_strict: Some(false),
        budget_assume_searches: Some(3),
        only_between: Some("03:00-04:00@UTC".to_owned()),
        cache_warm: Some(AutoOrOff::Off),
        cache_prefix: Some(AutoOrOff::Auto),
        ..DispatchOptions::default()
    }
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
            let row = key.rows(&settings).remove(0);
            let shown = row
                .value
                .as_str()
                .map_or_else(|| row.value.to_string(), str::to_owned);
            assert_eq!(shown, *expected, "{} in layer {layer}", key.name);
            let fits = match (layer, &row.origin) {
                (0, Origin::Default) | (1, Origin::File(..)) | (3, Origin::Run) => true,
                (2, Origin::Environment(name)) => Some(*name) == key.env,
                (2, Origin::File(..)) => key.env.is_none(),
                (4, Origin::Flag(name)) => Some(*name) == key.flag,
                _ => false,
            };
            assert!(fits, "{} in layer {layer}: {:?}", key.name, row.origin);
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
    assert_eq!(settings.store.value, Path::new("./claude-run.db"));
    assert_eq!(settings.output.color.value, ColorChoice::Auto);
    assert!(!settings.output.quiet.value);
    assert_eq!(settings.api.workspace_id.value, None);

    let settings = of("status", file, &[]);
    assert_eq!(settings.store.value, Path::new("f.db"));
    assert_eq!(settings.output.color.value, ColorChoice::Always);
    assert!(settings.output.quiet.value);
    assert_eq!(settings.api.workspace_id.value.as_deref(), Some("f"));

    let settings = of("status", file, env);
    assert_eq!(settings.store.value, Path::new("e.db"));
    assert_eq!(settings.output.color.value, ColorChoice::Never);
    assert_eq!(settings.api.workspace_id.value.as_deref(), Some("e"));

    let settings = of("status --store x.db --color always --quiet", file, env);
    assert_eq!(settings.store.value, Path::new("x.db"));
    assert_eq!(settings.output.color.value, ColorChoice::Always);
    assert_eq!(origin(&settings, &keys::QUIET), Origin::Flag("--quiet"));
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
        origin(&settings, &keys::STORE),
        Origin::File("c.toml".into(), 2)
    );
    assert_eq!(
        origin(&settings, &keys::BASE_URL),
        Origin::File("c.toml".into(), 4)
    );
    assert_eq!(origin(&settings, &keys::HEADERS), Origin::Default);
    assert_eq!(origin(&settings, &keys::COLOR), Origin::Default);
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
    let waits = &settings.retry.waits;
    assert_eq!(waits.len(), 2);
    let overloaded = &waits[&ErrorClass::Overloaded];
    assert_eq!(
        overloaded.value,
        [Duration::from_secs(2), Duration::from_mins(1)]
    );
    assert_eq!(overloaded.origin, Origin::File("c.toml".into(), 2));
}

#[test]
fn paths_in_the_file_are_relative_to_its_folder() {
    let settings = Given {
        line: "status --config conf/c.toml",
        file: "[store]\npath = \"s.db\"\n[prices]\nfile = \"/abs/p.toml\"\n[api]\nca_bundle = \"ca.pem\"\n",
        env: &[],
    }
    .settings()
    .unwrap();
    assert_eq!(settings.store.value, Path::new("conf/s.db"));
    assert_eq!(
        settings.prices.value.as_deref(),
        Some(Path::new("/abs/p.toml"))
    );
    assert_eq!(
        settings.api.ca_bundle.value.as_deref(),
        Some(Path::new("conf/ca.pem"))
    );
    assert_eq!(origin(&settings, &keys::CONFIG), Origin::Flag("--config"));
}

#[test]
fn only_what_flags_gave_is_stored_with_a_run() {
    let given = Given {
        line: "submit f --concurrency 4 --ca-bundle ca.pem --seed 0",
        file: "[dispatch]\nstagger = \"2s\"\n",
        env: &[("ANTHROPIC_BASE_URL", "http://env.test")],
    };
    let options = given.settings().unwrap().dispatch_options_given_by_flags();
    let ca_bundle = options.ca_bundle.clone().unwrap();
    assert!(Path::new(&ca_bundle).is_absolute() && ca_bundle.ends_with("ca.pem"));
    assert_eq!(
        options,
        DispatchOptions {
            concurrency: Some(4),
            seed: Some(0),
            ca_bundle: Some(ca_bundle),
            ..DispatchOptions::default()
        }
    );
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
fn keys_are_unique_and_every_flag_exists() {
    let mut names: Vec<_> = keys::ALL.iter().map(|key| key.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), keys::ALL.len());

    let mut help = Cli::try_parse_from(["claude-run", "submit", "--help"])
        .unwrap_err()
        .to_string();
    help.push(' ');
    for key in keys::ALL {
        assert!(!key.about.is_empty());
        if let Some(flag) = key.flag {
            assert!(help.contains(flag), "{flag}");
        }
    }
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
        assert_eq!(
            settings.dispatch.deadline.value == at,
            kept,
            "{}",
            given.line
        );
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
    let rows = keys::ALL.iter().flat_map(|key| key.rows(&settings));
    assert!(
        rows.map(|row| row.value.to_string())
            .all(|shown| !shown.contains("PLANTED"))
    );
}
