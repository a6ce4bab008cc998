//! From an object's octets to what they say: its fields one by one, and the one value that its point has.

use super::codes;
use super::library::{Field, Form, Kind, Layout, Variation};
use super::wire::objects::Content;
use crate::event::Value;

/// One field of an object with its octets.
pub type Part<'a> = (&'static Field, &'a [u8]);

/// Walks the fields of an object. It ends early where the object does.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    fields: &'static [Field],
    object: &'a [u8],
    at: usize,
    place: usize,
    /// What the number fields say, by their place, for those that later give a size.
    numbers: [u16; 16],
}

impl<'a> Parts<'a> {
    /// The fields of one object of this variation.
    pub fn new(form: &'static Variation, object: &'a [u8]) -> Self {
        Parts { fields: form.fields, object, at: 0, place: 0, numbers: [0; 16] }
    }

    fn number(&self, place: u8) -> usize {
        self.numbers.get(usize::from(place)).copied().map_or(0, usize::from)
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let field = self.fields.get(self.place)?;
        let rest = self.object.get(self.at..).unwrap_or_default();
        let octets = match field.kind {
            Kind::Rest(_) | Kind::Elements => rest,
            // What is there, where the size says more than that.
            Kind::Sized(_, size) => rest.get(..self.number(size)).unwrap_or(rest),
            Kind::At(_, offset, size) => {
                let from = self.object.get(self.number(offset)..).unwrap_or_default();
                from.get(..self.number(size)).unwrap_or(from)
            }
            kind => rest.get(..kind.octets())?,
        };
        if let Kind::Uint(2) = field.kind
            && let (Some(number), Some(two)) = (self.numbers.get_mut(self.place), octets.first_chunk())
        {
            *number = u16::from_le_bytes(*two);
        }
        if !matches!(field.kind, Kind::At(..)) {
            self.at += octets.len();
        }
        self.place += 1;
        Some((field, octets))
    }
}

/// An unsigned little-endian number of up to eight octets.
pub fn unsigned(octets: &[u8]) -> u64 {
    octets.iter().take(8).rev().fold(0, |number, octet| number << 8 | u64::from(*octet))
}

/// A signed little-endian number of up to eight octets.
pub fn signed(octets: &[u8]) -> i64 {
    let unused = 64 - 8 * octets.len().min(8) as u32;
    (unsigned(octets).checked_shl(unused).unwrap_or(0) as i64) >> unused.min(63)
}

/// A binary-coded decimal number of up to eight octets, the lowest first; `None` where a digit is above 9 (A.39).
pub fn decimal(octets: &[u8]) -> Option<i64> {
    octets.iter().take(8).rev().try_fold(0i64, |number, octet| {
        let (high, low) = (i64::from(octet >> 4), i64::from(octet & 15));
        (high < 10 && low < 10).then_some(number * 100 + high * 10 + low)
    })
}

/// A floating-point number of four or eight octets.
pub fn float(octets: &[u8]) -> f64 {
    match (octets.first_chunk::<8>(), octets.first_chunk::<4>()) {
        (Some(eight), _) => f64::from_le_bytes(*eight),
        (None, Some(four)) => f64::from(f32::from_le_bytes(*four)),
        (None, None) => f64::NAN,
    }
}

/// The value of a point: what a rule compares. `None` where the object has none.
#[inline]
pub fn of<'a>(form: Option<&'static Variation>, content: Content<'a>) -> Option<Value<'a>> {
    let octets = match content {
        Content::Bit(on) => return Some(Value::Bool(on)),
        Content::Two(state) => return Some(Value::Name(codes::double_state(state))),
        Content::Octets(octets) => octets,
    };
    let Some(form) = form else {
        return Some(Value::Bytes(octets));
    };
    match form.layout {
        Layout::Fixed => {
            let (place, at) = form.value?;
            let kind = form.fields.get(usize::from(place))?.kind;
            read(kind, octets.get(at..)?.get(..kind.octets())?)
        }
        Layout::ByVariation(form) => Some(run(form, octets)),
        Layout::Attribute => attribute(octets),
        Layout::Free => match form.value {
            Some((place, _)) => {
                Parts::new(form, octets).nth(usize::from(place)).and_then(|(f, part)| read(f.kind, part))
            }
            None => Some(Value::Bytes(octets)),
        },
        Layout::Nothing | Layout::Bit | Layout::DoubleBit => None,
    }
}

fn run(form: Form, octets: &[u8]) -> Value<'_> {
    match form {
        Form::Text => Value::Text(octets),
        Form::Octets => Value::Bytes(octets),
    }
}

/// One field as a value.
pub fn read(kind: Kind, octets: &[u8]) -> Option<Value<'_>> {
    let first = octets.first().copied();
    Some(match kind {
        Kind::Uint(_) => Value::Int(unsigned(octets) as i64),
        Kind::Int(_) => Value::Int(signed(octets)),
        Kind::Float(_) => Value::Float(float(octets)),
        Kind::Bcd(_) => decimal(octets).map_or(Value::Bytes(octets), Value::Int),
        Kind::State(_) | Kind::Command => Value::Bool(first? & 0x80 != 0),
        Kind::DoubleState(_) => Value::Name(codes::double_state(first? >> 6)),
        Kind::Control => match codes::control(first?) {
            Some(name) => Value::Name(name),
            None => Value::Int(i64::from(first?)),
        },
        Kind::Status => Value::Int(i64::from(first? & 0x7f)),
        Kind::Flags(_) => Value::Int(i64::from(first?)),
        Kind::Time | Kind::Relative | Kind::Permissions => Value::Int(unsigned(octets) as i64),
        Kind::Named(_, names) => match u8::try_from(unsigned(octets)).ok().and_then(names) {
            Some(name) => Value::Name(name),
            None => Value::Int(unsigned(octets) as i64),
        },
        Kind::FileBlock => Value::Int((unsigned(octets) & 0x7fff_ffff) as i64),
        Kind::Elements => Value::Bytes(octets),
        Kind::Rest(form) | Kind::Sized(form, _) | Kind::At(form, _, _) => run(form, octets),
    })
}

