//! Reads what rule files say of time: `[calendar]`, `during`, `rate`, `every`, `[[maintenance]]`.

use super::calendar::{self, Calendar, Holidays, Misread, Rate, Windows, Zone};
use super::check::Checker;
use super::document::{Document, Node, Word, entries, number};
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

/// Reads `[calendar]` of all files; the uppermost layer that sets a key wins.
pub(super) fn calendar(documents: &[Document<'_>], problems: &mut Vec<Problem>) -> Calendar {
    let tables = || {
        documents.iter().filter_map(|document| {
            let node = document.table.get("calendar")?;
            Some((document, document.table_of("calendar", node)))
        })
    };
    let mut zone = None;
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
                        Ok(read) => zone = zone.or(Some(read)),
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
    let mut calendar = Calendar::new(zone.unwrap_or_else(Zone::utc), holidays);
    let mut layer_of: Vec<(String, usize)> = Vec::new();
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
            // The same name in a layer above counts instead.
            if layer_of.iter().any(|(known, layer)| known == name && *layer < document.layer) {
                continue;
            }
            let Some(windows) = windows(document, name, node, &calendar, problems) else { continue };
            match calendar.define(name, windows) {
                Ok(()) => layer_of.push((name.to_owned(), document.layer)),
                Err(error) => problems.push(document.error(key.span(), error.to_string())),
            }
        }
    }
    calendar
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
    if checker.problems.len() > before {
        return None;
    }
    Some(Read { maintenance: Maintenance { name: name?, when: when?, who, reason }, relaxes: relaxes? })
}
