//! One conversation in DNP3: frames found in what each side sends, fragments put together, responses paired with
//! their requests, and the events that come of it.
//!
//! Every link frame is one event, but for a fragment in several frames: its event is that of its last frame, and
//! the frames before are events without a function. Clock readings come with the octets.

use super::WORDS;
use super::association::{Asked, Associations, KEEP_OCTETS, LONGEST_FRAGMENT, Step, WAITING, Waiting};
use super::codes::{self, function};
use super::digest::{Digest, digest};
use super::framer::{Framer, Piece};
use super::message::{self, Message};
use super::trouble::Trouble;
use super::wire::link::{Address, Control, Header};
use super::wire::transport::{self, Segment};
use super::wire::{application, objects};
use crate::address::Side;
use crate::event::{Event, Fault, Kind, Outcome, PointRange, Sink, Value, Values, Verb};
use crate::protocol::{At, Session};

/// A buffer of points or values with more room than this is made smaller after use.
const KEEP_POINTS: usize = 4096;

/// The state of one conversation.
pub struct Conversation {
    framers: [Option<Framer>; 2],
    state: State,
}

/// What is kept apart from the framing.
#[derive(Default)]
struct State {
    associations: Associations,
    points: Vec<PointRange>,
    values: Vec<Value<'static>>,
}

impl Conversation {
    /// A conversation of which nothing was seen yet.
    pub fn new() -> Self {
        Conversation { framers: [None, None], state: State::default() }
    }
}

impl Default for Conversation {
    fn default() -> Self {
        Self::new()
    }
}

impl Conversation {
    fn framed(
        &mut self,
        at: &At<'_>,
        sink: &mut dyn Sink,
        act: impl FnOnce(&mut Framer, &mut dyn FnMut(Piece<'_>)),
    ) {
        let Some(framer) = self.framers.get_mut(at.sender.index()) else { return };
        // Where the handshake was seen, the stream starts where a frame does.
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
        self.state.associations.gap(at.sender);
    }

    fn datagram(&mut self, at: &At<'_>, bytes: &[u8], sink: &mut dyn Sink) {
        self.framed(at, sink, |framer, mut out| framer.datagram(bytes, &mut out));
    }

    fn close(&mut self, at: &At<'_>, sink: &mut dyn Sink) {
        for sender in [Side::A, Side::B] {
            if self.framers.get(sender.index()).is_some_and(Option::is_some) {
                self.framed(&At { sender, ..*at }, sink, |framer, mut out| framer.close(&mut out));
            }
        }
        while let Some(old) = self.state.associations.given_up(at.ts) {
            unanswered(at, &old, sink);
        }
    }

    fn memory(&self) -> usize {
        let framers: usize = self.framers.iter().flatten().map(Framer::memory).sum();
        size_of::<Self>()
            + framers
            + self.state.associations.memory()
            + self.state.points.capacity() * size_of::<PointRange>()
            + self.state.values.capacity() * size_of::<Value<'_>>()
    }
}

/// What an event needs beside its message.
struct Meaning<'a> {
    kind: Kind,
    verb: Verb,
    device: Option<u16>,
    points: &'a [PointRange],
    values: &'a [Value<'a>],
    outcome: Option<Outcome>,
    latency: Option<u64>,
    request: Option<u64>,
}

impl Meaning<'_> {
    /// A message that says no more than its link header.
    fn bare(kind: Kind, verb: Verb, header: Option<Header>) -> Self {
        Meaning {
            kind,
            verb,
            device: header.map(|header| header.outstation()),
            points: &[],
            values: &[],
            outcome: None,
            latency: None,
            request: None,
        }
    }
}

/// Hands one event to the sink.
fn emit(
    at: &At<'_>,
    message: &Message<'_>,
    meaning: &Meaning<'_>,
    trouble: Option<Trouble<'_>>,
    sink: &mut dyn Sink,
) {
    let fault = trouble.as_ref().map(|trouble| Fault { label: trouble.label(), text: trouble });
    sink.event(&Event {
        ts: at.ts,
        frame: at.frame,
        flow: at.flow(),
        proto: &WORDS,
        kind: if fault.is_some() { Kind::Malformed } else { meaning.kind },
        verb: meaning.verb,
        function: message.application.map(|header| u16::from(header.function)),
        device: meaning.device.map(u32::from),
        points: meaning.points,
        values: if meaning.values.is_empty() { Values::None } else { Values::List(meaning.values) },
        outcome: meaning.outcome,
        latency: meaning.latency,
        request: meaning.request,
        fault,
        fields: message,
    });
}

