//! Wayside: a passive monitor for rail and utility control networks.
#![forbid(unsafe_code)]

pub mod address;
pub mod event;
pub mod metrics;
pub mod output;
pub mod packet;
pub mod protocol;
pub mod sensor;
pub mod stream;
pub mod web;
