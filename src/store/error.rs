//! Why the store cannot do what it is asked.

use rusqlite::ErrorCode;
use std::path::PathBuf;
use thiserror::Error;

/// Why the store cannot do what it is asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file cannot be opened or made.
    #[error("cannot open the store {}: {reason}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The file is something else.
    #[error("{} is not a store of wayside; name another file in [store] file, it is made where there is none", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer version.
    #[error(
        "the store {} was written by a newer wayside (store version {found}, this one knows up to {known}); run the \
         newer wayside, or name another file in [store] file",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// The newest version that this program knows.
        known: usize,
    },
    /// Another program holds the store for too long.
    #[error("the store is busy: another program holds it; try again, nothing was changed")]
    Busy,
    /// There is no room to write.
    #[error("the disk of the store is full; nothing was changed")]
    Full,
    /// The file is damaged.
    #[error(
        "the store is damaged ({0}); stop wayside, then `wayside store check` says more, and a backup takes its place"
    )]
    Damaged(String),
    /// The thread that writes has ended.
    #[error("the store is closed")]
    Closed,
    /// What is to be changed does not exist.
    #[error("there is no {0}")]
    Unknown(String),
    /// What is asked for makes no sense.
    #[error("{0}")]
    Wrong(String),
    /// Anything else that the database says.
    #[error("the store: {0}")]
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
            Some(ErrorCode::DiskFull) => StoreError::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                StoreError::Damaged(error.to_string())
            }
            _ => StoreError::Database(error),
        }
    }
}
