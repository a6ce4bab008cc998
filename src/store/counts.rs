//! Numbers for the first page: what is open, what changed, how many when.

use super::alerts::severity;
use super::number::unsigned;
use super::{Filter, Life, Reader, StoreError};
use crate::alert::Severity;
use rusqlite::{params, params_from_iter};

/// A number for each severity, in the order of [`Severity::ALL`].
pub type BySeverity = [u64; Severity::ALL.len()];

/// Steps of a histogram at most.
const STEPS: usize = 2000;

/// What happened since some time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Alerts that were raised, without suppressed ones.
    pub raised: BySeverity,
    /// Alerts that were raised and suppressed.
    pub suppressed: BySeverity,
    /// Times that an alert was acknowledged.
    pub acknowledged: u64,
    /// Times that an alert was closed.
    pub closed: u64,
    /// Devices seen for the first time.
    pub devices: u64,
}

/// How many alerts were raised in each step of time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Histogram {
    /// Where the first step begins, in nanoseconds since 1970.
    pub from: i64,
    /// How long a step is, in nanoseconds.
    pub step: i64,
    /// One for each step.
    pub counts: Vec<BySeverity>,
}

/// What is open between two addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PairCount {
    /// Who did it.
    pub src: String,
    /// To whom; the same where only one is known.
    pub dst: String,
    /// Open alerts: not closed, nor suppressed.
    pub open: u64,
    /// The worst of them.
    pub worst: Severity,
}

/// What a rule has raised.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleCount {
    /// Its name; `None` for what no rule allows.
    pub rule: Option<String>,
    /// All its alerts.
    pub alerts: u64,
    /// Those that are open: not closed, nor suppressed.
    pub open: u64,
    /// When the last of them was seen, in nanoseconds since 1970.
    pub last_seen: i64,
}

impl Reader<'_> {
    /// Alerts that are not suppressed: new ones, and acknowledged ones.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn open_by_severity(&self) -> Result<[BySeverity; 2], StoreError> {
        let mut counts = [BySeverity::default(); 2];
        let mut statement = self.db.prepare_cached(
            "SELECT severity, state, count(*) FROM alert WHERE state < 2 AND suppressed_by IS NULL \
             GROUP BY severity, state",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let side = usize::from(Life::of_number(row.get(1)?) == Life::Acknowledged);
            if let Some(counts) = counts.get_mut(side) {
                counts[severity(row.get(0)?).index()] += unsigned(row.get(2)?);
            }
        }
        Ok(counts)
    }

    /// What is open between any two addresses.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn open_by_pair(&self) -> Result<Vec<PairCount>, StoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT src, dst, count(*), max(severity) FROM alert WHERE state < 2 AND suppressed_by IS NULL \
             GROUP BY src, dst ORDER BY src, dst",
        )?;
        let rows = statement.query_map([], |row| {
            let (open, worst) = (unsigned(row.get(2)?), severity(row.get(3)?));
            Ok(PairCount { src: row.get(0)?, dst: row.get(1)?, open, worst })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many alerts there are of these, by severity.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn count_by_severity(&self, filter: &Filter) -> Result<BySeverity, StoreError> {
        let query = filter.query(None);
        let sql = format!("SELECT a.severity, count(*) {} GROUP BY a.severity", query.from);
        let mut statement = self.db.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(query.values))?;
        let mut counts = BySeverity::default();
        while let Some(row) = rows.next()? {
            counts[severity(row.get(0)?).index()] += unsigned(row.get(1)?);
        }
        Ok(counts)
    }

    /// What happened since this time, in nanoseconds since 1970.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn changes_since(&self, time: i64) -> Result<Changes, StoreError> {
        let mut changes = Changes::default();
        let mut statement = self.db.prepare_cached(
            "SELECT severity, suppressed_by IS NOT NULL, count(*) FROM alert WHERE row >= ?1 GROUP BY 1, 2",
        )?;
        let mut rows = statement.query([time])?;
        while let Some(row) = rows.next()? {
            let counts = if row.get(1)? { &mut changes.suppressed } else { &mut changes.raised };
            counts[severity(row.get(0)?).index()] += unsigned(row.get(2)?);
        }
        let mut statement =
            self.db.prepare_cached("SELECT after, count(*) FROM alert_log WHERE at >= ?1 GROUP BY after")?;
        let mut rows = statement.query([time])?;
        while let Some(row) = rows.next()? {
            match Life::of_number(row.get(0)?) {
                Life::New => {}
                Life::Acknowledged => changes.acknowledged = unsigned(row.get(1)?),
                Life::Closed => changes.closed = unsigned(row.get(1)?),
            }
        }
        let devices: i64 = self
            .db
            .prepare_cached("SELECT count(*) FROM device WHERE first_seen >= ?1")?
            .query_row([time], |row| row.get(0))?;
        changes.devices = unsigned(devices);
        Ok(changes)
    }

    /// How many alerts of these were raised when: `steps` (at most 2000) equal steps of time from `from` to `to`, in
    /// nanoseconds since 1970. The filter's own times are not looked at.
    ///
    /// # Errors
    /// Where the file cannot be read, or `to` is not after `from`.
    pub fn histogram(
        &self,
        filter: &Filter,
        from: i64,
        to: i64,
        steps: usize,
    ) -> Result<Histogram, StoreError> {
        let steps = steps.clamp(1, STEPS);
        let long = to.saturating_sub(from);
        if long <= 0 {
            return Err(StoreError::Wrong("the end of a time must be after its beginning".into()));
        }
        let step = (long / steps as i64 + i64::from(long % steps as i64 > 0)).max(1);
        let filter = Filter { from: None, to: None, ..filter.clone() };
        let query = filter.query(Some(to));
        let row = query.row;
        let sql = format!(
            "SELECT ({row} - ?) / ?, a.severity, count(*) {} AND {row} >= ? GROUP BY 1, 2",
            query.from
        );
        let mut values = vec![from.into(), step.into()];
        values.extend(query.values);
        values.push(from.into());
        let mut counts = vec![BySeverity::default(); steps];
        let mut statement = self.db.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            let at = usize::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
            if let Some(counts) = counts.get_mut(at) {
                counts[severity(row.get(1)?).index()] += unsigned(row.get(2)?);
            }
        }
        Ok(Histogram { from, step, counts })
    }

    /// What each rule has raised since this time, in nanoseconds since 1970; most first.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn rule_counts(&self, since: i64) -> Result<Vec<RuleCount>, StoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT rule, count(*), sum(state < 2 AND suppressed_by IS NULL), max(last_seen) FROM alert \
             WHERE +row >= ?1 GROUP BY rule ORDER BY 2 DESC, 1 LIMIT ?2",
        )?;
        let rows = statement.query_map(params![since, 10_000], |row| {
            Ok(RuleCount {
                rule: row.get(0)?,
                alerts: unsigned(row.get(1)?),
                open: unsigned(row.get(2)?),
                last_seen: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
