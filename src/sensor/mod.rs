//! Wires a pipeline together: threads, queues, back-pressure, shutdown, reload.
//!
//! A replay drives one [`pipeline::Pipeline`] itself. A live sensor ([`live`]) has a thread for each interface, one
//! that decodes and judges, one that hands out alerts, and a small runtime that serves metrics. Between them are
//! bounded queues.

mod central;
pub mod config;
pub mod entrance;
pub mod evidence;
mod keeper;
pub mod live;
mod notes;
pub mod outlets;
pub mod pipeline;
pub mod player;
mod reload;
pub mod report;
mod stock;
mod talk;
mod team;
pub mod vitals;
mod worker;
