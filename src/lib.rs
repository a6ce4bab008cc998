//! Wayside: a passive monitor for rail and utility control networks.
#![forbid(unsafe_code)]

pub mod address;
pub mod alert;
pub mod capture;
pub mod cli;
pub mod event;
pub mod metrics;
pub mod output;
pub mod packet;
pub mod policy;
pub mod protocol;
pub mod sensor;
pub mod stream;
pub mod web;
