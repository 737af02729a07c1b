//! Every setting, picked from its layers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::layers::{By, Layers};
use super::{
    ApiSettings, CustomHeader, DispatchSettings, FallbackSettings, LimitSettings, OutputSettings,
    RetrySettings, Setting, StatusSettings, keys, parse_headers,
};
use crate::cli::config_file::{ConfigFile, LimitsTable, PerMinute};
use crate::cli::environment;
use crate::cli::failure::Failure;
use crate::cli::values::{self, BaseUrl, MAX_SCALE};
use crate::model::{
    AutoOrOff, DispatchOptions, ErrorClass, LaneChoice, OnHalt, OnTruncated, StreamMode,
};
use crate::policy::Hours;
use crate::provider::DEFAULT_IDLE_TIMEOUT;

const DEFAULT_STORE: &str = "./claude-run.db";
const DEFAULT_BASE_URL: &str = "https://api.anthropic.com";
/// The version that takes what users' files hold today: its successor refuses `temperature`.
const DEFAULT_VERSION: &str = "2023-06-01";
const DEFAULT_CONCURRENCY: u32 = 64;
const DEFAULT_MAX_ATTEMPTS: u32 = 8;
/// The time that the official SDKs allow for an answer that is not streamed.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(10);
const DEFAULT_GRACE: Duration = Duration::from_secs(30);

impl Layers {
    pub(super) fn dispatch_settings(
        &self,
        file: &ConfigFile,
        run: &DispatchOptions,
    ) -> DispatchSettings {
        DispatchSettings {
            concurrency: self.pick(
                &keys::CONCURRENCY,
                DEFAULT_CONCURRENCY,
                By {
                    file: file.dispatch.concurrency.map(|n| n.0),
                    run: run.concurrency,
                    flag: self.dispatch.concurrency,
                    ..By::nobody()
                },
            ),
            stagger: self.pick(
                &keys::STAGGER,
                Duration::ZERO,
                By {
                    file: file.dispatch.stagger.map(|wait| wait.0),
                    run: run.stagger,
                    flag: self.dispatch.stagger,
                    ..By::nobody()
                },
            ),
            timeout: self.pick(
                &keys::TIMEOUT,
                DEFAULT_TIMEOUT,
                By {
                    file: file.dispatch.timeout.map(|wait| wait.0),
                    run: run.timeout,
                    flag: self.dispatch.timeout,
                    ..By::nobody()
                },
            ),
            stream: self.stream(file, run),
            idle_timeout: self.idle_timeout(file),
            grace: self.pick(
                &keys::GRACE,
                DEFAULT_GRACE,
                By {
                    file: file.dispatch.grace.map(|wait| wait.0),
                    run: run.grace,
                    flag: self.dispatch.grace,
                    ..By::nobody()
                },
            ),
            on_halt: self.on_halt(file, run),
            on_truncated: self.on_truncated(file, run),
            lane: self.lane(file, run),
            deadline: self.deadline(run),
            seed: self.seed(file, run),
        }
    }

    fn on_halt(&self, file: &ConfigFile, run: &DispatchOptions) -> Setting<OnHalt> {
        let by = By {
            file: file.dispatch.on_halt,
            run: run.on_halt,
            flag: self.dispatch.on_halt,
            ..By::nobody()
        };
        self.pick(&keys::ON_HALT, OnHalt::default(), by)
    }

    fn on_truncated(&self, file: &ConfigFile, run: &DispatchOptions) -> Setting<OnTruncated> {
        let by = By {
            file: file.dispatch.on_truncated,
            run: run.on_truncated,
            flag: self.dispatch.on_truncated,
            ..By::nobody()
        };
        self.pick(&keys::ON_TRUNCATED, OnTruncated::default(), by)
    }

