//! DNP3 on the wire, by the layers of the standard (IEEE 1815-2012): [`link`] frames carry [`transport`] segments,
//! segments make up [`application`] fragments, and fragments hold object headers with [`objects`].
//!
//! Octets in, borrowed views or a typed error out. No state, no clock, no allocation.

pub mod application;
pub mod link;
pub mod objects;
pub mod transport;
