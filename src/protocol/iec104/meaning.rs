//! From an ASDU to what it means: its role in the exchange, what it does, and the points and values that it names.
//!
//! The type says what is done, the cause of transmission who speaks: an order, its confirmation, data that was asked
//! for, or data that nobody asked for (IEC 60870-5-101:2003, 7.2.3).

use super::OBJECT;
use super::codes::cause;
use super::library::{Class, Type};
use super::value;
use super::wire::asdu::Asdu;
use crate::event::{Kind, PointRange, Value, Verb};

/// The role of an ASDU. `controlling` is whether the controlling station sent it, where that is known.
pub fn kind(asdu: &Asdu<'_>, controlling: Option<bool>) -> Kind {
    let row = asdu.row();
    let class = row.map(|row| row.class);
    let asked = match asdu.cause {
        cause::UNKNOWN_TYPE..=cause::UNKNOWN_OBJECT => return Kind::Response,
        // Files and security go to and fro, with causes of their own: the controlling station asks.
        _ if matches!(class, Some(Class::File | Class::Security)) => {
            let asks = controlling.unwrap_or(matches!(asdu.type_id, 122 | 124 | 127));
            return match asdu.cause {
                cause::SPONTANEOUS if !asks => Kind::Unsolicited,
                _ if asks => Kind::Request,
                _ => Kind::Response,
            };
        }
        cause::PERIODIC..=cause::INITIALIZED | cause::RETURN_REMOTE | cause::RETURN_LOCAL => {
            // A controlled station tells its time, too; the delay is told to it.
            return if asdu.type_id == 106 || class == Some(Class::Command) {
                Kind::Message
            } else {
                Kind::Unsolicited
            };
        }
        cause::INTERROGATED..=cause::COUNTERS_GROUP_4 => return Kind::Response,
        cause::REQUEST => asdu.type_id == 102,
        cause::ACTIVATION | cause::DEACTIVATION => true,
        cause::ACTIVATION_CONFIRMATION | cause::DEACTIVATION_CONFIRMATION | cause::ACTIVATION_TERMINATION => {
            false
        }
        _ => return Kind::Message,
    };
    match (class, asked) {
        // Nobody orders process information.
        (Some(Class::Monitor), _) if asdu.cause != cause::REQUEST => Kind::Message,
        (_, true) => Kind::Request,
        (_, false) => Kind::Response,
    }
}

/// What an ASDU of this role does.
pub fn verb(asdu: &Asdu<'_>, kind: Kind) -> Verb {
    let Some(row) = asdu.row() else {
        return Verb::Other;
    };
    let first = || asdu.objects().next().map_or(&[][..], |object| object.octets);
    match row.class {
        Class::Monitor if kind == Kind::Response => Verb::Read,
        Class::Parameter if matches!(asdu.cause, cause::REQUEST | 20..=36) => Verb::Read,
        Class::Command if value::is_select(row, first()) => Verb::Select,
        // Freezing keeps and may clear the counters, so it counts as writing.
        Class::System if row.code == 101 && first().first().is_some_and(|octet| octet >> 6 != 0) => {
            Verb::Write
        }
        _ => row.verb,
    }
}

/// Appends the points that an ASDU names and their values.
pub fn points(asdu: &Asdu<'_>, verb: Verb, points: &mut Vec<PointRange>, values: &mut Vec<Value<'static>>) {
    let row = asdu.row();
    match row {
        // An interrogation asks for all that the station, or a group of it, has.
        Some(Type { code: 100 | 101, .. }) => {
            return points.push(PointRange {
                space: OBJECT,
                variant: 0,
                first: 0,
                last: PointRange::ALL,
                verb,
                valued: false,
            });
        }
        Some(row) if row.is_about_station() => return,
        _ => {}
    }
    for object in asdu.objects() {
        let value = row.and_then(|row| value::of(row, object.octets));
        let valued = value.is_some();
        values.extend(value);
        match points.last_mut() {
            Some(last) if last.last.checked_add(1) == Some(object.address) && last.valued == valued => {
                last.last = object.address;
            }
            _ => points.push(PointRange {
                space: OBJECT,
                variant: 0,
                first: object.address,
                last: object.address,
                verb,
                valued,
            }),
        }
    }
}
