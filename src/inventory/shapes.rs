//! Kinds of messages: what was asked of whom, with which values, how often and when last. So much of the recent past is
//! remembered that other rules can be held against it.
//!
//! Two messages are of one kind where rules cannot tell them apart but by time and rate: the same two hosts and service,
//! the same function, device and points, and for commands the same values. Answers to requests that were seen are not judged, so they
//! are not kept. A message that is known allocates nothing.

use super::conversation::is_command;
use super::reading::{Reading, Stamp};
use super::room::make_room;
use crate::address::{Endpoint, Mac, Transport};
use crate::event::{Event, Fields, Flow, Kind, Object, PointRange, Value, Values, Verb, Vocabulary};
use foldhash::quality::RandomState;
use hashbrown::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::OnceLock;

/// Values of a message that are kept; one with more is left out.
const VALUES: usize = 128;
/// Ranges of points of a message that are kept; one with more is left out.
const RANGES: usize = 32;

/// A kind of message.
#[derive(Clone, Debug)]
pub struct Shape {
    src: Endpoint,
    dst: Endpoint,
    transport: Transport,
    macs: [Option<Mac>; 2],
    vlan: Option<u16>,
    proto: &'static Vocabulary,
    kind: Kind,
    verb: Verb,
    function: Option<u16>,
    device: Option<u32>,
    points: Box<[PointRange]>,
    values: Box<[Reading]>,
    /// Whether it was seen more than once: a flood of what is made up has each kind once.
    again: bool,
    /// Messages of it.
    pub count: u64,
    /// The last of them.
    pub last: Stamp,
}

struct NoFields;

impl Fields for NoFields {
    fn write(&self, _: &mut Object<'_>) {}

    fn brief(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl Shape {
    fn of(event: &Event<'_>) -> Shape {
        let flow = event.flow;
        Shape {
            src: flow.src,
            dst: flow.dst,
            transport: flow.transport,
            macs: [flow.src_mac, flow.dst_mac],
            vlan: flow.vlan,
            proto: event.proto,
            kind: event.kind,
            verb: event.verb,
            function: event.function,
            device: event.device,
            points: event.points.into(),
            values: commanded(event).iter().map(Reading::from).collect(),
            again: false,
            count: 1,
            last: Stamp { ts: event.ts, frame: event.frame },
        }
    }

    /// Shows its last message as an event, with what rules ask for.
    pub fn show<T>(&self, look: impl FnOnce(&Event<'_>) -> T) -> T {
        let mut flow = Flow::new(self.src, self.dst, self.transport);
        [flow.src_mac, flow.dst_mac] = self.macs;
        flow.vlan = self.vlan;
        let values: Vec<Value<'_>> = self.values.iter().map(Reading::value).collect();
        look(&Event {
            ts: self.last.ts,
            frame: self.last.frame,
            flow: &flow,
            proto: self.proto,
            kind: self.kind,
            verb: self.verb,
            function: self.function,
            device: self.device,
            points: &self.points,
            values: if values.is_empty() { Values::None } else { Values::List(&values) },
            outcome: None,
            latency: None,
            request: None,
            fault: None,
            fields: &NoFields,
        })
    }
}

/// The kinds that one worker, or all of them, have seen.
#[derive(Debug)]
pub(super) struct Shapes {
    most: usize,
    known: HashMap<u64, Shape, RandomState>,
    left_out: u64,
}

/// The values of a command; what a device reports changes all the time.
fn commanded<'e>(event: &Event<'e>) -> Values<'e> {
    let commands = is_command(event.verb) || event.points.iter().any(|range| is_command(range.verb));
    if commands { event.values } else { Values::None }
}

/// The same number for the same kind, in this process, whoever of the workers sees it.
fn number(event: &Event<'_>) -> u64 {
    static SEED: OnceLock<RandomState> = OnceLock::new();
    let mut hash = SEED.get_or_init(RandomState::default).build_hasher();
    let flow = event.flow;
    // The port of who asks changes with every connection.
    let port = if event.kind == Kind::Request { flow.dst.port } else { flow.src.port };
    (flow.src.address, flow.dst.address, port, flow.vlan, event.proto.id).hash(&mut hash);
    (event.kind, event.verb, event.function, event.device).hash(&mut hash);
    for range in event.points {
        (range.space, range.variant, range.first, range.last, range.verb).hash(&mut hash);
    }
    for value in commanded(event).iter() {
        match value {
            Value::Bool(on) => on.hash(&mut hash),
            Value::Int(number) => number.hash(&mut hash),
            Value::Float(number) => number.to_bits().hash(&mut hash),
            Value::Name(word) => word.hash(&mut hash),
            Value::Text(octets) | Value::Bytes(octets) => octets.hash(&mut hash),
        }
    }
    hash.finish()
}

impl Shapes {
    pub(super) fn new(most: usize) -> Shapes {
        Shapes { most, known: HashMap::default(), left_out: 0 }
    }

    /// Takes a message.
    pub(super) fn event(&mut self, event: &Event<'_>) {
        let judged = match event.kind {
            Kind::Malformed => false,
            Kind::Response => event.request.is_none(),
            Kind::Request | Kind::Unsolicited | Kind::Message => true,
        };
        if !judged || self.most == 0 {
            return;
        }
        if event.points.len() > RANGES || commanded(event).len() > VALUES {
            self.left_out += 1;
            return;
        }
        let number = number(event);
        match self.known.get_mut(&number) {
            Some(shape) => {
                shape.again = true;
                shape.count += 1;
                shape.last = Stamp { ts: event.ts, frame: event.frame };
            }
            None => {
                self.make_room();
                self.known.insert(number, Shape::of(event));
            }
        }
    }

    fn make_room(&mut self) {
        if self.known.len() >= self.most {
            let gone = make_room(&mut self.known, |shape| (shape.again, shape.last.ts.nanos));
            self.left_out += gone.iter().map(|shape| shape.count).sum::<u64>();
        }
    }

    /// What was seen since the last time, and messages that there was no room for. What there is stays known.
    pub(super) fn take(&mut self) -> (Vec<(u64, Shape)>, u64) {
        let seen = self.known.iter_mut().filter(|(_, shape)| shape.count > 0);
        let seen = seen.map(|(number, shape)| {
            let news = shape.clone();
            shape.count = 0;
            (*number, news)
        });
        (seen.collect(), std::mem::take(&mut self.left_out))
    }

    /// Adds what was taken from another.
    pub(super) fn join(&mut self, (seen, left_out): &(Vec<(u64, Shape)>, u64)) {
        self.left_out += left_out;
        if self.most == 0 {
            return;
        }
        for (number, news) in seen {
            match self.known.get_mut(number) {
                Some(shape) => {
                    shape.again = true;
                    shape.count += news.count;
                    shape.last = shape.last.max(news.last);
                }
                None => {
                    self.make_room();
                    self.known.insert(*number, news.clone());
                }
            }
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Shape> {
        self.known.values()
    }

    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }
}
