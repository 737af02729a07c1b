//! The layers, and how they are laid over one another.

use std::collections::BTreeMap;
use std::path::Path;

use super::flags::Flags;
use super::variables::wrong_base_url;
use super::{Options, Origin, Settings, stored, variables};
use crate::cli::args::{Cli, GlobalArgs};
use crate::cli::config_file::{self, LoadedFile};
use crate::cli::environment::{self, Environment};
use crate::cli::failure::Failure;
use crate::cli::values::{ColorChoice, HttpUrl, bare};
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
    /// Flags that say how a run is dispatched.
    pub flags: Flags,
}

/// Options with their origins, while the layers are laid over one another.
struct Laid {
    options: Options,
    origins: BTreeMap<String, Origin>,
}

impl Layers {
    /// Finds and reads the config file. `folder` is where `./claude-run.toml` is looked for.
    ///
    /// # Errors
    ///
    /// The config file is missing, unreadable or wrong.
    pub fn load(cli: &Cli, env: Environment, folder: &Path) -> Result<Self, Failure> {
        let file = config_file::load(cli.global.config.as_deref(), &env, folder)?;
        let endpoint = file.as_ref().map(|file| &file.options.fallback.endpoint);
        let variable = endpoint.and_then(|endpoint| endpoint.api_key_env.as_ref());
        Ok(Self {
            env: match variable {
                Some(name) => env.and_of_system(&name.0),
                None => env,
            },
            file,
            global: cli.global.clone(),
            flags: cli.command.flags(),
        })
    }

    /// The settings in force for a run with these stored options, or for no run.
    ///
    /// # Errors
    ///
    /// A variable, a flag or what is stored holds what it may not.
    pub fn settings(&self, run: Option<&DispatchOptions>) -> Result<Settings, Failure> {
        // From the lowest layer to the highest: each is laid over what is there.
        let mut laid = self.of_file()?;
        for key in variables::lay_over(&self.env, &mut laid.options)? {
            let variable = variables::of(key).unwrap_or_default();
            laid.set(key, Origin::Environment(variable));
        }
        if let Some(run) = run {
            laid.add_run(run)?;
        }
        laid.add_flags(&self.flags)?;
        self.add_global(&mut laid);
        Ok(Settings {
            options: laid.options,
            origins: laid.origins,
            flags: self.flags.clone(),
            proxies: self.env.proxies(),
            roots_from: self.env.roots_from(),
        })
    }

    /// Colour alone, for errors that happen before there are settings. Cannot fail.
    #[must_use]
    pub fn color(&self) -> ColorChoice {
        let of_file = || {
            let file = self.file.as_ref();
            file.map(|file| file.options.output.color)
                .unwrap_or_default()
        };
        match self.global.color {
            Some(color) => color,
            None if self.env.is_set(environment::NO_COLOR) => ColorChoice::Never,
            None => of_file(),
        }
    }

    /// What the config file says, over the defaults. Paths in it are relative to its folder, so that they
    /// mean the same wherever the command is called.
    fn of_file(&self) -> Result<Laid, Failure> {
        let Some(file) = &self.file else {
            return Ok(Laid {
                options: Options::default(),
                origins: BTreeMap::new(),
            });
        };
        let mut options = file.options.clone();
        options.config = Some(file.path.clone());
        let folder = file.path.parent();
        let beside = |path: &Path| folder.map_or_else(|| path.to_owned(), |to| to.join(path));
        // The default is relative to the working folder, not to the file.
        if file.has("store.path") {
            options.store.path = beside(&bare(&options.store.path));
        }
        options.prices.file = options.prices.file.as_deref().map(beside);
        options.preflight.file = options.preflight.file.as_deref().map(beside);
        options.api.ca_bundle = options.api.ca_bundle.as_deref().map(beside);
        let only_with_a_url = file.keys().any(|key| key.starts_with("fallback.endpoint."));
        if only_with_a_url && options.fallback.endpoint.base_url.is_none() {
            return Err(Failure::usage(
                "[fallback.endpoint] has no base_url",
                "add base_url = \"https://...\" to it, or remove the table",
            )
            .because("without one there is no second endpoint, and the other keys mean nothing"));
        }
        let origins = file.keys().map(|key| (key.to_owned(), file.origin(key)));
        Ok(Laid {
            options,
            origins: origins.collect(),
        })
    }

    /// The flags that every command takes.
    fn add_global(&self, laid: &mut Laid) {
        let global = &self.global;
        if global.config.is_some() && laid.options.config.is_some() {
            laid.set("config", Origin::Flag("--config"));
        }
        if let Some(path) = &global.store {
            laid.options.store.path = bare(path);
            laid.set("store.path", Origin::Flag("--store"));
        }
        if let Some(color) = global.color {
            laid.options.output.color = color;
            laid.set("output.color", Origin::Flag("--color"));
        }
        if global.quiet {
            laid.options.output.quiet = true;
            laid.set("output.quiet", Origin::Flag("--quiet"));
        }
        if global.verbose > 0 {
            laid.options.verbose = global.verbose;
            laid.set("verbose", Origin::Flag("-v"));
        }
    }
}

impl Laid {
    fn set(&mut self, key: &str, origin: Origin) {
        self.origins.insert(key.to_owned(), origin);
    }

    /// What is stored with a run. It holds nothing that only a trusted file may say, but what the gate
    /// judges.
    fn add_run(&mut self, run: &DispatchOptions) -> Result<(), Failure> {
        let flags = stored::flags_of(run)?;
        self.lay(&flags, "the base URL stored with the run")?;
        for key in flags.given() {
            self.set(key, Origin::Run);
        }
        // A flag's deadline must be a time to come; that of a run may have passed meanwhile.
        if run.deadline.is_some() {
            self.options.deadline = run.deadline;
            self.set("deadline", Origin::Run);
        }
        Ok(())
    }

    fn add_flags(&mut self, flags: &Flags) -> Result<(), Failure> {
        self.lay(flags, "--base-url")?;
        for (key, flag) in flags.given_with_names() {
            self.set(key, Origin::Flag(flag));
        }
        if flags.has("api.base_url") && self.options.api.base_url.has_secret() {
            return Err(Failure::usage(
                "--base-url holds a user name, a password or a query",
                "give the URL without them; credentials of a gateway go into ANTHROPIC_CUSTOM_HEADERS",
            )
            .because("what is given by flags is stored with the run, and credentials are never stored"));
        }
        if flags.has("api.ca_bundle") {
            let path = self.options.api.ca_bundle.as_ref();
            self.options.api.ca_bundle =
                // The run may go on in another folder.
                path.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
        }
        Ok(())
    }

    fn lay(&mut self, flags: &Flags, base_url_from: &str) -> Result<(), Failure> {
        flags.lay_over(&mut self.options).map_err(|error| {
            Failure::internal(
                "flags that were read cannot be used",
                "report this as a bug",
            )
            .because(error.kind().to_string())
        })?;
        if flags.has("api.base_url") {
            let text = self.options.api.base_url.expose();
            self.options.api.base_url =
                // Read only here: clap would repeat in its error what may hold a password.
                HttpUrl::parse(text).map_err(|why| wrong_base_url(base_url_from, &why))?;
        }
        Ok(())
    }
}
