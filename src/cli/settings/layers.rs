//! The layers, and how one value comes out of them.

use std::path::{Path, PathBuf};

use super::keys::{self, Key};
use super::{Origin, Setting, Settings};
use crate::cli::args::{Cli, ColorChoice, DispatchArgs, GlobalArgs};
use crate::cli::config_file::{self, ConfigFile, LoadedFile};
use crate::cli::environment::{self, Environment};
use crate::cli::failure::Failure;
use crate::model::DispatchOptions;

/// Everything that settings are made of, but the options stored with a run.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// The config file, if there is one.
    pub file: Option<LoadedFile>,
    /// The environment.
    pub env: Environment,
    /// Flags that every command takes.
    pub global: GlobalArgs,
    /// Flags of `submit` and `resume`.
    pub dispatch: DispatchArgs,
}

/// What the layers above the default say of one setting.
pub(super) struct By<T> {
    pub(super) file: Option<T>,
    pub(super) env: Option<T>,
    pub(super) run: Option<T>,
    pub(super) flag: Option<T>,
}

impl<T> By<T> {
    pub(super) fn nobody() -> Self {
        Self {
            file: None,
            env: None,
            run: None,
            flag: None,
        }
    }
}

impl Layers {
    /// Finds and reads the config file. `folder` is where `./claude-run.toml` is looked for.
    ///
    /// # Errors
    ///
    /// The config file is missing, unreadable or wrong.
    pub fn load(cli: &Cli, env: Environment, folder: &Path) -> Result<Self, Failure> {
        let file = config_file::load(cli.global.config.as_deref(), &env, folder)?;
        let endpoint = file.as_ref().map(|file| &file.values.fallback.endpoint);
        let variable = endpoint.and_then(|endpoint| endpoint.api_key_env.as_ref());
        Ok(Self {
            env: match variable {
                Some(name) => env.and_of_system(&name.0),
                None => env,
            },
            file,
            global: cli.global.clone(),
            dispatch: cli.command.dispatch(),
        })
    }

    /// The settings in force for a run with these stored options, or for no run.
    ///
    /// # Errors
    ///
    /// A variable or a flag holds what it may not.
    pub fn settings(&self, run: Option<&DispatchOptions>) -> Result<Settings, Failure> {
        let none = DispatchOptions::default();
        let run = run.unwrap_or(&none);
        let empty = ConfigFile::default();
        let file = self.file.as_ref().map_or(&empty, |file| &file.values);
        Ok(Settings {
            config: self.config(),
            store: self.store(file),
            dispatch: self.dispatch_settings(file, run),
            batch: self.batch_settings(file, run),
            retry: self.retry_settings(file, run),
            fallback: self.fallback_settings(file, run)?,
            limits: self.limit_settings(file, run),
            api: self.api_settings(file, run)?,
            status: self.status(file),
            prices: self.prices(file),
            output: self.output_settings(file),
        })
    }

    /// Colour alone, for errors that happen before there are settings. Cannot fail.
    #[must_use]
    pub fn color(&self) -> Setting<ColorChoice> {
        let file = self.file.as_ref();
        self.pick(
            &keys::COLOR,
            ColorChoice::Auto,
            By {
                file: file.and_then(|file| file.values.output.color),
                env: self
                    .env
                    .is_set(environment::NO_COLOR)
                    .then_some(ColorChoice::Never),
                flag: self.global.color,
                ..By::nobody()
            },
        )
    }

    pub(super) fn pick<T>(&self, key: &Key, default: T, by: By<T>) -> Setting<T> {
        Setting::default_of(default)
            .or(by.file, || self.file_origin(key.name))
            .or(by.env, || Origin::Environment(key.env.unwrap_or_default()))
            .or(by.run, || Origin::Run)
            .or(by.flag, || Origin::Flag(key.flag.unwrap_or_default()))
    }

    pub(super) fn file_origin(&self, key: &str) -> Origin {
        self.file
            .as_ref()
            .map_or(Origin::Default, |file| file.origin(key))
    }

    /// A path in the file is relative to the file's folder, so that it means the same wherever the
    /// command is called.
    pub(super) fn beside_file(&self, path: Option<&Path>) -> Option<PathBuf> {
        let folder = self.file.as_ref().and_then(|file| file.path.parent());
        path.map(|path| folder.map_or_else(|| path.to_owned(), |folder| folder.join(path)))
    }
}
