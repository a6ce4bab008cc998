//! Syslog around a line of any format: RFC 5424, and RFC 6587, 3.4.1, for streams.
//!
//! Flows in: an alert and the line that says it. Flows out: one message. The structured data say what a collector
//! filters by, so that it need not read the line.

use super::{VERSION, facts, visible};
use crate::address::Timestamp;
use crate::alert::{Alert, Severity};
use std::fmt::Write as _;
use std::str::FromStr;
use thiserror::Error;

/// The number behind the `@` of our structured data: the one that RFC 5612 sets aside for examples, as Wayside has
/// none of its own.
pub const ENTERPRISE: u32 = 32_473;

/// Which part of a system speaks: RFC 5424, 6.2.1, table 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facility(u8);

/// A word that names no facility.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error(
    "there is no syslog facility '{0}'; there are local0 to local7, daemon, user, auth, authpriv and alert"
)]
pub struct UnknownFacility(String);

impl Facility {
    /// `local0` (16), for local use.
    pub const LOCAL0: Facility = Facility(16);

    /// Its number, 0 to 23.
    pub const fn code(self) -> u8 {
        self.0
    }
}

impl Default for Facility {
    fn default() -> Self {
        Facility::LOCAL0
    }
}

impl FromStr for Facility {
    type Err = UnknownFacility;

    fn from_str(word: &str) -> Result<Facility, UnknownFacility> {
        let code = match word {
            "user" => 1,
            "daemon" => 3,
            "auth" => 4,
            "authpriv" => 10,
            "alert" => 14,
            "local0" => 16,
            "local1" => 17,
            "local2" => 18,
            "local3" => 19,
            "local4" => 20,
            "local5" => 21,
            "local6" => 22,
            "local7" => 23,
            _ => {
                let mut shown = String::new();
                visible::push(word, 64, &mut shown);
                return Err(UnknownFacility(shown));
            }
        };
        Ok(Facility(code))
    }
}

/// How bad it is in the words of syslog: RFC 5424, 6.2.1, table 2.
fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Critical => 2, // Critical
        Severity::High => 3,     // Error
        Severity::Medium => 4,   // Warning
        Severity::Low => 5,      // Notice
    }
}

/// Appends a message about the alert; `line` is what one of the formats says of it. PROCID is `process`, or nil.
pub fn write(alert: &Alert, line: &[u8], facility: Facility, process: Option<u32>, out: &mut Vec<u8>) {
    let mut head = String::new();
    // Writing to a String cannot fail.
    let _ = write!(head, "<{}>1 ", u16::from(facility.0) * 8 + u16::from(severity(alert.severity)));
    // TIME-SECFRAC has at most six digits.
    let ts = Timestamp { nanos: alert.ts.nanos, digits: alert.ts.digits.min(6) };
    let _ = write!(head, "{ts} ");
    name(&alert.sensor, 255, &mut head);
    head.push_str(" wayside ");
    match process {
        Some(process) => {
            let _ = write!(head, "{process} ");
        }
        None => head.push_str("- "),
    }
    name(alert.kind.name(), 32, &mut head);
    head.push(' ');
    structured(alert, &mut head);
    head.push(' ');
    out.extend_from_slice(head.as_bytes());
    // 6.4: text in UTF-8 begins with the byte order mark. Text in ASCII is no other with and without.
    if !line.is_ascii() {
        out.extend_from_slice("\u{feff}".as_bytes());
    }
    out.extend_from_slice(line);
}

/// Appends a message with its length before it, as a stream carries it: RFC 6587, 3.4.1.
pub fn counted(message: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(message.len()).as_bytes());
    out.push(b' ');
    out.extend_from_slice(message);
}

/// A field of the header: visible ASCII, at most so many; anything else becomes a hyphen, nothing the nil value.
fn name(text: &str, most: usize, head: &mut String) {
    let shown = |character: char| if matches!(character, '!'..='~') { character } else { '-' };
    match text {
        "" => head.push('-'),
        text => head.extend(text.chars().take(most).map(shown)),
    }
}

fn structured(alert: &Alert, head: &mut String) {
    let _ = write!(head, "[origin software=\"wayside\" swVersion=\"{VERSION}\"]");
    let _ = write!(head, "[wayside@{ENTERPRISE}");
    parameter("id", &alert.id.to_string(), head);
    parameter("severity", alert.severity.name(), head);
    parameter("kind", alert.kind.name(), head);
    parameter("src", &alert.src.to_string(), head);
    parameter("dst", &alert.dst.to_string(), head);
    parameter("proto", alert.proto, head);
    parameter("count", &alert.count.to_string(), head);
    if let Some(rule) = &alert.rule {
        parameter("rule", rule, head);
    }
    if !alert.attack.is_empty() {
        parameter("attack", &alert.attack.join(","), head);
    }
    if let Some(id) = &alert.community_id {
        parameter("community_id", id, head);
    }
    if !alert.points.is_empty() {
        let points: Vec<_> = alert.points.iter().map(facts::points).collect();
        parameter("points", &points.join(","), head);
    }
    head.push(']');
}

/// A parameter of structured data: `"`, `\` and `]` escaped (6.3.3), at most 1023 octets.
fn parameter(key: &str, value: &str, head: &mut String) {
    let _ = write!(head, " {key}=\"");
    let mut shown = String::new();
    visible::push(value, 1023, &mut shown);
    for character in shown.chars() {
        if matches!(character, '"' | '\\' | ']') {
            head.push('\\');
        }
        head.push(character);
    }
    head.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_escape_what_the_rfc_says() {
        let mut head = String::new();
        parameter("rule", "a\"b\\c]d=e\n", &mut head);
        assert_eq!(head, r#" rule="a\"b\\c\]d=e\\u000a""#);
    }

    #[test]
    fn names_are_visible_ascii() {
        let said = |text| {
            let mut head = String::new();
            name(text, 5, &mut head);
            head
        };
        assert_eq!([said("yard 1é"), said("")], ["yard-".to_owned(), "-".to_owned()]);
    }

    #[test]
    fn a_stream_carries_lengths() {
        let mut out = Vec::new();
        counted(b"<165>1", &mut out);
        counted("\u{feff}é".as_bytes(), &mut out);
        assert_eq!(out, "6 <165>15 \u{feff}é".as_bytes());
    }

    #[test]
    fn facilities_are_known_by_their_names() {
        assert_eq!("local7".parse::<Facility>().map(Facility::code), Ok(23));
        assert_eq!(Facility::default().code(), 16);
        let error = "local8".parse::<Facility>().unwrap_err().to_string();
        assert!(error.starts_with("there is no syslog facility 'local8'; there are local0"), "{error}");
    }
}
