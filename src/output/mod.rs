//! Where events, alerts and their packets go: one file per destination.

pub mod audit;
pub mod events;
pub mod evidence;
pub mod format;
pub mod pcapng;
