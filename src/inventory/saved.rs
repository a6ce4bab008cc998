//! The inventory, taken apart into rows that a store keeps, and put together again after a restart.
//!
//! A row has text and numbers only. Rows are asked for in small portions ([`Inventory::touched`] says which,
//! [`Inventory::rows`] makes them), so that nobody holds the inventory for long.

use super::conversation::{Key, Record};
use super::device::Host;
use super::identity::{Identity, IdentityKey};
use super::points::{Point, PointKey};
use super::reading::{Span, widen};
use super::saved_forms::{HostForm, IdentityForm, PointForm, RecordForm};
use super::stock::Inventory;
use crate::address::{Address, Transport};
use crate::event::{Space, Vocabulary};
use serde::Serialize;

/// One thing that an inventory knows, by its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Touched {
    /// A device.
    Device(Address),
    /// A conversation.
    Conversation(Key),
    /// Neighbouring points.
    Points(PointKey),
    /// What a device says of itself.
    Identity(IdentityKey),
}

/// One thing that an inventory knows, copied, to be written out.
#[derive(Clone, Debug)]
pub struct Row(Inside);

#[derive(Clone, Debug)]
enum Inside {
    Device(Address, Host),
    Conversation(Key, Box<Record>),
    Point(PointKey, &'static Vocabulary, Box<Point>),
    Identity(IdentityKey, Identity),
}

/// The same as text and numbers. `record` is JSON; times are nanoseconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SavedRow {
    /// A device.
    Device {
        /// Its address.
        address: String,
        /// When it was first and last seen.
        seen: Option<(i64, i64)>,
        /// The rest.
        record: String,
    },
    /// A conversation.
    Conversation {
        /// Who asks.
        client: String,
        /// Who answers.
        server: String,
        /// What carries it.
        transport: String,
        /// The protocol; empty for none of ours.
        proto: String,
        /// The server's port, for none of ours; else 0.
        port: u16,
        /// Whether it is known who asks.
        placed: bool,
        /// When it was first and last seen.
        seen: Option<(i64, i64)>,
        /// The rest.
        record: String,
    },
    /// A point.
    Point {
        /// Where the device is.
        server: String,
        /// The protocol.
        proto: String,
        /// The device behind the address.
        device: Option<u32>,
        /// The kind of point.
        space: u16,
        /// Its index.
        index: u32,
        /// When it was first and last seen.
        seen: Option<(i64, i64)>,
        /// The rest.
        record: String,
    },
    /// What a device says of itself.
    Identity {
        /// Where the device is.
        server: String,
        /// The protocol.
        proto: String,
        /// The device behind the address.
        device: Option<u32>,
        /// When something was said last.
        last: Option<i64>,
        /// The rest.
        record: String,
    },
}

fn seen(span: Option<Span>) -> Option<(i64, i64)> {
    span.map(|span| (span.first.nanos, span.last.nanos))
}

fn json(form: &impl Serialize) -> String {
    // Forms are plain structures with text for keys, which cannot fail.
    serde_json::to_string(form).unwrap_or_default()
}

fn transport_text(transport: Transport) -> String {
    match transport {
        Transport::Tcp => "tcp".into(),
        Transport::Udp => "udp".into(),
        Transport::Ip(number) => format!("ip {number}"),
        Transport::Ethernet(number) => format!("ethernet {number}"),
    }
}

fn transport_of(text: &str) -> Option<Transport> {
    match text.split_once(' ') {
        None if text == "tcp" => Some(Transport::Tcp),
        None if text == "udp" => Some(Transport::Udp),
        Some(("ip", number)) => number.parse().ok().map(Transport::Ip),
        Some(("ethernet", number)) => number.parse().ok().map(Transport::Ethernet),
        _ => None,
    }
}

