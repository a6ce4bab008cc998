//! DNP3 octets by layer: the link header, the framer (which must find the same however the octets are cut), and
//! the objects of a fragment with all their points.
//!
//! The first octet says where the octets are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wayside::protocol::dnp3::framer::Framer;
use wayside::protocol::dnp3::wire::{application, link, objects, transport};

/// Points walked in one block: its header may announce as many as four octets can count.
const POINTS: usize = 10_000;

fuzz_target!(|bytes: &[u8]| {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let _ = format!("{:?}", link::begin(bytes));
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
    let mut datagram = Vec::new();
    Framer::new(true).datagram(bytes, &mut |piece| datagram.push(format!("{piece:?}")));

    fragment(bytes);
    if let Some((segment, payload)) = transport::split(bytes) {
        assert!(segment.sequence() < 64 && segment.following() < 64);
        fragment(payload);
    }
});

/// What the framer finds in octets that come like this.
fn pieces<'a>(whole: bool, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut found = Vec::new();
    let mut framer = Framer::new(whole);
    let mut out = |piece: wayside::protocol::dnp3::framer::Piece<'_>| found.push(format!("{piece:?}"));
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
                            let _ = format!("{point:?}");
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
