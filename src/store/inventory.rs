//! The inventory, kept: devices, conversations, points and what devices say of themselves. What was not seen since it
//! was kept last is not written again.

use super::queue::Care;
use super::{Store, StoreError};
use crate::event::Vocabulary;
use crate::inventory::{Inventory, SavedRow};
use rusqlite::{Connection, Row, Transaction, params};
use std::sync::{Mutex, PoisonError};

/// Things that are copied while the inventory is held; a block of points counts as one.
const PORTION: usize = 64;
/// Nanoseconds that a packet may come late.
const LATE: i64 = 60_000_000_000;
/// Rows of each kind that are read at the start.
const MOST: i64 = 1 << 20;

/// What was kept already.
pub(super) struct Kept {
    /// What was seen before this time is kept.
    until: i64,
    /// The same of points.
    points_until: i64,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept { until: i64::MIN, points_until: i64::MIN }
    }
}

impl Store {
    /// Keeps what is new of the inventory since the last time; returns how many rows. The inventory is held for short
    /// moments only. Points with their recent values are most of it by far, and need not be kept as often. `words` are
    /// those of all protocols, by their place.
    ///
    /// # Errors
    /// Where the store is busy or full; the next time makes good for it.
    pub fn keep_inventory(
        &self,
        inventory: &Mutex<Inventory>,
        words: &[&'static Vocabulary],
        points: bool,
    ) -> Result<usize, StoreError> {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (touched, last) = {
            let inventory = inventory.lock().unwrap_or_else(PoisonError::into_inner);
            let mut touched = inventory.touched(kept.until);
            if points {
                touched.extend(inventory.touched_points(kept.points_until));
            }
            (touched, inventory.span().map(|span| span.last.nanos))
        };
        let mut count = 0;
        for portion in touched.chunks(PORTION) {
            let rows = inventory.lock().unwrap_or_else(PoisonError::into_inner).rows(portion);
            let rows: Vec<SavedRow> = rows.iter().filter_map(|row| row.saved(words)).collect();
            count += rows.len();
            self.write(Care::News, move |tx| rows.iter().try_for_each(|row| put(tx, row)))?;
        }
        let until = last.map_or(i64::MIN, |last| last.saturating_sub(LATE));
        kept.until = kept.until.max(until);
        if points {
            kept.points_until = kept.points_until.max(until);
        }
        Ok(count)
    }

    /// Puts what was kept into an inventory, what was seen last first; returns how many rows. What it cannot understand
    /// or has no room for is left out.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn restore_inventory(
        &self,
        inventory: &mut Inventory,
        words: &[&'static Vocabulary],
    ) -> Result<usize, StoreError> {
        self.read(|reader| {
            let mut count = 0;
            for (sql, read) in KINDS {
                each(reader.db, sql, read, &mut |row| count += usize::from(inventory.restore(row, words)))?;
            }
            Ok(count)
        })
    }
}

/// How a row of each table is read.
type Read = fn(&Row<'_>) -> rusqlite::Result<SavedRow>;

const KINDS: [(&str, Read); 4] = [
    ("SELECT record, first_seen, last_seen, address FROM device", device),
    (
        "SELECT record, first_seen, last_seen, client, server, transport, proto, port, placed FROM conversation",
        conversation,
    ),
    ("SELECT record, first_seen, last_seen, server, proto, device, space, point FROM point", point),
    ("SELECT record, NULL, last_seen, server, proto, device FROM identity", identity),
];

fn each(db: &Connection, sql: &str, read: Read, take: &mut dyn FnMut(SavedRow)) -> Result<(), StoreError> {
    let mut statement = db.prepare(&format!("{sql} ORDER BY last_seen DESC LIMIT {MOST}"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        take(read(row)?);
    }
    Ok(())
}

fn seen(row: &Row<'_>) -> rusqlite::Result<Option<(i64, i64)>> {
    let (first, last): (Option<i64>, Option<i64>) = (row.get(1)?, row.get(2)?);
    Ok(first.zip(last))
}

fn device(row: &Row<'_>) -> rusqlite::Result<SavedRow> {
    Ok(SavedRow::Device { address: row.get(3)?, seen: seen(row)?, record: row.get(0)? })
}

fn conversation(row: &Row<'_>) -> rusqlite::Result<SavedRow> {
    Ok(SavedRow::Conversation {
        client: row.get(3)?,
        server: row.get(4)?,
        transport: row.get(5)?,
        proto: row.get(6)?,
        port: row.get(7)?,
        placed: row.get(8)?,
        seen: seen(row)?,
        record: row.get(0)?,
    })
}

fn behind(number: i64) -> Option<u32> {
    u32::try_from(number).ok()
}

fn point(row: &Row<'_>) -> rusqlite::Result<SavedRow> {
    Ok(SavedRow::Point {
        server: row.get(3)?,
        proto: row.get(4)?,
        device: behind(row.get(5)?),
        space: row.get(6)?,
        index: row.get(7)?,
        seen: seen(row)?,
        record: row.get(0)?,
    })
}

fn identity(row: &Row<'_>) -> rusqlite::Result<SavedRow> {
    Ok(SavedRow::Identity {
        server: row.get(3)?,
        proto: row.get(4)?,
        device: behind(row.get(5)?),
        last: row.get(2)?,
        record: row.get(0)?,
    })
}

fn put(tx: &Transaction<'_>, row: &SavedRow) -> Result<(), StoreError> {
    let number = |device: &Option<u32>| device.map_or(-1, i64::from);
    match row {
        SavedRow::Device { address, seen, record } => tx
            .prepare_cached(
                "INSERT OR REPLACE INTO device (address, first_seen, last_seen, record) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![address, seen.map(|seen| seen.0), seen.map(|seen| seen.1), record])?,
        SavedRow::Conversation { client, server, transport, proto, port, placed, seen, record } => tx
            .prepare_cached(
                "INSERT OR REPLACE INTO conversation (client, server, transport, proto, port, placed, first_seen, \
                 last_seen, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                client,
                server,
                transport,
                proto,
                port,
                placed,
                seen.map(|seen| seen.0),
                seen.map(|seen| seen.1),
                record
            ])?,
        SavedRow::Point { server, proto, device, space, index, seen, record } => tx
            .prepare_cached(
                "INSERT OR REPLACE INTO point (server, proto, device, space, point, first_seen, last_seen, record) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                server,
                proto,
                number(device),
                space,
                index,
                seen.map(|seen| seen.0),
                seen.map(|seen| seen.1),
                record
            ])?,
        SavedRow::Identity { server, proto, device, last, record } => tx
            .prepare_cached(
                "INSERT OR REPLACE INTO identity (server, proto, device, last_seen, record) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![server, proto, number(device), last, record])?,
    };
    Ok(())
}
