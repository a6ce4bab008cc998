//! The inventory as one JSON document; docs/analysts.md describes it.

use super::conversation::{Key, Record};
use super::device::Device;
use super::points::{Point, PointKey, Said};
use super::reading::{Reading, Span, Stamp};
use super::stock::{Inventory, Names};
use crate::address::{Address, Timestamp, Transport};
use crate::event::{About, Array, Json, Kind, Object, OwnedValue, PointRange, Verb, Vocabulary};

/// A part of the inventory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The devices.
    Devices,
    /// The conversations.
    Conversations,
    /// The points.
    Points,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 3] = [Part::Devices, Part::Conversations, Part::Points];
}

impl Inventory {
    /// Appends one JSON document with these parts; of one address only, where one is given.
    pub fn write_json(&self, parts: &[Part], of: Option<Address>, names: &dyn Names, out: &mut Vec<u8>) {
        let has = |part| parts.contains(&part);
        Json::new(out).object(|o| {
            o.int("version", Some(1));
            write_span(self.span(), o);
            if has(Part::Devices) {
                let devices = self.devices(names);
                let wanted = |device: &&Device| of.is_none_or(|of| device.address == of);
                o.key("devices").array(|a| devices.iter().filter(wanted).for_each(|d| write_device(d, a)));
            }
            if has(Part::Conversations) {
                let all = self.conversations();
                let wanted = |key: &Key| of.is_none_or(|of| key.client == of || key.server == of);
                o.key("conversations").array(|a| {
                    all.iter().filter(|(key, _)| wanted(key)).for_each(|(key, record)| {
                        write_conversation(key, record, names, a);
                    });
                });
            }
            if has(Part::Points) {
                o.key("points").array(|a| {
                    for (key, words, point) in self.points(of) {
                        write_point(&key, words, point, names, a);
                    }
                });
            }
            let forgotten = self.forgotten();
            o.key("forgotten").object(|o| {
                o.int("devices", Some(forgotten.devices));
                o.int("conversations", Some(forgotten.conversations));
                o.int("units", Some(forgotten.units));
                o.int("points", Some(forgotten.points));
                o.int("identities", Some(forgotten.identities));
            });
        });
    }
}

fn write_time(ts: Option<Timestamp>, json: Json<'_>) {
    match ts {
        Some(ts) => json.word(ts.format(&mut [0; 40])),
        None => json.null(),
    }
}

fn write_span(span: Option<Span>, o: &mut Object<'_>) {
    write_time(span.map(|span| span.first), o.key("first_seen"));
    write_time(span.map(|span| span.last), o.key("last_seen"));
}

fn write_stamp(at: Stamp, o: &mut Object<'_>) {
    write_time(Some(at.ts), o.key("ts"));
    o.int("frame", Some(at.frame).filter(|frame| *frame > 0));
}

fn write_name(name: Option<&str>, json: Json<'_>) {
    match name {
        Some(name) => json.str(name),
        None => json.null(),
    }
}

fn write_said(value: Option<&OwnedValue>, json: Json<'_>) {
    match value {
        Some(value) => json.value(value.value()),
        None => json.null(),
    }
}

fn write_device(device: &Device, a: &mut Array<'_>) {
    a.item().object(|o| {
        o.key("address").display(&device.address);
        write_name(device.name.as_deref(), o.key("name"));
        o.key("macs").array(|a| device.macs.iter().for_each(|mac| a.item().display(&mac)));
        o.bool("shares_mac", device.shares_mac);
        write_name(device.vendor, o.key("vendor"));
        o.key("vlans").array(|a| device.vlans.iter().for_each(|vlan| a.item().int(vlan)));
        o.key("roles").array(|a| {
            for reason in &device.roles {
                a.item().object(|o| {
                    o.word("role", reason.role.name());
                    o.key("because").str(&reason.because);
                });
            }
        });
        o.key("protocols").array(|a| device.protocols.iter().for_each(|words| a.item().word(words.name)));
        o.key("serves").array(|a| {
            for served in &device.serves {
                a.item().object(|o| {
                    o.word("proto", served.words.name);
                    o.word("kind", served.words.device_key);
                    o.int("device", Some(served.device));
                    o.int("asked", Some(served.asked));
                    o.int("answered", Some(served.answered));
                    o.int("reports", Some(served.reports));
                    o.int("absent", Some(served.absent));
                });
            }
        });
        o.key("identification").array(|a| {
            for identified in &device.identities {
                a.item().object(|o| {
                    o.word("proto", identified.identity.words.name);
                    o.int("device", identified.device);
                    write_said(identified.about(About::Vendor), o.key("vendor"));
                    write_said(identified.about(About::Product), o.key("product"));
                    write_said(identified.about(About::Revision), o.key("revision"));
                    write_said(identified.about(About::Serial), o.key("serial"));
                    if let Some((at, by)) = identified.read() {
                        write_stamp(at, o);
                        o.key("read_by").display(&by);
                    }
                    o.key("objects").array(|a| {
                        for statement in &identified.identity.statements {
                            let Some((_, value, _)) = &statement.said else { continue };
                            a.item().object(|o| {
                                o.int("id", Some(statement.id));
                                write_name(statement.name, o.key("name"));
                                o.key("value").value(value.value());
                            });
                        }
                    });
                });
            }
        });
        o.key("commanded_by").array(|a| {
            for commander in &device.commanders {
                a.item().object(|o| {
                    o.key("address").display(&commander.address);
                    o.word("proto", commander.words.name);
                    o.int("commands", Some(commander.count));
                    write_stamp(commander.last, o);
                });
            }
        });
        o.int("sent", Some(device.sent));
        o.int("received", Some(device.received));
        write_span(device.span, o);
    });
}