/// A fragment with what brought it.
struct Fragment<'a> {
    header: Header,
    segment: Segment,
    frames: u32,
    octets: &'a [u8],
    /// What is already known to be wrong: it is not whole.
    trouble: Option<Trouble<'a>>,
}

impl State {
    fn piece(&mut self, at: &At<'_>, piece: Piece<'_>, sink: &mut dyn Sink) {
        if let Piece::Frame { header, user_data } = piece {
            return self.frame(at, header, user_data, sink);
        }
        if let Some((link, trouble)) = Trouble::of(piece) {
            let message = Message { link, ..Message::default() };
            emit(at, &message, &Meaning::bare(Kind::Malformed, Verb::Other, link), Some(trouble), sink);
        }
    }

    /// A good link frame.
    fn frame(&mut self, at: &At<'_>, header: Header, user_data: &[u8], sink: &mut dyn Sink) {
        if let Some(pair) = self.associations.of(&header) {
            pair.hear(&header);
        }
        let mut message = Message { link: Some(header), ..Message::default() };
        let mut meaning = Meaning::bare(Kind::Message, Verb::Session, Some(header));
        if !header.control.user_data() {
            let trouble = (!user_data.is_empty())
                .then(|| Trouble::Unexpected(header.control.function(), user_data.len()));
            return emit(at, &message, &meaning, trouble, sink);
        }
        let Some((segment, payload)) = transport::split(user_data) else {
            return emit(at, &message, &meaning, Some(Trouble::Empty), sink);
        };
        if segment.first() {
            self.abandon(at, header, segment, sink);
            if segment.last() {
                let fragment = Fragment { header, segment, frames: 1, octets: payload, trouble: None };
                return self.fragment(at, &fragment, sink);
            }
        }
        message.segment = Some(segment);
        let verb = if segment.first() { self.first_verb(&header, payload) } else { None };
        let Some(assembly) = self.associations.of(&header).map(|pair| pair.assembly(at.sender, &header))
        else {
            return;
        };
        let step = if segment.first() {
            assembly.start(segment, payload, verb);
            Step::More
        } else {
            assembly.step(segment, payload)
        };
        meaning.verb = assembly.verb.unwrap_or(Verb::Other);
        let (segments, have) = (assembly.segments, assembly.octets.len());
        let trouble = match step {
            Step::More => {
                self.associations.bound();
                None
            }
            Step::Repeated | Step::Unknown => None,
            Step::Stray => Some(Trouble::Stray(segment.sequence())),
            Step::TooLong => Some(Trouble::Oversize(LONGEST_FRAGMENT)),
            Step::Broken(due) => Some(Trouble::Sequence(due, segment.sequence(), segments, have)),
            Step::Complete => return self.assembled(at, header, segment, None, sink),
        };
        match step {
            Step::TooLong | Step::Broken(_) => self.assembled(at, header, segment, trouble, sink),
            _ => emit(at, &message, &meaning, trouble, sink),
        }
    }

    /// A new fragment begins: if one was under way from the same sender, it never became whole.
    fn abandon(&mut self, at: &At<'_>, header: Header, segment: Segment, sink: &mut dyn Sink) {
        let Some(assembly) = self.associations.of(&header).map(|pair| pair.assembly(at.sender, &header))
        else {
            return;
        };
        if assembly.is_open() {
            let trouble = Trouble::Abandoned(assembly.segments, assembly.octets.len());
            self.assembled(at, header, segment, Some(trouble), sink);
        } else if segment.last() {
            assembly.whole();
        }
    }

