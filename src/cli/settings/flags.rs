//! The layer of the flags, and that of the flags stored with a run: they are one type.
//!
//! Which flags there are, their rules and their help, are the fields of [`Options`] that clap sees.
//! A command takes all of them or a few ([`Choice`]).

use std::ffi::OsString;
use std::fmt;
use std::marker::PhantomData;
use std::sync::LazyLock;

use clap::builder::Resettable;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use serde_json::Value;

use super::options::{AREAS, Options};
use super::{shown, variables};

/// The headings of the help, in their order.
const HEADINGS: [&str; 5] = ["Dispatch", "Limits", "Batches", "Retries", "Endpoint"];

/// The options that flags gave.
#[derive(Clone, Default)]
pub struct Flags {
    given: Vec<String>,
    matches: Option<ArgMatches>,
}

impl Flags {
    /// Reads flags by the names of their settings, each with what was written after it.
    ///
    /// # Errors
    ///
    /// What is written is no value of that setting.
    pub(super) fn read(given: Vec<(String, Vec<OsString>)>) -> Result<Self, clap::Error> {
        if given.is_empty() {
            return Ok(Self::default());
        }
        let words = given.iter().flat_map(|(key, texts)| {
            let flag = find(key);
            texts.iter().map(move |text| Some(flag?.word(text)))
        });
        let words: Vec<_> = words.flatten().collect();
        let plain = ALL.iter().map(|flag| flag.arg.clone());
        let command = Command::new("claude-run").no_binary_name(true).args(plain);
        Ok(Self {
            matches: Some(command.try_get_matches_from(words)?),
            given: given.into_iter().map(|(key, _)| key).collect(),
        })
    }

    /// The settings that were given.
    pub fn given(&self) -> impl Iterator<Item = &str> {
        self.given.iter().map(String::as_str)
    }

    /// The settings that were given, with the names of their flags.
    pub(super) fn given_with_names(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.given()
            .filter_map(|key| Some((key, find(key)?.name())))
    }

    /// Whether the setting of that name was given.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.given.iter().any(|given| given == key)
    }

    /// Puts what was given in the place of what is there.
    pub(super) fn lay_over(&self, options: &mut Options) -> Result<(), clap::Error> {
        match &self.matches {
            Some(matches) => options.update_from_arg_matches(matches),
            None => Ok(()),
        }
    }
}

/// Names alone: a value may be a credential, by mistake.
impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.given).finish()
    }
}

/// The flag of a setting.
pub(super) struct Flag {
    /// The name of the setting.
    key: String,
    name: String,
    /// As the field declares it.
    arg: Arg,
}

impl Flag {
    /// The name of the setting.
    #[cfg(test)]
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// With its two hyphens.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// One word of a command line.
    fn word(&self, text: &OsString) -> OsString {
        let mut word = OsString::from(&self.name);
        // A switch takes no value, and `--switch=` would be an error.
        let range = self.arg.get_num_args();
        if range.is_none_or(|range| range.takes_values()) {
            // Joined, since a value may begin with a hyphen.
            word.push("=");
            word.push(text);
        }
        word
    }
}

/// Every flag of a setting.
static ALL: LazyLock<Vec<Flag>> = LazyLock::new(|| {
    let areas = AREAS.map(|(area, augment)| (area, augment(Command::new(area))));
    let key = |arg: &Arg| {
        let holds = |command: &Command| {
            let mut args = command.get_arguments();
            args.any(|known| known.get_id() == arg.get_id())
        };
        let area = areas.iter().find(|(_, command)| holds(command));
        area.map_or_else(
            || arg.get_id().to_string(),
            |(area, _)| format!("{area}.{}", arg.get_id()),
        )
    };
    let all = Options::augment_args(Command::new("options"));
    all.get_arguments()
        .map(|arg| Flag {
            key: key(arg),
            name: format!("--{}", arg.get_long().unwrap_or_default()),
            // What is not given is in a lower layer.
            arg: arg.clone().required(false),
        })
        .collect()
});

