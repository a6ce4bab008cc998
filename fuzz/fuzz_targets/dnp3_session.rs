//! One DNP3 conversation: pieces of stream, datagrams and gaps from both sides.
#![no_main]

mod conversation;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| conversation::play(&wayside::protocol::dnp3::PROTOCOL, bytes));
