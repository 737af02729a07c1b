//! The one thread that owns the write connection, and commits in groups.
//!
//! A commit with `synchronous=FULL` waits for the disk, some milliseconds, whatever is in it. So
//! the thread takes every call that has come in meanwhile, carries them all out in one
//! transaction, and answers them after the commit: under load a call costs microseconds, and
//! nothing is answered before it is durable.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::tx::Tx;
use crate::store::{Result, StoreError};

/// Calls that wait for the writer; more senders wait for room.
const QUEUED_CALLS: usize = 256;
/// Calls in one transaction: bounds how long the first of them waits.
const GROUPED_CALLS: usize = 64;

/// A handle to the writer; the thread ends when the last one is dropped.
#[derive(Clone, Debug)]
pub(super) struct Writer(Mode);

#[derive(Clone)]
enum Mode {
    Thread(mpsc::Sender<Message>),
    Inline(Arc<Mutex<Tx>>),
}

/// What the thread is sent.
enum Message {
    Call(Box<dyn Call>),
    /// Leave the file tidy and end; the sender is dropped when that is done.
    Close(oneshot::Sender<()>),
}

impl std::fmt::Debug for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Thread(_) => "Thread",
            Self::Inline(_) => "Inline",
        })
    }
}

impl Writer {
    /// Starts the thread.
    pub(super) fn spawn(tx: Tx) -> Result<Self> {
        let (sender, receiver) = mpsc::channel(QUEUED_CALLS);
        let path = tx.path().to_path_buf();
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || serve(tx, receiver))
            .map_err(|error| StoreError::Other {
                path,
                why: format!("no thread could be started: {error}"),
            })?;
        Ok(Self(Mode::Thread(sender)))
    }

    /// A writer that works on the caller's thread: virtual time must not pass while a test waits
    /// for another thread.
    pub(super) fn inline(tx: Tx) -> Self {
        Self(Mode::Inline(Arc::new(Mutex::new(tx))))
    }

    /// Carries out `verb` in a transaction and returns when it is durable. The verb may be carried
    /// out a second time, if another one of its group failed.
    pub(super) async fn call<T, V>(&self, verb: V) -> Result<T>
    where
        T: Send + 'static,
        V: FnMut(&mut Tx) -> Result<T> + Send + 'static,
    {
        match &self.0 {
            Mode::Inline(tx) => {
                let mut tx = tx.lock().unwrap_or_else(PoisonError::into_inner);
                let mut verb = verb;
                tx.transact(|tx| verb(tx))
            }
            Mode::Thread(sender) => {
                let (reply, answer) = oneshot::channel();
                let call = Box::new(Pending {
                    verb,
                    outcome: None,
                    reply,
                });
                sender
                    .send(Message::Call(call))
                    .await
                    .map_err(|_| StoreError::Closed)?;
                answer.await.map_err(|_| StoreError::Closed)?
            }
        }
    }
}

impl Writer {
    /// Ends the thread when all calls before this one are done; later calls are refused.
    pub(super) async fn close(&self) {
        if let Mode::Thread(sender) = &self.0 {
            let (done, closed) = oneshot::channel();
            if sender.send(Message::Close(done)).await.is_ok() {
                let _ = closed.await;
            }
        }
    }
}

/// One call on its way through a group.
trait Call: Send {
    /// Carries it out inside the open transaction and keeps the outcome; an error spoils the group.
    fn apply(&mut self, tx: &mut Tx) -> Result<()>;
    /// Tells the caller, once the fate of the transaction is known.
    fn answer(self: Box<Self>, committed: Result<()>);
}

struct Pending<T, V> {
    verb: V,
    outcome: Option<T>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, V> Call for Pending<T, V>
where
    T: Send,
    V: FnMut(&mut Tx) -> Result<T> + Send,
{
    fn apply(&mut self, tx: &mut Tx) -> Result<()> {
        self.outcome = Some((self.verb)(tx)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        let Self { outcome, reply, .. } = *self;
        // A caller that is gone needs no answer: what it asked for is durable all the same.
        let _ = reply.send(committed.and_then(|()| outcome.ok_or(StoreError::Closed)));
    }
}

fn serve(mut tx: Tx, mut messages: mpsc::Receiver<Message>) {
    let mut group = Vec::with_capacity(GROUPED_CALLS);
    let mut closing = None;
    while closing.is_none()
        && let Some(first) = messages.blocking_recv()
    {
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Call(call) => group.push(call),
                Message::Close(done) => closing = Some(done),
            }
            let more = closing.is_none() && group.len() < GROUPED_CALLS;
            next = more.then(|| messages.try_recv().ok()).flatten();
        }
        carry_out(&mut tx, &mut group);
        tx.keep_log_short();
    }
    tx.close();
    drop(closing);
}

/// All in one transaction; if that fails, each in its own, so that a bad call spoils no other.
fn carry_out(tx: &mut Tx, group: &mut Vec<Box<dyn Call>>) {
    if group.is_empty() {
        return;
    }
    let together = tx.transact(|tx| group.iter_mut().try_for_each(|call| call.apply(tx)));
    if together.is_ok() || group.len() == 1 {
        for call in group.drain(..) {
            call.answer(together.clone());
        }
        return;
    }
    for mut call in group.drain(..) {
        let alone = tx.transact(|tx| call.apply(tx));
        call.answer(alone);
    }
}
