//! What several formats say of an alert in the same way.

use crate::address::{Address, Endpoint, Mac, Timestamp, Transport};
use crate::alert::{Alert, AlertKind, AlertPoints, Kept};
use crate::event::{Flow, Value};
use std::fmt::Write as _;
use std::net::IpAddr;

/// A headline for each kind, the same for every alert of the kind.
pub(super) fn title(kind: AlertKind) -> &'static str {
    match kind {
        AlertKind::NotAllowed => "Control message that no rule allows",
        AlertKind::Denied => "Message that a rule forbids",
        AlertKind::Malformed => "Control message that cannot be decoded in full",
        AlertKind::NewConversation => "Conversation that no rule allows",
        AlertKind::Missing => "Expected message that does not come",
    }
}

/// Whether the alert's protocol is a control protocol, and not the carrier of another conversation.
pub(super) fn application(alert: &Alert) -> Option<&'static str> {
    Some(alert.proto).filter(|proto| !matches!(*proto, "tcp" | "udp" | "icmp" | "ip" | "ethernet"))
}

/// What carried the message, where the alert tells: by its protocol, or by its Community ID, which is made from the
/// number of the carrier, too.
pub(super) fn transport(alert: &Alert) -> Option<Transport> {
    match alert.proto {
        "tcp" => return Some(Transport::Tcp),
        "udp" => return Some(Transport::Udp),
        "icmp" if matches!(alert.src.address, Address::V6(_)) => return Some(Transport::Ip(58)),
        "icmp" => return Some(Transport::Ip(1)),
        _ => {}
    }
    let id = alert.community_id.as_deref()?;
    let fits = |transport: &Transport| Flow::new(alert.src, alert.dst, *transport).community_id() == Some(id);
    [Transport::Tcp, Transport::Udp].into_iter().find(fits)
}

/// The name of a carrier in lower case, as IANA has it.
pub(super) fn transport_name(transport: Transport) -> Option<&'static str> {
    match transport {
        Transport::Tcp => Some("tcp"),
        Transport::Udp => Some("udp"),
        Transport::Ip(1) => Some("icmp"),
        Transport::Ip(58) => Some("ipv6-icmp"),
        Transport::Ip(_) | Transport::Ethernet(_) => None,
    }
}

/// An end taken apart.
#[derive(Clone, Copy)]
pub(super) struct End {
    pub ip: Option<IpAddr>,
    pub mac: Option<Mac>,
    /// `None` where the protocol has no ports.
    pub port: Option<u16>,
}

impl From<Endpoint> for End {
    fn from(end: Endpoint) -> End {
        let mac = match end.address {
            Address::Mac(mac) => Some(mac),
            Address::V4(_) | Address::V6(_) => None,
        };
        End { ip: end.address.ip(), mac, port: Some(end.port).filter(|port| *port > 0) }
    }
}

/// 4 or 6, where the ends have addresses of IP.
pub(super) fn ip_version(alert: &Alert) -> Option<u8> {
    match alert.src.address {
        Address::V4(_) => Some(4),
        Address::V6(_) => Some(6),
        Address::Mac(_) => None,
    }
}

/// Milliseconds since 1970.
pub(super) fn millis(ts: Timestamp) -> i64 {
    ts.nanos.div_euclid(1_000_000)
}

/// The same time with so many digits of the second.
pub(super) fn rounded(ts: Timestamp, digits: u8) -> Timestamp {
    Timestamp { nanos: ts.nanos, digits }
}

/// A run of points as rules write them: `holding:100-103`.
pub(super) fn points(points: &AlertPoints) -> String {
    match points.range {
        None => points.space.clone(),
        Some((first, last)) if first == last => format!("{}:{first}", points.space),
        Some((first, last)) => format!("{}:{first}-{last}", points.space),
    }
}

/// A value as text: octets in hexadecimal, text from the wire with U+FFFD for what is not UTF-8.
pub(super) fn value(kept: &Kept) -> String {
    match kept.value() {
        Value::Bool(on) => on.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Name(word) => word.to_owned(),
        Value::Text(octets) => String::from_utf8_lossy(octets).into_owned(),
        Value::Bytes(octets) => octets.iter().fold(String::new(), |mut text, octet| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{octet:02x}");
            text
        }),
    }
}

/// The page of a technique or tactic.
pub(super) fn reference(kind: &str, id: &str) -> String {
    format!("https://attack.mitre.org/{kind}/{id}/")
}

/// Whether this is written like the id of a technique: nothing else goes into an address of a page.
pub(super) fn is_technique(id: &str) -> bool {
    let digits = id.strip_prefix('T').unwrap_or_default();
    let (number, sub) = digits.split_once('.').map_or((digits, None), |(number, sub)| (number, Some(sub)));
    let all =
        |text: &str, count: usize| text.len() == count && text.bytes().all(|digit| digit.is_ascii_digit());
    all(number, 4) && sub.is_none_or(|sub| all(sub, 3))
}
