//! Orders that wait: for their confirmation, for the data that they ask for, for their termination; and selections
//! that wait to be executed (IEC 60870-5-101:2003, 7.4; IEC 60870-5-5, 6).

use super::codes::cause;
use super::library::{Class, Type};
use super::value;
use super::wire::asdu::Asdu;
use crate::address::{Side, Timestamp};
use crate::event::{PointRange, Verb};

/// Orders that may wait in one conversation; the oldest goes for a newer one.
const WAITING: usize = 32;
/// How long a confirmation may take before its order counts as never answered, in nanoseconds (t1 is 15 s where nobody
/// set it otherwise; IEC 60870-5-104, 9.6).
const ANSWER_TIME: u64 = 15_000_000_000;
/// How soon after an order the same one may be sent again without the first having been given up, in nanoseconds.
const REPEAT_TIME: u64 = 200_000_000;
/// At the end of the conversation, an order older than this was not answered, in nanoseconds.
const PATIENCE: u64 = 1_000_000_000;
/// How long a confirmed order is remembered for its data and its termination, in nanoseconds.
const CARRIED_OUT: u64 = 120_000_000_000;
/// Octets of a command that make it the same one: its value, not its time.
const VALUE: usize = 5;

/// What an order is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Key {
    type_id: u8,
    common: u16,
    address: u32,
}

/// An order with what its answers need of it.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    key: Key,
    /// Whether every station is meant.
    global: bool,
    /// Its cause of transmission.
    pub cause: u8,
    /// Its originator address.
    pub originator: Option<u8>,
    /// Who gave it.
    pub from: Side,
    /// When.
    pub ts: Timestamp,
    /// In which packet.
    pub frame: u64,
    /// What it does.
    pub verb: Verb,
    /// The points that it names.
    pub points: Option<PointRange>,
    /// The cause of the data that it asks for; 0 where it asks for none.
    data: u8,
    /// A command's value, without the bit that selects.
    value: [u8; VALUE],
    confirmed: bool,
    /// Whether the confirmation was negative: a reason may follow, nothing else.
    refused: bool,
    /// Whether octets of the other side were lost since: its answer may have been among them.
    doubtful: bool,
}

impl Order {
    /// The type and the station that it was for.
    pub fn about(&self) -> (u8, u16) {
        (self.key.type_id, self.key.common)
    }

    /// Whether no answer can have been missed.
    pub fn is_certain(&self) -> bool {
        !self.doubtful
    }
}

/// What an answer is told of the order that it answers.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// The packet of the order.
    pub frame: u64,
    /// Nanoseconds since the order.
    pub after: u64,
    /// Whether it is the first answer: one by which the station's speed is told.
    pub first: bool,
}

/// All orders of one conversation, the oldest first.
#[derive(Default)]
pub struct Orders(Vec<Order>);

/// The address that tells two orders of a type apart: that of their first object.
fn address(asdu: &Asdu<'_>) -> u32 {
    asdu.objects().next().map_or(0, |object| object.address)
}

fn key(asdu: &Asdu<'_>) -> Key {
    Key { type_id: asdu.type_id, common: asdu.common, address: address(asdu) }
}

/// A command's value: the octets before its time, without the bit that selects.
fn value_of(row: Option<&'static Type>, asdu: &Asdu<'_>) -> [u8; VALUE] {
    let mut value = [0; VALUE];
    let Some(row) = row.filter(|row| row.class == Class::Command) else { return value };
    let octets = asdu.objects().next().map_or(&[][..], |object| object.octets);
    let mut room = value.iter_mut();
    for (element, part) in value::parts(row, octets).take(2) {
        let last = if element.octets() == 1 { 0x7f } else { 0xff };
        if element.octets() < 7 {
            room.by_ref().zip(part).for_each(|(room, octet)| *room = octet & last);
        }
    }
    value
}

