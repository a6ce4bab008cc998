//! What is kept of devices, conversations and points, in a form that outlives this version of the program: words instead
//! of places in tables, and JSON. What a newer version wrote and this one does not know is left out.

use super::conversation::{Record, Refusal, Unit};
use super::few::Few;
use super::identity::{Identity, Statement};
use super::latency::Latency;
use super::points::{Point, Said, Sample};
use super::reading::{KEPT, Reading, Span, Stamp};
use crate::address::{Mac, Timestamp};
use crate::event::{About, Kind, OwnedValue, Value, Verb, Vocabulary};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// Words of standards that are kept for good once they were read.
const WORDS: usize = 4096;
/// Octets of one.
const WORD: usize = 96;

/// A word of a standard, kept for as long as the program runs. There are few, so there is a bound.
fn word(text: &str) -> Option<&'static str> {
    static KNOWN: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if let Some(word) = known.get(text) {
        return Some(word);
    }
    if known.len() >= WORDS || text.len() > WORD {
        return None;
    }
    let word: &'static str = Box::leak(text.to_owned().into_boxed_str());
    known.insert(word);
    Some(word)
}

/// Nanoseconds since 1970 and the digits of the second.
type Time = (i64, u8);

fn time(ts: Timestamp) -> Time {
    (ts.nanos, ts.digits)
}

fn timestamp((nanos, digits): Time) -> Timestamp {
    Timestamp { nanos, digits: digits.min(9) }
}

/// The packet of an earlier run is not there to look at.
fn stamp(at: Time) -> Stamp {
    Stamp { ts: timestamp(at), frame: 0 }
}

fn span(span: Option<(Time, Time)>) -> Option<Span> {
    span.map(|(first, last)| Span { first: timestamp(first), last: timestamp(last) })
}

fn span_form(span: Option<Span>) -> Option<(Time, Time)> {
    span.map(|span| (time(span.first), time(span.last)))
}

/// A number that JSON may not have.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Other(String),
}

impl From<f64> for Number {
    fn from(number: f64) -> Number {
        if number.is_finite() { Number::Finite(number) } else { Number::Other(number.to_string()) }
    }
}

