//! The examples in docs/formats.md are what the demo capture gives. Run with WAYSIDE_BLESS=1 to write them anew.

use super::{NOTHING, ours, play, written};
use std::fmt::Write as _;
use std::path::Path;
use wayside::alert::Alert;
use wayside::output::format::Format;
use wayside::output::format::syslog::{self, Facility};

/// JSON with a line break after each comma that is no deeper than this, so that people can read it.
fn broken(line: &str, deepest: usize) -> String {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    let mut out = String::new();
    for character in line.chars() {
        out.push(character);
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => in_string = !in_string,
            _ if in_string => {}
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ',' if depth <= deepest => out.push_str(&format!("\n{}", " ".repeat(depth))),
            _ => {}
        }
    }
    out
}

/// What the documentation shows of an alert, by the name of the example.
fn examples(alert: &Alert) -> Vec<(String, String)> {
    let text = |format| String::from_utf8(written(alert, format)).unwrap();
    let mut all: Vec<_> = Format::ALL
        .into_iter()
        .map(|format| {
            let shown = match format {
                Format::Cef => text(format),
                Format::Stix => broken(&text(format), 2),
                _ => broken(&text(format), 1),
            };
            (format.name().to_owned(), shown)
        })
        .collect();
    let mut message = Vec::new();
    syslog::write(alert, text(Format::Cef).as_bytes(), Facility::LOCAL0, Some(4711), &mut message);
    all.push(("syslog".to_owned(), String::from_utf8(message).unwrap()));
    all
}

#[test]
fn the_examples_in_the_documentation_are_real() {
    let rules = std::fs::read_to_string(ours("rules/pump-station.toml")).unwrap();
    let capture = ours("captures/demo-plant.pcap");
    let alerts = play(Path::new(&capture), &rules).alerts;
    let alert = alerts.iter().find(|alert| alert.rule.is_some() && !alert.values.is_empty()).unwrap();
    let mut all = examples(alert);
    let events = play(Path::new(&capture), NOTHING).events;
    let record =
        events.iter().find_map(|(event, record)| record.as_ref().filter(|_| event["verb"] == "write"));
    all.push(("eve-modbus".to_owned(), broken(&record.unwrap().to_string(), 1)));
    let path = ours("docs/formats.md");
    let mut page = std::fs::read_to_string(&path).unwrap();
    for (name, example) in &all {
        let from = format!("<!-- example: {name} -->\n");
        let start = page.find(&from).unwrap_or_else(|| panic!("no example of {name}")) + from.len();
        let end = start + page[start..].find("<!-- end -->").unwrap();
        let mut block = String::new();
        let language = if name == "cef" || name == "syslog" { "text" } else { "json" };
        let _ = writeln!(block, "```{language}\n{example}\n```");
        if std::env::var_os("WAYSIDE_BLESS").is_some() {
            page.replace_range(start..end, &block);
        } else {
            assert_eq!(&page[start..end], block, "the example of {name}: run with WAYSIDE_BLESS=1");
        }
    }
    if std::env::var_os("WAYSIDE_BLESS").is_some() {
        std::fs::write(&path, page).unwrap();
    }
}
