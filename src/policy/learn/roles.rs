//! Names for addresses, by what they do.

use super::doubts::Doubt;
use super::draft::Draft;
use super::seen::{PairKey, Seen, Stamp, Way};
use crate::address::Address;
use crate::event::{Verb, Vocabulary};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Readings that happen more often than this are polls.
const POLLED: u64 = 3;

/// A host that gets a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Host {
    pub address: Address,
    pub name: String,
    /// What it was seen doing.
    pub role: String,
}

/// What an address does in the control protocols.
#[derive(Default)]
struct Doing {
    /// The devices behind it, by protocol.
    serves: BTreeMap<u8, BTreeSet<u32>>,
    /// The hosts that it asks, by protocol.
    asks: BTreeMap<u8, BTreeSet<Address>>,
    /// Readings that were repeated.
    polls: u64,
    first: Option<Stamp>,
    suspect: bool,
}

/// Names for addresses that have none yet: the same traffic gives the same names.
pub(super) fn hosts(
    wanted: &BTreeSet<Address>,
    pairs: &HashMap<PairKey, Seen>,
    rules: &[Draft],
    words: &BTreeMap<u8, &'static Vocabulary>,
    taken: &BTreeSet<String>,
) -> Vec<Host> {
    let doing = doing(pairs, rules);
    let is_master = |doing: &Doing| doing.polls > 0 && !doing.suspect && doing.serves.is_empty();
    let masters: Vec<Address> =
        doing.iter().filter(|(_, doing)| is_master(doing)).map(|(address, _)| *address).collect();
    let nobody = Doing::default();
    let stems: Vec<(Address, String, &Doing)> = wanted
        .iter()
        .map(|address| {
            let doing = doing.get(address).unwrap_or(&nobody);
            let stem = match doing {
                _ if address.is_group() => group_stem(*address).to_owned(),
                _ if masters == [*address] => "scada".to_owned(),
                _ if masters.contains(address) => "master".to_owned(),
                Doing { serves, .. } if !serves.is_empty() => server_stem(doing, words),
                Doing { asks, .. } if !asks.is_empty() => "client".to_owned(),
                _ => "host".to_owned(),
            };
            (*address, stem, doing)
        })
        .collect();
    let own_outstations = own_outstations(&stems, words);
    let kinds: BTreeSet<&str> = stems.iter().map(|(_, stem, _)| stem.as_str()).collect();
    let parts_of: BTreeMap<&str, usize> =
        kinds.into_iter().map(|kind| (kind, telling(kind, &stems))).collect();
    let mut used = taken.clone();
    let mut hosts = Vec::new();
    for (address, stem, doing) in &stems {
        let parts = parts(*address).len();
        let plain = (masters == [*address] || is_everyone(*address)).then(|| stem.clone());
        let plain =
            plain.or_else(|| own_outstations.get(address).map(|number| format!("outstation-{number}")));
        let told = !doing.serves.is_empty() || !doing.asks.is_empty();
        let least = parts_of.get(stem.as_str()).copied().filter(|_| told).unwrap_or(parts).min(parts);
        let by_address = (least..=parts).map(|count| suffixed(stem, *address, count));
        // Every address differs, so only a name that a person gave can be in the way.
        let again = (2..=u32::MAX).map(|n| format!("{}-{n}", suffixed(stem, *address, parts)));
        let mut names = plain.into_iter().chain(by_address).chain(again);
        let name = names.find(|name| !used.contains(name)).unwrap_or_default();
        used.insert(name.clone());
        hosts.push(Host { address: *address, name, role: role(*address, doing, words) });
    }
    hosts
}

fn doing(pairs: &HashMap<PairKey, Seen>, rules: &[Draft]) -> BTreeMap<Address, Doing> {
    let mut all: BTreeMap<Address, Doing> = BTreeMap::new();
    for (pair, seen) in pairs {
        for (key, ask) in &seen.asks {
            let (client, server) = match key.way {
                Way::Asked | Way::Answered => (pair.client, pair.server),
                Way::Unasked => (pair.server, pair.client),
            };
            let first = ask.often.first;
            let serves = all.entry(server).or_default();
            // A device that never answered well is perhaps not there.
            let answers = ask.refused + ask.unanswered < ask.often.count;
            let devices = serves.serves.entry(pair.proto).or_default();
            devices.extend(key.device.filter(|_| answers));
            serves.first = Some(serves.first.map_or(first, |before| before.min(first)));
            let asks = all.entry(client).or_default();
            asks.asks.entry(pair.proto).or_default().insert(server);
            asks.first = Some(asks.first.map_or(first, |before| before.min(first)));
            if key.verb() == Verb::Read && ask.often.count > POLLED && !ask.never_worked() {
                asks.polls += ask.often.count;
            }
        }
    }
    let scans = rules.iter().filter(|rule| matches!(rule.key.doubt, Some(Doubt::Scan(_))));
    let scanners: BTreeSet<Address> = scans.flat_map(|rule| rule.key.from.iter().copied()).collect();
    let fine = rules.iter().filter(|rule| rule.key.doubt.is_none());
    let fine: BTreeSet<Address> = fine.flat_map(|rule| rule.key.from.iter().copied()).collect();
    for address in scanners.difference(&fine) {
        all.entry(*address).or_default().suspect = true;
    }
    all
}

