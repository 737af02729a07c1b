//! The settings in force, each with where it came from.
//!
//! Five layers, each beating the ones before it: default, config file, environment, the options
//! stored with a run, flags. All are laid over one another in one type, [`Options`], whose fields are the
//! only declaration of a setting. Credentials are no settings: they live in `cli::credentials` and are
//! never printed.

pub mod flags;
pub mod keys;
mod layers;
pub mod options;
mod origin;
mod shown;
mod stored;
mod variables;

use std::collections::BTreeMap;
use std::ops::Deref;

use crate::model::DispatchOptions;
use crate::provider::{Network, ProxyRules};

pub use flags::Flags;
pub use keys::{InFile, Key};
pub use layers::Layers;
pub use options::Options;
pub use origin::{Origin, Setting};
#[cfg(test)]
pub(in crate::cli) use stored::{JUDGED, is_kept};

/// Every setting in force. May be shown: nothing in it prints a secret.
#[derive(Clone, Debug)]
pub struct Settings {
    options: Options,
    /// Where each came from, by its name; a default is not named.
    origins: BTreeMap<String, Origin>,
    flags: Flags,
    /// Which proxy requests go through: the environment alone says it.
    pub proxies: ProxyRules,
    /// The variables that say where the system's certificates are, as `NAME=PATH`.
    pub roots_from: Option<String>,
}

impl Deref for Settings {
    type Target = Options;

    fn deref(&self) -> &Options {
        &self.options
    }
}

/// One line of `claude-run config`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownSetting {
    /// The key, with the class in its place.
    pub key: String,
    /// The value without anything secret; null if it is unset.
    pub value: serde_json::Value,
    /// Where it came from.
    pub origin: Origin,
}

impl Settings {
    /// Where the setting of that name came from.
    #[must_use]
    pub fn origin(&self, key: &str) -> &Origin {
        debug_assert!(keys::find(key).is_some(), "there is no setting `{key}`");
        self.origins.get(key).unwrap_or(&Origin::Default)
    }

    /// A value of it, with where it came from.
    #[must_use]
    pub fn with_origin<T>(&self, key: &str, value: T) -> Setting<T> {
        Setting {
            value,
            origin: self.origin(key).clone(),
        }
    }

    /// The dispatch options that the user gave on this command line: what is stored with a new run
    /// or overrides what an old one has. Paths are absolute, because `resume` may be called from
    /// another folder.
    #[must_use]
    pub fn dispatch_options_given_by_flags(&self) -> DispatchOptions {
        stored::to_keep(&self.flags, &self.options)
    }

    /// The way out of this machine.
    #[must_use]
    pub fn network(&self) -> Network {
        Network {
            proxies: self.proxies.clone(),
            ca_bundle: self.api.ca_bundle.clone(),
            roots_from: self.roots_from.clone(),
        }
    }

    /// Every setting as it may be shown, in the order of the declaration.
    #[must_use]
    pub fn rows(&self) -> Vec<ShownSetting> {
        let rows = shown::rows(&self.options).into_iter();
        rows.map(|(key, value)| ShownSetting {
            origin: self.origins.get(&key).cloned().unwrap_or(Origin::Default),
            key,
            value,
        })
        .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests;
