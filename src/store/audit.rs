//! The audit trail: who changed what, when, and what it was before. Rows are only ever added.

use super::alerts::{Cursor, PAGE, Page};
use super::life::Actor;
use super::queue::Care;
use super::{Reader, Role, Store, StoreError, now};
use rusqlite::{Transaction, params};

/// What somebody did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditEntry {
    /// The deed in a word: `acknowledge`, `suppress`, `rules`, `login`.
    pub what: String,
    /// What it was done to: `alert 01J…`, `user smith`.
    pub subject: String,
    /// What it was before, as JSON.
    pub before: Option<String>,
    /// What it is now, as JSON.
    pub after: Option<String>,
    /// Why.
    pub note: Option<String>,
}

/// The same as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditRecord {
    /// Its number; they go up.
    pub number: i64,
    /// When, in nanoseconds since 1970.
    pub at: i64,
    /// Who.
    pub who: String,
    /// In which role; `None` for the sensor itself.
    pub role: Option<Role>,
    /// What.
    pub entry: AuditEntry,
}

/// Adds an entry to a transaction.
pub(super) fn write(
    tx: &Transaction<'_>,
    actor: &Actor,
    at: i64,
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO audit (at, who, role, what, subject, before, after, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        at,
        actor.name,
        actor.role.map(Role::name),
        entry.what,
        entry.subject,
        entry.before,
        entry.after,
        entry.note
    ])?;
    Ok(())
}

impl Store {
    /// Adds to the audit trail what was done elsewhere; it is on the disk when this returns.
    ///
    /// # Errors
    /// Where the store is busy or full.
    pub fn audit(&self, actor: &Actor, entry: AuditEntry) -> Result<(), StoreError> {
        let actor = actor.clone();
        self.write(Care::Durable, move |tx| write(tx, &actor, now(), &entry))
    }
}

impl Reader<'_> {
    /// The audit trail, newest first, at most 1000 at a time.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn audit(&self, after: Option<Cursor>, limit: usize) -> Result<Page<AuditRecord>, StoreError> {
        let limit = limit.clamp(1, PAGE);
        let before = after.map_or(i64::MAX, |cursor| cursor.0);
        let mut statement = self.db.prepare_cached(
            "SELECT n, at, who, role, what, subject, before, after, note FROM audit WHERE n < ?1 \
             ORDER BY n DESC LIMIT ?2",
        )?;
        let rows = statement.query_map(params![before, limit as i64 + 1], |row| {
            let role: Option<String> = row.get(3)?;
            let record = AuditRecord {
                number: row.get(0)?,
                at: row.get(1)?,
                who: row.get(2)?,
                role: role.as_deref().and_then(Role::parse),
                entry: AuditEntry {
                    what: row.get(4)?,
                    subject: row.get(5)?,
                    before: row.get(6)?,
                    after: row.get(7)?,
                    note: row.get(8)?,
                },
            };
            Ok((record.number, record))
        })?;
        Ok(Page::of(rows.collect::<Result<_, _>>()?, limit))
    }
}