/// The cause that the data has which a request asks for.
fn data_cause(asdu: &Asdu<'_>) -> u8 {
    let qualifier = || asdu.objects().next().and_then(|object| object.octets.first().copied()).unwrap_or(0);
    match asdu.type_id {
        100 => match qualifier() {
            group @ cause::INTERROGATED..=cause::INTERROGATED_GROUP_16 => group,
            _ => cause::INTERROGATED,
        },
        101 => match qualifier() & 0x3f {
            group @ 1..=4 => cause::COUNTERS + group,
            _ => cause::COUNTERS,
        },
        102 => cause::REQUEST,
        _ => 0,
    }
}

impl Orders {
    /// Notes an order; the caller has asked [`Orders::given_up`] before. Returns the packet of the selection that it
    /// executes, where it executes one.
    pub fn give(&mut self, asdu: &Asdu<'_>, order: Given) -> Option<u64> {
        let key = key(asdu);
        let row = asdu.row();
        let value = value_of(row, asdu);
        let select = match order.verb {
            Verb::Operate => self
                .0
                .iter()
                .position(|old| old.verb == Verb::Select && old.key == key && old.value == value)
                .map(|place| self.0.remove(place).frame),
            _ => None,
        };
        let Given { from, ts, frame, verb, points } = order;
        // What was confirmed of the same object is over, whether or not anybody said so.
        self.0.retain(|old| {
            !(old.confirmed && old.key == key && old.from == from && old.data == data_cause(asdu))
        });
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(1);
        }
        self.0.push(Order {
            key,
            global: asdu.is_global(),
            cause: asdu.cause,
            originator: asdu.originator,
            from,
            ts,
            frame,
            verb,
            points,
            data: data_cause(asdu),
            value,
            confirmed: false,
            refused: false,
            doubtful: false,
        });
        select
    }

    /// An order that a new one shows to have been given up, or to need the room; `None` where there is none. Those that
    /// were confirmed long ago go without a word.
    pub fn given_up(&mut self, new: &Asdu<'_>, from: Side, now: Timestamp) -> Option<Order> {
        if self.0.is_empty() {
            return None;
        }
        let (key, value) = (key(new), value_of(new.row(), new));
        self.0.retain(|old| !(old.confirmed && now.since(old.ts) > CARRIED_OUT));
        let place = self.0.iter().position(|old| {
            let age = now.since(old.ts);
            let again = old.key == key && old.value == value && old.from == from && old.cause == new.cause;
            !old.confirmed && (age > ANSWER_TIME || again && age > REPEAT_TIME)
        });
        let place = place.or_else(|| (self.0.len() >= WAITING).then_some(0))?;
        let old = self.0.remove(place);
        (!old.confirmed).then_some(old).or_else(|| self.given_up(new, from, now))
    }

    /// At the end: the next order that was never answered.
    pub fn last(&mut self, now: Timestamp) -> Option<Order> {
        let place = self.0.iter().position(|old| !old.confirmed && now.since(old.ts) > PATIENCE)?;
        Some(self.0.remove(place))
    }

    /// Octets of this side were lost.
    pub fn gap(&mut self, side: Side) {
        self.0.iter_mut().for_each(|order| order.doubtful |= order.from != side);
    }

    /// The order that a confirmation, a termination or a refusal answers.
    pub fn answer(&mut self, asdu: &Asdu<'_>, sender: Side, now: Timestamp) -> Option<Answered> {
        let key = key(asdu);
        let of = |old: &Order| {
            let station = old.key.common == key.common || old.global;
            old.from != sender && station && (old.key.type_id, old.key.address) == (key.type_id, key.address)
        };
        let fits = |old: &Order| match asdu.cause {
            cause::ACTIVATION_CONFIRMATION => {
                old.cause != cause::DEACTIVATION && (!old.confirmed || old.global && !old.refused)
            }
            cause::DEACTIVATION_CONFIRMATION => old.cause == cause::DEACTIVATION,
            cause::ACTIVATION_TERMINATION => old.cause != cause::DEACTIVATION && !old.refused,
            // The reason of a refusal may follow a negative confirmation.
            _ => !old.confirmed || old.refused,
        };
        let place = self.0.iter().position(|old| of(old) && fits(old))?;
        let old = self.0.get_mut(place)?;
        let told = Answered { frame: old.frame, after: now.since(old.ts), first: !old.confirmed };
        // A confirmed interrogation is followed by its data, a command by its termination, a selection by its execution.
        // Where every station was asked, others have yet to answer.
        let confirms = asdu.cause == cause::ACTIVATION_CONFIRMATION;
        let followed = old.data != 0 || asdu.row().is_some_and(|row| row.class == Class::Command);
        if confirms && (followed || asdu.negative) || old.global {
            old.confirmed = true;
            old.refused = confirms && asdu.negative && !old.global;
        } else {
            self.0.remove(place);
        }
        if asdu.cause == cause::DEACTIVATION_CONFIRMATION && !asdu.negative {
            self.0.retain(|old| !(of(old) && old.confirmed && !old.global));
        }
        Some(told)
    }

    /// The order that asked for this data.
    pub fn data(&mut self, asdu: &Asdu<'_>, sender: Side, now: Timestamp) -> Option<Answered> {
        let read = asdu.cause == cause::REQUEST;
        let of = |old: &Order| {
            let station = old.key.common == asdu.common || old.global;
            old.from != sender && station && old.data == asdu.cause
        };
        let place = match read {
            true => {
                let address = address(asdu);
                self.0.iter().position(|old| of(old) && old.key.address == address)?
            }
            // The latest: an older one may never have been terminated.
            false => self.0.iter().rposition(of)?,
        };
        let old = self.0.get(place)?;
        let first = read && !old.confirmed;
        let told = Answered { frame: old.frame, after: now.since(old.ts), first };
        if read && !old.global {
            self.0.remove(place);
        }
        Some(told)
    }

    /// Octets on the heap.
    pub fn memory(&self) -> usize {
        self.0.capacity() * size_of::<Order>()
    }
}

