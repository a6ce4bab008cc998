//! Users and tokens: what is kept of them. How passwords are hashed and who may do what is decided elsewhere; secrets
//! never come here, only their hashes. What is changed about them is in the audit trail. Sessions have a file of their own.

use super::audit::{self, AuditEntry};
use super::life::Actor;
use super::queue::Care;
use super::{Reader, Store, StoreError, now};
use rusqlite::{ErrorCode, OptionalExtension, Row, Transaction, params};
use serde_json::json;
use std::fmt;

/// What somebody may do; each may do what those before it may.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// Look.
    View,
    /// Acknowledge, close, suppress.
    Operate,
    /// Everything: users, tokens, rules.
    Administer,
}

impl Role {
    /// All of them, in order.
    pub const ALL: [Role; 3] = [Role::View, Role::Operate, Role::Administer];

    /// The word for it: `view`, `operate`, `administer`.
    pub const fn name(self) -> &'static str {
        match self {
            Role::View => "view",
            Role::Operate => "operate",
            Role::Administer => "administer",
        }
    }

    /// The role of that name.
    pub fn parse(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }

    fn read(row: &Row<'_>, at: usize) -> rusqlite::Result<Role> {
        // The table lets no other word in; the least of all where it does.
        Ok(Role::parse(&row.get::<_, String>(at)?).unwrap_or(Role::View))
    }
}

/// A person with a password.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The hash of the password, with its salt and parameters.
    pub password: String,
    /// Since when, in nanoseconds since 1970.
    pub created: i64,
    /// Since when they may not enter, in nanoseconds since 1970.
    pub disabled: Option<i64>,
}

/// A program's key.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Its number.
    pub id: i64,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the token, hexadecimal.
    pub hash: String,
    /// Since when, in nanoseconds since 1970.
    pub created: i64,
    /// Until when, in nanoseconds since 1970.
    pub expires: Option<i64>,
}

/// Without the hash: what is printed for people to debug ends in logs.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user {} ({})", self.name, self.role.name())
    }
}

/// Without the hash.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token {} {} ({})", self.id, self.name, self.role.name())
    }
}

const USER: &str = "SELECT name, role, password, created, disabled FROM user";
const TOKEN: &str = "SELECT id, name, role, hash, created, expires FROM token";

impl User {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<User> {
        Ok(User {
            name: row.get(0)?,
            role: Role::read(row, 1)?,
            password: row.get(2)?,
            created: row.get(3)?,
            disabled: row.get(4)?,
        })
    }

    fn json(&self) -> String {
        json!({"role": self.role.name(), "disabled": self.disabled.is_some()}).to_string()
    }
}

impl Token {
    fn read(row: &Row<'_>) -> rusqlite::Result<Token> {
        Ok(Token {
            id: row.get(0)?,
            name: row.get(1)?,
            role: Role::read(row, 2)?,
            hash: row.get(3)?,
            created: row.get(4)?,
            expires: row.get(5)?,
        })
    }

    fn json(&self) -> String {
        json!({"name": self.name, "role": self.role.name(), "expires": self.expires}).to_string()
    }
}

/// Says it in words where a name is taken.
fn taken(error: rusqlite::Error, what: &str) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => {
            StoreError::Wrong(format!("there is a {what} of that name already"))
        }
        _ => error.into(),
    }
}

pub(super) fn user(tx: &Transaction<'_>, name: &str) -> Result<User, StoreError> {
    tx.query_row(&format!("{USER} WHERE name = ?1"), [name], User::read)
        .optional()?
        .ok_or_else(|| StoreError::Unknown(format!("user '{name}'")))
}

pub(super) fn say(
    tx: &Transaction<'_>,
    actor: &Actor,
    what: &str,
    subject: String,
    before: Option<String>,
    after: Option<String>,
) -> Result<(), StoreError> {
    audit::write(tx, actor, now(), &AuditEntry { what: what.into(), subject, before, after, note: None })
}

impl Store {
    /// Adds a user.
    ///
    /// # Errors
    /// Where there is one of that name, or the store is busy or full.
    pub fn add_user(
        &self,
        actor: &Actor,
        name: &str,
        role: Role,
        password: &str,
    ) -> Result<User, StoreError> {
        let (actor, name, password) = (actor.clone(), name.to_owned(), password.to_owned());
        self.write(Care::Durable, move |tx| {
            let user = User { name, role, password, created: now(), disabled: None };
            tx.execute(
                "INSERT INTO user (name, role, password, created) VALUES (?1, ?2, ?3, ?4)",
                params![user.name, role.name(), user.password, user.created],
            )
            .map_err(|error| taken(error, "user"))?;
            say(tx, &actor, "add user", format!("user {}", user.name), None, Some(user.json()))?;
            Ok(user)
        })
    }

    /// Gives a user another password; ends their sessions.
    ///
    /// # Errors
    /// Where there is none of that name, or the store is busy or full.
    pub fn set_password(&self, actor: &Actor, name: &str, password: &str) -> Result<(), StoreError> {
        let (actor, name, password) = (actor.clone(), name.to_owned(), password.to_owned());
        self.write(Care::Durable, move |tx| {
            user(tx, &name)?;
            tx.execute("UPDATE user SET password = ?2 WHERE name = ?1", params![name, password])?;
            tx.execute("DELETE FROM session WHERE user = ?1", [&name])?;
            say(tx, &actor, "set password", format!("user {name}"), None, None)
        })
    }