fn server_stem(doing: &Doing, words: &BTreeMap<u8, &'static Vocabulary>) -> String {
    let mut serves = doing.serves.keys().filter_map(|proto| words.get(proto));
    let is_outstation = serves.any(|words| matches!(words.device_key, "outstation" | "common-address"));
    if is_outstation { "outstation" } else { "plc" }.to_owned()
}

/// How many parts of their addresses tell all hosts of a kind apart.
fn telling(kind: &str, stems: &[(Address, String, &Doing)]) -> usize {
    let alike: Vec<Address> =
        stems.iter().filter(|(_, stem, _)| stem == kind).map(|(address, ..)| *address).collect();
    let most = alike.iter().map(|address| parts(*address).len()).max().unwrap_or(1);
    let apart = |count: &usize| {
        let names: BTreeSet<String> = alike.iter().map(|address| suffixed(kind, *address, *count)).collect();
        names.len() == alike.len()
    };
    (1..most).find(apart).unwrap_or(most)
}

/// Hosts behind whose address is exactly one outstation, with its number, where no other host has the same.
fn own_outstations(
    stems: &[(Address, String, &Doing)],
    words: &BTreeMap<u8, &'static Vocabulary>,
) -> BTreeMap<Address, u32> {
    let number = |doing: &Doing| {
        let (proto, devices) = doing.serves.iter().next()?;
        words.get(proto).filter(|words| words.device_key == "outstation")?;
        devices.first().copied().filter(|_| devices.len() == 1)
    };
    let mut by_number: BTreeMap<u32, Vec<Address>> = BTreeMap::new();
    for (address, _, doing) in stems {
        if let Some(number) = number(doing) {
            by_number.entry(number).or_default().push(*address);
        }
    }
    let alone = by_number.into_iter().filter(|(_, addresses)| addresses.len() == 1);
    alone
        .flat_map(|(number, addresses)| addresses.into_iter().map(move |address| (address, number)))
        .collect()
}

fn group_stem(address: Address) -> &'static str {
    match address {
        Address::V4(ip) if !ip.is_multicast() => "broadcast",
        Address::Mac(mac) if mac.0 == [0xff; 6] => "broadcast",
        _ => "multicast",
    }
}

/// Whether an address is that of everyone on the network.
fn is_everyone(address: Address) -> bool {
    match address {
        Address::V4(ip) => ip.is_broadcast(),
        Address::V6(_) => false,
        Address::Mac(mac) => mac.0 == [0xff; 6],
    }
}

/// What an address is made of, from the left.
fn parts(address: Address) -> Vec<String> {
    match address {
        Address::V4(ip) => ip.octets().iter().map(u8::to_string).collect(),
        Address::V6(ip) => {
            let text = ip.to_string();
            text.split([':', '.']).filter(|part| !part.is_empty()).map(str::to_owned).collect()
        }
        Address::Mac(mac) => mac.0.iter().map(|part| format!("{part:02x}")).collect(),
    }
}

/// A stem with the last so many parts of an address.
fn suffixed(stem: &str, address: Address, count: usize) -> String {
    let parts = parts(address);
    let from = parts.len().saturating_sub(count);
    format!("{stem}-{}", parts.get(from..).unwrap_or_default().join("-"))
}

/// What a host was seen doing, for the comment beside its name.
fn role(address: Address, doing: &Doing, words: &BTreeMap<u8, &'static Vocabulary>) -> String {
    let mut said = Vec::new();
    for (proto, devices) in &doing.serves {
        let Some(words) = words.get(proto) else { continue };
        let mut numbers: Vec<String> = devices.iter().take(8).map(u32::to_string).collect();
        if devices.len() > numbers.len() {
            numbers.push("…".to_owned());
        }
        let devices = if numbers.is_empty() {
            String::new()
        } else {
            format!(" ({} {})", words.device_key, numbers.join(", "))
        };
        said.push(format!("answers {}{devices}", words.title));
    }
    for (proto, servers) in &doing.asks {
        let Some(words) = words.get(proto) else { continue };
        let hosts = if servers.len() == 1 { "1 host".to_owned() } else { format!("{} hosts", servers.len()) };
        said.push(format!("asks {hosts} in {}", words.title));
    }
    if address.is_group() {
        said.push("everyone who listens there".to_owned());
    } else if said.is_empty() {
        said.push("no control protocol".to_owned());
    }
    if let Some(first) = doing.first {
        said.push(format!("first seen {}", super::phrases::moment(first.ts)));
    }
    said.join("; ")
}
