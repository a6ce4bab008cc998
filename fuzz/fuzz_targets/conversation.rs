//! Plays an input as one conversation and checks every event that comes of it.
//!
//! The first octet says what is known of the ends: bit 0 a UDP conversation, bits 1 and 2 who opened it (0 and 3
//! nobody knows, 1 A, 2 B), bits 3 and 4 who listens on the protocol's port (likewise). Acts follow, each with a
//! head of three octets: bit 0 the sender, bits 1 to 3 the kind, bits 4 to 7 how much time passes before (from none
//! to hours), then the length of its octets, little-endian, as far as there are that many.

#[path = "written.rs"]
mod written;

use wayside::address::{Endpoint, Side, Timestamp, Transport};
use wayside::event::{Event, Flow};
use wayside::protocol::dnp3::wire::link;
use wayside::protocol::iec104::wire::apci;
use wayside::protocol::{At, Protocol};

/// Most octets on the heap of one conversation. A DNP3 fragment of 64 KiB may be in the making on both sides.
const MEMORY: usize = 1 << 20;

/// Acts played of one input.
const ACTS: u64 = 64;

/// Plays it.
pub fn play(protocol: &Protocol, input: &[u8]) {
    let Some((&ends, mut rest)) = input.split_first() else { return };
    let transport = if ends & 1 == 0 { Transport::Tcp } else { Transport::Udp };
    let port = protocol.tcp_ports.first().copied().unwrap_or(1);
    let a = Endpoint::new(std::net::IpAddr::from([10, 0, 0, 1]), 40_000);
    let b = Endpoint::new(std::net::IpAddr::from([10, 0, 0, 2]), port);
    let flow = Flow::new(a, b, transport);
    let flows = [flow.clone(), flow.reversed()];
    let mut at = At {
        ts: Timestamp::from_micros(1_700_000_000_000_000),
        frame: 0,
        flows: &flows,
        sender: Side::A,
        client: side(ends >> 1),
        server: side(ends >> 3),
    };
    let mut session = (protocol.open)(transport);
    let mut log = Log { thorough: written::is_thorough(input), ..Log::default() };
    let mut sink = |event: &Event<'_>| log.check(event);
    while let Some(([act, low, high], after)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let (octets, after) = after.split_at(length);
        rest = after;
        if at.frame == ACTS {
            break;
        }
        at.frame += 1;
        at.sender = if act & 1 == 0 { Side::A } else { Side::B };
        at.ts.nanos += (1 << ((act >> 4) * 3)) - 1;
        match (act >> 1) & 7 {
            0..=3 => session.stream(&at, octets, &mut sink),
            // A link frame with good CRCs, which no mutation would find, or a unit as long as it says.
            4 | 5 if protocol.words.name == "iec104" => session.stream(&at, &unit(octets), &mut sink),
            4 | 5 => session.stream(&at, &framed(octets), &mut sink),
            6 => session.datagram(&at, octets, &mut sink),
            _ => session.gap(&at, length as u64, &mut sink),
        }
        assert!(session.memory() <= MEMORY, "{} octets on the heap", session.memory());
    }
    session.close(&at, &mut sink);
}

fn side(bits: u8) -> Option<Side> {
    match bits & 3 {
        1 => Some(Side::A),
        2 => Some(Side::B),
        _ => None,
    }
}

/// A DNP3 link frame: five octets of control and addresses, then user data, as much as one takes.
fn framed(octets: &[u8]) -> Vec<u8> {
    let octets = octets.get(..5 + link::MAX_USER_DATA).unwrap_or(octets);
    let (fields, data) = octets.split_at(octets.len().min(5));
    let mut frame = link::START.to_vec();
    frame.push(5 + data.len() as u8);
    frame.extend(fields);
    frame.resize(8, 0);
    frame.extend(link::crc(&frame).to_le_bytes());
    for block in data.chunks(16) {
        frame.extend(block);
        frame.extend(link::crc(block).to_le_bytes());
    }
    frame
}

/// A unit of IEC 104: four control octets, then an ASDU, as much as one takes.
fn unit(octets: &[u8]) -> Vec<u8> {
    let mut unit = vec![apci::START, 0];
    unit.extend(octets.iter().take(usize::from(apci::LENGTH_MAX)));
    unit.resize(unit.len().max(apci::HEADER), 0);
    unit[1] = (unit.len() - 2) as u8;
    unit
}

/// Buffers that every event is written into.
#[derive(Default)]
struct Log {
    thorough: bool,
    json: Vec<u8>,
    line: String,
}

impl Log {
    fn check(&mut self, event: &Event<'_>) {
        self.json.clear();
        event.write_json(Some("fuzz.pcap"), &mut self.json);
        written::object(&self.json, self.thorough);

        self.line.clear();
        event.write_line(&mut self.line).expect("writing to a String cannot fail");
        written::line(&self.line);

        for range in event.points {
            assert!(range.first <= range.last, "points {} to {}", range.first, range.last);
        }
        assert_eq!(event.fault.is_some(), event.kind == wayside::event::Kind::Malformed, "{}", self.line);
    }
}
