//! `--events FILE`: one JSON object per event and line, for programs.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use jiff::Timestamp;

use super::behind::{Behind, PATIENCE};
use crate::model::Observer;
use crate::model::{Event, EventKind, plural};

/// What waits for a slow reader, at most: some ten thousand events.
const ROOM: usize = 4 << 20;
/// Handed on before the next tick when this much has come together.
const LARGE: usize = 64 * 1024;

/// Told, in words for the user, when the file does not get every event.
type Warn = Box<dyn FnMut(&str) + Send>;

/// Appends events to a file, handed on at each tick and at the run's end. Nobody waits for it: when
/// writing fails, or a reader does not keep up, it says so once, and the run goes on.
pub struct EventsFile {
    name: String,
    out: Behind,
    /// Whole lines that wait for the next tick.
    lines: Vec<u8>,
    /// How many there are.
    events: u64,
    left_out: u64,
    has_failed: bool,
    warn: Warn,
}

impl EventsFile {
    /// Opens the file for appending and makes it if there is none; `-` is standard output. A last
    /// line that an earlier process could not finish is closed first, so that it spoils no other
    /// line. A FIFO is opened when somebody reads it.
    ///
    /// # Errors
    ///
    /// The file cannot be opened for writing.
    pub fn open(path: &Path, warn: impl FnMut(&str) + Send + 'static) -> io::Result<Self> {
        let name = path.display().to_string();
        if path == Path::new("-") {
            return Self::to(io::stdout(), "standard output".to_owned(), warn);
        }
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        if is_fifo(path) {
            let path = path.to_path_buf();
            let out = Behind::start(ROOM, move || options.open(path))?;
            return Ok(Self::behind(out, name, warn));
        }
        let mut file = options.open(path)?;
        if ends_within_a_line(path) {
            file.write_all(b"\n")?;
        }
        Self::to(file, name, warn)
    }

    /// Events to that writer; `name` stands for it in warnings.
    ///
    /// # Errors
    ///
    /// The machine gives no thread.
    pub fn to(
        out: impl Write + Send + 'static,
        name: String,
        warn: impl FnMut(&str) + Send + 'static,
    ) -> io::Result<Self> {
        Ok(Self::behind(
            Behind::start(ROOM, move || Ok(out))?,
            name,
            warn,
        ))
    }

    fn behind(out: Behind, name: String, warn: impl FnMut(&str) + Send + 'static) -> Self {
        Self {
            name,
            out,
            lines: Vec::new(),
            events: 0,
            left_out: 0,
            has_failed: false,
            warn: Box::new(warn),
        }
    }

    fn hand_on(&mut self) {
        let (lines, events) = (
            std::mem::take(&mut self.lines),
            std::mem::take(&mut self.events),
        );
        if self.has_failed || lines.is_empty() {
            return;
        }
        let is_taken = self.out.put(&lines);
        if let Some(why) = self.out.failure() {
            self.has_failed = true;
            let name = &self.name;
            (self.warn)(&format!(
                "no more events are written to {name}: {why}; the run goes on without them. Make room or name another file with --events next time"
            ));
        } else if !is_taken {
            if self.left_out == 0 {
                let name = &self.name;
                (self.warn)(&format!(
                    "{name} is not read fast enough, or not at all: events are left out, and the run goes on"
                ));
            }
            self.left_out += events;
        }
    }
}

impl Observer for EventsFile {
    fn observe(&mut self, event: &Event) {
        let before = self.lines.len();
        // A vector takes everything; an event that is no JSON would be a bug and is left out.
        if serde_json::to_writer(&mut self.lines, event).is_err() {
            self.lines.truncate(before);
            return;
        }
        self.lines.push(b'\n');
        self.events += 1;
        let is_last = matches!(event.kind, EventKind::RunEnded { .. });
        if is_last || self.lines.len() >= LARGE {
            self.hand_on();
        }
    }

    fn tick(&mut self, _: Timestamp) {
        self.hand_on();
    }
}

impl Drop for EventsFile {
    fn drop(&mut self) {
        self.hand_on();
        let is_whole = self.out.settle(PATIENCE);
        self.out.close();
        let name = &self.name;
        if self.left_out > 0 {
            let events = plural(self.left_out, "event");
            (self.warn)(&format!("{events} were left out of {name}"));
        } else if !is_whole {
            (self.warn)(&format!(
                "{name} was not read to its end: its last events are lost"
            ));
        }
    }
}

