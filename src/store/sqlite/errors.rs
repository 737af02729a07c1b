//! From SQLite's result codes to words that help.

use std::io;
use std::path::Path;

use rusqlite::ErrorCode;

use crate::store::StoreError;

/// How long a writer waits for another process's write lock.
pub(super) const BUSY_TIMEOUT_SECONDS: u64 = 30;

/// Says what SQLite's error means for the store at `path`.
pub(super) fn explain(path: &Path, error: &rusqlite::Error) -> StoreError {
    let path = path.to_path_buf();
    let why = error.to_string();
    let Some(code) = error.sqlite_error_code() else {
        return match error {
            rusqlite::Error::ToSqlConversionFailure(_) => StoreError::Refused { path, why },
            _ => StoreError::Other { path, why },
        };
    };
    match code {
        ErrorCode::DiskFull => StoreError::DiskFull { path },
        ErrorCode::SystemIoFailure => StoreError::DiskFailed { path, why },
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => StoreError::ReadOnly { path, why },
        ErrorCode::CannotOpen => StoreError::CannotOpen { path, why },
        ErrorCode::NotADatabase => StoreError::NotAStore {
            path,
            why: "it is no SQLite database".to_owned(),
        },
        ErrorCode::DatabaseCorrupt => StoreError::Corrupt { path, why },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Busy {
            path,
            seconds: BUSY_TIMEOUT_SECONDS,
        },
        ErrorCode::ConstraintViolation
        | ErrorCode::TooBig
        | ErrorCode::TypeMismatch
        | ErrorCode::ParameterOutOfRange => StoreError::Refused { path, why },
        _ => StoreError::Other { path, why },
    }
}

/// Says what the system's error means for a file at `path`.
pub(super) fn explain_io(path: &Path, error: &io::Error) -> StoreError {
    let (path, why) = (path.to_path_buf(), error.to_string());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::DiskFull { path },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            StoreError::ReadOnly { path, why }
        }
        io::ErrorKind::NotFound => StoreError::CannotOpen {
            path,
            why: "its folder does not exist".to_owned(),
        },
        _ => StoreError::CannotOpen { path, why },
    }
}
