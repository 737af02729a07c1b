//! The credentials in the environment: there or not, and of which kind. Never shown.
//!
//! Kinds are told by their beginnings (Anthropic's authentication pages): `sk-ant-api` is an API
//! key, `sk-ant-admin` an Admin API key, `sk-ant-oat` an OAuth access token.

use secrecy::ExposeSecret;

use super::finding::Finding;
use crate::cli::commands::client_settings::carries_credentials;
use crate::cli::context::Context;
use crate::cli::environment;
use crate::provider::{BaseUrl, clean_secret};

const NAME: &str = "credential";

/// Real API keys have more than a hundred characters; a shorter one was cut when it was copied.
const MIN_KEY_BYTES: usize = 40;

/// One finding for each variable that is set, or one for none.
pub(super) fn check(ctx: &Context) -> Vec<Finding> {
    let base = BaseUrl::parse(ctx.settings.api.base_url.expose());
    let first_party = base.is_ok_and(|base| base.is_first_party());
    let variables = [environment::API_KEY, environment::AUTH_TOKEN];
    let found: Vec<_> = variables
        .into_iter()
        .filter_map(|variable| {
            let raw = ctx.layers.env.path(variable)?;
            Some(of_variable(variable, &raw.to_string_lossy(), first_party))
        })
        .collect();
    if found.is_empty() {
        return vec![without_variables(ctx)];
    }
    found
}

fn without_variables(ctx: &Context) -> Finding {
    if carries_credentials(&ctx.settings) {
        return Finding::ok(NAME, "one of the custom headers carries it");
    }
    Finding::failed(
        NAME,
        "neither ANTHROPIC_API_KEY nor ANTHROPIC_AUTH_TOKEN is set",
        "Make a key in the Console (API keys) and set it: export ANTHROPIC_API_KEY=...",
    )
}

/// What the value of a variable is.
fn of_variable(variable: &'static str, raw: &str, first_party: bool) -> Finding {
    let key = match clean_secret(raw, "key") {
        Ok(Some(key)) => key,
        Ok(None) => {
            let found = format!("{variable} holds nothing but blanks or quotes");
            return Finding::failed(
                NAME,
                found,
                format!("Set {variable} to a key, or unset it."),
            );
        }
        Err(_) => return unsendable(variable, raw),
    };
    let finding = of_key(variable, key.expose_secret(), first_party);
    if key.expose_secret().len() == raw.len() {
        return finding;
    }
    let note = "blanks or quotes around it are removed";
    Finding {
        found: format!("{}; {note}", finding.found),
        ..finding
    }
}

/// Why a value cannot stand in a header: mostly because more than the key was pasted.
fn unsendable(variable: &str, raw: &str) -> Finding {
    let text = raw.trim_start_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'');
    let lower = text.to_ascii_lowercase();
    let why = if lower.starts_with("bearer ") || lower.starts_with("x-api-key") {
        "it begins with a header's words; only the key belongs there"
    } else if lower.starts_with("export ") {
        "it begins with `export`; only the key belongs there"
    } else {
        "it holds a blank, a line break or a letter outside ASCII"
    };
    Finding::failed(
        NAME,
        format!("{variable} cannot be sent: {why}"),
        format!("Copy the key again, alone and on one line, into {variable}."),
    )
}

