//! The loop of the batch lane: waits until something happens, tells the planner, and does as it
//! says. It decides nothing.

use std::sync::Arc;

use fastrand::Rng;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use super::answer::Answer;
use super::batch_io::{BatchIo, Context};
use super::effect::Effect;
use super::planner::Planner;
use super::signals::{Mode, News, Orders, Status};
use crate::provider::BatchApi;
use crate::store::{BatchStore, StoreError};

/// The loop and all that it owns.
pub(super) struct Driver<S, B> {
    hands: Arc<BatchIo<S, B>>,
    planner: Planner,
    rng: Rng,
    orders: watch::Receiver<Orders>,
    status: watch::Sender<Status>,
    tasks: JoinSet<Result<Answer, StoreError>>,
    broken: bool,
}

/// What became of a task.
type Done = Result<Result<Answer, StoreError>, JoinError>;

/// Something that happened.
#[expect(
    clippy::large_enum_variant,
    reason = "one exists at a time, and is handled at once"
)]
enum Happening {
    Orders,
    Done(Done),
    WakeUp,
    /// Nobody gives orders any more.
    Alone,
}

impl<S: BatchStore, B: BatchApi> Driver<S, B> {
    pub(super) fn new(
        hands: BatchIo<S, B>,
        planner: Planner,
        seed: Option<u64>,
        orders: watch::Receiver<Orders>,
        status: watch::Sender<Status>,
    ) -> Self {
        Self {
            hands: Arc::new(hands),
            planner,
            // Not the stream of the live lane: how the two mix depends on the machine.
            rng: seed.map_or_else(Rng::new, |seed| Rng::with_seed(!seed)),
            orders,
            status,
            tasks: JoinSet::new(),
            broken: false,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            self.act().await;
            let is_done = self.planner.is_leaving() && self.planner.is_quiet();
            if is_done || self.broken || self.orders.borrow().mode == Mode::Abandon {
                self.hands.tell(News::Left).await;
                return;
            }
            match self.next().await {
                Happening::Orders => self.on_orders(),
                Happening::Done(done) => self.on_done(done).await,
                Happening::WakeUp => {}
                Happening::Alone => return,
            }
        }
    }

    async fn next(&mut self) -> Happening {
        let clock = self.hands.clock;
        let wake = self.planner.wakes_at(clock.now());
        let wake_up = async move {
            match wake {
                Some(at) => clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            changed = self.orders.changed() => match changed {
                Ok(()) => Happening::Orders,
                Err(_) => Happening::Alone,
            },
            Some(done) = self.tasks.join_next() => Happening::Done(done),
            () = wake_up => Happening::WakeUp,
        }
    }

    fn on_orders(&mut self) {
        let Orders { mode, live } = *self.orders.borrow_and_update();
        self.planner.on_orders(mode, live);
        if self.planner.is_leaving() {
            self.hands.leave();
        }
    }

    async fn on_done(&mut self, done: Done) {
        let now = self.hands.clock.now();
        let error = match done {
            Ok(Ok(answer)) => return self.planner.on_answer(answer, now, &mut self.rng),
            Ok(Err(error)) => error,
            // What it panicked with was told when it happened; it may quote what is secret.
            Err(_) => StoreError::IllegalTransition("a task of the batch lane was lost".to_owned()),
        };
        self.broken = true;
        self.hands.tell(News::Broken(error)).await;
    }

    /// Carries out what the planner wants. Whether there is work is said before any of it begins.
    async fn act(&mut self) {
        let now = self.hands.clock.now();
        let effects = self.planner.plan(now, &mut self.rng);
        self.tell_status();
        if self.planner.is_leaving() {
            self.hands.leave();
        }
        for effect in effects {
            match effect {
                Effect::Tell(kind) => self.hands.observe(kind).await,
                Effect::Freed(batch) => self.hands.tell(News::Freed(batch)).await,
                Effect::Kept(batch) => self.hands.tell(News::Kept(batch)).await,
                Effect::Held(halt) => {
                    self.hands.tell(News::Held(halt)).await;
                    // Only now may the dispatcher see that nobody waits here any more.
                    self.planner.on_held_told();
                }
                Effect::Halt(halt) => self.hands.tell(News::Halted(halt)).await,
                effect => {
                    let context = Context {
                        ways: self.planner.view.ways,
                        rng: self.rng.fork(),
                    };
                    let hands = Arc::clone(&self.hands);
                    self.tasks
                        .spawn(async move { hands.carry_out(effect, context).await });
                }
            }
        }
        self.tell_status();
    }

    fn tell_status(&self) {
        let status = Status {
            busy: self.planner.is_busy(),
            remote_batches: self.planner.remote_batches(),
        };
        self.status.send_if_modified(|current| {
            let is_new = *current != status;
            *current = status;
            is_new
        });
    }
}
