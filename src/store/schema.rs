//! What the file looks like, and how an older one becomes a newer one.
//!
//! The header of an SQLite file has room for two numbers: the application id says that it is a store of ours, the user
//! version says which. Each step of [`STEPS`] leads from one version to the next, in a transaction of its own.

use super::StoreError;
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

/// "WYSD": marks a file as a store.
pub(super) const APPLICATION: i32 = 0x5759_5344;

/// SQL that leads from the version of its place to the next. What was released is never changed: add a step.
const STEPS: &[&str] = &[include_str!("schema.sql")];

/// The version that this program writes.
pub(super) const VERSION: usize = STEPS.len();

/// What kind of file it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// Nothing in it yet.
    Empty,
    /// A store of this version.
    Store(usize),
}

/// Looks at what a file is, without changing it.
///
/// # Errors
/// Where it is no store, or a newer one.
pub(super) fn look(db: &Connection, path: &Path) -> Result<Found, StoreError> {
    let no_store = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => StoreError::NotOurs { path: path.to_owned() },
        _ => StoreError::from(error),
    };
    let number = |pragma: &str| db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let tables: i64 =
        db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(no_store)?;
    let (application, version) = (number("application_id")?, number("user_version")?);
    if application == i64::from(APPLICATION) {
        let version = usize::try_from(version).unwrap_or(usize::MAX);
        if version > VERSION {
            return Err(StoreError::Newer { path: path.to_owned(), found: version, known: VERSION });
        }
        return Ok(if version == 0 { Found::Empty } else { Found::Store(version) });
    }
    if application == 0 && version == 0 && tables == 0 {
        return Ok(Found::Empty);
    }
    Err(StoreError::NotOurs { path: path.to_owned() })
}

/// Brings a file to the version that this program writes.
///
/// # Errors
/// As [`look`], and what SQLite says.
pub(super) fn migrate(db: &mut Connection, path: &Path) -> Result<(), StoreError> {
    steps(db, path, STEPS)
}

fn steps(db: &mut Connection, path: &Path, steps: &[&str]) -> Result<(), StoreError> {
    let from = match look(db, path)? {
        Found::Empty => 0,
        Found::Store(version) => version,
    };
    for (at, step) in steps.iter().enumerate().skip(from) {
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been quicker.
        let now: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if usize::try_from(now).is_ok_and(|now| now > at) {
            continue;
        }
        tx.execute_batch(step)?;
        tx.pragma_update(None, "application_id", APPLICATION)?;
        tx.pragma_update(None, "user_version", i64::try_from(at + 1).unwrap_or(i64::MAX))?;
        tx.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(db: &Connection) -> i64 {
        db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_older_file_becomes_a_newer_one_and_keeps_what_it_has() {
        let mut db = Connection::open_in_memory().unwrap();
        let path = Path::new("store");
        steps(&mut db, path, &["CREATE TABLE a (x)"]).unwrap();
        db.execute("INSERT INTO a VALUES (7)", []).unwrap();
        assert_eq!(version(&db), 1);
        // What follows is beyond what this program knows, so it is said as of a version before.
        let later = ["CREATE TABLE a (x)", "ALTER TABLE a ADD y INTEGER NOT NULL DEFAULT 3"];
        steps(&mut db, path, &later).unwrap();
        assert_eq!(version(&db), 2);
        let row: (i64, i64) =
            db.query_row("SELECT x, y FROM a", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(row, (7, 3));
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_before() {
        let mut db = Connection::open_in_memory().unwrap();
        let path = Path::new("store");
        assert!(steps(&mut db, path, &["CREATE TABLE a (x)", "CREATE TABLE b (x); nonsense"]).is_err());
        assert_eq!(version(&db), 1);
        assert!(db.execute("INSERT INTO b VALUES (1)", []).is_err());
    }
}