fn of_key(variable: &'static str, key: &str, first_party: bool) -> Finding {
    let is_token = variable == environment::AUTH_TOKEN;
    let holds = |what: &str| format!("{variable} holds {what}");
    // Before the kind: a part of a key has the beginning of a whole one.
    if key.starts_with("sk-ant-api") && key.len() < MIN_KEY_BYTES {
        return Finding::warning(
            NAME,
            holds("an API key that looks cut off"),
            "Copy the whole key again (real ones have more than a hundred characters).",
        );
    }
    if key.starts_with("sk-ant-api") {
        return Finding::ok(NAME, holds("an API key"));
    }
    if key.starts_with("sk-ant-admin") {
        return Finding::failed(
            NAME,
            holds("an Admin API key, which manages the organisation and may send no messages"),
            "Make an ordinary key in the Console (API keys) and use that.",
        );
    }
    if key.starts_with("sk-ant-oat") && is_token {
        return Finding::warning(
            NAME,
            holds("an OAuth access token, which expires (mostly within an hour)"),
            "For runs that last longer use an API key; a run that halts goes on with `claude-run resume`.",
        );
    }
    if key.starts_with("sk-ant-oat") {
        return Finding::failed(
            NAME,
            holds("an OAuth access token, which is no API key"),
            "Put it into ANTHROPIC_AUTH_TOKEN instead, or use an API key.",
        );
    }
    // Gateways have keys of any form.
    if !first_party {
        return Finding::ok(NAME, holds("a credential of the gateway at the base URL"));
    }
    if is_token && !key.starts_with("sk-") {
        return Finding::ok(NAME, holds("a bearer token of unknown kind"));
    }
    Finding::warning(
        NAME,
        holds("something that does not look like a key of the Claude API"),
        "Keys begin with sk-ant-api; those of other providers or gateways need --base-url as well.",
    )
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level::{self, Failed, Ok, Warning};
    use super::{Finding, check, of_variable};
    use crate::cli::environment::{API_KEY, AUTH_TOKEN};
    use crate::cli::settings::tests::Given;

    fn long(beginning: &str) -> String {
        format!("{beginning}{}", "hidden".repeat(15))
    }

    fn assert_found(finding: &Finding, level: Level, words: &str, what: &str) {
        assert_eq!(finding.level, level, "{what}: {finding:?}");
        assert!(finding.found.contains(words), "{what}: {}", finding.found);
        assert_eq!(finding.remedy.is_none(), level == Ok, "{what}");
        assert!(!format!("{finding:?}").contains("hidden"), "{finding:?}");
    }

    #[test]
    fn every_shape_is_recognised_and_none_is_shown() {
        let api = long("sk-ant-api03-");
        for (variable, raw, level, words) in [
            (
                API_KEY,
                api.clone(),
                Ok,
                "ANTHROPIC_API_KEY holds an API key",
            ),
            (
                AUTH_TOKEN,
                api.clone(),
                Ok,
                "ANTHROPIC_AUTH_TOKEN holds an API key",
            ),
            (API_KEY, format!("\"{api}\"\n"), Ok, "are removed"),
            (
                API_KEY,
                "sk-ant-api03-hidden".to_owned(),
                Warning,
                "cut off",
            ),
            (API_KEY, long("sk-ant-admin01-"), Failed, "Admin"),
            (AUTH_TOKEN, long("sk-ant-admin01-"), Failed, "Admin"),
            (API_KEY, long("sk-ant-oat01-"), Failed, "OAuth"),
            (AUTH_TOKEN, long("sk-ant-oat01-"), Warning, "expires"),
            (API_KEY, long("sk-proj-"), Warning, "does not look like"),
            (
                API_KEY,
                long("sk-ant-sid01-"),
                Warning,
                "does not look like",
            ),
            (AUTH_TOKEN, long("ey"), Ok, "unknown kind"),
            (API_KEY, format!("Bearer {api}"), Failed, "header's words"),
            (API_KEY, format!("export X={api}"), Failed, "`export`"),
            (API_KEY, format!("{api}\n{api}"), Failed, "line break"),
            (API_KEY, "\" \"".to_owned(), Failed, "nothing but"),
        ] {
            assert_found(&of_variable(variable, &raw, true), level, words, words);
        }
        assert_found(
            &of_variable(API_KEY, &long("k"), false),
            Ok,
            "gateway",
            "gateway",
        );
    }

    #[test]
    fn a_missing_credential_fails_unless_a_header_carries_it() {
        let given = |env| Given {
            line: "doctor",
            file: "",
            env,
        };
        let none = check(&given(&[]).context());
        assert_found(&none[0], Failed, "neither", "none");
        let header: &[_] = &[("ANTHROPIC_CUSTOM_HEADERS", "X-Api-Key: hidden")];
        assert_found(&check(&given(header).context())[0], Ok, "headers", "header");
        let both: &[_] = &[(API_KEY, "sk-ant-admin-hidden"), (AUTH_TOKEN, "hidden")];
        assert_eq!(check(&given(both).context()).len(), 2);
    }
}
