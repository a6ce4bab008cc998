//! Elastic Common Schema: only fields of its reference, and what it has no field for under `wayside`.

use super::facts::{self, End};
use super::{PRODUCT, VERSION};
use crate::address::{Endpoint, Mac};
use crate::alert::{Alert, Severity, Tactic, Technique, technique};
use crate::event::{Json, Object};

/// The version of the schema; every field that is used here is in it and in those that follow.
const ECS: &str = "8.11.0";

/// The largest number that an index takes.
const LONG: u64 = i64::MAX as u64;

/// The numbers that Elastic's own detections give these severities.
fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Low => 21,
        Severity::Medium => 47,
        Severity::High => 73,
        Severity::Critical => 99,
    }
}

/// Appends the alert.
pub(super) fn write(alert: &Alert, out: &mut Vec<u8>) {
    Json::new(out).object(|o| {
        o.word("@timestamp", alert.ts.format(&mut [0; 40]));
        o.key("ecs").object(|o| o.word("version", ECS));
        o.key("message").str(&alert.summary);
        o.key("event").object(|o| event(alert, o));
        o.key("rule").object(|o| rule(alert, o));
        if !alert.attack.is_empty() {
            o.key("threat").object(|o| threat(alert, o));
        }
        o.key("source").object(|o| end(alert.src, o));
        o.key("destination").object(|o| end(alert.dst, o));
        o.key("network").object(|o| network(alert, o));
        o.key("observer").object(|o| {
            o.word("vendor", PRODUCT);
            o.word("product", PRODUCT);
            o.word("version", VERSION);
            o.word("type", "ids");
            o.key("name").str(&alert.sensor);
        });
        o.key("related").object(|o| {
            let mut ips: Vec<_> =
                [alert.src, alert.dst].into_iter().filter_map(|end| end.address.ip()).collect();
            ips.dedup();
            o.key("ip").array(|a| ips.iter().for_each(|ip| a.item().display(ip)));
        });
        o.key("wayside").object(|o| own(alert, o));
    });
}

fn event(alert: &Alert, o: &mut Object<'_>) {
    o.word("kind", "alert");
    o.key("category").array(|a| {
        a.item().word("intrusion_detection");
        a.item().word("network");
    });
    o.key("type").array(|a| a.item().word("info"));
    o.key("id").display(&alert.id);
    o.word("module", "wayside");
    o.word("dataset", "wayside.alert");
    o.word("action", alert.kind.name());
    o.int("severity", Some(severity(alert.severity)));
    o.word("start", alert.first_seen.format(&mut [0; 40]));
    o.word("end", alert.last_seen.format(&mut [0; 40]));
    o.int("duration", Some(alert.last_seen.since(alert.first_seen).min(LONG)));
    if let Some(words) = &alert.rule_words {
        o.key("reason").str(words);
    }
}

fn rule(alert: &Alert, o: &mut Object<'_>) {
    o.word("category", alert.kind.name());
    o.key("name").str(alert.rule.as_deref().unwrap_or(facts::title(alert.kind)));
    if let Some(words) = &alert.rule_words {
        o.key("description").str(words);
    }
    // The place of a rule is its file and line.
    if let Some((file, _)) = alert.rule_at.as_deref().and_then(|at| at.rsplit_once(':')) {
        o.key("ruleset").str(file);
    }
    if let Some(at) = &alert.rule_at {
        o.key("id").str(at);
    }
}

fn threat(alert: &Alert, o: &mut Object<'_>) {
    let known: Vec<&Technique> = alert.attack.iter().filter_map(|id| technique(id)).collect();
    let mut tactics: Vec<Tactic> = known.iter().flat_map(|technique| technique.tactics).copied().collect();
    tactics.sort_unstable();
    tactics.dedup();
    o.word("framework", "MITRE ATT&CK");
    o.key("technique").object(|o| {
        o.key("id").array(|a| alert.attack.iter().for_each(|id| a.item().str(id)));
        o.key("name").array(|a| known.iter().for_each(|technique| a.item().str(technique.name)));
        let pages = alert.attack.iter().filter(|id| facts::is_technique(id));
        o.key("reference").array(|a| pages.for_each(|id| a.item().str(&facts::reference("techniques", id))));
    });
    if !tactics.is_empty() {
        o.key("tactic").object(|o| {
            o.key("id").array(|a| tactics.iter().for_each(|tactic| a.item().word(tactic.id())));
            o.key("name").array(|a| tactics.iter().for_each(|tactic| a.item().word(tactic.name())));
            let page = |tactic: &Tactic| facts::reference("tactics", tactic.id());
            o.key("reference").array(|a| tactics.iter().for_each(|tactic| a.item().str(&page(tactic))));
        });
    }
}

fn end(endpoint: Endpoint, o: &mut Object<'_>) {
    let end = End::from(endpoint);
    o.key("address").display(&endpoint.address);
    if let Some(ip) = end.ip {
        o.key("ip").display(&ip);
    }
    if let Some(Mac([a, b, c, d, e, f])) = end.mac {
        o.key("mac").str(&format!("{a:02X}-{b:02X}-{c:02X}-{d:02X}-{e:02X}-{f:02X}"));
    }
    if let Some(port) = end.port {
        o.int("port", Some(port));
    }
}

fn network(alert: &Alert, o: &mut Object<'_>) {
    if let Some(version) = facts::ip_version(alert) {
        o.word("type", if version == 4 { "ipv4" } else { "ipv6" });
    }
    if let Some(transport) = facts::transport(alert) {
        if let Some(name) = facts::transport_name(transport) {
            o.word("transport", name);
        }
        if let Some(number) = transport.ip_protocol() {
            o.key("iana_number").display(&number);
        }
    }
    if let Some(name) = facts::application(alert) {
        o.word("protocol", name);
    }
    if let Some(id) = &alert.community_id {
        o.key("community_id").str(id);
    }
}

/// What the schema has no field for. Values and points are text, so that an index has one type for each.
fn own(alert: &Alert, o: &mut Object<'_>) {
    o.word("severity", alert.severity.name());
    o.int("count", Some(alert.count.min(LONG)));
    if let Some(rate) = alert.rate() {
        o.key("rate").float(rate);
    }
    o.int("frame", Some(alert.frame).filter(|frame| *frame > 0));
    if let Some(file) = &alert.file {
        o.key("file").str(file);
    }
    o.key("points").array(|a| alert.points.iter().for_each(|points| a.item().str(&facts::points(points))));
    o.key("values").array(|a| alert.values.iter().for_each(|value| a.item().str(&facts::value(value))));
    o.key("point_names").array(|a| alert.named_points.iter().for_each(|point| a.item().str(&point.name)));
    if let Some(path) = &alert.evidence {
        o.key("evidence").str(path);
    }
    o.key("advice").str(&alert.advice);
    if let Some(rule) = &alert.allow.rule {
        o.key("allow_rule").str(rule);
    }
    if let Some(note) = &alert.allow.note {
        o.key("allow_note").str(note);
    }
    o.key("incident").display(&alert.incident);
    o.key("related").array(|a| alert.related.iter().for_each(|id| a.item().display(id)));
    if let Some(message) = &alert.message {
        o.key("message").str(message);
    }
}
