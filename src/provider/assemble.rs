//! The events of a stream, folded into the message that a plain call would have brought.
//!
//! Pure and incremental: frames in, and in the end a message, an error, or the reason why it is
//! neither. Promises the keys and values of `message_start`'s message in their order, with content,
//! stop reason and usage filled in: what the official SDKs accumulate. Unknown events, block kinds
//! and fields survive or are passed over; what contradicts itself (a delta for no block, another
//! message's beginning) is refused, because a message put together from it would be wrong without
//! anybody seeing it. Source of the order of events: the API's streaming page.

use std::collections::BTreeSet;

use super::Partial;
use super::assemble_block::{Block, raw, text_of};
use super::assemble_content::Content;
use super::json_object::JsonObject;
use super::json_text::compact;
use super::model_output::ModelOutput;
use super::sse::Frame;
use super::usage::read_usage;
use super::wire::{Body, read_body};
use crate::model::raw_object::{Member, ObjectError, members, unquote};

/// Most kinds of unknown events and deltas that are remembered: they are for one line of the log.
const MAX_UNKNOWN: usize = 8;

/// What a content block takes beside its text, about: its members are kept one by one.
const BLOCK: usize = 512;

/// What gateways that also speak another protocol put at the end of a stream.
pub(super) const DONE: &str = "[DONE]";

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The message is whole.
    Complete,
    /// With an error; this is its JSON text.
    Error(String),
    /// With nonsense; this is what is wrong with it.
    Nonsense(String),
}

/// A message in the making.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    /// The message as `message_start` told it and `message_delta` completed it, without content.
    head: Option<JsonObject>,
    usage: JsonObject,
    content: Content,
    /// An event told why the message stopped.
    stop_told: bool,
    /// An event told how much was put out. What the beginning tells of that is a placeholder.
    output_told: bool,
    /// Its beginning came again: the blocks may come again, too.
    begun_again: bool,
    end: Option<End>,
    frames: u64,
    pings: u64,
    /// Bytes of memory that the message takes, about.
    held: usize,
    unknown: BTreeSet<String>,
}

impl Assembly {
    /// Takes the next frame; what comes after the end is passed over. Nor can anything make void a
    /// message that is whole but for its last event.
    pub(super) fn take(&mut self, frame: Frame) {
        if self.end.is_some() {
            return;
        }
        // What comes of a whole message but its end tells nothing more.
        self.frames += u64::from(!self.is_whole());
        let end = match frame {
            Frame::Event { name, data } => match self.event(&name, &data) {
                Ok(end) => end,
                Err(why) => Some(End::Nonsense(why)),
            },
            Frame::Bare(text) => is_error(&text).then_some(End::Error(text)),
        };
        self.end = end.map(|end| if self.is_whole() { End::Complete } else { end });
    }

    /// How the stream ended, if it has.
    pub(super) fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Whether nothing of the message is missing, though its last event has not come: its stop
    /// reason is there, and no block is open.
    pub(super) fn is_whole(&self) -> bool {
        let Some(head) = &self.head else {
            return false;
        };
        // A reason that the beginning tells is one only if it brought the content too.
        let stop_reason = head.get("stop_reason");
        stop_reason.is_some_and(|raw| raw.starts_with('"'))
            && (self.stop_told || self.content.came_with_the_beginning())
            && self.content.open().next().is_none()
    }

    /// Bytes of memory that the message takes, about.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Whether its count of output tokens is the beginning's, which is told before there is any.
    pub(super) fn lacks_output(&self) -> bool {
        self.stop_told && !self.output_told
    }

    /// How many frames have come that tell anything: all but pings, and but what comes after the whole.
    pub(super) fn life(&self) -> u64 {
        self.frames - self.pings
    }

    /// Whether the model is thinking. What is not shown of that brings pings alone.
    pub(super) fn is_thinking(&self) -> bool {
        self.content.open().any(|block| block.kind() == "thinking")
    }

