//! Rules that look at octets (the style of the Quickdraw rules for Snort): carried over where the octets are at fixed
//! places, and where those places are exactly what the language names.
//!
//! Over TCP and UDP a Modbus message begins with transaction (0 and 1), protocol (2 and 3, always 0), length (4 and 5),
//! unit (6) and function (7); the subfunction of Diagnostics is at 8 and 9 (MODBUS Messaging on TCP/IP V1.0b, 3.1.3).
//! A DNP3 frame begins with 05 64, and the function of its fragment is at 12: after the link header with its
//! checksum (0 to 9), the transport header (10) and the application control (11) (IEEE 1815-2012, 9.2.4, 8.2, 4.2.2).
//!
//! Such a rule sees only the first message of a packet; Wayside judges each.

use super::text::{Choice, unquote};
use super::{Meaning, dnp3, modbus};
use std::collections::BTreeMap;

/// Patterns longer than this are not read, in octets.
const LONGEST: usize = 1024;

const NOT_FIXED: &str = "it looks for octets that are not at a fixed place of the message";

/// Whether an option belongs to a search for octets.
pub(super) fn is_content(key: &str) -> bool {
    matches!(
        key,
        "content" | "offset" | "depth" | "distance" | "within" | "startswith" | "nocase" | "rawbytes"
    )
}

/// One pattern, and where it must be.
struct Pattern {
    octets: Vec<u8>,
    offset: Option<usize>,
    depth: Option<usize>,
    distance: Option<usize>,
    within: Option<usize>,
}

impl Pattern {
    /// Where it must be; nothing where it may be in more than one place.
    fn place(&self, before: Option<usize>) -> Option<usize> {
        let length = Some(self.octets.len());
        match (self.distance, self.within) {
            (None, None) if self.depth == length => Some(self.offset.unwrap_or(0)),
            (distance, within) if within == length && self.offset.is_none() && self.depth.is_none() => {
                before?.checked_add(distance.unwrap_or(0))
            }
            _ => None,
        }
    }

    fn limit(&mut self, key: &str, value: &str) -> Result<(), String> {
        let number = value.parse::<usize>().ok().filter(|number| *number < 1 << 16);
        match key {
            "offset" => self.offset = number,
            "depth" => self.depth = number,
            "distance" => self.distance = number,
            "within" => self.within = number,
            "startswith" => (self.offset, self.depth) = (Some(0), Some(self.octets.len())),
            "fast_pattern" | "rawbytes" => return Ok(()),
            _ => return Err(NOT_FIXED.to_owned()),
        }
        if number.is_some() || key == "startswith" { Ok(()) } else { Err(NOT_FIXED.to_owned()) }
    }
}

