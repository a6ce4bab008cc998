//! The inventory: which devices there are, what they say to each other, and the points that they have.
//!
//! Flows in: every event, and every conversation in none of our protocols. Each worker has a [`Gatherer`], which looks
//! up small keys and counts; it allocates nothing for a conversation and points that it knows. Now and then it hands
//! over what it saw since the last time ([`Harvest`]), and an [`Inventory`] adds that up. The sum does not depend on the
//! order of harvests, nor on how the traffic was shared between workers, as long as no bound is met.
//!
//! Flows out: devices with their roles and the reason for each ([`Inventory::devices`]), conversations
//! ([`Inventory::conversations`]), points ([`Inventory::points`]), and all of it as one JSON document
//! ([`Inventory::write_json`]) or as CSV ([`Inventory::write_csv`]).
//!
//! Everything is bounded ([`Limits`]); what is least important goes first and is counted ([`Forgotten`]). Time is that
//! of the packets: no clock is read.

mod conversation;
mod device;
mod few;
mod gatherer;
mod identity;
mod json;
mod latency;
mod points;
mod reading;
mod role;
mod room;
mod saved;
mod saved_forms;
mod sheet;
mod stock;
mod vendors;

pub use conversation::{Key, Record, Refusal, Unit, is_command};
pub use device::{Commander, Device, Identified, Served};
pub use few::Few;
pub use gatherer::{Gatherer, Harvest};
pub use identity::{Identity, IdentityKey, Statement};
pub use json::{Part, range, transport};
pub use latency::Latency;
pub use points::{Point, PointKey, Recent, Said, Sample};
pub use reading::{Reading, Span, Stamp};
pub use role::{Reason, Role};
pub use saved::{Row, SavedRow, Touched};
pub use sheet::{Sheet, behind, spoken};
pub use stock::{Inventory, Names, PointCount};
pub use vendors::vendor;

/// How much is remembered, so that hostile traffic cannot fill the memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Addresses. Those that were never heard go first, then the ones not seen for longest.
    pub devices: usize,
    /// Conversations between two hosts in one protocol. Those in none of our protocols and those in which nobody
    /// answers go first, then the ones not seen for longest.
    pub conversations: usize,
    /// Devices behind one address, in one conversation.
    pub units: usize,
    /// Points over all devices. The ones not seen for longest go first, with their neighbours.
    pub points: usize,
    /// Devices that have said who they are. The ones that said so longest ago go first.
    pub identities: usize,
    /// Recent values of each point.
    pub recent: Recent,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            devices: 1 << 14,
            conversations: 1 << 14,
            units: 1 << 8,
            points: 1 << 16,
            identities: 1 << 12,
            recent: Recent { most: 32, step: 1 },
        }
    }
}

impl Limits {
    /// For a live sensor: of the recent values one every ten seconds, for ten minutes.
    pub fn live() -> Limits {
        Limits { recent: Recent { most: 60, step: 10_000_000_000 }, ..Limits::default() }
    }

    /// For a gatherer that hands over every second or so: the recent values of long ago are elsewhere by then.
    pub fn often(self) -> Limits {
        Limits { recent: Recent { most: self.recent.most.min(4), ..self.recent }, ..self }
    }

    /// For one of several workers.
    pub fn shared(self, workers: usize) -> Limits {
        let share = |all: usize| all.div_ceil(workers.max(1));
        Limits {
            devices: share(self.devices),
            conversations: share(self.conversations),
            points: share(self.points),
            identities: share(self.identities),
            ..self
        }
    }
}

/// What was not remembered because a bound was reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Forgotten {
    /// Addresses.
    pub devices: u64,
    /// Conversations.
    pub conversations: u64,
    /// Messages about devices behind an address that has too many.
    pub units: u64,
    /// Points.
    pub points: u64,
    /// Devices that had said who they are.
    pub identities: u64,
}

impl Forgotten {
    fn add(&mut self, other: Forgotten) {
        self.devices += other.devices;
        self.conversations += other.conversations;
        self.units += other.units;
        self.points += other.points;
        self.identities += other.identities;
    }

    /// Whether nothing was.
    pub fn is_none(&self) -> bool {
        *self == Forgotten::default()
    }
}
