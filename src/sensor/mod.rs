//! Wires a pipeline together.
pub mod config;
