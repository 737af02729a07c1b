//! What every command is given.

use super::console::Console;
use super::credentials::Credentials;
use super::failure::Failure;
use super::settings::{Layers, Settings};
use super::trust::TrustState;
use crate::model::DispatchOptions;

/// Settings with their layers, and the way to standard error.
#[derive(Clone)]
pub struct Context {
    /// The layers, from which the settings for a stored run are made; `layers.env` is the
    /// environment.
    pub layers: Layers,
    /// The settings in force without a run.
    pub settings: Settings,
    /// Notes, warnings and errors.
    pub console: Console,
    /// What the user trusts: the gate before every client asks it.
    pub trust: TrustState,
}

impl Context {
    /// The settings in force for a run with these stored options.
    ///
    /// # Errors
    ///
    /// A stored value cannot be used.
    pub fn settings_for(&self, run: &DispatchOptions) -> Result<Settings, Failure> {
        self.layers.settings(Some(run))
    }

    /// The credentials, which may be empty: see [`Credentials::required`].
    ///
    /// # Errors
    ///
    /// A variable holds what no header may carry.
    pub fn credentials(&self) -> Result<Credentials, Failure> {
        Credentials::from_environment(&self.layers.env)
    }
}
