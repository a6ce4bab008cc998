//! IEC 60870-5-104: the ASDUs of IEC 60870-5-101 over TCP.
//!
//! Flows in: stream pieces of one conversation. Flows out: one event for each unit (I, S and U frames). [`wire`] reads
//! octets, [`library`] holds every type's layout in one table, [`codes`] the names.

pub mod codes;
pub mod framer;
pub mod library;
pub mod sizes;
pub mod trouble;
pub mod value;
pub mod wire;