/// Who gave an order, when, and what it does.
#[derive(Clone, Copy)]
pub struct Given {
    /// Who gave it.
    pub from: Side,
    /// When.
    pub ts: Timestamp,
    /// In which packet.
    pub frame: u64,
    /// What it does.
    pub verb: Verb,
    /// The points that it names.
    pub points: Option<PointRange>,
}

#[cfg(test)]
mod tests {
    use super::super::wire::asdu::Sizes;
    use super::*;

    fn asdu(octets: &[u8]) -> Asdu<'_> {
        Asdu::parse(octets, Sizes::STANDARD).unwrap()
    }

    fn given(frame: u64, verb: Verb) -> Given {
        Given { from: Side::A, ts: at(frame), frame, verb, points: None }
    }

    fn at(frame: u64) -> Timestamp {
        Timestamp::from_micros(frame as i64 * 1000)
    }

    /// A single command to object 7 of station 1: its cause and what it orders.
    fn command(cause: u8, order: u8) -> [u8; 10] {
        [45, 1, cause, 0, 1, 0, 7, 0, 0, order]
    }

    #[test]
    fn a_selection_is_executed_by_the_same_command_only() {
        let mut orders = Orders::default();
        orders.give(&asdu(&command(6, 0x81)), given(1, Verb::Select));
        let con = orders.answer(&asdu(&command(7, 0x81)), Side::B, at(2)).unwrap();
        assert_eq!((con.frame, con.after, con.first), (1, 1_000_000, true));
        assert_eq!(orders.give(&asdu(&command(6, 0x01)), given(4, Verb::Operate)), Some(1));
        assert_eq!(orders.give(&asdu(&command(6, 0x01)), given(5, Verb::Operate)), None, "only once");
        orders.give(&asdu(&command(6, 0x81)), given(6, Verb::Select));
        assert_eq!(orders.give(&asdu(&command(6, 0x00)), given(7, Verb::Operate)), None, "another state");
    }

    #[test]
    fn a_command_is_confirmed_and_then_terminated() {
        let mut orders = Orders::default();
        orders.give(&asdu(&command(6, 1)), given(1, Verb::Operate));
        assert!(orders.answer(&asdu(&command(7, 1)), Side::A, at(2)).is_none(), "nobody answers himself");
        assert!(orders.answer(&asdu(&command(7, 1)), Side::B, at(2)).unwrap().first);
        assert!(!orders.answer(&asdu(&command(10, 1)), Side::B, at(9)).unwrap().first);
        assert!(orders.answer(&asdu(&command(10, 1)), Side::B, at(9)).is_none());
        orders.give(&asdu(&command(6, 1)), given(1, Verb::Operate));
        assert!(orders.answer(&asdu(&command(0x47, 1)), Side::B, at(2)).is_some());
        assert!(orders.answer(&asdu(&command(10, 1)), Side::B, at(9)).is_none(), "it was refused");
        let why = orders.answer(&asdu(&command(0x6f, 1)), Side::B, at(9)).unwrap();
        assert!(!why.first, "the reason follows the refusal");
        assert!(orders.0.is_empty());
    }

    #[test]
    fn data_belongs_to_the_interrogation_of_its_cause() {
        let mut orders = Orders::default();
        orders.give(&asdu(&[100, 1, 6, 0, 0xff, 0xff, 0, 0, 0, 20]), given(1, Verb::Read));
        orders.give(&asdu(&[100, 1, 6, 0, 1, 0, 0, 0, 0, 23]), given(2, Verb::Read));
        orders.give(&asdu(&[101, 1, 6, 0, 1, 0, 0, 0, 0, 5]), given(3, Verb::Read));
        orders.give(&asdu(&[102, 1, 5, 0, 1, 0, 9, 0, 0]), given(4, Verb::Read));
        let mut of = |octets: &[u8]| orders.data(&asdu(octets), Side::B, at(8)).map(|told| told.frame);
        assert_eq!(of(&[1, 1, 20, 0, 77, 0, 7, 0, 0, 1]), Some(1), "every station is asked");
        assert_eq!(of(&[1, 1, 23, 0, 1, 0, 7, 0, 0, 1]), Some(2));
        assert_eq!(of(&[1, 1, 23, 0, 2, 0, 7, 0, 0, 1]), None);
        assert_eq!(of(&[15, 1, 37, 0, 1, 0, 7, 0, 0, 1, 0, 0, 0, 0]), Some(3));
        assert_eq!(of(&[1, 1, 5, 0, 1, 0, 8, 0, 0, 1]), None);
        assert_eq!(of(&[1, 1, 5, 0, 2, 0, 9, 0, 0, 1]), None);
        assert_eq!(of(&[1, 1, 5, 0, 1, 0, 9, 0, 0, 1]), Some(4));
        assert_eq!(of(&[1, 1, 5, 0, 1, 0, 9, 0, 0, 1]), None, "it was answered");
    }

    #[test]
    fn what_is_never_answered_is_given_up() {
        let mut orders = Orders::default();
        let first = command(6, 1);
        assert!(orders.given_up(&asdu(&first), Side::A, at(1)).is_none());
        orders.give(&asdu(&first), given(1, Verb::Operate));
        assert!(orders.given_up(&asdu(&first), Side::A, at(100)).is_none(), "it may be in flight");
        assert_eq!(orders.given_up(&asdu(&first), Side::A, at(400)).map(|old| old.frame), Some(1));
        for frame in 0..100 {
            let unit = [45, 1, 6, 0, 1, 0, frame as u8, 0, 0, 1];
            while orders.given_up(&asdu(&unit), Side::A, at(frame)).is_some() {}
            orders.give(&asdu(&unit), given(frame, Verb::Operate));
        }
        assert_eq!(orders.0.len(), WAITING);
        assert_eq!(orders.last(at(5000)).map(|old| old.frame), Some(100 - WAITING as u64));
    }
}
