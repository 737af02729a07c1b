//! Where requests go and what they cost: settings into a client, a simulator, prices.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::client_settings::{carries_credentials, client_settings};
use super::second::second_client;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, in_plain_words};
use crate::cli::settings::{Origin, Settings};
use crate::cli::trust::{Passage, gate};
use crate::clock::Clock;
use crate::engine::{
    BatchOptions, BudgetRule, EngineSettings, Heartbeat, LimitSettings, SecondEndpoint, StatusProbe,
};
use crate::model::{AutoOrOff, Run, RunState};
use crate::policy::{AmendSettings, Ceilings, PriceTable, RetrySettings, Waits};
use crate::provider::{
    BaseUrl, BatchesClient, ClientSettings, Credentials, MessagesClient, Pair, ReadBudget,
    STATUS_PAGES, StatusPage,
};
use crate::simulator::{Simulator, SimulatorSettings};

/// What a simulated run multiplies its waits by, unless the user says otherwise: a demonstration
/// that waits for a minute demonstrates nothing.
const SIMULATED_RETRY_SCALE: f64 = 0.05;
/// The simulator takes any key; this one cannot be taken for a real one.
const SIMULATED_KEY: &str = "simulated";

/// A client, and the simulator behind it if there is one: it serves for as long as it is held.
pub(super) struct Endpoint {
    pub(super) batches: Arc<BatchesClient>,
    pub(super) provider: Arc<Pair<MessagesClient>>,
    /// The second endpoint, if there is one.
    second: Option<SecondEndpoint>,
    simulator: Option<Simulator>,
}

impl Endpoint {
    /// What a run is sent to: the API, or a simulator if it is a simulated one.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::api`] and [`Endpoint::simulator`] have.
    pub(super) fn of_run(
        ctx: &Context,
        settings: &Settings,
        run: &Run,
        clock: Clock,
    ) -> Result<Self, Failure> {
        if run.simulated {
            Self::simulator(settings, clock)
        } else {
            Self::api(ctx, settings, clock)
        }
    }

    /// The API at the base URL in force. Says where requests go, if that is not the API itself.
    ///
    /// # Errors
    ///
    /// Keys and prompts may not go there, there is no key, or the settings make no client (exit
    /// code 2).
    pub(super) fn api(ctx: &Context, settings: &Settings, clock: Clock) -> Result<Self, Failure> {
        let passage = gate::first(ctx, settings)?;
        let made_from = api_settings(ctx, settings, clock, &passage)?;
        let client = MessagesClient::new(&made_from)?;
        let note = client.base_url().note();
        let pair = Pair::alone(client);
        let made = second_client(ctx, settings, clock, made_from.read_budget.clone())?;
        // After both clients could be made: nothing is said of a host that is not used.
        passage.announce(ctx);
        let (pair, second) = if let Some(made) = made {
            let models = settings.fallback.endpoint.models.clone();
            made.passage.announce(ctx);
            (pair.with_second(made.client, models), Some(made.engine))
        } else {
            (pair, None)
        };
        if let Some(note) = note {
            ctx.console.note(note);
        }
        Ok(Self {
            batches: Arc::new(BatchesClient::new(&made_from)?),
            provider: Arc::new(pair),
            second,
            simulator: None,
        })
    }

    /// A simulator inside this process.
    pub(super) fn simulator(settings: &Settings, clock: Clock) -> Result<Self, Failure> {
        let seed = settings.dispatch.seed.unwrap_or_default();
        let settings_of_it = SimulatorSettings {
            instance: fastrand::u64(1..),
            ..SimulatorSettings::lively(seed)
        };
        let simulator = Simulator::start(settings_of_it).map_err(|error| {
            Failure::internal(
                "the simulator cannot be started",
                "check that programs may listen on 127.0.0.1, then try again",
            )
            .because(error.to_string())
        })?;
        let credentials = Credentials::new(Some(SIMULATED_KEY), None)?;
        let passage = Passage::to(&simulator);
        let mut client = client_settings(settings, credentials, clock, &passage);
        client.base_url = simulator.base_url();
        Ok(Self {
            batches: Arc::new(BatchesClient::new(&client)?),
            provider: Arc::new(Pair::alone(MessagesClient::new(&client)?)),
            second: None,
            simulator: Some(simulator),
        })
    }

