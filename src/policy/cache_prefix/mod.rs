//! Long prefixes that many requests share, and the one mark that lets the API cache them.
//!
//! ```text
//! places     where in a request a mark can stand, each with a hash of all that comes before it;
//!            nowhere, if it has a `cache_control` of its own anywhere
//! census     counts requests by place, and chooses the places that pay
//! mark       puts the mark into a request
//! savings    what that is expected to save
//! ```
//!
//! A place counts for what the cache goes by: the model, what else shapes the prompt (tool choice,
//! thinking, ...), then tools, system and messages in this order, byte for byte. Two requests whose
//! hashes agree begin with the same prompt; two that agree only in meaning are taken for different,
//! which costs a chance and never money.
//!
//! Pure. A request gets at most one mark, everything else of it stays byte for byte, and a request
//! that has one already is never touched.

mod census;
mod mark;
mod places;
mod savings;

pub use census::{Census, worth_warming};
pub use mark::{Keep, Marker};
pub use savings::savings;

#[cfg(test)]
mod tests;
