//! Reading alerts: lists, one with its life, its neighbours in time.

use super::filter::{Filter, Query};
use super::number::{signed, unsigned};
use super::{Life, Reader, StoreError};
use crate::alert::Severity;
use rusqlite::{OptionalExtension, Row, params, params_from_iter};
use std::fmt;
use std::str::FromStr;

/// Rows of one page at most.
pub(super) const PAGE: usize = 1000;

/// Where the next page begins. Text of its own, to put into a URL.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Cursor(pub(super) i64);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Cursor {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Cursor, StoreError> {
        let number = (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten();
        number
            .map(|number| Cursor(number as i64))
            .ok_or_else(|| StoreError::Wrong("this is no place in a list; begin again without it".into()))
    }
}

/// A part of a list, newest first.
#[derive(Clone, PartialEq, Debug)]
pub struct Page<T> {
    /// What is in it.
    pub items: Vec<T>,
    /// Where the next begins, where there is more.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Of rows of which one more than wanted was asked for.
    pub(super) fn of(mut rows: Vec<(i64, T)>, limit: usize) -> Page<T> {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|(row, _)| Cursor(*row));
        Page { items: rows.into_iter().map(|(_, item)| item).collect(), next }
    }
}

/// An alert as lists show it.
#[derive(Clone, PartialEq, Debug)]
pub struct AlertRecord {
    /// Its place in lists; a page that begins here begins with the next older one.
    pub place: Cursor,
    /// Its identity, a ULID.
    pub id: String,
    /// When its first message was seen, in nanoseconds since 1970.
    pub first_seen: i64,
    /// When its last message so far was seen, in nanoseconds since 1970.
    pub last_seen: i64,
    /// Messages.
    pub count: u64,
    /// How bad it is.
    pub severity: Severity,
    /// What kind of thing it is about, by [`AlertKind::name`](crate::alert::AlertKind::name).
    pub kind: String,
    /// The rule.
    pub rule: Option<String>,
    /// The sentence that a person reads first.
    pub summary: String,
    /// The address of who did it.
    pub src: String,
    /// Its port; 0 where there is none.
    pub src_port: u16,
    /// The address of to whom.
    pub dst: String,
    /// Its port; 0 where there is none.
    pub dst_port: u16,
    /// The protocol.
    pub proto: String,
    /// The incident that it is part of.
    pub incident: Option<String>,
    /// Its state.
    pub state: Life,
    /// When a person last changed the state, in nanoseconds since 1970.
    pub changed: Option<i64>,
    /// Who.
    pub changed_by: Option<String>,
    /// Messages that came after that.
    pub since_changed: u64,
    /// The suppression that keeps it quiet.
    pub suppressed_by: Option<i64>,
}

/// The columns of an [`AlertRecord`], in the order in which it reads them.
const COLUMNS: &str = "a.row, a.id, a.first_seen, a.last_seen, a.count, a.severity, a.kind, a.rule, a.summary, a.src, \
     a.src_port, a.dst, a.dst_port, a.proto, a.incident, a.state, a.changed, a.changed_by, a.changed_count, \
     a.suppressed_by";
/// How many they are.
const COUNT: usize = 20;

impl AlertRecord {
    fn read(row: &Row<'_>) -> rusqlite::Result<AlertRecord> {
        let count: i64 = row.get(4)?;
        let then: Option<i64> = row.get(18)?;
        Ok(AlertRecord {
            place: Cursor(row.get(0)?),
            id: row.get(1)?,
            first_seen: row.get(2)?,
            last_seen: row.get(3)?,
            count: unsigned(count),
            severity: severity(row.get(5)?),
            kind: row.get(6)?,
            rule: row.get(7)?,
            summary: row.get(8)?,
            src: row.get(9)?,
            src_port: row.get(10)?,
            dst: row.get(11)?,
            dst_port: row.get(12)?,
            proto: row.get(13)?,
            incident: row.get(14)?,
            state: Life::of_number(row.get(15)?),
            changed: row.get(16)?,
            changed_by: row.get(17)?,
            since_changed: then.map_or(0, |then| unsigned(count.saturating_sub(then))),
            suppressed_by: row.get(19)?,
        })
    }
}

/// The severity of a number in the store.
pub(super) fn severity(number: i64) -> Severity {
    let at = usize::try_from(number).unwrap_or(0);
    Severity::ALL.get(at).copied().unwrap_or(Severity::Critical)
}

