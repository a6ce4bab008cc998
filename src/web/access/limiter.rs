//! How often somebody may try: after five wrong passwords within 15 minutes from one address, or for one name, the next has
//! to wait. All tables are bounded.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

/// How long a wrong attempt counts, in nanoseconds.
const WINDOW: i64 = 15 * 60 * SECOND;
/// Wrong passwords within it.
const PASSWORDS: usize = 5;
/// Wrong tokens within it.
const TOKENS: usize = 30;
/// Addresses, and names, that are remembered.
const REMEMBERED: usize = 4096;
/// How long it is remembered who came in from where, in nanoseconds.
const KNOWN: i64 = 30 * 24 * 3600 * SECOND;
/// Refused attempts that the audit trail lists within the window.
const LISTED: u64 = 100;

const SECOND: i64 = 1_000_000_000;

/// Who tried how often.
pub struct Limiter {
    addresses: Table<IpAddr>,
    names: Table<String>,
    tokens: Table<IpAddr>,
    /// Who came in from where: what others try in their name does not keep them out.
    known: Table<(IpAddr, String)>,
    listed: Listed,
}

/// An attempt that goes on. It counts as wrong until it is said to be right, so that many at once are many.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    address: IpAddr,
    at: i64,
}

/// Whether the audit trail has room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said {
    /// Not in this window.
    No,
    /// It has.
    Yes,
    /// It has again; so many were left out.
    After(u64),
}

#[derive(Default)]
struct Listed {
    begun: i64,
    count: u64,
}

impl Default for Limiter {
    fn default() -> Limiter {
        Limiter {
            addresses: Table::of(WINDOW),
            names: Table::of(WINDOW),
            tokens: Table::of(WINDOW),
            known: Table::of(KNOWN),
            listed: Listed::default(),
        }
    }
}

impl Limiter {
    /// Begins an attempt; seconds to wait where there were too many.
    ///
    /// # Errors
    /// The seconds to wait.
    pub fn begin(&mut self, from: IpAddr, name: &str, now: i64) -> Result<Attempt, u64> {
        let address = one_sender(from);
        let known = self.known.count(&(address, name.to_owned()), now) > 0;
        let by_name = self.names.wait(name, PASSWORDS, now).filter(|_| !known);
        if let Some(seconds) = self.addresses.wait(&address, PASSWORDS, now).max(by_name) {
            return Err(seconds);
        }
        self.addresses.add(address, now);
        self.names.add(name.to_owned(), now);
        Ok(Attempt { address, at: now })
    }

    /// An attempt was right: it does not count.
    pub fn succeeded(&mut self, attempt: &Attempt, name: &str, now: i64) {
        self.addresses.forget(&attempt.address, attempt.at);
        self.names.forget(name, attempt.at);
        self.known.set((attempt.address, name.to_owned()), now);
    }

    /// Counts a wrong token; whether it is the first from this address.
    ///
    /// # Errors
    /// The seconds to wait, where there were too many.
    pub fn bad_token(&mut self, from: IpAddr, now: i64) -> Result<bool, u64> {
        let address = one_sender(from);
        if let Some(seconds) = self.tokens.wait(&address, TOKENS, now) {
            return Err(seconds);
        }
        self.tokens.add(address, now);
        Ok(self.tokens.count(&address, now) == 1)
    }

    /// Whether the audit trail has room for one more refused attempt.
    pub fn say(&mut self, now: i64) -> Said {
        let mut missed = 0;
        if now.saturating_sub(self.listed.begun) >= WINDOW {
            missed = self.listed.count.saturating_sub(LISTED);
            self.listed = Listed { begun: now, count: 0 };
        }
        self.listed.count += 1;
        match missed {
            _ if self.listed.count > LISTED => Said::No,
            0 => Said::Yes,
            missed => Said::After(missed),
        }
    }
}

