//! The signals by which a process is asked to stop.
//!
//! One thread of its own hears them. It writes nothing and takes no lock, so that the second wish
//! ends the process whatever blocks the rest of it: a standard error that nobody reads, a full pipe,
//! a disk that hangs. What the first one means is for each command to say.
//!
//! | signal | what it is taken for |
//! |---|---|
//! | INT, TERM, USR1, USR2 | a wish to stop (batch systems send the last two before they kill) |
//! | HUP | a wish to stop, but a terminal that goes away sends it twice: once for both |
//! | XCPU | a wish to stop, once: the system repeats it each second until it kills |
//! | XFSZ | nothing: the write that broke the limit fails, and is told like a full disk |
//! | PIPE | nothing: the write fails (Rust's own start-up sees to that) |
//! | QUIT and all others | not heard: the system ends the process, as it does by KILL |
//!
//! A signal that was ignored when the process began (`nohup`, `trap '' TERM`) stays ignored. INT is
//! the exception, because a shell that is not interactive ignores it for everything behind a `&`,
//! whether the user wants that or not.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::failure::Failure;

/// An ear for wishes to stop. It hears those too that came before it was made, so that none falls
/// between two parts of a command.
#[derive(Debug)]
pub struct Signals {
    wishes: watch::Receiver<u32>,
    taken: u32,
}

/// How many wishes there were, once somebody listens.
static WISHES: Mutex<Option<watch::Receiver<u32>>> = Mutex::new(None);

impl Signals {
    /// From now on the signals no longer end the process by themselves.
    ///
    /// # Errors
    ///
    /// The system gives no thread, or no file to hear by.
    pub fn listen() -> Result<Self, Failure> {
        let mut wishes = WISHES.lock().unwrap_or_else(PoisonError::into_inner);
        // One thread for the process: a signal that two hear would count twice.
        if wishes.is_none() {
            *wishes = Some(ear::open().map_err(|error| cannot_listen(&error))?);
        }
        match &*wishes {
            Some(wishes) => Ok(Self {
                wishes: wishes.clone(),
                taken: 0,
            }),
            None => Err(cannot_listen(&std::io::ErrorKind::Other.into())),
        }
    }

    /// Waits for the next wish.
    pub async fn next(&mut self) {
        let taken = self.taken;
        if self.wishes.wait_for(|count| *count > taken).await.is_err() {
            // Nobody listens any more, so nobody will ever ask.
            std::future::pending::<()>().await;
        }
        self.taken += 1;
    }
}

fn cannot_listen(error: &std::io::Error) -> Failure {
    Failure::internal(
        "the process cannot listen for signals",
        "raise the limit of open files (ulimit -n), then try again",
    )
    .because(error.to_string())
}

/// A write that would break the limit of file sizes (`ulimit -f`) fails from now on, and no longer
/// kills. Must be called within the runtime.
pub fn survive_file_limit() {
    #[cfg(unix)]
    {
        let raw = rustix::process::Signal::XFSZ.as_raw();
        // Without it the process ends at the limit, as any other program does.
        let _ = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(raw));
    }
}

#[cfg(unix)]
mod ear {
    use std::fs::File;
    use std::future::poll_fn;
    use std::io;
    use std::sync::mpsc;
    use std::task::Poll;
    use std::time::Duration;

    use rustix::process::Signal as Name;
    use tokio::signal::unix::{Signal, SignalKind, signal};
    use tokio::sync::watch;

    use crate::cli::exit::Exit;

    /// After the second wish the process leaves in order, if that takes no longer.
    const HURRY: Duration = Duration::from_secs(1);

    const ASKING: [Name; 6] = [
        Name::INT,
        Name::TERM,
        Name::HUP,
        Name::USR1,
        Name::USR2,
        Name::XCPU,
    ];

