//! One conversation in IEC 104: units found in what each side sends, orders paired with their answers, and the events
//! that come of it.
//!
//! Every unit is one event. Clock readings come with the octets.

use super::codes::{self, UNNUMBERED};
use super::exchange::{Answered, Given, Order, Orders};
use super::framer::{Framer, Piece};
use super::library::Class;
use super::message::Message;
use super::sizes::Found;
use super::trouble::Trouble;
use super::window::Window;
use super::wire::apci::{Apdu, Control};
use super::wire::asdu::Asdu;
use super::{WORDS, meaning};
use crate::address::Side;
use crate::event::{Event, Fault, Kind, Outcome, PointRange, Sink, Value, Values, Verb};
use crate::protocol::{At, Session};

/// The state of one conversation.
#[derive(Default)]
pub struct Conversation {
    framers: [Option<Framer>; 2],
    state: State,
}

/// What is kept apart from the framing.
#[derive(Default)]
struct State {
    sizes: Found,
    window: Option<Window>,
    orders: Orders,
    /// Who gives the orders, where content told and ports and handshake did not.
    controlling: Option<Side>,
    /// Which sides have sent an ASDU.
    heard: [bool; 2],
    /// The packet of the last call of a file, and of the last step of an authentication.
    calls: [Option<u64>; 2],
    points: Vec<PointRange>,
    values: Vec<Value<'static>>,
}

impl Conversation {
    fn framed(
        &mut self,
        at: &At<'_>,
        sink: &mut dyn Sink,
        act: impl FnOnce(&mut Framer, &mut dyn FnMut(Piece<'_>)),
    ) {
        let Some(framer) = self.framers.get_mut(at.sender.index()) else { return };
        // Where the handshake was seen, the stream starts where a unit does.
        let framer = framer.get_or_insert_with(|| Framer::new(at.client.is_some()));
        let state = &mut self.state;
        act(framer, &mut |piece| state.piece(at, piece, sink));
    }
}

impl Session for Conversation {
    fn stream(&mut self, at: &At<'_>, bytes: &[u8], sink: &mut dyn Sink) {
        self.framed(at, sink, |framer, mut out| framer.push(bytes, &mut out));
    }

    fn gap(&mut self, at: &At<'_>, _lost: u64, sink: &mut dyn Sink) {
        self.framed(at, sink, |framer, mut out| framer.gap(&mut out));
        self.state.window.get_or_insert_default().gap(at.sender);
        self.state.orders.gap(at.sender);
    }

    /// IEC 104 has no datagrams: one is read as a piece of stream.
    fn datagram(&mut self, at: &At<'_>, bytes: &[u8], sink: &mut dyn Sink) {
        self.stream(at, bytes, sink);
    }

    fn close(&mut self, at: &At<'_>, sink: &mut dyn Sink) {
        for sender in [Side::A, Side::B] {
            if self.framers.get(sender.index()).is_some_and(Option::is_some) {
                self.framed(&At { sender, ..*at }, sink, |framer, mut out| framer.close(&mut out));
            }
        }
        while let Some(old) = self.state.orders.last(at.ts) {
            self.state.unanswered(at, &old, sink);
        }
    }

    fn memory(&self) -> usize {
        let framers: usize = self.framers.iter().flatten().map(Framer::memory).sum();
        size_of::<Self>()
            + framers
            + self.state.orders.memory()
            + self.state.points.capacity() * size_of::<PointRange>()
            + self.state.values.capacity() * size_of::<Value<'_>>()
    }
}

/// An event of which only the surroundings are known.
fn blank<'a>(at: &At<'a>, message: &'a Message<'a>) -> Event<'a> {
    Event {
        ts: at.ts,
        frame: at.frame,
        flow: at.flow(),
        proto: &WORDS,
        kind: Kind::Message,
        verb: Verb::Session,
        function: None,
        device: None,
        points: &[],
        values: Values::None,
        outcome: None,
        latency: None,
        request: None,
        fault: None,
        fields: message,
    }
}

