//! A STIX 2.1 bundle for sharing an alert with partners and authorities: what was seen (`observed-data` with the
//! addresses and the traffic), by what it can be seen again (`indicator`, `sighting`), and what it means in ATT&CK for
//! ICS (`attack-pattern`). Every object is marked by TLP 2.0.
//!
//! Identifiers are the same for the same alert, so that what is sent again replaces what was sent before: those of
//! addresses and traffic as section 2.9 of the standard says, those of other objects from the alert's own id.

use super::Tlp;
use super::facts::{self, End};
use crate::address::{Endpoint, Timestamp, Transport};
use crate::alert::{Alert, AlertKind, Technique, technique};
use crate::event::{Array, Json, Object};
use sha1::{Digest, Sha1};
use std::net::IpAddr;

/// The namespace of identifiers of observables: STIX 2.1, 2.9.
const OBSERVABLES: u128 = 0x00ab_edb4_aa42_466c_9c01_fed2_3315_a9b7;
/// The namespace of our other identifiers: version 5 of "wayside" in that of domain names (RFC 9562, 6.6).
const OWN: u128 = 0xa56b_ef27_3ff0_58f6_8536_fdff_880c_bb9f;
/// When our techniques were named; they do not change afterwards.
const ATTACK_SINCE: &str = "2025-10-28T00:00:00.000Z";

/// A UUID of version 5 (RFC 9562, 5.5), as text.
fn uuid(namespace: u128, name: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(namespace.to_be_bytes());
    hash.update(name);
    let digest = hash.finalize();
    let number = digest.iter().take(16).fold(0u128, |number, octet| number << 8 | u128::from(*octet));
    let number = number & !(0xf << 76) | 5 << 76;
    let number = number & !(3 << 62) | 2 << 62;
    let text = format!("{number:032x}");
    let part = |from, to| text.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// An address or the traffic, with its identifier.
struct Observable {
    kind: &'static str,
    id: String,
    /// The properties that the identifier is made of, in the order of their names, without braces.
    members: Box<[u8]>,
}

impl Observable {
    fn new(kind: &'static str, members: impl FnOnce(&mut Object<'_>)) -> Observable {
        let members = Object::apart(members);
        // The identifier is made of the canonical JSON (RFC 8785) of the properties, which this is: names are in order,
        // and there are only numbers without a fraction and words without anything to escape.
        let canonical = format!("{{{}}}", String::from_utf8_lossy(&members));
        Observable { kind, id: format!("{kind}--{}", uuid(OBSERVABLES, &canonical)), members }
    }

    fn address(end: Endpoint) -> Observable {
        let kind = match end.address.ip() {
            Some(IpAddr::V4(_)) => "ipv4-addr",
            Some(IpAddr::V6(_)) => "ipv6-addr",
            None => "mac-addr",
        };
        Observable::new(kind, |o| o.key("value").display(&end.address))
    }

    fn traffic(alert: &Alert, src: &Observable, dst: &Observable) -> Observable {
        let (from, to) = (End::from(alert.src), End::from(alert.dst));
        Observable::new("network-traffic", |o| {
            if let Some(port) = to.port {
                o.int("dst_port", Some(port));
            }
            o.word("dst_ref", &dst.id);
            o.key("protocols").array(|a| protocols(alert).for_each(|name| a.item().word(name)));
            if let Some(port) = from.port {
                o.int("src_port", Some(port));
            }
            o.word("src_ref", &src.id);
        })
    }
}

/// The protocols of the traffic, the outermost first, by the names that IANA has for them.
fn protocols(alert: &Alert) -> impl Iterator<Item = &'static str> {
    let network = match facts::ip_version(alert) {
        Some(4) => Some("ipv4"),
        Some(_) => Some("ipv6"),
        None => Some("ethernet"),
    };
    let transport = facts::transport(alert).and_then(facts::transport_name).map(|name| match name {
        // The network protocol before it says which.
        "ipv6-icmp" => "icmp",
        other => other,
    });
    let application = facts::application(alert).map(|name| match name {
        "modbus" => "mbap",
        "dnp3" => "dnp",
        other => other,
    });
    [network, transport, application].into_iter().flatten()
}

/// A time in the form that the standard asks for, with milliseconds.
fn put_time(o: &mut Object<'_>, key: &str, ts: Timestamp) {
    o.word(key, facts::rounded(ts, 3).format(&mut [0; 40]));
}

