//! Frames made to measure, and a pipeline that remembers what it made of them.

use etherparse::PacketBuilder;
use std::sync::{Arc, Mutex};
use wayside::address::Timestamp;
use wayside::alert::{Alert, Desk, Grouping};
use wayside::capture::{Frame, Link};
use wayside::event::{Event, Kind};
use wayside::policy::Verdict;
use wayside::sensor::pipeline::{self, Observer, Parts, Pipeline, Unspoken};
use wayside::stream::Counters;

/// SCADA reads from the PLC; all else alerts.
pub const RULES: &str = r#"
version = 1
[hosts]
scada = ["10.0.0.1", "fd00::1"]
plc = ["10.0.0.2", "fd00::2"]
[[allow]]
name = "SCADA polls the PLC"
from = "scada"
to = "plc"
protocol = "modbus"
may = ["read"]
[defaults]
control-traffic = "deny"
other-traffic = "deny"
"#;

/// Reads holding register 10.
pub fn read(transaction: u8) -> [u8; 12] {
    [0, transaction, 0, 0, 0, 6, 1, 3, 0, 10, 0, 1]
}

/// Writes 900 to holding register 9.
pub fn write(transaction: u8) -> [u8; 12] {
    [0, transaction, 0, 0, 0, 6, 1, 6, 0, 9, 3, 0x84]
}

/// The answer to [`read`].
pub fn answer(transaction: u8) -> [u8; 11] {
    [0, transaction, 0, 0, 0, 5, 1, 3, 2, 0, 77]
}

/// The initial sequence numbers of SCADA and of the PLC.
pub const SCADA: u32 = 1_000_000;
pub const PLC: u32 = 5_000_000;

/// One TCP segment.
#[derive(Clone)]
pub struct Segment {
    pub from_plc: bool,
    pub seq: u32,
    pub ack: Option<u32>,
    /// Of S, F, R, P, U.
    pub flags: &'static str,
    pub ttl: u8,
    pub data: Vec<u8>,
    pub port: u16,
}

/// What SCADA sends, this many octets after its SYN; it has had everything from the PLC up to `PLC + 1`.
pub fn scada(place: u32, data: &[u8]) -> Segment {
    Segment {
        from_plc: false,
        seq: SCADA.wrapping_add(1).wrapping_add(place),
        ack: Some(PLC + 1),
        flags: "P",
        ttl: 64,
        data: data.to_vec(),
        port: 40_000,
    }
}

/// What the PLC sends; it has had this many octets from SCADA.
pub fn plc(place: u32, had: u32, data: &[u8]) -> Segment {
    Segment { from_plc: true, seq: PLC + 1 + place, ack: Some(SCADA + 1 + had), ..scada(0, data) }
}

impl Segment {
    /// As an IPv4 packet.
    pub fn ip(&self) -> Vec<u8> {
        let (mut src, mut dst) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        let (mut from, mut to) = (self.port, 502);
        if self.from_plc {
            (src, dst, from, to) = (dst, src, to, from);
        }
        let mut builder = PacketBuilder::ipv4(src, dst, self.ttl).tcp(from, to, self.seq, 8192);
        if let Some(ack) = self.ack {
            builder = builder.ack(ack);
        }
        for flag in self.flags.chars() {
            builder = match flag {
                'S' => builder.syn(),
                'F' => builder.fin(),
                'R' => builder.rst(),
                'P' => builder.psh(),
                'U' => builder.urg(self.data.len() as u16),
                other => panic!("{other} is no flag"),
            };
        }
        let mut out = Vec::new();
        builder.write(&mut out, &self.data).unwrap();
        out
    }

    /// With a TCP checksum that does not fit.
    pub fn bad(&self) -> Vec<u8> {
        let mut packet = self.ip();
        packet[36] ^= 0x55;
        packet
    }

    /// With other flags.
    pub fn flags(mut self, flags: &'static str) -> Segment {
        self.flags = flags;
        self
    }

    /// With another time to live.
    pub fn ttl(mut self, ttl: u8) -> Segment {
        self.ttl = ttl;
        self
    }
}

/// In an Ethernet frame with these tags, the outer one first.
pub fn ethernet(tags: &[(u16, u16)], packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    for (kind, vlan) in tags {
        frame.extend(kind.to_be_bytes());
        frame.extend(vlan.to_be_bytes());
    }
    frame.extend(if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [8, 0] });
    frame.extend(packet);
    frame
}

