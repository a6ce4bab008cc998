//! Events as JSON, one object a line: written straight into a buffer, without a tree in between.
//!
//! Text from the wire is hostile: every control character, bidirectional mark and invalid octet is escaped, so
//! that a line stays one line in any viewer.

use super::{Event, Outcome, Value, Values};
use std::fmt::{self, Write as _};
use std::io::Write as _;

/// Writes one JSON value.
pub struct Json<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Json<'a> {
    /// Appends to this buffer.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Json { out }
    }

    /// `null`.
    #[inline]
    pub fn null(self) {
        self.out.extend_from_slice(b"null");
    }

    /// `true` or `false`.
    pub fn bool(self, on: bool) {
        self.out.extend_from_slice(if on { b"true" } else { b"false" });
    }

    /// A whole number.
    #[inline]
    pub fn int(self, number: impl itoa::Integer) {
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// A floating-point number; `null` where JSON has none (not a number, infinite).
    pub fn float(self, number: f64) {
        if number.is_finite() {
            // Writing to a Vec cannot fail.
            let _ = write!(self.out, "{number:?}");
        } else {
            self.null();
        }
    }

    /// A whole number that is likely small: four digits or fewer take a short way.
    #[inline]
    fn small(self, number: i64) {
        // All four are copied at once and those too many taken back, which is cheaper than copying some.
        let digit = |value: u16| b'0' + (value % 10) as u8;
        let (digits, count) = match number {
            0..10 => ([digit(number as u16), 0, 0, 0], 1),
            10..100 => ([digit(number as u16 / 10), digit(number as u16), 0, 0], 2),
            100..1_000 => {
                let n = number as u16;
                ([digit(n / 100), digit(n / 10), digit(n), 0], 3)
            }
            1_000..10_000 => {
                let n = number as u16;
                ([digit(n / 1_000), digit(n / 100), digit(n / 10), digit(n)], 4)
            }
            _ => return self.int(number),
        };
        let end = self.out.len() + count;
        self.out.extend_from_slice(&digits);
        self.out.truncate(end);
    }

    /// A string known to need no escaping (a word of ours or of a standard).
    #[inline]
    pub fn word(self, word: &str) {
        self.out.push(b'"');
        self.out.extend_from_slice(word.as_bytes());
        self.out.push(b'"');
    }

    /// A string, escaped.
    pub fn str(self, text: &str) {
        self.out.push(b'"');
        escape(text, self.out);
        self.out.push(b'"');
    }

    /// A value that was written as JSON before.
    pub fn written(self, json: &str) {
        self.out.extend_from_slice(json.as_bytes());
    }

    /// What `text` prints, escaped.
    pub fn display(self, text: &dyn fmt::Display) {
        self.out.push(b'"');
        // The writer below never fails.
        let _ = write!(Escaped(self.out), "{text}");
        self.out.push(b'"');
    }

    /// Text from the wire; octets that are not UTF-8 become U+FFFD.
    pub fn text(self, bytes: &[u8]) {
        self.out.push(b'"');
        for chunk in bytes.utf8_chunks() {
            escape(chunk.valid(), self.out);
            if !chunk.invalid().is_empty() {
                self.out.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
        self.out.push(b'"');
    }

    /// Octets as lower-case hexadecimal.
    pub fn hex(self, bytes: &[u8]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.out.push(b'"');
        for byte in bytes {
            self.out.push(DIGITS[usize::from(byte >> 4)]);
            self.out.push(DIGITS[usize::from(byte & 15)]);
        }
        self.out.push(b'"');
    }

    /// A value of a point.
    pub fn value(self, value: Value<'_>) {
        match value {
            Value::Bool(on) => self.bool(on),
            Value::Int(number) => self.small(number),
            Value::Float(number) => self.float(number),
            Value::Name(word) => self.word(word),
            Value::Text(bytes) => self.text(bytes),
            Value::Bytes(bytes) => self.hex(bytes),
        }
    }

    /// An array of values.
    pub fn values(self, values: Values<'_>) {
        match values {
            Values::Registers(bytes) => self.array(|a| {
                let (registers, _) = bytes.as_chunks::<2>();
                registers.iter().for_each(|r| a.item().small(i64::from(u16::from_be_bytes(*r))));
            }),
            values => self.array(|a| values.iter().for_each(|value| a.item().value(value))),
        }
    }

    /// An object.
    pub fn object(self, members: impl FnOnce(&mut Object<'_>)) {
        self.out.push(b'{');
        members(&mut Object { out: self.out, first: true });
        self.out.push(b'}');
    }

    /// An array.
    pub fn array(self, items: impl FnOnce(&mut Array<'_>)) {
        self.out.push(b'[');
        items(&mut Array { out: self.out, first: true });
        self.out.push(b']');
    }
}

/// The inside of a JSON object.
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl Object<'_> {
    /// Starts the member of this name; the value must follow. Names are ours and need no escaping.
    #[inline]
    pub fn key(&mut self, name: &str) -> Json<'_> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        Json { out: self.out }
    }

    /// A whole number, or `null`.
    #[inline]
    pub fn int(&mut self, name: &str, number: Option<impl itoa::Integer>) {
        match number {
            Some(number) => self.key(name).int(number),
            None => self.key(name).null(),
        }
    }

    /// Members that were written before, without the braces around them.
    pub fn members(&mut self, written: &[u8]) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out.extend_from_slice(written);
    }

    /// Members as an object would have them, without the braces: for [`Object::members`].
    pub fn apart(write: impl FnOnce(&mut Object<'_>)) -> Box<[u8]> {
        let mut out = Vec::new();
        write(&mut Object { out: &mut out, first: true });
        out.into()
    }

    /// A flag.
    pub fn bool(&mut self, name: &str, on: bool) {
        self.key(name).bool(on);
    }

    /// A word of ours or of a standard.
    #[inline]
    pub fn word(&mut self, name: &str, word: &str) {
        self.key(name).word(word);
    }
}

/// The inside of a JSON array.
pub struct Array<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl Array<'_> {
    /// Starts the next item; the value must follow.
    #[inline]
    pub fn item(&mut self) -> Json<'_> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        Json { out: self.out }
    }
}

