//! One Modbus conversation: pieces of stream, datagrams and gaps from both sides.
#![no_main]

mod conversation;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| conversation::play(&wayside::protocol::modbus::PROTOCOL, bytes));
