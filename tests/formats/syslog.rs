//! RFC 5424 read back by a strict parser.

use super::{alerts, written};
use std::collections::BTreeMap;
use wayside::alert::{Alert, Severity};
use wayside::output::format::Format;
use wayside::output::format::syslog::{self, Facility};

struct Message {
    priority: u16,
    /// Time, host, application, process, message id.
    header: [String; 5],
    data: BTreeMap<String, BTreeMap<String, String>>,
    text: Vec<u8>,
}

fn parse(message: &[u8]) -> Message {
    let (head, text) = split(message);
    let rest = head.strip_prefix('<').unwrap();
    let (priority, rest) = rest.split_once('>').unwrap();
    assert!(!priority.is_empty() && priority.len() <= 3);
    let mut rest = rest.strip_prefix("1 ").unwrap();
    let header: [String; 5] = std::array::from_fn(|at| {
        let (field, after) = rest.split_once(' ').unwrap();
        rest = after;
        assert!(!field.is_empty() && field.len() <= [32, 255, 48, 128, 32][at], "{field:?}");
        assert!(field.bytes().all(|octet| (33..=126).contains(&octet)), "{field:?}");
        field.to_owned()
    });
    let mut data = BTreeMap::new();
    while let Some(element) = rest.strip_prefix('[') {
        let end = element.find([' ', ']']).unwrap();
        let name = &element[..end];
        assert!(
            name.len() <= 32 && name.bytes().all(|o| (33..=126).contains(&o) && !b"= ]\"".contains(&o)),
            "{name}"
        );
        let mut parameters = BTreeMap::new();
        rest = &element[end..];
        while let Some(parameter) = rest.strip_prefix(' ') {
            let (key, value) = parameter.split_once("=\"").unwrap();
            assert!(!key.is_empty() && key.bytes().all(|o| o.is_ascii_alphanumeric() || o == b'_'), "{key}");
            let (value, after) = quoted(value);
            assert!(parameters.insert(key.to_owned(), value).is_none(), "{key} twice");
            rest = after;
        }
        rest = rest.strip_prefix(']').unwrap();
        assert!(data.insert(name.to_owned(), parameters).is_none());
    }
    assert_eq!(rest, "", "something behind the structured data");
    Message { priority: priority.parse().unwrap(), header, data, text }
}

/// The text up to the quote that ends it, with what follows.
fn quoted(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (out, &text[at + 1..]),
            ']' => panic!("a bracket that is not escaped: {text}"),
            '\\' => match characters.next() {
                Some((_, escaped @ ('"' | '\\' | ']'))) => out.push(escaped),
                other => panic!("no escape: {other:?}"),
            },
            character => out.push(character),
        }
    }
    panic!("no end of a value: {text}");
}

/// The header with the structured data, and the text behind it.
fn split(message: &[u8]) -> (&str, Vec<u8>) {
    // Six fields, of which none has a space in it, come before the structured data.
    let spaces = message.iter().enumerate().filter(|(_, octet)| **octet == b' ');
    let mut at = spaces.map(|(at, _)| at).nth(5).unwrap();
    let mut inside = false;
    while at < message.len() {
        match message[at] {
            b'\\' if inside => at += 1,
            b'"' => inside = !inside,
            b']' if !inside && message.get(at + 1) == Some(&b' ') => {
                let head = std::str::from_utf8(&message[..=at]).unwrap();
                return (head, message[at + 2..].to_vec());
            }
            _ => {}
        }
        at += 1;
    }
    panic!("no structured data: {}", String::from_utf8_lossy(message));
}

/// Checks the message around a line about an alert.
pub fn check(alert: &Alert, line: &[u8]) {
    let mut message = Vec::new();
    syslog::write(alert, line, Facility::LOCAL0, Some(4711), &mut message);
    let read = parse(&message);
    let severity = match alert.severity {
        Severity::Critical => 2,
        Severity::High => 3,
        Severity::Medium => 4,
        Severity::Low => 5,
    };
    assert_eq!(read.priority, 16 * 8 + severity);
    let [time, _, application, process, id] = &read.header;
    assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    assert!(time.split_once('.').is_none_or(|(_, digits)| digits.len() <= 7), "{time}: more than six digits");
    assert_eq!([application.as_str(), process, id], ["wayside", "4711", alert.kind.name()]);
    let ours = &read.data["wayside@32473"];
    assert_eq!(ours["id"], alert.id.to_string());
    assert_eq!(ours["severity"], alert.severity.name());
    assert_eq!(read.data["origin"]["software"], "wayside");
    let text = match line.is_ascii() {
        true => read.text.as_slice(),
        false => read.text.strip_prefix("\u{feff}".as_bytes()).unwrap(),
    };
    assert_eq!(text, line);
    // In a stream.
    let mut stream = Vec::new();
    syslog::counted(&message, &mut stream);
    syslog::counted(b"<13>1 - - - - - -", &mut stream);
    let space = stream.iter().position(|octet| *octet == b' ').unwrap();
    let length: usize = std::str::from_utf8(&stream[..space]).unwrap().parse().unwrap();
    assert_eq!(stream[space + 1..][..length], message);
    assert!(stream[space + 1 + length..].starts_with(b"17 <13>1 "));
}

#[test]
fn syslog_is_read_back_as_it_was_meant() {
    for alert in alerts("syslog") {
        for format in Format::ALL {
            check(&alert, &written(&alert, format));
        }
    }
}
