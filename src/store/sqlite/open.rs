//! Opening: what must be true of the file, and how every connection is set up.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::backup::back_up;
use super::errors::{BUSY_TIMEOUT_SECONDS, explain};
use super::file_system::{refuse_mounted, refuse_network};
use super::identity::StoreFile;
use super::lock::DispatchLock;
use super::migrate::{check_version, create, known_version, migrate};
use crate::store::{Result, StoreError};

/// SQLite 3.51.3: older ones can lose committed pages of a write-ahead log when a checkpoint meets
/// a commit (sqlite.org/wal.html, "the WAL-reset bug").
const SAFE_SQLITE: i32 = 3_051_003;

/// Every commit waits for the disk: each row may be a paid answer. On macOS only `fullfsync`
/// empties the drive's own cache; elsewhere it does nothing.
const WRITER_PRAGMAS: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = 1;
    PRAGMA checkpoint_fullfsync = 1;
    PRAGMA foreign_keys = ON;
    PRAGMA wal_autocheckpoint = 2000;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA cache_size = -32768;
    PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA mmap_size = 0;";

const READER_PRAGMAS: &str = "
    PRAGMA query_only = ON;
    PRAGMA cache_size = -8192;
    PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;
    PRAGMA mmap_size = 0;";

/// Between two tries to switch to the write-ahead log.
const SWITCH_PAUSE: Duration = Duration::from_millis(5);

/// Statements that a writer keeps prepared: all it ever uses.
const CACHED_STATEMENTS: usize = 64;

/// An open connection, and the file that it is of. The connection is closed first: see [`super::identity`].
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) file: StoreFile,
}

/// The write connection of the store at `path`, which is made or migrated as needed.
pub(super) fn open_writer(path: &Path) -> Result<Opened> {
    refuse_old_sqlite(path)?;
    refuse_other_kinds(path)?;
    refuse_network(path)?;
    let file = StoreFile::create(path)?;
    refuse_places(&file)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = connect(&file, flags)?;
    match check_version(path, &connection).map_err(blame_folder)? {
        0 => create(path, &mut connection)?,
        version if version < known_version() => upgrade(&file, &mut connection)?,
        _ => {}
    }
    use_wal(path, &connection)?;
    set_up(path, &connection, WRITER_PRAGMAS)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    keep_plans(path, &connection)?;
    // From here on the log is there.
    read_something(&connection).map_err(|error| explain(path, &error))?;
    Ok(Opened { connection, file })
}

/// Where a file lies decides whether its log is safe.
fn refuse_places(file: &StoreFile) -> Result<()> {
    refuse_network(&file.path)?;
    refuse_mounted(&file.path)?;
    file.refuse_linked_companions()?;
    file.refuse_second_name()
}

/// Brings a store of an older version up to date, behind a backup. Nobody may be at work on it: an
/// older claude-run would find its tables changed under its hands.
fn upgrade(file: &StoreFile, connection: &mut Connection) -> Result<()> {
    let path = file.named.as_path();
    let lock = DispatchLock::of(file.clone());
    // Whoever had the lock may have done it meanwhile.
    let version = check_version(path, connection)?;
    if version == known_version() {
        return Ok(());
    }
    let _lock = lock.map_err(|error| match error {
        StoreError::Held { path, pid } => StoreError::TooOldInUse { path, pid },
        error => error,
    })?;
    let backup = back_up(&file.path, connection, version)?;
    migrate(path, connection)?;
    if let Some(backup) = backup {
        tracing::warn!(
            "the store {} had the older schema version {version} and was brought up to date; a copy of it as it was is kept in {}",
            path.display(),
            backup.display()
        );
    }
    Ok(())
}

/// A prepared statement stays prepared. Else SQLite, once it has statistics, plans a statement anew
/// for each time that is compared with an index, and every claim compares one. Plans that would be
/// better for some values are no loss: the statements name their indexes.
fn keep_plans(path: &Path, connection: &Connection) -> Result<()> {
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map(drop)
        .map_err(|error| explain(path, &error))
}

/// A read-only connection to an existing store.
pub(super) fn open_reader(path: &Path) -> Result<Opened> {
    refuse_old_sqlite(path)?;
    refuse_other_kinds(path)?;
    let file = StoreFile::find(path)?.ok_or_else(|| StoreError::Missing {
        path: path.to_path_buf(),
    })?;
    refuse_places(&file)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = connect(&file, flags)?;
    match take_back_broken_commit(&file, &connection).map_err(blame_folder) {
        Err(StoreError::ReadOnly { .. }) if !has_log(&file.path) => {
            let flags = flags | OpenFlags::SQLITE_OPEN_URI;
            connection = connect_to(&immutable(&file.path), path, flags)?;
            read_something(&connection).map_err(|error| explain(path, &error))?;
        }
        taken_back => taken_back?,
    }
    match check_version(path, &connection)? {
        0 => Err(StoreError::Missing {
            path: path.to_path_buf(),
        }),
        found if found < known_version() => Err(StoreError::TooOld {
            path: path.to_path_buf(),
            found,
        }),
        _ => {
            set_up(path, &connection, READER_PRAGMAS)?;
            Ok(Opened { connection, file })
        }
    }
}