impl Row {
    /// As text and numbers; `words` are those of all protocols, by their place.
    pub fn saved(&self, words: &[&'static Vocabulary]) -> Option<SavedRow> {
        let name = |id: u8| Some(words.get(usize::from(id))?.name.to_owned());
        Some(match &self.0 {
            Inside::Device(address, host) => SavedRow::Device {
                address: address.to_string(),
                seen: seen(host.span),
                record: json(&HostForm::from(host)),
            },
            Inside::Conversation(key, record) => SavedRow::Conversation {
                client: key.client.to_string(),
                server: key.server.to_string(),
                transport: transport_text(key.transport),
                proto: key.proto.map_or(Some(String::new()), name)?,
                port: key.port,
                placed: key.placed,
                seen: seen(record.span),
                record: json(&RecordForm::from(&**record)),
            },
            Inside::Point(key, words, point) => SavedRow::Point {
                server: key.server.to_string(),
                proto: words.name.to_owned(),
                device: key.device,
                space: key.space.0,
                index: key.index,
                seen: seen(point.span),
                record: json(&PointForm::from(&**point)),
            },
            Inside::Identity(key, identity) => SavedRow::Identity {
                server: key.server.to_string(),
                proto: identity.words.name.to_owned(),
                device: key.device,
                last: identity.last().map(|(at, _)| at.ts.nanos),
                record: json(&IdentityForm::from(identity)),
            },
        })
    }
}

impl Inventory {
    /// What was seen at or after this time, in nanoseconds since 1970, but for points.
    pub fn touched(&self, since: i64) -> Vec<Touched> {
        let hosts = self.hosts.iter().filter(|(_, host)| host.touched >= since);
        let talks = self.conversations.iter().filter(|(_, record)| record.touched >= since);
        let said = self.identities.iter().filter(|(_, identity)| identity.touched() >= since);
        let mut all: Vec<Touched> = hosts.map(|(address, _)| Touched::Device(*address)).collect();
        all.extend(talks.map(|(key, _)| Touched::Conversation(*key)));
        all.extend(said.map(|(key, _)| Touched::Identity(*key)));
        all
    }

    /// Points that were seen at or after this time, in nanoseconds since 1970.
    pub fn touched_points(&self, since: i64) -> Vec<Touched> {
        self.points.touched(since).into_iter().map(Touched::Points).collect()
    }

    /// Copies these. What has been forgotten meanwhile is left out.
    pub fn rows(&self, of: &[Touched]) -> Vec<Row> {
        let mut rows = Vec::with_capacity(of.len());
        for touched in of {
            match touched {
                Touched::Device(address) => {
                    let found = self.hosts.get(address);
                    rows.extend(found.map(|host| Inside::Device(*address, host.clone())));
                }
                Touched::Conversation(key) => {
                    let found = self.conversations.get(key);
                    rows.extend(found.map(|record| Inside::Conversation(*key, Box::new(record.clone()))));
                }
                Touched::Identity(key) => {
                    let found = self.identities.get(key);
                    rows.extend(found.map(|identity| Inside::Identity(*key, identity.clone())));
                }
                Touched::Points(block) => {
                    let points = self.points.of_block(block).into_iter();
                    rows.extend(points.map(|(key, words, point)| Inside::Point(key, words, Box::new(point))));
                }
            }
        }
        rows.into_iter().map(Row).collect()
    }

    /// Takes back what was kept; `false` where it cannot be understood or there is no room for it. `words` are those of
    /// all protocols, by their place.
    pub fn restore(&mut self, row: SavedRow, words: &[&'static Vocabulary]) -> bool {
        self.restored(row, words).is_some()
    }

    fn restored(&mut self, row: SavedRow, words: &[&'static Vocabulary]) -> Option<()> {
        let named = |name: &str| words.iter().copied().find(|words| words.name == name);
        match row {
            SavedRow::Device { address, record, .. } => {
                let host = serde_json::from_str::<HostForm>(&record).ok()?.host();
                let address: Address = address.parse().ok()?;
                let room = self.hosts.len() < self.limits.devices;
                widen(&mut self.span, host.span);
                room.then(|| self.hosts.insert(address, host))?;
                Some(())
            }
            SavedRow::Conversation { client, server, transport, proto, port, placed, record, .. } => {
                let words = if proto.is_empty() { None } else { Some(named(&proto)?) };
                let key = Key {
                    client: client.parse().ok()?,
                    server: server.parse().ok()?,
                    transport: transport_of(&transport)?,
                    proto: words.map(|words| words.id),
                    port,
                    placed,
                };
                let form = serde_json::from_str::<RecordForm>(&record).ok()?;
                let room = self.conversations.len() < self.limits.conversations;
                room.then(|| self.conversations.insert(key, form.record(words, self.limits.units)))?;
                Some(())
            }
            SavedRow::Point { server, proto, device, space, index, record, .. } => {
                let words = named(&proto)?;
                let server = server.parse().ok()?;
                let key = PointKey { server, proto: words.id, device, space: Space(space), index };
                let point = serde_json::from_str::<PointForm>(&record).ok()?.point();
                let room = self.points.len() < self.limits.points;
                room.then(|| self.points.join(&vec![(key, words, point)]))
            }
            SavedRow::Identity { server, proto, device, record, .. } => {
                let words = named(&proto)?;
                let key = IdentityKey { server: server.parse().ok()?, proto: words.id, device };
                let identity = serde_json::from_str::<IdentityForm>(&record).ok()?.identity(words);
                let room = self.identities.len() < self.limits.identities;
                room.then(|| self.identities.insert(key, identity))?;
                Some(())
            }
        }
    }
}
