//! One IEC 104 conversation: pieces of stream and gaps from both sides.
#![no_main]

mod conversation;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| conversation::play(&wayside::protocol::iec104::PROTOCOL, bytes));