    /// Kinds of events and deltas that were passed over because they are not known.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &str> {
        self.unknown.iter().map(String::as_str)
    }

    /// The message as far as it came, as JSON text. None before it has begun.
    pub(super) fn message(&self) -> Option<String> {
        let mut message = self.head.clone()?;
        message.set("content", self.content.to_json());
        if !self.usage.is_empty() {
            message.set("usage", self.usage.to_json());
        }
        Some(compact(&message.to_json()))
    }

    /// What was used as far as the events told. None before the message has begun.
    pub(super) fn partial(&self) -> Option<Partial> {
        let head = self.head.as_ref()?;
        let usage = serde_json::from_str(&self.usage.to_json()).unwrap_or_default();
        let model = head.get("model").and_then(|raw| unquote(raw).ok());
        Some(Partial {
            model: model.map(std::borrow::Cow::into_owned),
            usage: read_usage(&usage, &ModelOutput::default()),
        })
    }

    /// Takes an event; says how it ends the stream, if it does.
    fn event(&mut self, name: &str, data: &str) -> Result<Option<End>, String> {
        if name == "error" {
            return Ok(Some(End::Error(data.to_owned())));
        }
        let event = match members(data) {
            Ok(event) => event,
            Err(_) if is_foreign(name, data) => {
                let is_over = data.trim_ascii() == DONE && self.is_whole();
                return Ok(is_over.then_some(End::Complete));
            }
            Err(why) => return Err(unreadable(&why)),
        };
        // The type in the data equals the name; gateways leave out the one or the other.
        let kind = text_of(&event, "type").unwrap_or(name.into());
        match &*kind {
            "message_start" => self.start_message(raw(&event, "message")?)?,
            "content_block_start" => self.start_block(&event)?,
            "content_block_delta" => self.add_delta(&event)?,
            "content_block_stop" => self.stop_block(&event),
            "message_delta" => self.complete_head(&event)?,
            "message_stop" => {
                self.begun()?;
                return Ok(Some(End::Complete));
            }
            "ping" => self.pings += u64::from(!self.is_whole()),
            "error" => return Ok(Some(End::Error(data.to_owned()))),
            // Only an error has neither: an unknown event may well speak of one.
            _ if raw(&event, "type").is_err() && is_error(data) => {
                return Ok(Some(End::Error(data.to_owned())));
            }
            other => self.pass_over(other.to_owned()),
        }
        Ok(None)
    }

    fn start_message(&mut self, message: &str) -> Result<(), String> {
        let head = object(message)?;
        self.held += message.len() + BLOCK;
        if let Some(before) = &self.head {
            // Some gateways send it again when they took the stream up again; nothing is lost by it.
            return match (before.get("id"), head.get("id")) {
                (Some(one), Some(other)) if one == other => {
                    self.begun_again = true;
                    Ok(())
                }
                _ => Err("the stream began a second message".to_owned()),
            };
        }
        self.usage = match head.get("usage") {
            Some(usage) if usage.starts_with('{') => object(usage)?,
            _ => JsonObject::default(),
        };
        self.content = Content::beginning(head.get("content"))?;
        self.head = Some(head);
        Ok(())
    }

    fn begun(&mut self) -> Result<&mut JsonObject, String> {
        let head = self.head.as_mut();
        head.ok_or_else(|| "the stream went on with a message that it had not begun".to_owned())
    }

    fn start_block(&mut self, event: &[Member<'_>]) -> Result<(), String> {
        self.begun()?;
        let index = index_of(event)?;
        let began = raw(event, "content_block")?;
        self.held += began.len() + BLOCK;
        let block = Block::open(object(began)?);
        if let Some(model) = block.falls_back_to() {
            self.begun()?.set("model", model);
        }
        if self.begun_again && self.content.block(index).is_some() {
            // The whole message is told once more; half of it and half of that would be wrong.
            self.begun_again = false;
            let content = self.head.as_ref().and_then(|head| head.get("content"));
            self.content = Content::beginning(content)?;
        }
        if self.content.begin(index, block) {
            Ok(())
        } else {
            Err(format!("the stream began content block {index} twice"))
        }
    }

    /// What stops and was never begun was nothing.
    fn stop_block(&mut self, event: &[Member<'_>]) {
        let block = index_of(event).map(|index| self.content.block(index));
        if let Ok(Some(block)) = block {
            block.close();
        }
    }

    fn add_delta(&mut self, event: &[Member<'_>]) -> Result<(), String> {
        let index = index_of(event)?;
        let delta = read(raw(event, "delta")?)?;
        let added = delta.iter().filter(|member| member.key != "type");
        self.held += added.map(|member| member.value.len()).sum::<usize>();
        let block = self.content.block(index);
        let block = block.ok_or_else(|| {
            format!("the stream went on with content block {index}, which it had not begun")
        })?;
        if !block.add(&delta)? {
            self.pass_over(text_of(&delta, "type")?.into_owned());
        }
        Ok(())
    }

    /// Stop reason and usage. Counts are cumulative, so they replace what was there; fields that
    /// are not in the event, or null, keep what `message_start` said.
    fn complete_head(&mut self, event: &[Member<'_>]) -> Result<(), String> {
        let delta = raw(event, "delta").map_or_else(|_| Ok(JsonObject::default()), object)?;
        let own = ["type", "delta", "usage"];
        let beside: JsonObject = event
            .iter()
            .filter(|member| !own.contains(&&*member.key))
            .collect();
        self.held += event.iter().map(|member| member.value.len()).sum::<usize>();
        let head = self.begun()?;
        head.merge(&delta);
        head.merge(&beside);
        self.stop_told |= delta.get("stop_reason").is_some_and(|raw| raw != "null");
        if let Ok(usage) = raw(event, "usage")
            && usage.starts_with('{')
        {
            let usage = object(usage)?;
            self.output_told |= usage.get("output_tokens").is_some_and(|raw| raw != "null");
            self.usage.merge(&usage);
        }
        Ok(())
    }

    fn pass_over(&mut self, kind: String) {
        if self.unknown.len() < MAX_UNKNOWN {
            self.unknown.insert(kind);
        }
    }
}

fn index_of(event: &[Member<'_>]) -> Result<u64, String> {
    let index = raw(event, "index")?;
    let index = index.parse();
    index.map_err(|_| "`index` of an event is no number".to_owned())
}

fn object(text: &str) -> Result<JsonObject, String> {
    JsonObject::parse(text).map_err(|why| unreadable(&why))
}

fn read(text: &str) -> Result<Vec<Member<'_>>, String> {
    members(text).map_err(|why| unreadable(&why))
}

/// Without the place: the same fault has the same words.
fn unreadable(why: &ObjectError) -> String {
    format!("an event of the stream cannot be read: {}", why.fault)
}

/// Data that is no object and belongs to none of our events: `[DONE]`, say.
fn is_foreign(name: &str, data: &str) -> bool {
    let ours = name.starts_with("message_") || name.starts_with("content_block_");
    !ours && !data.trim_ascii_start().starts_with('{')
}

/// Whether JSON text reports an error: in the API's shape or another.
fn is_error(text: &str) -> bool {
    matches!(
        read_body(text.as_bytes()),
        Body::Error(_) | Body::Foreign(_)
    )
}

#[cfg(test)]
mod accumulated;
#[cfg(test)]
mod tests;
