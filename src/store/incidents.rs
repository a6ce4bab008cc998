//! Incidents: alerts that belong together. One is open as long as one of its alerts is.

use super::alerts::{PAGE, severity};
use super::number::unsigned;
use super::{Reader, StoreError};
use crate::alert::Severity;
use rusqlite::{OptionalExtension, Row, params};

/// An incident.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Incident {
    /// Its identity.
    pub id: String,
    /// When its first alert was first seen, in nanoseconds since 1970.
    pub first_seen: i64,
    /// When its last alert was last seen, in nanoseconds since 1970.
    pub last_seen: i64,
    /// The worst of its alerts.
    pub severity: Severity,
    /// All its alerts.
    pub alerts: u64,
    /// Those that are open: not closed, nor suppressed.
    pub open: u64,
    /// The sentence of the worst of its alerts; of several the first.
    pub summary: String,
}

const SELECT: &str = "SELECT i.id, i.first_seen, i.last_seen, i.severity, i.alerts, \
     (SELECT count(*) FROM alert a WHERE a.incident = i.id AND a.state < 2 AND a.suppressed_by IS NULL), \
     (SELECT a.summary FROM alert a WHERE a.incident = i.id ORDER BY a.severity DESC, a.row LIMIT 1)";

impl Incident {
    fn read(row: &Row<'_>) -> rusqlite::Result<Incident> {
        Ok(Incident {
            id: row.get(0)?,
            first_seen: row.get(1)?,
            last_seen: row.get(2)?,
            severity: severity(row.get(3)?),
            alerts: unsigned(row.get(4)?),
            open: unsigned(row.get(5)?),
            summary: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
        })
    }
}

impl Reader<'_> {
    /// Open incidents: the worst first, of those the last seen; at most 1000.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn open_incidents(&self, limit: usize) -> Result<Vec<Incident>, StoreError> {
        let mut statement = self.db.prepare_cached(&format!(
            "{SELECT} FROM (SELECT * FROM incident WHERE id IN (SELECT incident FROM alert WHERE state < 2 \
             AND suppressed_by IS NULL) ORDER BY severity DESC, last_seen DESC LIMIT ?1) i \
             ORDER BY i.severity DESC, i.last_seen DESC"
        ))?;
        let rows = statement.query_map(params![limit.clamp(1, PAGE) as i64], Incident::read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The incidents last seen, open or not; at most 1000.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn last_incidents(&self, limit: usize) -> Result<Vec<Incident>, StoreError> {
        let mut statement = self
            .db
            .prepare_cached(&format!("{SELECT} FROM incident i ORDER BY i.last_seen DESC LIMIT ?1"))?;
        let rows = statement.query_map(params![limit.clamp(1, PAGE) as i64], Incident::read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// One incident; its alerts are those of a [`Filter`](super::Filter) with it.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn incident(&self, id: &str) -> Result<Option<Incident>, StoreError> {
        let mut statement = self.db.prepare_cached(&format!("{SELECT} FROM incident i WHERE i.id = ?1"))?;
        Ok(statement.query_row([id], Incident::read).optional()?)
    }
}