    /// Starts the thread; the value counts the wishes.
    pub(super) fn open() -> io::Result<watch::Receiver<u32>> {
        let (sender, wishes) = watch::channel(0);
        let (ready, opened) = mpsc::channel();
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || hear(&sender, &ready))?;
        opened.recv().unwrap_or(Err(io::ErrorKind::Other.into()))?;
        Ok(wishes)
    }

    fn hear(wishes: &watch::Sender<u32>, ready: &mpsc::Sender<io::Result<()>>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let told = runtime.and_then(|runtime| runtime.block_on(listen(wishes, ready)));
        if let Err(error) = told {
            // Whoever waits for it has gone if it was told before.
            let _ = ready.send(Err(error));
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "whatever blocks main must not block the way out"
    )]
    async fn listen(
        wishes: &watch::Sender<u32>,
        ready: &mpsc::Sender<io::Result<()>>,
    ) -> io::Result<()> {
        let mut ears = Ears::open()?;
        let had_terminal = has_terminal();
        let _ = ready.send(Ok(()));
        loop {
            let name = ears.next().await;
            let is_second = *wishes.borrow() > 0;
            // Closing a terminal sends a second signal by itself, which nobody meant as haste.
            if is_second && is_echo(name, had_terminal) {
                continue;
            }
            wishes.send_modify(|count| *count += 1);
            if is_second {
                tokio::select! {
                    () = tokio::time::sleep(HURRY) => {}
                    // A third wish does not wait for the second.
                    _ = ears.next() => {}
                }
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
        }
    }

    /// Whether such a signal may come again without anybody having wished again. When a terminal goes
    /// away the shell sends HUP, and the system does when the shell has ended.
    fn is_echo(name: Name, had_terminal: bool) -> bool {
        name == Name::XCPU || (name == Name::HUP && had_terminal && !has_terminal())
    }

    fn has_terminal() -> bool {
        File::open("/dev/tty").is_ok()
    }

    /// What is listened to.
    struct Ears(Vec<(Name, Signal)>);

    impl Ears {
        fn open() -> io::Result<Self> {
            let ignored = ignored_mask();
            let heard = ASKING
                .into_iter()
                .filter(|name| *name == Name::INT || !is_in(ignored, *name));
            let ears = heard.map(|name| Ok((name, signal(SignalKind::from_raw(name.as_raw()))?)));
            Ok(Self(ears.collect::<io::Result<_>>()?))
        }

        async fn next(&mut self) -> Name {
            poll_fn(|cx| {
                for (name, signal) in &mut self.0 {
                    if signal.poll_recv(cx).is_ready() {
                        return Poll::Ready(*name);
                    }
                }
                Poll::Pending
            })
            .await
        }
    }

    /// The signals that were ignored when the process began. Only Linux tells without unsafe code;
    /// elsewhere none is known to be, and `nohup` does not keep a HUP away.
    fn ignored_mask() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        ignored_in(&status)
    }

    fn ignored_in(status: &str) -> u64 {
        let mask = status
            .lines()
            .find_map(|line| line.strip_prefix("SigIgn:"))
            .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.unwrap_or_default()
    }

    fn is_in(mask: u64, name: Name) -> bool {
        let place = u32::try_from(name.as_raw() - 1).unwrap_or(u32::MAX);
        mask.checked_shr(place).unwrap_or_default() & 1 == 1
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn what_the_process_was_born_to_ignore_is_read_from_its_status() {
            let status = "Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001001\n";
            let mask = ignored_in(status);
            let ignored: Vec<_> = ASKING.iter().filter(|name| is_in(mask, **name)).collect();
            assert_eq!(ignored, [&Name::HUP], "and PIPE, which is none of them");
            assert_eq!(ignored_in(""), 0);
            assert_eq!(ignored_in("SigIgn:\tnonsense"), 0);
        }

        #[test]
        fn only_what_comes_by_itself_is_an_echo() {
            for name in ASKING {
                assert_eq!(is_echo(name, false), name == Name::XCPU, "{name:?}");
            }
        }
    }
}

#[cfg(not(unix))]
mod ear {
    use std::io;

    use tokio::sync::watch;

    use crate::cli::exit::Exit;

    /// Starts the thread; the value counts how often Ctrl-C was pressed.
    #[expect(
        clippy::disallowed_methods,
        reason = "whatever blocks main must not block the way out"
    )]
    pub(super) fn open() -> io::Result<watch::Receiver<u32>> {
        let (sender, wishes) = watch::channel(0);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    while tokio::signal::ctrl_c().await.is_ok() {
                        sender.send_modify(|count| *count += 1);
                        if *sender.borrow() > 1 {
                            std::process::exit(i32::from(Exit::Interrupted.code()));
                        }
                    }
                });
            })?;
        Ok(wishes)
    }
}
