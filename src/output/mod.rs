//! Where events and alerts go: one file per destination.

pub mod events;
