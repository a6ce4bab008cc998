//! One alert on its way into the store, and how it is put there.

use super::number::signed;
use super::{StoreError, suppression};
use crate::alert::Alert;
use rusqlite::{OptionalExtension, Transaction, params};

/// Nanoseconds within which the row of an alert may lie after its time.
const CROWD: i64 = 1_000_000;

/// What is stored of an alert.
pub(super) struct AlertRow {
    pub id: String,
    pub first_seen: i64,
    pub last_seen: i64,
    pub count: i64,
    pub severity: i64,
    pub kind: &'static str,
    pub rule: Option<String>,
    pub summary: String,
    pub src: String,
    pub src_port: u16,
    pub dst: String,
    pub dst_port: u16,
    pub proto: &'static str,
    pub incident: Option<String>,
    pub json: String,
}

impl From<&Alert> for AlertRow {
    fn from(alert: &Alert) -> AlertRow {
        let mut json = Vec::with_capacity(1024);
        alert.write_json(&mut json);
        AlertRow {
            id: alert.id.to_string(),
            first_seen: alert.first_seen.nanos,
            last_seen: alert.last_seen.nanos,
            count: signed(alert.count),
            severity: alert.severity.index() as i64,
            kind: alert.kind.name(),
            rule: alert.rule.clone(),
            summary: alert.summary.clone(),
            src: alert.src.address.to_string(),
            src_port: alert.src.port,
            dst: alert.dst.address.to_string(),
            dst_port: alert.dst.port,
            proto: alert.proto,
            incident: Some(alert.incident.to_string()),
            json: String::from_utf8(json)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        }
    }
}

impl AlertRow {
    /// About how much memory it takes.
    pub(super) fn octets(&self) -> usize {
        256 + self.json.len() + self.summary.len()
    }

    /// Puts it into the store, or what is new of it; its life stays as it is.
    pub(super) fn write(&self, tx: &Transaction<'_>) -> Result<(), StoreError> {
        let known: Option<(i64, bool)> = tx
            .prepare_cached("SELECT row, summary = ?2 AND rule IS ?3 FROM alert WHERE id = ?1")?
            .query_row(params![self.id, self.summary, self.rule], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let row = match known {
            Some((row, same_words)) => {
                self.update(tx, row)?;
                if !same_words {
                    self.index(tx, row)?;
                }
                row
            }
            None => {
                let row = self.insert(tx)?;
                self.index(tx, row)?;
                row
            }
        };
        if let Some(incident) = &self.incident {
            self.join(tx, incident, known.is_none())?;
        }
        tx.prepare_cached("INSERT OR REPLACE INTO alert_json (row, json) VALUES (?1, ?2)")?
            .execute(params![row, self.json])?;
        Ok(())
    }

    fn insert(&self, tx: &Transaction<'_>) -> Result<i64, StoreError> {
        let crowded: Option<i64> = tx
            .prepare_cached("SELECT max(row) FROM alert WHERE row BETWEEN ?1 AND ?2")?
            .query_row([self.first_seen, self.first_seen.saturating_add(CROWD)], |row| row.get(0))?;
        let row = crowded.map_or(self.first_seen, |last| last.saturating_add(1));
        let suppressed = suppression::swallow(tx, self)?;
        tx.prepare_cached(
            "INSERT INTO alert (row, id, first_seen, last_seen, count, severity, kind, rule, summary, src, src_port, \
             dst, dst_port, proto, incident, suppressed_by) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?
        .execute(params![
            row,
            self.id,
            self.first_seen,
            self.last_seen,
            self.count,
            self.severity,
            self.kind,
            self.rule,
            self.summary,
            self.src,
            self.src_port,
            self.dst,
            self.dst_port,
            self.proto,
            self.incident,
            suppressed,
        ])?;
        let mut hosts =
            tx.prepare_cached("INSERT OR IGNORE INTO alert_host (address, row) VALUES (?1, ?2)")?;
        hosts.execute(params![self.src, row])?;
        hosts.execute(params![self.dst, row])?;
        Ok(row)
    }

    fn update(&self, tx: &Transaction<'_>, row: i64) -> Result<(), StoreError> {
        tx.prepare_cached(
            "UPDATE alert SET last_seen = max(last_seen, ?2), count = max(count, ?3), severity = ?4, summary = ?5, \
             rule = ?6, incident = coalesce(?7, incident) WHERE row = ?1",
        )?
        .execute(params![
            row,
            self.last_seen,
            self.count,
            self.severity,
            self.summary,
            self.rule,
            self.incident
        ])?;
        Ok(())
    }

    fn index(&self, tx: &Transaction<'_>, row: i64) -> Result<(), StoreError> {
        let rule = self.rule.as_deref().unwrap_or_default();
        let hosts = format!("{} {}", self.src, self.dst);
        tx.prepare_cached(
            "INSERT OR REPLACE INTO alert_text (rowid, summary, rule, hosts) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![row, self.summary, rule, hosts])?;
        Ok(())
    }

    fn join(&self, tx: &Transaction<'_>, incident: &str, new: bool) -> Result<(), StoreError> {
        tx.prepare_cached(
            "INSERT INTO incident (id, first_seen, last_seen, severity, alerts) VALUES (?1, ?2, ?3, ?4, 1) \
             ON CONFLICT (id) DO UPDATE SET first_seen = min(first_seen, excluded.first_seen), \
             last_seen = max(last_seen, excluded.last_seen), severity = max(severity, excluded.severity), \
             alerts = alerts + ?5",
        )?
        .execute(params![
            incident,
            self.first_seen,
            self.last_seen,
            self.severity,
            i64::from(new)
        ])?;
        Ok(())
    }
}
