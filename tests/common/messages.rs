//! Messages made up by hand, for what takes events.

use wayside::address::{Address, Endpoint, Mac, Timestamp, Transport};
use wayside::event::{
    About, Attribute, Event, Fields, Flow, Kind, Object, Outcome, PointRange, Space, Value, Values, Verb,
    Vocabulary,
};

/// One message.
#[derive(Clone, Debug)]
pub struct Message {
    pub ts: i64,
    pub client: u32,
    pub server: u32,
    pub kind: Kind,
    pub verb: Verb,
    pub unit: u32,
    pub first: u32,
    pub values: Vec<u8>,
    pub refused: bool,
    pub says: Option<(u32, Vec<u8>)>,
}

/// What a made-up device says of itself.
struct Says<'m>(&'m Message);

impl Fields for Says<'_> {
    fn write(&self, _: &mut Object<'_>) {}

    fn brief(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }

    fn identify(&self, each: &mut dyn FnMut(Attribute<'_>)) {
        if let Some((id, text)) = &self.0.says {
            each(Attribute { id: *id, name: None, about: About::Vendor, value: Value::Text(text) });
        }
    }
}

fn host(number: u32) -> Address {
    Address::V4((0x0a00_0000 | number).into())
}

impl Message {
    /// A poll of so many registers, or its answer.
    pub fn poll(ts: i64, client: u32, server: u32, kind: Kind, registers: usize) -> Message {
        let values = if kind == Kind::Response { vec![7; registers * 2] } else { Vec::new() };
        let (verb, unit) = (Verb::Read, 1);
        Message { ts, client, server, kind, verb, unit, first: 0, values, refused: false, says: None }
    }

    /// Who says it to whom.
    pub fn flow(&self) -> Flow {
        let client = Endpoint { address: host(self.client), port: 40_000 + (self.client % 7) as u16 };
        let server = Endpoint { address: host(0x10_0000 | self.server), port: 502 };
        let mut flow = Flow::new(client, server, Transport::Tcp);
        flow.src_mac = Some(Mac([0, 0x1d, 0x9c, 0, 0, self.client as u8]));
        if matches!(self.kind, Kind::Response | Kind::Unsolicited) { flow.reversed() } else { flow }
    }

    /// Shows it as an event of this flow.
    pub fn show(&self, words: &'static Vocabulary, flow: &Flow, take: impl FnOnce(&Event<'_>)) {
        let registers = (self.values.len() / 2) as u32;
        let range = PointRange {
            space: Space(3),
            variant: 0,
            first: self.first,
            last: self.first + registers.max(1) - 1,
            verb: self.verb,
            valued: registers > 0,
        };
        let answer = self.kind == Kind::Response;
        let refusal = Outcome::Exception { code: 2, name: "illegal data address" };
        take(&Event {
            ts: Timestamp::from_nanos(self.ts),
            frame: self.ts as u64 + 1,
            flow,
            proto: words,
            kind: self.kind,
            verb: self.verb,
            function: (self.kind != Kind::Message).then_some(3),
            device: Some(self.unit),
            points: if self.kind == Kind::Message { &[] } else { std::slice::from_ref(&range) },
            values: if registers > 0 { Values::Registers(&self.values) } else { Values::None },
            outcome: answer.then_some(if self.refused { refusal } else { Outcome::Success }),
            latency: answer.then_some(1_000_000 + u64::from(self.first)),
            request: answer.then_some(1),
            fault: None,
            fields: &Says(self),
        });
    }
}
