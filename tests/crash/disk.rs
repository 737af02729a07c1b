//! A disk that loses its power: what of a recording would be found on it afterwards.
//!
//! What was synced is there. Of what came later each change is there, is not, or is there in some
//! of its sectors; of new, removed and renamed names some first ones are there, since file systems
//! keep the order of those.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use fastrand::Rng;

use super::recording::{Record, What};

/// The file that checkpoints write to.
const STORE: &str = "store.db";
/// What a disk writes as a whole: old drives, and new ones.
const SECTORS: [usize; 2] = [512, 4_096];

/// What the syncs of a recording are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syncs {
    /// `synchronous=FULL`: as they were recorded.
    AsRecorded,
    /// `synchronous=NORMAL`: those of the write-ahead log count only right before a checkpoint
    /// and behind its header.
    AtCheckpoints,
    /// `synchronous=OFF`, or a disk that lies: none counts.
    Never,
}

/// The disk after some first records.
pub struct Disk<'a> {
    records: &'a [Record],
    syncs: Syncs,
    done: usize,
    /// Every file there ever was.
    files: Vec<File>,
    by_inode: HashMap<u64, usize>,
    /// Names that are on the disk, and what happened to names since.
    names: BTreeMap<String, usize>,
    renames: Vec<(usize, Naming)>,
    rng: Rng,
}

#[derive(Default)]
struct File {
    name: String,
    durable: Vec<u8>,
    /// Records that no sync has covered yet.
    pending: Vec<usize>,
}

#[derive(Clone)]
enum Naming {
    New(String, usize),
    Gone(String),
    Moved(String, String),
}

impl<'a> Disk<'a> {
    pub fn new(records: &'a [Record], syncs: Syncs, seed: u64) -> Self {
        Self {
            records,
            syncs,
            done: 0,
            files: Vec::new(),
            by_inode: HashMap::new(),
            names: BTreeMap::new(),
            renames: Vec::new(),
            rng: Rng::with_seed(seed),
        }
    }

    /// Goes on until so many records are done.
    pub fn go_on_to(&mut self, records: usize) {
        while self.done < records {
            self.take(self.done);
            self.done += 1;
        }
    }

    fn take(&mut self, index: usize) {
        match &self.records[index].what {
            What::Create { file, name } => {
                self.by_inode.insert(*file, self.files.len());
                let naming = Naming::New(name.clone(), self.files.len());
                self.renames.push((index, naming));
                self.files.push(File {
                    name: name.clone(),
                    ..File::default()
                });
            }
            What::Write { file, .. } | What::Truncate { file, .. } => {
                self.file(*file).pending.push(index);
            }
            What::Sync { file, began } if self.counts(index, *file) => self.settle(*file, *began),
            What::SyncFailed { file, began } => self.settle_some(*file, *began),
            What::SyncFolder { began } if self.syncs != Syncs::Never => self.settle_names(*began),
            What::Sync { .. } | What::SyncFolder { .. } => {}
            What::Unlink { name } => self.renames.push((index, Naming::Gone(name.clone()))),
            What::Rename { from, to } => {
                let naming = Naming::Moved(from.clone(), to.clone());
                self.renames.push((index, naming));
            }
        }
    }

    fn file(&mut self, inode: u64) -> &mut File {
        &mut self.files[self.by_inode[&inode]]
    }

    /// Whether this sync is one that this disk is asked for, and carries out.
    fn counts(&self, index: usize, inode: u64) -> bool {
        let file = &self.files[self.by_inode[&inode]];
        match self.syncs {
            Syncs::AsRecorded => true,
            Syncs::Never => false,
            Syncs::AtCheckpoints if !file.name.ends_with("-wal") => true,
            Syncs::AtCheckpoints => {
                let is_header =
                    |of: &usize| matches!(self.records[*of].what, What::Write { offset: 0, .. });
                let later = self.records[index + 1..].iter();
                let next = later.filter_map(|record| match &record.what {
                    What::Write { file, .. } => Some(self.by_inode.get(file)?),
                    _ => None,
                });
                let mut names = next.map(|file| &self.files[*file].name);
                let next = names.find(|name| name.ends_with("-wal") || *name == STORE);
                file.pending.last().is_some_and(is_header)
                    || next.is_some_and(|name| *name == STORE)
            }
        }
    }

    fn settle(&mut self, inode: u64, began: usize) {
        let records = self.records;
        let file = self.file(inode);
        let covered = file
            .pending
            .iter()
            .take_while(|of| records[**of].from < began)
            .count();
        for index in file.pending.drain(..covered) {
            apply(&mut file.durable, &records[index].what);
        }
    }

    /// The system drops what it could not write, or holds it to be written: what reached the disk
    /// is decided now, once.
    fn settle_some(&mut self, inode: u64, began: usize) {
        let (records, mut rng) = (self.records, self.rng.fork());
        let file = self.file(inode);
        let covered = file
            .pending
            .iter()
            .take_while(|of| records[**of].from < began)
            .count();
        for index in file.pending.drain(..covered) {
            apply_perhaps(&mut file.durable, &records[index].what, &mut rng);
        }
    }

    fn settle_names(&mut self, began: usize) {
        let records = self.records;
        let covered = self
            .renames
            .iter()
            .take_while(|(of, _)| records[*of].from < began)
            .count();
        for (_, naming) in self.renames.drain(..covered) {
            rename(&mut self.names, naming);
        }
    }

