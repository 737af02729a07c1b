//! Writing behind a bounded queue, on a thread of its own.
//!
//! Whoever reads a terminal, a pipe or a FIFO may be slow, or not read at all. So nobody here waits
//! for them longer than [`PATIENCE`]: what is written is put into a queue, a thread hands it on, and
//! when the queue is full whole pieces are left out. A run goes on whatever its readers
//! do.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// This long nothing at all may be taken before a reader is given up.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// What is handed on at once: a slow reader shows that it lives with each of them.
const BITE: usize = 4 * 1024;

/// A way to a place that is written to behind a queue. Copies write to the same place, each piece
/// whole and in order.
#[derive(Clone)]
pub struct Behind(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    room: usize,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Vec<u8>>,
    /// Bytes in the queue and in the thread's hands.
    waiting: usize,
    /// Bytes that were taken, ever.
    taken: u64,
    /// Nothing was taken for as long as patience lasts, and nothing since.
    stalled: bool,
    /// Why nothing can be written any more.
    failed: Option<String>,
    closed: bool,
}

impl Behind {
    /// Opens the place with `open` and writes to it, on a thread of its own. At most `room` bytes
    /// wait for it.
    ///
    /// # Errors
    ///
    /// The machine gives no thread.
    pub fn start<W: Write>(
        room: usize,
        open: impl FnOnce() -> io::Result<W> + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            room,
        });
        let behind = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("observers".to_owned())
            .spawn(move || {
                let told = open().and_then(|out| behind.serve(out));
                behind.end(told.err().map(|error| error.to_string()));
            })?;
        Ok(Self(shared))
    }

    /// Puts a piece into the queue, or leaves it out whole if there is no room, or no place any
    /// more; true if it is in the queue.
    #[expect(
        clippy::must_use_candidate,
        reason = "whoever draws frames loses nothing by one that is left out"
    )]
    pub fn put(&self, piece: &[u8]) -> bool {
        let mut state = self.0.lock();
        // A single piece larger than the room is taken all the same, or it could never be written.
        let is_full = state.waiting > 0 && state.waiting + piece.len() > self.0.room;
        if is_full || state.failed.is_some() {
            return false;
        }
        state.waiting += piece.len();
        state.pieces.push_back(piece.to_vec());
        self.0.changed.notify_all();
        true
    }

    /// Waits until everything is written, or nothing was taken for as long as `patience` lasts;
    /// true if everything is. A reader that was given up before is not waited for again until it
    /// has taken something.
    pub fn settle(&self, patience: Duration) -> bool {
        let mut state = self.0.lock();
        while state.waiting > 0 {
            // Whoever reads did not take anything before: nobody waits twice for it.
            if state.stalled {
                return false;
            }
            let before = state.taken;
            let waited = self.0.changed.wait_timeout_while(state, patience, |state| {
                state.waiting > 0 && state.taken == before
            });
            let (after, timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
            state = after;
            state.stalled = timed_out.timed_out() && state.taken == before;
        }
        true
    }

    /// Why nothing can be written any more.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.0.lock().failed.clone()
    }

    /// No more comes: the thread ends when what waits is written.
    pub fn close(&self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve<W: Write>(&self, mut out: W) -> io::Result<()> {
        while let Some(piece) = self.next() {
            // Small bites show a slow reader as slow; one large write would look like a stalled
            // one.
            for bite in piece.chunks(BITE) {
                out.write_all(bite)?;
                out.flush()?;
                let mut state = self.lock();
                state.waiting = state.waiting.saturating_sub(bite.len());
                state.taken += bite.len() as u64;
                state.stalled = false;
                self.changed.notify_all();
            }
        }
        Ok(())
    }

    fn next(&self) -> Option<Vec<u8>> {
        let state = self.lock();
        let idle = |state: &mut State| state.pieces.is_empty() && !state.closed;
        let woken = self.changed.wait_while(state, idle);
        let mut state = woken.unwrap_or_else(PoisonError::into_inner);
        state.pieces.pop_front()
    }

    /// The thread ends: nobody waits for anything any more.
    fn end(&self, failed: Option<String>) {
        let mut state = self.lock();
        // The first failure is the cause of the later ones.
        state.failed = failed.or(state.failed.take());
        // Nothing will take them, and who waits for room must go on.
        state.pieces.clear();
        state.waiting = 0;
        self.changed.notify_all();
    }
}

/// Never fails: what cannot be written is left out.
impl Write for Behind {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Behind")
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::{Behind, PATIENCE};

    /// Takes a write when it is told to.
    struct Gate {
        open: Receiver<()>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.open.recv().is_err() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.taken.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated(room: usize) -> (Behind, Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let (sender, open) = channel();
        let taken = Arc::default();
        let gate = Gate {
            open,
            taken: Arc::clone(&taken),
        };
        let behind = Behind::start(room, move || Ok(gate)).unwrap();
        (behind, sender, taken)
    }

    #[test]
    fn pieces_are_written_in_order_and_waited_for() {
        let (behind, gate, taken) = gated(1_000);
        for piece in ["a", "b", "c"] {
            behind.put(piece.as_bytes());
            gate.send(()).unwrap();
        }
        assert!(behind.settle(PATIENCE));
        assert_eq!(*taken.lock().unwrap(), b"abc");
    }

    #[test]
    fn a_reader_that_takes_nothing_is_given_up_and_heard_again_when_it_does() {
        let (behind, gate, taken) = gated(6);
        let taken_in = ["123", "456", "789"].map(|piece| behind.put(piece.as_bytes()));
        assert_eq!(taken_in, [true, true, false]);
        assert!(!behind.settle(Duration::from_millis(1)));
        assert!(!behind.settle(Duration::MAX), "not waited for again");
        for _ in 0..2 {
            gate.send(()).unwrap();
        }
        let lock = behind.0.lock();
        let moved = behind.0.changed.wait_while(lock, |state| state.waiting > 0);
        drop(moved.unwrap());
        behind.put(b"0");
        gate.send(()).unwrap();
        assert!(behind.settle(PATIENCE));
        assert_eq!(*taken.lock().unwrap(), b"1234560");
    }

    #[test]
    fn a_place_that_cannot_be_opened_or_written_says_why_and_keeps_nobody() {
        let refused = || Err::<io::Sink, _>(io::Error::other("no such place"));
        let behind = Behind::start(10, refused).unwrap();
        behind.put(b"x");
        assert!(behind.settle(PATIENCE));
        assert!(!behind.put(b"y"));
        assert_eq!(behind.failure().as_deref(), Some("no such place"));

        let (behind, gate, _) = gated(10);
        drop(gate);
        behind.put(b"x");
        assert!(behind.settle(PATIENCE));
        assert!(behind.failure().is_some());
    }

    #[test]
    fn a_piece_larger_than_the_queue_goes_alone() {
        let (behind, gate, taken) = gated(2);
        behind.put(b"large");
        gate.send(()).unwrap();
        assert!(behind.settle(PATIENCE));
        assert_eq!(*taken.lock().unwrap(), b"large");
    }
}