/// What one sender can easily have many of is one: the addresses of an IPv6 network.
fn one_sender(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

/// When each did something, the last few times. Where it is full, whoever did least goes, the oldest first.
struct Table<K> {
    /// How long what was done counts, in nanoseconds.
    window: i64,
    times: HashMap<K, Vec<i64>>,
}

impl<K: Hash + Eq + Clone> Table<K> {
    fn of(window: i64) -> Table<K> {
        Table { window, times: HashMap::new() }
    }

    fn recent<Q>(&self, key: &Q, now: i64) -> impl Iterator<Item = i64>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let window = self.window;
        let times = self.times.get(key).into_iter().flatten();
        times.copied().filter(move |at| now.saturating_sub(*at) < window)
    }

    fn count(&self, key: &K, now: i64) -> usize {
        self.recent(key, now).count()
    }

    /// Seconds to wait, where there were so many.
    fn wait<Q>(&self, key: &Q, most: usize, now: i64) -> Option<u64>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut times: Vec<i64> = self.recent(key, now).collect();
        times.sort_unstable_by_key(|at| std::cmp::Reverse(*at));
        let oldest = times.get(most.checked_sub(1)?)?;
        let left = oldest.saturating_add(self.window).saturating_sub(now);
        Some(u64::try_from(left.saturating_add(SECOND - 1) / SECOND).unwrap_or(0).max(1))
    }

    fn add(&mut self, key: K, now: i64) {
        self.make_room(&key, now);
        let window = self.window;
        let times = self.times.entry(key).or_default();
        times.retain(|at| now.saturating_sub(*at) < window);
        times.push(now);
    }

    fn set(&mut self, key: K, now: i64) {
        self.make_room(&key, now);
        self.times.insert(key, vec![now]);
    }

    fn forget<Q>(&mut self, key: &Q, at: i64)
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let Some(times) = self.times.get_mut(key) else { return };
        if let Some(place) = times.iter().rposition(|time| *time == at) {
            times.remove(place);
        }
        if times.is_empty() {
            self.times.remove(key);
        }
    }

    fn make_room(&mut self, key: &K, now: i64) {
        if self.times.len() < REMEMBERED || self.times.contains_key(key) {
            return;
        }
        let window = self.window;
        self.times.retain(|_, times| times.iter().any(|at| now.saturating_sub(*at) < window));
        if self.times.len() >= REMEMBERED {
            let least = self.times.iter().min_by_key(|(_, times)| (times.len(), times.last().copied()));
            if let Some(key) = least.map(|(key, _)| key.clone()) {
                self.times.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn after_five_wrong_ones_the_next_waits() {
        let mut limiter = Limiter::default();
        for second in 0..5 {
            assert!(limiter.begin(at("10.0.0.1"), "smith", second * SECOND).is_ok());
        }
        assert_eq!(limiter.begin(at("10.0.0.1"), "jones", 5 * SECOND), Err(15 * 60 - 5), "the address");
        assert_eq!(limiter.begin(at("10.0.0.2"), "smith", 5 * SECOND), Err(15 * 60 - 5), "the name");
        assert!(limiter.begin(at("10.0.0.2"), "jones", 5 * SECOND).is_ok());
        assert!(limiter.begin(at("10.0.0.1"), "smith", WINDOW).is_ok(), "the first is forgotten");
        assert!(limiter.begin(at("10.0.0.1"), "smith", WINDOW).is_err(), "the others are not");
    }

    #[test]
    fn right_ones_do_not_count_and_others_cannot_keep_somebody_out() {
        let mut limiter = Limiter::default();
        for second in 0..20 {
            let now = second * SECOND;
            let attempt = limiter.begin(at("10.0.0.1"), "smith", now).unwrap();
            limiter.succeeded(&attempt, "smith", now);
        }
        let now = 30 * SECOND;
        (0..5).for_each(|_| assert!(limiter.begin(at("10.9.9.9"), "smith", now).is_ok()));
        assert!(limiter.begin(at("10.9.9.9"), "smith", now).is_err());
        assert!(limiter.begin(at("10.0.0.7"), "smith", now).is_err());
        assert!(limiter.begin(at("10.0.0.1"), "smith", now).is_ok(), "from where they came in before");
    }

    #[test]
    fn an_ipv6_network_is_one_sender_and_tables_are_bounded() {
        let mut limiter = Limiter::default();
        for last in 0..5 {
            assert!(limiter.begin(at(&format!("2001:db8::{last}")), &format!("user{last}"), 0).is_ok());
        }
        assert!(limiter.begin(at("2001:db8::77"), "another", 0).is_err());
        assert!(limiter.begin(at("2001:db8:0:1::77"), "another", 0).is_ok());
        assert_eq!(one_sender(at("::ffff:10.0.0.1")), at("10.0.0.1"));
        for number in 0..10_000u32 {
            let _ = limiter.begin(IpAddr::from(number.to_be_bytes()), &format!("name{number}"), SECOND);
        }
        assert!(limiter.addresses.times.len() <= REMEMBERED && limiter.names.times.len() <= REMEMBERED);
        assert!(limiter.begin(at("2001:db8::77"), "another", SECOND).is_err(), "who did most is remembered");
    }

    #[test]
    fn the_audit_trail_is_not_filled() {
        let mut limiter = Limiter::default();
        let said = (0..1000).filter(|_| limiter.say(WINDOW) == Said::Yes).count();
        assert_eq!(said as u64, LISTED);
        assert_eq!(limiter.say(2 * WINDOW), Said::After(900));
        assert_eq!(limiter.say(2 * WINDOW), Said::Yes);
    }

    #[test]
    fn wrong_tokens_are_counted_apart() {
        let mut limiter = Limiter::default();
        assert_eq!(limiter.bad_token(at("10.0.0.1"), 0), Ok(true));
        (1..30).for_each(|_| assert_eq!(limiter.bad_token(at("10.0.0.1"), 0), Ok(false)));
        assert!(limiter.bad_token(at("10.0.0.1"), 0).is_err());
        assert!(limiter.begin(at("10.0.0.1"), "smith", 0).is_ok());
    }
}
