//! How fast jobs start.

/// How fast jobs start, from one snapshot to the next.
#[derive(Debug, Default)]
pub(super) struct StartRate {
    last: u32,
    current: u32,
}

impl StartRate {
    /// A request started.
    pub(super) fn started(&mut self) {
        self.current += 1;
    }

    /// A snapshot came: the count begins anew.
    pub(super) fn turn(&mut self) {
        self.last = std::mem::take(&mut self.current);
    }

    /// Starts a snapshot, the better of the last two counts.
    pub(super) fn rate(&self) -> f64 {
        f64::from(self.last.max(self.current))
    }
}