/// Hands an event to the sink, malformed where something is wrong with it.
fn emit(event: Event<'_>, trouble: Option<&Trouble<'_>>, sink: &mut dyn Sink) {
    match trouble {
        None => sink.event(&event),
        Some(trouble) => {
            let fault = Some(Fault { label: trouble.label(), text: trouble });
            sink.event(&Event { kind: Kind::Malformed, fault, ..event });
        }
    }
}

impl State {
    fn piece(&mut self, at: &At<'_>, piece: Piece<'_>, sink: &mut dyn Sink) {
        match piece {
            Piece::Unit(apdu) => self.unit(at, &apdu, sink),
            other => {
                let message = Message::default();
                let event = Event { verb: Verb::Other, ..blank(at, &message) };
                emit(event, Trouble::of(other).as_ref(), sink);
            }
        }
    }

    fn unit(&mut self, at: &At<'_>, apdu: &Apdu<'_>, sink: &mut dyn Sink) {
        let start = || if at.client.is_some() { Window::from_start() } else { Window::default() };
        let seen = self.window.get_or_insert_with(start).see(at.sender, apdu.control, at.ts);
        let message = Message { control: Some(apdu.control), seen, ..Message::default() };
        let trouble = apdu.fault().map(Trouble::Apci);
        match apdu.control {
            Control::I { .. } if apdu.asdu.is_empty() => {
                let event = Event { verb: Verb::Other, ..blank(at, &message) };
                emit(event, Some(&trouble.unwrap_or(Trouble::Empty)), sink);
            }
            Control::I { .. } => self.information(at, message, apdu.asdu, trouble, sink),
            Control::S { .. } => emit(blank(at, &message), trouble.as_ref(), sink),
            Control::U { function } => {
                if matches!(function, codes::STARTDT_ACT | codes::STOPDT_ACT) {
                    self.controlling = Some(at.sender);
                }
                let known = codes::control_name(function).map(|_| UNNUMBERED + u16::from(function));
                emit(Event { function: known, ..blank(at, &message) }, trouble.as_ref(), sink);
            }
        }
    }

