//! One Modbus conversation: framing over TCP, roles, pairing of requests and responses, latency.
//!
//! MODBUS Messaging on TCP/IP V1.0b, sections 3.1 and 4.2. Several requests may be in flight; a response belongs
//! to the oldest request of the same transaction, unit and function. Many clients never change the transaction
//! identifier; then a request that goes out again while an older one waits says that the older one was given up.
//!
//! A conversation may carry the serial line framings instead (see [`serial`]): the first segment of whole RTU frames
//! or with an ASCII frame decides.

use super::codes;
use super::meaning::{self, Asked, ModbusFields};
use super::serial::{self, Ascii};
use super::wire::{Body, Fault, HEADER, Header, LENGTH_MAX, Pdu, Role};
use crate::address::{Side, Timestamp};
use crate::event::{self, Event, Kind, Outcome, PointRange, Sink, Values};
use crate::protocol::{At, Session};
use std::fmt;

/// Requests that may wait for their response in one conversation; the oldest is given up for a newer one.
const PENDING_MAX: usize = 32;
/// How long a response may take before its request counts as never answered, in nanoseconds.
const ANSWER_TIME: u64 = 10_000_000_000;
/// How soon after a request the same transaction identifier may be used again by a client that has several
/// requests in flight, in nanoseconds. Later, the older request has been given up.
const PIPELINE_TIME: u64 = 200_000_000;

/// Whether decoding stands at a message border.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Sync {
    /// Nothing seen yet, or bytes went missing: the next bytes start a segment.
    #[default]
    Start,
    /// At a border.
    Border,
    /// In the middle of something else.
    Lost,
}

/// What comes from one sender.
#[derive(Default)]
struct Lane {
    sync: Sync,
    /// The start of a message whose end has not come yet.
    carry: Vec<u8>,
    /// Whether the present run of foreign bytes has been reported.
    said: bool,
    /// Whether it has sent a message.
    heard: bool,
}

/// A request that waits for its response.
#[derive(Clone, Copy)]
struct Pending {
    transaction: Option<u16>,
    unit: u8,
    function: u8,
    from: Side,
    asked: Asked,
    ts: Timestamp,
    frame: u64,
    /// Whether octets of the other side were lost since: its answer may have been among them.
    doubtful: bool,
}

/// How messages are framed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Framing {
    /// With the header of Modbus on TCP/IP, as far as anybody knows.
    #[default]
    Mbap,
    /// As RTU frames.
    Rtu,
    /// As ASCII frames.
    Ascii,
}

/// What stands around a message.
#[derive(Clone, Copy)]
struct Envelope {
    header: Option<Header>,
    unit: u8,
    framing: Framing,
}

impl Framing {
    /// The word in events; none for the usual one.
    fn name(self) -> Option<&'static str> {
        match self {
            Framing::Mbap => None,
            Framing::Rtu => Some("rtu"),
            Framing::Ascii => Some("ascii"),
        }
    }
}

impl Envelope {
    fn mbap(header: Header) -> Envelope {
        Envelope { header: Some(header), unit: header.unit, framing: Framing::Mbap }
    }

    fn transaction(&self) -> Option<u16> {
        self.header.map(|header| header.transaction)
    }

    /// The length field, where there is one.
    fn length(&self) -> u16 {
        self.header.map_or(0, |header| header.length)
    }
}

/// One Modbus conversation.
#[derive(Default)]
pub struct ModbusSession {
    framing: Framing,
    /// The octets of an ASCII frame.
    decoded: Vec<u8>,
    /// What ends an ASCII frame instead of LF, where a client has changed it.
    delimiter: Option<u8>,
    lanes: [Lane; 2],
    /// Who answers, where content told and ports and handshake did not.
    server: Option<Side>,
    pending: Vec<Pending>,
    points: Vec<PointRange>,
}

/// Why a message is malformed, beyond what its own octets say.
enum Wrong {
    Wire(Fault),
    /// The length field does not fit the datagram, or the stream ended or broke inside the message.
    Cut {
        length: u16,
        found: usize,
        why: &'static str,
    },
    /// Octets that are no Modbus message.
    Foreign(Option<Fault>),
    /// Octets of a serial line framing whose CRC or LRC does not fit.
    Checksum,
}