    pub(super) fn limit_settings(&self, file: &ConfigFile, run: &DispatchOptions) -> LimitSettings {
        let (ours, file) = (&self.dispatch, &file.limits);
        let ceiling = |key, file: Option<PerMinute>, run: Option<u64>, flag: Option<u64>| {
            let by = By {
                file: file.map(|n| Some(n.0)),
                run: run.map(Some),
                flag: flag.map(Some),
                ..By::nobody()
            };
            self.pick(key, None, by)
        };
        // What is stored was checked when it was given.
        let stored = run.only_between.as_deref();
        let stored = stored.and_then(|hours| hours.parse::<Hours>().ok());
        LimitSettings {
            rpm: ceiling(&keys::RPM, file.rpm, run.rpm, ours.rpm),
            itpm: ceiling(&keys::ITPM, file.itpm, run.itpm, ours.itpm),
            otpm: ceiling(&keys::OTPM, file.otpm, run.otpm, ours.otpm),
            budget_usd: self.pick(
                &keys::BUDGET_USD,
                None,
                By {
                    file: file.budget_usd.map(|amount| Some(amount.0)),
                    run: run.budget_usd.map(Some),
                    flag: ours.budget_usd.map(Some),
                    ..By::nobody()
                },
            ),
            budget_strict: self.budget_strict(file, run),
            budget_assume_searches: self.budget_assume_searches(file, run),
            only_between: self.pick(
                &keys::ONLY_BETWEEN,
                None,
                By {
                    file: file.only_between.clone().map(|hours| Some(hours.0)),
                    run: stored.map(Some),
                    flag: ours.only_between.clone().map(Some),
                    ..By::nobody()
                },
            ),
            cache_warm: self.pick(
                &keys::CACHE_WARM,
                AutoOrOff::Auto,
                By {
                    file: file.cache_warm,
                    run: run.cache_warm,
                    flag: ours.cache_warm,
                    ..By::nobody()
                },
            ),
            cache_prefix: self.pick(
                &keys::CACHE_PREFIX,
                AutoOrOff::Off,
                By {
                    file: file.cache_prefix,
                    run: run.cache_prefix,
                    flag: ours.cache_prefix,
                    ..By::nobody()
                },
            ),
        }
    }

    fn budget_strict(&self, file: &LimitsTable, run: &DispatchOptions) -> Setting<bool> {
        let by = By {
            file: file.budget_strict,
            run: run.budget_strict,
            flag: self.dispatch.budget_strict,
            ..By::nobody()
        };
        self.pick(&keys::BUDGET_STRICT, false, by)
    }

    fn budget_assume_searches(
        &self,
        file: &LimitsTable,
        run: &DispatchOptions,
    ) -> Setting<Option<u32>> {
        let by = By {
            file: file.budget_assume_searches.map(|n| Some(n.0)),
            run: run.budget_assume_searches.map(Some),
            flag: self.dispatch.budget_assume_searches.map(Some),
            ..By::nobody()
        };
        self.pick(&keys::BUDGET_ASSUME_SEARCHES, None, by)
    }

    pub(super) fn fallback_settings(
        &self,
        file: &ConfigFile,
        run: &DispatchOptions,
    ) -> Result<FallbackSettings, Failure> {
        let named = file.fallback.models.as_ref();
        let flags = &self.dispatch.fallback_models;
        let by = By {
            file: named.map(|models| models.iter().map(|id| id.0.clone()).collect()),
            run: run.fallback_models.clone(),
            flag: (!flags.is_empty()).then(|| flags.clone()),
            ..By::nobody()
        };
        Ok(FallbackSettings {
            models: self.pick(&keys::FALLBACK_MODELS, Vec::new(), by),
            endpoint: self.second_endpoint(file)?,
        })
    }

    fn stream(&self, file: &ConfigFile, run: &DispatchOptions) -> Setting<StreamMode> {
        let by = By {
            file: file.dispatch.stream,
            run: run.stream,
            flag: self.dispatch.stream,
            ..By::nobody()
        };
        self.pick(&keys::STREAM, StreamMode::Auto, by)
    }

    fn seed(&self, file: &ConfigFile, run: &DispatchOptions) -> Setting<Option<u64>> {
        let by = By {
            file: file.dispatch.seed.map(Some),
            run: run.seed.map(Some),
            flag: self.dispatch.seed.map(Some),
            ..By::nobody()
        };
        self.pick(&keys::SEED, None, by)
    }

    fn lane(&self, file: &ConfigFile, run: &DispatchOptions) -> Setting<LaneChoice> {
        let by = By {
            file: file.dispatch.lane,
            run: run.lane,
            flag: self.dispatch.lane,
            ..By::nobody()
        };
        self.pick(&keys::LANE, LaneChoice::Auto, by)
    }

    fn deadline(&self, run: &DispatchOptions) -> Setting<Option<Timestamp>> {
        let by = By {
            run: run.deadline.map(Some),
            flag: self.dispatch.deadline.map(Some),
            ..By::nobody()
        };
        self.pick(&keys::DEADLINE, None, by)
    }

    fn idle_timeout(&self, file: &ConfigFile) -> Setting<Duration> {
        let by = By {
            file: file.dispatch.idle_timeout.map(|wait| wait.0),
            ..By::nobody()
        };
        self.pick(&keys::IDLE_TIMEOUT, DEFAULT_IDLE_TIMEOUT, by)
    }