/// Appends the alert.
pub(super) fn write(alert: &Alert, tlp: Tlp, out: &mut Vec<u8>) {
    let id = |kind: &str| format!("{kind}--{}", uuid(OWN, &format!("{kind}:{}", alert.id)));
    let bundle = Bundle {
        alert,
        tlp,
        sensor: format!("identity--{}", uuid(OWN, &format!("identity:{}", alert.sensor))),
        indicator: id("indicator"),
        observed: id("observed-data"),
    };
    let src = Observable::address(alert.src);
    let dst = Observable::address(alert.dst);
    let traffic = Observable::traffic(alert, &src, &dst);
    let mut seen = vec![&src];
    if dst.id != src.id {
        seen.push(&dst);
    }
    seen.push(&traffic);
    let techniques: Vec<&Technique> = alert.attack.iter().filter_map(|id| technique(id)).collect();
    Json::new(out).object(|o| {
        o.word("type", "bundle");
        // A bundle is not the alert but one sending of it.
        let name = format!("bundle:{}:{}:{}", alert.id, alert.count, tlp.name());
        o.word("id", &format!("bundle--{}", uuid(OWN, &name)));
        o.key("objects").array(|a| {
            tlp.write_marking(a);
            bundle.identity(a);
            seen.iter().for_each(|observable| bundle.observable(observable, a));
            bundle.observed(&seen, a);
            bundle.indicator(a);
            bundle.sighting(&id("sighting"), a);
            for technique in &techniques {
                bundle.pattern(technique, a);
            }
        });
    });
}

struct Bundle<'a> {
    alert: &'a Alert,
    tlp: Tlp,
    sensor: String,
    indicator: String,
    observed: String,
}

impl Bundle<'_> {
    /// What all objects of this kind have.
    fn head(&self, kind: &str, id: &str, created: &str, modified: &str, o: &mut Object<'_>) {
        o.word("type", kind);
        o.word("spec_version", "2.1");
        o.word("id", id);
        o.word("created", created);
        o.word("modified", modified);
        if kind != "identity" {
            o.word("created_by_ref", &self.sensor);
        }
        self.marked(o);
    }

    /// The head of an object that is there since the alert was raised, and changes with it.
    fn own(&self, kind: &str, id: &str, o: &mut Object<'_>) {
        let (mut created, mut modified) = ([0; 40], [0; 40]);
        let created = facts::rounded(self.alert.ts, 3).format(&mut created);
        let last = self.alert.last_seen.max(self.alert.ts);
        let modified = facts::rounded(last, 3).format(&mut modified);
        self.head(kind, id, created, modified, o);
    }

    fn marked(&self, o: &mut Object<'_>) {
        o.key("object_marking_refs").array(|a| a.item().word(self.tlp.marking()));
    }

    fn identity(&self, a: &mut Array<'_>) {
        a.item().object(|o| {
            self.head("identity", &self.sensor, ATTACK_SINCE, ATTACK_SINCE, o);
            o.key("name").str(&self.alert.sensor);
            o.word("description", "A sensor of Wayside, which watches a control network without sending.");
            o.word("identity_class", "system");
        });
    }

    fn observable(&self, observable: &Observable, a: &mut Array<'_>) {
        a.item().object(|o| {
            o.word("type", observable.kind);
            o.word("spec_version", "2.1");
            o.word("id", &observable.id);
            self.marked(o);
            o.members(&observable.members);
        });
    }

    fn observed(&self, seen: &[&Observable], a: &mut Array<'_>) {
        a.item().object(|o| {
            self.own("observed-data", &self.observed, o);
            self.seen("first_observed", "last_observed", o);
            o.int("number_observed", Some(self.count()));
            o.key("object_refs").array(|a| seen.iter().for_each(|one| a.item().word(&one.id)));
            if let Some(id) = &self.alert.community_id {
                o.key("external_references").array(|a| {
                    a.item().object(|o| {
                        o.word("source_name", "community-id");
                        o.key("external_id").str(id);
                    });
                });
            }
        });
    }

    fn indicator(&self, a: &mut Array<'_>) {
        let alert = self.alert;
        a.item().object(|o| {
            self.own("indicator", &self.indicator, o);
            o.word("name", facts::title(alert.kind));
            o.key("description").str(&alert.summary);
            o.key("indicator_types").array(|a| a.item().word("anomalous-activity"));
            o.key("pattern").str(&pattern(alert));
            o.word("pattern_type", "stix");
            o.word("pattern_version", "2.1");
            put_time(o, "valid_from", alert.first_seen);
            let techniques: Vec<_> = alert.attack.iter().filter_map(|id| technique(id)).collect();
            phases(&techniques, o);
            let known = alert.attack.iter().filter(|id| facts::is_technique(id));
            let mut known = known.peekable();
            if known.peek().is_some() {
                o.key("external_references").array(|a| known.for_each(|id| reference(id, a)));
            }
            o.key("labels").array(|a| {
                a.item().word(alert.kind.name());
                a.item().word(alert.severity.name());
            });
        });
    }

    fn sighting(&self, id: &str, a: &mut Array<'_>) {
        a.item().object(|o| {
            self.own("sighting", id, o);
            self.seen("first_seen", "last_seen", o);
            o.int("count", Some(self.count()));
            o.word("sighting_of_ref", &self.indicator);
            o.key("observed_data_refs").array(|a| a.item().word(&self.observed));
            o.key("where_sighted_refs").array(|a| a.item().word(&self.sensor));
        });
    }

    /// A technique, and that the indicator is one of it.
    fn pattern(&self, technique: &Technique, a: &mut Array<'_>) {
        let id = format!("attack-pattern--{}", uuid(OWN, &format!("attack-pattern:{}", technique.id)));
        a.item().object(|o| {
            self.head("attack-pattern", &id, ATTACK_SINCE, ATTACK_SINCE, o);
            o.word("name", technique.name);
            phases(&[technique], o);
            o.key("external_references").array(|a| reference(technique.id, a));
        });
        let name = format!("relationship:{}:{}", self.alert.id, technique.id);
        a.item().object(|o| {
            self.own("relationship", &format!("relationship--{}", uuid(OWN, &name)), o);
            o.word("relationship_type", "indicates");
            o.word("source_ref", &self.indicator);
            o.word("target_ref", &id);
        });
    }

    fn seen(&self, first: &str, last: &str, o: &mut Object<'_>) {
        put_time(o, first, self.alert.first_seen);
        put_time(o, last, self.alert.last_seen.max(self.alert.first_seen));
    }

    /// How many messages, within the bounds of the standard (2.1, 4.14.1 and 5.2.1).
    fn count(&self) -> u64 {
        self.alert.count.clamp(1, 999_999_999)
    }
}

