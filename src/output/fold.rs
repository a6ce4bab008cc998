//! Steady polls as one line: what a log of every message is mostly full of, said once for each conversation, points and ten minutes.
//!
//! Folded is a plain read that was seen before in this conversation, and its answer where that came, succeeded and took about as
//! long as ever. Everything else is written whole: the first of its kind, every write and command, every exception and answer that
//! never came, what is malformed, the first after a pause that is long for this poll, an answer that took much longer than before,
//! text that has changed, and whatever a protocol does not call steady ([`Fields::steady`](crate::event::Fields::steady)).
//! Values may change: the line says between what, point by point.

use crate::address::Timestamp;
use crate::event::{
    Array, Event, Flow, Json, Kind, Object, Outcome, OwnedValue, PointRange, Value, Values, Verb, Vocabulary,
};

/// Nanoseconds that one line is about, at most.
const INTERVAL: u64 = 600_000_000_000;
/// Polls that are told apart in one conversation; what is beyond is written whole.
const POLLS: usize = 64;
/// A pause is long where it is so many times the longest before, and longer than [`PAUSE`].
const LONG: u64 = 3;
/// Nanoseconds.
const PAUSE: u64 = 1_000_000_000;
/// Requests before it is known how long a pause is.
const KNOWN: u64 = 3;
/// An answer is slow where it took so many times as long as any before, and longer than [`SLOW`].
const SLOWER: u64 = 10;
/// Nanoseconds.
const SLOW: u64 = 100_000_000;

/// The polls of one conversation.
#[derive(Default)]
pub struct Polls {
    polls: Vec<Poll>,
    /// The one that is likely next: they come round in turn.
    next: usize,
    /// When the first of the open lines is due, in nanoseconds since 1970.
    due: Option<i64>,
}

/// One poll: who asks, and for what.
struct Poll {
    /// What the one who asks sends.
    flow: Flow,
    proto: &'static Vocabulary,
    function: Option<u16>,
    device: Option<u32>,
    points: Box<[PointRange]>,
    /// What the protocol's own fields said, of the request and of the answer.
    steady: [Option<u64>; 2],
    asked: u64,
    /// When it was asked last.
    last: i64,
    /// The longest time between two requests, and for an answer.
    longest: u64,
    slowest: u64,
    /// The values of the last answer.
    values: Kept,
    open: Option<Open>,
}

/// Values, kept.
#[derive(Default)]
enum Kept {
    #[default]
    None,
    Registers(Vec<u8>),
    Bits {
        bytes: Vec<u8>,
        count: u32,
    },
    List(Vec<OwnedValue>),
}

/// A line that is not yet written.
struct Open {
    first: (Timestamp, u64),
    last: (Timestamp, u64),
    requests: u64,
    responses: u64,
    interval: Spread,
    latency: Spread,
    /// The least and the most of each value, once one has changed.
    ranges: Vec<Option<(f64, f64)>>,
}

/// The least, the most and the sum of some times, in nanoseconds.
#[derive(Clone, Copy, Default)]
struct Spread {
    count: u64,
    least: u64,
    most: u64,
    sum: u128,
}

impl Spread {
    fn add(&mut self, time: u64) {
        self.least = if self.count == 0 { time } else { self.least.min(time) };
        self.most = self.most.max(time);
        self.count += 1;
        self.sum += u128::from(time);
    }

    fn write(&self, name: &str, o: &mut Object<'_>) {
        if self.count == 0 {
            return o.key(name).null();
        }
        let mean = (self.sum / u128::from(self.count)) as u64;
        o.key(name).object(|o| {
            o.int("min", Some(self.least / 1000));
            o.int("mean", Some(mean / 1000));
            o.int("max", Some(self.most / 1000));
        });
    }
}

/// A line about a steady poll.
pub struct Folded<'p> {
    poll: &'p Poll,
    open: &'p Open,
}

