//! From an object's octets to what they say: its elements one by one, and the one value that its point has.

use super::codes;
use super::library::{Element, Type};
use crate::event::Value;

/// Walks the elements of an object with their octets. It ends early where the object does.
pub fn parts<'a>(row: &'static Type, mut object: &'a [u8]) -> impl Iterator<Item = (Element, &'a [u8])> {
    row.elements.iter().map_while(move |element| {
        let octets = match element {
            Element::Segment => object.len(),
            element => element.octets(),
        };
        let (part, rest) = object.split_at_checked(octets)?;
        object = rest;
        Some((*element, part))
    })
}

/// An unsigned number, the lowest octet first.
pub fn unsigned(octets: &[u8]) -> u32 {
    octets.iter().take(4).rev().fold(0, |number, octet| number << 8 | u32::from(*octet))
}

/// The value of a point: what a rule compares. `None` where the type has none, or the object ends before it.
#[inline]
pub fn of(row: &'static Type, object: &[u8]) -> Option<Value<'static>> {
    // The value comes first but for the association of security statistics.
    let (element, octets) = match row.elements.first()? {
        Element::Aid => (Element::Bcr, object.get(Element::Aid.octets()..)?),
        element => (*element, object),
    };
    read(element, octets)
}

/// The value of an element.
#[inline]
pub fn read(element: Element, octets: &[u8]) -> Option<Value<'static>> {
    let first = *octets.first()?;
    let two = || octets.first_chunk::<2>().map(|two| i16::from_le_bytes(*two));
    let four = || octets.first_chunk::<4>();
    Some(match element {
        Element::Siq | Element::Sco => Value::Bool(first & 1 == 1),
        Element::Diq => Value::Name(codes::double_point(first)),
        Element::Sep => Value::Name(codes::protection_event(first)),
        // Seven bits, signed (7.2.6.5).
        Element::Vti => Value::Int(i64::from((first << 1).cast_signed() >> 1)),
        Element::Dco => match first & 3 {
            1 => Value::Bool(false),
            2 => Value::Bool(true),
            _ => Value::Name("not permitted"),
        },
        Element::Rco => Value::Name(codes::step(first)),
        Element::Nva => Value::Float(f64::from(two()?) / 32_768.0),
        Element::Sva => Value::Int(i64::from(two()?)),
        Element::R32 => Value::Float(f64::from(f32::from_le_bytes(*four()?))),
        Element::Bsi => Value::Int(i64::from(u32::from_le_bytes(*four()?))),
        Element::Bcr => Value::Int(i64::from(i32::from_le_bytes(*four()?))),
        // The 16 states; which of them changed is beside it.
        Element::Scd => Value::Int(i64::from(unsigned(octets.get(..2)?))),
        Element::Spe => Value::Int(i64::from(first & 0x3f)),
        Element::Oci => Value::Int(i64::from(first & 0x0f)),
        _ => return None,
    })
}

/// Whether a command only selects (S/E, 7.2.6.26 and 7.2.6.39); a bitstring has no such bit.
pub fn is_select(row: &'static Type, object: &[u8]) -> bool {
    let bit = |element: Element| matches!(element, Element::Sco | Element::Dco | Element::Rco | Element::Qos);
    parts(row, object)
        .filter(|(element, _)| bit(*element))
        .any(|(_, part)| part.first().is_some_and(|octet| octet & 0x80 != 0))
}

#[cfg(test)]
mod tests {
    use super::super::library;
    use super::*;

    fn value(code: u8, octets: &[u8]) -> Option<Value<'static>> {
        of(library::find(code).unwrap(), octets)
    }

    #[test]
    fn values_are_those_of_the_standard() {
        assert_eq!(value(1, &[0x81]), Some(Value::Bool(true)));
        assert_eq!(value(3, &[0x12]), Some(Value::Name("determined on")));
        assert_eq!(value(5, &[0x7f, 0]), Some(Value::Int(-1)));
        assert_eq!(value(5, &[0xc0, 0]), Some(Value::Int(-64)));
        assert_eq!(value(5, &[0x3f, 0]), Some(Value::Int(63)));
        assert_eq!(value(7, &[1, 0, 0, 0x80, 0]), Some(Value::Int(0x8000_0001)));
        assert_eq!(value(9, &[0, 0x80, 0]), Some(Value::Float(-1.0)));
        assert_eq!(value(9, &[0, 0x40, 0]), Some(Value::Float(0.5)));
        assert_eq!(value(11, &[0xfe, 0xff, 0]), Some(Value::Int(-2)));
        assert_eq!(value(13, &[0, 0, 0x48, 0x42, 0]), Some(Value::Float(50.0)));
        assert_eq!(value(15, &[0xff, 0xff, 0xff, 0xff, 0]), Some(Value::Int(-1)));
        assert_eq!(value(20, &[5, 1, 4, 0, 0]), Some(Value::Int(0x105)));
        assert_eq!(value(38, &[2, 0, 0]), Some(Value::Name("determined on")));
        assert_eq!(value(41, &[9, 0, 7, 0, 0, 0, 0]), Some(Value::Int(7)));
        assert_eq!(value(45, &[0x80]), Some(Value::Bool(false)));
        assert_eq!(value(46, &[2]), Some(Value::Bool(true)));
        assert_eq!(value(46, &[3]), Some(Value::Name("not permitted")));
        assert_eq!(value(47, &[1]), Some(Value::Name("lower")));
        assert_eq!(value(50, &[0, 0, 0x80, 0x3f, 0x80]), Some(Value::Float(1.0)));
        assert_eq!(value(100, &[20]), None);
        assert_eq!(value(13, &[0, 0, 0x48]), None);
    }

    #[test]
    fn a_selection_is_told_from_an_execution() {
        let select = |code, octets: &[u8]| is_select(library::find(code).unwrap(), octets);
        assert!(select(45, &[0x81]) && !select(45, &[0x01]));
        assert!(select(58, &[0x80, 0, 0, 0, 0, 0, 0, 0]));
        assert!(select(50, &[0, 0, 0x80, 0x3f, 0x80]) && !select(50, &[0, 0, 0x80, 0x3f, 0x00]));
        assert!(!select(51, &[0xff, 0xff, 0xff, 0xff]) && !select(1, &[0x80]));
    }
}
