//! Suppression: what people do not want to hear of for a while, with the reason. New alerts that match are stored, but
//! do not count as open.

use super::alert_row::AlertRow;
use super::audit::{self, AuditEntry};
use super::life::{Actor, Changed};
use super::number::unsigned;
use super::{Reader, StoreError, now};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde_json::json;

/// Suppressions that may be active at a time.
const MOST: i64 = 1000;
/// Characters of a reason.
const REASON: usize = 1000;

/// Which alerts are suppressed. `None` matches all; at least one must be given.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SuppressionKey {
    /// Those of this rule.
    pub rule: Option<String>,
    /// Those from this address, as [`Address`](crate::address::Address) prints it.
    pub src: Option<String>,
    /// Those to this address.
    pub dst: Option<String>,
    /// Those of this kind, by [`AlertKind::name`](crate::alert::AlertKind::name).
    pub kind: Option<String>,
}

/// What is kept quiet, and what it has swallowed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suppression {
    /// Its number.
    pub id: i64,
    /// Which alerts.
    pub what: SuppressionKey,
    /// Until when, in nanoseconds since 1970.
    pub until: i64,
    /// Why.
    pub reason: String,
    /// Who wanted it.
    pub who: String,
    /// Since when, in nanoseconds since 1970.
    pub created: i64,
    /// When it was taken back before its time, and by whom.
    pub ended: Option<(i64, String)>,
    /// Alerts that it kept quiet.
    pub alerts: u64,
    /// When the last of them was first seen, in nanoseconds since 1970.
    pub last: Option<i64>,
}

impl Suppression {
    /// Whether it keeps anything quiet at this time, in nanoseconds since 1970.
    pub fn is_active(&self, at: i64) -> bool {
        self.ended.is_none() && at < self.until
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Suppression> {
        let ended: Option<i64> = row.get(9)?;
        let by: Option<String> = row.get(10)?;
        Ok(Suppression {
            id: row.get(0)?,
            what: SuppressionKey { rule: row.get(1)?, src: row.get(2)?, dst: row.get(3)?, kind: row.get(4)? },
            until: row.get(5)?,
            reason: row.get(6)?,
            who: row.get(7)?,
            created: row.get(8)?,
            ended: ended.map(|at| (at, by.unwrap_or_default())),
            alerts: unsigned(row.get(11)?),
            last: row.get(12)?,
        })
    }
}

const COLUMNS: &str = "id, rule, src, dst, kind, until, reason, who, created, ended, ended_by, alerts, last";

/// The suppression that keeps a new alert quiet, which counts it.
pub(super) fn swallow(tx: &Transaction<'_>, alert: &AlertRow) -> Result<Option<i64>, StoreError> {
    let found: Option<i64> = tx
        .prepare_cached(
            "SELECT id FROM suppression WHERE ended IS NULL AND until > ?1 AND (rule IS NULL OR rule = ?2) \
             AND (src IS NULL OR src = ?3) AND (dst IS NULL OR dst = ?4) AND (kind IS NULL OR kind = ?5) \
             ORDER BY id LIMIT 1",
        )?
        .query_row(params![alert.first_seen, alert.rule, alert.src, alert.dst, alert.kind], |row| row.get(0))
        .optional()?;
    if let Some(id) = found {
        tx.prepare_cached(
            "UPDATE suppression SET alerts = alerts + 1, last = max(coalesce(last, ?2), ?2) WHERE id = ?1",
        )?
        .execute(params![id, alert.first_seen])?;
    }
    Ok(found)
}

/// Makes one.
pub(super) fn make(
    tx: &Transaction<'_>,
    actor: &Actor,
    what: &SuppressionKey,
    until: i64,
    reason: &str,
) -> Result<Changed, StoreError> {
    let wrong = |text: String| Err(StoreError::Wrong(text));
    let at = now();
    let reason = reason.trim();
    if *what == SuppressionKey::default() {
        return wrong("say what to suppress: a rule, a sender, a receiver or a kind; not everything".into());
    }
    if until <= at {
        return wrong("the end of a suppression must be in the future".into());
    }
    if reason.is_empty() || reason.chars().count() > REASON {
        return wrong(format!("give a reason of 1 to {REASON} characters"));
    }
    let active: i64 =
        tx.query_row("SELECT count(*) FROM suppression WHERE ended IS NULL AND until > ?1", [at], |row| {
            row.get(0)
        })?;
    if active >= MOST {
        return wrong(format!("{MOST} suppressions are active already; end some, or allow it in the rules"));
    }
    tx.execute(
        "INSERT INTO suppression (rule, src, dst, kind, until, reason, who, created) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![what.rule, what.src, what.dst, what.kind, until, reason, actor.name, at],
    )?;
    let id = tx.last_insert_rowid();
    let entry = AuditEntry {
        what: "suppress".into(),
        subject: format!("suppression {id}"),
        before: None,
        after: Some(key_json(what, until).to_string()),
        note: Some(reason.to_owned()),
    };
    audit::write(tx, actor, at, &entry)?;
    Ok(Changed { suppression: Some(id), at, ..Changed::default() })
}

/// Ends one before its time.
pub(super) fn end(tx: &Transaction<'_>, actor: &Actor, id: i64) -> Result<Changed, StoreError> {
    let at = now();
    let found = tx
        .query_row(&format!("SELECT {COLUMNS} FROM suppression WHERE id = ?1"), [id], Suppression::read)
        .optional()?
        .ok_or_else(|| StoreError::Unknown(format!("suppression {id}")))?;
    if !found.is_active(at) {
        return Ok(Changed { at, ..Changed::default() });
    }
    tx.execute(
        "UPDATE suppression SET ended = ?2, ended_by = ?3 WHERE id = ?1",
        params![id, at, actor.name],
    )?;
    let entry = AuditEntry {
        what: "unsuppress".into(),
        subject: format!("suppression {id}"),
        before: Some(key_json(&found.what, found.until).to_string()),
        after: None,
        note: None,
    };
    audit::write(tx, actor, at, &entry)?;
    Ok(Changed { suppression: Some(id), at, ..Changed::default() })
}

fn key_json(what: &SuppressionKey, until: i64) -> serde_json::Value {
    json!({"rule": what.rule, "src": what.src, "dst": what.dst, "kind": what.kind, "until": until})
}

impl Reader<'_> {
    /// Suppressions, newest first, at most 1000: those that are active at this time (nanoseconds since 1970), or all.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn suppressions(&self, active_at: Option<i64>) -> Result<Vec<Suppression>, StoreError> {
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM suppression WHERE ?1 IS NULL OR (ended IS NULL AND until > ?1) \
             ORDER BY id DESC LIMIT {MOST}"
        ))?;
        let rows = statement.query_map([active_at], Suppression::read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// One suppression.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn suppression(&self, id: i64) -> Result<Option<Suppression>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM suppression WHERE id = ?1");
        Ok(self.db.prepare_cached(&sql)?.query_row([id], Suppression::read).optional()?)
    }
}
