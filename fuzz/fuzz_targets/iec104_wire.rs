//! IEC 104 octets: the framer (which must find the same however the octets are cut), and an ASDU by every size that
//! addresses may have.
//!
//! The first octet says where the octets are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::hint::black_box;
use wayside::protocol::iec104::framer::{Framer, Piece};
use wayside::protocol::iec104::sizes;
use wayside::protocol::iec104::value;
use wayside::protocol::iec104::wire::apci::Apdu;
use wayside::protocol::iec104::wire::asdu::{Asdu, Sizes};

fuzz_target!(|bytes: &[u8]| {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    for whole in [true, false] {
        let once = pieces(whole, [bytes]);
        assert_eq!(once, pieces(whole, bytes.chunks(1)));
        assert_eq!(once, pieces(whole, bytes.chunks(usize::from(*cut).max(1))));
    }
    if let Some(apdu) = Apdu::parse(bytes) {
        black_box(apdu.fault());
    }
    sizes::every().for_each(|sizes| unit(bytes, sizes));
});

/// What the framer finds, as text.
fn pieces<'a>(whole: bool, parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |piece: Piece<'_>| found.push(format!("{piece:?}"));
    let mut framer = Framer::new(whole);
    for part in parts {
        framer.push(part, &mut note);
        assert!(framer.memory() <= 1 << 17);
    }
    framer.close(&mut note);
    found
}

fn unit(bytes: &[u8], sizes: Sizes) {
    let Ok(asdu) = Asdu::parse(bytes, sizes) else { return };
    let objects = asdu.objects().count();
    assert!(objects <= usize::from(asdu.number));
    let Some(row) = asdu.row().filter(|row| row.has_objects()) else { return };
    // Where nothing is wrong, every object is there, and every octet belongs to one.
    if asdu.fault().is_none() {
        assert_eq!(objects, usize::from(asdu.number));
    }
    for object in asdu.objects() {
        assert!(object.octets.len() >= row.octets() && object.address <= 0xff_ffff);
        black_box(value::of(row, object.octets));
        assert_eq!(value::parts(row, object.octets).count(), row.elements.len());
    }
}
