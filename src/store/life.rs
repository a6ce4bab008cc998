//! The life of alerts: new, acknowledged, closed; by whom and why. Every step is kept, and each change is in the audit
//! trail with what was before, in the same transaction.

use super::audit::{self, AuditEntry};
use super::queue::Care;
use super::suppression::{self, SuppressionKey};
use super::{Filter, Role, Store, StoreError, now};
use rusqlite::{OptionalExtension, Transaction, params, params_from_iter};
use serde_json::json;

/// Characters of a note that are kept.
const NOTE: usize = 4000;
/// Alerts that the audit trail names one by one in one entry.
const NAMED: usize = 100;
/// Alerts that may be named in one change; more are changed by a filter.
const MOST: usize = 10_000;

/// The state of an alert.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Life {
    /// Nobody has looked at it.
    New,
    /// Somebody has.
    Acknowledged,
    /// Nothing remains to be done.
    Closed,
}

impl Life {
    /// All of them, in order.
    pub const ALL: [Life; 3] = [Life::New, Life::Acknowledged, Life::Closed];

    /// The word for it: `new`, `acknowledged`, `closed`.
    pub const fn name(self) -> &'static str {
        match self {
            Life::New => "new",
            Life::Acknowledged => "acknowledged",
            Life::Closed => "closed",
        }
    }

    /// The state of that name.
    pub fn parse(name: &str) -> Option<Life> {
        Life::ALL.into_iter().find(|state| state.name() == name)
    }

    pub(super) const fn number(self) -> i64 {
        self as i64
    }

    pub(super) fn of_number(number: i64) -> Life {
        Life::ALL.into_iter().find(|state| state.number() == number).unwrap_or(Life::New)
    }
}

/// Who does something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Actor {
    /// The name of a user or a token.
    pub name: String,
    /// What they may do; `None` for the sensor itself.
    pub role: Option<Role>,
}

impl Actor {
    /// A person or a program.
    pub fn new(name: impl Into<String>, role: Role) -> Actor {
        Actor { name: name.into(), role: Some(role) }
    }

    /// The sensor itself.
    pub fn sensor() -> Actor {
        Actor { name: "wayside".into(), role: None }
    }
}

/// Which alerts are changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Which {
    /// These, by id; at most 10,000.
    Ids(Vec<String>),
    /// All of these.
    Matching(Box<Filter>),
}

impl Which {
    /// One alert.
    pub fn one(id: impl Into<String>) -> Which {
        Which::Ids(vec![id.into()])
    }
}

/// What a person changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Somebody has looked at these. What is acknowledged or closed already stays so.
    Acknowledge {
        /// Which.
        which: Which,
        /// Why, or what was found.
        note: Option<String>,
    },
    /// Nothing remains to be done about these.
    Close {
        /// Which.
        which: Which,
        /// Why, or what was found.
        note: Option<String>,
    },
    /// These are new again.
    Reopen {
        /// Which.
        which: Which,
        /// Why.
        note: Option<String>,
    },
    /// New alerts of this kind are to be kept quiet for a while. Those that there are stay as they are.
    Suppress {
        /// Which.
        what: SuppressionKey,
        /// Until when, in nanoseconds since 1970.
        until: i64,
        /// Why.
        reason: String,
    },
    /// They are not to be kept quiet any more. What was kept quiet so far stays so.
    Unsuppress {
        /// [`Suppression::id`](super::Suppression::id).
        id: i64,
    },
}

/// What came of a change.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changed {
    /// Alerts that are in another state now.
    pub alerts: u64,
    /// Alerts that were so already.
    pub unchanged: u64,
    /// Ids that there is no alert of.
    pub missing: Vec<String>,
    /// The suppression that was made or ended.
    pub suppression: Option<i64>,
    /// When, in nanoseconds since 1970.
    pub at: i64,
}

impl Store {
    /// Makes a change. When this returns it is on the disk, with who did it and what was before.
    ///
    /// # Errors
    /// Where the store is busy or full, or the change makes no sense; then nothing was changed.
    pub fn change(&self, actor: &Actor, change: Change) -> Result<Changed, StoreError> {
        let actor = actor.clone();
        self.write(Care::Durable, move |tx| match change {
            Change::Acknowledge { which, note } => step(tx, &actor, &which, Life::Acknowledged, note),
            Change::Close { which, note } => step(tx, &actor, &which, Life::Closed, note),
            Change::Reopen { which, note } => step(tx, &actor, &which, Life::New, note),
            Change::Suppress { what, until, reason } => suppression::make(tx, &actor, &what, until, &reason),
            Change::Unsuppress { id } => suppression::end(tx, &actor, id),
        })
    }
}

