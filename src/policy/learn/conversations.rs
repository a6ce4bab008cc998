//! Conversations in none of our protocols: who connects to which service.

use super::seen::{Often, Stamp};
use crate::address::{Address, Endpoint, Transport};
use crate::event::Flow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Ports from here on are handed out by chance (IANA).
const EPHEMERAL: u16 = 49_152;
/// Different chance ports of one server before they are one range.
const MANY_PORTS: usize = 8;
/// Ports of one server, or servers of one client, that are tried once before it counts as a scan.
const SCAN: usize = 20;

/// A service that one host uses of another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct ServiceKey {
    pub client: Address,
    pub server: Address,
    pub transport: Transport,
    /// 0 where there is none.
    pub port: u16,
}

/// The services that hosts use of each other, within a bound.
#[derive(Default)]
pub(super) struct Services {
    known: HashMap<ServiceKey, Often>,
    /// Conversations whose handshake was not seen: who serves is decided when all of them are known.
    unsure: Vec<Unsure>,
    /// How many conversations each end that may serve has had.
    ends: HashMap<(Endpoint, Transport), u32>,
}

struct Unsure {
    ends: [Endpoint; 2],
    transport: Transport,
    stamp: Stamp,
    open: bool,
}

impl Services {
    /// Takes a conversation; tells whether there was room for it.
    pub(super) fn see(&mut self, flow: &Flow, known: bool, stamp: Stamp, open: bool, bound: usize) -> bool {
        let (src, dst, transport) = (flow.src, flow.dst, flow.transport);
        let has_ports = matches!(transport, Transport::Tcp | Transport::Udp);
        let certain = known || !has_ports || dst.address.is_group();
        let ends = if certain { &[dst][..] } else { &[src, dst][..] };
        for end in ends {
            if self.ends.len() < bound || self.ends.contains_key(&(*end, transport)) {
                *self.ends.entry((*end, transport)).or_default() += 1;
            }
        }
        if !certain && self.unsure.len() < bound {
            self.unsure.push(Unsure { ends: [src, dst], transport, stamp, open });
            return true;
        }
        let key = service(&src, &dst, transport);
        let room = self.known.len() < bound || self.known.contains_key(&key);
        if room {
            self.known.entry(key).or_insert_with(|| Often::new(stamp)).see(stamp, open, true);
        }
        room
    }

    /// All of them, with who serves wisely guessed where no handshake was seen.
    pub(super) fn resolved(&self) -> HashMap<ServiceKey, Often> {
        let mut all = self.known.clone();
        for one in &self.unsure {
            let [a, b] = &one.ends;
            // Whom more conversations are with; then whose port is that of a service; then the lower one.
            let serves = |end: &Endpoint| {
                let uses = self.ends.get(&(*end, one.transport)).copied().unwrap_or(0);
                (uses, end.port < EPHEMERAL, std::cmp::Reverse(end.port))
            };
            let (client, server) = if serves(a) > serves(b) { (b, a) } else { (a, b) };
            let key = service(client, server, one.transport);
            all.entry(key).or_insert_with(|| Often::new(one.stamp)).see(one.stamp, one.open, true);
        }
        all
    }

    /// Those whose handshake was seen.
    fn opened(&self) -> Vec<(&ServiceKey, &Often)> {
        let mut keys: Vec<(&ServiceKey, &Often)> = self.known.iter().collect();
        keys.sort_unstable_by_key(|(key, _)| **key);
        keys
    }
}

fn service(client: &Endpoint, server: &Endpoint, transport: Transport) -> ServiceKey {
    let has_ports = matches!(transport, Transport::Tcp | Transport::Udp);
    let port = if has_ports { server.port } else { 0 };
    ServiceKey { client: client.address, server: server.address, transport, port }
}

/// One rule about other traffic.
#[derive(Debug)]
pub(super) struct Service {
    pub clients: BTreeSet<Address>,
    pub servers: BTreeSet<Address>,
    pub transport: Transport,
    /// Runs of ports.
    pub ports: Vec<(u16, u16)>,
    pub often: Often,
    /// Why it is not simply allowed.
    pub doubt: Option<String>,
    /// Ports were put together into one range.
    pub widened: Option<usize>,
}

