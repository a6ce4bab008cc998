//! IEC 60870-5-104 on the wire: an [`apci`] of six octets, alone or before an [`asdu`] of IEC 60870-5-101, and the
//! binary [`time`] of its objects.
//!
//! Octets in, borrowed views or a typed error out. No state, no clock, no allocation.

pub mod apci;
pub mod asdu;
pub mod time;
