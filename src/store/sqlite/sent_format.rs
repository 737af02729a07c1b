//! The marks of what was sent as bytes: how they are written, and when they are believed.
//!
//! The file begins with [`HEAD`] bytes: [`MAGIC`], the run, the id of the dispatch, how many slots there are (four
//! little-endian bytes), four zeros, and a seal. Then come the slots, each of [`SLOT`] bytes: the job (eight
//! bytes), the number of the attempt (four), four zeros, and a sum; or zeros if it was never used. Neither the
//! head nor a slot lies in two pages, so each is written whole or not at all.
//!
//! The seal is a hash over the head and over the place in which it was made ([`Whereabouts`]): in another boot, beside another
//! file, or as a copy it does not fit. Anything that does not fit makes the whole file void: then every open
//! attempt may have been sent. To believe too little costs a doubt, to believe too much hides a bill.

use std::collections::HashSet;

use super::spool_format::StoreId;
use crate::model::{AttemptId, JobId, RunId};

/// The digit is the version of the format.
const MAGIC: &[u8; 8] = b"CLRSNT1\n";
pub(super) const HEAD: usize = 64;
pub(super) const SLOT: usize = 32;
const SUM: usize = 16;

/// The name of one dispatch, which its run in the store and its marks both carry.
pub(super) type DispatchId = [u8; 16];

/// Where marks are believed: nowhere else have the pages been kept that they were written into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whereabouts {
    pub(super) store: StoreId,
    /// The system's name of this boot: what was not synced is lost with it.
    pub(super) boot: String,
    /// Device and inode of the store and of the marks, which a copy does not have.
    pub(super) files: [(u64, u64); 2],
}

/// Whose marks they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MarkHead {
    pub(super) run: RunId,
    pub(super) dispatch: DispatchId,
    pub(super) slots: u32,
}

/// The marks of a dispatch: each of its attempts whose request may have left, unless its end is recorded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SentAttempts {
    pub(super) run: RunId,
    pub(super) dispatch: DispatchId,
    pub(super) attempts: HashSet<AttemptId>,
}

impl MarkHead {
    pub(super) fn bytes(&self, place: &Whereabouts) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..24].copy_from_slice(self.run.as_bytes());
        bytes[24..40].copy_from_slice(&self.dispatch);
        bytes[40..44].copy_from_slice(&self.slots.to_le_bytes());
        let seal = seal(&bytes[..HEAD - SUM], place);
        bytes[HEAD - SUM..].copy_from_slice(&seal);
        bytes
    }

    /// The bytes of a slot with an attempt in it.
    pub(super) fn slot(&self, index: u32, attempt: AttemptId) -> [u8; SLOT] {
        let mut bytes = [0; SLOT];
        bytes[..8].copy_from_slice(&attempt.job.0.to_le_bytes());
        bytes[8..12].copy_from_slice(&attempt.n.to_le_bytes());
        let sum = sum(&[&self.dispatch, &index.to_le_bytes(), &bytes[..SLOT - SUM]]);
        bytes[SLOT - SUM..].copy_from_slice(&sum);
        bytes
    }
}

/// Where a slot begins.
pub(super) fn place_of(index: u32) -> u64 {
    HEAD as u64 + u64::from(index) * SLOT as u64
}

/// What the bytes of a file say; none if they are not to be believed in this place.
pub(super) fn read(bytes: &[u8], place: &Whereabouts) -> Option<SentAttempts> {
    let (head, slots) = bytes.split_at_checked(HEAD)?;
    let head = read_head(head, place)?;
    let count = usize::try_from(head.slots).ok()?;
    // Slots that the head does not know of yet were about to be used when the process died.
    let slots = slots.get(..count.checked_mul(SLOT)?)?;
    let mut attempts = HashSet::new();
    for (index, bytes) in (0_u32..).zip(slots.chunks_exact(SLOT)) {
        if bytes.iter().any(|byte| *byte != 0) {
            attempts.insert(read_slot(&head, index, bytes)?);
        }
    }
    Some(SentAttempts {
        run: head.run,
        dispatch: head.dispatch,
        attempts,
    })
}

