//! Which rules were in force when, with their texts.

use super::alerts::{Cursor, PAGE, Page};
use super::audit::{self, AuditEntry};
use super::life::Actor;
use super::number::{signed, unsigned};
use super::queue::Care;
use super::{Reader, Store, StoreError, now};
use rusqlite::{OptionalExtension, params};
use serde_json::json;
use sha1::{Digest, Sha1};

/// Octets of texts of one set that are kept.
const LARGEST: usize = 16 << 20;

/// One file of a rule set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleFile {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Rules that were put in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleSetRecord {
    /// Its number; they go up.
    pub number: i64,
    /// When, in nanoseconds since 1970.
    pub at: i64,
    /// SHA-1 of all files with their names, hexadecimal: the same for the same rules.
    pub hash: String,
    /// How many rules.
    pub rules: u64,
}

fn hash(files: &[RuleFile]) -> String {
    let mut hash = Sha1::new();
    for file in files {
        for part in [&file.name, &file.text] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    hash.finalize().iter().map(|octet| format!("{octet:02x}")).collect()
}

impl Store {
    /// Says that these rules are in force from now on. The same as before are not written again.
    ///
    /// # Errors
    /// Where the store is busy or full, or the texts are larger than 16 MiB.
    pub fn rules_in_force(
        &self,
        actor: &Actor,
        rules: usize,
        files: Vec<RuleFile>,
    ) -> Result<RuleSetRecord, StoreError> {
        let actor = actor.clone();
        let hash = hash(&files);
        if files.iter().map(|file| file.text.len()).sum::<usize>() > LARGEST {
            return Err(StoreError::Wrong("the rule files are larger than 16 MiB together".into()));
        }
        self.write(Care::Durable, move |tx| {
            let at = now();
            let rules = rules as u64;
            let last: Option<(String, i64)> = tx
                .query_row("SELECT hash, rules FROM rule_set ORDER BY n DESC LIMIT 1", [], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            tx.execute(
                "INSERT INTO rule_set (at, hash, rules) VALUES (?1, ?2, ?3)",
                params![at, hash, signed(rules)],
            )?;
            let record = RuleSetRecord { number: tx.last_insert_rowid(), at, hash, rules };
            let mut add = tx.prepare(
                "INSERT OR IGNORE INTO rule_file (hash, place, name, text) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for (place, file) in (0i64..).zip(&files) {
                add.execute(params![record.hash, place, file.name, file.text])?;
            }
            let said = |hash: &str, rules: u64| json!({"hash": hash, "rules": rules}).to_string();
            let entry = AuditEntry {
                what: "rules".into(),
                subject: "rules in force".into(),
                before: last.map(|(hash, rules)| said(&hash, unsigned(rules))),
                after: Some(said(&record.hash, rules)),
                note: None,
            };
            audit::write(tx, &actor, at, &entry)?;
            Ok(record)
        })
    }
}

impl Reader<'_> {
    /// Rules that were put in force, newest first, at most 1000 at a time.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn rule_sets(&self, after: Option<Cursor>, limit: usize) -> Result<Page<RuleSetRecord>, StoreError> {
        let limit = limit.clamp(1, PAGE);
        let before = after.map_or(i64::MAX, |cursor| cursor.0);
        let mut statement = self.db.prepare_cached(
            "SELECT n, at, hash, rules FROM rule_set WHERE n < ?1 ORDER BY n DESC LIMIT ?2",
        )?;
        let rows = statement.query_map(params![before, limit as i64 + 1], |row| {
            let record = RuleSetRecord {
                number: row.get(0)?,
                at: row.get(1)?,
                hash: row.get(2)?,
                rules: unsigned(row.get(3)?),
            };
            Ok((record.number, record))
        })?;
        Ok(Page::of(rows.collect::<Result<_, _>>()?, limit))
    }

    /// The files of a rule set, by its hash, in their order.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn rule_files(&self, hash: &str) -> Result<Vec<RuleFile>, StoreError> {
        let mut statement =
            self.db.prepare_cached("SELECT name, text FROM rule_file WHERE hash = ?1 ORDER BY place")?;
        let rows =
            statement.query_map([hash], |row| Ok(RuleFile { name: row.get(0)?, text: row.get(1)? }))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
