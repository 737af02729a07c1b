//! The environment variables that mean something to us, read once.
//!
//! Only the names listed here are ever looked at, and one that the config file names. An empty
//! variable counts as unset. The
//! values may be credentials, so nothing here shows them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::failure::Failure;
use crate::provider::ProxyRules;

/// Where the store is.
pub const STORE: &str = "CLAUDE_RUN_STORE";
/// The config file.
pub const CONFIG: &str = "CLAUDE_RUN_CONFIG";
/// Whether requests may go unencrypted to another machine.
pub const INSECURE_HTTP: &str = "CLAUDE_RUN_INSECURE_HTTP";
/// The API key.
pub const API_KEY: &str = "ANTHROPIC_API_KEY";
/// The bearer token.
pub const AUTH_TOKEN: &str = "ANTHROPIC_AUTH_TOKEN";
/// The root of the API.
pub const BASE_URL: &str = "ANTHROPIC_BASE_URL";
/// Headers for every request, one `Name: value` per line.
pub const CUSTOM_HEADERS: &str = "ANTHROPIC_CUSTOM_HEADERS";
/// The workspace, for keys that span several.
pub const WORKSPACE_ID: &str = "ANTHROPIC_WORKSPACE_ID";
/// No colour, whatever its value (<https://no-color.org>).
pub const NO_COLOR: &str = "NO_COLOR";
/// The proxy variables, in the order in which the HTTP client looks at them.
pub const PROXIES: [&str; 8] = [
    "ALL_PROXY",
    "all_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// Where the TLS library reads the system's certificates instead.
pub const ROOTS: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

const OTHERS: [&str; 14] = [
    STORE,
    CONFIG,
    INSECURE_HTTP,
    API_KEY,
    AUTH_TOKEN,
    BASE_URL,
    CUSTOM_HEADERS,
    WORKSPACE_ID,
    NO_COLOR,
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "HOME",
    "APPDATA",
    "LOCALAPPDATA",
];

/// The variables that are set and not empty.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<Cow<'static, str>, OsString>);

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn system() -> Self {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// What `lookup` says of each variable.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let names = OTHERS.iter().chain(&PROXIES).chain(&ROOTS);
        Self(
            names
                .filter_map(|name| Some((Cow::Borrowed(*name), lookup(name)?)))
                .filter(|(_, value)| !value.is_empty())
                .collect(),
        )
    }

    /// With one more variable of this process, which the config file names.
    #[must_use]
    pub fn and_of_system(mut self, name: &str) -> Self {
        let value = std::env::var_os(name).filter(|value| !value.is_empty());
        let added = value.map(|value| (Cow::Owned(name.to_owned()), value));
        self.0.extend(added);
        self
    }

    /// The variable as text without surrounding white space; none if nothing is left.
    ///
    /// # Errors
    ///
    /// The variable is not UTF-8.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        let text = value.to_str().ok_or_else(|| {
            Failure::usage(
                format!("the environment variable {name} is not valid UTF-8"),
                "set it anew, or unset it",
            )
        })?;
        Ok(Some(text.trim()).filter(|text| !text.is_empty()))
    }

    /// What the proxy variables say.
    #[must_use]
    pub fn proxies(&self) -> ProxyRules {
        let variable = |name: &str| Some(self.0.get(name)?.to_string_lossy().into_owned());
        ProxyRules::of_variables(variable)
    }

    /// The variables that say where the system's certificates are, as `NAME=PATH`.
    #[must_use]
    pub fn roots_from(&self) -> Option<String> {
        let set = |name: &&str| Some(format!("{name}={}", self.path(name)?.display()));
        let set: Vec<_> = ROOTS.iter().filter_map(set).collect();
        (!set.is_empty()).then(|| set.join(" and "))
    }

    /// The variable as a path.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.0.get(name).map(PathBuf::from)
    }

    /// Whether the variable is set and not empty.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The folder for this user's configuration: `XDG_CONFIG_HOME`, or `%APPDATA%` on Windows, or
    /// `~/.config`.
    #[must_use]
    pub fn config_folder(&self) -> Option<PathBuf> {
        self.user_folder("XDG_CONFIG_HOME", "APPDATA", ".config")
    }

    /// The folder for what programs remember for this user: `XDG_STATE_HOME`, or `%LOCALAPPDATA%` on
    /// Windows, or `~/.local/state`.
    #[must_use]
    pub fn state_folder(&self) -> Option<PathBuf> {
        self.user_folder("XDG_STATE_HOME", "LOCALAPPDATA", ".local/state")
    }

    fn user_folder(&self, xdg: &str, windows: &str, below_home: &str) -> Option<PathBuf> {
        // The XDG specification says to ignore a relative path. A relative home would make a found
        // folder the user's own.
        let absolute = |name: &str| self.path(name).filter(|path| path.is_absolute());
        let of_windows = absolute(windows).filter(|_| cfg!(windows));
        let home = absolute("HOME").map(|home| home.join(below_home));
        absolute(xdg).or(of_windows).or(home)
    }

    /// The variable as yes or no.
    ///
    /// # Errors
    ///
    /// It is neither.
    pub fn switch(&self, name: &str) -> Result<Option<bool>, Failure> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(Some(true)),
            "0" | "false" | "no" | "off" => Ok(Some(false)),
            _ => Err(Failure::usage(
                format!("the environment variable {name} cannot be used"),
                format!("set {name} to 1 or 0, or unset it"),
            )
            .because("it must be 1 (true, yes, on) or 0 (false, no, off)")),
        }
    }
}