impl Polls {
    /// Takes a message; whether it is folded away. `line` gets what is to be written before it.
    pub fn take(&mut self, event: &Event<'_>, line: &mut dyn FnMut(&Folded<'_>)) -> bool {
        let now = event.ts.nanos;
        if self.due.is_some_and(|due| now >= due) {
            self.write(line, |open| now >= due(open));
        }
        let Some((side, steady)) = plain(event) else { return false };
        let Some(at) = self.find(event, side) else {
            if self.polls.len() < POLLS {
                self.polls.push(Poll::new(event, side, steady));
            }
            return false;
        };
        self.next = if side == 0 { at } else { at + 1 };
        let Some(poll) = self.polls.get_mut(at) else { return false };
        let is_folded = match side {
            0 => poll.asks(event, steady),
            _ => poll.answers(event, steady),
        };
        if is_folded && let Some(open) = &poll.open {
            let due = due(open);
            self.due = Some(self.due.map_or(due, |first| first.min(due)));
        }
        is_folded
    }

    /// The conversation is over: writes what is open.
    pub fn finish(&mut self, line: &mut dyn FnMut(&Folded<'_>)) {
        self.write(line, |_| true);
    }

    fn write(&mut self, line: &mut dyn FnMut(&Folded<'_>), mut is_due: impl FnMut(&Open) -> bool) {
        self.due = None;
        for poll in &mut self.polls {
            match poll.open.take_if(|open| is_due(open)) {
                Some(open) => line(&Folded { poll, open: &open }),
                None => {
                    let later = poll.open.as_ref().map(due);
                    self.due = self.due.into_iter().chain(later).min();
                }
            }
        }
    }

    /// The poll that a message belongs to.
    fn find(&self, event: &Event<'_>, side: usize) -> Option<usize> {
        let asks = if side == 0 { event.flow.src } else { event.flow.dst };
        let is_it = |poll: &Poll| {
            poll.function == event.function
                && poll.device == event.device
                && same_points(&poll.points, event.points)
                && poll.flow.src == asks
        };
        let count = self.polls.len();
        (0..count).map(|step| (self.next + step) % count).find(|at| self.polls.get(*at).is_some_and(is_it))
    }
}

/// Whether these are the same points; an answer has values for them, its request has none.
fn same_points(own: &[PointRange], other: &[PointRange]) -> bool {
    let is_same = |(a, b): (&PointRange, &PointRange)| {
        (a.space, a.variant, a.first, a.last, a.verb) == (b.space, b.variant, b.first, b.last, b.verb)
    };
    own.len() == other.len() && own.iter().zip(other).all(is_same)
}

/// When a line is due, in nanoseconds since 1970.
fn due(open: &Open) -> i64 {
    open.first.0.nanos.saturating_add_unsigned(INTERVAL)
}

/// Whether a message may be part of a steady poll: 0 for a request, 1 for an answer, with what the protocol says of it.
fn plain(event: &Event<'_>) -> Option<(usize, u64)> {
    if event.verb != Verb::Read || event.fault.is_some() {
        return None;
    }
    let side = match event.kind {
        Kind::Request => 0,
        Kind::Response if event.outcome == Some(Outcome::Success) && event.request.is_some() => 1,
        _ => return None,
    };
    Some((side, event.fields.steady()?))
}

impl Poll {
    fn new(event: &Event<'_>, side: usize, steady: u64) -> Poll {
        let mut poll = Poll {
            flow: if side == 0 { event.flow.clone() } else { event.flow.reversed() },
            proto: event.proto,
            function: event.function,
            device: event.device,
            points: event.points.into(),
            steady: [None; 2],
            asked: u64::from(side == 0),
            last: event.ts.nanos,
            longest: 0,
            slowest: event.latency.unwrap_or(0),
            values: Kept::of(event.values),
            open: None,
        };
        poll.steady[side] = Some(steady);
        poll
    }

    /// Takes a request; whether it is folded.
    fn asks(&mut self, event: &Event<'_>, steady: u64) -> bool {
        let gap = event.ts.nanos.saturating_sub(self.last).max(0) as u64;
        let is_first = self.asked == 0;
        let is_long = self.asked >= KNOWN && gap > PAUSE && gap > self.longest.saturating_mul(LONG);
        let is_same = self.steady[0].replace(steady) == Some(steady);
        self.last = event.ts.nanos;
        self.asked += 1;
        if !is_first {
            self.longest = self.longest.max(gap);
        }
        if is_first || is_long || !is_same {
            return false;
        }
        let open = self.open(event);
        open.requests += 1;
        open.interval.add(gap);
        true
    }

    /// Takes an answer; whether it is folded.
    fn answers(&mut self, event: &Event<'_>, steady: u64) -> bool {
        let latency = event.latency.unwrap_or(0);
        let is_slow = latency > SLOW && latency > self.slowest.saturating_mul(SLOWER);
        let is_same = self.steady[1].replace(steady) == Some(steady);
        self.slowest = self.slowest.max(latency);
        let change = self.values.change(event.values);
        if change != Change::None {
            // Before the others: the range is that of all answers, whole ones too.
            self.widen(event.values, change);
        }
        if is_slow || !is_same || change == Change::Other {
            return false;
        }
        let open = self.open(event);
        open.responses += 1;
        open.latency.add(latency);
        true
    }

    fn open(&mut self, event: &Event<'_>) -> &mut Open {
        let here = (event.ts, event.frame);
        let open = self.open.get_or_insert_with(|| Open {
            first: here,
            last: here,
            requests: 0,
            responses: 0,
            interval: Spread::default(),
            latency: Spread::default(),
            ranges: Vec::new(),
        });
        open.last = here;
        open
    }

    /// Takes values that are other than the last, and keeps them.
    fn widen(&mut self, values: Values<'_>, change: Change) {
        if let (Some(open), Change::Numbers) = (&mut self.open, change) {
            if open.ranges.is_empty() {
                open.ranges = self.values.numbers();
            }
            for (range, value) in open.ranges.iter_mut().zip(values.iter()) {
                if let (Some((low, high)), Some(number)) = (range, value.number()) {
                    (*low, *high) = (low.min(number), high.max(number));
                }
            }
        }
        self.values.set(values);
    }
}

/// How values differ from the last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    /// Only in their numbers.
    Numbers,
    /// In how many they are, or in text.
    Other,
}

