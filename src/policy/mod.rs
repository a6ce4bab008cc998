//! The rules: what may happen in this plant, as people wrote it, and what they say of each message.
//!
//! Flows in: rule files (TOML) and the words of the protocols. Flows out: a [`RuleSet`] that gives a [`Verdict`]
//! per message, or [`Problem`]s that show the author the line.
//!
//! The way: `document` (TOML with the place of every word) → `names` (hosts, groups, zones) and `check` (rules, each in
//! `rule_reader`) → `set` (who: from the two ends of a flow to the rules about them) → `table` (what: from a message
//! to the rule that allows it, by hash and bisection).
//!
//! # The language
//! ```toml
//! version = 1
//! [hosts]                      # a name for an address, a prefix, a MAC address, or a list of them
//! scada = "10.20.0.10"
//! plc-3 = "10.20.1.3"
//! [groups]                     # hosts, groups, addresses and prefixes
//! engineering = ["10.20.0.64/28", "scada"]
//! [[allow]]
//! name = "Set points, within limits"
//! from = "scada"               # a host, group, address or prefix, or a list; absent or "any": anyone
//! to = "plc-3"
//! protocol = "modbus"          # or a list; absent: every control protocol; "any": other traffic too
//! unit = 1                     # the device behind the address, by the protocol's own word
//! may = ["write"]              # verbs; absent or "any": all
//! functions = ["write-single-register", 16]
//! points = ["holding:100-103"] # absent: all points, and messages that name none
//! values = "0..450"            # both ends included; a number, a list, "on", "off", words such as "latch on"
//! severity = "critical"        # of the alert when a value breaks the limits; on a deny rule, of what it forbids
//! attack = ["T0836"]           # the same: ATT&CK for ICS techniques
//! summary = "{src} set {point} of {dst} to {value}, against {rule}"
//! [[allow]]
//! name = "Remote shell for maintenance"
//! from = "engineering"
//! to = "scada"
//! protocol = "tcp"             # other traffic: tcp, udp, icmp, ip
//! port = 22
//! [defaults]
//! control-traffic = "deny"     # what it is where the file does not say
//! other-traffic = "allow"      # what it is where the file does not say
//! ```
//! All conditions of a rule must hold. A deny rule alerts even where an allow rule matches, as soon as it matches
//! one point or value of a message; an allow rule covers the points and values that it names, and a message passes
//! when each of its points is covered by some rule. A rule with `points` does not cover messages that name none,
//! except those of verbs that never do (restart, identify, diagnose, time, …) and that `may` lists. A rule with
//! `values` does not cover a change to a value that the message does not tell.

mod check;
mod document;
mod doubts;
pub mod learn;
mod limits;
mod names;
mod places;
mod problem;
mod rule;
mod rule_reader;
mod set;
mod spans;
mod table;
mod verdict;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use places::Place;
pub use problem::{Problem, nearest};
pub use rule::{Carrier, Limits, Rule, RuleId, RuleKind, Severity, Span, Traffic, Verbs};
pub use set::{Defaults, Pair, RuleSet, Who, Zone};
pub use verdict::{Seen, Verdict, Why};

use crate::event::Vocabulary;
use document::Document;
use std::path::{Path, PathBuf};

/// Rules that can be used, with what is doubtful about them.
#[derive(Debug)]
pub struct Loaded {
    /// The rules.
    pub rules: RuleSet,
    /// What can hardly be meant.
    pub warnings: Vec<Problem>,
}

/// Loads rule files, and all `*.toml` of folders in order of name, as one set.
///
/// # Errors
/// Everything that is wrong with them, and the warnings, in the order of the files.
pub fn load(paths: &[PathBuf], words: &[&'static Vocabulary]) -> Result<Loaded, Vec<Problem>> {
    parse_all(&read_all(paths)?, words)
}

/// The names and texts of rule files, and of all `*.toml` of folders in order of name.
///
/// # Errors
/// Every file that cannot be read.
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<(String, String)>, Vec<Problem>> {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for path in paths {
        match read(path) {
            Ok(more) => files.extend(more),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(problems) }
}

/// Parses one text as a rule file of this name.
///
/// # Errors
/// As [`load`].
pub fn parse(name: &str, text: &str, words: &[&'static Vocabulary]) -> Result<Loaded, Vec<Problem>> {
    parse_all(&[(name.to_owned(), text.to_owned())], words)
}

/// Parses texts, each with its name, as one set.
///
/// # Errors
/// As [`load`].
pub fn parse_all(files: &[(String, String)], words: &[&'static Vocabulary]) -> Result<Loaded, Vec<Problem>> {
    let mut documents = Vec::new();
    let mut problems = Vec::new();
    for (name, text) in files {
        match Document::parse(name, text) {
            Ok(document) => documents.push(document),
            Err(more) => problems.extend(more),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let parts = check::check(&documents, words, &mut problems);
    problems.sort_by_cached_key(|problem| problem.place_key(files));
    if problems.iter().any(Problem::is_error) {
        return Err(problems);
    }
    Ok(Loaded { rules: RuleSet::new(parts), warnings: problems })
}

/// The texts of a file or folder, with their names.
fn read(path: &Path) -> Result<Vec<(String, String)>, Problem> {
    let shown = path.display().to_string();
    let fail = |error: &std::io::Error| {
        let help = match error.kind() {
            std::io::ErrorKind::NotFound => "is the path right? It is looked up from the current folder",
            std::io::ErrorKind::PermissionDenied => "let this user read it",
            std::io::ErrorKind::InvalidData => "rule files are text in UTF-8",
            _ => "it must be a rule file, or a folder of rule files ending in .toml",
        };
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
            std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
            std::io::ErrorKind::InvalidData => "it is not text".to_owned(),
            _ => error.to_string(),
        };
        Problem::file(format!("cannot read rules from '{shown}': {reason}"), help)
    };
    let one = |path: &Path| {
        let text = std::fs::read_to_string(path).map_err(|error| fail(&error))?;
        Ok((path.display().to_string(), text))
    };
    if !path.is_dir() {
        return Ok(vec![one(path)?]);
    }
    let mut inside = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|error| fail(&error))? {
        let file = entry.map_err(|error| fail(&error))?.path();
        if file.extension().is_some_and(|end| end == "toml") && file.is_file() {
            inside.push(file);
        }
    }
    if inside.is_empty() {
        let message = format!("the folder '{shown}' holds no rule file");
        return Err(Problem::file(message, "rule files end in .toml"));
    }
    inside.sort();
    inside.iter().map(|file| one(file)).collect()
}
