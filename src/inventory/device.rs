//! One device, put together from the conversations that it takes part in.

use super::conversation::{Key, Record};
use super::few::Few;
use super::identity::{Identity, IdentityKey};
use super::reading::{Span, Stamp};
use super::role::{self, Reason, Role};
use super::stock::Names;
use super::vendors::vendor;
use crate::address::{Address, Mac, Timestamp};
use crate::event::{About, OwnedValue, Vocabulary};
use std::collections::{BTreeMap, BTreeSet};

/// What is remembered of an address beside its conversations.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Host {
    pub span: Option<Span>,
    pub sent: u64,
    pub received: u64,
    /// For forgetting.
    pub touched: i64,
}

/// A device behind an address, in one protocol.
#[derive(Clone, PartialEq, Debug)]
pub struct Served {
    /// The protocol.
    pub words: &'static Vocabulary,
    /// Its number there: a Modbus unit, a DNP3 outstation address.
    pub device: u32,
    /// Requests to it.
    pub asked: u64,
    /// Its answers.
    pub answered: u64,
    /// What it reported unasked.
    pub reports: u64,
    /// How often a gateway said that it does not answer.
    pub absent: u64,
}

/// What a device says of itself.
#[derive(Clone, PartialEq, Debug)]
pub struct Identified {
    /// The device behind the address.
    pub device: Option<u32>,
    /// What it says.
    pub identity: Identity,
}

impl Identified {
    /// The last word about this.
    pub fn about(&self, about: About) -> Option<&OwnedValue> {
        self.identity.about(about).next()
    }

    /// When and by whom it was read.
    pub fn read(&self) -> Option<(Stamp, Address)> {
        self.identity.last()
    }
}

/// Who sent commands to a device.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Commander {
    /// Who.
    pub address: Address,
    /// In which protocol.
    pub words: &'static Vocabulary,
    /// How many.
    pub count: u64,
    /// The last one.
    pub last: Stamp,
}

/// One device.
#[derive(Clone, PartialEq, Debug)]
pub struct Device {
    /// Its address.
    pub address: Address,
    /// What people call it.
    pub name: Option<String>,
    /// Its MAC addresses; those of a router where it is behind one.
    pub macs: Few<Mac, 4>,
    /// The vendor of its network interface, where that is its own.
    pub vendor: Option<&'static str>,
    /// Whether other addresses have the same MAC address: a router between, or one machine with several addresses.
    pub shares_mac: bool,
    /// The VLANs that it was seen on.
    pub vlans: Few<u16, 4>,
    /// What it does, with the reason: what matters most first.
    pub roles: Vec<Reason>,
    /// Its protocols, by the names in events; other traffic is not among them.
    pub protocols: Vec<&'static Vocabulary>,
    /// The devices behind its address, by protocol and number.
    pub serves: Vec<Served>,
    /// What it says of itself.
    pub identities: Vec<Identified>,
    /// Who commands it.
    pub commanders: Vec<Commander>,
    /// Messages of our protocols that it sent.
    pub sent: u64,
    /// Messages of our protocols that were sent to it.
    pub received: u64,
    /// When it was seen.
    pub span: Option<Span>,
}

impl Device {
    /// The first word about this that any device behind the address says.
    pub fn about(&self, about: About) -> Option<&OwnedValue> {
        self.identities.iter().find_map(|identified| identified.about(about))
    }

    /// What it is first of all.
    pub fn role(&self) -> Role {
        self.roles.first().map_or(Role::Host, |reason| reason.role)
    }

    /// When it was first and last seen.
    pub fn seen(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        (self.span.map(|span| span.first), self.span.map(|span| span.last))
    }
}

type Talks<'c> = Vec<(&'c Key, &'c Record)>;

