//! CEF read back by a strict parser, written from the format's description and not from our writer.

use super::{alerts, written};
use std::collections::BTreeMap;
use wayside::address::Address;
use wayside::alert::{Alert, Severity};
use wayside::output::format::Format;

/// A line taken apart.
pub struct Cef {
    /// Vendor, product, version, class, name, severity.
    pub header: [String; 6],
    pub extension: BTreeMap<String, String>,
}

/// The type of a key by the dictionary of revision 25, and the octets that it may have.
enum Kind {
    Text(usize),
    Integer,
    Long,
    Ipv4,
    Ipv6,
    Mac,
    Port,
    Time,
}

fn kind(key: &str) -> Kind {
    match key {
        "rt" | "start" | "end" => Kind::Time,
        "cnt" => Kind::Integer,
        "cn1" => Kind::Long,
        "src" | "dst" => Kind::Ipv4,
        "c6a2" | "c6a3" => Kind::Ipv6,
        "smac" | "dmac" => Kind::Mac,
        "spt" | "dpt" => Kind::Port,
        "proto" | "app" => Kind::Text(31),
        "externalId" => Kind::Text(40),
        "dvchost" => Kind::Text(100),
        "cs1" | "cs2" | "cs3" | "cs4" | "cs5" | "cs6" => Kind::Text(4000),
        "cat" | "msg" | "reason" | "filePath" | "flexString1" | "flexString1Label" | "cn1Label"
        | "cs1Label" | "cs2Label" | "cs3Label" | "cs4Label" | "cs5Label" | "cs6Label" | "c6a2Label"
        | "c6a3Label" => Kind::Text(1023),
        _ => panic!("{key} is not a key that we use"),
    }
}

/// Reads a line; panics where it is not CEF.
pub fn parse(line: &[u8]) -> Cef {
    let text = std::str::from_utf8(line).unwrap();
    let mut rest = text.strip_prefix("CEF:0|").unwrap_or_else(|| panic!("no CEF: {text}"));
    let header: [String; 6] = std::array::from_fn(|_| {
        let mut field = String::new();
        let mut characters = rest.char_indices();
        loop {
            match characters.next().unwrap_or_else(|| panic!("the header ends too soon: {text}")) {
                (_, '\\') => match characters.next() {
                    Some((_, escaped @ ('\\' | '|'))) => field.push(escaped),
                    other => panic!("no escape of a header: {other:?} in {text}"),
                },
                (at, '|') => {
                    rest = &rest[at + 1..];
                    break field;
                }
                (_, '\n' | '\r') => panic!("a line end in a header"),
                (_, character) => field.push(character),
            }
        }
    });
    let mut extension = BTreeMap::new();
    // A key is a word before an equals sign that nothing escapes; its value goes on until the next such word.
    let signs: Vec<usize> = text_signs(rest);
    let key_start = |sign: usize| rest[..sign].rfind(' ').map_or(0, |space| space + 1);
    for (place, sign) in signs.iter().enumerate() {
        let key = &rest[key_start(*sign)..*sign];
        assert!(
            !key.is_empty() && key.bytes().all(|octet| octet.is_ascii_alphanumeric()),
            "the key {key:?} in {text}"
        );
        let end = signs.get(place + 1).map_or(rest.len(), |next| key_start(*next) - 1);
        let value = unescaped(&rest[sign + 1..end]);
        assert!(extension.insert(key.to_owned(), value).is_none(), "{key} twice in {text}");
    }
    assert_eq!(signs.first().map(|sign| key_start(*sign)), Some(0), "something before the first key: {text}");
    Cef { header, extension }
}

/// Where the equals signs are that no backslash escapes.
fn text_signs(text: &str) -> Vec<usize> {
    let mut signs = Vec::new();
    let mut octets = text.bytes().enumerate();
    while let Some((at, octet)) = octets.next() {
        match octet {
            b'\\' => drop(octets.next()),
            b'=' => signs.push(at),
            _ => {}
        }
    }
    signs
}

fn unescaped(value: &str) -> String {
    let mut out = String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.push(match characters.next() {
                Some('\\') => '\\',
                Some('=') => '=',
                Some('n') => '\n',
                Some('r') => '\r',
                other => panic!("no escape of a value: {other:?} in {value}"),
            }),
            '\n' | '\r' => panic!("a line end in a value"),
            other => out.push(other),
        }
    }
    out
}