/// What carries a conversation, as events and rules say it.
pub fn transport(transport: Transport) -> String {
    match transport {
        Transport::Tcp => "tcp".into(),
        Transport::Udp => "udp".into(),
        Transport::Ip(number) => format!("ip-{number}"),
        Transport::Ethernet(kind) => format!("ethertype-{kind:#06x}"),
    }
}

fn write_conversation(key: &Key, record: &Record, names: &dyn Names, a: &mut Array<'_>) {
    a.item().object(|o| {
        for (side, address) in [("client", key.client), ("server", key.server)] {
            o.key(side).display(&address);
        }
        for (side, at, address) in [("client_name", 0, key.client), ("server_name", 1, key.server)] {
            let name = names.host(address, record.macs[at].first(), record.vlans.first());
            write_name(name.as_deref(), o.key(side));
        }
        o.bool("client_known", key.placed);
        o.key("transport").str(&transport(key.transport));
        match record.words {
            Some(words) => o.word("proto", words.name),
            None => o.key("proto").null(),
        }
        match record.service() {
            Some((port, at_server)) => {
                o.int("port", Some(port));
                o.bool("port_of_server", at_server);
            }
            None => o.key("port").null(),
        }
        o.key("vlans").array(|a| record.vlans.iter().for_each(|vlan| a.item().int(vlan)));
        o.int("client_sent", Some(record.sent[0]));
        o.int("server_sent", Some(record.sent[1]));
        o.key("verbs").object(|o| {
            for verb in Verb::ALL.into_iter().filter(|verb| record.count(*verb) > 0) {
                o.int(verb.name(), Some(record.count(verb)));
            }
        });
        o.key("kinds").object(|o| {
            for kind in Kind::ALL.into_iter().filter(|kind| record.of_kind(*kind) > 0) {
                o.int(kind.name(), Some(record.of_kind(kind)));
            }
        });
        o.int("commands", Some(record.commands()));
        match record.command {
            Some(at) => o.key("last_command").object(|o| write_stamp(at, o)),
            None => o.key("last_command").null(),
        }
        o.int("unanswered", Some(record.unanswered));
        o.int("exceptions", Some(record.exceptions));
        o.key("refusals").array(|a| {
            for refusal in &record.refusals {
                a.item().object(|o| {
                    o.int("code", Some(refusal.code));
                    o.word("name", refusal.name);
                    o.int("count", Some(refusal.count));
                });
            }
        });
        let micros = |nanos: Option<u64>| nanos.map(|nanos| nanos / 1_000);
        o.key("response_us").object(|o| {
            o.int("count", Some(record.latency.count()));
            o.int("mean", micros(record.latency.mean()));
            o.int("p50", micros(record.latency.percentile(50)));
            o.int("p95", micros(record.latency.percentile(95)));
            o.int("max", micros(record.latency.longest()));
        });
        o.key("units").array(|a| record.units.iter().for_each(|unit| a.item().int(unit.device)));
        write_span(record.span, o);
    });
}

/// One point as a range of its own, for the words of its protocol.
pub fn range(key: &PointKey) -> PointRange {
    PointRange {
        space: key.space,
        variant: 0,
        first: key.index,
        last: key.index,
        verb: Verb::Read,
        valued: false,
    }
}

fn write_reading(value: &Reading, json: Json<'_>) {
    json.value(value.value());
}

fn write_point(
    key: &PointKey,
    words: &'static Vocabulary,
    point: &Point,
    names: &dyn Names,
    a: &mut Array<'_>,
) {
    let said = |said: &Said, by: &str, o: &mut Object<'_>| {
        write_reading(&said.value, o.key("value"));
        write_stamp(said.at, o);
        o.key(by).display(&said.by);
    };
    a.item().object(|o| {
        o.key("address").display(&key.server);
        o.word("proto", words.name);
        o.int("device", key.device);
        o.key("space").display(&words.space_name(key.space));
        o.int("index", Some(key.index));
        write_name(names.point(key).as_deref(), o.key("name"));
        match point.last() {
            Some((last, written)) => {
                write_reading(&last.value, o.key("value"));
                write_time(Some(last.at.ts), o.key("ts"));
                o.word("how", if written { "written" } else { "read" });
            }
            None => o.key("value").null(),
        }
        o.int("reads", Some(point.reads));
        o.int("writes", Some(point.writes));
        o.int("refused", Some(point.refused));
        match &point.read {
            Some(read) => o.key("last_read").object(|o| said(read, "from", o)),
            None => o.key("last_read").null(),
        }
        match &point.written {
            Some(written) => o.key("last_written").object(|o| said(written, "by", o)),
            None => o.key("last_written").null(),
        }
        match point.range {
            Some((low, high)) => {
                number(low, o.key("min"));
                number(high, o.key("max"));
            }
            None => {
                o.key("min").null();
                o.key("max").null();
            }
        }
        o.key("recent").array(|a| {
            for sample in &point.recent {
                a.item().array(|a| {
                    // Milliseconds since 1970, as charts want them.
                    a.item().int(sample.nanos.div_euclid(1_000_000));
                    number(sample.value, a.item());
                });
            }
        });
        write_span(point.span, o);
    });
}

/// A number; whole ones without a decimal point.
fn number(value: f64, json: Json<'_>) {
    if value.fract() == 0.0 && value.abs() < 9e15 { json.int(value as i64) } else { json.float(value) }
}
