//! Connections to the file: one that writes, a few that read.

use super::schema::{self, Found};
use super::{Reader, StoreError};
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Connections that read at a time.
const READERS: usize = 4;
/// How long somebody waits for one of them.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection waits for another program's lock before it says that the store is busy.
pub(super) const BUSY: Duration = Duration::from_secs(1);

/// Where the store is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    File(PathBuf),
    /// In memory, under a name that only this store has.
    Memory(String),
}

impl Place {
    /// A place in memory that nobody else has.
    pub(super) fn memory() -> Place {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Place::Memory(format!("file:/wayside-{number}?vfs=memdb"))
    }

    /// As people read it.
    pub(super) fn path(&self) -> &Path {
        match self {
            Place::File(path) => path,
            Place::Memory(_) => Path::new("memory"),
        }
    }

    fn open(&self, flags: OpenFlags) -> Result<Connection, StoreError> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = match self {
            Place::File(path) => Connection::open_with_flags(path, flags),
            Place::Memory(name) => Connection::open_with_flags(name, flags | OpenFlags::SQLITE_OPEN_URI),
        };
        let db = opened.map_err(|error| self.cannot_open(&error))?;
        db.busy_timeout(BUSY)?;
        db.set_prepared_statement_cache_capacity(64);
        Ok(db)
    }

    fn cannot_open(&self, error: &rusqlite::Error) -> StoreError {
        let path = self.path().to_owned();
        let reason = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
                format!("there is no folder {}; make it first", folder.display())
            }
            _ => error.to_string(),
        };
        StoreError::Open { path, reason }
    }

    /// The connection that writes; makes the file or brings it to the present version.
    ///
    /// # Errors
    /// Where it cannot be had, is no store, or a newer one.
    pub(super) fn writer(&self) -> Result<Connection, StoreError> {
        if let Place::File(path) = self {
            make_private(path).map_err(|error| StoreError::Open {
                path: path.clone(),
                reason: match path.parent() {
                    Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
                        format!("there is no folder {}; make it first", folder.display())
                    }
                    _ => error.to_string(),
                },
            })?;
        }
        let mut db = self.open(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        // A file that is not ours must not even change its mode.
        if schema::look(&db, self.path())? == Found::Empty {
            db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        if matches!(self, Place::File(_)) {
            db.pragma_update(None, "journal_mode", "WAL")?;
            db.pragma_update(None, "journal_size_limit", 64 << 20)?;
        }
        db.pragma_update(None, "synchronous", "NORMAL")?;
        db.pragma_update(None, "foreign_keys", true)?;
        db.pragma_update(None, "cache_size", -(16 << 10))?;
        schema::migrate(&mut db, self.path())?;
        Ok(db)
    }

    /// A connection that only reads.
    pub(super) fn reader(&self) -> Result<Connection, StoreError> {
        let flags = match self {
            Place::File(_) => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Place::Memory(_) => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let db = self.open(flags)?;
        db.pragma_update(None, "query_only", true)?;
        db.pragma_update(None, "cache_size", -(16 << 10))?;
        Ok(db)
    }
}

/// Makes the file where there is none, for its owner alone.
pub(super) fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The connections that read. They are opened when they are first needed.
pub(super) struct Readers {
    place: Place,
    idle: Mutex<Idle>,
    given_back: Condvar,
}

struct Idle {
    connections: Vec<Connection>,
    /// How many there are in all.
    open: usize,
}

impl Readers {
    pub(super) fn new(place: Place) -> Readers {
        let idle = Mutex::new(Idle { connections: Vec::new(), open: 0 });
        Readers { place, idle, given_back: Condvar::new() }
    }

    /// Reads at one moment: what is written meanwhile is not seen.
    pub(super) fn read<T>(
        &self,
        look: impl FnOnce(&Reader<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let lent = self.lend()?;
        let Some(db) = &lent.connection else { return Err(StoreError::Closed) };
        let moment = db.unchecked_transaction()?;
        look(&Reader::new(&moment))
    }

    fn lend(&self) -> Result<Lent<'_>, StoreError> {
        let until = Instant::now() + PATIENCE;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(connection) = idle.connections.pop() {
                return Ok(Lent { readers: self, connection: Some(connection) });
            }
            if idle.open < READERS {
                idle.open += 1;
                drop(idle);
                // Where it cannot be opened, its place becomes free again.
                let mut lent = Lent { readers: self, connection: None };
                lent.connection = Some(self.place.reader()?);
                return Ok(lent);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(StoreError::Busy);
            }
            idle = self.given_back.wait_timeout(idle, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A connection on loan.
struct Lent<'r> {
    readers: &'r Readers,
    connection: Option<Connection>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut idle = self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner);
        match self.connection.take() {
            Some(connection) => idle.connections.push(connection),
            None => idle.open -= 1,
        }
        drop(idle);
        self.readers.given_back.notify_one();
    }
}