impl Kept {
    fn of(values: Values<'_>) -> Kept {
        let mut kept = Kept::None;
        kept.set(values);
        kept
    }

    fn set(&mut self, values: Values<'_>) {
        match (values, &mut *self) {
            (Values::Registers(bytes), Kept::Registers(own)) => {
                own.clear();
                own.extend_from_slice(bytes);
            }
            (Values::Registers(bytes), _) => *self = Kept::Registers(bytes.to_vec()),
            (Values::Bits { bytes, count }, _) => *self = Kept::Bits { bytes: bytes.to_vec(), count },
            (Values::List(list), _) => *self = Kept::List(list.iter().map(|value| (*value).into()).collect()),
            (Values::None, _) => {}
        }
    }

    fn change(&self, values: Values<'_>) -> Change {
        match (values, self) {
            (Values::None, _) => Change::None,
            (Values::Registers(bytes), Kept::Registers(own)) if own.len() == bytes.len() => {
                if own == bytes {
                    Change::None
                } else {
                    Change::Numbers
                }
            }
            (Values::Bits { bytes, count }, Kept::Bits { bytes: own, count: own_count })
                if count == *own_count && own.len() == bytes.len() =>
            {
                if own == bytes {
                    Change::None
                } else {
                    Change::Numbers
                }
            }
            (Values::List(list), Kept::List(own)) if list.len() == own.len() => {
                let mut change = Change::None;
                for (value, own) in list.iter().zip(own) {
                    if OwnedValue::from(*value) == *own {
                        continue;
                    }
                    match (value.number(), own.value().number()) {
                        (Some(_), Some(_)) => change = Change::Numbers,
                        _ => return Change::Other,
                    }
                }
                change
            }
            // The first answer of this poll in the conversation: it is written whole.
            _ => Change::Other,
        }
    }

    /// One by one.
    fn each(&self, act: &mut dyn FnMut(Value<'_>)) {
        match self {
            Kept::None => {}
            Kept::Registers(bytes) => Values::Registers(bytes).iter().for_each(act),
            Kept::Bits { bytes, count } => Values::Bits { bytes, count: *count }.iter().for_each(act),
            Kept::List(own) => own.iter().for_each(|value| act(value.value())),
        }
    }

    /// Each value as a range of itself.
    fn numbers(&self) -> Vec<Option<(f64, f64)>> {
        let mut all = Vec::new();
        self.each(&mut |value| all.push(value.number().map(|number| (number, number))));
        all
    }
}

impl Folded<'_> {
    /// Appends it as one JSON object, without a newline; `file` names its capture where there are several.
    pub fn write_json(&self, file: Option<&str>, out: &mut Vec<u8>) {
        let Folded { poll, open } = self;
        Json::new(out).object(|o| {
            o.word("ts", open.first.0.format(&mut [0; 40]));
            o.int("frame", Some(open.first.1));
            if let Some(file) = file {
                o.key("file").str(file);
            }
            o.word("proto", poll.proto.name);
            o.word("kind", "folded");
            o.word("verb", Verb::Read.name());
            o.members(poll.flow.members());
            o.int("device", poll.device);
            o.int("function", poll.function);
            o.key("points").array(|a| {
                for range in &poll.points {
                    a.item().object(|o| {
                        o.key("space").display(&poll.proto.space_name(range.space));
                        o.int("first", (!range.is_all()).then_some(range.first));
                        o.int("last", (!range.is_all()).then_some(range.last));
                    });
                }
            });
            o.word("last_ts", open.last.0.format(&mut [0; 40]));
            o.int("last_frame", Some(open.last.1));
            o.int("requests", Some(open.requests));
            o.int("responses", Some(open.responses));
            open.interval.write("interval_us", o);
            open.latency.write("latency_us", o);
            o.key("values").array(|a| poll.values.each(&mut |value| a.item().value(value)));
            o.key("changed").array(|a| self.changed(a));
        });
    }

    /// The points whose values were not the same all the time, with their least and their most.
    fn changed(&self, a: &mut Array<'_>) {
        let Folded { poll, open } = self;
        let places = poll
            .points
            .iter()
            .flat_map(|range| (range.first..=range.last).map(move |index| (range.space, index)));
        for ((space, index), range) in places.zip(&open.ranges) {
            let Some((low, high)) = range.filter(|(low, high)| low < high) else { continue };
            a.item().object(|o| {
                o.key("space").display(&poll.proto.space_name(space));
                o.int("index", Some(index));
                for (name, number) in [("min", low), ("max", high)] {
                    match number.fract() == 0.0 && number.abs() < 9e15 {
                        true => o.int(name, Some(number as i64)),
                        false => o.key(name).float(number),
                    }
                }
            });
        }
    }
}
