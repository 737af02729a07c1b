//! The log: what claude-run itself does, on standard error, for those who ask with `-v`.
//!
//! Only our own crate is heard: the HTTP stack's debug lines hold headers, and headers hold keys.

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

const OUR_CRATE: &str = "claude_run";

/// The level for this many `-v`: warnings, then what happens, then why, then everything.
#[must_use]
pub fn level(verbosity: u8) -> LevelFilter {
    match verbosity {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

/// A log that writes to `writer`, which must print around progress bars if there are any.
pub fn subscriber<W>(verbosity: u8, color: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(color)
        .with_target(false)
        .with_writer(writer)
        .with_filter(Targets::new().with_target(OUR_CRATE, level(verbosity)));
    Registry::default().with(lines)
}

/// Makes it the process's log. A second call changes nothing.
pub fn install<W>(verbosity: u8, color: bool, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // It fails only if a log is installed already, and then that one goes on.
    let _ = tracing::subscriber::set_global_default(subscriber(verbosity, color, writer));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::Stderr;
    use crate::cli::console::testing::Captured;

    fn logged(verbosity: u8) -> String {
        let captured = Captured::default();
        let writer = Stderr::to(Box::new(captured.clone()));
        tracing::subscriber::with_default(subscriber(verbosity, false, writer), || {
            tracing::warn!("one");
            tracing::info!("two");
            tracing::debug!("three");
            tracing::trace!("four");
            tracing::error!(target: "hyper::proto", "x-api-key: hidden");
        });
        captured.text()
    }

    #[test]
    fn each_v_says_more() {
        for (verbosity, lines) in [(0, 1), (1, 2), (2, 3), (3, 4), (200, 4)] {
            assert_eq!(logged(verbosity).lines().count(), lines, "{verbosity}");
        }
    }

    #[test]
    fn other_crates_are_not_heard() {
        let text = logged(3);
        assert!(text.contains("four") && !text.contains("hidden"), "{text}");
    }
}