    pub(super) fn retry_settings(&self, file: &ConfigFile, run: &DispatchOptions) -> RetrySettings {
        RetrySettings {
            max_attempts: self.pick(
                &keys::MAX_ATTEMPTS,
                DEFAULT_MAX_ATTEMPTS,
                By {
                    file: file.retry.max_attempts.map(|n| n.0),
                    run: run.max_attempts,
                    flag: self.dispatch.max_attempts,
                    ..By::nobody()
                },
            ),
            give_up_after: self.pick(
                &keys::GIVE_UP_AFTER,
                None,
                By {
                    file: file.retry.give_up_after.map(|wait| Some(wait.0)),
                    run: run.give_up_after.map(Some),
                    flag: self.dispatch.give_up_after.map(Some),
                    ..By::nobody()
                },
            ),
            scale: self.pick(
                &keys::RETRY_SCALE,
                1.0,
                By {
                    file: file.retry.scale.map(|x| x.0),
                    // Older versions kept any number.
                    run: run.retry_scale.map(|scale| scale.min(MAX_SCALE)),
                    flag: self.dispatch.retry_scale,
                    ..By::nobody()
                },
            ),
            waits: self.waits(file),
        }
    }

    pub(super) fn api_settings(
        &self,
        file: &ConfigFile,
        run: &DispatchOptions,
    ) -> Result<ApiSettings, Failure> {
        Ok(ApiSettings {
            base_url: self.base_url(file, run)?,
            version: self.pick(
                &keys::VERSION,
                DEFAULT_VERSION.to_owned(),
                By {
                    file: file.api.version.as_ref().map(|text| text.0.clone()),
                    ..By::nobody()
                },
            ),
            betas: self.betas(file),
            workspace_id: self.workspace_id(file)?,
            headers: self.headers(file)?,
            ca_bundle: self.ca_bundle(file, run),
            insecure_http: self.insecure_http(file)?,
            proxies: self.env.proxies(),
            roots_from: self.env.roots_from(),
        })
    }

    fn insecure_http(&self, file: &ConfigFile) -> Result<Setting<bool>, Failure> {
        // No layer of a run: a store that somebody else made must not say it.
        let by = By {
            file: file.api.insecure_http,
            env: self.env.switch(environment::INSECURE_HTTP)?,
            flag: self.dispatch.insecure_http.then_some(true),
            ..By::nobody()
        };
        Ok(self.pick(&keys::INSECURE_HTTP, false, by))
    }

    pub(super) fn output_settings(&self, file: &ConfigFile) -> OutputSettings {
        OutputSettings {
            color: self.color(),
            quiet: self.pick(
                &keys::QUIET,
                false,
                By {
                    file: file.output.quiet,
                    flag: self.global.quiet.then_some(true),
                    ..By::nobody()
                },
            ),
            verbosity: self.pick(
                &keys::VERBOSITY,
                0,
                By {
                    flag: Some(self.global.verbose).filter(|count| *count > 0),
                    ..By::nobody()
                },
            ),
        }
    }

    pub(super) fn status(&self, file: &ConfigFile) -> StatusSettings {
        let url = file.status.url.as_ref().map(|url| Some(url.0.clone()));
        StatusSettings {
            enabled: self.pick(
                &keys::STATUS_ENABLED,
                true,
                By {
                    file: file.status.enabled,
                    ..By::nobody()
                },
            ),
            url: self.pick(
                &keys::STATUS_URL,
                None,
                By {
                    file: url,
                    ..By::nobody()
                },
            ),
        }
    }

    pub(super) fn prices(&self, file: &ConfigFile) -> Setting<Option<PathBuf>> {
        self.pick(
            &keys::PRICES,
            None,
            By {
                file: self.beside_file(file.prices.file.as_deref()).map(Some),
                ..By::nobody()
            },
        )
    }

    pub(super) fn config(&self) -> Setting<Option<PathBuf>> {
        let found = self.file.as_ref().map(|file| Some(file.path.clone()));
        if self.global.config.is_some() {
            let by = By {
                flag: found,
                ..By::nobody()
            };
            return self.pick(&keys::CONFIG, None, by);
        }
        if self.env.is_set(environment::CONFIG) {
            let by = By {
                env: found,
                ..By::nobody()
            };
            return self.pick(&keys::CONFIG, None, by);
        }
        Setting::default_of(found.flatten())
    }

    pub(super) fn store(&self, file: &ConfigFile) -> Setting<PathBuf> {
        let in_file = file.store.path.as_deref().map(bare);
        self.pick(
            &keys::STORE,
            PathBuf::from(DEFAULT_STORE),
            By {
                file: self.beside_file(in_file.as_deref()),
                env: self.env.path(environment::STORE).as_deref().map(bare),
                flag: self.global.store.as_deref().map(bare),
                ..By::nobody()
            },
        )
    }

