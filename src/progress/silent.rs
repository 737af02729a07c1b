//! No progress at all.

use crate::model::{Event, Observer};

/// Shows nothing: `--quiet`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&mut self, _: &Event) {}
}
