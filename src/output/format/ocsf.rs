//! OCSF, Detection Finding (class 2004): the Open Cybersecurity Schema Framework, 1.5.
//!
//! Times are milliseconds since 1970. What the class has no attribute for is in `unmapped`.

use super::facts::{self, End};
use super::{PRODUCT, VERSION};
use crate::address::Endpoint;
use crate::alert::{Alert, Severity, technique};
use crate::event::{Json, Object};

/// The version of the schema; every attribute that is used here is in it and in those that follow.
const OCSF: &str = "1.5.0";
/// The version of the ATT&CK matrix that techniques are from.
const ATTACK: &str = "18.1";
/// Detection Finding, in the category Findings.
const CLASS: u32 = 2004;

/// The identifier and the caption of a severity.
fn severity(severity: Severity) -> (u8, &'static str) {
    match severity {
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

/// Appends the alert.
pub(super) fn write(alert: &Alert, out: &mut Vec<u8>) {
    // What is written again under the same id, with a higher count, is an update.
    let (activity, activity_name, type_name) = match alert.count {
        0 | 1 => (1u32, "Create", "Detection Finding: Create"),
        _ => (2, "Update", "Detection Finding: Update"),
    };
    let (severity_id, severity) = severity(alert.severity);
    Json::new(out).object(|o| {
        o.int("activity_id", Some(activity));
        o.word("activity_name", activity_name);
        o.int("category_uid", Some(2));
        o.word("category_name", "Findings");
        o.int("class_uid", Some(CLASS));
        o.word("class_name", "Detection Finding");
        o.int("type_uid", Some(CLASS * 100 + activity));
        o.word("type_name", type_name);
        o.int("severity_id", Some(severity_id));
        o.word("severity", severity);
        o.int("status_id", Some(1));
        o.word("status", "New");
        o.bool("is_alert", true);
        o.int("time", Some(facts::millis(alert.ts)));
        o.int("start_time", Some(facts::millis(alert.first_seen)));
        o.int("end_time", Some(facts::millis(alert.last_seen)));
        o.int("count", Some(alert.count.min(i32::MAX as u64)));
        o.key("message").str(&alert.summary);
        o.key("metadata").object(|o| metadata(alert, o));
        o.key("finding_info").object(|o| finding(alert, o));
        o.key("evidences").array(|a| a.item().object(|o| evidence(alert, o)));
        o.key("resources").array(|a| {
            a.item().object(|o| {
                o.key("name").display(&alert.dst.address);
                if let Some(ip) = alert.dst.address.ip() {
                    o.key("ip").display(&ip);
                }
            });
        });
        o.key("observables").array(|a| {
            for (end, name) in
                [(alert.src, "evidences[0].src_endpoint"), (alert.dst, "evidences[0].dst_endpoint")]
            {
                a.item().object(|o| observable(end, name, o));
            }
        });
        if !alert.advice.is_empty() {
            o.key("remediation").object(|o| o.key("desc").str(&alert.advice));
        }
        o.key("unmapped").object(|o| unmapped(alert, o));
    });
}

fn metadata(alert: &Alert, o: &mut Object<'_>) {
    o.word("version", OCSF);
    o.key("uid").display(&alert.id);
    o.key("correlation_uid").display(&alert.incident);
    o.word("log_name", "alerts");
    o.key("log_source").str(&alert.sensor);
    o.word("original_time", alert.ts.format(&mut [0; 40]));
    o.key("product").object(|o| {
        o.word("name", PRODUCT);
        o.word("vendor_name", PRODUCT);
        o.word("version", VERSION);
    });
}

fn finding(alert: &Alert, o: &mut Object<'_>) {
    o.key("uid").display(&alert.id);
    o.word("title", facts::title(alert.kind));
    o.key("desc").str(&alert.summary);
    o.key("types").array(|a| a.item().word(alert.kind.name()));
    o.int("created_time", Some(facts::millis(alert.ts)));
    o.int("modified_time", Some(facts::millis(alert.last_seen)));
    o.int("first_seen_time", Some(facts::millis(alert.first_seen)));
    o.int("last_seen_time", Some(facts::millis(alert.last_seen)));
    o.key("data_sources").array(|a| a.item().word("Network Traffic"));
    if let Some(rule) = &alert.rule {
        o.key("analytic").object(|o| {
            o.int("type_id", Some(1));
            o.word("type", "Rule");
            o.key("name").str(rule);
            if let Some(at) = &alert.rule_at {
                o.key("uid").str(at);
            }
            if let Some(words) = &alert.rule_words {
                o.key("desc").str(words);
            }
        });
    }
    o.key("attacks").array(|a| {
        for id in &alert.attack {
            a.item().object(|o| attack(id, o));
        }
    });
}

fn attack(id: &str, o: &mut Object<'_>) {
    let known = technique(id);
    o.word("version", ATTACK);
    o.key("technique").object(|o| {
        o.key("uid").str(id);
        if let Some(technique) = known {
            o.key("name").str(technique.name);
        }
        if facts::is_technique(id) {
            o.key("src_url").str(&facts::reference("techniques", id));
        }
    });
    let tactics = known.map_or(&[][..], |technique| technique.tactics);
    if !tactics.is_empty() {
        o.key("tactics").array(|a| {
            for tactic in tactics {
                a.item().object(|o| {
                    o.word("uid", tactic.id());
                    o.word("name", tactic.name());
                });
            }
        });
    }
}

fn evidence(alert: &Alert, o: &mut Object<'_>) {
    for (name, end) in [("src_endpoint", alert.src), ("dst_endpoint", alert.dst)] {
        o.key(name).object(|o| endpoint(end, o));
    }
    o.key("connection_info").object(|o| {
        o.int("direction_id", Some(0));
        o.word("direction", "Unknown");
        if let Some(transport) = facts::transport(alert) {
            if let Some(name) = facts::transport_name(transport) {
                o.word("protocol_name", name);
            }
            o.int("protocol_num", transport.ip_protocol());
        }
        if let Some(version) = facts::ip_version(alert) {
            o.int("protocol_ver_id", Some(version));
        }
        if let Some(id) = &alert.community_id {
            o.key("community_uid").str(id);
        }
    });
    if let Some(message) = &alert.message {
        o.key("data").written(message);
    }
}

fn endpoint(endpoint: Endpoint, o: &mut Object<'_>) {
    let end = End::from(endpoint);
    if let Some(ip) = end.ip {
        o.key("ip").display(&ip);
    }
    if let Some(mac) = end.mac {
        o.key("mac").display(&mac);
        o.key("uid").display(&mac);
    }
    if let Some(port) = end.port {
        o.int("port", Some(port));
    }
}

fn observable(endpoint: Endpoint, at: &str, o: &mut Object<'_>) {
    let (field, id, kind) = match endpoint.address.ip() {
        Some(_) => ("ip", 2, "IP Address"),
        None => ("mac", 3, "MAC Address"),
    };
    o.key("name").str(&format!("{at}.{field}"));
    o.int("type_id", Some(id));
    o.word("type", kind);
    o.key("value").display(&endpoint.address);
}

fn unmapped(alert: &Alert, o: &mut Object<'_>) {
    o.word("kind", alert.kind.name());
    o.word("protocol", alert.proto);
    o.int("frame", Some(alert.frame).filter(|frame| *frame > 0));
    if let Some(file) = &alert.file {
        o.key("file").str(file);
    }
    o.key("points").array(|a| alert.points.iter().for_each(|points| a.item().str(&facts::points(points))));
    o.key("values").array(|a| alert.values.iter().for_each(|value| a.item().str(&facts::value(value))));
    if let Some(path) = &alert.evidence {
        o.key("evidence").str(path);
    }
    if let Some(rule) = &alert.allow.rule {
        o.key("allow_rule").str(rule);
    }
    o.key("related").array(|a| alert.related.iter().for_each(|id| a.item().display(id)));
}