fn read_head(bytes: &[u8], place: &Whereabouts) -> Option<MarkHead> {
    let head = MarkHead {
        run: RunId::from_bytes(bytes.get(8..24)?.try_into().ok()?),
        dispatch: bytes.get(24..40)?.try_into().ok()?,
        slots: u32::from_le_bytes(bytes.get(40..44)?.try_into().ok()?),
    };
    (head.bytes(place) == bytes).then_some(head)
}

fn read_slot(head: &MarkHead, index: u32, bytes: &[u8]) -> Option<AttemptId> {
    let attempt = AttemptId {
        job: JobId(i64::from_le_bytes(bytes.get(..8)?.try_into().ok()?)),
        n: u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?),
    };
    (head.slot(index, attempt) == bytes).then_some(attempt)
}

fn seal(head: &[u8], place: &Whereabouts) -> [u8; SUM] {
    let numbers = place.files.iter().flat_map(|(a, b)| [a, b]);
    let files: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
    sum(&[head, &place.store, &files, place.boot.as_bytes()])
}

/// Enough of a hash against accidents.
fn sum(parts: &[&[u8]]) -> [u8; SUM] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let mut sum = [0; SUM];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..SUM]);
    sum
}

#[cfg(test)]
mod tests {
    use super::{HEAD, MarkHead, SLOT, Whereabouts, read};
    use crate::model::{AttemptId, JobId, RunId};

    fn place() -> Whereabouts {
        Whereabouts {
            store: [7; 16],
            boot: "this boot".to_owned(),
            files: [(1, 10), (1, 11)],
        }
    }

    fn attempt(line: i64) -> AttemptId {
        AttemptId {
            job: JobId(line),
            n: 2,
        }
    }

    /// Four slots, of which the second and the third are in use.
    fn file() -> (MarkHead, Vec<u8>) {
        let head = MarkHead {
            run: RunId::generate(),
            dispatch: [3; 16],
            slots: 4,
        };
        let mut bytes = head.bytes(&place()).to_vec();
        bytes.extend([0; SLOT]);
        bytes.extend(head.slot(1, attempt(11)));
        bytes.extend(head.slot(2, attempt(12)));
        bytes.extend([0; SLOT]);
        (head, bytes)
    }

    #[test]
    fn what_was_written_is_read_in_its_own_place() {
        let (head, mut bytes) = file();
        let sent = read(&bytes, &place()).unwrap();
        assert_eq!((sent.run, sent.dispatch), (head.run, head.dispatch));
        assert_eq!(sent.attempts, [attempt(11), attempt(12)].into());
        bytes.extend([0; 3]);
        assert_eq!(read(&bytes, &place()), Some(sent), "room to grow");
    }

    #[test]
    fn marks_of_another_boot_store_or_file_are_void() {
        let (_, bytes) = file();
        let elsewhere = [
            Whereabouts {
                boot: "another boot".to_owned(),
                ..place()
            },
            Whereabouts {
                store: [8; 16],
                ..place()
            },
            Whereabouts {
                files: [(1, 12), (1, 11)],
                ..place()
            },
            Whereabouts {
                files: [(1, 10), (1, 12)],
                ..place()
            },
        ];
        for place in elsewhere {
            assert_eq!(read(&bytes, &place), None, "{place:?}");
        }
    }

    #[test]
    fn half_a_file_and_a_flipped_bit_make_all_marks_void() {
        let (_, bytes) = file();
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length], &place()), None, "{length} bytes");
        }
        let used = (0..HEAD).chain(HEAD + SLOT..HEAD + 3 * SLOT);
        for at in used {
            let mut flipped = bytes.clone();
            flipped[at] ^= 4;
            assert_eq!(read(&flipped, &place()), None, "byte {at}");
        }
    }

    #[test]
    fn a_slot_in_the_place_of_another_makes_all_marks_void() {
        let (_, mut bytes) = file();
        bytes.copy_within(HEAD + SLOT..HEAD + 2 * SLOT, HEAD);
        assert_eq!(read(&bytes, &place()), None);
    }
}