    fn waits(&self, file: &ConfigFile) -> BTreeMap<ErrorClass, Setting<Vec<Duration>>> {
        let classes = file.retry.classes.iter();
        classes
            .map(|(class, table)| {
                let setting = Setting {
                    value: table.waits.0.clone(),
                    origin: self.file_origin(&format!("retry.{class}.waits")),
                };
                (*class, setting)
            })
            .collect()
    }

    fn base_url(
        &self,
        file: &ConfigFile,
        run: &DispatchOptions,
    ) -> Result<Setting<BaseUrl>, Failure> {
        let parse = |source: &str, text: &str| {
            BaseUrl::parse(text).map_err(|why| wrong_base_url(source, &why))
        };
        let env = self.env.text(environment::BASE_URL)?;
        let flag = self.dispatch.base_url.as_ref();
        let flag = flag
            .map(|text| parse("--base-url", text.expose_secret()))
            .transpose()?;
        if flag.as_ref().is_some_and(BaseUrl::has_secret) {
            return Err(Failure::usage(
                "--base-url holds a user name, a password or a query",
                "give the URL without them; credentials of a gateway go into ANTHROPIC_CUSTOM_HEADERS",
            )
            .because("what is given by flags is stored with the run, and credentials are never stored"));
        }
        Ok(self.pick(
            &keys::BASE_URL,
            parse("the default", DEFAULT_BASE_URL)?,
            By {
                file: file.api.base_url.as_ref().map(|url| url.0.clone()),
                env: env
                    .map(|text| parse(environment::BASE_URL, text))
                    .transpose()?,
                run: run
                    .base_url
                    .as_deref()
                    .map(|text| parse("the base URL stored with the run", text))
                    .transpose()?,
                flag,
            },
        ))
    }

    fn betas(&self, file: &ConfigFile) -> Setting<Vec<String>> {
        let names = file.api.beta.as_ref();
        self.pick(
            &keys::BETA,
            Vec::new(),
            By {
                file: names.map(|names| names.iter().map(|name| name.0.clone()).collect()),
                ..By::nobody()
            },
        )
    }

    fn workspace_id(&self, file: &ConfigFile) -> Result<Setting<Option<String>>, Failure> {
        let env = self
            .env
            .text(environment::WORKSPACE_ID)?
            .map(values::header_value)
            .transpose()
            .map_err(|why| wrong_variable(environment::WORKSPACE_ID, &format!("it {why}")))?;
        Ok(self.pick(
            &keys::WORKSPACE_ID,
            None,
            By {
                file: file.api.workspace_id.as_ref().map(|id| Some(id.0.clone())),
                env: env.map(Some),
                ..By::nobody()
            },
        ))
    }

    fn headers(&self, file: &ConfigFile) -> Result<Setting<Vec<CustomHeader>>, Failure> {
        let env = self
            .env
            .text(environment::CUSTOM_HEADERS)?
            .map(parse_headers)
            .transpose()
            .map_err(|why| wrong_variable(environment::CUSTOM_HEADERS, &why))?;
        Ok(self.pick(
            &keys::HEADERS,
            Vec::new(),
            By {
                file: file.api.headers.as_ref().map(|headers| headers.0.clone()),
                env,
                ..By::nobody()
            },
        ))
    }

    fn ca_bundle(&self, file: &ConfigFile, run: &DispatchOptions) -> Setting<Option<PathBuf>> {
        let flag = self.dispatch.ca_bundle.as_ref();
        let flag = flag.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
        self.pick(
            &keys::CA_BUNDLE,
            None,
            By {
                file: self.beside_file(file.api.ca_bundle.as_deref()).map(Some),
                env: None,
                run: run.ca_bundle.as_ref().map(|path| Some(path.into())),
                flag: flag.map(Some),
            },
        )
    }
}

fn wrong_base_url(source: &str, why: &str) -> Failure {
    Failure::usage(
        format!("{source} cannot be used"),
        "give the root of the API, such as https://api.anthropic.com",
    )
    .because(format!("it {why}"))
}

fn wrong_variable(name: &str, why: &str) -> Failure {
    Failure::usage(
        format!("the environment variable {name} cannot be used"),
        format!("correct {name}, or unset it"),
    )
    .because(why)
}

/// A path without the quotes, blanks and line ends that came along when it was copied, as with a key.
fn bare(path: &Path) -> PathBuf {
    let is_around = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'');
    let trimmed = path.to_str().map(|text| text.trim_matches(is_around));
    match trimmed.filter(|text| !text.is_empty()) {
        Some(text) => PathBuf::from(text),
        None => path.to_path_buf(),
    }
}
