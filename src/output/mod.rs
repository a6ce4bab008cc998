//! Where events, alerts and their packets go.
//!
//! ```text
//! alert --> format --> queue on the disk --> relay --> destination
//! ```
//!
//! [`settings`] says which there are; the log of events, the audit trail and the packets of alerts go their own ways.

pub mod audit;
pub mod destination;
pub mod events;
pub mod evidence;
pub mod fold;
pub mod format;
pub mod pcapng;
pub mod queue;
pub mod relay;
pub mod secret;
pub mod settings;