impl Number {
    fn value(&self) -> f64 {
        match self {
            Number::Finite(number) => *number,
            Number::Other(text) => text.parse().unwrap_or(f64::NAN),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ValueForm {
    Bool(bool),
    Int(i64),
    Float(Number),
    Name(String),
    Octets { text: bool, cut: bool, octets: Vec<u8> },
}

impl ValueForm {
    fn of(value: Value<'_>, cut: bool) -> ValueForm {
        match value {
            Value::Bool(on) => ValueForm::Bool(on),
            Value::Int(number) => ValueForm::Int(number),
            Value::Float(number) => ValueForm::Float(number.into()),
            Value::Name(word) => ValueForm::Name(word.to_owned()),
            Value::Text(octets) => ValueForm::Octets { text: true, cut, octets: octets.to_vec() },
            Value::Bytes(octets) => ValueForm::Octets { text: false, cut, octets: octets.to_vec() },
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            ValueForm::Bool(on) => Value::Bool(*on),
            ValueForm::Int(number) => Value::Int(*number),
            ValueForm::Float(number) => Value::Float(number.value()),
            ValueForm::Name(text) => word(text).map_or(Value::Text(text.as_bytes()), Value::Name),
            ValueForm::Octets { text: true, octets, .. } => Value::Text(octets),
            ValueForm::Octets { text: false, octets, .. } => Value::Bytes(octets),
        }
    }

    fn reading(&self) -> Reading {
        let mut reading = Reading::from(self.value());
        if let (Reading::Octets { cut, .. }, ValueForm::Octets { cut: was_cut, octets, .. }) =
            (&mut reading, self)
        {
            *cut = *was_cut || octets.len() > KEPT;
        }
        reading
    }
}

/// A device beside its conversations.
#[derive(Serialize, Deserialize)]
pub(super) struct HostForm {
    pub span: Option<(Time, Time)>,
    pub sent: u64,
    pub received: u64,
    pub touched: i64,
}

impl From<&super::device::Host> for HostForm {
    fn from(host: &super::device::Host) -> HostForm {
        let span = span_form(host.span);
        HostForm { span, sent: host.sent, received: host.received, touched: host.touched }
    }
}

impl HostForm {
    pub(super) fn host(self) -> super::device::Host {
        let HostForm { sent, received, touched, .. } = self;
        super::device::Host { span: span(self.span), sent, received, touched }
    }
}

#[derive(Serialize, Deserialize)]
struct FewForm<T> {
    kept: Vec<T>,
    more: bool,
}

impl FewForm<u16> {
    fn of<const N: usize>(few: &Few<u16, N>) -> Self {
        FewForm { kept: few.iter().collect(), more: few.has_more() }
    }

    fn few<const N: usize>(self) -> Few<u16, N> {
        Few::restored(self.kept, self.more)
    }
}

impl FewForm<String> {
    fn of<const N: usize>(few: &Few<Mac, N>) -> Self {
        FewForm { kept: few.iter().map(|mac| mac.to_string()).collect(), more: few.has_more() }
    }

    fn few<const N: usize>(self) -> Few<Mac, N> {
        Few::restored(self.kept.iter().filter_map(|mac| mac.parse().ok()), self.more)
    }
}

/// A conversation.
#[derive(Serialize, Deserialize)]
pub(super) struct RecordForm {
    ports: [FewForm<u16>; 2],
    macs: [FewForm<String>; 2],
    vlans: FewForm<u16>,
    span: Option<(Time, Time)>,
    sent: [u64; 2],
    verbs: BTreeMap<String, u64>,
    kinds: BTreeMap<String, u64>,
    unanswered: u64,
    exceptions: u64,
    refusals: Vec<(u8, String, u64)>,
    /// Steps, sum, least, most.
    latency: Option<(Vec<u32>, u64, u64, u64)>,
    command: Option<Time>,
    /// Device, asked, answered, reports, absent.
    units: Vec<(u32, u64, u64, u64, u64)>,
    units_left_out: u64,
    touched: i64,
    heard: bool,
}

impl From<&Record> for RecordForm {
    fn from(record: &Record) -> RecordForm {
        let verbs = Verb::ALL.into_iter().map(|verb| (verb.name(), record.count(verb)));
        let kinds = Kind::ALL.into_iter().map(|kind| (kind.name(), record.of_kind(kind)));
        let counted = |(name, count): (&str, u64)| (count > 0).then(|| (name.to_owned(), count));
        let (steps, sum, least, most) = record.latency.parts();
        RecordForm {
            ports: [FewForm::<u16>::of(&record.ports[0]), FewForm::<u16>::of(&record.ports[1])],
            macs: [FewForm::<String>::of(&record.macs[0]), FewForm::<String>::of(&record.macs[1])],
            vlans: FewForm::<u16>::of(&record.vlans),
            span: span_form(record.span),
            sent: record.sent,
            verbs: verbs.filter_map(counted).collect(),
            kinds: kinds.filter_map(counted).collect(),
            unanswered: record.unanswered,
            exceptions: record.exceptions,
            refusals: record.refusals.iter().map(|r| (r.code, r.name.to_owned(), r.count)).collect(),
            latency: (!steps.is_empty()).then(|| (steps.to_vec(), sum, least, most)),
            command: record.command.map(|command| time(command.ts)),
            units: record
                .units
                .iter()
                .map(|unit| (unit.device, unit.asked, unit.answered, unit.reports, unit.absent))
                .collect(),
            units_left_out: record.units_left_out,
            touched: record.touched,
            heard: record.heard,
        }
    }
}

impl RecordForm {
    pub(super) fn record(self, words: Option<&'static Vocabulary>, most_units: usize) -> Record {
        let mut record = Record {
            words,
            ports: self.ports.map(FewForm::<u16>::few),
            macs: self.macs.map(FewForm::<String>::few),
            vlans: self.vlans.few(),
            span: span(self.span),
            sent: self.sent,
            unanswered: self.unanswered,
            exceptions: self.exceptions,
            command: self.command.map(stamp),
            units_left_out: self.units_left_out,
            touched: self.touched,
            heard: self.heard,
            ..Record::default()
        };
        for verb in Verb::ALL {
            record.verbs[verb.index()] = self.verbs.get(verb.name()).copied().unwrap_or(0);
        }
        for kind in Kind::ALL {
            record.kinds[kind.index()] = self.kinds.get(kind.name()).copied().unwrap_or(0);
        }
        if let Some((steps, sum, least, most)) = self.latency {
            record.latency = Latency::restored(&steps, sum, least, most);
        }
        let refusal =
            |(code, name, count): (u8, String, u64)| Some(Refusal { code, name: word(&name)?, count });
        record.refusals = self.refusals.into_iter().take(256).filter_map(refusal).collect();
        record.refusals.sort_unstable();
        let unit =
            |(device, asked, answered, reports, absent)| Unit { device, asked, answered, reports, absent };
        record.units = self.units.into_iter().take(most_units).map(unit).collect();
        record.units.sort_unstable_by_key(|unit| unit.device);
        record
    }
}

#[derive(Serialize, Deserialize)]
struct SaidForm {
    at: Time,
    value: ValueForm,
    by: String,
}

impl From<&Said> for SaidForm {
    fn from(said: &Said) -> SaidForm {
        let cut = matches!(said.value, Reading::Octets { cut: true, .. });
        let value = ValueForm::of(said.value.value(), cut);
        SaidForm { at: time(said.at.ts), value, by: said.by.to_string() }
    }
}

impl SaidForm {
    fn said(&self) -> Option<Said> {
        Some(Said { at: stamp(self.at), value: self.value.reading(), by: self.by.parse().ok()? })
    }
}

/// A point.
#[derive(Serialize, Deserialize)]
pub(super) struct PointForm {
    reads: u64,
    writes: u64,
    refused: u64,
    read: Option<SaidForm>,
    written: Option<SaidForm>,
    range: Option<(Number, Number)>,
    span: Option<(Time, Time)>,
    recent: Vec<(i64, Number)>,
}

impl From<&Point> for PointForm {
    fn from(point: &Point) -> PointForm {
        PointForm {
            reads: point.reads,
            writes: point.writes,
            refused: point.refused,
            read: point.read.as_ref().map(SaidForm::from),
            written: point.written.as_ref().map(SaidForm::from),
            range: point.range.map(|(low, high)| (low.into(), high.into())),
            span: span_form(point.span),
            recent: point.recent.iter().map(|sample| (sample.nanos, sample.value.into())).collect(),
        }
    }
}

impl PointForm {
    pub(super) fn point(self) -> Point {
        let sample = |(nanos, value): &(i64, Number)| Sample { nanos: *nanos, value: value.value() };
        Point {
            reads: self.reads,
            writes: self.writes,
            refused: self.refused,
            read: self.read.as_ref().and_then(SaidForm::said),
            written: self.written.as_ref().and_then(SaidForm::said),
            range: self.range.map(|(low, high)| (low.value(), high.value())),
            span: span(self.span),
            recent: self.recent.iter().map(sample).collect(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct StatementForm {
    id: u32,
    name: Option<String>,
    about: String,
    said: Option<SaidForm>,
}

/// What a device says of itself.
#[derive(Serialize, Deserialize)]
pub(super) struct IdentityForm(Vec<StatementForm>);

const ABOUT: [(About, &str); 5] = [
    (About::Vendor, "vendor"),
    (About::Product, "product"),
    (About::Revision, "revision"),
    (About::Serial, "serial"),
    (About::Other, "other"),
];

impl From<&Identity> for IdentityForm {
    fn from(identity: &Identity) -> IdentityForm {
        let about =
            |about| ABOUT.into_iter().find(|(known, _)| *known == about).map_or("other", |(_, name)| name);
        let statement = |statement: &Statement| StatementForm {
            id: statement.id,
            name: statement.name.map(str::to_owned),
            about: about(statement.about).to_owned(),
            said: statement.said.as_ref().map(|(at, value, by)| SaidForm {
                at: time(at.ts),
                value: ValueForm::of(value.value(), false),
                by: by.to_string(),
            }),
        };
        IdentityForm(identity.statements.iter().map(statement).collect())
    }
}

impl IdentityForm {
    pub(super) fn identity(self, words: &'static Vocabulary) -> Identity {
        let about = |name: &str| {
            ABOUT.into_iter().find(|(_, known)| *known == name).map_or(About::Other, |(about, _)| about)
        };
        let statement = |form: StatementForm| Statement {
            id: form.id,
            name: form.name.as_deref().and_then(word),
            about: about(&form.about),
            said: form.said.and_then(|said| {
                let value = OwnedValue::from(said.value.value());
                Some((stamp(said.at), value, said.by.parse().ok()?))
            }),
        };
        let mut identity = Identity::new(words);
        identity.statements = self.0.into_iter().map(statement).collect();
        identity.statements.sort_unstable_by_key(|statement| statement.id);
        identity.statements.dedup_by_key(|statement| statement.id);
        identity.statements.truncate(64);
        identity
    }
}