    /// The way to ask the status page, if one is to be asked: that of the simulator, if there is one.
    ///
    /// # Errors
    ///
    /// The page's address or the certificates cannot be used.
    pub(super) fn status_probe(&self, settings: &Settings) -> Result<Option<StatusProbe>, Failure> {
        let pages = match &self.simulator {
            Some(simulator) if settings.status.enabled => vec![simulator.base_url()],
            // A simulated run never asks the real page.
            Some(_) => Vec::new(),
            None => status_pages(settings),
        };
        if pages.is_empty() {
            return Ok(None);
        }
        let page = StatusPage::new(&pages, &settings.network())?;
        Ok(Some(StatusProbe::new(page)))
    }
}

/// Whether a run with these settings could be sent: better to miss the key, or to learn that a host
/// is refused, before a million lines are read.
///
/// # Errors
///
/// As [`Endpoint::api`] has.
pub(super) fn ready(ctx: &Context, settings: &Settings, clock: Clock) -> Result<(), Failure> {
    let passage = gate::first(ctx, settings)?;
    MessagesClient::new(&api_settings(ctx, settings, clock, &passage)?)?;
    second_client(ctx, settings, clock, ReadBudget::default())?;
    Ok(())
}

/// Remembers what the user has named for a run that is to be stored, so that it may go on with that.
///
/// # Errors
///
/// Keys and prompts may not go there (exit code 2).
pub(super) fn remember(ctx: &Context, settings: &Settings) -> Result<(), Failure> {
    gate::first(ctx, settings)?.remember(ctx);
    Ok(())
}

/// What a client of the API is made from.
///
/// # Errors
///
/// There is no key (exit code 2).
fn api_settings(
    ctx: &Context,
    settings: &Settings,
    clock: Clock,
    passage: &Passage,
) -> Result<ClientSettings, Failure> {
    let credentials = ctx.credentials()?;
    let credentials = if carries_credentials(settings) {
        credentials
    } else {
        credentials.required()?
    };
    Ok(client_settings(settings, credentials, clock, passage))
}

/// A client of the Batches API at the base URL in force.
///
/// # Errors
///
/// Keys may not go there, there is no key, or the settings make no client (exit code 2).
pub(super) fn batches_client(
    ctx: &Context,
    settings: &Settings,
    clock: Clock,
) -> Result<BatchesClient, Failure> {
    let passage = gate::first(ctx, settings)?;
    let client = BatchesClient::new(&api_settings(ctx, settings, clock, &passage)?)?;
    passage.announce(ctx);
    Ok(client)
}

/// The status pages to ask: the user's, or those of the first-party API for that API alone; none if
/// they are switched off.
pub(super) fn status_pages(settings: &Settings) -> Vec<String> {
    let status = &settings.status;
    let first_party =
        || BaseUrl::parse(settings.api.base_url.expose()).is_ok_and(|base| base.is_first_party());
    match &status.url {
        _ if !status.enabled => Vec::new(),
        Some(url) => vec![url.expose().to_owned()],
        // The API's page says nothing of a gateway.
        None if first_party() => STATUS_PAGES.map(str::to_owned).to_vec(),
        None => Vec::new(),
    }
}

/// The price table in use: ours, overridden by the user's.
pub(super) fn prices(settings: &Settings) -> Result<PriceTable, Failure> {
    let ours = PriceTable::embedded();
    let Some(path) = &settings.prices.file else {
        return Ok(ours);
    };
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(
            format!("the price table {shown} cannot be read"),
            "correct `[prices] file` in the configuration, or take it out to use the built-in prices",
        )
        .because(in_plain_words(&error))
    })?;
    let theirs = PriceTable::parse(&text, &shown).map_err(|error| {
        Failure::usage(
            format!("{shown}:{}:{}: the price table cannot be used", error.line, error.column),
            "correct it, or take `[prices] file` out of the configuration to use the built-in prices",
        )
        .because(error.reason)
    })?;
    Ok(ours.overridden_by(theirs))
}

