//! The endpoint itself: TLS, its clock, whether it takes the key, and what it tells of limits.
//!
//! One request, `GET /v1/models`, tells all of it.

use jiff::Timestamp;

use super::finding::{Finding, remedy_of};
use super::network::not_reached;
use crate::model::{ErrorClass, RateLimits, Treatment};
use crate::progress::thousands;
use crate::provider::{BaseUrl, Broken, Failure, ModelsReply};

/// The names of the checks here, in order.
const NAMES: [&str; 4] = ["tls", "clock", "authentication", "limits"];

/// Retry times are compared with dates of the server; a few seconds are the network's.
const SKEW_NOTICED_S: i64 = 5;
/// From here on times in the ledger mislead, and short-lived tokens fail.
const SKEW_HARMFUL_S: i64 = 60;
/// From here on certificates and tokens are taken for expired, or not yet valid.
const SKEW_BREAKING_S: i64 = 60 * 60;

/// Everything that the reply tells. `now` is our own time when it came.
pub(super) fn findings(base: &BaseUrl, reply: &ModelsReply, now: Timestamp) -> Vec<Finding> {
    vec![
        tls(base, reply),
        clock(reply, now),
        authentication(base, reply),
        limits(reply),
    ]
}

/// The same checks of an endpoint that was not reached.
pub(super) fn unreached(base: &BaseUrl) -> Vec<Finding> {
    let mut findings = Vec::from(NAMES.map(not_reached));
    if !base.is_https() {
        findings[0] = without_tls();
    }
    findings
}

/// The same checks when no client could be made.
pub(super) fn without_client(failure: &crate::cli::failure::Failure) -> Vec<Finding> {
    let mut findings = Vec::from(NAMES.map(not_reached));
    findings[0] = Finding::from_failure(NAMES[0], failure);
    findings
}

fn without_tls() -> Finding {
    Finding::ok(NAMES[0], "none: the base URL begins with http://")
}

fn tls(base: &BaseUrl, reply: &ModelsReply) -> Finding {
    let name = NAMES[0];
    if !base.is_https() {
        return without_tls();
    }
    if reply.status.is_some() {
        let took = reply.latency.as_millis();
        return Finding::ok(
            name,
            format!("certificate accepted; answer after {took} ms"),
        );
    }
    let said = reply
        .result
        .as_ref()
        .err()
        .map_or_else(String::new, |failure| words(failure));
    let remedy = match reply.broken {
        Some(Broken::Certificate) => {
            "If a company proxy inspects traffic, give its certificate with --ca-bundle FILE; else check the clock and the system's CA certificates (package ca-certificates)."
        }
        Some(Broken::ProxyLogin) => "Give user and password in the variable that names the proxy.",
        _ => {
            "Check that the endpoint speaks TLS on this port, and what stands in between (proxy, firewall)."
        }
    };
    Finding::failed(name, said, remedy)
}

fn clock(reply: &ModelsReply, now: Timestamp) -> Finding {
    let name = NAMES[1];
    let Some(date) = reply.date else {
        return match reply.status {
            Some(_) => Finding::ok(name, "not compared: the answer had no date"),
            None => not_reached(name),
        };
    };
    let ahead = now.as_second() - date.as_second();
    let skew = ahead.abs();
    if skew <= SKEW_NOTICED_S {
        return Finding::ok(name, format!("within {SKEW_NOTICED_S} s of the server's"));
    }
    let direction = if ahead > 0 { "ahead of" } else { "behind" };
    let found = format!(
        "{} s {direction} the server's",
        thousands(skew.unsigned_abs())
    );
    let remedy = "Set the clock, or switch time synchronisation on (NTP).";
    if skew > SKEW_BREAKING_S {
        let found = format!("{found}: certificates and tokens seem expired, or not yet valid");
        return Finding::failed(name, found, remedy);
    }
    let found = if skew > SKEW_HARMFUL_S {
        format!("{found}: tokens may seem expired, and times in the ledger mislead")
    } else {
        found
    };
    Finding::warning(name, found, remedy)
}

fn authentication(base: &BaseUrl, reply: &ModelsReply) -> Finding {
    authentication_as(NAMES[2], base, reply)
}

/// The same as a check of that name: whether the endpoint answers and takes the key.
pub(super) fn authentication_as(
    name: &'static str,
    base: &BaseUrl,
    reply: &ModelsReply,
) -> Finding {
    let failure = match &reply.result {
        Ok(models) if models.is_empty() => {
            let remedy = "Check which models the key's workspace allows (Console, Workspaces).";
            return Finding::warning(name, "accepted, but no model is listed", remedy);
        }
        Ok(models) => {
            let count = thousands(models.len() as u64);
            return Finding::ok(name, format!("accepted; {count} models listed"));
        }
        Err(failure) => failure,
    };
    let said = words(failure);
    // Without an answer there was no login to judge.
    if reply.status.is_none() {
        let remedy = remedy_of(ErrorClass::Unreachable, &said);
        return Finding::failed(name, said, remedy);
    }
    // Many gateways serve messages alone.
    if !base.is_first_party() && lacks_model_list(reply, failure) {
        let found = format!("not tested: the endpoint has no list of models ({said})");
        return Finding::warning(
            name,
            found,
            "`claude-run doctor --send` tests it with a message.",
        );
    }
    let remedy = remedy_of(failure.class, &said);
    // A server in trouble says nothing of the key.
    let is_theirs = failure.class.treatment() == Treatment::Retry;
    if is_theirs && failure.class != ErrorClass::BadResponse {
        return Finding::warning(name, format!("not tested: {said}"), remedy);
    }
    Finding::failed(name, said, remedy)
}

/// Gateways may know messages alone. A page that is no API's at all is another matter.
fn lacks_model_list(reply: &ModelsReply, failure: &Failure) -> bool {
    matches!(reply.status, Some(404 | 405 | 501)) && failure.class != ErrorClass::WrongEndpoint
}

fn limits(reply: &ModelsReply) -> Finding {
    let name = NAMES[3];
    if reply.status.is_none() {
        return not_reached(name);
    }
    match shown_limits(&reply.limits) {
        Some(limits) => Finding::ok(name, limits),
        None => Finding::ok(name, "none told by this answer"),
    }
}

/// Limits as they are bought: by the minute.
pub(super) fn shown_limits(limits: &RateLimits) -> Option<String> {
    let told: Vec<_> = [
        (limits.requests, "requests"),
        (limits.input_tokens, "input tokens"),
        (limits.output_tokens, "output tokens"),
    ]
    .into_iter()
    .filter_map(|(limit, what)| Some(format!("{} {what}", thousands(limit?.limit))))
    .collect();
    (!told.is_empty()).then(|| format!("{} a minute", told.join(", ")))
}

/// Class and message in one line, with the status if there was one.
pub(super) fn words(failure: &Failure) -> String {
    let evidence = &failure.evidence;
    let message = evidence
        .message
        .as_deref()
        .unwrap_or(failure.class.info().meaning);
    match evidence.http_status {
        Some(status) => format!("{} (HTTP {status}): {message}", failure.class),
        None => format!("{}: {message}", failure.class),
    }
}
