//! How a rule file says things: numbers, times, points, ports, verbs, lists.

use super::draft::{Note, Run};
use crate::address::Timestamp;
use crate::event::{Verb, Vocabulary};
use std::fmt::Write as _;

/// Columns after which a sentence or a list goes on in the next line.
const WIDTH: usize = 100;

/// "2015-02-24 17:27:45", in UTC.
pub(super) fn moment(ts: Timestamp) -> String {
    let text = Timestamp { digits: 0, ..ts }.to_string();
    text.trim_end_matches('Z').replace('T', " ")
}

/// "2015-02-24 17:27:45 to 17:33:24": the day is said once.
pub(super) fn span(first: Timestamp, last: Timestamp) -> String {
    let (first, last) = (moment(first), moment(last));
    match (first.split_once(' '), last.split_once(' ')) {
        _ if first == last => first,
        (Some((day, _)), Some((same, time))) if day == same => format!("{first} to {time}"),
        _ => format!("{first} to {last}"),
    }
}

/// 1234567 as "1,234,567".
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

pub(super) fn counted(number: u64, word: &str) -> String {
    format!("{} {word}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A text as TOML writes it.
pub(in crate::policy) fn quoted(text: &str) -> String {
    let plain = |octet: u8| matches!(octet, b' '..=b'~') && !matches!(octet, b'"' | b'\\');
    if text.bytes().all(plain) { format!("\"{text}\"") } else { toml_edit::Value::from(text).to_string() }
}

/// A sentence over as many lines as it needs.
pub(super) fn wrapped(sentence: &str, prefix: &str, out: &mut String) {
    let mut line = prefix.to_owned();
    for word in sentence.split(' ') {
        if line.len() + word.len() > WIDTH && line.len() > prefix.len() {
            let _ = writeln!(out, "{}", line.trim_end());
            line = format!("{prefix}  ");
        }
        line.push_str(word);
        line.push(' ');
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

/// `key = "one"`, or `key = ["one", "two"]`, over several lines where it is long.
pub(in crate::policy) fn listed(key: &str, entries: Vec<String>, always: bool) -> String {
    match entries.as_slice() {
        [one] if !always => format!("{key} = {one}"),
        entries => {
            let line = format!("{key} = [{}]", entries.join(", "));
            if line.len() <= WIDTH {
                return line;
            }
            let mut out = format!("{key} = [");
            let mut column = WIDTH;
            for entry in entries {
                if column + entry.len() + 2 > WIDTH {
                    out.push_str("\n   ");
                    column = 3;
                }
                column += entry.len() + 2;
                let _ = write!(out, " {entry},");
            }
            out.push_str("\n]");
            out
        }
    }
}

pub(in crate::policy) fn and(names: &[String]) -> String {
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// A run of points as rules say it.
pub(in crate::policy) fn point(words: &'static Vocabulary, (space, first, last): &Run) -> String {
    let space = words.space_name(*space);
    let (first, end) = ((*first).min(words.max_index), (*last).min(words.max_index));
    if first == 0 && *last >= words.max_index {
        format!("{space}:*")
    } else if first == end {
        format!("{space}:{first}")
    } else {
        format!("{space}:{first}-{end}")
    }
}

/// Points in a rule's name.
pub(in crate::policy) fn points_said(words: &'static Vocabulary, points: &[Run]) -> String {
    let said: Vec<String> = points.iter().map(|run| point(words, run)).collect();
    match said.as_slice() {
        [one, rest @ ..] if rest.len() > 1 => format!("{one} and {} more runs", rest.len()),
        said => and(said),
    }
}

/// What a verb does, between two names.
pub(in crate::policy) fn phrase(verb: Verb) -> &'static str {
    match verb {
        Verb::Read => "reads",
        Verb::Write => "writes",
        Verb::Select => "selects",
        Verb::Operate => "operates",
        Verb::Configure => "configures",
        Verb::Program => "programs",
        Verb::Restart => "restarts",
        Verb::Time => "sets the time of",
        Verb::File => "uses files of",
        Verb::Identify => "identifies",
        Verb::Diagnose => "diagnoses",
        Verb::Report => "reports to",
        Verb::Session => "keeps a link to",
        Verb::Authenticate => "authenticates to",
        Verb::Other => "uses other functions of",
    }
}

/// What a doubtful verb brings about.
pub(super) fn consequence(verb: Verb) -> &'static str {
    match verb {
        Verb::Restart => "stops or restarts the device",
        Verb::Program => "reads or changes its program",
        Verb::Configure => "changes how it is set up or what it reports",
        Verb::File => "reads or changes its files",
        _ => "proves who somebody is, or changes keys",
    }
}

/// A note as a sentence.
pub(super) fn said(note: &Note, words: &'static Vocabulary) -> String {
    match note {
        Note::AnswersOnly => "Only answers were seen: what was asked is not known in full.".to_owned(),
        Note::NoPoints => "These messages name no points, so all points are allowed.".to_owned(),
        Note::SharedLimits => {
            "These are the values of all these points together; give points with limits of their own a rule of their own.".to_owned()
        }
        Note::NeverWritten(on) => {
            let word = if *on { "on" } else { "off" };
            format!("Never switched {word} while learning; add \"{word}\" where it may be.")
        }
        Note::Slack(points, values) => {
            let points: Vec<String> = points.iter().map(|run| point(words, run)).collect();
            let mut parts = Vec::new();
            if !points.is_empty() {
                parts.push(points.join(", "));
            }
            parts.extend(values.iter().map(|values| format!("values {}", values.replace('"', ""))));
            format!("With slack; seen were {}.", parts.join(" and "))
        }
    }
}

/// Ports in a rule's name, with what they are commonly for.
pub(super) fn ports_said(carrier: &str, ports: &[(u16, u16)]) -> String {
    let one = |(first, last): &(u16, u16)| {
        let number = if first == last { first.to_string() } else { format!("{first}-{last}") };
        match SERVICES.iter().find(|(port, _)| port == first && first == last) {
            Some((_, name)) => format!("{carrier} {number} ({name})"),
            None => format!("{carrier} {number}"),
        }
    };
    let said: Vec<String> = ports.iter().map(one).collect();
    match said.as_slice() {
        [one, rest @ ..] if rest.len() > 2 => format!("{one} and {} more ports", rest.len()),
        said => and(said),
    }
}

/// What ports that are met in plants are commonly for.
const SERVICES: [(u16, &str); 44] = [
    (20, "FTP data"),
    (21, "FTP"),
    (22, "SSH"),
    (23, "Telnet"),
    (25, "mail"),
    (53, "DNS"),
    (67, "DHCP"),
    (68, "DHCP"),
    (69, "TFTP"),
    (80, "HTTP"),
    (102, "S7 or MMS"),
    (123, "NTP"),
    (135, "Windows RPC"),
    (137, "NetBIOS names"),
    (138, "NetBIOS datagrams"),
    (139, "NetBIOS sessions"),
    (161, "SNMP"),
    (162, "SNMP traps"),
    (319, "PTP"),
    (320, "PTP"),
    (389, "LDAP"),
    (443, "HTTPS"),
    (445, "Windows file sharing"),
    (502, "Modbus"),
    (514, "syslog"),
    (546, "DHCPv6"),
    (547, "DHCPv6"),
    (1433, "SQL Server"),
    (1434, "SQL Server"),
    (1900, "SSDP"),
    (2222, "EtherNet/IP I/O"),
    (2404, "IEC 60870-5-104"),
    (3389, "Remote Desktop"),
    (3702, "WS-Discovery"),
    (4712, "C37.118"),
    (4713, "C37.118"),
    (4840, "OPC UA"),
    (5353, "mDNS"),
    (5355, "LLMNR"),
    (5900, "VNC"),
    (20000, "DNP3"),
    (34964, "PROFINET"),
    (44818, "EtherNet/IP"),
    (47808, "BACnet"),
];

pub(super) fn ethernet_name(kind: u16) -> String {
    match kind {
        0x8892 => "PROFINET (EtherType 0x8892)".to_owned(),
        0x88a4 => "EtherCAT (EtherType 0x88a4)".to_owned(),
        0x88b8 => "GOOSE (EtherType 0x88b8)".to_owned(),
        0x88ba => "sampled values (EtherType 0x88ba)".to_owned(),
        0x88f7 => "PTP (EtherType 0x88f7)".to_owned(),
        other => format!("EtherType {other:#06x}"),
    }
}
