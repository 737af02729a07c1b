//! The one gate before every client of an endpoint: may keys and prompts go there?
//!
//! A client is made from a [`Passage`], and only this module makes one. The decision is a function of
//! values (`judge`); around it stand what is remembered, and the line on standard error that says
//! where requests go. Nothing is resolved or connected before the gate is passed.

use std::path::{Path, PathBuf};

use super::{KnownBundle, KnownHost};
use crate::cli::context::Context;
use crate::cli::failure::{Failure, in_plain_words};
use crate::cli::settings::{Origin, Setting, Settings};
use crate::cli::values;
use crate::clock::Clock;
use crate::provider::BaseUrl;
use crate::simulator::Simulator;

/// The proof that keys and prompts may go to an endpoint, and what is to be said and remembered of it.
#[derive(Debug)]
pub struct Passage {
    /// The line that says where requests go, for every host but the API's own.
    line: Option<String>,
    host: Option<KnownHost>,
    bundle: Option<KnownBundle>,
}

impl Passage {
    /// To a simulator inside this process: nothing leaves it.
    #[must_use]
    pub fn to(_simulator: &Simulator) -> Self {
        Self::free()
    }

    /// Nothing is to be said or remembered of it.
    fn free() -> Self {
        Self {
            line: None,
            host: None,
            bundle: None,
        }
    }

    /// Says where requests go, once in a process, and remembers what the user has named.
    pub fn announce(&self, ctx: &Context) {
        if let Some(line) = &self.line
            && ctx.trust.is_news(line)
            && !is_silenced(ctx)
        {
            ctx.console.insist(line);
        }
        self.remember(ctx);
    }

    /// Remembers what the user has named, so that a stored run may go on with it. That it cannot be
    /// kept is no reason not to go on: the user has named it now.
    pub fn remember(&self, ctx: &Context) {
        let memory = ctx.trust.memory();
        let host = self
            .host
            .as_ref()
            .map(|host| (&host.root, memory.keep(host)));
        let bundle = self
            .bundle
            .as_ref()
            .map(|bundle| (&bundle.ca_bundle, memory.keep(bundle)));
        for (name, kept) in host.into_iter().chain(bundle) {
            let Err(error) = kept else { continue };
            let note = format!(
                "{name} could not be remembered ({}): name it again when a stored run goes on",
                in_plain_words(&error)
            );
            if ctx.trust.is_news(&note) {
                ctx.console.note(note);
            }
        }
    }
}

/// `--quiet` is the user's own word; the one of a file that was merely found is not.
fn is_silenced(ctx: &Context) -> bool {
    let file = ctx.layers.file.as_ref();
    let of_stranger = matches!(ctx.settings.origin("output.quiet"), Origin::File(..))
        && file.is_none_or(|file| !file.standing.is_trusted());
    ctx.settings.output.quiet && !of_stranger
}

/// The way to the first endpoint.
///
/// # Errors
///
/// Keys and prompts may not go there (exit code 2).
pub fn first(ctx: &Context, settings: &Settings) -> Result<Passage, Failure> {
    let bundle = settings.with_origin("api.ca_bundle", settings.api.ca_bundle.clone());
    let bundle = self::bundle(ctx, &bundle)?;
    let url = settings.with_origin("api.base_url", settings.api.base_url.clone());
    let passage = way(ctx, settings, &url, "")?;
    Ok(Passage { bundle, ..passage })
}

/// The way to the second endpoint, if there is one. Only files that the user trusts name one.
///
/// # Errors
///
/// Keys and prompts may not go there (exit code 2).
pub fn second(ctx: &Context, settings: &Settings) -> Result<Option<Passage>, Failure> {
    let Some(url) = &settings.fallback.endpoint.base_url else {
        return Ok(None);
    };
    let url = settings.with_origin("fallback.endpoint.base_url", url.clone());
    way(ctx, settings, &url, " (second endpoint)").map(Some)
}

fn way(
    ctx: &Context,
    settings: &Settings,
    url: &Setting<values::HttpUrl>,
    role: &str,
) -> Result<Passage, Failure> {
    let root = BaseUrl::parse(url.value.expose())?;
    let known: Option<KnownHost> = ctx.trust.memory().recall(root.as_str());
    let in_force = ctx.settings.api.base_url.clone();
    let in_force = ctx.settings.with_origin("api.base_url", in_force);
    let is_in_force =
        BaseUrl::parse(in_force.value.expose()).is_ok_and(|named| named.as_str() == root.as_str());
    let verdict = judge(&Destination {
        root: &root,
        origin: &url.origin,
        is_in_force,
        known: known.as_ref(),
        insecure_http: settings.api.insecure_http,
    });
    match verdict {
        Verdict::Api => Ok(Passage::free()),
        Verdict::Stranger => Err(stranger(&root)),
        Verdict::Unencrypted => Err(unencrypted(&root, &url.origin)),
        Verdict::Go { is_news, in_clear } => {
            let host = KnownHost {
                root: root.as_str().to_owned(),
                insecure_http: in_clear,
                named_by: words_of(&url.origin),
                at: Clock::system().now(),
            };
            let clear = if in_clear {
                "; they are not encrypted"
            } else {
                ""
            };
            let line = format!(
                "requests go to {}, from {}{role}{}{clear}",
                root.place(),
                words_of(&url.origin),
                passed_over(url, &in_force, is_in_force),
            );
            Ok(Passage {
                line: Some(line),
                host: is_news.then_some(host),
                bundle: None,
            })
        }
    }
}

