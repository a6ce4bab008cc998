//! DNP3 octets by layer: the link header, the framer (which must find the same however the octets are cut), and
//! the objects of a fragment with all their points.
//!
//! The first octet says where the octets are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::hint::black_box;
use wayside::protocol::dnp3::framer::{Framer, Piece};
use wayside::protocol::dnp3::wire::{application, link, objects, transport};

/// Points walked in one block: its header may announce as many as four octets can count.
const POINTS: usize = 200;

fuzz_target!(|bytes: &[u8]| {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let _ = black_box(link::begin(bytes));
    assert!(bytes.is_empty() || (1..=bytes.len()).contains(&link::skip(bytes)));
    let mut room = [0; link::MAX_USER_DATA];
    let _ = link::unblock(bytes.get(..282).unwrap_or(bytes), &mut room);

    for whole in [true, false] {
        let once = pieces(whole, [bytes]);
        let octet_by_octet = pieces(whole, bytes.chunks(1));
        let in_chunks = pieces(whole, bytes.chunks(usize::from(*cut).max(1)));
        assert_eq!(once, octet_by_octet);
        assert_eq!(once, in_chunks);
    }
    Framer::new(true).datagram(bytes, &mut |piece| {
        black_box(piece);
    });

    fragment(bytes);
    if let Some((segment, payload)) = transport::split(bytes) {
        assert!(segment.sequence() < 64 && segment.following() < 64);
        fragment(payload);
    }
});

/// What the framer finds: the pieces without their octets, and the octets of all with how many each has.
#[derive(PartialEq, Eq, Debug, Default)]
struct Found {
    pieces: Vec<Piece<'static>>,
    lengths: Vec<usize>,
    octets: Vec<u8>,
}

impl Found {
    fn push(&mut self, piece: Piece<'_>) {
        let (piece, octets): (Piece<'static>, &[u8]) = match piece {
            Piece::Frame { header, user_data } => (Piece::Frame { header, user_data: &[] }, user_data),
            Piece::Garbage { octets, offset, head, more } => {
                (Piece::Garbage { octets, offset, head: &[], more }, head)
            }
            Piece::Foreign { octets, head } => (Piece::Foreign { octets, head: &[] }, head),
            Piece::BadBlock { header, error } => (Piece::BadBlock { header, error }, &[]),
            Piece::BadHeader(error) => (Piece::BadHeader(error), &[]),
            Piece::Incomplete { header, have, need } => (Piece::Incomplete { header, have, need }, &[]),
        };
        self.pieces.push(piece);
        self.lengths.push(octets.len());
        self.octets.extend_from_slice(octets);
    }
}

/// What the framer finds in octets that come like this.
fn pieces<'a>(whole: bool, chunks: impl IntoIterator<Item = &'a [u8]>) -> Found {
    let mut found = Found::default();
    let mut framer = Framer::new(whole);
    let mut out = |piece: Piece<'_>| found.push(piece);
    for chunk in chunks {
        framer.push(chunk, &mut out);
    }
    framer.close(&mut out);
    found
}

fn fragment(bytes: &[u8]) {
    match application::split(bytes) {
        Ok((header, rest)) => {
            for block in objects::Headers::new(header.function, rest) {
                match block {
                    Ok(block) => {
                        let _ = (block.is_indexed(), block.range.count());
                        for point in block.points().take(POINTS) {
                            black_box(point);
                        }
                    }
                    Err(error) => {
                        assert!(error.offset <= rest.len());
                        assert!(!format!("{} {error}", error.label()).is_empty());
                    }
                }
            }
        }
        Err(short) => assert!(short.have < short.need && !short.to_string().is_empty()),
    }
}
