//! Where a batch stands: what may follow what, and what the API says of it.

use super::batches::remote;
use super::*;
use crate::model::{BatchId, BatchState, CancelReason, RemoteStatus};
use crate::store::{BatchStore, NewBatch};

use BatchState::{Canceling, Ended, Filling, Harvested, Lost, Open, Ready, Sending, Uncertain};

const DAY: i64 = 86_400_000;

#[tokio::test]
async fn a_batch_goes_only_where_it_may() {
    let allowed = [
        (Filling, Ready),
        (Ready, Ready),
        (Ready, Sending),
        (Sending, Ready),
        (Sending, Sending),
        (Sending, Uncertain),
        (Uncertain, Sending),
        (Uncertain, Uncertain),
        (Open, Ended),
        (Canceling, Ended),
        (Ended, Ended),
        (Harvested, Harvested),
    ];
    for (from, to) in allowed {
        let bench = Bench::for_batch(2).await;
        let batch = bench.standing(from).await;
        assert_eq!(bench.go(batch, to).await, to, "{from}");
        assert_eq!(bench.row(batch).await.state, to, "{from}");
    }
    for from in BatchState::ALL {
        let bench = Bench::for_batch(2).await;
        let batch = bench.standing(from).await;
        for to in BatchState::ALL {
            if allowed.contains(&(from, to)) {
                continue;
            }
            let moved = bench.store.move_batch(batch, to, at(60)).await;
            if from == Lost {
                assert_eq!(moved.unwrap(), Lost, "{to}");
            } else {
                assert!(moved.is_err(), "{from} {to}");
            }
            assert_eq!(bench.row(batch).await.state, from, "{to}");
        }
    }
}

impl Bench {
    /// A batch of two that stands there.
    pub(super) async fn standing(&self, state: BatchState) -> BatchId {
        let batch = match state {
            Filling | Ready | Sending | Uncertain | Lost => self.filled("n", 2).await,
            _ => self.open("n", 2).await,
        };
        match state {
            Filling | Open => {}
            Ready => drop(self.go(batch, Ready).await),
            Sending | Uncertain => {
                self.go(batch, Ready).await;
                self.go(batch, Sending).await;
                self.go(batch, state).await;
            }
            Lost => drop(self.disband(batch, Lane::Batch, false).await),
            Canceling => {
                let reason = CancelReason::Deadline;
                self.store.cancel_batch(batch, reason).await.unwrap();
            }
            Ended => self.note(batch, RemoteStatus::Ended).await,
            Harvested => {
                self.note(batch, RemoteStatus::Ended).await;
                let items = self.items(batch).await;
                let items = items.iter().map(|item| (success(&item.job), Lane::Live));
                self.finish_all(items.collect()).await;
                self.go(batch, Harvested).await;
            }
        }
        assert_eq!(self.row(batch).await.state, state);
        batch
    }
}

#[tokio::test]
async fn what_the_api_says_is_written_down() {
    let bench = Bench::for_batch(3).await;
    let batch = bench.standing(Sending).await;
    assert_eq!(bench.row(batch).await.sent_at, Some(at(20)));
    bench.note(batch, RemoteStatus::InProgress).await;
    let row = bench.row(batch).await;
    assert_eq!(
        (row.state, row.remote_id),
        (Open, Some(format!("msgbatch_{}", batch.0)))
    );
    assert_eq!(
        (row.remote_created_at, row.expires_at),
        (Some(at(25)), Some(at(DAY)))
    );
    assert_eq!(
        (row.polled_at, row.counts.processing, row.ended_at),
        (Some(at(30)), 3, None)
    );
    bench.note(batch, RemoteStatus::Canceling).await;
    assert_eq!(bench.row(batch).await.state, Canceling);
    bench.note(batch, RemoteStatus::InProgress).await;
    assert_eq!(bench.row(batch).await.state, Canceling);
    bench.note(batch, RemoteStatus::Ended).await;
    let row = bench.row(batch).await;
    assert_eq!((row.state, row.ended_at), (Ended, Some(at(500))));
    let read = Reader::batches(&bench.reader(), bench.run).await.unwrap();
    assert_eq!(read, [row]);
}

#[tokio::test]
async fn a_remote_batch_is_taken_for_one_of_ours_at_most_once() {
    let bench = Bench::for_batch(4).await;
    let first = bench.open("a", 2).await;
    let second = bench.filled("b", 2).await;
    let taken = || remote(&format!("msgbatch_{}", first.0), RemoteStatus::InProgress);
    assert!(
        bench
            .store
            .note_remote(second, taken(), at(1))
            .await
            .is_err(),
        "not sent yet"
    );
    bench.go(second, Ready).await;
    bench.go(second, Sending).await;
    assert!(
        bench
            .store
            .note_remote(second, taken(), at(1))
            .await
            .is_err(),
        "another one's id"
    );
    let other = remote("msgbatch_other", RemoteStatus::Ended);
    assert!(
        bench.store.note_remote(first, other, at(1)).await.is_err(),
        "it has an id"
    );
    assert_eq!(bench.row(first).await.state, Open);
    assert_eq!(bench.row(second).await.state, Sending);
}

#[tokio::test]
async fn a_wish_to_cancel_is_kept_until_the_api_can_be_asked() {
    use CancelReason::{Deadline, User};
    let cases = [
        (Sending, Sending, Canceling),
        (Uncertain, Uncertain, Canceling),
        (Open, Canceling, Canceling),
        (Canceling, Canceling, Canceling),
        (Ended, Ended, Ended),
    ];
    for (from, stands, after_a_poll) in cases {
        let bench = Bench::for_batch(2).await;
        let batch = bench.standing(from).await;
        for reason in [User, Deadline] {
            bench.store.cancel_batch(batch, reason).await.unwrap();
        }
        let row = bench.row(batch).await;
        let reason = (from != Ended).then_some(User);
        assert_eq!((row.state, row.cancel_reason), (stands, reason), "{from}");
        bench.note(batch, RemoteStatus::InProgress).await;
        assert_eq!(bench.row(batch).await.state, after_a_poll, "{from}");
    }
    for from in [Filling, Ready] {
        let bench = Bench::for_batch(2).await;
        let batch = bench.standing(from).await;
        assert!(
            bench.store.cancel_batch(batch, User).await.is_err(),
            "{from}"
        );
    }
}

#[tokio::test]
async fn a_batch_is_begun_once_for_a_nonce() {
    let bench = Bench::for_batch(1).await;
    let first = bench.begin("n").await;
    assert_eq!(bench.begin("n").await, first);
    assert_ne!(bench.begin("m").await, first);
    let other = RunId::generate();
    bench.store.begin_load(new_run(other)).await.unwrap();
    let stolen = NewBatch {
        run: other,
        nonce: "n".to_owned(),
        now: at(0),
    };
    assert!(bench.store.begin_batch(stolen).await.is_err());
}
