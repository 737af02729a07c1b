//! Whom the user trusts: which config files may say where keys and prompts go, and which hosts the
//! user has named before.
//!
//! The folder that a command is called in may be somebody else's work, its config file and its store
//! with it. Neither may send the user's key anywhere. So everything that makes a client of an
//! endpoint passes one [`gate`], and what the user has said is kept in the user's own state folder
//! ([`Memory`]), as `ssh` keeps its `known_hosts`. Nothing kept there is a secret.

mod files;
pub mod gate;
mod hosts;
mod memory;
mod state;

pub use files::{TrustedFile, fingerprint, remembered_as, standing};
pub use gate::Passage;
pub use hosts::{KnownBundle, KnownHost};
pub use memory::{Entry, Memory};
pub use state::TrustState;
