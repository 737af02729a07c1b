//! Turns one line of text into one checked job.

use jiff::Timestamp;

use super::body_builder::Defaults;
use super::fields::{Fields, LineKey};
use super::line_error::{Fault, LineError, shown};
use super::lines::Line;
use super::note::{LineNote, LineNotes, NoteKind};
use super::request::request;
use super::strict;
use super::values::Value;
use crate::clock;
use crate::model::duration::parse_duration;
use crate::model::raw_object::{ObjectFault, members};
use crate::model::{Lane, NewJob};

/// Longest `custom_id`, in bytes.
const MAX_CUSTOM_ID_BYTES: usize = 256;

/// Checks a line and builds its job.
pub(super) fn parse_line(
    line: &Line<'_>,
    defaults: &Defaults,
    submitted_at: Timestamp,
) -> Result<(NewJob, Vec<LineNote>), LineError> {
    let mut notes = LineNotes::default();
    let job = job(line, defaults, submitted_at, &mut notes)
        .map_err(|fault| fault.locate(line.number, line.text))?;
    let notes = notes.locate(line.number, line.text, job.lane);
    Ok((job, notes))
}

fn job(
    line: &Line<'_>,
    defaults: &Defaults,
    submitted_at: Timestamp,
    notes: &mut LineNotes,
) -> Result<NewJob, Fault> {
    let members = members(line.text).map_err(|error| {
        // Of a key's broken escape the walk knows only where it ended.
        let of_escape =
            matches!(&error.fault, ObjectFault::Syntax(why) if why.contains("hex escape"));
        let strict = strict::check(line.text).err().filter(|_| of_escape);
        strict.unwrap_or_else(|| Fault::not_an_object(error, line.text))
    })?;
    // After the grammar: this walk relies on strings and brackets that close.
    strict::check(line.text)?;
    let fields = Fields::sort(members)?;
    let start = line.text.len() - line.text.trim_ascii_start().len();
    let custom_id = match fields.get(LineKey::CustomId) {
        Some(value) => custom_id(value)?,
        // The line number is the one name that survives until the export.
        None => format!("line-{}", line.number),
    };
    let asked_lane = fields.get(LineKey::Lane).map(lane).transpose()?.flatten();
    let deadline = match fields.get(LineKey::Deadline) {
        Some(value) => Some(deadline(value, submitted_at, notes)?),
        None => None,
    };
    let request = request(&fields, start, defaults, notes)?;
    Ok(NewJob {
        line: line.number,
        custom_id,
        model: request.model,
        body: request.body,
        lane: asked_lane,
        deadline,
        live_only: notes.forbid_batch(),
        metadata: fields
            .get(LineKey::Metadata)
            .map(|metadata| metadata.raw.to_owned()),
    })
}

fn custom_id(value: &Value<'_>) -> Result<String, Fault> {
    let id = value.string()?;
    if id.is_empty() {
        return Err(value.fault("is empty: give it a value, or leave the key out"));
    }
    if id.len() > MAX_CUSTOM_ID_BYTES {
        let bytes = id.len();
        return Err(value.fault(&format!(
            "has {bytes} bytes, at most {MAX_CUSTOM_ID_BYTES} are allowed: shorten it"
        )));
    }
    Ok(id.into_owned())
}

/// `auto` is what a line without `lane` gets, so it is none.
fn lane(value: &Value<'_>) -> Result<Option<Lane>, Fault> {
    match &*value.string()? {
        "auto" => Ok(None),
        name => name.parse().map(Some).map_err(|_| {
            let name = shown(name);
            value.fault(&format!("is `{name}`: write `live`, `batch` or `auto`"))
        }),
    }
}

fn deadline(
    value: &Value<'_>,
    submitted_at: Timestamp,
    notes: &mut LineNotes,
) -> Result<Timestamp, Fault> {
    let text = value.string()?;
    // A duration first: `6h` is no time, and no time is a duration.
    let at = match (parse_duration(&text), text.parse::<Timestamp>()) {
        (Ok(wait), _) => clock::add(submitted_at, wait),
        (Err(_), Ok(at)) => at,
        (Err(_), Err(_)) => {
            let text = shown(&text);
            return Err(value.fault(&format!(
                "is `{text}`: write a duration such as 6h or a time such as 2027-01-31T18:00:00Z"
            )));
        }
    };
    // A deadline in the past only means live at once, so it is remarked and not refused.
    if at <= submitted_at {
        notes.push(value.key_offset, NoteKind::DeadlinePast);
    }
    Ok(at)
}
