//! The inventory as text for people, within a hundred columns.

use crate::address::{Address, Timestamp};
use crate::cli::terminal::grouped;
use crate::inventory::{Device, Identified, Inventory, Names, Part, Reading, Said};
use crate::inventory::{behind, spoken};
use std::fmt::Write as _;

/// Columns of a page.
const WIDTH: usize = 100;
/// Columns of a value in a table.
const VALUE: usize = 12;

/// A part of the inventory; of one address only, where one is given.
pub(super) fn text(inventory: &Inventory, what: Part, of: Option<Address>, names: &dyn Names) -> String {
    match what {
        Part::Devices => devices(inventory, of, names),
        Part::Conversations => conversations(inventory, of),
        Part::Points => points(inventory, of, names),
    }
}

/// What was not remembered.
pub(super) fn forgotten(inventory: &Inventory) -> String {
    let forgotten = inventory.forgotten();
    let counts = [
        (forgotten.devices, "addresses"),
        (forgotten.conversations, "conversations"),
        (forgotten.units, "messages about devices behind an address"),
        (forgotten.points, "points"),
        (forgotten.identities, "identifications"),
    ];
    let said: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(*count)))
        .collect();
    format!("more than can be remembered: {} were left out, the least important first", said.join(", "))
}

/// A line of a table with what is said below it.
struct Row {
    cells: Vec<String>,
    below: Vec<String>,
}

