//! What is remembered of the traffic: who asked whom for what, how often, with which values.

use crate::address::{Address, Timestamp};
use crate::event::{PointRange, Space, Value, Verb, Vocabulary};
use std::collections::{HashMap, VecDeque};

/// Requests of a pair that wait for their answer.
const RECENT: usize = 64;
/// Gaps between two askings that are kept; when there are more, every other one is dropped.
const GAPS: usize = 128;
/// Different words for one point before it counts as taking any.
const WORDS: usize = 16;

/// One direction between two hosts in one protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct PairKey {
    pub client: Address,
    pub server: Address,
    /// [`Vocabulary::id`].
    pub proto: u8,
}

/// How an ask came to be known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Way {
    /// It was asked (or said, in protocols that do not ask).
    Asked,
    /// Only its answer was seen.
    Answered,
    /// A device reported unasked; the pair's client is the device.
    Unasked,
}

/// One thing that is asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct AskKey {
    pub way: Way,
    pub device: Option<u32>,
    /// [`Verb::index`].
    pub verb: u8,
    pub function: Option<u16>,
    /// Space, first and last point; `None` for a message that names none.
    pub range: Option<(Space, u32, u32)>,
}

impl AskKey {
    pub(super) fn verb(&self) -> Verb {
        Verb::ALL.get(usize::from(self.verb)).copied().unwrap_or(Verb::Other)
    }
}

/// Where and when something was first seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Stamp {
    pub ts: Timestamp,
    /// The place of the capture among the sources.
    pub source: u16,
    pub frame: u64,
}

/// How often something was seen, first and last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Often {
    /// Times in all.
    pub count: u64,
    /// Times that no rule allowed: what there is to learn.
    pub open: u64,
    /// Messages, each counted with the first thing that it asks.
    pub messages: u64,
    pub first: Stamp,
    pub last: Timestamp,
}

impl Often {
    pub(super) fn new(stamp: Stamp) -> Often {
        Often { count: 0, open: 0, messages: 0, first: stamp, last: stamp.ts }
    }

    pub(super) fn see(&mut self, stamp: Stamp, open: bool, message: bool) {
        self.count += 1;
        self.open += u64::from(open);
        self.messages += u64::from(message);
        self.first = self.first.min(stamp);
        self.last = self.last.max(stamp.ts);
    }

    /// The same place and time, with nothing counted: the start of a sum that holds this one.
    pub(super) fn none(&self) -> Often {
        Often { count: 0, open: 0, messages: 0, ..*self }
    }

    /// The two together.
    pub(super) fn with(mut self, other: &Often) -> Often {
        self.count += other.count;
        self.open += other.open;
        self.messages += other.messages;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self
    }
}

/// What was seen of one ask.
#[derive(Debug)]
pub(super) struct Ask {
    pub often: Often,
    /// Messages that no rule allowed and that asked nothing else.
    pub alone: u64,
    /// Times that the device refused.
    pub refused: u64,
    /// Times that no answer came.
    pub unanswered: u64,
    /// What the device said when it refused.
    pub refusal: Option<&'static str>,
    pub gaps: Gaps,
    /// The values of each point of the range; one for all of them where the range is long.
    pub values: Vec<Limit>,
}

impl Ask {
    pub(super) fn new(stamp: Stamp) -> Ask {
        Ask {
            often: Often::new(stamp),
            alone: 0,
            refused: 0,
            unanswered: 0,
            refusal: None,
            gaps: Gaps::default(),
            values: Vec::new(),
        }
    }

    /// Whether the device refused every time.
    pub(super) fn never_worked(&self) -> bool {
        self.refused > 0 && self.refused >= self.often.count
    }
}

/// The times between one asking and the next, in milliseconds: enough of them for a median.
#[derive(Default, Debug)]
pub(super) struct Gaps {
    kept: Vec<u32>,
    /// One in this many (as a power of two) is kept.
    stride: u32,
    seen: u64,
    pub longest: u32,
}

impl Gaps {
    pub(super) fn see(&mut self, millis: u32) {
        self.longest = self.longest.max(millis);
        if self.seen.is_multiple_of(1 << self.stride.min(63)) {
            if self.kept.len() >= GAPS {
                let mut keep = false;
                self.kept.retain(|_| {
                    keep = !keep;
                    keep
                });
                self.stride += 1;
            }
            self.kept.push(millis);
        }
        self.seen += 1;
    }

    pub(super) fn count(&self) -> u64 {
        self.seen
    }

