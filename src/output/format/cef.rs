//! Common Event Format, version 0: ArcSight, "Implementing ArcSight Common Event Format (CEF)", revision 25.
//!
//! The header is `CEF:0|vendor|product|version|class|name|severity|`, with `\` and `|` escaped; the extension is
//! `key=value` with a space between, with `\`, `=` and line ends escaped. Keys, types and lengths are those of its
//! dictionary; lengths are kept in octets, which is at most as long as in characters. Times are milliseconds since 1970.

use super::facts::{self, End};
use super::{PRODUCT, VERSION, visible};
use crate::alert::{Alert, Severity};
use std::fmt::{Display, Write as _};
use std::net::IpAddr;

/// Octets of a value of a custom string.
const CUSTOM: usize = 4000;
/// Octets of most other values.
const TEXT: usize = 1023;

/// 0 to 10: 0 to 3 is low, 4 to 6 medium, 7 and 8 high, 9 and 10 very high.
pub(super) fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Low => 3,
        Severity::Medium => 6,
        Severity::High => 8,
        Severity::Critical => 10,
    }
}

/// Appends the alert.
pub(super) fn write(alert: &Alert, out: &mut Vec<u8>) {
    let mut line = String::from("CEF:0");
    for (field, most) in [
        (PRODUCT, 63),
        (PRODUCT, 63),
        (VERSION, 31),
        (alert.kind.name(), TEXT),
        (facts::title(alert.kind), 512),
    ] {
        line.push('|');
        header(field, most, &mut line);
    }
    // Writing to a String cannot fail.
    let _ = write!(line, "|{}|", severity(alert.severity));
    extension(alert, &mut Extension { line: &mut line, first: true });
    out.extend_from_slice(line.as_bytes());
}

fn extension(alert: &Alert, to: &mut Extension<'_>) {
    to.number("rt", facts::millis(alert.ts));
    to.number("start", facts::millis(alert.first_seen));
    to.number("end", facts::millis(alert.last_seen));
    to.text("externalId", &alert.id.to_string(), 40);
    to.text("cat", alert.kind.name(), TEXT);
    to.number("cnt", alert.count.min(i32::MAX as u64));
    to.text("dvchost", &alert.sensor, 100);
    for (end, v4, v6, label, mac, port) in [
        (alert.src, "src", "c6a2", "Source IPv6 Address", "smac", "spt"),
        (alert.dst, "dst", "c6a3", "Destination IPv6 Address", "dmac", "dpt"),
    ] {
        let end = End::from(end);
        match end.ip {
            Some(IpAddr::V4(ip)) => to.number(v4, ip),
            Some(IpAddr::V6(ip)) => to.custom(v6, label, &ip.to_string(), CUSTOM),
            None => {}
        }
        if let Some(address) = end.mac {
            to.number(mac, address);
        }
        if let Some(number) = end.port {
            to.number(port, number);
        }
    }
    if let Some(name) = facts::transport(alert).and_then(facts::transport_name) {
        to.text("proto", &name.to_uppercase(), 31);
    }
    if let Some(name) = facts::application(alert) {
        to.text("app", name, 31);
    }
    to.text("msg", &alert.summary, TEXT);
    if let Some(words) = &alert.rule_words {
        to.text("reason", words, TEXT);
    }
    if let Some(path) = &alert.evidence {
        to.text("filePath", path, TEXT);
    }
    if let Some(rule) = &alert.rule {
        to.custom("cs1", "Rule", rule, CUSTOM);
    }
    if !alert.attack.is_empty() {
        to.custom("cs2", "ATT&CK for ICS", &alert.attack.join(", "), CUSTOM);
    }
    if let Some(id) = &alert.community_id {
        to.custom("cs3", "Community ID", id, CUSTOM);
    }
    if !alert.points.is_empty() {
        let points: Vec<_> = alert.points.iter().map(facts::points).collect();
        to.custom("cs4", "Points", &points.join(", "), CUSTOM);
    }
    if !alert.values.is_empty() {
        let values: Vec<_> = alert.values.iter().map(facts::value).collect();
        to.custom("cs5", "Values", &values.join(", "), CUSTOM);
    }
    to.custom("cs6", "Incident", &alert.incident.to_string(), CUSTOM);
    if alert.frame > 0 {
        to.number("cn1", i64::try_from(alert.frame).unwrap_or(i64::MAX));
        to.text("cn1Label", "Frame", TEXT);
    }
    if !alert.advice.is_empty() {
        to.custom("flexString1", "Advice", &alert.advice, TEXT);
    }
}

