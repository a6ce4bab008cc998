//! Writes the rules that were carried over as a file of the language.

use super::places::{Places, Variables, group_name};
use super::rule::Entry;
use super::text::plain;
use super::{Place, modbus};
use crate::event::Vocabulary;
use crate::policy::RuleKind;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Longer lists are broken into lines of about this many characters.
const WIDTH: usize = 96;
/// Up to so many functions are written by name.
const NAMED: usize = 12;

const BY_SUBFUNCTION: &str = "What Diagnostics does is told by its subfunction, so the verb that `rules check` expects \
                              of it is not the only one.";

/// Writes a file. `undefined` are the variables that nobody defined, with the lines that need them.
pub(super) fn write(
    sources: &[&str],
    entries: &[Entry],
    all: &Variables,
    undefined: &BTreeMap<String, Vec<Place>>,
    words: &[&'static Vocabulary],
) -> String {
    let mut out = String::from("version = 1\n\n");
    let sources = plain(&sources.join(", "), 200);
    let _ = writeln!(out, "# Imported from {sources}.");
    out.push_str("# Ports are left out: Wayside knows Modbus and DNP3 by their content, on every port.\n");
    groups(&mut out, entries, all, undefined);
    let mut names = BTreeSet::new();
    for entry in entries {
        for (way, (from, to)) in entry.ways.iter().enumerate() {
            let name = free_name(&mut names, entry, way);
            rule(&mut out, entry, &name, from, to, words);
        }
    }
    out.push_str("\n# The rules of Suricata and Snort say what must not happen: all else passes.\n");
    out.push_str("[defaults]\ncontrol-traffic = \"allow\"\nother-traffic = \"allow\"\n");
    out
}

fn groups(out: &mut String, entries: &[Entry], all: &Variables, undefined: &BTreeMap<String, Vec<Place>>) {
    let places = entries.iter().flat_map(|entry| &entry.ways).flat_map(|(from, to)| [from, to]);
    let groups = all.groups_of(places);
    if groups.is_empty() && undefined.is_empty() {
        return;
    }
    out.push_str("\n[groups]\n");
    for (name, members) in &groups {
        let members: Vec<String> = members.iter().map(|member| quoted(member)).collect();
        let _ = writeln!(out, "{name} = {}", list(&members, name.len() + 3));
    }
    for (variable, places) in undefined {
        let variable = plain(variable, 64);
        let name = group_name(&variable);
        let rules =
            if places.len() == 1 { "one rule needs".into() } else { format!("{} rules need", places.len()) };
        let _ = writeln!(
            out,
            "# TODO {name} = []  # ${variable} is not defined, and {rules} it: import again with"
        );
        let _ = writeln!(out, "#      --set {variable}=ADDRESS[,ADDRESS]");
    }
}

/// A name that no rule before has: the message, with the sid or the line where it is taken.
fn free_name(names: &mut BTreeSet<String>, entry: &Entry, way: usize) -> String {
    let back = if way == 0 { "" } else { " (other direction)" };
    let first = format!("{}{back}", entry.name);
    let by_sid = entry.sid.iter().map(|sid| format!("{} (sid {sid}){back}", entry.name));
    let by_line = std::iter::once(format!("{} (line {}){back}", entry.name, entry.place.line));
    let by_number = (2u32..).map(|n| format!("{} (line {}, {n}){back}", entry.name, entry.place.line));
    let mut ideas = std::iter::once(first.clone()).chain(by_sid).chain(by_line).chain(by_number);
    let free = ideas.find(|name| !names.contains(name)).unwrap_or(first);
    names.insert(free.clone());
    free
}

fn rule(
    out: &mut String,
    entry: &Entry,
    name: &str,
    from: &Places,
    to: &Places,
    words: &[&'static Vocabulary],
) {
    out.push('\n');
    for comment in &entry.comments {
        let _ = writeln!(out, "# {comment}");
    }
    if let Some(note) = &entry.meaning.note {
        comment(out, &format!("Note: {note}."));
    }
    if entry.meaning.functions == [modbus::DIAGNOSTICS] && !entry.meaning.verbs.is_empty() {
        comment(out, BY_SUBFUNCTION);
    }
    let _ = writeln!(out, "[[{}]]", if entry.kind == RuleKind::Deny { "deny" } else { "allow" });
    let _ = writeln!(out, "name = {}", quoted(name));
    side(out, "from", from);
    side(out, "to", to);
    let meaning = &entry.meaning;
    let _ = writeln!(out, "protocol = {}", quoted(meaning.protocol));
    let vocabulary = words.iter().find(|words| words.name == meaning.protocol);
    let device = vocabulary.map_or("unit", |words| words.device_key);
    several(out, device, meaning.devices.iter().map(u32::to_string));
    several(out, "may", meaning.verbs.iter().map(|verb| quoted(verb)));
    let by_name = meaning.functions.len() <= NAMED;
    several(
        out,
        "functions",
        meaning.functions.iter().map(|code| {
            let known = vocabulary.filter(|_| by_name).and_then(|words| words.function(*code));
            known.map_or_else(|| code.to_string(), |known| quoted(known.name))
        }),
    );
    several(out, "points", meaning.points.iter().map(|points| quoted(points)));
    several(out, "objects", meaning.objects.iter().map(|object| quoted(object)));
    if let Some(values) = &meaning.values {
        let _ = writeln!(out, "values = {values}");
    }
    if let Some(severity) = entry.severity {
        let _ = writeln!(out, "severity = {}", quoted(severity.name()));
    }
    several(out, "attack", entry.attack.iter().map(|id| quoted(id)));
}

/// Writes a comment of any length.
fn comment(out: &mut String, text: &str) {
    let mut width = 0;
    for word in text.split_whitespace() {
        if width == 0 || width + word.len() + 1 > WIDTH {
            out.push_str(if width == 0 { "#" } else { "\n#" });
            width = 1;
        }
        let _ = write!(out, " {word}");
        width += word.len() + 1;
    }
    out.push('\n');
}

fn side(out: &mut String, key: &str, places: &Places) {
    if let Places::Of(words) = places {
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let _ = match words.as_slice() {
            [one] => writeln!(out, "{key} = {one}"),
            _ => writeln!(out, "{key} = {}", list(&words, key.len() + 3)),
        };
    }
}

fn several(out: &mut String, key: &str, values: impl Iterator<Item = String>) {
    let values: Vec<String> = values.collect();
    if !values.is_empty() {
        let _ = writeln!(out, "{key} = {}", list(&values, key.len() + 3));
    }
}

/// A list, in one line where it is short.
fn list(values: &[String], before: usize) -> String {
    let line = values.join(", ");
    if before + line.len() + 2 <= WIDTH {
        return format!("[{line}]");
    }
    let mut out = String::from("[\n    ");
    let mut width = 4;
    for (at, value) in values.iter().enumerate() {
        if at > 0 && width + value.len() + 2 > WIDTH {
            out.truncate(out.trim_end().len());
            out.push_str("\n    ");
            width = 4;
        }
        out.push_str(value);
        out.push_str(", ");
        width += value.len() + 2;
    }
    out.truncate(out.trim_end().len());
    out.push_str("\n]");
    out
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
