//! The body of a create call on its way in: entries are checked and packed as they come.
//!
//! What is checked here is the envelope. Parameters are kept as they are: they are read when their
//! turn comes, as at the API.

use std::collections::HashSet;

use serde_json::value::RawValue;

use super::envelope::Splitter;
use super::item::Item;
use super::pack::{Pack, Packer};
use crate::simulator::cache::first_u64;
use crate::simulator::errors::ApiError;
use crate::simulator::faults::BatchScript;
use crate::simulator::request::{self, Fields};
use crate::simulator::strict;

const LONGEST_ID: usize = 64;
/// Brackets around an entry: the body's and the list's.
const ENTRY_LEVELS: usize = 2;

/// What came in so far.
#[derive(Debug)]
pub(super) struct Intake {
    most: u32,
    splitter: Splitter,
    entries: Entries,
    hasher: blake3::Hasher,
}

/// The entries so far. After the first that is wrong they are only counted.
#[derive(Debug, Default)]
struct Entries {
    count: u32,
    packer: Packer,
    items: Vec<Item>,
    ids: HashSet<Box<str>>,
    /// What keeps the whole from being JSON.
    broken: Option<ApiError>,
    wrong: Option<ApiError>,
    duplicate: Option<ApiError>,
    script: Option<(String, BatchScript)>,
}

/// A body that was found to be good.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) items: Vec<Item>,
    pub(super) pack: Pack,
    pub(super) count: u32,
    /// The first script for the creation of the batch, with its words.
    pub(super) script: Option<(String, BatchScript)>,
}

impl Intake {
    pub(super) fn new(most: u32) -> Self {
        Self {
            most,
            splitter: Splitter::default(),
            entries: Entries::default(),
            hasher: blake3::Hasher::new(),
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        let (entries, most) = (&mut self.entries, self.most);
        self.splitter.feed(bytes, |entry| entries.add(entry, most));
    }

    /// Stands for the exact bytes of the body.
    pub(super) fn hash(&self) -> u64 {
        first_u64(self.hasher.finalize().as_bytes())
    }

    /// The whole, or the first thing that is wrong with it.
    pub(super) fn finish(self) -> Result<Order, ApiError> {
        let entries = self.entries;
        let top = request::fields(self.splitter.skeleton())?;
        strict::check(self.splitter.skeleton(), 0)?;
        if let Some(broken) = entries.broken {
            return Err(broken);
        }
        check_top(&top)?;
        let count = entries.count;
        if count == 0 {
            return Err(ApiError::invalid(
                "requests: List should have at least 1 item after validation, not 0",
            ));
        }
        if count > self.most {
            return Err(ApiError::invalid(format!(
                "requests: List should have at most {} items after validation, not {count}",
                self.most
            )));
        }
        match entries.wrong.or(entries.duplicate) {
            Some(error) => Err(error),
            None => Ok(Order {
                items: entries.items,
                pack: entries.packer.finish(),
                count,
                script: entries.script,
            }),
        }
    }
}

fn check_top(top: &Fields<'_>) -> Result<(), ApiError> {
    let _: Vec<&RawValue> = top.required("requests", "a valid list")?;
    match top.names().find(|name| *name != "requests") {
        None => Ok(()),
        Some(name) => Err(ApiError::invalid(format!(
            "{name}: Extra inputs are not permitted"
        ))),
    }
}

impl Entries {
    fn add(&mut self, entry: &[u8], most: u32) {
        let index = self.count;
        self.count = self.count.saturating_add(1);
        if self.broken.is_some() {
            return;
        }
        let read = serde_json::from_slice::<Fields<'_>>(entry);
        // The whole is read before any of it is judged.
        let is_json = match &read {
            Err(error) if !error.is_data() => Err(request::not_json(error)),
            _ => strict::check(entry, ENTRY_LEVELS),
        };
        if let Err(error) = is_json {
            self.broken = Some(error);
            return;
        }
        if self.wrong.is_some() || index >= most {
            return;
        }
        let kept = match read {
            Ok(fields) => self.keep(&fields, index),
            Err(_) => Err(ApiError::invalid(format!(
                "requests.{index}: Input should be a valid dictionary"
            ))),
        };
        self.wrong = kept.err();
    }

    fn keep(&mut self, fields: &Fields<'_>, index: u32) -> Result<(), ApiError> {
        let at = |problem: &str| ApiError::invalid(format!("requests.{index}.{problem}"));
        let id = custom_id(fields).map_err(|problem| at(&problem))?;
        let params = fields
            .get("params")
            .ok_or_else(|| at("params: Field required"))?;
        if !params.get().starts_with('{') {
            return Err(at("params: Input should be a valid dictionary"));
        }
        if let Some(extra) = fields
            .names()
            .find(|name| !["custom_id", "params"].contains(name))
        {
            return Err(at(&format!("{extra}: Extra inputs are not permitted")));
        }
        self.find_script(params.get(), index)?;
        if !self.ids.insert(id.clone()) && self.duplicate.is_none() {
            self.duplicate = Some(ApiError::invalid(format!(
                "requests: custom_id's must be unique within a batch. Duplicate custom_id found: {id}"
            )));
        }
        self.items.push(Item::new(id));
        self.packer.push(params.get().as_bytes());
        Ok(())
    }

    fn find_script(&mut self, params: &str, index: u32) -> Result<(), ApiError> {
        if self.script.is_some() {
            return Ok(());
        }
        if let Some((words, script)) = BatchScript::find(params) {
            let script = script.map_err(|reason| {
                ApiError::invalid(format!(
                    "The simulator cannot read the script for the batch in requests.{index}: {reason}"
                ))
            })?;
            self.script = Some((words.to_owned(), script));
        }
        Ok(())
    }
}

/// The id of an entry; the error is what is wrong with it, from the field's name on.
fn custom_id(fields: &Fields<'_>) -> Result<Box<str>, String> {
    let raw = fields.get("custom_id").ok_or("custom_id: Field required")?;
    let id: String =
        serde_json::from_str(raw.get()).map_err(|_| "custom_id: Input should be a valid string")?;
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if id.chars().count() > LONGEST_ID {
        Err("custom_id: String should have at most 64 characters".to_owned())
    } else if id.is_empty() || !id.bytes().all(good) {
        Err("custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'".to_owned())
    } else {
        Ok(id.into())
    }
}