/// The octets that a rule wants, by their places.
fn octets(choices: &[Choice<'_>]) -> Result<BTreeMap<usize, u8>, String> {
    let mut patterns: Vec<Pattern> = Vec::new();
    for choice in choices.iter().filter(|choice| is_content(choice.key)) {
        match (choice.key, patterns.last_mut()) {
            ("content", _) => patterns.push(pattern(choice.value)?),
            (key, Some(last)) => last.limit(key, choice.value)?,
            (_, None) => return Err(NOT_FIXED.to_owned()),
        }
    }
    let mut found = BTreeMap::new();
    let mut end = None;
    for pattern in patterns {
        let start = pattern.place(end).ok_or(NOT_FIXED)?;
        end = Some(start + pattern.octets.len());
        for (at, octet) in (start..).zip(pattern.octets) {
            if found.insert(at, octet).is_some_and(|before| before != octet) {
                return Err(format!("it wants two different octets at {at}, so it matches nothing"));
            }
        }
    }
    Ok(found)
}

/// Reads the value of `content`: `"|08 00 04|"`, with what Snort 3 puts behind it.
fn pattern(value: &str) -> Result<Pattern, String> {
    if value.starts_with('!') {
        return Err("it is about messages that lack certain octets".to_owned());
    }
    let inside = value.strip_prefix('"').ok_or(NOT_FIXED)?;
    let end = inside.rfind('"').ok_or(NOT_FIXED)?;
    let (text, rest) = inside.split_at(end);
    let octets = bytes(&unquote(text)).ok_or("its octets cannot be read")?;
    let mut found = Pattern { octets, offset: None, depth: None, distance: None, within: None };
    for limit in rest.trim_start_matches('"').split(',').map(str::trim).filter(|limit| !limit.is_empty()) {
        let (key, value) = limit.split_once(char::is_whitespace).unwrap_or((limit, ""));
        found.limit(key, value.trim())?;
    }
    Ok(found)
}

/// Text with octets in hexadecimal between bars.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let mut found = Vec::new();
    for (at, part) in text.split('|').enumerate() {
        if at % 2 == 0 {
            found.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: Vec<u8> = part.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        for pair in digits.chunks(2) {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
            found.push(u8::from_str_radix(pair, 16).ok()?);
        }
    }
    (!found.is_empty() && found.len() <= LONGEST && text.matches('|').count().is_multiple_of(2))
        .then_some(found)
}

/// What a search for octets on the port of Modbus means.
pub(super) fn in_modbus(choices: &[Choice<'_>]) -> Result<Meaning, String> {
    let octets = octets(choices)?;
    let mut meaning = Meaning::new("modbus");
    let at = |place: usize| octets.get(&place).copied().map(u16::from);
    let function = at(7).ok_or("it does not look at the function of a Modbus message, octet 7")?;
    if function > 127 {
        return Err("it is about exceptions, which are answers, and Wayside judges requests".to_owned());
    }
    let diagnostics = function == modbus::DIAGNOSTICS;
    for (place, octet) in &octets {
        match place {
            2 | 3 if *octet == 0 => {}
            2 | 3 => return Err("it is about messages that are no Modbus".to_owned()),
            6 => meaning.devices = vec![u32::from(*octet)],
            7 => {}
            8 | 9 if diagnostics => {}
            _ => return Err(format!("rules of Wayside have no word for octet {place} of a Modbus message")),
        }
    }
    let second = match (at(8), at(9)) {
        (Some(high), Some(low)) => Some(high << 8 | low),
        (None, None) => None,
        _ => return Err("it looks at one half of the subfunction only".to_owned()),
    };
    modbus::function_code(&mut meaning, function, second)?;
    Ok(meaning)
}

/// What a search for octets on the port of DNP3 means.
pub(super) fn in_dnp3(choices: &[Choice<'_>]) -> Result<Meaning, String> {
    let octets = octets(choices)?;
    let function = octets.get(&12).ok_or("it does not look at the function of a DNP3 message, octet 12")?;
    for (place, octet) in &octets {
        match (place, octet) {
            (0, 0x05) | (1, 0x64) | (12, _) => {}
            (0 | 1, _) => return Err("it is about messages that are no DNP3".to_owned()),
            _ => return Err(format!("rules of Wayside have no word for octet {place} of a DNP3 message")),
        }
    }
    dnp3::function_code(u16::from(*function))
}

#[cfg(test)]
mod tests {
    use super::super::text::choices;
    use super::*;

    fn modbus(options: &str) -> Result<Meaning, String> {
        in_modbus(&choices(&format!("alert x ({options})")).unwrap())
    }

    #[test]
    fn a_function_at_its_place_is_a_function() {
        let found =
            modbus(r#"content:"|00 00|"; offset:2; depth:2; content:"|10|"; offset:7; depth:1;"#).unwrap();
        assert_eq!(found.functions, [16]);
        let found = modbus(r#"content:"|08 00 04|"; offset:7; depth:3;"#).unwrap();
        assert_eq!((found.functions, found.half), (vec![8], Some(4)));
        let relative = r#"content:"|00 00|"; offset:2; depth:2; content:"|03 06|"; distance:2; within:2;"#;
        let found = modbus(relative).unwrap();
        assert_eq!((found.functions, found.devices), (vec![6], vec![3]));
        assert_eq!(modbus(r#"content:"|06|",offset 7,depth 1,fast_pattern;"#).unwrap().functions, [6]);
    }

    #[test]
    fn anything_else_is_not_guessed() {
        for (options, part) in [
            (r#"content:"|06|";"#, "not at a fixed place"),
            (r#"content:"|06|"; offset:7;"#, "not at a fixed place"),
            (r#"content:"|06|"; offset:7; depth:2;"#, "not at a fixed place"),
            (r#"content:"|06|"; offset:7; depth:1; nocase;"#, "not at a fixed place"),
            (r#"content:"|06|"; distance:0; within:1;"#, "not at a fixed place"),
            (r#"content:!"|06|"; offset:7; depth:1;"#, "lack certain octets"),
            (r#"content:"|86|"; offset:7; depth:1;"#, "answers"),
            (r#"content:"|00|"; offset:7; depth:1;"#, "from 1 to 127"),
            (r#"content:"|06 00 64|"; offset:7; depth:3;"#, "octet 8"),
            (r#"content:"|08 00|"; offset:7; depth:2;"#, "one half"),
            (r#"content:"|01 06|"; offset:3; depth:2;"#, "octet 7"),
            (r#"content:"|06|"; offset:7; depth:1; content:"|05|"; offset:7; depth:1;"#, "matches nothing"),
            (r#"content:"|0|"; offset:7; depth:1;"#, "cannot be read"),
            (r#"content:"|06"; offset:7; depth:1;"#, "cannot be read"),
        ] {
            let reason = modbus(options).map(|meaning| meaning.functions).unwrap_err();
            assert!(reason.contains(part), "{options}: {reason}");
        }
    }

    #[test]
    fn dnp3_has_its_function_at_twelve() {
        let dnp3 = |options: &str| in_dnp3(&choices(&format!("alert x ({options})")).unwrap());
        let cold = r#"content:"|05 64|"; depth:2; content:"|0D|"; offset:12; depth:1;"#;
        assert_eq!(dnp3(cold).unwrap().functions, [13]);
        assert!(dnp3(r#"content:"|05 64|"; startswith;"#).unwrap_err().contains("octet 12"));
        assert!(dnp3(r#"content:"|0D 32|"; offset:12; depth:2;"#).unwrap_err().contains("octet 13"));
        assert!(dnp3(r#"content:"|81|"; offset:12; depth:1;"#).unwrap_err().contains("answers"));
    }
}
