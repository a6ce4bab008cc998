//! The rules: what may happen in this plant, as people wrote it, and what they say of each message.
//!
//! Flows in: rule files (TOML) and the words of the protocols. Flows out: a [`RuleSet`] that gives a [`Verdict`]
//! per message, or [`Problem`]s that show the author the line.
//!
//! The way: `document` (TOML with the place of every word) → `names` (hosts, groups, zones) and `check` (rules, each in
//! `rule_reader`) → `set` (who: from the two ends of a flow to the rules about them) → `table` (what: from a message
//! to the rule that allows it, by hash and bisection). Beside it stands [`import`], which writes the language from rules
//! of Suricata and Snort. For authors, [`explain`] says how each rule meets a message, [`sentence`] reads the message,
//! and [`diff`] compares two sets.
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
//! advice = "Call the shift engineer: 4711"
//! [[allow]]
//! name = "Remote shell for maintenance"
//! from = "engineering"
//! to = "scada"
//! protocol = "tcp"             # other traffic: tcp, udp, icmp, ip, ethernet
//! port = 22
//! [defaults]
//! control-traffic = "deny"     # what it is where the file does not say
//! other-traffic = "allow"      # what it is where the file does not say
//! [[test]]                     # run by `wayside rules test`
//! message = "scada modbus write holding 101=900 -> plc-3"
//! expect = "not-allowed"       # or "allowed", "denied"
//! ```
//! All conditions of a rule must hold. A deny rule alerts even where an allow rule matches, as soon as it matches
//! one point or value of a message; an allow rule covers the points and values that it names, and a message passes
//! when each of its points is covered by some rule. A rule with `points` does not cover messages that name none,
//! except those of verbs that never do (restart, identify, diagnose, time, …) and that `may` lists. A rule with
//! `values` does not cover a change to a value that the message does not tell.

pub mod allow;
pub mod calendar;
mod check;
pub mod diff;
mod document;
mod doubts;
pub mod edit;
mod expect;
pub mod explain;
pub mod import;
mod layers;
pub mod learn;
mod limits;
mod memory;
mod named;
mod names;
mod near;
mod places;
mod problem;
mod rule;
mod rule_reader;
pub mod said;
mod scene;
pub mod sentence;
mod set;
mod shadows;
mod spans;
mod table;
pub mod test_case;
mod times;
mod verdict;
mod words;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_language;

pub use expect::{Silence, Watch};
pub use memory::{Memory, Relaxed};
pub use near::PointLimit;
pub use places::{End, Place};
pub use problem::{Problem, nearest};
pub use rule::{
    Carrier, Change, Limits, Maintenance, NamedPoint, NamedPoints, Rule, RuleId, RuleKind, Scale, Severity,
    Span, Traffic, Verbs, device_end,
};
pub use set::{Conduit, Defaults, Named, Pair, RuleSet, Who, Zone};
pub use verdict::{Seen, Verdict, Why};
pub use words::words;

use crate::event::Vocabulary;
use document::Document;
pub use layers::Text;
use std::path::PathBuf;

/// Rules that can be used, with what is doubtful about them.
#[derive(Debug)]
pub struct Loaded {
    /// The rules.
    pub rules: RuleSet,
    /// What can hardly be meant.
    pub warnings: Vec<Problem>,
}

/// Loads rule files, and all `*.toml` of folders in order of name, as one set, with what they include and what they
/// are laid over.
///
/// # Errors
/// Everything that is wrong with them, and the warnings, in the order of the files.
pub fn load(paths: &[PathBuf], words: &[&'static Vocabulary]) -> Result<Loaded, Vec<Problem>> {
    parse_all(&read_all(paths)?, words)
}

/// The texts of rule files, and of all `*.toml` of folders in order of name, with everything that they ask for.
///
/// # Errors
/// Every file that cannot be read.
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<Text>, Vec<Problem>> {
    layers::gather(paths)
}

/// Parses one text as a rule file of this name. What it includes is looked up beside that name.
///
/// # Errors
/// As [`load`].
pub fn parse(name: &str, text: &str, words: &[&'static Vocabulary]) -> Result<Loaded, Vec<Problem>> {
    parse_all(&layers::gather_text(name, text)?, words)
}

/// Parses texts as one set. They ask for no others: what they include is among them.
///
/// # Errors
/// As [`load`].
pub fn parse_all(files: &[Text], words: &[&'static Vocabulary]) -> Result<Loaded, Vec<Problem>> {
    let mut documents = Vec::new();
    let mut problems = Vec::new();
    for Text { name, text, layer } in files {
        match Document::parse(name, text, *layer) {
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