fn phases(techniques: &[&Technique], o: &mut Object<'_>) {
    let mut tactics: Vec<_> = techniques.iter().flat_map(|technique| technique.tactics).copied().collect();
    tactics.sort_unstable();
    tactics.dedup();
    if tactics.is_empty() {
        return;
    }
    o.key("kill_chain_phases").array(|a| {
        for tactic in tactics {
            a.item().object(|o| {
                o.word("kill_chain_name", "mitre-ics-attack");
                o.word("phase_name", tactic.phase());
            });
        }
    });
}

fn reference(id: &str, a: &mut Array<'_>) {
    a.item().object(|o| {
        o.word("source_name", "mitre-attack");
        o.key("external_id").str(id);
        o.key("url").str(&facts::reference("techniques", id));
    });
}

/// What the same would look like again: traffic from the one to the other, to the port of the service. Where a host is
/// silent that should speak, there is nothing to look for but the two.
fn pattern(alert: &Alert) -> String {
    let mut pattern = format!(
        "[network-traffic:src_ref.value = '{}' AND network-traffic:dst_ref.value = '{}'",
        alert.src.address, alert.dst.address
    );
    // The port of a client is another each time.
    let service = matches!(facts::transport(alert), Some(Transport::Tcp | Transport::Udp));
    if service && alert.dst.port > 0 && alert.kind != AlertKind::Missing {
        pattern.push_str(&format!(" AND network-traffic:dst_port = {}", alert.dst.port));
    }
    pattern.push(']');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What OASIS's Python library `stix2` and Python's `uuid` make.
    #[test]
    fn identifiers_are_those_that_others_make_too() {
        let address = Observable::address(Endpoint::new(IpAddr::from([198, 51, 100, 3]), 80));
        assert_eq!(address.id, "ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4");
        let names = 0x6ba7_b810_9dad_11d1_80b4_00c0_4fd4_30c8;
        assert_eq!(uuid(names, "www.example.com"), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
        assert_eq!(format!("{OWN:032x}"), uuid(names, "wayside").replace('-', ""));
    }
}
