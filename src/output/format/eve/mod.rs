//! EVE, the JSON records of Suricata: `alert` for alerts, `modbus` and `dnp3` for messages, `anomaly` for messages that
//! cannot be decoded in full. Follows `etc/schema.json` of Suricata; names are those of its own decoders.
//!
//! Suricata writes one `modbus` record for a request and its response together; here each has its own, at the time when
//! it was seen, with `request` or `response` in it: they join by `flow_id` and `transaction_id`.

mod dnp3;
mod modbus;

use super::facts::{self, End};
use crate::address::{Endpoint, Timestamp, Transport};
use crate::alert::{Alert, Severity, Tactic, Technique, technique};
use crate::event::{Event, Json, Kind, Object, Outcome};
use serde_json::Value;

/// The generator (`gid`) of all our alerts: not that of rules, so that no signature of theirs has the number of ours.
pub const GENERATOR: u32 = 8460;

/// The priority and the word for it that rule sets use.
fn severity(severity: Severity) -> (u8, &'static str) {
    match severity {
        Severity::Low => (3, "Minor"),
        Severity::Medium => (2, "Minor"),
        Severity::High => (1, "Major"),
        Severity::Critical => (1, "Critical"),
    }
}

/// What every record begins with.
struct Head<'a> {
    event_type: &'static str,
    ts: Timestamp,
    frame: u64,
    src: Endpoint,
    dst: Endpoint,
    transport: Option<Transport>,
    application: Option<&'a str>,
    community_id: Option<&'a str>,
    sensor: &'a str,
}

impl Head<'_> {
    fn write(&self, o: &mut Object<'_>) {
        let ts = facts::rounded(self.ts, 6);
        let mut text = [0; 40];
        let ts = ts.format(&mut text);
        o.word("timestamp", &format!("{}+0000", ts.strip_suffix('Z').unwrap_or(ts)));
        o.int("flow_id", Some(self.flow_id()));
        o.word("event_type", self.event_type);
        let (src, dst) = (End::from(self.src), End::from(self.dst));
        if let (Some(from), Some(to)) = (src.ip, dst.ip) {
            o.key("src_ip").display(&from);
            ports(o, "src_port", src.port);
            o.key("dest_ip").display(&to);
            ports(o, "dest_port", dst.port);
            o.int("ip_v", Some(if from.is_ipv4() { 4 } else { 6 }));
        } else if let (Some(from), Some(to)) = (src.mac, dst.mac) {
            o.key("ether").object(|o| {
                o.key("src_mac").display(&from);
                o.key("dest_mac").display(&to);
            });
        }
        match self.transport {
            Some(Transport::Tcp) => o.word("proto", "TCP"),
            Some(Transport::Udp) => o.word("proto", "UDP"),
            Some(Transport::Ip(1)) => o.word("proto", "ICMP"),
            Some(Transport::Ip(58)) => o.word("proto", "IPv6-ICMP"),
            Some(Transport::Ip(number)) => o.key("proto").display(&number),
            Some(Transport::Ethernet(_)) | None => {}
        }
        if self.frame > 0 {
            o.int("pcap_cnt", Some(self.frame));
        }
        if let Some(id) = self.community_id {
            o.key("community_id").str(id);
        }
        if let Some(name) = self.application {
            o.word("app_proto", name);
        }
        o.key("host").str(self.sensor);
    }

    /// A number for the conversation: the same in both directions and in every record.
    fn flow_id(&self) -> u64 {
        let hash = match self.community_id {
            Some(id) => hash([id]),
            None => {
                let (low, high) =
                    if self.src < self.dst { (self.src, self.dst) } else { (self.dst, self.src) };
                hash([low.to_string().as_str(), &high.to_string()])
            }
        };
        // What reads JSON numbers as floating-point ones has 53 bits.
        hash & ((1 << 53) - 1)
    }
}

fn ports(o: &mut Object<'_>, key: &str, port: Option<u16>) {
    if let Some(port) = port {
        o.int(key, Some(port));
    }
}

/// FNV-1a (64 bits) of these texts, each ended by a zero octet.
fn hash<'t>(texts: impl IntoIterator<Item = &'t str>) -> u64 {
    let octets = texts.into_iter().flat_map(|text| text.bytes().chain([0]));
    octets.fold(0xcbf2_9ce4_8422_2325, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3))
}

/// Appends an alert.
pub(super) fn alert(alert: &Alert, out: &mut Vec<u8>) {
    let head = Head {
        event_type: "alert",
        ts: alert.ts,
        frame: alert.frame,
        src: alert.src,
        dst: alert.dst,
        transport: facts::transport(alert),
        application: facts::application(alert),
        community_id: alert.community_id.as_deref(),
        sensor: &alert.sensor,
    };
    Json::new(out).object(|o| {
        head.write(o);
        o.key("alert").object(|o| signature(alert, o));
        let message = alert.message.as_deref().and_then(|message| serde_json::from_str(message).ok());
        if let Some(record) = message.as_ref().and_then(Record::of) {
            record.write(o);
        }
    });
}

