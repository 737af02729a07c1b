//! The harvest: results of a batch that has ended go into the store, and what a download came to says
//! what is next.

use super::Life;
use crate::engine::batches::harvester::{HarvestEnd, Harvested, Harvester};
use crate::engine::batches::signals::News;
use crate::model::{BatchState, EventKind, ResultLines};
use crate::provider::{BatchApi, Failure, is_missing};
use crate::store::{BatchStore, Result};

impl<S: BatchStore, B: BatchApi> Life<S, B> {
    pub(super) async fn harvest(&mut self) -> Result<()> {
        let row = self.batch.row.clone();
        let cancel = self.shared.read(|it| it.cancel_reason(&row));
        let (downloads, doubts, context) =
            (self.batch.downloads, self.batch.doubts, self.context());
        let mut harvester = Harvester::new(self.io(), &row, cancel, context);
        let done = harvester.run(downloads, doubts).await?;
        // Jobs that go again may wait for another batch now.
        self.shared.update(|it, _| it.intake.changed());
        self.batch.lines = sum(&self.batch.lines, &done.lines);
        self.batch.row.short = done.short;
        self.batch.was_asked = true;
        let Harvested {
            end,
            archived,
            halt,
            hold,
            ..
        } = done;
        if let Some(hold) = hold {
            self.io().tell(News::Held(hold)).await;
        }
        self.harvested(end, archived).await?;
        if let Some(halt) = halt {
            self.shared.halt(halt).await;
        }
        Ok(())
    }

    async fn harvested(&mut self, end: HarvestEnd, is_archived: bool) -> Result<()> {
        match end {
            HarvestEnd::Complete => {
                self.batch.moved(BatchState::Harvested);
                self.tell(EventKind::BatchHarvested {
                    batch: self.id().0,
                    remote_id: self.remote_id(),
                    lines: self.batch.lines,
                })
                .await;
            }
            HarvestEnd::Incomplete => {
                self.batch.downloads += 1;
                self.back_off(None);
            }
            HarvestEnd::Postponed => {
                self.batch.downloads += 1;
                self.batch.doubts.contradicted = false;
                self.batch.again_at_once();
            }
            HarvestEnd::Short(lack) => {
                self.batch.downloads += 1;
                self.batch.doubts.contradicted = lack.contradicted;
                self.lines_missing(lack).await;
            }
            HarvestEnd::Cut(failure) => return self.cut(&failure, is_archived).await,
            // The next start downloads them again.
            HarvestEnd::Stopped => {}
        }
        Ok(())
    }

    /// The download broke off, or there was none.
    async fn cut(&mut self, failure: &Failure, is_archived: bool) -> Result<()> {
        if is_missing(failure) && (is_archived || self.batch.is_archived(self.now())) {
            return self.results_gone().await;
        }
        if self.batch.row.short.is_some() {
            self.shared.failed(failure).await;
            self.results_unusable(failure).await;
        } else {
            self.call_failed(failure).await;
        }
        Ok(())
    }
}

fn sum(a: &ResultLines, b: &ResultLines) -> ResultLines {
    ResultLines {
        recorded: a.recorded + b.recorded,
        repeated: a.repeated + b.repeated,
        unknown: a.unknown + b.unknown,
        unreadable: a.unreadable + b.unreadable,
        missing: a.missing + b.missing,
        canceled_elsewhere: a.canceled_elsewhere + b.canceled_elsewhere,
    }
}
