//! The common currency: one protocol message, said in the neutral vocabulary that rules and people use, with
//! the protocol's own fields behind it.
//!
//! Flows in: what a protocol session decoded. Flows out: rules, detectors, alerts and outputs. An [`Event`] is
//! numbers and borrowed slices; it becomes text only when an output asks ([`Event::write_json`],
//! [`Event::write_line`]). Making or judging one allocates nothing.

mod flow;
mod json;
mod line;
mod owned;
mod point;
mod vocabulary;

pub use flow::{CommunityId, Flow};
pub use json::{Array, Json, Object};
pub use owned::{Owned, OwnedValue};
pub use point::{PointRange, Space, Value, Values};
pub use vocabulary::{Code, Vocabulary};

use crate::address::Timestamp;
use std::fmt;

/// What role a message plays in its exchange.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Asks for something.
    Request,
    /// Answers a request.
    Response,
    /// Sent by a controlled device without being asked, in a protocol that otherwise asks and answers.
    Unsolicited,
    /// A message of a protocol (or a layer) that does not ask and answer.
    Message,
    /// Could not be decoded in full; what could be is kept.
    Malformed,
}

impl Kind {
    /// All of them, in the order of [`Kind::index`].
    pub const ALL: [Kind; 5] =
        [Kind::Request, Kind::Response, Kind::Unsolicited, Kind::Message, Kind::Malformed];

    /// The word used in events, rules and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Request => "request",
            Kind::Response => "response",
            Kind::Unsolicited => "unsolicited",
            Kind::Message => "message",
            Kind::Malformed => "malformed",
        }
    }

    /// Its place in [`Kind::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// What a message does, in words that hold for every protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verb {
    /// Reads values or states.
    Read,
    /// Writes values or states.
    Write,
    /// Arms a control that a later message carries out.
    Select,
    /// Carries out a control.
    Operate,
    /// Changes how a device is set up.
    Configure,
    /// Moves logic or firmware, up or down.
    Program,
    /// Restarts, stops or starts a device or its application.
    Restart,
    /// Sets or asks the time.
    Time,
    /// Works on files.
    File,
    /// Asks who a device is.
    Identify,
    /// Diagnostics and counters of the communication itself.
    Diagnose,
    /// Data sent unasked or in cycles.
    Report,
    /// Opens, keeps alive or closes a session or link.
    Session,
    /// Proves who somebody is, or changes keys.
    Authenticate,
    /// None of these.
    Other,
}

impl Verb {
    /// All of them, in the order of [`Verb::index`].
    pub const ALL: [Verb; 15] = [
        Verb::Read,
        Verb::Write,
        Verb::Select,
        Verb::Operate,
        Verb::Configure,
        Verb::Program,
        Verb::Restart,
        Verb::Time,
        Verb::File,
        Verb::Identify,
        Verb::Diagnose,
        Verb::Report,
        Verb::Session,
        Verb::Authenticate,
        Verb::Other,
    ];

    /// The word used in events, rules and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Verb::Read => "read",
            Verb::Write => "write",
            Verb::Select => "select",
            Verb::Operate => "operate",
            Verb::Configure => "configure",
            Verb::Program => "program",
            Verb::Restart => "restart",
            Verb::Time => "time",
            Verb::File => "file",
            Verb::Identify => "identify",
            Verb::Diagnose => "diagnose",
            Verb::Report => "report",
            Verb::Session => "session",
            Verb::Authenticate => "authenticate",
            Verb::Other => "other",
        }
    }

    /// The verb of that name.
    pub fn parse(name: &str) -> Option<Verb> {
        Verb::ALL.into_iter().find(|verb| verb.name() == name)
    }

    /// Its place in [`Verb::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// How an answer turned out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The device did as asked.
    Success,
    /// The device refused; the protocol's code and its standard name.
    Exception {
        /// The code on the wire.
        code: u8,
        /// Its name in the standard, lower case: "illegal data address".
        name: &'static str,
    },
    /// No answer came in time; the event stands for the one that is missing, and no packet carries it.
    Unanswered,
}

