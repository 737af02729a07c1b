//! What the gate lets through, and what it says of it.

use jiff::Timestamp;

use super::super::KnownHost;
use super::{Destination, Verdict, first, judge};
use crate::cli::settings::tests::Given;
use crate::cli::settings::{InFile, JUDGED, Origin, is_kept, keys};
use crate::provider::BaseUrl;

const FLAG: Origin = Origin::Flag("--base-url");
const VARIABLE: Origin = Origin::Environment("ANTHROPIC_BASE_URL");

fn known(root: &str, insecure_http: bool) -> KnownHost {
    KnownHost {
        root: root.to_owned(),
        insecure_http,
        named_by: "flag --base-url".to_owned(),
        at: Timestamp::UNIX_EPOCH,
    }
}

/// What is judged of a root that this layer names, with this memory of it and this switch.
fn judged(root: &str, origin: &Origin, memory: Option<bool>, insecure_http: bool) -> Verdict {
    let base = BaseUrl::parse(root).unwrap();
    let known = memory.map(|allowed| known(base.as_str(), allowed));
    judge(&Destination {
        root: &base,
        origin,
        is_in_force: false,
        known: known.as_ref(),
        insecure_http,
    })
}

const GO: Verdict = Verdict::Go {
    is_news: false,
    in_clear: false,
};
const GO_AND_REMEMBER: Verdict = Verdict::Go {
    is_news: true,
    in_clear: false,
};

#[test]
fn a_host_that_only_the_run_names_is_a_stranger_until_it_is_remembered() {
    let gate = "https://gate.test/customer/7";
    for (origin, memory, verdict) in [
        (Origin::Run, None, Verdict::Stranger),
        (Origin::Run, Some(false), GO),
        (FLAG, None, GO_AND_REMEMBER),
        (FLAG, Some(false), GO),
        (VARIABLE, None, GO_AND_REMEMBER),
        (Origin::File("own.toml".into(), 3), None, GO_AND_REMEMBER),
    ] {
        assert_eq!(
            judged(gate, &origin, memory, false),
            verdict,
            "{origin:?} {memory:?}"
        );
    }
    for api in [
        "https://api.anthropic.com",
        "https://API.anthropic.com:443/v1",
    ] {
        assert_eq!(judged(api, &Origin::Run, None, false), Verdict::Api);
    }
    // The switch is no name: it lets no stranger in.
    for root in [
        "http://10.0.0.1",
        "http://127.0.0.1:8080",
        "http://api.anthropic.com",
    ] {
        assert_eq!(
            judged(root, &Origin::Run, None, true),
            Verdict::Stranger,
            "{root}"
        );
    }
}

#[test]
fn a_host_that_is_in_force_now_is_no_stranger() {
    let base = BaseUrl::parse("https://gate.test").unwrap();
    let verdict = judge(&Destination {
        root: &base,
        origin: &Origin::Run,
        is_in_force: true,
        known: None,
        insecure_http: false,
    });
    assert_eq!(verdict, GO_AND_REMEMBER);
}

#[test]
fn unencrypted_is_allowed_to_this_machine_or_by_the_user_s_word_which_is_kept() {
    let in_clear = |is_news| Verdict::Go {
        is_news,
        in_clear: true,
    };
    for (root, memory, switch, verdict) in [
        ("http://127.0.0.1:8080", None, false, GO_AND_REMEMBER),
        ("http://localhost:8080", None, false, GO_AND_REMEMBER),
        ("http://[::1]:8080", Some(false), false, GO),
        ("https://10.0.0.5", None, false, GO_AND_REMEMBER),
        ("http://10.0.0.5", None, false, Verdict::Unencrypted),
        (
            "http://localhost.evil.test",
            None,
            false,
            Verdict::Unencrypted,
        ),
        (
            "http://api.anthropic.com",
            None,
            false,
            Verdict::Unencrypted,
        ),
        ("http://10.0.0.5", Some(false), false, Verdict::Unencrypted),
        ("http://10.0.0.5", None, true, in_clear(true)),
        ("http://10.0.0.5", Some(false), true, in_clear(true)),
        ("http://10.0.0.5", Some(true), false, in_clear(false)),
    ] {
        assert_eq!(
            judged(root, &FLAG, memory, switch),
            verdict,
            "{root} {memory:?} {switch}"
        );
    }
}

#[test]
fn the_line_names_host_and_origin_and_no_secret() {
    let line = |given: Given<'_>| {
        let ctx = given.context();
        first(&ctx, &ctx.settings).unwrap().line
    };
    let said = |words: &str| Some(words.to_owned());
    let given = |line, file, env| Given { line, file, env };
    assert_eq!(line(given("submit f", "", &[])), None);
    assert_eq!(
        line(given("submit f --base-url https://gate.test/a/v1", "", &[])),
        said("requests go to gate.test/a, from flag --base-url")
    );
    assert_eq!(
        line(given(
            "submit f",
            "",
            &[("ANTHROPIC_BASE_URL", "http://127.0.0.1:8080")]
        )),
        said("requests go to 127.0.0.1:8080, from environment ANTHROPIC_BASE_URL")
    );
    let own = "[api]\nbase_url = \"http://10.0.0.5\"\ninsecure_http = true\n";
    assert_eq!(
        line(given("submit f", own, &[])),
        said("requests go to 10.0.0.5, from file c.toml:2; they are not encrypted")
    );
}

/// A store may be somebody else's, so whatever a run brings of this kind must pass the gate.
#[test]
fn of_what_says_where_secrets_go_a_stored_run_holds_only_what_the_gate_judges() {
    let guarded = keys::all().iter().filter(|key| key.file == InFile::Trusted);
    let mut kept: Vec<_> = guarded.map(|key| key.name.as_str()).collect();
    kept.retain(|name| is_kept(name));
    assert_eq!(kept, JUDGED);
    let given = Given {
        line: "submit f --base-url https://gate.test --ca-bundle /ca.pem --insecure-http --rpm 5",
        ..Given::default()
    };
    let options = given.settings().unwrap().dispatch_options_given_by_flags();
    let names: Vec<_> = options.kept().map(|(name, _)| name).collect();
    assert_eq!(names, ["base_url", "ca_bundle", "rpm"]);
}