/// Names alone: a value may be a credential.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::from_lookup(|name| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(found.1.into())
        })
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let env = environment(&[(BASE_URL, ""), (WORKSPACE_ID, " \n"), (NO_COLOR, "")]);
        assert!(!env.is_set(BASE_URL));
        assert!(!env.is_set(NO_COLOR));
        assert_eq!(env.text(WORKSPACE_ID), Ok(None));
    }

    #[cfg(unix)]
    #[test]
    fn text_that_is_no_utf_8_is_refused_by_name() {
        use std::os::unix::ffi::OsStringExt;
        let env = Environment::from_lookup(|_| Some(OsString::from_vec(vec![0xff])));
        let failure = env.text(BASE_URL).unwrap_err();
        assert!(failure.what.contains(BASE_URL));
    }

    #[cfg(not(windows))]
    #[test]
    fn the_config_folder_is_xdg_s_or_dot_config() {
        let home = ("HOME", "/home/me");
        for (variables, folder) in [
            (vec![home, ("XDG_CONFIG_HOME", "/etc/me")], Some("/etc/me")),
            (
                vec![home, ("XDG_CONFIG_HOME", "relative")],
                Some("/home/me/.config"),
            ),
            (vec![home], Some("/home/me/.config")),
            (vec![], None),
        ] {
            assert_eq!(
                environment(&variables).config_folder(),
                folder.map(PathBuf::from)
            );
        }
    }

    #[cfg(not(windows))]
    #[test]
    fn the_state_folder_is_xdg_s_or_in_the_home_and_never_a_relative_one() {
        let home = ("HOME", "/home/me");
        for (variables, folder) in [
            (vec![home, ("XDG_STATE_HOME", "/var/me")], Some("/var/me")),
            (
                vec![home, ("XDG_STATE_HOME", "state")],
                Some("/home/me/.local/state"),
            ),
            (vec![("HOME", ".")], None),
            (vec![], None),
        ] {
            let found = environment(&variables).state_folder();
            assert_eq!(found, folder.map(PathBuf::from));
        }
    }

    #[test]
    fn a_switch_is_on_or_off_and_nothing_else() {
        for (text, expected) in [
            ("1", Some(true)),
            ("TRUE", Some(true)),
            ("0", Some(false)),
            ("off", Some(false)),
            ("", None),
        ] {
            let switch = environment(&[(INSECURE_HTTP, text)]).switch(INSECURE_HTTP);
            assert_eq!(switch, Ok(expected), "{text}");
        }
        let failure = environment(&[(INSECURE_HTTP, "please")]).switch(INSECURE_HTTP);
        assert!(failure.unwrap_err().what.contains(INSECURE_HTTP));
    }

    #[test]
    fn debug_shows_names_alone() {
        let shown = format!("{:?}", environment(&[(API_KEY, "sk-ant-hidden")]));
        assert!(
            shown.contains(API_KEY) && !shown.contains("hidden"),
            "{shown}"
        );
    }
}