/// Whether commits stand beside the store that are not in it yet.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|log| log.len() > 0)
}

/// The name by which SQLite reads a store in a place where nothing can be written: as a file that
/// nobody changes, without log or locks.
fn immutable(path: &Path) -> PathBuf {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'~' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri.push_str("?immutable=1");
    PathBuf::from(uri)
}

/// Even reading needs a writable folder, if there is a write-ahead log beside the store. What SQLite
/// says where it cannot ("unable to open database file") sends people looking at the path.
fn blame_folder(error: StoreError) -> StoreError {
    match error {
        StoreError::CannotOpen { path, why } => match folder_refuses(&path) {
            Some(why) => StoreError::ReadOnly { path, why },
            None => StoreError::CannotOpen { path, why },
        },
        other => other,
    }
}

/// Why no file can be made beside the store, if that is so.
#[cfg(unix)]
fn folder_refuses(path: &Path) -> Option<String> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let refused = rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).err()?;
    Some(std::io::Error::from(refused).to_string())
}

/// Not asked here.
#[cfg(not(unix))]
fn folder_refuses(_: &Path) -> Option<String> {
    None
}

/// A crash in the very first start can leave half a commit with the journal that takes it back,
/// which SQLite plays back for a writer only. (Later commits go to the write-ahead log, which a
/// reader recovers too.)
fn take_back_broken_commit(file: &StoreFile, reader: &Connection) -> Result<()> {
    match read_something(reader) {
        Err(error) if needs_writer(&error) => {
            let writer = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            read_something(&writer).map_err(|error| explain(&file.named, &error))
        }
        read => read.map_err(|error| explain(&file.named, &error)),
    }
}

fn read_something(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

fn needs_writer(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_READONLY_ROLLBACK)
}

/// The path that SQLite is given is absolute, so it is the name of a file, whatever that name is.
fn connect(file: &StoreFile, flags: OpenFlags) -> Result<Connection> {
    connect_to(&file.path, &file.named, flags)
}

fn connect_to(path: &Path, named: &Path, flags: OpenFlags) -> Result<Connection> {
    let failed = |error: rusqlite::Error| explain(named, &error);
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    let patience = Duration::from_secs(BUSY_TIMEOUT_SECONDS);
    connection.busy_timeout(patience).map_err(failed)?;
    Ok(connection)
}

fn set_up(path: &Path, connection: &Connection, pragmas: &str) -> Result<()> {
    connection
        .execute_batch(pragmas)
        .map_err(|error| explain(path, &error))
}

/// Switches to the write-ahead log. SQLite needs the file for itself for that, and says that it is busy
/// without asking the busy handler, so the waiting is done here: others may be just opening it too.
#[expect(
    clippy::disallowed_methods,
    reason = "a few milliseconds before any runtime work begins"
)]
fn use_wal(path: &Path, connection: &Connection) -> Result<()> {
    let switch = || {
        connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))
            .map_err(|error| explain(path, &error))
    };
    let mut waited = Duration::ZERO;
    let mode = loop {
        match switch() {
            Err(StoreError::Busy { .. }) if waited.as_secs() < BUSY_TIMEOUT_SECONDS => {
                std::thread::sleep(SWITCH_PAUSE);
                waited += SWITCH_PAUSE;
            }
            switched => break switched?,
        }
    };
    if mode.eq_ignore_ascii_case("wal") {
        return Ok(());
    }
    Err(StoreError::Other {
        path: path.to_path_buf(),
        why: format!("its file system allows no write-ahead log (journal mode stayed `{mode}`)"),
    })
}

fn refuse_old_sqlite(path: &Path) -> Result<()> {
    if rusqlite::version_number() >= SAFE_SQLITE {
        return Ok(());
    }
    Err(StoreError::Other {
        path: path.to_path_buf(),
        why: format!(
            "this program was built with SQLite {}, which can lose committed data; build it with 3.51.3 or newer",
            rusqlite::version()
        ),
    })
}

/// SQLite tells of a folder or a device only that reading failed.
fn refuse_other_kinds(path: &Path) -> Result<()> {
    let why = match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => format!(
            "it is a folder, and a store is a file, such as {}",
            path.join("claude-run.db").display()
        ),
        Ok(found) if !found.is_file() => "it is no regular file".to_owned(),
        _ => return Ok(()),
    };
    Err(StoreError::CannotOpen {
        path: path.to_path_buf(),
        why,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{SAFE_SQLITE, immutable};

    #[test]
    fn a_path_is_one_whatever_characters_it_has() {
        for (path, uri) in [
            ("/a/b-c_1.db", "file:/a/b-c_1.db?immutable=1"),
            ("a b?c#d%e.db", "file:a%20b%3Fc%23d%25e.db?immutable=1"),
            ("é.db", "file:%C3%A9.db?immutable=1"),
        ] {
            assert_eq!(immutable(Path::new(path)), Path::new(uri));
        }
    }

    #[test]
    fn the_bundled_sqlite_is_free_of_the_wal_reset_bug() {
        assert!(
            rusqlite::version_number() >= SAFE_SQLITE,
            "{}",
            rusqlite::version()
        );
    }
}
