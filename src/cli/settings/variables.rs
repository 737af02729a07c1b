//! The layer of the environment: which variable stands for which setting.

use super::options::Options;
use crate::cli::environment::{self, Environment};
use crate::cli::failure::Failure;
use crate::cli::values::{ColorChoice, HeaderTable, HttpUrl, bare, parse_headers};

/// The variables, by the names of their settings.
const VARIABLES: [(&str, &str); 7] = [
    ("config", environment::CONFIG),
    ("store.path", environment::STORE),
    ("api.base_url", environment::BASE_URL),
    ("api.workspace_id", environment::WORKSPACE_ID),
    ("api.headers", environment::CUSTOM_HEADERS),
    ("api.insecure_http", environment::INSECURE_HTTP),
    ("output.color", environment::NO_COLOR),
];

/// The variable that stands for a setting.
pub(super) fn of(key: &str) -> Option<&'static str> {
    let row = VARIABLES.iter().find(|(known, _)| *known == key);
    row.map(|(_, variable)| *variable)
}

/// Puts what the environment says in the place of what is there. The settings that it has set.
///
/// # Errors
///
/// A variable holds what it may not (exit code 2).
pub(super) fn lay_over(
    env: &Environment,
    options: &mut Options,
) -> Result<Vec<&'static str>, Failure> {
    let api = &mut options.api;
    if let Some(text) = env.text(environment::BASE_URL)? {
        api.base_url =
            HttpUrl::parse(text).map_err(|why| wrong_base_url(environment::BASE_URL, &why))?;
    }
    if let Some(text) = env.text(environment::WORKSPACE_ID)? {
        let id = text.parse();
        let id = id.map_err(|why: String| wrong(environment::WORKSPACE_ID, &format!("it {why}")));
        api.workspace_id = Some(id?);
    }
    if let Some(text) = env.text(environment::CUSTOM_HEADERS)? {
        let headers = parse_headers(text);
        api.headers = HeaderTable(headers.map_err(|why| wrong(environment::CUSTOM_HEADERS, &why))?);
    }
    if let Some(on) = env.switch(environment::INSECURE_HTTP)? {
        api.insecure_http = on;
    }
    if let Some(path) = env.path(environment::STORE) {
        options.store.path = bare(&path);
    }
    if env.is_set(environment::NO_COLOR) {
        options.output.color = ColorChoice::Never;
    }
    let set = VARIABLES.iter().filter(|(_, variable)| has(env, variable));
    Ok(set.map(|(key, _)| *key).collect())
}

/// Whether the variable says anything: blanks do not.
fn has(env: &Environment, variable: &str) -> bool {
    let is_path_or_mark = [
        environment::CONFIG,
        environment::STORE,
        environment::NO_COLOR,
    ];
    env.is_set(variable)
        && (is_path_or_mark.contains(&variable)
            || env.text(variable).is_ok_and(|text| text.is_some()))
}

/// A root of the API that is none.
pub(super) fn wrong_base_url(source: &str, why: &str) -> Failure {
    Failure::usage(
        format!("{source} cannot be used"),
        "give the root of the API, such as https://api.anthropic.com",
    )
    .because(format!("it {why}"))
}

fn wrong(name: &str, why: &str) -> Failure {
    Failure::usage(
        format!("the environment variable {name} cannot be used"),
        format!("correct {name}, or unset it"),
    )
    .because(why)
}
