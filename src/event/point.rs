//! Points and values: what a message touched, and what it carried.

/// A kind of point within a protocol: Modbus coils, DNP3 group 30. The number belongs to the protocol;
/// [`Vocabulary::space_name`](super::Vocabulary::space_name) says it in words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Space(pub u16);

/// A run of points of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PointRange {
    /// The kind of point.
    pub space: Space,
    /// A finer kind within the space (the DNP3 variation); 0 where the protocol has none.
    pub variant: u8,
    /// The first index.
    pub first: u32,
    /// The last index, included. [`PointRange::ALL`] together with `first` 0: every point of the space.
    pub last: u32,
    /// What is done to these points. It differs from the event's verb only where one message does two things.
    pub verb: super::Verb,
    /// Whether the event's values belong to this range.
    pub valued: bool,
}

impl PointRange {
    /// The `last` of a range that means every point of its space.
    pub const ALL: u32 = u32::MAX;

    /// Whether this stands for every point of its space.
    pub fn is_all(&self) -> bool {
        self.first == 0 && self.last == Self::ALL
    }

    /// How many points it names; saturating.
    pub fn count(&self) -> u32 {
        if self.last < self.first { 0 } else { (self.last - self.first).saturating_add(1) }
    }
}

/// One value on its way to a rule or an output.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Value<'a> {
    /// A state: on or off.
    Bool(bool),
    /// A whole number, unscaled, as the protocol carries it.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A word of the standard: "latch on".
    Name(&'static str),
    /// Text from the wire: hostile, possibly not UTF-8.
    Text(&'a [u8]),
    /// Octets without a known meaning.
    Bytes(&'a [u8]),
}

impl Value<'_> {
    /// As a number, where it is one: states count as 0 and 1.
    pub fn number(self) -> Option<f64> {
        match self {
            Value::Bool(on) => Some(f64::from(u8::from(on))),
            Value::Int(n) => Some(n as f64),
            Value::Float(x) => Some(x),
            Value::Name(_) | Value::Text(_) | Value::Bytes(_) => None,
        }
    }
}

/// The values of one message, in the form in which the wire has them.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// It carries none.
    None,
    /// 16-bit unsigned registers, big-endian, two octets each; a single octet left over is not a value.
    Registers(&'a [u8]),
    /// States packed eight to an octet, lowest bit first.
    Bits {
        /// The octets.
        bytes: &'a [u8],
        /// How many states they hold.
        count: u32,
    },
    /// Already taken apart.
    List(&'a [Value<'a>]),
}

impl<'a> Values<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Values::None => 0,
            Values::Registers(bytes) => bytes.len() / 2,
            Values::Bits { bytes, count } => (*count as usize).min(bytes.len().saturating_mul(8)),
            Values::List(list) => list.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at this place.
    pub fn get(&self, at: usize) -> Option<Value<'a>> {
        match *self {
            Values::None => None,
            Values::Registers(bytes) => {
                let pair = bytes.get(at.checked_mul(2)?..)?.first_chunk::<2>()?;
                Some(Value::Int(i64::from(u16::from_be_bytes(*pair))))
            }
            Values::Bits { bytes, count } => {
                let octet = bytes.get(at / 8).filter(|_| at < count as usize)?;
                Some(Value::Bool(octet >> (at % 8) & 1 == 1))
            }
            Values::List(list) => list.get(at).copied(),
        }
    }

    /// The first of them, at most so many.
    pub fn first(&self, most: usize) -> Values<'a> {
        match *self {
            Values::None => Values::None,
            Values::Registers(bytes) => {
                Values::Registers(bytes.get(..most.saturating_mul(2)).unwrap_or(bytes))
            }
            Values::Bits { bytes, count } => {
                Values::Bits { bytes, count: count.min(u32::try_from(most).unwrap_or(u32::MAX)) }
            }
            Values::List(list) => Values::List(list.get(..most).unwrap_or(list)),
        }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let values = *self;
        (0..values.len()).filter_map(move |at| values.get(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_big_endian_and_bits_start_at_the_lowest() {
        let registers = Values::Registers(&[0x01, 0x02, 0xff, 0xff, 0x07]);
        assert_eq!(registers.iter().collect::<Vec<_>>(), [Value::Int(0x0102), Value::Int(0xffff)]);
        let bits = Values::Bits { bytes: &[0b101], count: 3 };
        assert_eq!(
            bits.iter().collect::<Vec<_>>(),
            [Value::Bool(true), Value::Bool(false), Value::Bool(true)]
        );
        assert_eq!(Values::Bits { bytes: &[0xff], count: 100 }.len(), 8);
    }
}