fn signature(alert: &Alert, o: &mut Object<'_>) {
    let (priority, word) = severity(alert.severity);
    // One number and one text for each kind and rule, as pipelines count by them; what happened is in the metadata.
    let number = hash([alert.kind.name(), alert.rule.as_deref().unwrap_or_default()]) & 0x7fff_ffff;
    let title = facts::title(alert.kind);
    o.word("action", "allowed");
    o.int("gid", Some(GENERATOR));
    o.int("signature_id", Some(number.max(1)));
    o.int("rev", Some(1));
    match &alert.rule {
        Some(rule) => o.key("signature").str(&format!("WAYSIDE {title}: {rule}")),
        None => o.key("signature").str(&format!("WAYSIDE {title}")),
    }
    o.word("category", alert.kind.name());
    o.int("severity", Some(priority));
    let known: Vec<&Technique> = alert.attack.iter().filter_map(|id| technique(id)).collect();
    o.key("metadata").object(|o| {
        let one = |o: &mut Object<'_>, key: &str, text: &str| o.key(key).array(|a| a.item().str(text));
        one(o, "signature_severity", word);
        one(o, "summary", &alert.summary);
        one(o, "wayside_id", &alert.id.to_string());
        one(o, "wayside_severity", alert.severity.name());
        one(o, "wayside_count", &alert.count.to_string());
        one(o, "wayside_incident", &alert.incident.to_string());
        if !alert.points.is_empty() {
            let points = alert.points.iter().map(facts::points);
            o.key("wayside_points").array(|a| points.for_each(|text| a.item().str(&text)));
        }
        if !alert.attack.is_empty() {
            o.key("mitre_technique_id").array(|a| alert.attack.iter().for_each(|id| a.item().str(id)));
        }
        if !known.is_empty() {
            let names = known.iter().map(|technique| technique.name.replace(' ', "_"));
            o.key("mitre_technique_name").array(|a| names.for_each(|name| a.item().str(&name)));
            let mut tactics: Vec<Tactic> =
                known.iter().flat_map(|technique| technique.tactics).copied().collect();
            tactics.sort_unstable();
            tactics.dedup();
            o.key("mitre_tactic_id").array(|a| tactics.iter().for_each(|tactic| a.item().word(tactic.id())));
            let names = tactics.iter().map(|tactic| tactic.name().replace(' ', "_"));
            o.key("mitre_tactic_name").array(|a| names.for_each(|name| a.item().str(&name)));
        }
    });
    if let Some(words) = &alert.rule_words {
        o.key("rule").str(words);
    }
}

/// Appends the record of a message as one line, without a line break, and says whether EVE has one for it: it has none
/// for other protocols, for frames of the link layer alone and for answers that never came. `sensor` is the name of
/// the sensor.
pub fn event(event: &Event<'_>, sensor: &str, out: &mut Vec<u8>) -> bool {
    let application = event.proto.name;
    if !matches!(application, "modbus" | "dnp3") || event.outcome == Some(Outcome::Unanswered) {
        return false;
    }
    let head = |event_type| Head {
        event_type,
        ts: event.ts,
        frame: event.frame,
        src: event.flow.src,
        dst: event.flow.dst,
        transport: Some(event.flow.transport),
        application: Some(application),
        community_id: event.flow.community_id(),
        sensor,
    };
    if event.kind == Kind::Malformed {
        let label = event.fault.map_or("malformed", |fault| fault.label);
        Json::new(out).object(|o| {
            head("anomaly").write(o);
            o.key("anomaly").object(|o| {
                o.word("app_proto", application);
                o.word("type", "applayer");
                o.word("event", &label.to_uppercase().replace('-', "_"));
                o.word("layer", "proto_parser");
            });
        });
        return true;
    }
    let mut written = Vec::new();
    event.write_json(None, &mut written);
    let Ok(value) = serde_json::from_slice::<Value>(&written) else { return false };
    let Some(record) = Record::of(&value) else { return false };
    Json::new(out).object(|o| {
        head(record.name()).write(o);
        record.write(o);
    });
    true
}

/// The part of a record that is the protocol's, made from the event as the log of events has it.
enum Record<'v> {
    Modbus(modbus::Record<'v>),
    Dnp3(dnp3::Record<'v>),
}

impl<'v> Record<'v> {
    fn of(event: &'v Value) -> Option<Record<'v>> {
        match event.get("proto")?.as_str()? {
            "modbus" => modbus::Record::of(event).map(Record::Modbus),
            "dnp3" => dnp3::Record::of(event).map(Record::Dnp3),
            _ => None,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Record::Modbus(_) => "modbus",
            Record::Dnp3(_) => "dnp3",
        }
    }

    fn write(&self, o: &mut Object<'_>) {
        match self {
            Record::Modbus(record) => o.key("modbus").object(|o| record.write(o)),
            Record::Dnp3(record) => o.key("dnp3").object(|o| record.write(o)),
        }
    }
}

/// A member that is a number, where it is one.
fn number(value: &Value, key: &str) -> Option<u64> {
    value.get(key)?.as_u64()
}

/// A member that is a flag; false where it is none.
fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// A member that is a list; empty where it is none.
fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
