//! Looking after the file: a copy of it while the sensor runs, and whether it is sound.

use super::schema::{self, Found};
use super::{StoreError, number::unsigned};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Pages that are copied in one step.
const PAGES: i32 = 1000;
/// How long it waits for a lock altogether.
const PATIENCE: Duration = Duration::from_secs(60);
/// Problems that are listed.
const LISTED: usize = 20;

fn open(path: &Path) -> Result<Connection, StoreError> {
    if !path.is_file() {
        return Err(StoreError::Open { path: path.to_owned(), reason: "there is no such file".into() });
    }
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| StoreError::Open { path: path.to_owned(), reason: error.to_string() })?;
    db.busy_timeout(Duration::from_secs(5))?;
    Ok(db)
}

/// Whether a store has users or tokens, without making or changing it; `false` where there is no file.
///
/// # Errors
/// Where it cannot be read, is no store, or a newer one.
pub fn is_guarded(path: &Path) -> Result<bool, StoreError> {
    if !path.exists() {
        return Ok(false);
    }
    let db = open(path)?;
    match schema::look(&db, path)? {
        Found::Empty => Ok(false),
        Found::Store(_) => super::Reader::new(&db).is_guarded(),
    }
}

/// Copies a store to a new file, as it is at one moment; whoever writes to it goes on. Returns the octets of the copy.
///
/// # Errors
/// Where the store cannot be read, or the copy cannot be written or is there already.
pub fn backup(from: &Path, to: &Path) -> Result<u64, StoreError> {
    let source = open(from)?;
    schema::look(&source, from)?;
    let cannot = |reason: String| StoreError::Open { path: to.to_owned(), reason };
    if to.exists() {
        return Err(cannot("it exists already; name a new file for the copy".into()));
    }
    // Under another name until it is whole.
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let _ = std::fs::remove_file(&part);
    let copied = copy(&source, &part).and_then(|()| {
        std::fs::File::open(&part)
            .and_then(|file| file.sync_all())
            .and_then(|()| std::fs::rename(&part, to))
            .and_then(|()| std::fs::metadata(to))
            .map_err(|error| cannot(error.to_string()))
    });
    if copied.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    copied.map(|meta| meta.len())
}

fn copy(source: &Connection, to: &Path) -> Result<(), StoreError> {
    super::connection::make_private(to)
        .map_err(|error| StoreError::Open { path: to.to_owned(), reason: error.to_string() })?;
    let mut copy = Connection::open(to)?;
    // One moment for all of it: what is written meanwhile does not make the copy begin again.
    let moment = source.unchecked_transaction()?;
    moment.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    {
        let backup = Backup::new(&moment, &mut copy)?;
        let began = Instant::now();
        loop {
            match backup.step(PAGES)? {
                StepResult::Done => break,
                StepResult::More => {}
                _ if began.elapsed() > PATIENCE => return Err(StoreError::Busy),
                _ => thread::sleep(Duration::from_millis(100)),
            }
        }
    }
    // A file by itself: no log beside it.
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    Ok(())
}

/// What was found about a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// Its version.
    pub version: usize,
    /// The version that this program writes.
    pub known: usize,
    /// Rows by table.
    pub rows: Vec<(&'static str, u64)>,
    /// Octets of the file.
    pub octets: u64,
    /// What is wrong with it, in the words of SQLite; the first 20.
    pub problems: Vec<String>,
}

/// Tables that are counted, with what people call their rows.
const TABLES: [(&str, &str); 8] = [
    ("alert", "alerts"),
    ("incident", "incidents"),
    ("suppression", "suppressions"),
    ("audit", "audit entries"),
    ("rule_set", "rule sets"),
    ("device", "devices"),
    ("conversation", "conversations"),
    ("point", "points"),
];

/// Looks whether a store is sound. The sensor may run meanwhile.
///
/// # Errors
/// Where it cannot be read at all, is no store, or a newer one.
pub fn check(path: &Path) -> Result<Check, StoreError> {
    let db = open(path)?;
    let version = match schema::look(&db, path)? {
        Found::Empty => return Err(StoreError::NotOurs { path: path.to_owned() }),
        Found::Store(version) => version,
    };
    let mut problems = Vec::new();
    {
        let mut statement = db.prepare(&format!("PRAGMA integrity_check({LISTED})"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let said: String = row.get(0)?;
            if said != "ok" {
                problems.push(said);
            }
        }
        let mut statement = db.prepare("PRAGMA foreign_key_check")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()?.filter(|_| problems.len() < LISTED) {
            let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
            problems.push(format!("a row of {table} belongs to a row of {parent} that is not there"));
        }
    }
    let mut counted = Vec::new();
    for (table, name) in TABLES {
        let count = db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0));
        match count {
            Ok(count) => counted.push((name, unsigned(count))),
            Err(error) => problems.push(error.to_string()),
        }
    }
    let octets = std::fs::metadata(path).map_or(0, |meta| meta.len());
    Ok(Check { version, known: schema::VERSION, rows: counted, octets, problems })
}