/// All devices, sorted by address.
pub(super) fn devices(
    hosts: &hashbrown::HashMap<Address, Host, foldhash::quality::RandomState>,
    conversations: &BTreeMap<Key, Record>,
    identities: &hashbrown::HashMap<IdentityKey, Identity, foldhash::quality::RandomState>,
    names: &dyn Names,
) -> Vec<Device> {
    // What each asks and what it answers.
    let mut by_host: BTreeMap<Address, [Talks<'_>; 2]> = BTreeMap::new();
    for (key, record) in conversations {
        by_host.entry(key.client).or_default()[0].push((key, record));
        by_host.entry(key.server).or_default()[1].push((key, record));
    }
    let places: BTreeMap<Address, Places> =
        by_host.iter().map(|(address, talks)| (*address, places(talks))).collect();
    let mut owners: BTreeMap<Mac, usize> = BTreeMap::new();
    for mac in places.values().flat_map(|(macs, _)| macs.iter()) {
        *owners.entry(mac).or_default() += 1;
    }
    let mut said: BTreeMap<Address, BTreeMap<IdentityKey, Identified>> = BTreeMap::new();
    for (key, identity) in identities {
        let identified = Identified { device: key.device, identity: identity.clone() };
        said.entry(key.server).or_default().insert(*key, identified);
    }
    let mut addresses: Vec<&Address> = hosts.keys().collect();
    addresses.sort_unstable();
    let none = [Vec::new(), Vec::new()];
    let shares = |macs: &Few<Mac, 4>| macs.iter().any(|mac| owners.get(&mac).is_some_and(|count| *count > 1));
    let device = |address: &Address| {
        let talks = by_host.get(address).unwrap_or(&none);
        let places = places.get(address).copied().unwrap_or_default();
        let identities = said.remove(address).unwrap_or_default().into_values().collect();
        Some(put_together(*address, hosts.get(address)?, talks, places, identities, shares, names))
    };
    addresses.into_iter().filter_map(device).collect()
}

/// One device, from the conversations that it takes part in and what it said of itself. `shares` says whether others
/// have one of its MAC addresses.
pub(super) fn device<'i>(
    address: Address,
    host: &Host,
    conversations: &BTreeMap<Key, Record>,
    said: impl Iterator<Item = (&'i IdentityKey, &'i Identity)>,
    shares: impl Fn(&Few<Mac, 4>) -> bool,
    names: &dyn Names,
) -> Device {
    let asks = conversations.iter().filter(|(key, _)| key.client == address).collect();
    let answers = conversations.iter().filter(|(key, _)| key.server == address).collect();
    let talks = [asks, answers];
    let identified = |(key, identity): (&IdentityKey, &Identity)| {
        (*key, Identified { device: key.device, identity: identity.clone() })
    };
    let identities: BTreeMap<IdentityKey, Identified> = said.map(identified).collect();
    let identities = identities.into_values().collect();
    put_together(address, host, &talks, places(&talks), identities, shares, names)
}

fn put_together(
    address: Address,
    host: &Host,
    talks: &[Talks<'_>; 2],
    (macs, vlans): Places,
    identities: Vec<Identified>,
    shares: impl Fn(&Few<Mac, 4>) -> bool,
    names: &dyn Names,
) -> Device {
    let [asks, answers] = talks;
    let serves = serves(answers);
    let mac = macs.first();
    let shares_mac = shares(&macs);
    Device {
        address,
        name: names.host(address, mac, vlans.first()),
        macs,
        vendor: mac.filter(|_| !shares_mac).and_then(vendor),
        shares_mac,
        vlans,
        roles: role::roles(address, host, asks, answers, &serves),
        protocols: protocols(asks, answers),
        serves,
        identities,
        commanders: commanders(answers),
        sent: host.sent,
        received: host.received,
        span: host.span,
    }
}

/// The MAC addresses of a host and the VLANs that it is on.
type Places = (Few<Mac, 4>, Few<u16, 4>);

fn places(talks: &[Talks<'_>; 2]) -> Places {
    let (mut macs, mut vlans) = Places::default();
    for (side, talks) in talks.iter().enumerate() {
        for (_, record) in talks {
            macs.join(&record.macs[side]);
            vlans.join(&record.vlans);
        }
    }
    (macs, vlans)
}

fn protocols(asks: &Talks<'_>, answers: &Talks<'_>) -> Vec<&'static Vocabulary> {
    let all: BTreeMap<u8, &'static Vocabulary> = asks
        .iter()
        .chain(answers)
        .filter_map(|(_, record)| record.words.map(|words| (words.id, words)))
        .collect();
    all.into_values().collect()
}

/// The devices behind an address.
fn serves(answers: &Talks<'_>) -> Vec<Served> {
    let mut all: BTreeMap<(u8, u32), Served> = BTreeMap::new();
    for (_, record) in answers {
        let Some(words) = record.words else { continue };
        for unit in &record.units {
            let device = unit.device;
            let served = all.entry((words.id, device)).or_insert(Served {
                words,
                device,
                asked: 0,
                answered: 0,
                reports: 0,
                absent: 0,
            });
            served.asked += unit.asked;
            served.answered += unit.answered;
            served.reports += unit.reports;
            served.absent += unit.absent;
        }
    }
    all.into_values().collect()
}

fn commanders(answers: &Talks<'_>) -> Vec<Commander> {
    let mut all: BTreeMap<(Address, u8), Commander> = BTreeMap::new();
    for (key, record) in answers {
        let (Some(words), Some(last)) = (record.words, record.command) else { continue };
        let new = Commander { address: key.client, words, count: 0, last };
        let commander = all.entry((key.client, words.id)).or_insert(new);
        commander.count += record.commands();
        commander.last = commander.last.max(last);
    }
    all.into_values().collect()
}

/// The hosts at the other end of conversations.
pub(super) fn distinct<'a>(addresses: impl Iterator<Item = &'a Address>) -> usize {
    addresses.collect::<BTreeSet<_>>().len()
}