/// What the dispatcher goes by.
pub(super) fn engine_settings(
    settings: &Settings,
    run: &Run,
    endpoint: &Endpoint,
) -> Result<EngineSettings, Failure> {
    Ok(EngineSettings {
        heartbeat: Heartbeat::default(),
        concurrency: settings.dispatch.concurrency.0,
        stagger: settings.dispatch.stagger.0,
        limits: LimitSettings {
            ceilings: Ceilings {
                rpm: settings.limits.rpm.map(|n| n.0),
                itpm: settings.limits.itpm.map(|n| n.0),
                otpm: settings.limits.otpm.map(|n| n.0),
            },
            budget: settings.limits.budget_usd.map(|amount| amount.0),
            budget_rule: BudgetRule {
                strict: settings.limits.budget_strict,
                assume_searches: settings.limits.budget_assume_searches.map(|n| n.0),
            },
            only_between: settings.limits.only_between.clone().map(|window| window.0),
            cache_warm: settings.limits.cache_warm == AutoOrOff::Auto,
            // Whoever dispatches chooses them.
            cache_prefixes: Arc::default(),
        },
        retry: retry_settings(settings, run.simulated)?,
        timeout: settings.dispatch.timeout.0,
        amend: AmendSettings {
            on_truncated: settings.dispatch.on_truncated,
            fallback_models: settings.fallback.model_ids(),
        },
        stream: settings.dispatch.stream,
        grace: settings.dispatch.grace.0,
        prices: Arc::new(prices(settings)?),
        seed: settings.dispatch.seed,
        after_halt: run.state == RunState::Halted,
        on_halt: settings.dispatch.on_halt,
        batch: BatchOptions {
            settings: settings.batch.to_policy(),
            lane: settings.dispatch.lane.forced(),
            deadline: settings.deadline,
            no_wait: false,
        },
        second: endpoint.second.clone(),
        status: endpoint.status_probe(settings)?,
    })
}

/// When and how often failed attempts are repeated; a simulated run waits less.
pub(super) fn retry_settings(
    settings: &Settings,
    simulated: bool,
) -> Result<RetrySettings, Failure> {
    let retry = &settings.retry;
    let mut waits = Waits::default();
    let mut max_attempts_of = BTreeMap::new();
    for (class, table) in &retry.classes {
        if let Some(list) = &table.waits {
            waits.set(*class, list.0.clone()).map_err(|error| {
                Failure::usage(error.to_string(), "correct the waits in the configuration")
            })?;
        }
        if let Some(most) = table.max_attempts {
            max_attempts_of.insert(*class, most.0);
        }
    }
    Ok(RetrySettings {
        max_attempts: retry.max_attempts.0,
        max_attempts_of,
        scale: retry_scale(settings, simulated),
        waits,
        give_up_after: retry.give_up_after.map(|wait| wait.0),
        by: retry.by,
        ..RetrySettings::default()
    })
}

/// What waits are multiplied by.
pub(super) fn retry_scale(settings: &Settings, simulated: bool) -> f64 {
    if scales_down(settings, simulated) {
        SIMULATED_RETRY_SCALE
    } else {
        settings.retry.scale.0
    }
}

/// Whether a simulated run shortens its own waits: unless the user set the scale.
pub(super) fn scales_down(settings: &Settings, simulated: bool) -> bool {
    // A scale that the user names is meant, for a simulated run too.
    simulated && *settings.origin("retry.scale") == Origin::Default
}

#[cfg(test)]
mod tests {
    use super::{STATUS_PAGES, status_pages};
    use crate::cli::settings::tests::Given;

    #[test]
    fn the_status_page_is_the_user_s_or_that_of_the_first_party_api() {
        let own = "[status]\nurl = \"https://status.test/\"\n";
        let off = "[status]\nenabled = false\nurl = \"https://status.test/\"\n";
        let gateway: &[_] = &[("ANTHROPIC_BASE_URL", "https://gate.test")];
        for (file, env, pages) in [
            ("", &[][..], STATUS_PAGES.to_vec()),
            ("", gateway, vec![]),
            (own, &[][..], vec!["https://status.test"]),
            (own, gateway, vec!["https://status.test"]),
            (off, &[][..], vec![]),
        ] {
            let line = "status";
            let settings = Given { line, file, env }.settings().unwrap();
            assert_eq!(status_pages(&settings), pages, "{file} {env:?}");
        }
    }
}