/// A run's own host comes before what is in force now, but not in silence.
fn passed_over(
    url: &Setting<values::HttpUrl>,
    in_force: &Setting<values::HttpUrl>,
    is_in_force: bool,
) -> String {
    if url.origin != Origin::Run || in_force.origin == Origin::Default || is_in_force {
        return String::new();
    }
    format!(" (and not to {}, from {})", in_force.value, in_force.origin)
}

fn words_of(origin: &Origin) -> String {
    match origin {
        Origin::Run => "the run".to_owned(),
        other => other.to_string(),
    }
}

/// What the decision is made of.
struct Destination<'a> {
    root: &'a BaseUrl,
    origin: &'a Origin,
    /// Whether flag, variable or file name the same now.
    is_in_force: bool,
    known: Option<&'a KnownHost>,
    insecure_http: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It is the API itself, encrypted.
    Api,
    /// The user has named it.
    Go {
        /// Whether it is to be remembered.
        is_news: bool,
        /// Whether it goes unencrypted to another machine.
        in_clear: bool,
    },
    /// Only the store names it.
    Stranger,
    /// Keys would go in clear to another machine, and nobody has allowed it.
    Unencrypted,
}

fn judge(asked: &Destination<'_>) -> Verdict {
    if asked.root.is_the_api() {
        return Verdict::Api;
    }
    let is_named = *asked.origin != Origin::Run || asked.is_in_force || asked.known.is_some();
    if !is_named {
        return Verdict::Stranger;
    }
    let in_clear = !asked.root.is_https() && !asked.root.is_loopback();
    let was_allowed = asked.known.is_some_and(|known| known.insecure_http);
    if in_clear && !asked.insecure_http && !was_allowed {
        return Verdict::Unencrypted;
    }
    Verdict::Go {
        is_news: asked.known.is_none() || (in_clear && !was_allowed),
        in_clear,
    }
}

fn stranger(root: &BaseUrl) -> Failure {
    Failure::usage(
        format!("nothing is sent to {}: only the stored run names it", root.place()),
        format!(
            "if it is right, name it once with `claude-run resume --base-url {}` or ANTHROPIC_BASE_URL; if not, give the address that you want",
            root.as_str()
        ),
    )
    .because("you have not named this host before, and whoever made the store may have written it there")
}

fn unencrypted(root: &BaseUrl, origin: &Origin) -> Failure {
    Failure::usage(
        format!("nothing is sent to {}, from {}: http:// is not encrypted", root.place(), words_of(origin)),
        "use https://; in a network that you trust, allow it with --insecure-http, CLAUDE_RUN_INSECURE_HTTP=1 or `[api] insecure_http = true`",
    )
    .because("it is not this machine, and whoever is on the way could read the key and the prompts")
}

/// The certificates that a run brings are those of whoever made the store, unless the user has named
/// the file: with them, anybody on the way could pass for the API.
fn bundle(
    ctx: &Context,
    bundle: &Setting<Option<PathBuf>>,
) -> Result<Option<KnownBundle>, Failure> {
    let Some(path) = &bundle.value else {
        return Ok(None);
    };
    let shown = path.display().to_string();
    let is_known = ctx.trust.memory().recall::<KnownBundle>(&shown).is_some();
    let entry = KnownBundle {
        ca_bundle: shown.clone(),
        at: Clock::system().now(),
    };
    // Somebody else may have written it: no control sequence of it reaches the terminal.
    let shown = shown.escape_debug();
    match bundle.origin {
        Origin::Flag(_) => Ok((!is_known).then_some(entry)),
        Origin::Run if !is_known && !is_in_force(ctx, path) => Err(Failure::usage(
            format!("nothing is sent: only the stored run names the certificates of {shown}"),
            format!("if they are right, name them once with `claude-run resume --ca-bundle {shown}`; if not, name those that you want"),
        )
        .because("you have not named this file before, and whoever made the store could pass for the API with it")),
        _ => Ok(None),
    }
}

fn is_in_force(ctx: &Context, path: &Path) -> bool {
    let named = ctx.settings.api.ca_bundle.as_deref();
    named.is_some_and(|named| std::path::absolute(named).is_ok_and(|named| named == path))
}

#[cfg(test)]
mod tests;
