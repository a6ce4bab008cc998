//! Modbus octets as a header and a PDU, read both ways, and everything that can be walked in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::hint::black_box;
use wayside::protocol::modbus::wire::{Body, FileReferences, HEADER, Header, Objects, Pdu, Role};

fuzz_target!(|bytes: &[u8]| {
    if let Some(header) = Header::parse(bytes) {
        if let Some(fault) = header.fault() {
            assert!(!format!("{} {fault}", fault.label()).is_empty());
        }
        assert!(header.message_len() <= 6 + usize::from(u16::MAX));
        pdus(bytes.get(HEADER..).unwrap_or_default());
    }
    pdus(bytes);
});

fn pdus(bytes: &[u8]) {
    for role in [Role::Request, Role::Response] {
        let Some(pdu) = Pdu::parse(role, bytes) else {
            assert!(bytes.is_empty());
            continue;
        };
        assert!(pdu.function < 0x80);
        if let Some(fault) = pdu.fault {
            assert!(!format!("{} {fault}", fault.label()).is_empty());
        }
        black_box((pdu.second(), pdu));
        if let Body::Identity { objects, .. } = pdu.body {
            let told: usize = Objects(objects).map(|(_, text)| 2 + text.len()).sum();
            assert!(told <= objects.len());
        }
    }
    for with_data in [false, true] {
        let told: usize = FileReferences::new(bytes, with_data).map(|file| 7 + file.data.len()).sum();
        assert!(told <= bytes.len());
    }
}