impl Wrong {
    fn label(&self) -> &'static str {
        match self {
            Wrong::Wire(fault) => fault.label(),
            Wrong::Cut { .. } => "cut",
            Wrong::Foreign(_) => "not-modbus",
            Wrong::Checksum => "bad-crc",
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Wire(fault) => fault.fmt(f),
            Wrong::Cut { length, found, why } => {
                write!(f, "length field {length} but {found} octets follow: {why}")
            }
            Wrong::Foreign(Some(fault)) => write!(f, "octets that are not Modbus: {fault}"),
            Wrong::Foreign(None) => write!(f, "octets that are not Modbus"),
            Wrong::Checksum => write!(f, "octets of a serial line frame whose checksum does not fit"),
        }
    }
}

impl Session for ModbusSession {
    fn stream(&mut self, at: &At<'_>, bytes: &[u8], sink: &mut dyn Sink) {
        if self.lanes[at.sender.index()].carry.is_empty() {
            self.decide_framing(bytes);
            let used = self.framed(at, bytes, sink);
            let rest = bytes.get(used..).unwrap_or_default();
            if !rest.is_empty() {
                self.lanes[at.sender.index()].carry.extend_from_slice(rest);
            }
        } else {
            let mut carry = std::mem::take(&mut self.lanes[at.sender.index()].carry);
            carry.extend_from_slice(bytes);
            self.decide_framing(&carry);
            let used = self.framed(at, &carry, sink);
            carry.drain(..used.min(carry.len()));
            self.lanes[at.sender.index()].carry = carry;
        }
    }

    fn gap(&mut self, at: &At<'_>, _lost: u64, sink: &mut dyn Sink) {
        self.cut(at, at.sender, "the rest is missing from the capture", sink);
        self.lanes[at.sender.index()].sync = Sync::Start;
        for request in &mut self.pending {
            request.doubtful |= request.from != at.sender;
        }
    }

    fn datagram(&mut self, at: &At<'_>, bytes: &[u8], sink: &mut dyn Sink) {
        if serial::is_rtu(bytes) {
            self.framing = Framing::Rtu;
            self.rtu_frames(at, bytes, sink);
            return;
        }
        if matches!(serial::ascii(bytes, self.delimiter, &mut self.decoded), Ascii::Frame(_)) {
            self.framing = Framing::Ascii;
            let done = self.ascii_frames(at, bytes, sink);
            if let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
                self.odd(at, rest, Wrong::Foreign(None), sink);
            }
            return;
        }
        let mut rest = bytes;
        loop {
            let Some(header) = Header::parse(rest).filter(|header| header.fault().is_none()) else {
                return self.foreign(at, rest, sink);
            };
            self.lanes[at.sender.index()].said = false;
            let Some((message, after)) = rest.split_at_checked(header.message_len()) else {
                let found = rest.len().saturating_sub(6);
                let wrong = Wrong::Cut { length: header.length, found, why: "the datagram ends there" };
                return self.message(
                    at,
                    Envelope::mbap(header),
                    rest.get(HEADER..).unwrap_or_default(),
                    Some(wrong),
                    sink,
                );
            };
            self.message(at, Envelope::mbap(header), message.get(HEADER..).unwrap_or_default(), None, sink);
            if after.is_empty() {
                return;
            }
            rest = after;
        }
    }

    fn close(&mut self, at: &At<'_>, sink: &mut dyn Sink) {
        for side in [Side::A, Side::B] {
            self.cut(at, side, "the conversation ended there", sink);
        }
        self.give_up(at, PIPELINE_TIME * 5, sink);
    }

    fn memory(&self) -> usize {
        let carried: usize = self.lanes.iter().map(|lane| lane.carry.capacity()).sum();
        carried
            + self.pending.capacity() * size_of::<Pending>()
            + self.points.capacity() * size_of::<PointRange>()
            + size_of::<Self>()
    }
}

impl ModbusSession {
    /// Recognises the serial line framings in what a sender begins with, as long as nothing has been decoded.
    fn decide_framing(&mut self, octets: &[u8]) {
        if self.framing != Framing::Mbap || self.lanes.iter().any(|lane| lane.heard || lane.said) {
            return;
        }
        if serial::is_rtu(octets) {
            self.framing = Framing::Rtu;
        } else if matches!(serial::ascii(octets, None, &mut self.decoded), Ascii::Frame(_)) {
            self.framing = Framing::Ascii;
        }
    }

