//! Where events and alerts go: one file per destination.

pub mod audit;
pub mod events;
