//! What somebody who knows the sensor may send to get past it, and what comes of it: docs/evasion.md in the same order.
//!
//! Each test builds its frames and plays them through the whole pipeline with rules under which SCADA may read from
//! the PLC and nothing else: a write that the PLC would carry out has to raise an alert.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod evasions {
    mod addresses;
    mod connections;
    mod fragments;
    mod segments;
    pub mod wire;
}
