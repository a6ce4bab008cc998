//! Whole conversations: octets in, events out.

mod exchange;
mod hostile;

use super::session::Conversation;
use crate::address::{Endpoint, Side, Timestamp, Transport};
use crate::event::{Event, Flow, Kind, Outcome, Verb};
use crate::protocol::{At, Session};
use std::net::IpAddr;

/// What a test looks at of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub frame: u64,
    pub kind: Kind,
    pub verb: Verb,
    pub function: Option<u16>,
    pub device: Option<u32>,
    /// As "7-9".
    pub points: Vec<String>,
    pub values: Vec<String>,
    pub outcome: Option<Outcome>,
    pub latency: Option<u64>,
    pub request: Option<u64>,
    pub label: Option<&'static str>,
    pub json: serde_json::Value,
}

/// A conversation between the controlling station 10.0.0.1 and the controlled station 10.0.0.2, one packet each
/// millisecond.
pub struct Talk {
    pub session: Conversation,
    flows: [Flow; 2],
    frame: u64,
    waited: i64,
    /// Whether the handshake was seen.
    pub whole: bool,
    numbers: [u16; 2],
    pub seen: Vec<Seen>,
}

impl Talk {
    pub fn new() -> Self {
        let end = |last, port| Endpoint::new(IpAddr::from([10, 0, 0, last]), port);
        let flow = Flow::new(end(1, 50_000), end(2, 2404), Transport::Tcp);
        let flows = [flow.clone(), flow.reversed()];
        Talk {
            session: Conversation::default(),
            flows,
            frame: 0,
            waited: 0,
            whole: true,
            numbers: [0; 2],
            seen: Vec::new(),
        }
    }

    fn act(
        &mut self,
        sender: Side,
        act: impl FnOnce(&mut Conversation, &At<'_>, &mut dyn crate::event::Sink),
    ) {
        self.frame += 1;
        let at = At {
            ts: Timestamp::from_micros(self.frame as i64 * 1000 + self.waited),
            frame: self.frame,
            flows: &self.flows,
            sender,
            client: self.whole.then_some(Side::A),
            server: None,
        };
        let seen = &mut self.seen;
        act(&mut self.session, &at, &mut |event: &Event<'_>| seen.push(note(event)));
    }

    /// The controlling station sends an ASDU.
    pub fn controlling(&mut self, asdu: &[u8]) -> &Seen {
        self.numbered(Side::A, asdu)
    }

    /// The controlled station sends an ASDU.
    pub fn controlled(&mut self, asdu: &[u8]) -> &Seen {
        self.numbered(Side::B, asdu)
    }

    fn numbered(&mut self, side: Side, asdu: &[u8]) -> &Seen {
        let unit = unit(self.numbers[side.index()], self.numbers[side.other().index()], asdu);
        self.numbers[side.index()] += 1;
        self.send(side, &unit);
        self.seen.last().unwrap()
    }

    pub fn send(&mut self, side: Side, octets: &[u8]) {
        self.act(side, |session, at, sink| session.stream(at, octets, sink));
    }

    /// Time passes.
    pub fn wait(&mut self, millis: i64) {
        self.waited += millis * 1000;
    }

    pub fn gap(&mut self, side: Side) {
        self.act(side, |session, at, sink| session.gap(at, 100, sink));
    }

    pub fn close(&mut self) {
        self.act(Side::A, |session, at, sink| session.close(at, sink));
    }
}

/// An I frame.
pub fn unit(send: u16, recv: u16, asdu: &[u8]) -> Vec<u8> {
    let mut unit = vec![0x68, 4 + asdu.len() as u8];
    unit.extend((send << 1).to_le_bytes());
    unit.extend((recv << 1).to_le_bytes());
    unit.extend(asdu);
    unit
}

fn note(event: &Event<'_>) -> Seen {
    let mut line = Vec::new();
    event.write_json(None, &mut line);
    let json: serde_json::Value = serde_json::from_slice(&line).unwrap();
    let mut text = String::new();
    event.write_line(&mut text).unwrap();
    let points = event.points.iter().map(|range| match range.is_all() {
        true => "all".to_owned(),
        false => format!("{}-{}", range.first, range.last),
    });
    let valued: u64 = event
        .points
        .iter()
        .filter(|range| range.valued)
        .map(|range| u64::from(range.last - range.first) + 1)
        .sum();
    assert_eq!(valued, event.values.len() as u64, "every valued point has one value: {text}");
    Seen {
        frame: event.frame,
        kind: event.kind,
        verb: event.verb,
        function: event.function,
        device: event.device,
        points: points.collect(),
        values: event.values.iter().map(|value| value.to_string()).collect(),
        outcome: event.outcome,
        latency: event.latency,
        request: event.request,
        label: event.fault.map(|fault| fault.label),
        json,
    }
}