/// A step in the life of an alert.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogEntry {
    /// When, in nanoseconds since 1970.
    pub at: i64,
    /// Who.
    pub who: String,
    /// The state before.
    pub before: Life,
    /// The state after.
    pub after: Life,
    /// Why.
    pub note: Option<String>,
}

/// One alert with all that is known of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Whole {
    /// As lists show it.
    pub record: AlertRecord,
    /// As outputs write it: one JSON object.
    pub json: String,
    /// Its life, oldest step first.
    pub log: Vec<LogEntry>,
}

impl Reader<'_> {
    /// Alerts, newest first, at most 1000 at a time.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn alerts(
        &self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<AlertRecord>, StoreError> {
        let limit = limit.clamp(1, PAGE);
        let (sql, values) = filter.query(after.map(|cursor| cursor.0)).newest(COLUMNS, limit + 1);
        let mut statement = self.db.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(values), |row| {
            let record = AlertRecord::read(row)?;
            Ok((record.place.0, record))
        })?;
        Ok(Page::of(rows.collect::<Result<_, _>>()?, limit))
    }

    /// The same with each alert as outputs write it: one JSON object.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn alerts_with_json(
        &self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<(AlertRecord, String)>, StoreError> {
        let limit = limit.clamp(1, PAGE);
        let select = format!("{COLUMNS}, (SELECT json FROM alert_json j WHERE j.row = a.row)");
        let (sql, values) = filter.query(after.map(|cursor| cursor.0)).newest(&select, limit + 1);
        let mut statement = self.db.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(values), |row| {
            let record = AlertRecord::read(row)?;
            let json: Option<String> = row.get(COUNT)?;
            Ok((record.place.0, (record, json.unwrap_or_else(|| "{}".into()))))
        })?;
        Ok(Page::of(rows.collect::<Result<_, _>>()?, limit))
    }

    /// How many alerts there are of these.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn count(&self, filter: &Filter) -> Result<u64, StoreError> {
        self.count_up_to(filter, u64::MAX)
    }

    /// The same, but not on: `most` may mean more than that. For a search, whose every find has to be looked at.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn count_up_to(&self, filter: &Filter, most: u64) -> Result<u64, StoreError> {
        let Query { from, mut values, .. } = filter.query(None);
        let mut sql = format!("SELECT count(*) {from}");
        if most < u64::MAX {
            sql = format!("SELECT count(*) FROM (SELECT 1 {from} LIMIT ?)");
            values.push(signed(most).into());
        }
        let mut statement = self.db.prepare_cached(&sql)?;
        let count: i64 = statement.query_row(params_from_iter(values), |row| row.get(0))?;
        Ok(unsigned(count))
    }

    /// One alert with its life; `None` where there is none of this id.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn alert(&self, id: &str) -> Result<Option<Whole>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, j.json FROM alert a LEFT JOIN alert_json j ON j.row = a.row WHERE a.id = ?1"
        );
        let found = self
            .db
            .prepare_cached(&sql)?
            .query_row([id], |row| Ok((AlertRecord::read(row)?, row.get::<_, Option<String>>(COUNT)?)))
            .optional()?;
        let Some((record, json)) = found else { return Ok(None) };
        let mut statement = self
            .db
            .prepare_cached("SELECT at, who, before, after, note FROM alert_log WHERE row = ?1 ORDER BY n")?;
        let log = statement.query_map([record.place.0], |row| {
            Ok(LogEntry {
                at: row.get(0)?,
                who: row.get(1)?,
                before: Life::of_number(row.get(2)?),
                after: Life::of_number(row.get(3)?),
                note: row.get(4)?,
            })
        })?;
        let log = log.collect::<Result<_, _>>()?;
        Ok(Some(Whole { record, json: json.unwrap_or_else(|| "{}".into()), log }))
    }

    /// The alerts before and after one in time: so many of each, those before oldest first.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn neighbours(&self, of: Cursor, each: usize) -> Result<[Vec<AlertRecord>; 2], StoreError> {
        let some = |sql: &str| -> Result<Vec<AlertRecord>, StoreError> {
            let mut statement = self.db.prepare_cached(sql)?;
            let rows = statement.query_map(params![of.0, each.min(PAGE) as i64], AlertRecord::read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        let mut before =
            some(&format!("SELECT {COLUMNS} FROM alert a WHERE a.row < ?1 ORDER BY a.row DESC LIMIT ?2"))?;
        before.reverse();
        let after = some(&format!("SELECT {COLUMNS} FROM alert a WHERE a.row > ?1 ORDER BY a.row LIMIT ?2"))?;
        Ok([before, after])
    }
}
