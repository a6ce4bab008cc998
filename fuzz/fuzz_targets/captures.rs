//! The octets of a capture file, read twice: as they are, and compressed and in small pieces. Both must give the same
//! frames, the same notices and the same errors.
//!
//! The first octet says how it is read the second time: bits 0 and 1 how it is compressed (0 and 3 not, 1 gzip,
//! 2 Zstandard), the others how many octets come at once. The file itself may be compressed too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Cursor, Read};
use wayside::capture::Files;

/// Frames read of one input: a compressed one may hold millions.
const FRAMES: u64 = 1_000;

fuzz_target!(|bytes: &[u8]| {
    let Some((&how, bytes)) = bytes.split_first() else { return };
    let once = read(Cursor::new(bytes.to_vec()));
    let archive =
        matches!(bytes, [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] | [_, 0x2a, 0x4d, 0x18, ..]);
    let packed = match how & 3 {
        1 if !archive => gzip(bytes),
        2 if !archive => zstandard(bytes),
        _ => bytes.to_vec(),
    };
    let size = usize::from(how >> 2) + 1;
    let again = read(Pieces { octets: Cursor::new(packed), size });
    // How far a damaged archive can be read depends on how it comes.
    assert!(
        archive && !(once.said.is_empty() && again.said.is_empty()) || once == again,
        "{once:?} and {again:?}"
    );
    if !archive {
        assert!(once.octets <= bytes.len(), "{} octets out of {}", once.octets, bytes.len());
    }
});

/// What came of a file.
#[derive(PartialEq, Eq, Debug, Default)]
struct Account {
    frames: u64,
    octets: usize,
    digest: u64,
    said: Vec<String>,
}

fn read(stream: impl Read + Send + 'static) -> Account {
    let mut account = Account::default();
    let mut files = match Files::from_reader("fuzz", stream) {
        Ok(files) => files,
        Err(error) => {
            account.said.push(error.to_string());
            return account;
        }
    };
    let mut digest = DefaultHasher::new();
    while account.frames < FRAMES {
        match files.next() {
            Ok(Some(frame)) => {
                account.frames += 1;
                account.octets += frame.data.len();
                assert_eq!((frame.number, frame.source), (account.frames, 0));
                assert!(frame.ts.digits <= 9);
                (frame.ts.nanos, frame.ts.digits, frame.link, frame.wire_len, frame.data).hash(&mut digest);
                files.interface_name().hash(&mut digest);
            }
            Ok(None) => {
                assert!(files.next().is_ok_and(|frame| frame.is_none()), "a frame after the last");
                break;
            }
            Err(error) => {
                account.said.push(error.to_string());
                break;
            }
        }
    }
    account.digest = digest.finish();
    account.said.extend(files.notices());
    assert!(account.said.iter().all(|said| !said.is_empty()));
    account
}

/// A stream that brings so many octets at once.
struct Pieces {
    octets: Cursor<Vec<u8>>,
    size: usize,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let size = into.len().min(self.size);
        self.octets.read(into.get_mut(..size).unwrap_or_default())
    }
}

/// A gzip member of one stored block (RFC 1951, 3.2.4; RFC 1952).
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let bytes = bytes.get(..0xffff).unwrap_or(bytes);
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    packed.extend((bytes.len() as u16).to_le_bytes());
    packed.extend((!(bytes.len() as u16)).to_le_bytes());
    packed.extend(bytes);
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    packed.extend(crc.sum().to_le_bytes());
    packed.extend(crc.amount().to_le_bytes());
    packed
}

/// A Zstandard frame of one raw block (RFC 8878, 3.1.1), without checksum.
fn zstandard(bytes: &[u8]) -> Vec<u8> {
    let bytes = bytes.get(..0xffff).unwrap_or(bytes);
    // A window of 128 KiB, then the block: last, raw, so many octets.
    let mut packed = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3];
    packed.extend((1 | (bytes.len() as u32) << 3).to_le_bytes().get(..3).unwrap_or_default());
    packed.extend(bytes);
    packed
}