fn is_fifo(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        path.metadata()
            .is_ok_and(|found| found.file_type().is_fifo())
    }
    #[cfg(not(unix))]
    false
}

/// Whether it is a regular file whose last byte ends no line. A file that cannot be read is taken
/// to be in order.
fn ends_within_a_line(path: &Path) -> bool {
    let last_byte = || -> io::Result<Option<u8>> {
        if !path.metadata()?.is_file() {
            return Ok(None);
        }
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        Ok(Some(last[0]))
    };
    matches!(last_byte(), Ok(Some(last)) if last != b'\n')
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::{EventsFile, PATIENCE};
    use crate::model::Event;
    use crate::model::Observer;
    use crate::progress::samples::{at, busy_run, run_ended, run_started};

    fn events_in(text: &str) -> Vec<Event> {
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn every_event_is_a_line_that_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let mut events = busy_run();
        events.push(run_ended(10_000));
        let mut file = EventsFile::open(&path, |why| panic!("{why}")).unwrap();
        for event in &events {
            file.observe(event);
        }
        // Without a tick or a drop: the end of the run is enough.
        assert!(file.out.settle(PATIENCE));
        assert_eq!(events_in(&fs::read_to_string(&path).unwrap()), events);
    }

    #[test]
    fn a_tick_makes_events_visible() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let mut file = EventsFile::open(&path, |why| panic!("{why}")).unwrap();
        file.observe(&run_started(1));
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        file.tick(at(200));
        assert!(file.out.settle(PATIENCE));
        assert_eq!(events_in(&fs::read_to_string(&path).unwrap()).len(), 1);
    }

    #[test]
    fn an_existing_file_is_continued_and_its_torn_last_line_closed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        for _ in 0..2 {
            EventsFile::open(&path, |why| panic!("{why}"))
                .unwrap()
                .observe(&run_started(1));
        }
        let whole = fs::read_to_string(&path).unwrap();
        assert_eq!(events_in(&whole).len(), 2);
        fs::write(&path, format!("{whole}{{\"at\":\"20")).unwrap();
        EventsFile::open(&path, |why| panic!("{why}"))
            .unwrap()
            .observe(&run_started(1));
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!((lines.len(), lines[2]), (4, "{\"at\":\"20"));
        assert_eq!(events_in(lines[3]).len(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(EventsFile::open(dir.path(), |_| ()).is_err());
    }

    /// Takes that many bytes, then has no room left; counts the refused writes.
    struct FullDisk {
        room: usize,
        refused: Arc<Mutex<u32>>,
    }

    impl Write for FullDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if bytes.len() > self.room {
                *self.refused.lock().unwrap() += 1;
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            self.room -= bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_told_once_and_never_written_to_again() {
        let refused = Arc::new(Mutex::new(0));
        let disk = FullDisk {
            room: 300,
            refused: Arc::clone(&refused),
        };
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&warnings);
        let mut file = EventsFile::to(disk, "events.jsonl".to_owned(), move |why| {
            heard.lock().unwrap().push(why.to_owned());
        })
        .unwrap();
        for i in 0..100 {
            file.observe(&run_started(1));
            file.tick(at(i));
            assert!(file.out.settle(PATIENCE));
        }
        file.observe(&run_ended(100));
        drop(file);
        assert_eq!(*refused.lock().unwrap(), 1);
        let warnings = warnings.lock().unwrap();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with("no more events are written to events.jsonl: "));
    }

    /// Takes nothing until the test is over.
    struct Stalled(std::sync::mpsc::Receiver<()>);

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stalls_is_told_once_and_costs_its_events_alone() {
        let (release, stalled) = std::sync::mpsc::channel();
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&warnings);
        let warn = move |why: &str| heard.lock().unwrap().push(why.to_owned());
        let mut file = EventsFile::to(Stalled(stalled), "fifo".to_owned(), warn).unwrap();
        let long = "x".repeat(super::LARGE);
        for _ in 0..100 {
            let halted = crate::progress::samples::halted(crate::model::ErrorClass::Billing, &long);
            file.observe(&halted);
        }
        drop(file);
        drop(release);
        let warnings = warnings.lock().unwrap();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].starts_with("fifo is not read fast enough"));
        assert!(
            warnings[1].ends_with("events were left out of fifo"),
            "{warnings:?}"
        );
    }
}
