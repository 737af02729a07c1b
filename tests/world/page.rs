//! A status page that says what it is told to, with a memory of every look.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use claude_run::model::{Indicator, PageStatus};
use claude_run::provider::StatusSource;
use tokio::time::Instant;

/// How long a look takes.
const LOOK: Duration = Duration::from_secs(3);

#[derive(Default)]
struct State {
    /// From these moments on the page says this.
    says: Vec<(Instant, Indicator)>,
    looks: Vec<Instant>,
}

/// The page.
#[derive(Default)]
pub struct Page(Mutex<State>);

/// The page, as the engine asks it.
pub struct Asked(pub Arc<Page>);

impl Page {
    /// From then on it says this; before the first such moment nothing is known.
    pub fn says_from(&self, at: Instant, indicator: Indicator) {
        self.state().says.push((at, indicator));
    }

    /// When it was asked.
    pub fn looks(&self) -> Vec<Instant> {
        self.state().looks.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn look(&self) -> PageStatus {
        let mut state = self.state();
        let now = Instant::now();
        state.looks.push(now);
        let said = state.says.iter().rfind(|(at, _)| *at <= now);
        let indicator = said.map_or(Indicator::Unknown, |(_, indicator)| *indicator);
        PageStatus {
            indicator,
            incident: (indicator != Indicator::None).then(|| format!("a {indicator} incident")),
            component: Some("partial_outage".to_owned()),
        }
    }
}

impl StatusSource for Asked {
    async fn ask(&self) -> PageStatus {
        let status = self.0.look();
        tokio::time::sleep(LOOK).await;
        status
    }
}
