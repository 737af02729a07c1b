//! `claude-run config trust`: which config files and hosts the user trusts.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::args::TrustArgs;
use crate::cli::config_file::{self, FILE_NAME, LoadedFile, Standing};
use crate::cli::console::Console;
use crate::cli::environment::Environment;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, in_plain_words};
use crate::cli::output::Out;
use crate::cli::settings::{InFile, Layers, keys};
use crate::cli::trust::{KnownBundle, KnownHost, Memory, TrustedFile, fingerprint, remembered_as};
use crate::clock::Clock;
use crate::provider::BaseUrl;

/// Accepts a config file as it is now, takes that back, or shows what was accepted.
pub fn trust(args: &TrustArgs, env: &Environment, console: &Console) -> Result<Exit, Failure> {
    let memory = Memory::of(env);
    let what = args.what.as_deref();
    if args.list {
        list(&memory, args.json, Out::stdout())?;
    } else if args.revoke {
        revoke(&memory, what, console)?;
    } else {
        accept(&memory, &file(what), console)?;
    }
    Ok(Exit::Success)
}

fn file(what: Option<&str>) -> PathBuf {
    what.map_or_else(|| Path::new(".").join(FILE_NAME), PathBuf::from)
}

fn accept(memory: &Memory, path: &Path, console: &Console) -> Result<(), Failure> {
    let text = config_file::read_found(path)?;
    // What is wrong with it is told now, and not at the next command.
    let loaded = config_file::parse_as(path, &text, Standing::Trusted)?;
    let names_prices = loaded.has("prices.file");
    if !names_prices && config_file::parse_as(path, &text, Standing::Found).is_ok() {
        console.note(format!(
            "{} needs no trust: it does not say where keys and prompts go",
            path.display()
        ));
        return Ok(());
    }
    let Some(name) = remembered_as(path) else {
        return Err(gone(path));
    };
    let entry = TrustedFile {
        path: name,
        blake3: fingerprint(&text),
        at: Clock::system().now(),
    };
    memory
        .keep(&entry)
        .map_err(|error| cannot_keep(memory, &error))?;
    console.note(format!(
        "{} is trusted as it is now, with:\n{}",
        entry.path,
        said(loaded)?
    ));
    Ok(())
}

/// What the file says that only a trusted one may say, with its lines.
fn said(loaded: LoadedFile) -> Result<String, Failure> {
    let layers = Layers {
        file: Some(loaded),
        ..Layers::default()
    };
    let settings = layers.settings(None)?;
    let is_guarded = |name: &str| {
        let file = keys::find(name).map(|key| key.file);
        matches!(file, Some(InFile::Trusted | InFile::Inside)) || name == "prices.file"
    };
    let rows = settings.rows().into_iter();
    let rows = rows
        .filter(|row| is_guarded(&row.key))
        .filter_map(|row| match row.origin {
            crate::cli::settings::Origin::File(_, line) => {
                Some(format!("  line {line}: {} = {}", row.key, row.value))
            }
            _ => None,
        });
    Ok(rows.collect::<Vec<_>>().join("\n"))
}

fn revoke(memory: &Memory, what: Option<&str>, console: &Console) -> Result<(), Failure> {
    let cannot = |error| cannot_keep(memory, &error);
    if let Some(address) = what.filter(|what| what.contains("://")) {
        let root = BaseUrl::parse(address)?;
        let forgotten = memory.forget::<KnownHost>(root.as_str()).map_err(cannot)?;
        let said = if forgotten {
            "is forgotten"
        } else {
            "was not remembered"
        };
        console.note(format!("{} {said}", root.as_str()));
        return Ok(());
    }
    let names = names_of(&file(what));
    let mut forgotten = Vec::new();
    for name in &names {
        let file = memory.forget::<TrustedFile>(name).map_err(cannot)?;
        let bundle = memory.forget::<KnownBundle>(name).map_err(cannot)?;
        forgotten.extend((file || bundle).then_some(name));
    }
    for name in &forgotten {
        console.note(format!("{name} is no longer trusted"));
    }
    if forgotten.is_empty() {
        let name = names.first().map(String::as_str).unwrap_or_default();
        console.note(format!("{name} was not trusted"));
    }
    Ok(())
}

/// The names that a file may be remembered by: its own, links followed; the one that it had where it
/// lies, if a link stands there now; and the one that was typed, if it is gone.
fn names_of(path: &Path) -> Vec<String> {
    let lies = || {
        let full = std::path::absolute(path).ok()?;
        let folder = full.parent()?.canonicalize().ok()?;
        folder.join(full.file_name()?).to_str().map(str::to_owned)
    };
    let typed = || std::path::absolute(path).ok()?.to_str().map(str::to_owned);
    let mut names: Vec<String> = Vec::new();
    for name in [remembered_as(path), lies(), typed()].into_iter().flatten() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn list(memory: &Memory, json: bool, mut out: Out) -> Result<(), Failure> {
    let files = memory.all::<TrustedFile>().into_iter().map(|file| {
        let line = format!("file  {}  (trusted {})", file.path, day(file.at));
        (
            json!({"kind": "file", "path": file.path, "blake3": file.blake3, "at": file.at}),
            line,
        )
    });
    let hosts = memory.all::<KnownHost>().into_iter().map(|host| {
        let clear = if host.insecure_http { ", http:// allowed" } else { "" };
        let line = format!("host  {}  ({} {}{clear})", host.root, host.named_by, day(host.at));
        (json!({"kind": "host", "root": host.root, "insecure_http": host.insecure_http, "named_by": host.named_by, "at": host.at}), line)
    });
    let bundles = memory.all::<KnownBundle>().into_iter().map(|bundle| {
        let line = format!(
            "certificates  {}  (named {})",
            bundle.ca_bundle,
            day(bundle.at)
        );
        (
            json!({"kind": "ca_bundle", "path": bundle.ca_bundle, "at": bundle.at}),
            line,
        )
    });
    for (object, line) in files.chain(hosts).chain(bundles) {
        if json {
            out.json(&object)?;
        } else {
            out.line(line)?;
        }
    }
    out.finish()
}

fn day(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

fn gone(path: &Path) -> Failure {
    Failure::usage(
        format!("the config file {} cannot be read", path.display()),
        "correct the path",
    )
}

fn cannot_keep(memory: &Memory, error: &std::io::Error) -> Failure {
    let folder = memory.folder();
    let what = match folder {
        Some(folder) => format!("the state folder {} cannot be written", folder.display()),
        None => "nothing can be remembered".to_owned(),
    };
    let next = "set HOME or XDG_STATE_HOME to a folder of yours that can be written, or name the config file with --config or CLAUDE_RUN_CONFIG, which needs no trust";
    let failure = match folder {
        Some(_) => Failure::internal(what, next),
        None => Failure::usage(what, next),
    };
    failure.because(in_plain_words(error))
}
