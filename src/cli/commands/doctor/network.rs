//! The way to the endpoint below HTTP: base URL, proxy, name resolution, TCP.

use std::time::Duration;

use super::finding::Finding;
use crate::cli::context::Context;
use crate::cli::trust::{Passage, gate};
use crate::provider::{BaseUrl, ProxyServer, connect, resolve};

/// Addresses that are listed; large services have many.
const MAX_ADDRESSES: usize = 4;

/// The base URL with the way to it, and what is to be said of it. None if keys may not go there: then
/// nothing goes there, no name is resolved and no connection opened.
pub(super) fn base_url(ctx: &Context) -> (Option<(BaseUrl, Passage)>, Finding) {
    const NAME: &str = "base_url";
    let base = match BaseUrl::parse(ctx.settings.api.base_url.expose()) {
        Ok(base) => base,
        Err(error) => return (None, Finding::from_failure(NAME, &error.into())),
    };
    let passage = match gate::first(ctx, &ctx.settings) {
        Ok(passage) => passage,
        Err(failure) => return (None, Finding::from_failure(NAME, &failure)),
    };
    let shown = format!(
        "{} ({})",
        base.as_str(),
        ctx.settings.origin("api.base_url")
    );
    let finding = if !base.is_https() && !base.is_loopback() {
        Finding::warning(
            NAME,
            format!("{shown} is not encrypted: key and prompts can be read on the way"),
            "Use https:// if the endpoint has it.",
        )
    } else if base.note().is_some() {
        let remedy = "Give the root without /v1; what follows it is removed.";
        Finding::warning(NAME, shown, remedy)
    } else {
        Finding::ok(NAME, shown)
    };
    (Some((base, passage)), finding)
}

/// The proxy for the base URL, if there is one, as the client itself goes by it.
/// An error if one is named that cannot be used: then nothing goes out, not even without it.
pub(super) fn proxy(ctx: &Context, base: &BaseUrl) -> (Result<Option<ProxyServer>, ()>, Finding) {
    const NAME: &str = "proxy";
    let proxy = match ctx.settings.proxies.proxy_for(base) {
        Ok(proxy) => proxy,
        Err(error) => return (Err(()), Finding::from_failure(NAME, &error.into())),
    };
    let found = match &proxy {
        Some(proxy) => format!("{proxy} ({})", proxy.variable()),
        None if base.is_loopback() => "none for this machine itself".to_owned(),
        None => "none for this base URL".to_owned(),
    };
    (Ok(proxy), Finding::ok(NAME, found))
}

const NAMES: [&str; 2] = ["name_resolution", "tcp"];

/// The same where the way is barred.
pub(super) fn no_way() -> Vec<Finding> {
    NAMES.map(not_reached).into()
}

/// Name resolution, then TCP, to whatever the first connection goes to. True if it was opened.
pub(super) async fn way((host, port): (&str, u16), limit: Duration) -> (bool, Vec<Finding>) {
    let addresses = match resolve(host, port, limit).await {
        Ok(addresses) => addresses,
        Err(error) => {
            let remedy =
                "Check the network, the DNS settings, the proxy variables and the base URL.";
            let failed = [
                Finding::failed(NAMES[0], format!("{host}: {error}"), remedy),
                not_reached(NAMES[1]),
            ];
            return (false, failed.into());
        }
    };
    let shown: Vec<_> = addresses
        .iter()
        .take(MAX_ADDRESSES)
        .map(|a| a.ip().to_string())
        .collect();
    let more = addresses.len().saturating_sub(MAX_ADDRESSES);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let resolved = Finding::ok(NAMES[0], format!("{host}: {}{more}", shown.join(", ")));
    let connected = match connect(&addresses, limit).await {
        Ok((peer, took)) => Finding::ok(
            NAMES[1],
            format!("{peer} answers after {} ms", took.as_millis()),
        ),
        Err(error) => {
            let found = format!("{host} port {port}: {error}");
            let remedy = "Check that the endpoint or proxy runs, and that no firewall is in between; behind a proxy set HTTPS_PROXY.";
            return (
                false,
                vec![resolved, Finding::failed(NAMES[1], found, remedy)],
            );
        }
    };
    (true, vec![resolved, connected])
}

/// A check that needs a step which failed before it.
pub(super) fn not_reached(name: &'static str) -> Finding {
    Finding::skipped(name, "not checked: the endpoint was not reached")
}
