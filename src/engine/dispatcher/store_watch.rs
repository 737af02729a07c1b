//! Notices that the store does not answer: another program holds its lock, or the disk stands still.

use std::time::Duration;

use tokio::time::Instant;

/// A store that answers no call for so long is told of: a commit takes milliseconds.
const SILENT_AFTER: Duration = Duration::from_secs(3);

/// Watches the calls that are under way.
#[derive(Debug, Default)]
pub(super) struct StoreWatch {
    /// Calls are under way, and none has come back since then.
    since: Option<Instant>,
    told: bool,
}

impl StoreWatch {
    /// A call leaves.
    pub(super) fn called(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// A call came back; `more`: others are still under way. True if the silence before it was told.
    pub(super) fn answered(&mut self, more: bool) -> bool {
        self.since = more.then(Instant::now);
        std::mem::take(&mut self.told)
    }

    /// How long nothing has come back, if that is to be told: once.
    pub(super) fn silence(&mut self) -> Option<Duration> {
        let silence = self.since?.elapsed();
        let is_news =
            silence >= SILENT_AFTER && !std::mem::replace(&mut self.told, silence >= SILENT_AFTER);
        is_news.then_some(silence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silence_is_told_once_and_so_is_its_end() {
        let mut watch = StoreWatch::default();
        assert_eq!(watch.silence(), None);
        watch.called();
        tokio::time::advance(SILENT_AFTER / 2).await;
        watch.called();
        assert_eq!(watch.silence(), None);
        tokio::time::advance(SILENT_AFTER / 2).await;
        assert_eq!(watch.silence(), Some(SILENT_AFTER));
        assert_eq!(watch.silence(), None);
        assert!(watch.answered(true));
        assert!(!watch.answered(true));
        tokio::time::advance(SILENT_AFTER).await;
        assert_eq!(watch.silence(), Some(SILENT_AFTER));
        assert!(watch.answered(false));
        tokio::time::advance(SILENT_AFTER).await;
        assert_eq!(watch.silence(), None, "nothing is under way");
    }
}
