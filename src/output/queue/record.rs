//! One record on the disk. All numbers are in little-endian order:
//!
//! | octets | what |
//! |---|---|
//! | 4 | length of what follows the checksum |
//! | 4 | CRC-32 (IEEE 802.3) of what follows |
//! | 16 | identity of the alert: a ULID |
//! | 8 | how many messages the alert stood for |
//! | 8 | time of the alert, in nanoseconds since 1970 |
//! | 1 | severity, by its place |
//! | rest | what is sent: the alert in the format of its destination |

use std::io;
use ulid::Ulid;

/// Octets before the body.
pub(super) const HEAD: usize = 8 + META;
/// Octets between checksum and body.
const META: usize = 16 + 8 + 8 + 1;
/// The longest record that is read; what claims more is damaged.
const LONGEST: usize = 16 << 20;

/// An alert on its way to one destination.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Whose it is.
    pub id: Ulid,
    /// How many messages it stood for: a later word about the same alert has more.
    pub count: u64,
    /// Its time, in nanoseconds since 1970.
    pub at: i64,
    /// How bad, by its place: 0 for low.
    pub severity: u8,
    /// What is sent.
    pub body: Vec<u8>,
}

/// What lies at the start of some octets.
pub(super) enum Found {
    /// A record, and the octets that it takes.
    Record(Record, usize),
    /// Not all of one is there.
    Short,
    /// None that was ever written so.
    Damaged,
}

impl Record {
    /// Appends it.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let long = META.saturating_add(self.body.len());
        if long > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "an alert is too long to be kept"));
        }
        let start = out.len();
        out.extend_from_slice(&(long as u32).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.id.to_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.at.to_le_bytes());
        out.push(self.severity);
        out.extend_from_slice(&self.body);
        let sum = crc32fast::hash(out.get(start + 8..).unwrap_or_default());
        if let Some(place) = out.get_mut(start + 4..start + 8) {
            place.copy_from_slice(&sum.to_le_bytes());
        }
        Ok(())
    }

    /// Reads the one at the start of `bytes`.
    pub(super) fn read(bytes: &[u8]) -> Found {
        let Some((long, rest)) = bytes.split_first_chunk::<4>() else { return Found::Short };
        let long = u32::from_le_bytes(*long) as usize;
        if !(META..=LONGEST).contains(&long) {
            return Found::Damaged;
        }
        let Some((sum, rest)) = rest.split_first_chunk::<4>() else { return Found::Short };
        let Some(inner) = rest.get(..long) else { return Found::Short };
        if crc32fast::hash(inner) != u32::from_le_bytes(*sum) {
            return Found::Damaged;
        }
        let Some((id, inner)) = inner.split_first_chunk::<16>() else { return Found::Damaged };
        let Some((count, inner)) = inner.split_first_chunk::<8>() else { return Found::Damaged };
        let Some((at, inner)) = inner.split_first_chunk::<8>() else { return Found::Damaged };
        let Some((severity, body)) = inner.split_first() else { return Found::Damaged };
        let record = Record {
            id: Ulid::from_bytes(*id),
            count: u64::from_le_bytes(*count),
            at: i64::from_le_bytes(*at),
            severity: *severity,
            body: body.to_vec(),
        };
        Found::Record(record, long + 8)
    }
}