    /// The gap that half, and the one that 95 in 100, do not exceed.
    pub(super) fn median_and_p95(&self) -> Option<(u32, u32)> {
        let mut sorted = self.kept.clone();
        sorted.sort_unstable();
        let at = |part: usize| sorted.get((sorted.len().checked_sub(1)?) * part / 100).copied();
        Some((at(50)?, at(95)?))
    }
}

/// The values that were written to a point.
#[derive(Clone, PartialEq, PartialOrd, Debug)]
pub(super) struct Limit {
    pub low: f64,
    pub high: f64,
    /// Whether off, and whether on, was written.
    pub states: [bool; 2],
    /// Sorted.
    pub words: Vec<&'static str>,
    /// Something was written that no limit can describe.
    pub any: bool,
}

impl Default for Limit {
    fn default() -> Limit {
        Limit {
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
            states: [false; 2],
            words: Vec::new(),
            any: false,
        }
    }
}

impl Limit {
    pub(super) fn see(&mut self, value: Option<Value<'_>>) {
        match value {
            Some(Value::Bool(on)) => self.states[usize::from(on)] = true,
            Some(Value::Int(number)) => self.number(number as f64),
            Some(Value::Float(number)) if number.is_finite() => self.number(number),
            Some(Value::Name(word)) if is_plain(word) => {
                if let Err(at) = self.words.binary_search(&word) {
                    self.words.insert(at, word);
                    self.any |= self.words.len() > WORDS;
                    self.words.truncate(WORDS);
                }
            }
            _ => self.any = true,
        }
    }

    fn number(&mut self, number: f64) {
        self.low = self.low.min(number);
        self.high = self.high.max(number);
    }

    pub(super) fn has_numbers(&self) -> bool {
        self.low <= self.high
    }

    /// Whether it says nothing: any value may pass.
    pub(super) fn is_open(&self) -> bool {
        let none = !self.has_numbers() && self.words.is_empty();
        self.any || none && self.states[0] == self.states[1]
    }

    /// Whether it lets everything pass that the other one saw.
    pub(super) fn holds(&self, other: &Limit) -> bool {
        let numbers = !other.has_numbers() || self.low <= other.low && other.high <= self.high;
        let states = (0..2).all(|state| self.states[state] || !other.states[state]);
        let words = other.words.iter().all(|word| self.words.contains(word));
        !other.any && numbers && states && words
    }

    pub(super) fn join(&mut self, other: &Limit) {
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
        self.states = [self.states[0] || other.states[0], self.states[1] || other.states[1]];
        self.any |= other.any;
        for word in &other.words {
            self.see(Some(Value::Name(word)));
        }
    }
}

/// Whether a rule file can say this word as a value.
fn is_plain(word: &str) -> bool {
    word.starts_with(|first: char| first.is_alphabetic())
        && !word.contains("..")
        && word != "on"
        && word != "off"
}

/// What was seen from one host to another in one protocol.
#[derive(Debug)]
pub(super) struct Seen {
    pub words: &'static Vocabulary,
    pub asks: HashMap<AskKey, Ask>,
    /// What messages asked together, where no rule allowed it, and how often.
    pub together: HashMap<Vec<AskKey>, u64>,
    /// Link layer, keep-alives, confirmations and parts of longer messages.
    pub session: Option<Often>,
    pub malformed: u64,
    pub messages: u64,
    recent: VecDeque<(u64, AskKey)>,
}

impl Seen {
    pub(super) fn new(words: &'static Vocabulary) -> Seen {
        Seen {
            words,
            asks: HashMap::new(),
            together: HashMap::new(),
            session: None,
            malformed: 0,
            messages: 0,
            recent: VecDeque::new(),
        }
    }

    /// Remembers that this was asked in this frame, until the answer comes.
    pub(super) fn await_answer(&mut self, frame: u64, key: AskKey) {
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((frame, key));
    }

    /// The asks of the request in this frame that an answer about these points answers.
    pub(super) fn answered(&mut self, frame: u64, device: Option<u32>, points: &[PointRange]) -> Vec<AskKey> {
        let of_frame = |(at, key): &&(u64, AskKey)| *at == frame && key.device == device;
        let all: Vec<AskKey> = self.recent.iter().filter(of_frame).map(|(_, key)| *key).collect();
        let named = |key: &AskKey| {
            let Some((space, first, last)) = key.range else { return false };
            points.iter().any(|range| (range.space, range.first, range.last) == (space, first, last))
        };
        // Several requests in one packet are told apart by their points, where the answer names them.
        let same: Vec<AskKey> = all.iter().copied().filter(named).collect();
        let chosen = if same.is_empty() { all } else { same };
        self.recent.retain(|(at, key)| *at != frame || !chosen.contains(key));
        chosen
    }
}
