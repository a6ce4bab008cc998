//! Wayside: a passive monitor for rail and utility control networks.
//!
//! It listens at a tap or mirror port, or replays a capture; decodes each message down to register, point and value;
//! compares it with an allowlist in the plant's own words; and says in one sentence what should not have happened.
//! It never sends a packet.
//!
//! # Architecture
//! One pipeline serves a live interface and a capture file, so that what an analyst replays is what the operator saw.
//! Data flows down:
//!
//! ```text
//!   capture    frames from files (large blocks, cut by hand) or interfaces (libpcap)
//!      |
//!   packet     one frame -> addresses, ports, payload: VLAN, IPv4/6, fragments, tunnels
//!      |
//!   stream     the flow table; TCP in order, picked up in the middle; mirror copies dropped
//!      |
//!   protocol   one folder each: wire (bytes -> views), session (framing, pairing), codes (names)
//!      |
//!    event     the common currency: numbers and borrowed slices, in two vocabularies
//!      |
//!   policy     rule files -> compiled look-ups -> one verdict per event
//!      |
//!    alert     grouped objections: a sentence, a severity, an ATT&CK technique
//!      |
//!  inventory   beside the rules: devices, conversations and points seen, with the reason for each role
//!      |
//!   output     JSON lines, a terminal; metrics and web beside them
//!    store     beside the outputs: alerts with their life, the inventory, the audit trail, in one file
//! ```
//!
//! - [`sensor`] wires these together: [`sensor::pipeline`] is one worker or a team of them, [`sensor::live`] the threads
//!   around it.
//! - [`cli`] has one file per command.
//! - [`address`] holds the types that everybody shares.
//!
//! **Direction.** A module imports only from those above it in the drawing and from `address`; a test reads the `use`
//! lines and fails where one does not (`tests/imports.rs`). Rules and alerts know no protocol: they get its words as an
//! [`event::Vocabulary`].
//!
//! **Speed is a shape.** An [`event::Event`] becomes text only at an output that asked for it. A message that no rule
//! objects to allocates nothing, formats nothing and takes no lock: TCP payload in order goes from the frame's buffer to
//! the parser without a copy; the rules about two ends are looked up once a conversation; counters are plain integers,
//! folded into the registry once a second.
//!
//! **Threads.** A replay is one thread. A live sensor has one for each interface, one that decodes and judges, one that
//! hands out alerts, one that reloads rules, two for the store where there is one (one writes), and a runtime of one thread for the web. With `--workers N` there are N
//! that decode and judge, each for its share of the hosts, and what they find is put in order before anybody hears of
//! it. Where the packets of alerts are kept, one more writes their files. Between threads are bounded queues; what is
//! lost at a bound is counted.
//!
//! **Trust.** Every octet is hostile: parsers check before they read, never allocate by a length field that was not
//! compared with what is there, and never panic; `unsafe` is forbidden.
#![forbid(unsafe_code)]

pub mod address;
pub mod alert;
pub mod capture;
pub mod cli;
pub mod courtesy;
pub mod event;
pub mod inventory;
pub mod metrics;
pub mod output;
pub mod packet;
pub mod policy;
pub mod protocol;
pub mod sensor;
pub mod store;
pub mod stream;
pub mod web;