/// The value of a device attribute: data type, length, value (A.1).
pub fn attribute(octets: &[u8]) -> Option<Value<'_>> {
    let ([kind, _], value) = octets.split_first_chunk::<2>()?;
    Some(typed(*kind, value))
}

/// A value with its data type code (11.9).
pub fn typed(kind: u8, value: &[u8]) -> Value<'_> {
    match kind {
        1 | 8 => Value::Text(value),
        2 | 7 if value.len() <= 8 => Value::Int(unsigned(value) as i64),
        3 if (1..=8).contains(&value.len()) => Value::Int(signed(value)),
        4 if matches!(value.len(), 4 | 8) => Value::Float(float(value)),
        _ => Value::Bytes(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::dnp3::library::find;

    fn value(group: u8, variation: u8, octets: &[u8]) -> Option<Value<'_>> {
        of(find(group, variation), Content::Octets(octets))
    }

    #[test]
    fn numbers_are_little_endian_and_signed_where_they_should_be() {
        assert_eq!(value(30, 1, &[0x01, 0xfe, 0xff, 0xff, 0xff]), Some(Value::Int(-2)));
        assert_eq!(value(30, 2, &[0x01, 0x00, 0x80]), Some(Value::Int(-32768)));
        assert_eq!(value(20, 1, &[0x01, 0xff, 0xff, 0xff, 0xff]), Some(Value::Int(0xffff_ffff)));
        assert_eq!(value(30, 5, &[0x01, 0x00, 0x00, 0xc0, 0x3f]), Some(Value::Float(1.5)));
        assert_eq!(value(41, 4, &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0]), Some(Value::Float(1.5)));
        assert_eq!(value(50, 1, &[1, 0, 0, 0, 0, 1]), Some(Value::Int(0x0100_0000_0001)));
        assert_eq!(signed(&[0xff]), -1);
        assert_eq!(signed(&[]), 0);
    }

    #[test]
    fn decimal_digits_are_two_an_octet() {
        assert_eq!(value(101, 1, &[0x34, 0x12]), Some(Value::Int(1234)));
        assert_eq!(value(101, 3, &[0x99; 8]), Some(Value::Int(9_999_999_999_999_999)));
        assert_eq!(value(101, 1, &[0x3a, 0x12]), Some(Value::Bytes(&[0x3a, 0x12])));
    }

    #[test]
    fn states_and_controls_have_names() {
        assert_eq!(value(2, 2, &[0x81, 0, 0, 0, 0, 0, 0]), Some(Value::Bool(true)));
        assert_eq!(value(4, 1, &[0x41]), Some(Value::Name("determined off")));
        assert_eq!(value(12, 1, &[3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Some(Value::Name("latch on")));
        assert_eq!(value(12, 1, &[15, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Some(Value::Int(15)));
        assert_eq!(of(find(1, 1), Content::Bit(true)), Some(Value::Bool(true)));
    }

    #[test]
    fn a_file_name_is_found_at_its_offset() {
        let mut command = vec![26, 0, 4, 0];
        command.extend([0; 22]);
        command.extend(b"a.txt");
        assert_eq!(value(70, 3, &command), Some(Value::Text(b"a.tx")));
        command[0] = 0xff;
        assert_eq!(value(70, 3, &command), Some(Value::Text(b"")));
    }

    #[test]
    fn attributes_follow_their_type() {
        assert_eq!(value(0, 252, b"\x01\x04Acme"), Some(Value::Text(b"Acme")));
        assert_eq!(value(0, 240, &[2, 2, 0x00, 0x08]), Some(Value::Int(2048)));
        assert_eq!(value(0, 203, &[4, 4, 0, 0, 0xc0, 0x3f]), Some(Value::Float(1.5)));
        assert_eq!(value(0, 255, &[254, 2, 252, 0]), Some(Value::Bytes(&[252, 0])));
        assert_eq!(value(0, 255, &[2]), None);
    }

    #[test]
    fn sizes_given_by_earlier_fields_are_used_and_never_believed() {
        let change = [4, 3, 0, 2, 0, b'b', b'o', b'b', 0xaa, 0xbb];
        let parts: Vec<_> =
            Parts::new(find(120, 11).unwrap(), &change).map(|(field, part)| (field.name, part)).collect();
        assert_eq!(parts[3], ("value", &b"bob"[..]));
        assert_eq!(parts[4], ("challenge", &[0xaa, 0xbb][..]));
        let mut lie = change;
        lie[1] = 200;
        let parts: Vec<_> = Parts::new(find(120, 11).unwrap(), &lie).map(|(_, part)| part).collect();
        assert_eq!((parts[3], parts[4]), (&lie[5..], &[][..]));
    }
}
