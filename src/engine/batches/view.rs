//! What all decisions about batches go by.

use super::ways::Ways;
use crate::policy::BatchSettings;

/// What all decisions about batches go by.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) settings: BatchSettings,
    /// Multiplies our own waits.
    pub(super) scale: f64,
    pub(super) ways: Ways,
    /// The user cancelled the run.
    pub(super) canceling: bool,
}
