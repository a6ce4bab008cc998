//! What a person should look at before it is allowed: scans, commands that stop or change a device, two masters for
//! one point, refusals, conversations that are mostly broken.

use super::seen::{Ask, AskKey, PairKey, Seen, Way};
use crate::address::Address;
use crate::event::{Space, Verb};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// An ask that was repeated at most so often was not repeated steadily.
const RARE: u64 = 3;
/// Rare asks of one device, in many different places, that look like a scan of its points.
const POINT_SCAN: usize = 20;
/// Rare functions of one client that look like a try of everything.
const FUNCTION_SCAN: usize = 8;
/// Devices that were hardly spoken to and did not answer well, that look like a search for devices.
const DEVICE_SCAN: usize = 4;
/// Malformed messages of a pair before they count.
const MALFORMED: u64 = 3;

/// Why something is put aside.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Doubt {
    /// A client tried many things once each; the words say what.
    Scan(String),
    /// Many messages of the pair make no sense.
    Malformed {
        /// Percent of the messages.
        share: u64,
    },
    /// The verb stops or changes a device, or opens it up; with what the device said where it refused every time.
    Verb(Option<&'static str>),
    /// The device refused every time; with what it said.
    Refused(&'static str),
    /// Another client changes the same points.
    Shared(BTreeSet<Address>),
}

/// What is doubtful, by pair and ask.
pub(super) struct Doubts {
    malformed: HashMap<PairKey, u64>,
    scans: BTreeMap<Address, Scan>,
    shared: HashMap<(PairKey, AskKey), BTreeSet<Address>>,
}

/// What a client that scans is doubted for.
struct Scan {
    what: String,
    /// All that it asked, or, where it also polls steadily, what it rarely asked of these devices.
    only: Option<BTreeSet<(PairKey, Option<u32>)>>,
}

impl Doubts {
    pub(super) fn new(pairs: &HashMap<PairKey, Seen>) -> Doubts {
        let mut by_client: BTreeMap<Address, Vec<(PairKey, &Seen)>> = BTreeMap::new();
        for (key, seen) in pairs {
            by_client.entry(key.client).or_default().push((*key, seen));
        }
        let scans: BTreeMap<Address, Scan> =
            by_client.into_iter().filter_map(|(client, pairs)| Some((client, scan(pairs)?))).collect();
        let shared = shared(pairs, |client| scans.get(&client).is_some_and(|scan| scan.only.is_none()));
        let malformed = pairs.keys().filter_map(|key| Some((*key, malformed_share(pairs, key)?))).collect();
        Doubts { malformed, scans, shared }
    }

    /// What is doubtful about one ask, the worst first.
    pub(super) fn about(&self, pair: &PairKey, key: &AskKey, ask: &Ask) -> Option<Doubt> {
        if let Some(scan) = self.scans.get(&pair.client).filter(|_| key.way == Way::Asked) {
            let rare = ask.often.count <= RARE && key.verb() == Verb::Read;
            let device = (*pair, key.device);
            if scan.only.as_ref().is_none_or(|devices| rare && devices.contains(&device)) {
                return Some(Doubt::Scan(scan.what.clone()));
            }
        }
        if let Some(share) = self.malformed.get(pair) {
            return Some(Doubt::Malformed { share: *share });
        }
        let changes_device = [Verb::Restart, Verb::Program, Verb::Configure, Verb::File, Verb::Authenticate];
        if changes_device.contains(&key.verb()) {
            return Some(Doubt::Verb(ask.refusal.filter(|_| ask.never_worked())));
        }
        if ask.never_worked() {
            return Some(Doubt::Refused(ask.refusal.unwrap_or("refused")));
        }
        self.shared.get(&(*pair, *key)).map(|others| Doubt::Shared(others.clone()))
    }
}

/// The share of malformed messages in a pair, both directions together, where it is high.
fn malformed_share(pairs: &HashMap<PairKey, Seen>, key: &PairKey) -> Option<u64> {
    let back = PairKey { client: key.server, server: key.client, ..*key };
    let both = [pairs.get(key), pairs.get(&back)];
    let malformed: u64 = both.iter().flatten().map(|seen| seen.malformed).sum();
    let messages: u64 = both.iter().flatten().map(|seen| seen.messages).sum();
    let share = malformed.saturating_mul(100) / messages.max(1);
    (malformed >= MALFORMED && share >= 20).then_some(share)
}

/// Whether and how a client scans.
fn scan(mut pairs: Vec<(PairKey, &Seen)>) -> Option<Scan> {
    pairs.sort_unstable_by_key(|(key, _)| *key);
    let (mut all, mut steady) = (0u64, 0u64);
    // Of each function: whether it was repeated. Of each device: messages, failures, places, rare places.
    let mut functions: BTreeMap<(u8, u8, Option<u16>), bool> = BTreeMap::new();
    let mut devices: BTreeMap<(PairKey, Option<u32>), [u64; 4]> = BTreeMap::new();
    for (pair, seen) in &pairs {
        for (key, ask) in seen.asks.iter().filter(|(key, _)| key.way == Way::Asked) {
            let rare = ask.often.count <= RARE;
            all += ask.often.count;
            steady += if rare { 0 } else { ask.often.count };
            *functions.entry((pair.proto, key.verb, key.function)).or_default() |= !rare;
            let device = devices.entry((*pair, key.device)).or_default();
            device[0] += ask.often.count;
            device[1] += ask.refused + ask.unanswered;
            let place = u64::from(key.verb() == Verb::Read && key.range.is_some());
            device[2] += place;
            device[3] += if rare { place } else { 0 };
        }
    }
    let walked: BTreeSet<(PairKey, Option<u32>)> = devices
        .iter()
        .filter(|(_, [_, _, places, rare])| *rare >= POINT_SCAN as u64 && rare * 4 >= places * 3)
        .map(|(device, _)| *device)
        .collect();
    let places: u64 = walked.iter().filter_map(|device| devices.get(device)).map(|device| device[3]).sum();
    let rare_functions = functions.values().filter(|repeated| !**repeated).count();
    let poor = devices.values().filter(|[all, failed, ..]| *all <= RARE && failed * 2 >= *all).count();
    let mostly_steady = steady * 2 >= all;
    let mut tried = Vec::new();
    if !walked.is_empty() {
        let of =
            if walked.len() == 1 { "one device".to_owned() } else { format!("{} devices", walked.len()) };
        tried.push(format!("read {places} different runs of points of {of}"));
    }
    if !mostly_steady && rare_functions >= FUNCTION_SCAN && rare_functions * 4 >= functions.len() * 3 {
        tried.push(format!("used {rare_functions} different functions"));
    }
    let mut what = Vec::new();
    if !tried.is_empty() {
        what.push(format!("{}, hardly any of them more than once", tried.join(" and ")));
    }
    if !mostly_steady && poor >= DEVICE_SCAN && poor * 2 >= devices.len() {
        what.push(format!("asked {poor} devices that refused or did not answer"));
    }
    let only = mostly_steady.then_some(walked);
    (!what.is_empty()).then(|| Scan { what: what.join(", and "), only })
}

type Target = (Address, u8, Option<u32>, Space);

/// Asks that change points which another client changes too; clients that scan do not count.
fn shared(
    pairs: &HashMap<PairKey, Seen>,
    scans: impl Fn(Address) -> bool,
) -> HashMap<(PairKey, AskKey), BTreeSet<Address>> {
    type Change = (u32, u32, PairKey, AskKey);
    let mut targets: BTreeMap<Target, Vec<Change>> = BTreeMap::new();
    for (pair, seen) in pairs.iter().filter(|(pair, _)| !scans(pair.client)) {
        for (key, ask) in &seen.asks {
            let changes = key.way == Way::Asked && super::is_bounded(key.verb()) && !ask.never_worked();
            if let (true, Some((space, first, last))) = (changes, key.range) {
                let target = (pair.server, pair.proto, key.device, space);
                targets.entry(target).or_default().push((first, last, *pair, *key));
            }
        }
    }
    let mut found: HashMap<(PairKey, AskKey), BTreeSet<Address>> = HashMap::new();
    for changes in targets.into_values() {
        let mut by_client: BTreeMap<Address, Vec<(u32, u32)>> = BTreeMap::new();
        for (first, last, pair, _) in &changes {
            by_client.entry(pair.client).or_default().push((*first, *last));
        }
        if by_client.len() < 2 {
            continue;
        }
        by_client.values_mut().for_each(|runs| *runs = super::draft::merged(std::mem::take(runs)));
        for (first, last, pair, key) in changes {
            let overlaps = |runs: &Vec<(u32, u32)>| {
                let at = runs.partition_point(|(_, end)| *end < first);
                runs.get(at).is_some_and(|(start, _)| *start <= last)
            };
            let others = by_client.iter().filter(|(client, runs)| **client != pair.client && overlaps(runs));
            let others: BTreeSet<Address> = others.map(|(client, _)| *client).collect();
            if !others.is_empty() {
                found.insert((pair, key), others);
            }
        }
    }
    found
}
