//! Reads what rule files say of time: `[calendar]`, `during`, `rate`, `every`, `[[maintenance]]`.

use super::calendar::{self, Calendar, Holidays, Misread, Rate, Windows, Zone};
use super::check::Checker;
use super::document::{Document, Node, Word, entries, items, number};
use super::problem::Problem;
use super::rule::{Change, Maintenance};
use std::ops::Range;
use toml::de::DeTable;

/// Most uses that a rate may count: each is remembered until it is too old.
const MOST_USES: u32 = 10_000;

/// A word about time that cannot be read, as a problem of its file.
pub(super) fn misread(document: &Document<'_>, word: &Word<'_>, misread: &Misread) -> Problem {
    let start = word.span.start;
    let whole = document.text.get(word.span.clone()) == Some(word.text);
    let span = if whole { start + misread.at.start..start + misread.at.end } else { word.span.clone() };
    let span = if span.is_empty() { word.span.clone() } else { span };
    let problem = document.error(span, misread.to_string());
    match misread.help {
        Some(help) => problem.help(help),
        None => problem,
    }
}

/// Reads `[calendar]` of all files: the time zone and a window of the uppermost layer that has them, holidays of all.
pub(super) fn calendar(documents: &[Document<'_>], problems: &mut Vec<Problem>) -> Calendar {
    let tables = || {
        documents.iter().filter_map(|document| {
            let node = document.table.get("calendar")?;
            Some((document, document.table_of("calendar", node)))
        })
    };
    let mut zone: Option<(Zone, String, usize)> = None;
    let mut holidays = Holidays::default();
    for (document, table) in tables() {
        let table = match table {
            Ok(table) => table,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        for (key, node) in entries(table) {
            match key.get_ref().as_ref() {
                "zone" => match document.string("zone", node) {
                    Ok(word) => match Zone::read(word.text) {
                        Ok(read) => match &zone {
                            Some((_, first, layer)) if *layer == document.layer => {
                                let message = format!("'zone' is already set in {first}");
                                problems.push(document.error(key.span(), message));
                            }
                            Some(_) => {}
                            None => {
                                let line = document.source.line(key.span().start);
                                let here = format!("{}:{line}", document.source.name());
                                zone = Some((read, here, document.layer));
                            }
                        },
                        Err(error) => problems.push(misread(document, &word, &error)),
                    },
                    Err(problem) => problems.push(problem),
                },
                "holidays" => match document.strings("holidays", node) {
                    Ok(words) => {
                        for word in words {
                            if let Err(error) = holidays.add(word.text) {
                                problems.push(misread(document, &word, &error));
                            }
                        }
                    }
                    Err(more) => problems.extend(more),
                },
                "windows" => {}
                _ => problems.push(document.unknown_key(key, &["zone", "holidays", "windows"])),
            }
        }
    }
    let mut calendar = Calendar::new(zone.map_or_else(Zone::utc, |(zone, ..)| zone), holidays);
    let mut waiting: Vec<NamedWindows<'_, '_>> = Vec::new();
    for (document, table) in tables() {
        let Some(node) = table.ok().and_then(|table| table.get("windows")) else { continue };
        let table = match document.table_of("windows", node) {
            Ok(table) => table,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        for (key, node) in entries(table) {
            let name: &str = key.get_ref();
            match waiting.iter().find(|other| other.name == name) {
                // The same name in a layer above counts instead.
                Some(other) if other.document.layer < document.layer => {}
                Some(_) => {
                    let message = format!("a window named '{name}' is already there");
                    problems.push(document.error(key.span(), message));
                }
                None => waiting.push(NamedWindows { document, name, at: key.span(), node }),
            }
        }
    }
    define(&mut calendar, waiting, problems);
    calendar
}

/// Windows under a name, not read yet.
struct NamedWindows<'n, 't> {
    document: &'n Document<'t>,
    name: &'n str,
    at: Range<usize>,
    node: &'n Node<'t>,
}

impl NamedWindows<'_, '_> {
    /// Whether it names one of these.
    fn names(&self, others: &[NamedWindows<'_, '_>]) -> bool {
        let words =
            items(self.node).into_iter().filter_map(|item| item.get_ref().as_str()?.trim().strip_prefix('@'));
        words.into_iter().any(|word| others.iter().any(|other| other.name == word))
    }
}

/// Gives windows their names, those that others name first.
fn define(calendar: &mut Calendar, mut waiting: Vec<NamedWindows<'_, '_>>, problems: &mut Vec<Problem>) {
    while !waiting.is_empty() {
        let (later, now): (Vec<usize>, Vec<usize>) =
            (0..waiting.len()).partition(|at| waiting.get(*at).is_some_and(|one| one.names(&waiting)));
        if now.is_empty() {
            let message = |name: &str| format!("the windows '{name}' contain themselves");
            problems.extend(waiting.iter().map(|one| one.document.error(one.at.clone(), message(one.name))));
            return;
        }
        let mut rest = Vec::with_capacity(later.len());
        for (at, one) in waiting.into_iter().enumerate() {
            if later.binary_search(&at).is_ok() {
                rest.push(one);
                continue;
            }
            let Some(windows) = windows(one.document, one.name, one.node, calendar, problems) else {
                continue;
            };
            if let Err(error) = calendar.define(one.name, windows) {
                problems.push(one.document.error(one.at, error.to_string()));
            }
        }
        waiting = rest;
    }
}

/// Reads a window or a list of them.
pub(super) fn windows(
    document: &Document<'_>,
    key: &str,
    node: &Node<'_>,
    calendar: &Calendar,
    problems: &mut Vec<Problem>,
) -> Option<Windows> {
    let words = match document.strings(key, node) {
        Ok(words) => words,
        Err(more) => {
            problems.extend(more);
            return None;
        }
    };
    if words.is_empty() {
        problems.push(document.error(node.span(), format!("'{key}' lists nothing")));
        return None;
    }
    let mut all = Windows::default();
    let mut good = true;
    for word in &words {
        match calendar.window(word.text) {
            Ok(windows) => all.add(windows),
            Err(error) => {
                problems.push(misread(document, word, &error));
                good = false;
            }
        }
    }
    good.then_some(all)
}

/// Reads a rate: "12/min".
pub(super) fn rate(document: &Document<'_>, node: &Node<'_>) -> Result<Rate, Problem> {
    let word = document.string("rate", node)?;
    let rate = calendar::parse_rate(word.text).map_err(|error| misread(document, &word, &error))?;
    if rate.count > MOST_USES {
        let message = format!("a rate counts at most {MOST_USES} uses");
        return Err(document.error(word.span, message).help("write it over a shorter time"));
    }
    Ok(rate)
}

/// Reads a duration: "5s".
pub(super) fn duration(document: &Document<'_>, key: &str, node: &Node<'_>) -> Result<u64, Problem> {
    let word = document.string(key, node)?;
    calendar::parse_duration(word.text).map_err(|error| misread(document, &word, &error))
}

/// Reads how far a value may go: 50, "50", "10/min".
pub(super) fn change(document: &Document<'_>, node: &Node<'_>) -> Result<Change, Problem> {
    let help = "write 50 for a step, or \"10/min\" for a speed";
    let positive = |most: f64| most.is_finite() && most > 0.0;
    if let Some(most) = number(node) {
        return if positive(most) {
            Ok(Change { most, per: None })
        } else {
            Err(document.error(node.span(), "'change' is how far a value may go, above 0").help(help))
        };
    }
    let word = document.string("change", node)?;
    let (most, per) = match word.text.split_once('/') {
        Some((most, per)) => (most, Some(per)),
        None => (word.text, None),
    };
    let Some(most) = most.trim().parse::<f64>().ok().filter(|most| positive(*most)) else {
        let message = format!("'{}' does not say how far a value may go", word.text);
        return Err(document.error(word.span, message).help(help));
    };
    let per = match per.map(str::trim) {
        None => None,
        Some(unit) => {
            let counted = if unit.starts_with(|c: char| c.is_ascii_digit()) {
                unit.to_owned()
            } else {
                format!("1{unit}")
            };
            let nanos = calendar::parse_duration(&counted).map_err(|error| {
                document
                    .error(word.span.clone(), format!("'{unit}' is not a time: {}", error.message))
                    .help(help)
            })?;
            Some(nanos)
        }
    };
    Ok(Change { most, per })
}

/// One `[[maintenance]]`, and the names of the rules that it relaxes.
pub(super) struct Read<'n> {
    pub maintenance: Maintenance,
    pub relaxes: Vec<Word<'n>>,
}

/// Reads one `[[maintenance]]`.
pub(super) fn maintenance<'n, 't>(
    document: &'n Document<'t>,
    table: &'n DeTable<'t>,
    span: Range<usize>,
    calendar: &Calendar,
    checker: &mut Checker<'_>,
) -> Option<Read<'n>> {
    const KEYS: [&str; 5] = ["name", "relaxes", "during", "who", "reason"];
    let before = checker.problems.len();
    for (key, _) in entries(table).into_iter().filter(|(key, _)| !KEYS.contains(&key.get_ref().as_ref())) {
        checker.problems.push(document.unknown_key(key, &KEYS));
    }
    let text = |key: &str, checker: &mut Checker<'_>| {
        Some(checker.keep_one(document.string(key, table.get(key)?))?.text.to_owned())
    };
    let named = table.get("name").and_then(|node| document.string("name", node).ok());
    let counts = named.is_none_or(|word| checker.is_own_name("maintenance window", document, &word));
    let (name, who, reason) = (text("name", checker), text("who", checker), text("reason", checker));
    let when =
        table.get("during").and_then(|node| windows(document, "during", node, calendar, checker.problems));
    let relaxes = table.get("relaxes").and_then(|node| checker.keep(document.strings("relaxes", node)));
    for (key, what) in [
        ("name", "add name = \"…\": the audit trail calls it by its name"),
        ("during", "add during = \"2026-11-25 22:00 - 2026-11-26 04:00\""),
        ("relaxes", "add relaxes = [\"…\"] with the names of rules"),
    ] {
        if table.get(key).is_none() {
            let problem =
                document.error(document.first_line(&span), format!("the maintenance window has no '{key}'"));
            checker.problems.push(problem.label("this window").help(what));
        }
    }
    if checker.problems.len() > before || !counts {
        return None;
    }
    Some(Read { maintenance: Maintenance { name: name?, when: when?, who, reason }, relaxes: relaxes? })
}