    /// Whether octets that do not look like a message with its header may be the beginning of a serial line frame.
    fn may_be_serial(&mut self, octets: &[u8]) -> bool {
        if self.lanes.iter().any(|lane| lane.heard || lane.said) {
            return false;
        }
        serial::may_be_rtu(octets) || matches!(serial::ascii(octets, None, &mut self.decoded), Ascii::Partial)
    }

    /// Takes whole messages from the front; returns how many octets are done with.
    fn framed(&mut self, at: &At<'_>, bytes: &[u8], sink: &mut dyn Sink) -> usize {
        match self.framing {
            Framing::Mbap => self.frames(at, bytes, sink),
            Framing::Rtu => self.rtu_frames(at, bytes, sink),
            Framing::Ascii => self.ascii_frames(at, bytes, sink),
        }
    }

    fn rtu_frames(&mut self, at: &At<'_>, bytes: &[u8], sink: &mut dyn Sink) -> usize {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let Some((skip, len)) = serial::find_rtu(rest) else {
                // What is longer than any frame and holds none will not become one.
                let lost = rest.len().saturating_sub(serial::RTU_MAX);
                if lost > 0 {
                    self.odd(at, rest, Wrong::Checksum, sink);
                }
                return done + lost;
            };
            if skip > 0 {
                self.odd(at, rest, Wrong::Checksum, sink);
            }
            self.lanes[at.sender.index()].said = false;
            if let Some(&[unit, ref octets @ ..]) = rest.get(skip..skip + len - 2) {
                let envelope = Envelope { header: None, unit, framing: Framing::Rtu };
                self.message(at, envelope, octets, None, sink);
            }
            done += skip + len;
        }
        done
    }

    fn ascii_frames(&mut self, at: &At<'_>, bytes: &[u8], sink: &mut dyn Sink) -> usize {
        let mut done = 0;
        let mut decoded = std::mem::take(&mut self.decoded);
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match serial::ascii(rest, self.delimiter, &mut decoded) {
                Ascii::Frame(len) => {
                    self.lanes[at.sender.index()].said = false;
                    if let [unit, octets @ ..] = decoded.as_slice() {
                        let envelope = Envelope { header: None, unit: *unit, framing: Framing::Ascii };
                        self.message(at, envelope, octets, None, sink);
                    }
                    done += len;
                }
                Ascii::Partial => break,
                Ascii::BadLrc(len) => {
                    self.odd(at, rest, Wrong::Checksum, sink);
                    done += len;
                }
                Ascii::No => {
                    self.odd(at, rest, Wrong::Foreign(None), sink);
                    let next = rest.iter().skip(1).position(|octet| *octet == b':');
                    done += next.map_or(rest.len(), |place| place + 1);
                }
            }
        }
        self.decoded = decoded;
        done
    }

    /// Takes whole messages with their header from the front; returns how many octets are done with.
    fn frames(&mut self, at: &At<'_>, bytes: &[u8], sink: &mut dyn Sink) -> usize {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let Some(header) = Header::parse(rest).filter(|_| rest.len() > HEADER) else {
                return done;
            };
            let sync = self.lanes[at.sender.index()].sync;
            if sync == Sync::Border && !is_believable(&header, rest) {
                self.lanes[at.sender.index()].sync = Sync::Lost;
                continue;
            }
            if sync != Sync::Border {
                let (skip, found) = find(rest, sync);
                // It stands at the start of a segment, and the next one may complete it; not where a whole message
                // with its header follows.
                let next = rest.get(skip..).unwrap_or_default();
                let whole = found && Header::parse(next).is_some_and(|h| next.len() >= h.message_len());
                if skip > 0 && !whole && sync == Sync::Start && done == 0 && self.may_be_serial(rest) {
                    return 0;
                }
                if skip > 0 {
                    self.foreign(at, rest, sink);
                }
                let lane = &mut self.lanes[at.sender.index()];
                if found {
                    (lane.sync, lane.said) = (Sync::Border, false);
                } else {
                    lane.sync = Sync::Lost;
                }
                done += skip;
                continue;
            }
            let Some(message) = rest.get(..header.message_len()) else {
                return done;
            };
            self.message(at, Envelope::mbap(header), message.get(HEADER..).unwrap_or_default(), None, sink);
            done += message.len();
        }
        done
    }

    /// Reports octets that are no message, once a run.
    fn foreign(&mut self, at: &At<'_>, bytes: &[u8], sink: &mut dyn Sink) {
        let too_long =
            |header: Header| (header.length > LENGTH_MAX).then_some(Fault::Length { found: header.length });
        let fault = Header::parse(bytes).and_then(|header| header.fault().or(too_long(header)));
        self.odd(at, bytes, Wrong::Foreign(fault), sink);
    }

    fn odd(&mut self, at: &At<'_>, bytes: &[u8], wrong: Wrong, sink: &mut dyn Sink) {
        let lane = &mut self.lanes[at.sender.index()];
        if std::mem::replace(&mut lane.said, true) {
            return;
        }
        let header = Header::parse(bytes).filter(|_| self.framing == Framing::Mbap);
        let fields = ModbusFields {
            header,
            framing: self.framing.name(),
            unit: header.map_or(0, |h| h.unit),
            pdu: None,
            asked: Asked::default(),
            values: Values::None,
        };
        let mut event = blank(at, &fields);
        event.fault = Some(event::Fault { label: wrong.label(), text: &wrong });
        sink.event(&event);
    }

    /// What was carried will never be completed.
    fn cut(&mut self, at: &At<'_>, side: Side, why: &'static str, sink: &mut dyn Sink) {
        let carry = std::mem::take(&mut self.lanes[side.index()].carry);
        let at = At { sender: side, ..*at };
        if self.framing != Framing::Mbap {
            if !carry.is_empty() {
                self.odd(&at, &carry, Wrong::Checksum, sink);
            }
            return;
        }
        let lost = self.lanes[side.index()].sync == Sync::Lost;
        let Some(header) = Header::parse(&carry).filter(|header| !lost && header.fault().is_none()) else {
            if !carry.is_empty() {
                self.foreign(&at, &carry, sink);
            }
            return;
        };
        let wrong = Wrong::Cut { length: header.length, found: carry.len().saturating_sub(6), why };
        self.message(&at, Envelope::mbap(header), carry.get(HEADER..).unwrap_or_default(), Some(wrong), sink);
    }

    /// Decides which way a message goes: ports, handshake, then what its octets allow.
    fn role(&mut self, at: &At<'_>, envelope: &Envelope, pdu: &[u8]) -> Role {
        if let Some(from_client) = at.from_client() {
            return if from_client { Role::Request } else { Role::Response };
        }
        if let Some(server) = self.server {
            return if at.sender == server { Role::Response } else { Role::Request };
        }
        let clean = |role| Pdu::parse(role, pdu).is_some_and(|pdu| pdu.fault.is_none());
        let function = pdu.first().copied().unwrap_or(0);
        let awaited = self.pending.iter().any(|p| {
            p.from != at.sender
                && p.transaction == envelope.transaction()
                && p.function == function & 0x7f
                && p.unit == envelope.unit
        });
        let (role, sure) = match (clean(Role::Request), clean(Role::Response)) {
            _ if function & 0x80 != 0 => (Role::Response, true),
            (_, true) if awaited => (Role::Response, true),
            (true, false) => (Role::Request, true),
            (false, true) => (Role::Response, true),
            _ => (Role::Request, false),
        };
        if sure {
            self.server = Some(if role == Role::Response { at.sender } else { at.sender.other() });
        }
        role
    }

    /// One message: pairs it and says what it means.
    fn message(
        &mut self,
        at: &At<'_>,
        envelope: Envelope,
        octets: &[u8],
        wrong: Option<Wrong>,
        sink: &mut dyn Sink,
    ) {
        let role = self.role(at, &envelope, octets);
        self.lanes[at.sender.index()].heard = true;
        let length = envelope.length();
        let Some(pdu) = Pdu::parse(role, octets) else {
            let fields = ModbusFields {
                header: envelope.header,
                framing: envelope.framing.name(),
                unit: envelope.unit,
                pdu: None,
                asked: Asked::default(),
                values: Values::None,
            };
            let wrong = wrong.unwrap_or(Wrong::Cut { length, found: 1, why: "no function code" });
            let mut event = blank(at, &fields);
            event.device = Some(envelope.unit.into());
            event.fault = Some(event::Fault { label: wrong.label(), text: &wrong });
            return sink.event(&event);
        };
        let long = length > LENGTH_MAX && pdu.function != codes::UMAS;
        let length = long.then_some(Fault::Length { found: length });
        let wrong = wrong.or(length.or(pdu.fault).map(Wrong::Wire));
        match role {
            Role::Request => self.request(at, envelope, &pdu, wrong, sink),
            Role::Response => self.response(at, envelope, &pdu, wrong, sink),
        }
    }

    fn request(
        &mut self,
        at: &At<'_>,
        envelope: Envelope,
        pdu: &Pdu<'_>,
        wrong: Option<Wrong>,
        sink: &mut dyn Sink,
    ) {
        let asked = Asked::of(pdu);
        if let Body::Diagnostic { subfunction: codes::CHANGE_ASCII_INPUT_DELIMITER, data: [end, ..] } =
            pdu.body
        {
            self.delimiter = Some(*end);
        }
        let pending = Pending {
            transaction: envelope.transaction(),
            unit: envelope.unit,
            function: pdu.function,
            from: at.sender,
            asked,
            ts: at.ts,
            frame: at.frame,
            doubtful: false,
        };
        if !self.pending.is_empty() {
            self.retire(at, &pending, sink);
        }
        let kind = if wrong.is_some() { Kind::Malformed } else { Kind::Request };
        self.emit(at, kind, envelope, pdu, asked, Role::Request, None, wrong, sink);
        // Most masters have one request under way.
        if self.pending.len() == self.pending.capacity() {
            self.pending.reserve_exact(1);
        }
        self.pending.push(pending);
    }

    fn response(
        &mut self,
        at: &At<'_>,
        envelope: Envelope,
        pdu: &Pdu<'_>,
        wrong: Option<Wrong>,
        sink: &mut dyn Sink,
    ) {
        let place = self.pending.iter().position(|p| {
            p.transaction == envelope.transaction()
                && p.function == pdu.function
                && p.unit == envelope.unit
                && p.from != at.sender
        });
        let request = place.map(|place| self.pending.remove(place));
        let asked = request.map_or_else(|| Asked::of(pdu), |request| request.asked);
        let wrong = wrong.or_else(|| answer_fault(pdu, request.as_ref()).map(Wrong::Wire));
        let kind = if wrong.is_some() { Kind::Malformed } else { Kind::Response };
        self.emit(at, kind, envelope, pdu, asked, Role::Response, request, wrong, sink);
    }

    #[allow(clippy::too_many_arguments)] // one message with all that is known of it
    fn emit(
        &mut self,
        at: &At<'_>,
        kind: Kind,
        envelope: Envelope,
        pdu: &Pdu<'_>,
        asked: Asked,
        role: Role,
        request: Option<Pending>,
        wrong: Option<Wrong>,
        sink: &mut dyn Sink,
    ) {
        let Envelope { header, unit, framing } = envelope;
        let second = asked.second.or(pdu.second());
        let verb = codes::verb(pdu.function, second);
        self.points.clear();
        self.points.reserve_exact(1);
        meaning::points(pdu, &asked, role, verb, &mut self.points);
        let values = meaning::values(pdu, &asked);
        let fields = ModbusFields { header, framing: framing.name(), unit, pdu: Some(*pdu), asked, values };
        sink.event(&Event {
            kind,
            verb,
            function: Some(pdu.function.into()),
            device: Some(unit.into()),
            points: &self.points,
            values,
            outcome: (role == Role::Response).then(|| meaning::outcome(pdu)),
            latency: request.map(|request| at.ts.since(request.ts)),
            request: request.map(|request| request.frame),
            fault: wrong.as_ref().map(|wrong| event::Fault { label: wrong.label(), text: wrong }),
            ..blank(at, &fields)
        });
    }

    /// Gives up requests that this one makes pointless: too old, too many, or the same transaction again.
    fn retire(&mut self, at: &At<'_>, new: &Pending, sink: &mut dyn Sink) {
        self.give_up(at, ANSWER_TIME, sink);
        let again = |p: &Pending| {
            p.transaction == new.transaction
                && p.unit == new.unit
                && p.from == new.from
                && (p.function == new.function && p.asked == new.asked || at.ts.since(p.ts) > PIPELINE_TIME)
        };
        if let Some(place) = self.pending.iter().position(again) {
            let old = self.pending.remove(place);
            self.unanswered(at, &old, sink);
        }
        if self.pending.len() >= PENDING_MAX {
            let old = self.pending.remove(0);
            self.unanswered(at, &old, sink);
        }
    }

    /// Gives up requests older than this many nanoseconds.
    fn give_up(&mut self, at: &At<'_>, age: u64, sink: &mut dyn Sink) {
        while let Some(old) = self.pending.first().copied().filter(|p| at.ts.since(p.ts) > age) {
            self.pending.remove(0);
            self.unanswered(at, &old, sink);
        }
    }

    /// Says that a request was never answered, unless the capture shows one direction only or lacks a part.
    fn unanswered(&mut self, at: &At<'_>, old: &Pending, sink: &mut dyn Sink) {
        if old.doubtful || !self.lanes[old.from.other().index()].heard {
            return;
        }
        let at = At { sender: old.from.other(), frame: 0, ..*at };
        let verb = codes::verb(old.function, old.asked.second);
        let header =
            old.transaction.map(|transaction| Header { transaction, protocol: 0, length: 0, unit: old.unit });
        let nothing = Pdu { function: old.function, body: Body::Empty, fault: None };
        self.points.clear();
        meaning::points(&nothing, &old.asked, Role::Response, verb, &mut self.points);
        let fields = ModbusFields {
            header,
            framing: self.framing.name(),
            unit: old.unit,
            pdu: Some(nothing),
            asked: old.asked,
            values: Values::None,
        };
        sink.event(&Event {
            kind: Kind::Response,
            verb,
            function: Some(old.function.into()),
            device: Some(old.unit.into()),
            points: &self.points,
            outcome: Some(Outcome::Unanswered),
            latency: Some(at.ts.since(old.ts)),
            request: Some(old.frame),
            ..blank(&at, &fields)
        });
    }
}

