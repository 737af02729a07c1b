//! The spool as bytes: how records are written, and what of a file can be read.
//!
//! The file begins with [`MAGIC`], the uuid of its store and a checksum of that. Then come records: [`MARK`], the
//! length of the payload (four little-endian bytes), the first [`SUM`] bytes of the blake3 hash of length and
//! payload, the payload (the JSON of run and [`Finish`], packed as the store packs texts), and [`END`]. Behind the last one
//! there are zeros, or nothing.
//!
//! A record that cannot be read hides no other: the next mark begins the next one. One without its end was being written
//! when the process died, and was never acknowledged; every other one is damaged, and told.
//!
//! Version 2 has neither marks nor ends and no checksum of the uuid, version 1 no uuid either.

use super::blob;
use crate::model::RunId;
use crate::store::Finish;

/// An end of an attempt, with its run.
pub(super) type Spooled = (RunId, Finish);

/// The name that a store gave itself.
pub(super) type StoreId = [u8; 16];

/// How the file begins; the digit is the version of the format.
const MAGIC: &[u8; 8] = b"CLRSPL3\n";
const MAGIC_2: &[u8; 8] = b"CLRSPL2\n";
const MAGIC_1: &[u8; 8] = b"CLRSPL1\n";
/// Where the first record stands.
pub(super) const BEGIN: usize = 8 + 16 + SUM;
const BEGIN_2: usize = 24;
const BEGIN_1: usize = 8;
/// Not text, and not what packing begins with.
const MARK: &[u8; 8] = b"\xFFrecord\n";
const END: &[u8; 4] = b"\xFFend";
/// Bytes of a hash that are kept: enough against accidents.
const SUM: usize = 16;

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// Whose it is; none if nothing has been written yet, or it cannot be told any more.
    pub(super) store: Option<StoreId>,
    pub(super) ends: Vec<Spooled>,
    /// Records, or what may have been some, that cannot be read.
    pub(super) damaged: u64,
    /// Where the next record goes.
    pub(super) end: usize,
    /// It was begun by this version.
    pub(super) current: bool,
}

impl Content {
    /// There is nothing in it that anybody could miss.
    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.damaged == 0
    }
}

/// The first bytes of a store's spool.
pub(super) fn begin(store: StoreId) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(store);
    bytes.extend(sum(&[&store]));
    bytes
}

/// An end as a record.
pub(super) fn record(run: RunId, finish: &Finish) -> std::io::Result<Vec<u8>> {
    let payload = blob::pack(&serde_json::to_string(&(run, finish))?);
    let length = u32::try_from(payload.len()).map_err(std::io::Error::other)?;
    let length = length.to_le_bytes();
    let mut record = MARK.to_vec();
    record.extend(length);
    record.extend(sum(&[&length, &payload]));
    record.extend(payload);
    record.extend(END);
    Ok(record)
}

/// What the bytes of a file hold.
///
/// # Errors
///
/// Why it cannot be read: another version wrote it.
pub(super) fn read(bytes: &[u8]) -> Result<Content, String> {
    let begun = bytes.len().min(MAGIC.len());
    if bytes[..begun].iter().all(|byte| *byte == 0) {
        return Ok(Content::default());
    }
    let begins = |magic: &[u8]| bytes[..begun] == magic[..begun];
    if begins(MAGIC) {
        return Ok(read_current(bytes));
    }
    let older = [(MAGIC_2, BEGIN_2), (MAGIC_1, BEGIN_1)];
    let found = older.into_iter().find(|(magic, _)| begins(*magic));
    let (_, first) = found.ok_or("another version wrote it, or its first bytes are damaged")?;
    Ok(read_older(bytes, first))
}

fn read_current(bytes: &[u8]) -> Content {
    let Some(records) = bytes.get(BEGIN..) else {
        // It was only begun.
        return Content::default();
    };
    let store: Option<StoreId> = bytes.get(8..24).and_then(|id| id.try_into().ok());
    let store = store.filter(|id| bytes[24..BEGIN] == sum(&[id]));
    let mut content = Content {
        damaged: u64::from(store.is_none()),
        current: store.is_some(),
        store,
        ..Content::default()
    };
    let mut at = 0;
    loop {
        match next(&records[at..]) {
            Part::Record(end, length) => {
                content.ends.push(*end);
                at += length;
            }
            Part::Damaged(length) => {
                content.damaged += 1;
                at += length;
            }
            Part::Nothing => break,
        }
    }
    content.end = BEGIN + at;
    content
}

/// What bytes begin with.
enum Part {
    /// A record of that length.
    Record(Box<Spooled>, usize),
    /// So many bytes that are none.
    Damaged(usize),
    /// No record, and none behind it.
    Nothing,
}

fn next(bytes: &[u8]) -> Part {
    if let Some((one, length)) = whole(bytes) {
        return Part::Record(Box::new(one), length);
    }
    let following = bytes.iter().skip(1).position(|byte| *byte == MARK[0]);
    let mut from = following.map(|at| at + 1);
    while let Some(at) = from {
        if bytes[at..].starts_with(MARK) {
            return Part::Damaged(at);
        }
        let more = bytes[at + 1..].iter().position(|byte| *byte == MARK[0]);
        from = more.map(|more| at + 1 + more);
    }
    let written = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at + 1);
    let is_broken_off = bytes.starts_with(MARK) && !bytes[..written].ends_with(END);
    if written == 0 || is_broken_off || MARK.starts_with(&bytes[..written]) {
        Part::Nothing
    } else {
        Part::Damaged(written)
    }
}

/// The record that the bytes begin with, if one is there whole, and its length.
fn whole(bytes: &[u8]) -> Option<(Spooled, usize)> {
    let rest = bytes.strip_prefix(MARK)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (expected, rest) = rest.split_first_chunk::<SUM>()?;
    let payload = rest.get(..u32::from_le_bytes(*length) as usize)?;
    if sum(&[length, payload]) != *expected {
        return None;
    }
    let one = unpack(payload)?;
    let length = MARK.len() + 4 + SUM + payload.len() + END.len();
    Some((one, length.min(bytes.len())))
}

/// Without marks nothing tells where the next record would be.
fn read_older(bytes: &[u8], begin: usize) -> Content {
    let store = bytes.get(8..begin).and_then(|id| id.try_into().ok());
    let mut content = Content {
        store,
        ..Content::default()
    };
    let mut rest = bytes.get(begin..).unwrap_or_default();
    while let Some((one, length)) = whole_older(rest) {
        content.ends.push(one);
        rest = &rest[length..];
    }
    content.damaged = u64::from(rest.iter().any(|byte| *byte != 0));
    content.end = bytes.len() - rest.len();
    content
}

fn whole_older(bytes: &[u8]) -> Option<(Spooled, usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (expected, rest) = rest.split_first_chunk::<SUM>()?;
    let payload = rest.get(..u32::from_le_bytes(*length) as usize)?;
    if payload.is_empty() || sum(&[payload]) != *expected {
        return None;
    }
    Some((unpack(payload)?, 4 + SUM + payload.len()))
}

fn unpack(payload: &[u8]) -> Option<Spooled> {
    let json = blob::unpack(payload).ok()?;
    serde_json::from_str(&json).ok()
}

fn sum(parts: &[&[u8]]) -> [u8; SUM] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let hash = hasher.finalize();
    std::array::from_fn(|index| hash.as_bytes()[index])
}