/// What is wrong with a malformed message, and where.
#[derive(Clone, Copy)]
pub struct Fault<'a> {
    /// A short fixed word for counting: `length-mismatch`, `bad-crc`. Few and known in advance.
    pub label: &'static str,
    /// The sentence, with the numbers: "length field 6 but 4 bytes follow".
    pub text: &'a dyn fmt::Display,
}

impl fmt::Debug for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.label, self.text)
    }
}

/// The protocol's own fields of one message. They are asked for only when an output wants text.
pub trait Fields {
    /// Writes the members of the protocol object.
    fn write(&self, object: &mut Object<'_>);

    /// Says in a few words what the neutral part of the event does not: "transaction 7 unit 1".
    fn brief(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// Where this is a plain part of an exchange that is repeated again and again: a number for everything in these fields
    /// that is no running number, so that two messages with the same number say the same here. `None` where it should not
    /// be taken for a repetition.
    fn steady(&self) -> Option<u64> {
        None
    }

    /// Hands out what the sender says of itself in this message: who made it, what it is.
    fn identify(&self, each: &mut dyn FnMut(Attribute<'_>)) {
        let _ = each;
    }
}

/// What an attribute of a device is about, whatever the protocol calls it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum About {
    /// Who made it.
    Vendor,
    /// What it is: product or model.
    Product,
    /// Which revision of hardware, software or both.
    Revision,
    /// Which one it is.
    Serial,
    /// Something else.
    Other,
}

/// One thing that a device says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    /// Its number in the protocol.
    pub id: u32,
    /// The standard's name, where it has one.
    pub name: Option<&'static str>,
    /// What it is about.
    pub about: About,
    /// What is said.
    pub value: Value<'a>,
}

/// One protocol message.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    /// When the message became complete.
    pub ts: Timestamp,
    /// 1-based number of the packet that completed it, in its capture file or since the sensor started.
    /// 0 for an event that no packet carries (an answer that never came).
    pub frame: u64,
    /// Who said it to whom.
    pub flow: &'a Flow,
    /// The protocol, with its words.
    pub proto: &'static Vocabulary,
    /// Its role in the exchange.
    pub kind: Kind,
    /// What it does.
    pub verb: Verb,
    /// The protocol's function, command or type code.
    pub function: Option<u16>,
    /// The device that is addressed behind the IP address, in the protocol's own terms (the Modbus unit, the
    /// DNP3 link address of the outstation, the IEC 104 common address, the Genisys station).
    pub device: Option<u32>,
    /// The points that it touches. On a response, those of its request.
    pub points: &'a [PointRange],
    /// The values that it carries, one for each point of the ranges that are `valued`, in their order.
    pub values: Values<'a>,
    /// On a response: how it turned out.
    pub outcome: Option<Outcome>,
    /// On a response: nanoseconds since its request.
    pub latency: Option<u64>,
    /// On a response: the frame number of its request. `None` on a response says that its request was not seen.
    pub request: Option<u64>,
    /// On a malformed message: what is wrong.
    pub fault: Option<Fault<'a>>,
    /// The protocol's own fields.
    pub fields: &'a dyn Fields,
}

impl Event<'_> {
    /// The standard's name of the function, where it has one.
    pub fn function_name(&self) -> Option<&'static str> {
        self.function.and_then(|code| self.proto.function_name(code))
    }

    /// Whether this is a part of a longer message, or of the link layer, that says nothing of its own: the message
    /// is an event with the part that completes it.
    pub fn is_piece(&self) -> bool {
        self.kind == Kind::Message && self.function.is_none() && self.points.is_empty()
    }

    /// Every value with the point it belongs to, in order.
    pub fn valued_points(&self) -> impl Iterator<Item = (PointRange, u32, Value<'_>)> {
        let places = self
            .points
            .iter()
            .filter(|range| range.valued)
            .flat_map(|range| (range.first..=range.last).map(move |index| (*range, index)));
        places.zip(self.values.iter()).map(|((range, index), value)| (range, index, value))
    }
}

/// Receives events, in the order in which they happened.
pub trait Sink {
    /// Takes one event. It borrows from the packet and is gone after the call.
    fn event(&mut self, event: &Event<'_>);
}

impl<F: FnMut(&Event<'_>)> Sink for F {
    fn event(&mut self, event: &Event<'_>) {
        self(event);
    }
}
