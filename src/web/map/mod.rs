//! The map: zones with their devices, and who speaks with whom, as a picture.
//!
//! Flows in: the inventory, the zones of the rules, open alerts of the store. [`plan`] decides what is shown, [`places`]
//! where, [`draw`] how it looks. Flows out: SVG and the same as a table.

pub mod draw;
pub mod places;
pub mod plan;
