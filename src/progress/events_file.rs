//! `--events FILE`: one JSON object per event and line, for programs.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use jiff::Timestamp;

use crate::model::Observer;
use crate::model::{Event, EventKind};

/// Told once, in words for the user, when the file cannot be written any more.
type Warn = Box<dyn FnMut(&str) + Send>;

/// Appends events to a file: buffered, and flushed at each tick and at the run's end. When writing
/// fails it says so once and stops; the run goes on without it.
pub struct EventsFile<W: Write = File> {
    name: String,
    /// None once writing has failed.
    out: Option<BufWriter<W>>,
    warn: Warn,
}

impl EventsFile {
    /// Opens the file for appending and makes it if there is none. A last line that an earlier
    /// process could not finish is closed first, so that it spoils no other line.
    ///
    /// # Errors
    ///
    /// The file cannot be opened for writing.
    pub fn open(path: &Path, warn: impl FnMut(&str) + Send + 'static) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        if ends_within_a_line(path) {
            file.write_all(b"\n")?;
        }
        Ok(Self::to(file, path.display().to_string(), warn))
    }
}

impl<W: Write> EventsFile<W> {
    /// Events to that writer; `name` stands for it in the warning.
    pub fn to(out: W, name: String, warn: impl FnMut(&str) + Send + 'static) -> Self {
        Self {
            name,
            out: Some(BufWriter::new(out)),
            warn: Box::new(warn),
        }
    }

    fn try_to(&mut self, write: impl FnOnce(&mut BufWriter<W>) -> io::Result<()>) {
        let Some(Err(error)) = self.out.as_mut().map(write) else {
            return;
        };
        // Taken apart, because dropping the buffer would try to write it once more.
        drop(self.out.take().map(BufWriter::into_parts));
        (self.warn)(&format!(
            "no more events are written to {}: {error}; the run goes on without them. Make room or name another file with --events next time",
            self.name
        ));
    }
}

impl<W: Write + Send> Observer for EventsFile<W> {
    fn observe(&mut self, event: &Event) {
        self.try_to(|out| {
            serde_json::to_writer(&mut *out, event)?;
            out.write_all(b"\n")
        });
        if matches!(event.kind, EventKind::RunEnded { .. }) {
            self.try_to(BufWriter::flush);
        }
    }

    fn tick(&mut self, _: Timestamp) {
        self.try_to(BufWriter::flush);
    }
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

    use super::EventsFile;
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
        });
        for i in 0..100 {
            file.observe(&run_started(1));
            file.tick(at(i));
        }
        file.observe(&run_ended(100));
        drop(file);
        assert_eq!(*refused.lock().unwrap(), 1);
        let warnings = warnings.lock().unwrap();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with("no more events are written to events.jsonl: "));
    }
}