    /// Gives a user another role, or takes away or gives back the right to enter; ends their sessions.
    ///
    /// # Errors
    /// Where there is none of that name, nobody who may administer would be left, or the store is busy or full.
    pub fn set_user(
        &self,
        actor: &Actor,
        name: &str,
        role: Role,
        disabled: bool,
    ) -> Result<User, StoreError> {
        let (actor, name) = (actor.clone(), name.to_owned());
        self.write(Care::Durable, move |tx| {
            let before = user(tx, &name)?;
            let disabled = disabled.then(|| before.disabled.unwrap_or_else(now));
            let after = User { role, disabled, ..before.clone() };
            tx.execute(
                "UPDATE user SET role = ?2, disabled = ?3 WHERE name = ?1",
                params![name, role.name(), disabled],
            )?;
            keeps_an_administrator(tx, &before)?;
            tx.execute("DELETE FROM session WHERE user = ?1", [&name])?;
            say(tx, &actor, "set user", format!("user {name}"), Some(before.json()), Some(after.json()))?;
            Ok(after)
        })
    }

    /// Removes a user and their sessions.
    ///
    /// # Errors
    /// Where there is none of that name, nobody who may administer would be left, or the store is busy or full.
    pub fn remove_user(&self, actor: &Actor, name: &str) -> Result<(), StoreError> {
        let (actor, name) = (actor.clone(), name.to_owned());
        self.write(Care::Durable, move |tx| {
            let before = user(tx, &name)?;
            tx.execute("DELETE FROM user WHERE name = ?1", [&name])?;
            keeps_an_administrator(tx, &before)?;
            say(tx, &actor, "remove user", format!("user {name}"), Some(before.json()), None)
        })
    }

    /// Adds a token; `hash` is its SHA-256, hexadecimal.
    ///
    /// # Errors
    /// Where there is one of that name, or the store is busy or full.
    pub fn add_token(
        &self,
        actor: &Actor,
        name: &str,
        role: Role,
        hash: &str,
        expires: Option<i64>,
    ) -> Result<Token, StoreError> {
        let (actor, name, hash) = (actor.clone(), name.to_owned(), hash.to_owned());
        self.write(Care::Durable, move |tx| {
            let created = now();
            tx.execute(
                "INSERT INTO token (name, role, hash, created, expires) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![name, role.name(), hash, created, expires],
            )
            .map_err(|error| taken(error, "token"))?;
            let token = Token { id: tx.last_insert_rowid(), name, role, hash, created, expires };
            say(tx, &actor, "add token", format!("token {}", token.id), None, Some(token.json()))?;
            Ok(token)
        })
    }

    /// Removes a token.
    ///
    /// # Errors
    /// Where there is none of that number, or the store is busy or full.
    pub fn remove_token(&self, actor: &Actor, id: i64) -> Result<(), StoreError> {
        let actor = actor.clone();
        self.write(Care::Durable, move |tx| {
            let before = tx
                .query_row(&format!("{TOKEN} WHERE id = ?1"), [id], Token::read)
                .optional()?
                .ok_or_else(|| StoreError::Unknown(format!("token {id}")))?;
            tx.execute("DELETE FROM token WHERE id = ?1", [id])?;
            say(tx, &actor, "remove token", format!("token {id}"), Some(before.json()), None)
        })
    }
}

/// Refuses to leave nobody who may administer, where there was somebody.
fn keeps_an_administrator(tx: &Transaction<'_>, before: &User) -> Result<(), StoreError> {
    if before.role != Role::Administer || before.disabled.is_some() {
        return Ok(());
    }
    let left: i64 = tx.query_row(
        "SELECT count(*) FROM user WHERE role = 'administer' AND disabled IS NULL",
        [],
        |row| row.get(0),
    )?;
    if left > 0 {
        return Ok(());
    }
    Err(StoreError::Wrong(format!(
        "'{}' is the only one who may administer; give somebody else that role first",
        before.name
    )))
}

impl Reader<'_> {
    /// One user.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn user(&self, name: &str) -> Result<Option<User>, StoreError> {
        Ok(self
            .db
            .prepare_cached(&format!("{USER} WHERE name = ?1"))?
            .query_row([name], User::read)
            .optional()?)
    }

    /// All users, by name.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn users(&self) -> Result<Vec<User>, StoreError> {
        let mut statement = self.db.prepare_cached(&format!("{USER} ORDER BY name"))?;
        Ok(statement.query_map([], User::read)?.collect::<Result<_, _>>()?)
    }

    /// The token of this hash, expired or not.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn token(&self, hash: &str) -> Result<Option<Token>, StoreError> {
        let mut statement = self.db.prepare_cached(&format!("{TOKEN} WHERE hash = ?1"))?;
        Ok(statement.query_row([hash], Token::read).optional()?)
    }

    /// All tokens, by name.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let mut statement = self.db.prepare_cached(&format!("{TOKEN} ORDER BY name"))?;
        Ok(statement.query_map([], Token::read)?.collect::<Result<_, _>>()?)
    }

    /// Whether there is any user or token: where there is none, nobody is asked who they are.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn is_guarded(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM user) OR EXISTS (SELECT 1 FROM token)";
        Ok(self.db.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    }
}