    /// What an assembly holds becomes an event; then it is empty.
    fn assembled(
        &mut self,
        at: &At<'_>,
        header: Header,
        segment: Segment,
        trouble: Option<Trouble<'_>>,
        sink: &mut dyn Sink,
    ) {
        let assembly = |state: &mut State, octets: Option<Vec<u8>>| {
            let assembly = state.associations.of(&header)?.assembly(at.sender, &header);
            let (frames, taken) = (assembly.segments, std::mem::take(&mut assembly.octets));
            if let Some(octets) = octets {
                assembly.octets = octets;
                assembly.drop_open();
            }
            Some((frames, taken))
        };
        let Some((frames, octets)) = assembly(self, None) else { return };
        self.fragment(at, &Fragment { header, segment, frames, octets: &octets, trouble }, sink);
        assembly(self, Some(octets));
    }

    /// What a message does, as far as the start of its first segment shows.
    fn first_verb(&mut self, header: &Header, payload: &[u8]) -> Option<Verb> {
        let (application, octets) = application::split(payload).ok()?;
        let group = octets.first().copied();
        match application.function {
            function::UNSOLICITED => Some(Verb::Report),
            code if application::is_response(code) => {
                let waiting = self.associations.of(header)?.waiting(application.control.sequence());
                Some(waiting.and_then(|waiting| waiting.verb).unwrap_or_else(|| codes::answered(group)))
            }
            code => Some(codes::verb(code, group)),
        }
    }

    /// An application fragment, whole or as much as came of it.
    fn fragment(&mut self, at: &At<'_>, fragment: &Fragment<'_>, sink: &mut dyn Sink) {
        let Fragment { header, segment, frames, octets, trouble } = *fragment;
        let message = Message { link: Some(header), segment: Some(segment), frames, ..Message::default() };
        let (application, octets) = match application::split(octets) {
            Ok(parts) => parts,
            Err(error) => {
                let meaning = Meaning::bare(Kind::Message, Verb::Other, Some(header));
                let trouble = trouble.unwrap_or(Trouble::Application(error));
                return emit(at, &message, &meaning, Some(trouble), sink);
            }
        };
        let message = Message { application: Some(application), objects: octets, ..message };
        let mut points = std::mem::take(&mut self.points);
        // Most messages of most conversations have one range.
        points.reserve_exact(1);
        let mut values: Vec<Value<'_>> = std::mem::take(&mut self.values);
        if application::is_response(application.function) {
            self.response(at, message, trouble, &mut points, &mut values, sink);
        } else {
            self.request(at, message, trouble, &mut points, &mut values, sink);
        }
        points.clear();
        points.shrink_to(KEEP_POINTS);
        self.points = points;
        self.values = emptied(values);
    }