/// Which side of a column is even.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// Columns are as wide as they must be; what is below a line is wrapped.
fn set(columns: &[(&str, Side)], rows: &[Row]) -> String {
    let width = |at: usize, title: &str| {
        let cells = rows.iter().filter_map(|row| row.cells.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(title.chars().count())
    };
    let widths: Vec<usize> = columns.iter().enumerate().map(|(at, (title, _))| width(at, title)).collect();
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for ((cell, width), (_, side)) in cells.zip(&widths).zip(columns) {
            let space = " ".repeat(width.saturating_sub(cell.chars().count()));
            let (before, after) =
                if *side == Side::Left { ("", space.as_str()) } else { (space.as_str(), "") };
            // Writing to a String cannot fail.
            let _ = write!(text, "{before}{cell}{after}  ");
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(&mut columns.iter().map(|(title, _)| *title));
    for row in rows {
        line(&mut row.cells.iter().map(String::as_str));
        for text in &row.below {
            wrapped(text).iter().for_each(|text| line(&mut [text.as_str()].into_iter()));
        }
    }
    out
}

/// A sentence in lines of a page, indented; what goes on is indented more.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec!["   ".to_owned()];
    for word in text.split(' ') {
        let used = lines.last().map_or(0, |line| line.chars().count());
        if used + 1 + word.chars().count() > WIDTH && used > 8 {
            lines.push("       ".to_owned());
        }
        if let Some(line) = lines.last_mut() {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines
}

fn short(text: String, most: usize) -> String {
    if text.chars().count() <= most {
        return text;
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A time to the second.
fn second(ts: Timestamp) -> String {
    Timestamp { digits: 0, ..ts }.to_string()
}

fn devices(inventory: &Inventory, of: Option<Address>, names: &dyn Names) -> String {
    use Side::{Left, Right};
    let columns = [
        ("ADDRESS", Left),
        ("NAME", Left),
        ("ROLE", Left),
        ("PROTOCOLS", Left),
        ("MESSAGES", Right),
        ("VENDOR", Left),
    ];
    let devices = inventory.devices(names);
    let rows: Vec<Row> =
        devices.iter().filter(|device| of.is_none_or(|of| device.address == of)).map(device).collect();
    set(&columns, &rows)
}

fn device(device: &Device) -> Row {
    let mut roles: Vec<&str> = device.roles.iter().map(|reason| reason.role.name()).collect();
    roles.dedup();
    let protocols: Vec<&str> = device.protocols.iter().map(|words| words.title).collect();
    let vendor = match device.vendor {
        Some(vendor) => vendor.to_owned(),
        None if device.shares_mac => "(shared MAC)".into(),
        None => String::new(),
    };
    let mut below: Vec<String> =
        device.roles.iter().map(|reason| format!("{}: {}", reason.role.name(), reason.because)).collect();
    let behind = behind(device);
    if behind.len() > 1 {
        below.push(format!("behind it: {}", behind.join(", ")));
    }
    below.extend(device.identities.iter().map(identified));
    for commander in &device.commanders {
        let s = if commander.count == 1 { "" } else { "s" };
        below.push(format!(
            "commanded by {}: {} {} command{s}, the last {}",
            commander.address,
            grouped(commander.count),
            commander.words.title,
            second(commander.last.ts)
        ));
    }
    let macs: Vec<String> = device.macs.iter().map(|mac| mac.to_string()).collect();
    let mut seen = match device.span {
        Some(span) => format!("seen {} to {}", second(span.first), second(span.last)),
        None => "never seen".into(),
    };
    if !macs.is_empty() {
        seen.push_str(&format!(", MAC {}", macs.join(" ")));
    }
    below.push(seen);
    Row {
        cells: vec![
            device.address.to_string(),
            device.name.clone().unwrap_or_default(),
            roles.join(", "),
            protocols.join(", "),
            grouped(device.sent + device.received),
            short(vendor, 32),
        ],
        below,
    }
}

/// What a device says of itself.
fn identified(identified: &Identified) -> String {
    let words = identified.identity.words;
    let mut text = format!("says in {}", words.title);
    if let Some(device) = identified.device {
        text.push_str(&format!(" as {} {device}", words.device_title));
    }
    let statements = identified.identity.statements.iter();
    let said: Vec<String> = statements
        .filter_map(|statement| {
            let (_, value, _) = statement.said.as_ref()?;
            let name = statement.name.map_or(format!("object {}", statement.id), str::to_owned);
            Some(format!("{name} {}", value.value()))
        })
        .collect();
    text.push_str(&format!(": {}", said.join(", ")));
    if let Some((at, by)) = identified.read() {
        text.push_str(&format!(" (read by {by} in packet {})", at.frame));
    }
    text
}

/// A time in a unit that suits it.
fn duration(nanos: Option<u64>) -> String {
    match nanos {
        None => String::new(),
        Some(nanos) if nanos < 1_000_000 => format!("{} us", nanos / 1_000),
        Some(nanos) if nanos < 1_000_000_000 => format!("{:.1} ms", nanos as f64 / 1e6),
        Some(nanos) => format!("{:.1} s", nanos as f64 / 1e9),
    }
}

fn conversations(inventory: &Inventory, of: Option<Address>) -> String {
    use Side::{Left, Right};
    let columns = [
        ("CLIENT", Left),
        ("SERVER", Left),
        ("PROTOCOL", Left),
        ("MESSAGES", Right),
        ("COMMANDS", Right),
        ("REFUSED", Right),
        ("UNANSWERED", Right),
        ("P50", Right),
        ("P95", Right),
    ];
    let all = inventory.conversations();
    let wanted = all.iter().filter(|(key, _)| of.is_none_or(|of| key.client == of || key.server == of));
    let rows: Vec<Row> = wanted
        .map(|(key, record)| {
            let count = |number: u64| if number == 0 { String::new() } else { grouped(number) };
            let cells = vec![
                key.client.to_string(),
                key.server.to_string(),
                spoken(key, record),
                count(record.messages()),
                count(record.commands()),
                count(record.exceptions),
                count(record.unanswered),
                duration(record.latency.percentile(50)),
                duration(record.latency.percentile(95)),
            ];
            Row { cells, below: Vec::new() }
        })
        .collect();
    set(&columns, &rows)
}

/// A value within a column.
fn value(reading: &Reading) -> String {
    short(reading.value().to_string(), VALUE)
}

fn points(inventory: &Inventory, of: Option<Address>, names: &dyn Names) -> String {
    use Side::{Left, Right};
    let columns = [
        ("DEVICE", Left),
        ("NUMBER", Right),
        ("POINT", Left),
        ("VALUE", Right),
        ("READ", Right),
        ("WRITTEN", Right),
        ("FROM", Right),
        ("TO", Right),
        ("LAST", Left),
    ];
    let rows: Vec<Row> = inventory
        .points(of)
        .into_iter()
        .map(|(key, words, point)| {
            let number =
                |number: Option<f64>| number.map_or(String::new(), |number| short(number.to_string(), VALUE));
            let last = point.last();
            let cells = vec![
                key.server.to_string(),
                key.device.map_or(String::new(), |device| device.to_string()),
                format!("{}:{}", words.space_name(key.space), key.index),
                last.map_or(String::new(), |(said, _)| value(&said.value)),
                grouped(point.reads),
                grouped(point.writes),
                number(point.range.map(|(low, _)| low)),
                number(point.range.map(|(_, high)| high)),
                last.map_or(String::new(), |(said, _)| second(said.at.ts)),
            ];
            let mut below = Vec::new();
            below.extend(names.point(&key).map(|name| format!("'{name}'")));
            if let Some(Said { at, value, by }) = &point.written {
                let mut text = format!("{} written by {by} {}", value.value(), second(at.ts));
                if point.refused > 0 {
                    text.push_str(&format!("; refused {} times", grouped(point.refused)));
                }
                below.push(text);
            }
            Row { cells, below }
        })
        .collect();
    set(&columns, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_even_and_sentences_wrapped() {
        let long = "word ".repeat(40);
        let row = Row { cells: vec!["a".into(), "1".into()], below: vec![long.trim_end().to_owned()] };
        let text = set(&[("NAME", Side::Left), ("COUNT", Side::Right)], &[row]);
        assert!(text.starts_with("NAME  COUNT\na         1\n    word word"), "{text}");
        assert!(text.lines().all(|line| line.len() <= WIDTH));
        assert_eq!(text.lines().nth(3).map(|line| &line[..12]), Some("        word"));
        assert_eq!(short("abcdefghijklm".into(), 5), "abcd…");
    }
}