/// An alert whose state is to be changed.
struct Affected {
    row: i64,
    id: String,
    state: Life,
}

/// Whether an alert of this state is changed.
fn is_changed(from: Life, to: Life) -> bool {
    match to {
        Life::New => from != Life::New,
        to => from < to,
    }
}

fn step(
    tx: &Transaction<'_>,
    actor: &Actor,
    which: &Which,
    to: Life,
    note: Option<String>,
) -> Result<Changed, StoreError> {
    let note = note.map(|note| note.trim().to_owned()).filter(|note| !note.is_empty());
    if note.as_ref().is_some_and(|note| note.chars().count() > NOTE) {
        return Err(StoreError::Wrong(format!("the note is too long; at most {NOTE} characters")));
    }
    let at = now();
    let mut changed = Changed { at, ..Changed::default() };
    let affected = affected(tx, which, &mut changed.missing)?;
    let (affected, unchanged): (Vec<Affected>, Vec<Affected>) =
        affected.into_iter().partition(|alert| is_changed(alert.state, to));
    changed.unchanged = unchanged.len() as u64;
    changed.alerts = affected.len() as u64;
    if affected.is_empty() {
        return Ok(changed);
    }
    let mut update = tx.prepare_cached(
        "UPDATE alert SET state = ?2, changed = ?3, changed_by = ?4, changed_count = count WHERE row = ?1",
    )?;
    let mut log = tx.prepare_cached(
        "INSERT INTO alert_log (row, at, who, before, after, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for alert in &affected {
        update.execute(params![alert.row, to.number(), at, actor.name])?;
        log.execute(params![alert.row, at, actor.name, alert.state.number(), to.number(), note])?;
    }
    let of = |state: Life| affected.iter().filter(|alert| alert.state == state).count();
    let ids: Vec<&str> = affected.iter().take(NAMED).map(|alert| alert.id.as_str()).collect();
    let before: serde_json::Map<String, serde_json::Value> = Life::ALL
        .into_iter()
        .filter(|state| of(*state) > 0)
        .map(|state| (state.name().to_owned(), of(state).into()))
        .collect();
    let subject = match affected.as_slice() {
        [one] => format!("alert {}", one.id),
        many => format!("{} alerts", many.len()),
    };
    let what = match to {
        Life::New => "reopen",
        Life::Acknowledged => "acknowledge",
        Life::Closed => "close",
    };
    let entry = AuditEntry {
        what: what.into(),
        subject,
        before: Some(serde_json::Value::from(before).to_string()),
        after: Some(json!({"state": to.name(), "alerts": affected.len(), "ids": ids}).to_string()),
        note,
    };
    audit::write(tx, actor, at, &entry)?;
    Ok(changed)
}

fn affected(
    tx: &Transaction<'_>,
    which: &Which,
    missing: &mut Vec<String>,
) -> Result<Vec<Affected>, StoreError> {
    match which {
        Which::Ids(ids) if ids.len() > MOST => Err(StoreError::Wrong(format!(
            "too many alerts at once; at most {MOST}, or all that match a filter"
        ))),
        Which::Ids(ids) => {
            let mut ids: Vec<&String> = ids.iter().collect();
            ids.sort_unstable();
            ids.dedup();
            let mut statement = tx.prepare_cached("SELECT row, state FROM alert WHERE id = ?1")?;
            let mut all = Vec::with_capacity(ids.len());
            for id in ids {
                let found: Option<(i64, i64)> =
                    statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
                match found {
                    Some((row, state)) => {
                        all.push(Affected { row, id: id.clone(), state: Life::of_number(state) });
                    }
                    None => missing.push(id.clone()),
                }
            }
            Ok(all)
        }
        Which::Matching(filter) => {
            let query = filter.query(None);
            let mut statement = tx.prepare(&format!("SELECT a.row, a.id, a.state {}", query.from))?;
            let rows = statement.query_map(params_from_iter(query.values), |row| {
                Ok(Affected { row: row.get(0)?, id: row.get(1)?, state: Life::of_number(row.get(2)?) })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        }
    }
}