/// Every flag of a setting.
#[cfg(test)]
pub(super) fn all() -> &'static [Flag] {
    &ALL
}

/// The flag of the setting of that name.
pub(super) fn find(key: &str) -> Option<&'static Flag> {
    ALL.iter().find(|flag| flag.key == key)
}

/// Which of the flags a command takes.
pub trait Choice: Clone + fmt::Debug {
    /// Whether it takes that of this setting.
    fn takes(key: &str) -> bool;
    /// Whether they stand under their own headings in the help.
    const HAS_HEADINGS: bool;
    /// Whether the short help has them all.
    const ALL_IN_SHORT_HELP: bool;
}

/// All: what a run is dispatched by.
#[derive(Clone, Debug, Default)]
pub struct OfRun;

/// What says where requests go.
#[derive(Clone, Debug, Default)]
pub struct OfEndpoint;

/// What says how long a run takes, and by which lane it goes.
#[derive(Clone, Debug, Default)]
pub struct OfPace;

impl Choice for OfRun {
    fn takes(_: &str) -> bool {
        true
    }
    const HAS_HEADINGS: bool = true;
    const ALL_IN_SHORT_HELP: bool = false;
}

impl Choice for OfEndpoint {
    fn takes(key: &str) -> bool {
        key.starts_with("api.")
    }
    const HAS_HEADINGS: bool = false;
    const ALL_IN_SHORT_HELP: bool = true;
}

impl Choice for OfPace {
    fn takes(key: &str) -> bool {
        const PACE: [&str; 6] = [
            "dispatch.lane",
            "deadline",
            "dispatch.concurrency",
            "limits.rpm",
            "limits.itpm",
            "limits.otpm",
        ];
        PACE.contains(&key)
    }
    const HAS_HEADINGS: bool = false;
    const ALL_IN_SHORT_HELP: bool = false;
}

/// The flags of a command.
#[derive(Clone, Debug, Default)]
pub struct FlagsOf<C>(pub Flags, PhantomData<C>);

impl<C: Choice> Args for FlagsOf<C> {
    fn augment_args(command: Command) -> Command {
        let defaults = shown::rows(&Options::default());
        let mut taken: Vec<_> = ALL.iter().filter(|flag| C::takes(&flag.key)).collect();
        // Stable: below a heading they stand as they are declared.
        taken.sort_by_key(|flag| {
            let heading = flag.arg.get_help_heading();
            HEADINGS.iter().position(|known| Some(*known) == heading)
        });
        taken.into_iter().fold(command, |command, flag| {
            let default = defaults.iter().find(|(key, _)| *key == flag.key);
            let mut arg = explained(flag, default.map(|(_, value)| value));
            if !C::HAS_HEADINGS {
                arg = arg.help_heading(None::<&str>);
            }
            if C::ALL_IN_SHORT_HELP {
                arg = arg.hide_short_help(false);
            }
            command.arg(arg.id(flag.key.as_str()))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The help of a flag with its default and its variable. What its comment says beyond the first paragraph
/// is for the schema.
fn explained(flag: &Flag, default: Option<&Value>) -> Arg {
    let arg = flag.arg.clone();
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let default = match default {
        Some(Value::String(text)) => Some(text.clone()),
        // `1`, not `1.0`.
        Some(Value::Number(number)) => number.as_f64().map(|number| number.to_string()),
        _ => None,
    };
    let variable = variables::of(&flag.key);
    for (word, value) in [("default", default.as_deref()), ("env", variable)] {
        let value = value.map(|value| format!(" [{word}: {value}]"));
        help.push_str(&value.unwrap_or_default());
    }
    arg.help(help).long_help(Resettable::Reset)
}

impl<C: Choice> FromArgMatches for FlagsOf<C> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = ALL.iter().filter_map(|flag| {
            // An id that the command does not have is an error, and says the same as none.
            let raw = matches.try_get_raw(&flag.key).ok().flatten()?;
            Some((flag.key.clone(), raw.map(ToOwned::to_owned).collect()))
        });
        Ok(Self(Flags::read(given.collect())?, PhantomData))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