/// The start of what a value must say: as the alert has it up to the first character that is shown and not written.
fn plain(text: &str) -> &str {
    let end = text
        .find(|c: char| (c.is_control() && c != '\n' && c != '\r') || !c.is_ascii())
        .unwrap_or(text.len());
    let start = text.get(..end.min(900)).unwrap();
    start.trim_matches(' ')
}

/// Checks what a line says against its alert.
pub fn check(alert: &Alert, cef: &Cef) {
    let severity = match alert.severity {
        Severity::Low => 0..=3,
        Severity::Medium => 4..=6,
        Severity::High => 7..=8,
        Severity::Critical => 9..=10,
    };
    assert_eq!(cef.header[..2], ["Wayside", "Wayside"]);
    assert_eq!(cef.header[2], env!("CARGO_PKG_VERSION"));
    assert_eq!(cef.header[3], alert.kind.name());
    assert!(severity.contains(&cef.header[5].parse().unwrap()), "{}", cef.header[5]);
    for (key, value) in &cef.extension {
        let fits = match kind(key) {
            Kind::Text(most) => value.len() <= most && !value.is_empty(),
            Kind::Integer => value.parse::<i32>().is_ok(),
            Kind::Long | Kind::Time => value.parse::<i64>().is_ok(),
            Kind::Ipv4 => value.parse::<std::net::Ipv4Addr>().is_ok(),
            Kind::Ipv6 => value.parse::<std::net::Ipv6Addr>().is_ok(),
            Kind::Mac => value.parse::<wayside::address::Mac>().is_ok(),
            Kind::Port => value.parse::<u16>().is_ok(),
        };
        assert!(fits, "{key}={value:?}");
        if let Some(custom) = key.strip_suffix("Label") {
            assert!(cef.extension.contains_key(custom), "{key} without {custom}");
        } else if key.starts_with("cs") || key == "cn1" || key.starts_with("c6a") || key.starts_with("flex") {
            assert!(cef.extension.contains_key(&format!("{key}Label")), "{key} has no label");
        }
    }
    let get = |key: &str| cef.extension.get(key).map_or("", String::as_str);
    assert_eq!(get("externalId"), alert.id.to_string());
    assert_eq!(get("rt"), (alert.ts.nanos.div_euclid(1_000_000)).to_string());
    assert_eq!(get("cnt").parse::<u64>().unwrap(), alert.count.min(i32::MAX as u64));
    for (end, v4, v6, mac) in [(alert.src, "src", "c6a2", "smac"), (alert.dst, "dst", "c6a3", "dmac")] {
        let key = match end.address {
            Address::V4(_) => v4,
            Address::V6(_) => v6,
            Address::Mac(_) => mac,
        };
        assert_eq!(get(key), end.address.to_string());
    }
    for (key, text) in
        [("msg", Some(&alert.summary)), ("cs1", alert.rule.as_ref()), ("reason", alert.rule_words.as_ref())]
    {
        let want = plain(text.map_or("", String::as_str));
        assert!(get(key).starts_with(want), "{key}: {:?} does not begin with {want:?}", get(key));
    }
}

#[test]
fn cef_is_read_back_as_it_was_meant() {
    let mut forged = 0;
    for alert in alerts("cef") {
        let cef = parse(&written(&alert, Format::Cef));
        check(&alert, &cef);
        forged += usize::from(alert.summary.starts_with("CEF:0|") && cef.extension["msg"] == alert.summary);
    }
    assert_eq!(forged, 1, "a message that looks like CEF is a message still");
}

#[test]
fn the_parser_of_this_test_refuses_what_is_not_cef() {
    for wrong in [
        r"CEF:0|a|b|c|d|e|9",
        r"CEF:1|a|b|c|d|e|9|",
        r"CEF:0|a\n|b|c|d|e|9|msg=x",
        r"CEF:0|a|b|c|d|e|9|msg=x\|y",
        r"CEF:0|a|b|c|d|e|9|msg=a=b",
        r"CEF:0|a|b|c|d|e|9|msg=a msg=b",
        r"CEF:0|a|b|c|d|e|9|junk msg=b",
    ] {
        assert!(std::panic::catch_unwind(|| parse(wrong.as_bytes())).is_err(), "{wrong}");
    }
}