/// What an answer gets wrong about its request.
fn answer_fault(pdu: &Pdu<'_>, request: Option<&Pending>) -> Option<Fault> {
    use super::wire::Body;
    let (quantity, need) = request?.asked.answer_octets(pdu.function)?;
    let (Body::Bits(bytes) | Body::Registers(bytes)) = pdu.body else {
        return None;
    };
    let claimed = u16::try_from(bytes.len()).ok()?;
    (claimed != need).then_some(Fault::CountForQuantity { claimed, quantity, need })
}

/// An event of which only the surroundings are known.
fn blank<'a>(at: &At<'a>, fields: &'a ModbusFields<'a>) -> Event<'a> {
    Event {
        ts: at.ts,
        frame: at.frame,
        flow: at.flow(),
        proto: &super::WORDS,
        kind: Kind::Malformed,
        verb: event::Verb::Other,
        function: None,
        device: None,
        points: &[],
        values: Values::None,
        outcome: None,
        latency: None,
        request: None,
        fault: None,
        fields,
    }
}

/// Whether a message may start with this header: only UMAS is longer than the standard allows, and a length that is
/// believed makes everything up to it part of the message.
fn is_believable(header: &Header, message: &[u8]) -> bool {
    let long = header.length > LENGTH_MAX && message.get(HEADER).map(|f| f & 0x7f) != Some(codes::UMAS);
    header.fault().is_none() && !long
}

/// Looks for the next message in bytes that may start anywhere: how many octets to pass over, and whether a
/// message starts there. Fewer than eight octets are never judged. At the start of a segment the first place is
/// taken on weaker evidence than a place in the middle.
fn find(bytes: &[u8], sync: Sync) -> (usize, bool) {
    let places = bytes.len().saturating_sub(HEADER);
    let starts = |place: usize| {
        let rest = bytes.get(place..)?;
        let header = Header::parse(rest).filter(|header| is_believable(header, rest))?;
        let function = *rest.get(HEADER)?;
        let known = codes::FUNCTIONS.iter().any(|f| f.code == u16::from(function & 0x7f));
        let after = rest.get(header.message_len()..);
        // Where the next header can be seen, it must look like one.
        let next = after.and_then(Header::parse).is_none_or(|next| next.fault().is_none());
        let whole = after.is_some() && place == 0 && sync == Sync::Start && function != 0;
        (next && (known || whole)).then_some(())
    };
    match (0..places).find(|place| starts(*place).is_some()) {
        Some(place) => (place, true),
        None => (places, false),
    }
}

#[cfg(test)]
mod tests;
