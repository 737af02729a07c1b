//! `claude-run doctor`: what is in order, what is not, and what to do about it.
//!
//! Owns the list of checks and their order, which is that in which a request meets what they look
//! at. Each check is a function that returns a [`Finding`]; none changes anything, and each has a
//! limit of time, so that the whole ends within 20 s whatever hangs. Nothing found holds a secret.
//!
//! ```text
//! finding, render         what a check says, for programs and for people
//! credential              what the environment holds
//! network, api, send      the way to the endpoint, the endpoint, one real message
//! second                  the endpoint that takes the place of the first
//! page                    the status page
//! store, machine          this side
//! bundle                  a file for a support ticket
//! ```

mod api;
mod bundle;
mod credential;
mod finding;
mod machine;
mod network;
mod page;
mod render;
mod second;
mod send;
mod store;

use std::time::Duration;

use crate::cli::args::DoctorArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Out;
use crate::cli::trust::Passage;
use crate::clock::Clock;
use crate::provider::{BaseUrl, MessagesClient, ProxyServer};

use super::client_settings::client_settings;
use super::endpoint::prices;

pub use finding::{DoctorReport, Finding, Level};

/// How long each step may take. The steps of the way to the endpoint follow each other; the
/// status page and the store are looked at meanwhile.
#[derive(Clone, Copy, Debug)]
struct TimeLimits {
    /// Name resolution, and TCP, each.
    step: Duration,
    /// The list of models.
    models: Duration,
    /// The message of `--send`.
    message: Duration,
    /// The check of the store's file.
    store: Duration,
}

/// Together below 20 s.
const LIMITS: TimeLimits = TimeLimits {
    step: Duration::from_secs(3),
    models: Duration::from_secs(6),
    message: Duration::from_secs(7),
    store: Duration::from_secs(15),
};

/// Checks everything and says what was found (exit code 0, or 1 if something failed).
pub async fn doctor(ctx: &Context, args: &DoctorArgs) -> Result<Exit, Failure> {
    let report = DoctorReport::new(examine(ctx, args.send, LIMITS).await);
    if let Some(path) = &args.bundle {
        bundle::write(ctx, &report, path).await?;
        ctx.console.note(format!(
            "{} holds what a support ticket needs: no secret, no prompt, no answer",
            path.display()
        ));
    }
    show(&report, args.json, Out::stdout())
}

/// The same when the settings cannot be read, so that there is nothing to check with.
pub fn doctor_without_settings(args: &DoctorArgs, failure: &Failure) -> Result<Exit, Failure> {
    show(&without_settings(failure), args.json, Out::stdout())
}

fn without_settings(failure: &Failure) -> DoctorReport {
    DoctorReport::new(vec![Finding::from_failure(CONFIGURATION, failure)])
}

fn show(report: &DoctorReport, json: bool, mut out: Out) -> Result<Exit, Failure> {
    if json {
        out.json(report)?;
    } else {
        out.line(render::text(report))?;
    }
    out.finish()?;
    Ok(match report.level {
        Level::Failed => Exit::Internal,
        Level::Skipped | Level::Ok | Level::Warning => Exit::Success,
    })
}

async fn examine(ctx: &Context, send: bool, limits: TimeLimits) -> Vec<Finding> {
    let settings = &ctx.settings;
    // Side by side, so that the whole takes as long as its slowest part.
    let (remote, second, page, store) = tokio::join!(
        remote(ctx, send, limits),
        second::check(ctx, limits),
        page::check(ctx),
        store::check(&settings.store.path, limits.store),
    );
    let mut findings = vec![configuration(ctx)];
    findings.extend(credential::check(ctx));
    findings.extend(remote);
    findings.extend(second);
    findings.push(page);
    findings.extend(store);
    findings.push(machine::check(settings.dispatch.concurrency.0));
    findings
}

const CONFIGURATION: &str = "configuration";

/// It was read, or there would be no context.
fn configuration(ctx: &Context) -> Finding {
    let found = match &ctx.settings.config {
        Some(path) => path.display().to_string(),
        None => "no config file; defaults, environment and flags".to_owned(),
    };
    Finding::ok(CONFIGURATION, found)
}

/// The way to the endpoint and the endpoint itself.
async fn remote(ctx: &Context, send: bool, limits: TimeLimits) -> Vec<Finding> {
    let (base, finding) = network::base_url(ctx);
    let mut findings = vec![finding];
    let Some((base, passage)) = base else {
        return findings;
    };
    passage.announce(ctx);
    let (proxy, finding) = network::proxy(ctx, &base);
    findings.push(finding);
    let Ok(proxy) = proxy else {
        findings.extend(network::no_way());
        findings.extend(api::unreached(&base));
        return findings;
    };
    // Behind a proxy the endpoint's name is for the proxy to resolve.
    let first_hop = proxy.as_ref().map(ProxyServer::host_and_port);
    let first_hop = first_hop.unwrap_or_else(|| base.host_and_port());
    let (reached, way) = network::way(first_hop, limits.step).await;
    findings.extend(way);
    let client = match client(ctx, &passage) {
        // What could not be reached needs no second timeout.
        Ok(_) if !reached => None,
        made => Some(made),
    };
    findings.extend(endpoint(ctx, &base, client, send, limits).await);
    findings
}

async fn endpoint(
    ctx: &Context,
    base: &BaseUrl,
    client: Option<Result<MessagesClient, Failure>>,
    send: bool,
    limits: TimeLimits,
) -> Vec<Finding> {
    let clock = Clock::system();
    let client = match client {
        Some(Ok(client)) => client,
        Some(Err(failure)) => return api::without_client(&failure),
        None => return api::unreached(base),
    };
    let reply = client.models(limits.models).await;
    let mut findings = api::findings(base, &reply, clock.now());
    if send {
        let listed = reply.result.unwrap_or_default();
        findings.push(match prices(&ctx.settings) {
            Ok(prices) => send::check(&client, &prices, &listed, clock, limits.message).await,
            Err(failure) => Finding::from_failure("message", &failure),
        });
    }
    findings
}

/// A client with whatever credentials can be sent: without any, the endpoint still tells of itself.
fn client(ctx: &Context, passage: &Passage) -> Result<MessagesClient, Failure> {
    // A key that cannot be sent has a finding of its own; the way is tested without one.
    let credentials = ctx.credentials().unwrap_or_default();
    let settings = client_settings(&ctx.settings, credentials, Clock::system(), passage);
    Ok(MessagesClient::new(&settings)?)
}

#[cfg(test)]
mod tests;
