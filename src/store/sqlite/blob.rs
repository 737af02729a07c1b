//! Texts as the store keeps them: compressed where that saves room.
//!
//! A packed text is one codec byte, the length of the text as four little-endian bytes, the first [`SUM`]
//! bytes of the blake3 hash of all the rest, and the payload. A disk may change a bit and nobody notice:
//! the sum is checked whenever a text is read. Texts of an older claude-run have other codec bytes and no
//! sum, and are read as they are.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};

/// Fast, and about half the size on prompts and answers.
const LEVEL: i32 = 3;
/// Shorter texts are kept as they are: a few hundred bytes saved are not worth ten microseconds, a
/// tenth of all the CPU time that a job takes.
const MIN_COMPRESSED: usize = 1024;
const HEADER: usize = 5;
/// Enough against accidents.
const SUM: usize = 8;
/// More than one bit away from each other, and from the older ones.
const RAW: u8 = 0x52;
const ZSTD: u8 = 0xDB;
const RAW_WITHOUT_SUM: u8 = 0;
const ZSTD_WITHOUT_SUM: u8 = 1;

thread_local! {
    // A compression context is some 100 kB: one a thread, not one a row.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Packs a text of less than 4 GiB.
pub(super) fn pack(text: &str) -> Vec<u8> {
    let compressed = (text.len() >= MIN_COMPRESSED)
        .then(|| compress(text.as_bytes()))
        .flatten()
        .filter(|payload| payload.len() < text.len());
    match compressed {
        Some(payload) => frame(ZSTD, text.len(), &payload),
        None => frame(RAW, text.len(), text.as_bytes()),
    }
}

/// The text that was packed, or why these bytes are none.
pub(super) fn unpack(packed: &[u8]) -> Result<String, String> {
    let (header, payload) = packed
        .split_at_checked(HEADER)
        .ok_or("a packed text is cut short")?;
    let length = [header[1], header[2], header[3], header[4]];
    let length = u32::from_le_bytes(length) as usize;
    let bytes = match header[0] {
        RAW => checked(header, payload)?.to_vec(),
        ZSTD => decompress(checked(header, payload)?, length)?,
        RAW_WITHOUT_SUM => payload.to_vec(),
        ZSTD_WITHOUT_SUM => decompress(payload, length)?,
        codec => return Err(format!("a packed text has the unknown codec {codec}")),
    };
    if bytes.len() != length {
        return Err(format!(
            "a packed text has {} bytes instead of {length}",
            bytes.len()
        ));
    }
    String::from_utf8(bytes).map_err(|error| format!("a packed text is no UTF-8: {error}"))
}

/// Whether a text is what was stored, without unpacking it where its sum tells that.
pub(super) fn is_sound(packed: &[u8]) -> bool {
    match packed.split_at_checked(HEADER) {
        Some((header, payload)) if matches!(header[0], RAW | ZSTD) => {
            checked(header, payload).is_ok()
        }
        _ => unpack(packed).is_ok(),
    }
}

fn frame(codec: u8, length: usize, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let mut packed = Vec::with_capacity(HEADER + SUM + payload.len());
    packed.push(codec);
    packed.extend_from_slice(&length.to_le_bytes());
    let sum = sum(&packed, payload);
    packed.extend_from_slice(&sum);
    packed.extend_from_slice(payload);
    packed
}

/// The payload behind its sum, if that fits.
fn checked<'a>(header: &[u8], summed: &'a [u8]) -> Result<&'a [u8], String> {
    let (expected, payload) = summed
        .split_at_checked(SUM)
        .ok_or("a packed text is cut short")?;
    if sum(header, payload) == expected {
        Ok(payload)
    } else {
        Err("its checksum does not fit: it is not what was stored".to_owned())
    }
}

/// A sum over these bytes, one behind the other.
pub(super) fn sum(first: &[u8], then: &[u8]) -> [u8; SUM] {
    let mut hasher = blake3::Hasher::new();
    let hash = hasher.update(first).update(then).finalize();
    std::array::from_fn(|index| hash.as_bytes()[index])
}

fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Compressor::new(LEVEL).ok();
        }
        slot.as_mut()?.compress(bytes).ok()
    })
}

fn decompress(payload: &[u8], length: usize) -> Result<Vec<u8>, String> {
    DECOMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Some(Decompressor::new().map_err(|error| error.to_string())?);
        }
        let decompressor = slot.as_mut().ok_or("no decompressor")?;
        decompressor
            .decompress(payload, length)
            .map_err(|error| format!("a packed text cannot be unpacked: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::{RAW, ZSTD, compress, pack, unpack};
    use proptest::prelude::*;

    /// As an older claude-run packed it.
    fn packed_without_sum(codec: u8, text: &str, payload: &[u8]) -> Vec<u8> {
        let mut packed = vec![codec];
        packed.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        packed.extend(payload);
        packed
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(text in ".{0,400}", times in 1_usize..20) {
            let text = text.repeat(times);
            prop_assert_eq!(unpack(&pack(&text)), Ok(text));
        }

        #[test]
        fn garbage_is_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = unpack(&bytes);
        }
    }

    #[test]
    fn texts_of_an_older_claude_run_are_read() {
        let (short, long) = ("a short text", "a long text, ".repeat(200));
        let raw = packed_without_sum(0, short, short.as_bytes());
        assert_eq!(unpack(&raw).as_deref(), Ok(short));
        let compressed = packed_without_sum(1, &long, &compress(long.as_bytes()).unwrap());
        assert_eq!(unpack(&compressed), Ok(long));
    }

    #[test]
    fn every_bit_that_flips_is_noticed() {
        for text in ["", "a short text", &"a long text, ".repeat(200)] {
            let packed = pack(text);
            for bit in 0..packed.len() * 8 {
                let mut damaged = packed.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                let read = unpack(&damaged);
                assert!(read.is_err(), "bit {bit} of {}", packed.len() * 8);
            }
        }
        for (one, other) in [(RAW, ZSTD), (RAW, 0), (RAW, 1), (ZSTD, 0), (ZSTD, 1)] {
            assert!((one ^ other).count_ones() > 1, "{one} {other}");
        }
    }

    #[test]
    fn long_texts_shrink() {
        let text = "The quick brown fox jumps over the lazy dog. ".repeat(100);
        assert!(pack(&text).len() < text.len() / 10);
    }
}
