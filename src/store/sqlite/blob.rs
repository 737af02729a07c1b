//! Texts as the store keeps them: compressed where that saves room.
//!
//! A packed text is one codec byte, its length as four little-endian bytes, and the payload.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};

/// Fast, and about half the size on prompts and answers.
const LEVEL: i32 = 3;
/// Shorter texts are kept as they are: a few hundred bytes saved are not worth ten microseconds, a
/// tenth of all the CPU time that a job takes.
const MIN_COMPRESSED: usize = 1024;
const HEADER: usize = 5;
const RAW: u8 = 0;
const ZSTD: u8 = 1;

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
        RAW => payload.to_vec(),
        ZSTD => decompress(payload, length)?,
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

fn frame(codec: u8, length: usize, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let mut packed = Vec::with_capacity(HEADER + payload.len());
    packed.push(codec);
    packed.extend_from_slice(&length.to_le_bytes());
    packed.extend_from_slice(payload);
    packed
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
    use super::{pack, unpack};
    use proptest::prelude::*;

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
    fn long_texts_shrink() {
        let text = "The quick brown fox jumps over the lazy dog. ".repeat(100);
        assert!(pack(&text).len() < text.len() / 10);
    }
}
