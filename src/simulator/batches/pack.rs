//! The parameters of a batch's requests, packed: they are read at most a few times, in blocks.

use zstd::bulk::{Compressor, decompress};

/// Bytes after which a block is closed: small enough to be unpacked for the sake of one request.
const BLOCK: usize = 64 * 1024;
/// The fastest level: prompts that share their prefixes pack well all the same.
const LEVEL: i32 = 1;

/// The parameters of all requests, in order.
#[derive(Debug, Default)]
pub(super) struct Pack {
    blocks: Vec<Block>,
}

#[derive(Debug)]
struct Block {
    /// How many requests stand before it.
    first: u32,
    bytes: Vec<u8>,
    /// The size of what was packed; none if the bytes are as they came.
    unpacked: Option<usize>,
}

/// A pack in the making.
#[derive(Debug, Default)]
pub(super) struct Packer {
    pack: Pack,
    open: Vec<u8>,
    /// Requests so far, and those before the open block.
    count: u32,
    first: u32,
}

impl Packer {
    pub(super) fn push(&mut self, params: &[u8]) {
        let length = u32::try_from(params.len()).unwrap_or(u32::MAX);
        self.open.extend_from_slice(&length.to_le_bytes());
        self.open.extend_from_slice(params);
        self.count += 1;
        // Small blocks: one is unpacked for each answer that is fetched again.
        if self.open.len() >= BLOCK {
            self.close_block();
        }
    }

    fn close_block(&mut self) {
        let plain = std::mem::take(&mut self.open);
        let packed = Compressor::new(LEVEL).and_then(|mut packer| packer.compress(&plain));
        let (bytes, unpacked) = match packed {
            Ok(mut bytes) => {
                // The packer's buffer is as large as the text, and a million requests would keep
                // it.
                bytes.shrink_to_fit();
                (bytes, Some(plain.len()))
            }
            // What cannot be packed is kept as it is: a request must not be lost to that.
            Err(_) => (plain, None),
        };
        self.pack.blocks.push(Block {
            first: self.first,
            bytes,
            unpacked,
        });
        self.first = self.count;
    }

    pub(super) fn finish(mut self) -> Pack {
        if !self.open.is_empty() {
            self.close_block();
        }
        self.pack
    }
}

impl Pack {
    pub(super) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The block in which the request at `index` stands.
    pub(super) fn block_of(&self, index: u32) -> usize {
        self.blocks
            .partition_point(|block| block.first <= index)
            .saturating_sub(1)
    }

    /// The requests of a block.
    pub(super) fn open(&self, block: usize) -> Opened {
        let Some(block) = self.blocks.get(block) else {
            return Opened::default();
        };
        let plain = match block.unpacked {
            Some(size) => decompress(&block.bytes, size).unwrap_or_default(),
            None => block.bytes.clone(),
        };
        Opened {
            first: block.first,
            plain,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Opened {
    first: u32,
    plain: Vec<u8>,
}

impl Opened {
    /// Each request's index in the batch and its parameters.
    pub(super) fn requests(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let mut rest = self.plain.as_slice();
        let bodies = std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk()?;
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            let (params, after) = after.split_at_checked(length)?;
            rest = after;
            Some(params)
        });
        (self.first..).zip(bodies)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_out_at_its_index(
            lengths in prop::collection::vec(0_usize..30_000, 0..20)
        ) {
            let bodies: Vec<Vec<u8>> = (0_u8..).zip(&lengths).map(|(at, length)| vec![at; *length]).collect();
            let mut packer = Packer::default();
            for body in &bodies {
                packer.push(body);
            }
            let pack = packer.finish();
            let opened: Vec<_> = (0..pack.blocks()).map(|block| pack.open(block)).collect();
            let out: Vec<_> = opened.iter().flat_map(Opened::requests).collect();
            prop_assert_eq!(out.len(), bodies.len());
            for (at, (index, params)) in (0_u32..).zip(out) {
                prop_assert_eq!(index, at);
                prop_assert_eq!(params, &bodies[usize::try_from(at).unwrap()][..]);
                let block = &opened[pack.block_of(at)];
                prop_assert!(block.requests().any(|(index, _)| index == at));
            }
        }
    }
}
