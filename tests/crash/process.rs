//! One process of the binary: started, watched, killed.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// How often a condition outside the process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Far longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// The condition was met.
    Met,
    /// The process ended before.
    Ended,
    /// The time was over before.
    TimeIsOver,
}

/// A running process.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Its standard error, as soon as that is closed.
    closed: Receiver<String>,
    said: Option<String>,
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub said: String,
}

impl Process {
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let (sender, closed) = channel();
        std::thread::spawn(move || {
            let mut said = Vec::new();
            stderr.read_to_end(&mut said).unwrap();
            sender.send(String::from_utf8_lossy(&said).into_owned())
        });
        Self {
            child,
            closed,
            said: None,
        }
    }

    /// Waits until the condition is met, the process ends, or the time is over.
    pub fn wait_until(&mut self, limit: Duration, mut met: impl FnMut() -> bool) -> Waited {
        let mut left = limit;
        loop {
            if met() {
                return Waited::Met;
            }
            if left.is_zero() {
                return Waited::TimeIsOver;
            }
            let pause = LOOK_EVERY.min(left);
            if self.ends_within(pause) {
                return Waited::Ended;
            }
            left -= pause;
        }
    }

    /// Waits until the condition is met; the process must live so long.
    pub fn must_live_until(&mut self, what: &str, met: impl FnMut() -> bool) {
        let waited = self.wait_until(PATIENCE, met);
        assert_eq!(waited, Waited::Met, "{what}: {:?}", self.said);
    }

    /// The most memory that it has had at once, in bytes; nothing where the system does not tell.
    pub fn peak_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kb = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kb.unwrap_or_default() << 10
    }

    /// The process can do nothing about it.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end.
    pub fn end(mut self) -> Ended {
        let mut before = "";
        if !self.ends_within(PATIENCE) {
            self.child.kill().unwrap();
            self.ends_within(PATIENCE);
            before = "it had to be killed, and had said: ";
        }
        let said = format!("{before}{}", self.said.take().unwrap_or_default());
        Ended {
            status: self.child.wait().unwrap(),
            said,
        }
    }

    fn ends_within(&mut self, time: Duration) -> bool {
        if self.said.is_some() {
            return true;
        }
        match self.closed.recv_timeout(time) {
            Ok(said) => self.said = Some(said),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => panic!("standard error cannot be read"),
        }
        self.said.is_some()
    }
}

impl Ended {
    pub fn must_succeed(&self) {
        assert!(self.status.success(), "{}: {}", self.status, self.said);
    }

    pub fn must_exit_with(&self, codes: &[i32]) {
        let code = self.status.code();
        let is_one_of_them = code.is_some_and(|code| codes.contains(&code));
        assert!(is_one_of_them, "{}: {}", self.status, self.said);
    }

    /// It neither exited nor was killed by the test: a failpoint struck.
    pub fn is_aborted(&self) -> bool {
        self.status.code().is_none()
    }
}