    /// A message with a function that masters send, or with one that nobody should.
    fn request<'a>(
        &mut self,
        at: &At<'_>,
        mut message: Message<'a>,
        trouble: Option<Trouble<'a>>,
        points: &mut Vec<PointRange>,
        values: &mut Vec<Value<'a>>,
        sink: &mut dyn Sink,
    ) {
        let (Some(link), Some(application)) = (message.link, message.application) else { return };
        let code = application.function;
        let known = message::is_known(code);
        let octets = if known { message.objects } else { &[] };
        let digest = digest(code, octets, |group| codes::verb(code, Some(group)), points, values);
        let verb = codes::verb(code, digest.group);
        let sequence = application.control.sequence();
        // A fragment that is not whole has no answer; one with objects that make no sense has.
        if let Some(pair) = self.associations.of(&link).filter(|_| trouble.is_none()) {
            match code {
                function::SELECT => pair.select(sequence, at.frame, message.objects),
                function::OPERATE => message.select = pair.operate(sequence, message.objects),
                _ => {}
            }
            // The answer to a challenge lets the outstation answer what it had challenged.
            let goes_on = digest.reply && pair.waiting(sequence).is_some();
            if code < 128 && codes::is_answered(code) && !goes_on && !Address(link.destination).is_broadcast()
            {
                for _ in 0..WAITING {
                    if let Some(old) = pair.given_up(at.ts, Some((sequence, link.source))) {
                        unanswered(at, &old, sink);
                    }
                }
                pair.request(Asked { link, application, from: at.sender }, at.ts, at.frame, verb, points);
            }
        }
        let trouble = trouble.or(digest.trouble);
        let kind = match code {
            function::CONFIRM => Kind::Message,
            code if code < 128 => Kind::Request,
            _ => Kind::Message,
        };
        let device = if code < 128 { link.destination } else { link.outstation() };
        let meaning = Meaning { device: Some(device), points, values, ..Meaning::bare(kind, verb, None) };
        emit(at, &message, &meaning, trouble, sink);
    }

    /// A message with a function that outstations send.
    fn response<'a>(
        &mut self,
        at: &At<'_>,
        message: Message<'a>,
        trouble: Option<Trouble<'a>>,
        points: &mut Vec<PointRange>,
        values: &mut Vec<Value<'a>>,
        sink: &mut dyn Sink,
    ) {
        let (Some(link), Some(application)) = (message.link, message.application) else { return };
        let code = application.function;
        let unsolicited = code == function::UNSOLICITED;
        let pair = if unsolicited { None } else { self.associations.of(&link) };
        let mut waiting = pair.and_then(|pair| pair.waiting(application.control.sequence()));
        let asked = waiting.as_ref().and_then(|waiting| waiting.verb);
        let verb = match (unsolicited, asked) {
            (true, _) => Verb::Report,
            (false, Some(verb)) => verb,
            (false, None) => codes::answered(first_group(code, message.objects)),
        };
        let digest = digest(code, message.objects, |_| verb, points, values);
        let mut meaning = Meaning {
            kind: if unsolicited { Kind::Unsolicited } else { Kind::Response },
            verb: if code == function::AUTHENTICATION_RESPONSE { Verb::Authenticate } else { verb },
            device: Some(link.source),
            points,
            values,
            outcome: outcome(&digest, application.iin).filter(|_| !unsolicited && !digest.challenge),
            latency: None,
            request: None,
        };
        let trouble = trouble.or(digest.trouble);
        if let Some(waiting) = &mut waiting {
            meaning.latency = Some(at.ts.since(waiting.ts));
            meaning.request = Some(waiting.frame);
            if meaning.points.is_empty() {
                meaning.points = &waiting.points;
            }
        }
        emit(at, &message, &meaning, trouble, sink);
        if let Some(waiting) = waiting.filter(|_| !digest.challenge) {
            waiting.answered(application.control.last());
        }
    }
}

/// Says that a request was never answered.
fn unanswered(at: &At<'_>, old: &Waiting, sink: &mut dyn Sink) {
    let Some(Asked { link, application, from }) = old.asked else { return };
    let answer = Header {
        length: 0,
        control: Control(link.control.0 & 0x0f | 0x40),
        destination: link.source,
        source: link.destination,
    };
    let message = Message { link: Some(answer), application: Some(application), ..Message::default() };
    let meaning = Meaning {
        points: &old.points,
        outcome: Some(Outcome::Unanswered),
        latency: Some(at.ts.since(old.ts)),
        request: Some(old.frame),
        ..Meaning::bare(Kind::Response, old.verb.unwrap_or(Verb::Other), Some(answer))
    };
    emit(&At { sender: from.other(), frame: 0, ..*at }, &message, &meaning, None, sink);
}

/// The group of the first object header.
fn first_group(function: u8, octets: &[u8]) -> Option<u8> {
    objects::Headers::new(function, octets).map_while(Result::ok).map(|block| block.name.group).next()
}

/// How a response says that the request turned out: an object's status first, then the internal indications.
fn outcome(digest: &Digest<'_>, iin: Option<u16>) -> Option<Outcome> {
    let refusal = digest.refusal.or_else(|| iin.and_then(codes::indicated_error));
    Some(match refusal {
        Some((code, name)) => Outcome::Exception { code, name },
        None => Outcome::Success,
    })
}

/// The same buffer, empty, fit for values of any life. Nothing is moved: an empty iterator collects in place.
fn emptied(mut values: Vec<Value<'_>>) -> Vec<Value<'static>> {
    values.clear();
    values.shrink_to(KEEP_POINTS);
    values.into_iter().map_while(|_| None).collect()
}

const _: () =
    assert!(KEEP_OCTETS >= 2048, "a fragment of the default maximum is kept without allocating anew");
