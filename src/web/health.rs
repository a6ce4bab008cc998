//! How the sensor itself is: what it hears, what it loses, what does not get out. The sensor writes it down once a
//! second ([`Health::set`]); pages read the last word.

use crate::address::Timestamp;
use std::sync::{Arc, PoisonError, RwLock};

/// An interface as it was a moment ago.
#[derive(Clone, Debug, Default)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Packets taken so far.
    pub packets: u64,
    /// Octets taken so far.
    pub octets: u64,
    /// Packets that the kernel or the network card lost.
    pub dropped: u64,
    /// When the last packet came.
    pub heard: Option<Timestamp>,
    /// Why it is no longer listened to.
    pub failed: Option<String>,
}

/// An output as it was a moment ago.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Alerts that wait for it.
    pub waiting: u64,
    /// Alerts that it took.
    pub sent: u64,
    /// Alerts that it lost.
    pub lost: u64,
    /// What is wrong with it, as one sentence.
    pub trouble: Option<String>,
}

/// The sensor as it was a moment ago.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// When this was written down; `None` where it never was.
    pub at: Option<Timestamp>,
    /// When the sensor started.
    pub started: Option<Timestamp>,
    /// The interfaces.
    pub interfaces: Vec<Interface>,
    /// Seconds between the capture of the last packet and its decoding.
    pub lag: f64,
    /// Conversations followed at present.
    pub flows: u64,
    /// Conversations of which one direction is never heard.
    pub one_sided: u64,
    /// Hosts that are silent where a rule expects to hear them.
    pub silent: u64,
    /// Messages decoded so far.
    pub messages: u64,
    /// Messages that could not be decoded in full.
    pub malformed: u64,
    /// Packets whose headers could not be decoded.
    pub undecoded: u64,
    /// Rules in force; `None` where nothing is judged.
    pub rules: Option<u64>,
    /// Messages that each rule decided, in the order of the rules.
    pub hits: Vec<u64>,
    /// Whether changed rules were refused, and those before them are still in force.
    pub rules_refused: bool,
    /// Limits on memory that were reached, a sentence each.
    pub bounds: Vec<String>,
    /// The outputs.
    pub outputs: Vec<Output>,
}

/// How bad a trouble of the sensor is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Weight {
    /// It should be looked at today.
    Look,
    /// The sensor does not see or does not tell: somebody has to act.
    Act,
}

/// Something wrong with the sensor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    /// How bad it is.
    pub weight: Weight,
    /// What is wrong, as a sentence.
    pub sentence: String,
    /// What to do, as a sentence.
    pub advice: &'static str,
}

/// Seconds without a packet after which an interface is called blind.
const BLIND: u64 = 60;
/// Seconds of lag that are too many.
const LAG: f64 = 2.0;

impl Snapshot {
    /// What is wrong, the worst first.
    pub fn troubles(&self, now: Timestamp) -> Vec<Trouble> {
        let mut found = Vec::new();
        let mut say = |weight, sentence: String, advice| found.push(Trouble { weight, sentence, advice });
        for interface in &self.interfaces {
            let name = &interface.name;
            if let Some(why) = &interface.failed {
                say(
                    Weight::Act,
                    format!("{name} is no longer listened to: {why}."),
                    "Check the cable and the mirror port, then restart the sensor.",
                );
                continue;
            }
            let since = interface.heard.or(self.started).map_or(0, |heard| now.since(heard) / 1_000_000_000);
            if since >= BLIND {
                say(
                    Weight::Act,
                    format!(
                        "Nothing has been heard on {name} for {}.",
                        super::words::span(std::time::Duration::from_secs(since))
                    ),
                    "Check the cable, and that the switch still mirrors traffic to this port.",
                );
            }
            if interface.dropped > 0 {
                say(
                    Weight::Look,
                    format!(
                        "{} were lost on {name} before they could be read.",
                        super::words::counted(interface.dropped, "packet")
                    ),
                    "A larger buffer-mib, more workers or a filter may help.",
                );
            }
        }
        if self.one_sided > 0 {
            say(
                Weight::Look,
                format!(
                    "Only one direction is heard of {}.",
                    super::words::counted(self.one_sided, "conversation")
                ),
                "Check that the switch mirrors both directions.",
            );
        }
        if self.lag > LAG {
            say(
                Weight::Look,
                format!("The sensor is {:.0} s behind the traffic.", self.lag),
                "More workers, or a filter for what need not be watched, may help.",
            );
        }
        if self.silent > 0 {
            say(
                Weight::Look,
                format!("{} silent where a rule expects to hear them.", hosts_are(self.silent)),
                "Open the alert of kind missing: it names the device.",
            );
        }
        if self.rules_refused {
            say(
                Weight::Look,
                "The changed rule files have errors; the rules before them are still in force.".into(),
                "Run `wayside rules check`: it shows the line.",
            );
        }
        for output in &self.outputs {
            if let Some(trouble) = &output.trouble {
                say(Weight::Look, format!("Output {}: {trouble}", output.name), "Check the destination.");
            } else if output.lost > 0 {
                say(
                    Weight::Look,
                    format!("Output {} lost {}.", output.name, super::words::counted(output.lost, "alert")),
                    "Check the destination: it fails or is too slow.",
                );
            }
        }
        for bound in &self.bounds {
            say(Weight::Look, bound.clone(), "If the plant is larger than the limit, raise it in [limits].");
        }
        found.sort_by_key(|trouble| std::cmp::Reverse(trouble.weight));
        found
    }
}

fn hosts_are(number: u64) -> String {
    let are = if number == 1 { "is" } else { "are" };
    format!("{} {are}", super::words::counted(number, "host"))
}

/// The last snapshot, shared.
#[derive(Clone, Default)]
pub struct Health(Arc<RwLock<Arc<Snapshot>>>);

impl Health {
    /// Writes down how the sensor is.
    pub fn set(&self, snapshot: Snapshot) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }

    /// The last word.
    pub fn get(&self) -> Arc<Snapshot> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blind_interface_is_worse_than_a_lost_packet() {
        let second = |s: i64| Timestamp::from_nanos(s * 1_000_000_000);
        let snapshot = Snapshot {
            started: Some(second(0)),
            interfaces: vec![
                Interface {
                    name: "eth0".into(),
                    dropped: 3,
                    heard: Some(second(100)),
                    ..Interface::default()
                },
                Interface { name: "eth1".into(), ..Interface::default() },
            ],
            ..Snapshot::default()
        };
        let said: Vec<String> = snapshot.troubles(second(101)).into_iter().map(|t| t.sentence).collect();
        assert_eq!(
            said,
            [
                "Nothing has been heard on eth1 for 1 min.",
                "3 packets were lost on eth0 before they could be read."
            ]
        );
        assert!(Snapshot::default().troubles(second(1)).is_empty());
    }
}