struct Escaped<'a>(&'a mut Vec<u8>);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(text, self.0);
        Ok(())
    }
}

fn escape(text: &str, out: &mut Vec<u8>) {
    // Nearly all text is plain ASCII.
    if text.bytes().all(|octet| matches!(octet, b' '..=b'~') && !matches!(octet, b'"' | b'\\')) {
        return out.extend_from_slice(text.as_bytes());
    }
    let mut clean = 0;
    for (at, character) in text.char_indices() {
        if plain(character) {
            continue;
        }
        out.extend_from_slice(text.as_bytes().get(clean..at).unwrap_or_default());
        clean = at + character.len_utf8();
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    // Writing to a Vec cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.extend_from_slice(text.as_bytes().get(clean..).unwrap_or_default());
}

/// Whether a character goes into a JSON string as it is: not a control character, quote or backslash, nor one
/// that breaks or reorders a line.
fn plain(character: char) -> bool {
    !matches!(character, '\u{0}'..='\u{1f}' | '"' | '\\' | '\u{7f}'..='\u{9f}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

impl Event<'_> {
    /// Appends the event as one JSON object, without a newline. `file` names the capture where there are several.
    pub fn write_json(&self, file: Option<&str>, out: &mut Vec<u8>) {
        self.write(file, false, out);
    }

    /// As [`Event::write_json`], for keeping: where it is longer than `limit` octets, the protocol's own fields are left
    /// out, and of points and values all but the first; `"cut":true` says so then.
    pub fn write_json_within(&self, limit: usize, out: &mut Vec<u8>) {
        let start = out.len();
        self.write(None, false, out);
        for kept in [256, 64, 0] {
            if out.len() - start <= limit {
                return;
            }
            out.truncate(start);
            let points = self.points.get(..kept).unwrap_or(self.points);
            Event { points, values: self.values.first(kept), ..*self }.write(None, true, out);
        }
    }

    fn write(&self, file: Option<&str>, cut: bool, out: &mut Vec<u8>) {
        Json::new(out).object(|o| {
            let mut ts = [0; 40];
            o.word("ts", self.ts.format(&mut ts));
            o.int("frame", Some(self.frame).filter(|frame| *frame > 0));
            if let Some(file) = file {
                o.key("file").str(file);
            }
            o.word("proto", self.proto.name);
            o.word("kind", self.kind.name());
            o.word("verb", self.verb.name());
            o.members(self.flow.members());
            o.key("points").array(|a| self.write_points(a));
            self.write_values(o.key("values"));
            match self.outcome {
                None => o.key("outcome").null(),
                Some(Outcome::Success) => o.word("outcome", "success"),
                Some(Outcome::Unanswered) => o.word("outcome", "unanswered"),
                Some(Outcome::Exception { name, .. }) => o.word("outcome", name),
            }
            o.int("latency_us", self.latency.map(|nanos| nanos / 1_000));
            if let Some(request) = self.request {
                o.int("request_frame", Some(request));
            }
            if let Some(fault) = self.fault {
                o.key("reason").display(fault.text);
            }
            if cut {
                return o.bool("cut", true);
            }
            o.key(self.proto.name).object(|fields| self.fields.write(fields));
        });
    }

    /// Writes the points as objects of an array.
    pub fn write_points(&self, array: &mut Array<'_>) {
        for range in self.points {
            array.item().object(|o| {
                o.key("space").display(&self.proto.space_name(range.space));
                o.int("first", (!range.is_all()).then_some(range.first));
                o.int("last", (!range.is_all()).then_some(range.last));
                if range.verb != self.verb {
                    o.word("verb", range.verb.name());
                }
            });
        }
    }

    /// Writes the values as an array, or `null` where there is none.
    pub fn write_values(&self, json: Json<'_>) {
        match self.values {
            Values::None => json.null(),
            values => json.values(values),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(Json<'_>)) -> String {
        let mut out = Vec::new();
        write(Json::new(&mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn hostile_text_stays_one_line_and_one_string() {
        assert_eq!(written(|j| j.str("a\"b\\c\nd\u{202e}e\u{1b}[31m")), r#""a\"b\\c\nd\u202ee\u001b[31m""#);
        assert_eq!(written(|j| j.text(b"ok\xff\xfe!")), "\"ok\u{fffd}\u{fffd}!\"");
        assert_eq!(written(|j| j.hex(&[0, 0xab])), "\"00ab\"");
    }

    #[test]
    fn numbers_that_json_cannot_say_are_null() {
        assert_eq!(written(|j| j.float(f64::NAN)), "null");
        assert_eq!(written(|j| j.float(1.0)), "1.0");
        assert_eq!(written(|j| j.int(-7i64)), "-7");
    }

    #[test]
    fn a_long_message_is_cut_and_says_so() {
        use crate::event::{Fields, Flow, Kind, PointRange, Space, Verb, Vocabulary};
        static WORDS: Vocabulary = Vocabulary {
            id: 0,
            name: "modbus",
            title: "Modbus",
            device_key: "unit",
            device_title: "unit",
            names_device: |_| false,
            functions: &[],
            spaces: &[],
            write_space: |_, f| f.write_str("holding"),
            write_point: |_, f| f.write_str("point"),
            parse_space: |_| None,
            max_index: 9,
        };
        struct Own;
        impl Fields for Own {
            fn write(&self, object: &mut Object<'_>) {
                object.int("unit", Some(1));
            }
            fn brief(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                Ok(())
            }
        }
        let end = |port| crate::address::Endpoint::new(std::net::IpAddr::from([10, 0, 0, 1]), port);
        let flow = Flow::new(end(1), end(502), crate::address::Transport::Tcp);
        let (space, verb) = (Space(0), Verb::Write);
        let points = [PointRange { space, variant: 0, first: 0, last: 4999, verb, valued: true }; 300];
        let registers = [0u8, 7].repeat(5000);
        let event = Event {
            ts: Default::default(),
            frame: 1,
            flow: &flow,
            proto: &WORDS,
            kind: Kind::Request,
            verb,
            function: None,
            device: None,
            points: points.get(..1).unwrap(),
            values: Values::Registers(&registers),
            outcome: None,
            latency: None,
            request: None,
            fault: None,
            fields: &Own,
        };
        let kept = |event: Event<'_>, limit| {
            let mut out = b"before".to_vec();
            event.write_json_within(limit, &mut out);
            let text = String::from_utf8(out).unwrap();
            let json: serde_json::Value = serde_json::from_str(text.strip_prefix("before").unwrap()).unwrap();
            let count = |key: &str| json[key].as_array().map_or(0, Vec::len);
            (json["cut"] == true, json["modbus"]["unit"] == 1, count("points"), count("values"))
        };
        assert_eq!(kept(event, 16_384), (false, true, 1, 5000));
        assert_eq!(kept(event, 2_048), (true, false, 1, 256));
        assert_eq!(kept(Event { points: &points, ..event }, 4_096), (true, false, 64, 64));
        assert_eq!(kept(Event { points: &points, ..event }, 600), (true, false, 0, 0));
    }

    #[test]
    fn values_of_every_length() {
        let numbers = [0, 9, 10, 99, 100, 999, 1_000, 1_234, 9_999, 10_000, 65_535, i64::MAX, -1, i64::MIN];
        for number in numbers {
            assert_eq!(written(|j| j.value(Value::Int(number))), number.to_string());
        }
        assert_eq!(written(|j| j.values(Values::Registers(&[0, 7, 0x10, 0, 9]))), "[7,4096]");
        assert_eq!(written(|j| j.values(Values::Bits { bytes: &[2], count: 2 })), "[false,true]");
    }
}