    /// A unit with an ASDU.
    fn information<'a>(
        &mut self,
        at: &At<'_>,
        message: Message<'a>,
        octets: &'a [u8],
        trouble: Option<Trouble<'a>>,
        sink: &mut dyn Sink,
    ) {
        let asdu = match Asdu::parse(octets, self.sizes.of(octets)) {
            Ok(asdu) => asdu,
            Err(fault) => {
                let function = octets.first().map(|code| u16::from(*code));
                let event = Event { function, verb: Verb::Other, ..blank(at, &message) };
                return emit(event, Some(&trouble.unwrap_or(Trouble::Asdu(fault))), sink);
            }
        };
        if let Some(heard) = self.heard.get_mut(at.sender.index()) {
            *heard = true;
        }
        let trouble = trouble.or_else(|| asdu.fault().map(Trouble::Asdu));
        let kind = meaning::kind(&asdu, self.is_controlling(at, &asdu));
        let verb = meaning::verb(&asdu, kind);
        let mut points = std::mem::take(&mut self.points);
        let mut values = std::mem::take(&mut self.values);
        meaning::points(&asdu, verb, &mut points, &mut values);
        let mut message = Message { asdu: Some(asdu), ..message };
        let mut told = None;
        match kind {
            Kind::Request => message.select = self.request(at, &asdu, verb, &points, sink),
            Kind::Response => told = self.response(at, &asdu),
            _ => {}
        }
        let terminated = asdu.cause == codes::cause::ACTIVATION_TERMINATION;
        message.executed = told.filter(|_| terminated).map(|told| told.after);
        let answers = kind == Kind::Response;
        let event = Event {
            kind,
            verb,
            function: Some(u16::from(asdu.type_id)),
            device: Some(u32::from(asdu.common)),
            points: &points,
            values: if values.is_empty() { Values::None } else { Values::List(&values) },
            outcome: answers.then(|| outcome(&asdu)),
            latency: told.filter(|told| told.first && !terminated).map(|told| told.after),
            request: told.map(|told| told.frame),
            ..blank(at, &message)
        };
        emit(event, trouble.as_ref(), sink);
        points.clear();
        values.clear();
        (self.points, self.values) = (points, values);
    }

    /// Whether the controlling station sent this: by port and handshake first, by what it says second.
    fn is_controlling(&mut self, at: &At<'_>, asdu: &Asdu<'_>) -> Option<bool> {
        if let Some(from_client) = at.from_client() {
            return Some(from_client);
        }
        if self.controlling.is_none() {
            let class = asdu.row().map(|row| row.class);
            self.controlling = match (class, asdu.cause) {
                (Some(Class::Command | Class::System), codes::cause::ACTIVATION) => Some(at.sender),
                (Some(Class::Monitor), _) => Some(at.sender.other()),
                _ => None,
            };
        }
        self.controlling.map(|side| side == at.sender)
    }

    /// Notes what is asked. Returns the packet of the selection that a command executes.
    fn request(
        &mut self,
        at: &At<'_>,
        asdu: &Asdu<'_>,
        verb: Verb,
        points: &[PointRange],
        sink: &mut dyn Sink,
    ) -> Option<u64> {
        if let Some(call) = self.call(asdu) {
            *call = Some(at.frame);
            return None;
        }
        while let Some(old) = self.orders.given_up(asdu, at.sender, at.ts) {
            self.unanswered(at, &old, sink);
        }
        let points = points.first().map(|range| PointRange { valued: false, ..*range });
        let given = Given { from: at.sender, ts: at.ts, frame: at.frame, verb, points };
        self.orders.give(asdu, given)
    }

    /// What this answers.
    fn response(&mut self, at: &At<'_>, asdu: &Asdu<'_>) -> Option<Answered> {
        if let Some(call) = self.call(asdu) {
            return call.map(|frame| Answered { frame, after: 0, first: false });
        }
        match asdu.row().map(|row| row.class) {
            Some(Class::Monitor) => self.orders.data(asdu, at.sender, at.ts),
            _ if codes::is_data(asdu.cause) => self.orders.data(asdu, at.sender, at.ts),
            _ => self.orders.answer(asdu, at.sender, at.ts),
        }
    }

    /// Where the last call is noted of what goes to and fro without confirmations.
    fn call(&mut self, asdu: &Asdu<'_>) -> Option<&mut Option<u64>> {
        let [file, security] = &mut self.calls;
        match asdu.row()?.class {
            Class::File => Some(file),
            Class::Security => Some(security),
            _ => None,
        }
    }

    /// Says that an order was never answered, unless the capture shows one direction only or lacks a part.
    fn unanswered(&mut self, at: &At<'_>, old: &Order, sink: &mut dyn Sink) {
        let heard = self.heard.get(old.from.other().index()) == Some(&true);
        if !old.is_certain() || !heard {
            return;
        }
        let (type_id, common) = old.about();
        let asdu = Asdu {
            type_id,
            sequence: false,
            number: 0,
            cause: old.cause,
            negative: false,
            test: false,
            originator: old.originator,
            common,
            body: &[],
            sizes: self.sizes.now(),
        };
        let message = Message { asdu: Some(asdu), ..Message::default() };
        let at = At { sender: old.from.other(), frame: 0, ..*at };
        sink.event(&Event {
            kind: Kind::Response,
            verb: old.verb,
            function: Some(u16::from(type_id)),
            device: Some(u32::from(common)),
            points: old.points.as_slice(),
            outcome: Some(Outcome::Unanswered),
            latency: Some(at.ts.since(old.ts)),
            request: Some(old.frame),
            ..blank(&at, &message)
        });
    }
}

/// How an answer says that the order turned out.
fn outcome(asdu: &Asdu<'_>) -> Outcome {
    match codes::refusal(asdu.cause, asdu.negative) {
        Some((code, name)) => Outcome::Exception { code, name },
        None => Outcome::Success,
    }
}
