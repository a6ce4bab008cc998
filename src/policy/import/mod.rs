//! From rules of Suricata and Snort about Modbus and DNP3 to rules of Wayside.
//!
//! Flows in: the text of a rule file. Flows out: a file of the language, and every rule that could not be carried
//! over with the reason. Nothing is guessed: a rule becomes one that objects to the same requests, or it is left; where
//! a small difference remains, a note says which.
//!
//! The way: `text` (lines, header, options) → `rule` (one rule: which options matter) → `modbus`, `dnp3`, `content`
//! (what it is about) and `places` (who) → `write` (the file).

mod content;
mod dnp3;
mod modbus;
mod places;
mod rule;
#[cfg(test)]
mod tests;
mod text;
mod write;

use super::RuleKind;
use crate::event::Vocabulary;
use places::{Places, Variables};
use rule::Entry;
use std::collections::{BTreeMap, HashMap};

/// More rules than this are not carried over.
const MOST_RULES: usize = 10_000;

/// A rule file of Suricata or Snort.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What it is called.
    pub name: &'a str,
    /// What is in it.
    pub text: &'a str,
}

/// What is known beside the rule files.
#[derive(Clone, Debug, Default)]
pub struct Settings<'a> {
    /// Variables with their addresses or ports, one or several with commas between.
    pub set: &'a [(String, String)],
    /// The text of a `suricata.yaml`, for its address and port groups.
    pub configuration: Option<&'a str>,
}

/// What became of rule files.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The rules, as a file of the language. It is valid, whatever the rule files were.
    pub toml: String,
    /// The rules that are in it, in the order of the rule files.
    pub carried: Vec<Carried>,
    /// Those that are not.
    pub left: Vec<Left>,
    /// How many rules were switched off by a comment; they are in neither list.
    pub commented_out: usize,
}

/// Where a rule stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// Which of the files, counted from 0.
    pub file: usize,
    /// The 1-based line.
    pub line: u32,
}

/// A rule that was carried over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Carried {
    /// Where it stands.
    pub place: Place,
    /// Its signature id.
    pub sid: Option<String>,
    /// Its message.
    pub msg: String,
    /// How it differs from what it was, where it does; half a sentence.
    pub note: Option<String>,
}

/// A rule that was not carried over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Left {
    /// Where it stands.
    pub place: Place,
    /// Its signature id, where it has one and it can be read.
    pub sid: Option<String>,
    /// Its message, where it has one and it can be read.
    pub msg: String,
    /// Why, in one sentence without its full stop.
    pub reason: String,
}

/// What a rule is about, in the words of the language.
#[derive(Clone, PartialEq, Debug)]
struct Meaning {
    protocol: &'static str,
    /// Units; all where there is none.
    devices: Vec<u32>,
    verbs: Vec<&'static str>,
    /// Functions; all where there is none.
    functions: Vec<u16>,
    /// Points as the language writes them; all where there is none.
    points: Vec<String>,
    /// Kinds of object as the language writes them; all where there is none.
    objects: Vec<String>,
    /// Values as the language writes them.
    values: Option<String>,
    /// A subfunction of Diagnostics whose verb another one shares.
    half: Option<u16>,
    /// What differs.
    note: Option<String>,
}

impl Meaning {
    fn new(protocol: &'static str) -> Meaning {
        Meaning {
            protocol,
            devices: Vec::new(),
            verbs: Vec::new(),
            functions: Vec::new(),
            points: Vec::new(),
            objects: Vec::new(),
            values: None,
            half: None,
            note: None,
        }
    }
}

/// Why a rule is left.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Reason {
    /// A variable for addresses is not defined.
    Undefined(String),
    Said(String),
}

impl Reason {
    fn of(sentence: impl Into<String>) -> Reason {
        Reason::Said(sentence.into())
    }

    fn sentence(&self) -> String {
        let sentence = match self {
            Reason::Said(sentence) => sentence.clone(),
            Reason::Undefined(name) => {
                format!("the variable ${name} is not defined; add --set {name}=ADDRESS[,ADDRESS]")
            }
        };
        text::plain(&sentence, 300)
    }
}

