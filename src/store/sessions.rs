//! Sessions: who has come in by a password, until when. Only the hash of a session's secret is kept. That somebody came in
//! or went is in the audit trail.

use super::access::{User, say, user};
use super::audit::{self, AuditEntry};
use super::life::Actor;
use super::queue::Care;
use super::{Reader, Store, StoreError, now};
use rusqlite::{OptionalExtension, Row, params};
use std::fmt;

/// Sessions that one user may have; the one that was not used for the longest time goes for a new one.
const OF_ONE: i64 = 20;
/// Sessions that are listed.
const LISTED: i64 = 1000;

/// Somebody who has come in.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of its secret, hexadecimal.
    pub hash: String,
    /// Who.
    pub user: String,
    /// Since when, in nanoseconds since 1970.
    pub created: i64,
    /// When it was last used, in nanoseconds since 1970.
    pub last_used: i64,
    /// Until when, in nanoseconds since 1970.
    pub expires: i64,
}

/// Without the hash: what is printed for people to debug ends in logs.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session of {}", self.user)
    }
}

impl Session {
    fn read(row: &Row<'_>, at: usize) -> rusqlite::Result<Session> {
        Ok(Session {
            hash: row.get(at)?,
            user: row.get(at + 1)?,
            created: row.get(at + 2)?,
            last_used: row.get(at + 3)?,
            expires: row.get(at + 4)?,
        })
    }
}

impl Store {
    /// Begins a session for a user who gave the password of this hash, and forgets those that are over. `note`: from where.
    ///
    /// # Errors
    /// Where there is no such user, their password or right to enter has changed meanwhile, or the store is busy or full.
    pub fn add_session(
        &self,
        session: Session,
        password: &str,
        note: Option<String>,
    ) -> Result<(), StoreError> {
        let password = password.to_owned();
        self.write(Care::Durable, move |tx| {
            let known = user(tx, &session.user)?;
            if known.password != password || known.disabled.is_some() {
                return Err(StoreError::Wrong(format!("user '{}' was changed meanwhile", known.name)));
            }
            tx.execute("DELETE FROM session WHERE expires <= ?1", [now()])?;
            tx.execute(
                "DELETE FROM session WHERE hash IN (SELECT hash FROM session WHERE user = ?1 \
                 ORDER BY last_used DESC LIMIT -1 OFFSET ?2)",
                params![session.user, OF_ONE - 1],
            )?;
            tx.execute(
                "INSERT INTO session (hash, user, created, last_used, expires) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![session.hash, session.user, session.created, session.last_used, session.expires],
            )?;
            let actor = Actor::new(known.name.clone(), known.role);
            let subject = format!("user {}", known.name);
            let entry = AuditEntry { what: "login".into(), subject, note, ..AuditEntry::default() };
            audit::write(tx, &actor, now(), &entry)
        })
    }

    /// Says that a session was used. Need not be done each time.
    ///
    /// # Errors
    /// Where the store is busy or full.
    pub fn use_session(&self, hash: &str, at: i64, expires: i64) -> Result<(), StoreError> {
        let hash = hash.to_owned();
        self.write(Care::Quiet, move |tx| {
            tx.execute(
                "UPDATE session SET last_used = max(last_used, ?2), expires = ?3 WHERE hash = ?1",
                params![hash, at, expires],
            )?;
            Ok(())
        })
    }

    /// Ends a session; whether there was one. `None`: whoever has it goes by themselves.
    ///
    /// # Errors
    /// Where the store is busy or full.
    pub fn end_session(&self, actor: Option<&Actor>, hash: &str) -> Result<bool, StoreError> {
        let (actor, hash) = (actor.cloned(), hash.to_owned());
        self.write(Care::Durable, move |tx| {
            let found = tx.query_row("SELECT user FROM session WHERE hash = ?1", [&hash], |row| row.get(0));
            let Some(name) = found.optional()? else { return Ok(false) };
            let known = user(tx, &String::clone(&name))?;
            tx.execute("DELETE FROM session WHERE hash = ?1", [&hash])?;
            let what = if actor.is_some() { "end session" } else { "logout" };
            let actor = actor.unwrap_or_else(|| Actor::new(known.name.clone(), known.role));
            say(tx, &actor, what, format!("user {}", known.name), None, None)?;
            Ok(true)
        })
    }
}

impl Reader<'_> {
    /// The session of this hash with its user, where it is not over at this time (nanoseconds since 1970) and the user
    /// may enter.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn session(&self, hash: &str, at: i64) -> Result<Option<(Session, User)>, StoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT u.name, u.role, u.password, u.created, u.disabled, s.hash, s.user, s.created, s.last_used, \
             s.expires FROM session s JOIN user u ON u.name = s.user \
             WHERE s.hash = ?1 AND s.expires > ?2 AND u.disabled IS NULL",
        )?;
        let found =
            statement.query_row(params![hash, at], |row| Ok((Session::read(row, 5)?, User::read(row)?)));
        Ok(found.optional()?)
    }

    /// The sessions that are not over at this time (nanoseconds since 1970), the one used last first; at most 1000.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn sessions(&self, at: i64) -> Result<Vec<Session>, StoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT hash, user, created, last_used, expires FROM session WHERE expires > ?1 \
             ORDER BY last_used DESC, hash LIMIT ?2",
        )?;
        let rows = statement.query_map(params![at, LISTED], |row| Session::read(row, 0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
