//! What is too old goes, and what takes too much room: closed alerts first, then the oldest; open ones of high or
//! critical severity last, and never for their age alone. A little at a time, so that writing never waits for long.

use super::number::unsigned;
use super::{Options, StoreError, now};
use rusqlite::{Connection, TransactionBehavior, params};

/// Alerts that go in one transaction.
const PORTION: i64 = 200;
/// Pages that are given back to the system in one step.
const PAGES: i64 = 500;
/// Nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;

/// What a step has done.
pub(super) struct Done {
    /// Alerts that are gone.
    pub alerts: u64,
    /// Octets of the file.
    pub octets: u64,
    /// Whether there is more to do.
    pub more: bool,
}

/// Removes a little of what is too old or too much.
pub(super) fn step(db: &mut Connection, options: &Options) -> Result<Done, StoreError> {
    let number = |pragma: &str| db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (page, all, free) = (number("page_size")?, number("page_count")?, number("freelist_count")?);
    let used = unsigned((all - free).saturating_mul(page));
    let mut gone = 0;
    if let Some(oldest) = i64::from(options.days).checked_mul(DAY).map(|age| now().saturating_sub(age)) {
        gone += remove(db, TOO_OLD, oldest)?;
        forget_devices(db, oldest)?;
    }
    if gone == 0 && used > options.size_mib.saturating_mul(1 << 20) {
        for order in [CLOSED, MILD, SEVERE] {
            gone = remove(db, order, i64::MAX)?;
            if gone > 0 {
                break;
            }
        }
    }
    let vacuumed = gone == 0 && free > 0;
    if vacuumed {
        // It answers with a row for each page; all of them must be taken.
        let mut statement = db.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
    }
    let more = gone > 0 || vacuumed && free > PAGES;
    Ok(Done { alerts: gone, octets: unsigned(all.saturating_mul(page)), more })
}

/// Old ones, but for those that a person should still see.
const TOO_OLD: &str = "SELECT row FROM alert WHERE last_seen < ?1 AND row < ?1 \
     AND NOT (state < 2 AND suppressed_by IS NULL AND severity >= 2) ORDER BY row LIMIT ?2";
/// Closed or suppressed ones.
const CLOSED: &str =
    "SELECT row FROM alert WHERE row < ?1 AND (state = 2 OR suppressed_by IS NOT NULL) ORDER BY row LIMIT ?2";
/// Those that are not severe.
const MILD: &str = "SELECT row FROM alert WHERE row < ?1 AND severity < 2 ORDER BY row LIMIT ?2";
/// The rest.
const SEVERE: &str = "SELECT row FROM alert WHERE row < ?1 ORDER BY row LIMIT ?2";

fn remove(db: &mut Connection, which: &str, before: i64) -> Result<u64, StoreError> {
    let rows: Vec<i64> = {
        let mut statement = db.prepare_cached(which)?;
        let rows = statement.query_map(params![before, PORTION], |row| row.get(0))?;
        rows.collect::<Result<_, _>>()?
    };
    if rows.is_empty() {
        return Ok(0);
    }
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for row in &rows {
        // What hangs on it goes with it.
        tx.prepare_cached(
            "UPDATE incident SET alerts = alerts - 1 WHERE id = (SELECT incident FROM alert WHERE row = ?1)",
        )?
        .execute([row])?;
        tx.prepare_cached("DELETE FROM alert_text WHERE rowid = ?1")?.execute([row])?;
        tx.prepare_cached("DELETE FROM alert WHERE row = ?1")?.execute([row])?;
    }
    tx.execute("DELETE FROM incident WHERE alerts <= 0", [])?;
    // The index of words only notes what is gone; this makes it smaller, by so many pages at most.
    tx.prepare_cached("INSERT INTO alert_text (alert_text, rank) VALUES ('merge', ?1)")?.execute([PAGES])?;
    tx.commit()?;
    Ok(rows.len() as u64)
}

/// Forgets what of the inventory was not seen for so long.
fn forget_devices(db: &Connection, before: i64) -> Result<(), StoreError> {
    for table in ["device", "conversation", "point", "identity"] {
        db.prepare_cached(&format!("DELETE FROM {table} WHERE last_seen < ?1"))?.execute([before])?;
    }
    Ok(())
}