/// A field of the header: `\` and `|` escaped. It has no escape for line ends.
fn header(field: &str, most: usize, line: &mut String) {
    let mut shown = String::new();
    visible::push(field, most, &mut shown);
    for character in shown.chars() {
        if matches!(character, '\\' | '|') {
            line.push('\\');
        }
        line.push(character);
    }
}

/// The part behind the header.
struct Extension<'a> {
    line: &'a mut String,
    first: bool,
}

impl Extension<'_> {
    fn key(&mut self, key: &str) {
        if !std::mem::take(&mut self.first) {
            self.line.push(' ');
        }
        self.line.push_str(key);
        self.line.push('=');
    }

    /// What needs no escaping: a number or an address.
    fn number(&mut self, key: &str, number: impl Display) {
        self.key(key);
        // Writing to a String cannot fail.
        let _ = write!(self.line, "{number}");
    }

    /// Text of at most so many octets; an empty one is left out. Line ends stay line ends, escaped.
    fn text(&mut self, key: &str, text: &str, most: usize) {
        let mut left = most;
        let mut value = String::new();
        for part in text.split_inclusive(['\n', '\r']) {
            let end = part.chars().next_back().filter(|end| matches!(end, '\n' | '\r'));
            let part = end.map_or(part, |end| part.strip_suffix(end).unwrap_or(part));
            let mut shown = String::new();
            visible::push(part, left, &mut shown);
            left = left.saturating_sub(shown.len());
            for character in shown.chars() {
                if matches!(character, '\\' | '=') {
                    value.push('\\');
                }
                value.push(character);
            }
            if let Some(end) = end.filter(|_| left > 0) {
                value.push_str(if end == '\n' { "\\n" } else { "\\r" });
                left -= 1;
            }
        }
        // A value ends before the next key: a space at its end or beginning would not be told from the space between.
        let value = value.trim_matches(' ');
        if !value.is_empty() {
            self.key(key);
            self.line.push_str(value);
        }
    }

    /// A custom field with its label.
    fn custom(&mut self, key: &str, label: &str, text: &str, most: usize) {
        let before = self.line.len();
        self.text(key, text, most);
        if self.line.len() > before {
            self.text(&format!("{key}Label"), label, TEXT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_extensions_escape_what_the_format_says() {
        let mut line = String::new();
        header(r"detected a \ and | in = message", 99, &mut line);
        assert_eq!(line, r"detected a \\ and \| in = message");
        let mut line = String::new();
        let mut to = Extension { line: &mut line, first: true };
        to.text("act", r"blocked a \ and = and |", 99);
        to.text("msg", "Detected a threat.\nNo action\r\nneeded.", 99);
        assert_eq!(line, r"act=blocked a \\ and \= and | msg=Detected a threat.\nNo action\r\nneeded.");
    }

    #[test]
    fn a_value_is_cut_to_the_length_of_its_key_and_no_escape_with_it() {
        let mut line = String::new();
        let mut to = Extension { line: &mut line, first: true };
        to.text("msg", "abc===", 4);
        to.text("reason", "  ", 4);
        to.text("cat", "a\n\n\n\n", 3);
        assert_eq!(line, r"msg=abc\= cat=a\n\n");
    }
}