    /// The power fails now: writes into `folder` what is found on the disk.
    pub fn cut(&self, rng: &mut Rng, folder: &Path) {
        let mut names = self.names.clone();
        let kept = rng.usize(..=self.renames.len());
        for (_, naming) in &self.renames[..kept] {
            rename(&mut names, naming.clone());
        }
        for (name, file) in names {
            let file = &self.files[file];
            let mut content = file.durable.clone();
            // Else a file of many changes would never be found whole, nor as it was.
            let all_or_none = rng.u8(..4);
            for index in &file.pending {
                let change = &self.records[*index].what;
                match all_or_none {
                    0 => {}
                    1 => apply(&mut content, change),
                    _ => apply_perhaps(&mut content, change, rng),
                }
            }
            std::fs::write(folder.join(name), content).unwrap();
        }
    }
}

fn rename(names: &mut BTreeMap<String, usize>, naming: Naming) {
    match naming {
        Naming::New(name, file) => {
            names.insert(name, file);
        }
        Naming::Gone(name) => {
            names.remove(&name);
        }
        Naming::Moved(from, to) => {
            if let Some(file) = names.remove(&from) {
                names.insert(to, file);
            }
        }
    }
}

fn apply(content: &mut Vec<u8>, change: &What) {
    match change {
        What::Write { offset, data, .. } => put(content, *offset, data),
        What::Truncate { size, .. } => content.resize(*size, 0),
        _ => {}
    }
}

fn put(content: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(data);
}

/// All of the change, nothing, or some of its sectors.
fn apply_perhaps(content: &mut Vec<u8>, change: &What, rng: &mut Rng) {
    match (rng.u8(..3), change) {
        (0, _) => {}
        (2, What::Write { offset, data, .. }) => {
            let sector = SECTORS[rng.usize(..SECTORS.len())];
            let mut from = 0;
            while from < data.len() {
                let to = data
                    .len()
                    .min(((offset + from) / sector + 1) * sector - offset);
                if rng.bool() {
                    put(content, offset + from, &data[from..to]);
                }
                from = to;
            }
        }
        _ => apply(content, change),
    }
}

/// Every content of the file `a` that cuts behind these changes find; none if the file is not there.
fn found(what: &[fn() -> What], syncs: Syncs) -> Vec<Option<String>> {
    let at = |(index, what): (usize, &fn() -> What)| Record {
        from: index,
        to: index + 1,
        what: what(),
    };
    let records: Vec<_> = what.iter().enumerate().map(at).collect();
    let mut found = BTreeSet::new();
    for seed in 0..100 {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = Disk::new(&records, syncs, seed);
        disk.go_on_to(records.len());
        disk.cut(&mut Rng::with_seed(seed), folder.path());
        found.insert(std::fs::read_to_string(folder.path().join("a")).ok());
    }
    found.into_iter().collect()
}

fn create() -> What {
    let name = "a".to_owned();
    What::Create { file: 7, name }
}

fn write(data: &str) -> What {
    What::Write {
        file: 7,
        offset: 0,
        data: data.as_bytes().to_vec(),
    }
}

fn sync_folder() -> What {
    What::SyncFolder { began: 1 }
}

fn sync() -> What {
    What::Sync { file: 7, began: 3 }
}

#[test]
fn the_model_of_a_disk_keeps_what_is_synced_and_may_lose_what_is_not() {
    let x = || write("x");
    let all = |texts: &[Option<&str>]| -> Vec<_> {
        texts.iter().map(|text| text.map(str::to_owned)).collect()
    };
    let synced: &[fn() -> What] = &[create, sync_folder, x, sync];
    assert_eq!(found(synced, Syncs::AsRecorded), all(&[Some("x")]));
    assert_eq!(
        found(synced, Syncs::Never),
        all(&[None, Some(""), Some("x")])
    );
    let name_not_synced: &[fn() -> What] = &[create, x, x, sync];
    assert_eq!(
        found(name_not_synced, Syncs::AsRecorded),
        all(&[None, Some("x")])
    );
    let began_before: &[fn() -> What] = &[create, sync_folder, create, x, sync];
    assert_eq!(
        found(began_before, Syncs::AsRecorded),
        all(&[Some(""), Some("x")])
    );
    let changed: &[fn() -> What] = &[create, sync_folder, x, sync, || write("y")];
    assert_eq!(
        found(changed, Syncs::AsRecorded),
        all(&[Some("x"), Some("y")])
    );
    let failed: &[fn() -> What] = &[
        create,
        sync_folder,
        x,
        || What::SyncFailed { file: 7, began: 3 },
        || What::Sync { file: 7, began: 4 },
    ];
    assert_eq!(
        found(failed, Syncs::AsRecorded),
        all(&[Some(""), Some("x")])
    );
}

#[test]
fn the_model_of_a_disk_tears_a_write_at_sectors_and_nowhere_else() {
    let old = || write(&"o".repeat(1_024));
    let new = || write(&"n".repeat(1_024));
    let all = found(&[create, sync_folder, old, sync, new], Syncs::AsRecorded);
    let halves = [("n", "n"), ("n", "o"), ("o", "n"), ("o", "o")];
    assert_eq!(
        all,
        halves.map(|(a, b)| Some(a.repeat(512) + &b.repeat(512)))
    );
}
