//! The content of a message in the making: its blocks and their order.
//!
//! Blocks that came with the message's beginning stand first (an API that calls tools by program
//! sends them so); those that events begin follow, in the order of their index. An index means the
//! block that an event began with it, else the one that came at that place with the beginning.

use std::collections::BTreeMap;

use super::assemble_block::Block;
use super::json_object::JsonObject;

/// The blocks of a message.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    first: Vec<Block>,
    begun: BTreeMap<u64, Block>,
}

impl Content {
    /// What came with the beginning; anything but an array is no content.
    pub(super) fn beginning(content: Option<&str>) -> Result<Self, String> {
        let Some(array) = content.filter(|raw| raw.starts_with('[')) else {
            return Ok(Self::default());
        };
        let blocks: Vec<&serde_json::value::RawValue> =
            serde_json::from_str(array).map_err(|_| UNREADABLE.to_owned())?;
        let blocks = blocks.iter().map(|raw| JsonObject::parse(raw.get()));
        let blocks = blocks.map(|block| block.map(Block::whole));
        let first: Result<Vec<Block>, _> = blocks.collect();
        Ok(Self {
            first: first.map_err(|_| UNREADABLE.to_owned())?,
            begun: BTreeMap::new(),
        })
    }

    /// Begins a block. False if an event has begun that one before.
    pub(super) fn begin(&mut self, index: u64, block: Block) -> bool {
        self.begun.insert(index, block).is_none()
    }

    /// The block that events call by that index.
    pub(super) fn block(&mut self, index: u64) -> Option<&mut Block> {
        let first = usize::try_from(index).ok();
        let first = first.and_then(|index| self.first.get_mut(index));
        self.begun.get_mut(&index).or(first)
    }

    /// Whether all there is came with the beginning.
    pub(super) fn came_with_the_beginning(&self) -> bool {
        self.begun.is_empty() && !self.first.is_empty()
    }

    /// The blocks of which more may come.
    pub(super) fn open(&self) -> impl Iterator<Item = &Block> {
        self.begun.values().filter(|block| block.is_open())
    }

    /// All blocks, as an array.
    pub(super) fn to_json(&self) -> String {
        let blocks = self.first.iter().chain(self.begun.values());
        let blocks: Vec<String> = blocks.map(Block::to_json).collect();
        format!("[{}]", blocks.join(","))
    }
}

const UNREADABLE: &str = "the content that the stream began with cannot be read";