/// Sets the checksum of an IPv4 header.
pub fn reseal(packet: &mut [u8]) {
    let length = usize::from(packet[0] & 15) * 4;
    packet[10..12].fill(0);
    let mut sum: u32 =
        packet[..length].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    packet[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

/// The octets `from..to` of an IPv4 packet's payload as a fragment of it.
pub fn fragment(packet: &[u8], from: usize, to: usize) -> Vec<u8> {
    forged(packet, from, to < packet.len() - 20, &packet[20 + from..20 + to])
}

/// A fragment of an IPv4 packet with these octets.
pub fn forged(packet: &[u8], from: usize, more: bool, octets: &[u8]) -> Vec<u8> {
    let mut out = packet[..20].to_vec();
    out[2..4].copy_from_slice(&(20 + octets.len() as u16).to_be_bytes());
    let place = (from / 8) as u16 | if more { 0x2000 } else { 0 };
    out[6..8].copy_from_slice(&place.to_be_bytes());
    out.extend(octets);
    reseal(&mut out);
    out
}

/// Remembers what was decoded.
struct Notes(Arc<Mutex<Vec<String>>>);

impl Observer for Notes {
    fn event(&mut self, event: &Event<'_>, _: Option<&Verdict>) {
        let point = event.points.first().map(|range| format!(" {}", range.first)).unwrap_or_default();
        let text = match (event.kind, event.fault) {
            _ if event.frame == 0 => return,
            (Kind::Malformed, Some(fault)) => format!("malformed {}", fault.label),
            (Kind::Response, _) => match event.request {
                Some(_) => format!("answer to {}{point}", event.verb.name()),
                None => "answer".to_owned(),
            },
            _ => format!("{}{point}", event.verb.name()),
        };
        self.0.lock().unwrap().push(text);
    }

    fn conversation(&mut self, seen: &Unspoken<'_>, _: Option<&Verdict>) {
        self.0.lock().unwrap().push(format!("conversation {:?}", seen.flow.transport));
    }
}

/// The sensor.
pub struct Sensor {
    pub pipe: Pipeline,
    said: Arc<Mutex<Vec<String>>>,
    alerts: Arc<Mutex<Vec<String>>>,
    frames: u64,
    now: i64,
}

impl Sensor {
    pub fn new() -> Sensor {
        Sensor::with(RULES)
    }

    pub fn with(rules: &str) -> Sensor {
        let rules =
            wayside::policy::parse("r.toml", rules, &wayside::protocol::vocabularies()).unwrap().rules;
        let (said, alerts) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let kept = alerts.clone();
        let mut pipe = Pipeline::new(Parts {
            flows: Default::default(),
            fragments: 1 << 20,
            tally: pipeline::tally(None),
            rules: Some(Arc::new(rules)),
            desk: Desk::new(Grouping::None, "test"),
            emit: Box::new(move |alert: Alert| kept.lock().unwrap().push(alert.summary)),
            events: None,
        });
        pipe.observe(Box::new(Notes(said.clone())));
        Sensor { pipe, said, alerts, frames: 0, now: 0 }
    }

    /// With a connection opened by SCADA.
    pub fn connected() -> Sensor {
        let mut sensor = Sensor::new();
        sensor.connect();
        sensor
    }

    pub fn connect(&mut self) {
        self.segment(&Segment { seq: SCADA, ack: None, ..scada(0, &[]) }.flags("S"));
        self.segment(&Segment { seq: PLC, ..plc(0, 0, &[]) }.flags("S"));
        self.segment(&scada(0, &[]).flags(""));
    }

    fn frame(&mut self, link: Link, data: &[u8]) {
        self.frames += 1;
        self.now += 1_000_000;
        let (ts, number) = (Timestamp::from_nanos(self.now), self.frames);
        self.pipe.frame(&Frame { ts, number, source: 0, link, wire_len: data.len() as u32, data });
    }

    /// Takes a raw IP packet.
    pub fn ip(&mut self, packet: &[u8]) {
        self.frame(Link::RawIp, packet);
    }

    /// Takes an Ethernet frame.
    pub fn ethernet(&mut self, frame: &[u8]) {
        self.frame(Link::Ethernet, frame);
    }

    pub fn segment(&mut self, segment: &Segment) {
        self.ip(&segment.ip());
    }

    /// Takes segments in this order.
    pub fn segments(&mut self, segments: &[Segment]) {
        segments.iter().for_each(|segment| self.segment(segment));
    }

    /// Lets milliseconds pass.
    pub fn wait(&mut self, milliseconds: i64) {
        self.now += milliseconds * 1_000_000;
    }

    /// What was decoded since this was last asked.
    pub fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said.lock().unwrap())
    }

    /// Writes that raised an alert since this was last asked.
    pub fn writes(&mut self) -> usize {
        let alerts = std::mem::take(&mut *self.alerts.lock().unwrap());
        alerts.iter().filter(|text| text.contains("wrote 900 to holding register 9 of plc")).count()
    }

    /// Sentences of the alerts since this was last asked.
    pub fn alerts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.alerts.lock().unwrap())
    }

    pub fn counts(&self) -> Counters {
        self.pipe.counts().flows
    }

    pub fn packets(&self) -> wayside::packet::Counters {
        self.pipe.counts().packets
    }

    /// Packets skipped for this reason.
    pub fn skipped(&self, reason: &str) -> u64 {
        pipeline::skipped(&self.packets()).find(|(name, _)| *name == reason).map_or(0, |(_, count)| count)
    }
}