/// Turns rule files of Suricata or Snort into one file of the language. Never fails: what cannot be read is left.
pub fn import(files: &[Source<'_>], settings: &Settings<'_>, words: &[&'static Vocabulary]) -> Imported {
    let mut variables = Variables::new(settings.set, settings.configuration);
    let mut lines = Vec::new();
    for (file, source) in files.iter().enumerate() {
        let found = text::lines(source.text).into_iter();
        let found = found.filter(|line| !variables.take_line(&line.text));
        lines.extend(found.map(|line| (Place { file, line: line.number }, line.text)));
    }
    let mut work = Work::default();
    for (place, line) in lines {
        let name = files.get(place.file).map_or("", |source| source.name);
        work.take(place, name, &line, &mut variables);
    }
    work.join_halves();
    work.note_passes();
    let carried = |entry: &Entry| Carried {
        place: entry.place,
        sid: entry.sid.clone(),
        msg: entry.name.clone(),
        note: entry.meaning.note.clone(),
    };
    let mut all: Vec<Carried> = work.entries.iter().map(carried).chain(work.joined).collect();
    all.sort_by_key(|carried| carried.place);
    work.left.sort_by_key(|left| left.place);
    let names: Vec<&str> = files.iter().map(|source| source.name).collect();
    Imported {
        toml: write::write(&names, &work.entries, &variables, &work.undefined, words),
        carried: all,
        left: work.left,
        commented_out: work.commented_out,
    }
}

/// What was found so far.
#[derive(Default)]
struct Work {
    entries: Vec<Entry>,
    /// Rules that are part of another one's entry.
    joined: Vec<Carried>,
    left: Vec<Left>,
    undefined: BTreeMap<String, Vec<Place>>,
    commented_out: usize,
}

impl Work {
    fn take(&mut self, place: Place, file: &str, line: &str, variables: &mut Variables) {
        if line.starts_with('#') {
            self.commented_out += usize::from(text::is_commented_rule(line));
            return;
        }
        if line.len() > text::LONGEST {
            return self.leave(place, None, String::new(), "it is longer than 64 KiB");
        }
        if !text::starts_rule(line) {
            let reason = match line.split_whitespace().next() {
                Some("include") => "it is no rule; import the file that it includes by itself",
                _ => "it is no rule",
            };
            return self.leave(place, None, text::plain(line, 60), reason);
        }
        let (title, entry) = rule::translate(place, file, line, variables);
        match entry {
            Ok(_) if self.entries.len() >= MOST_RULES => {
                self.leave(place, title.sid, title.msg, "10,000 rules before it are carried over");
            }
            Ok(entry) => self.entries.push(entry),
            Err(reason) => {
                self.leave(place, title.sid, title.msg, &reason.sentence());
                if let Reason::Undefined(name) = reason {
                    self.undefined.entry(name).or_default().push(place);
                }
            }
        }
    }

    fn leave(&mut self, place: Place, sid: Option<String>, msg: String, reason: &str) {
        self.left.push(Left { place, sid, msg, reason: reason.to_owned() });
    }

    /// The language has one verb for the two restarting subfunctions of Diagnostics. Where there is a rule for each
    /// between the same ends, one rule says both; a rule alone is left.
    fn join_halves(&mut self) {
        type Key = (bool, Vec<(Places, Places)>, Vec<u32>);
        let key = |entry: &Entry| -> Key {
            (entry.kind == RuleKind::Deny, entry.ways.clone(), entry.meaning.devices.clone())
        };
        let mut seen: HashMap<Key, [bool; 2]> = HashMap::new();
        for entry in &self.entries {
            if let Some(half) = entry.meaning.half {
                let halves = seen.entry(key(entry)).or_default();
                let place = usize::from(half != modbus::RESTARTS[0]);
                if let Some(there) = halves.get_mut(place) {
                    *there = true;
                }
            }
        }
        let mut first: HashMap<Key, usize> = HashMap::new();
        let mut kept: Vec<Entry> = Vec::new();
        for entry in std::mem::take(&mut self.entries) {
            if entry.meaning.half.is_none() {
                kept.push(entry);
                continue;
            }
            let key = key(&entry);
            if seen.get(&key) != Some(&[true, true]) {
                self.leave(entry.place, entry.sid, entry.name, rule::HALF);
                continue;
            }
            match first.get(&key).and_then(|at| kept.get_mut(*at)) {
                None => {
                    first.insert(key, kept.len());
                    kept.push(entry);
                }
                Some(whole) => {
                    let note = format!("it is one rule with that of line {}", whole.place.line);
                    let (place, sid, msg) = (entry.place, entry.sid, entry.name.clone());
                    self.joined.push(Carried { place, sid, msg, note: Some(note) });
                    whole.name = text::plain(&format!("{}; {}", whole.name, entry.name), 400);
                    whole.severity = whole.severity.max(entry.severity);
                    let new: Vec<String> =
                        entry.attack.into_iter().filter(|id| !whole.attack.contains(id)).collect();
                    whole.attack.extend(new);
                    whole.comments.extend(entry.comments);
                }
            }
        }
        self.entries = kept;
    }

    /// In Suricata a pass rule goes before alerts, in Wayside a deny goes before an allow.
    fn note_passes(&mut self) {
        let denied: Vec<&'static str> = self
            .entries
            .iter()
            .filter(|entry| entry.kind == RuleKind::Deny)
            .map(|entry| entry.meaning.protocol)
            .collect();
        for entry in self.entries.iter_mut().filter(|entry| entry.kind == RuleKind::Allow) {
            if denied.contains(&entry.meaning.protocol) {
                let note = "it does not outdo a deny rule as a pass rule outdoes an alert";
                entry.meaning.note = Some(match entry.meaning.note.take() {
                    Some(before) => format!("{before}; {note}"),
                    None => note.to_owned(),
                });
            }
        }
    }
}