/// Puts services together into as few rules as say exactly the same.
pub(super) fn services(seen: &Services) -> Vec<Service> {
    let resolved = seen.resolved();
    let mut keys: Vec<(&ServiceKey, &Often)> = resolved.iter().collect();
    keys.sort_unstable_by_key(|(key, _)| **key);
    let scans = scans(&seen.opened());
    // First the ports of one client at one server.
    let mut by_pair: BTreeMap<(Address, Address, Transport), Vec<(u16, Often)>> = BTreeMap::new();
    for (key, often) in keys.iter().filter(|(_, often)| often.open > 0) {
        by_pair.entry((key.client, key.server, key.transport)).or_default().push((key.port, **often));
    }
    // By transport, ports, doubt and how many ports were put together: clients and servers.
    type Same = (Transport, Vec<(u16, u16)>, Option<String>, Option<usize>);
    let mut by_server: BTreeMap<(Address, Same), (BTreeSet<Address>, Often)> = BTreeMap::new();
    for ((client, server, transport), ports) in by_pair {
        let doubt = scans.get(&client).cloned();
        let chance: Vec<u16> =
            ports.iter().map(|(port, _)| *port).filter(|port| *port >= EPHEMERAL).collect();
        let widened = (chance.len() > MANY_PORTS && doubt.is_none()).then_some(chance.len());
        let mut groups: Vec<(Vec<(u16, u16)>, Often)> = Vec::new();
        for (port, often) in ports {
            let run = match (widened, chance.first(), chance.last()) {
                (Some(_), Some(first), Some(last)) if port >= EPHEMERAL => (*first, *last),
                _ => (port, port),
            };
            match groups.iter_mut().find(|(runs, _)| runs.contains(&run) || doubt.is_some()) {
                Some((runs, sum)) => {
                    *sum = sum.with(&often);
                    if !runs.contains(&run) {
                        runs.push(run);
                    }
                }
                None => groups.push((vec![run], often)),
            }
        }
        for (runs, often) in groups {
            let widened = widened.filter(|_| runs.iter().any(|(first, last)| first != last));
            let same = (transport, runs, doubt.clone(), widened);
            let entry = by_server.entry((server, same)).or_insert_with(|| (BTreeSet::new(), often.none()));
            entry.0.insert(client);
            entry.1 = entry.1.with(&often);
        }
    }
    // Then the ports that the same clients use of one server.
    type Users = (Address, BTreeSet<Address>, Transport, Option<String>, Option<usize>);
    let mut by_users: BTreeMap<Users, (Vec<(u16, u16)>, Often)> = BTreeMap::new();
    for ((server, (transport, runs, doubt, widened)), (clients, often)) in by_server {
        let entry = by_users
            .entry((server, clients, transport, doubt, widened))
            .or_insert_with(|| (Vec::new(), often.none()));
        entry.0.extend(runs);
        entry.1 = entry.1.with(&often);
    }
    // Then the servers that they use in the same way.
    type Use = (Transport, Vec<(u16, u16)>, BTreeSet<Address>, Option<String>, Option<usize>);
    let mut by_use: BTreeMap<Use, (BTreeSet<Address>, Often)> = BTreeMap::new();
    for ((server, clients, transport, doubt, widened), (mut ports, often)) in by_users {
        ports.sort_unstable();
        ports.dedup();
        if doubt.is_some() {
            ports = runs(&ports);
        }
        let entry = by_use
            .entry((transport, ports, clients, doubt, widened))
            .or_insert_with(|| (BTreeSet::new(), often.none()));
        entry.0.insert(server);
        entry.1 = entry.1.with(&often);
    }
    by_use
        .into_iter()
        .map(|((transport, ports, clients, doubt, widened), (servers, often))| Service {
            clients,
            servers,
            transport,
            ports,
            often,
            doubt,
            widened,
        })
        .collect()
}

/// Clients that open many ports of one server, or the same port of many servers, once each; with what they did.
fn scans(keys: &[(&ServiceKey, &Often)]) -> BTreeMap<Address, String> {
    let mut ports: BTreeMap<(Address, Address), usize> = BTreeMap::new();
    let mut servers: BTreeMap<(Address, Transport, u16), usize> = BTreeMap::new();
    for (key, _) in keys.iter().filter(|(_, often)| often.count == 1) {
        let sweeps = matches!(key.transport, Transport::Tcp | Transport::Ip(1 | 58));
        if sweeps && !key.server.is_group() {
            *servers.entry((key.client, key.transport, key.port)).or_default() += 1;
        }
        if key.transport == Transport::Tcp && key.port < EPHEMERAL {
            *ports.entry((key.client, key.server)).or_default() += 1;
        }
    }
    let mut found: BTreeMap<Address, String> = BTreeMap::new();
    for ((client, ..), count) in servers.into_iter().filter(|(_, count)| *count >= SCAN) {
        found.insert(client, format!("tried {count} hosts once each: it looks like a scan"));
    }
    for ((client, _), count) in ports.into_iter().filter(|(_, count)| *count >= SCAN) {
        found.insert(client, format!("tried {count} ports of one host once each: it looks like a scan"));
    }
    found
}

/// Ports that follow on from each other as one run.
fn runs(ports: &[(u16, u16)]) -> Vec<(u16, u16)> {
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for (first, last) in ports {
        match runs.last_mut() {
            Some(run) if run.1.checked_add(1).is_none_or(|next| *first <= next) => run.1 = run.1.max(*last),
            _ => runs.push((*first, *last)),
        }
    }
    runs
}
