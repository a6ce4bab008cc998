//! Elastic Common Schema: every field is one of the published ones, of its type.

use super::{alerts, json, published};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use wayside::output::format::Format;

struct Field {
    kind: String,
    list: bool,
}

fn fields(csv: &str) -> BTreeMap<String, Field> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let rows = reader.records().map(Result::unwrap);
    rows.map(|row| (row[3].to_owned(), Field { kind: row[4].to_owned(), list: &row[6] == "array" })).collect()
}

fn check(path: &str, value: &Value, fields: &BTreeMap<String, Field>, used: &mut BTreeSet<String>) {
    if let Value::Object(members) = value {
        for (key, value) in members {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            if path != "wayside" {
                check(&path, value, fields, used);
            }
        }
        return;
    }
    let field = fields.get(path).unwrap_or_else(|| panic!("{path} is no field of ECS"));
    used.insert(path.to_owned());
    assert_eq!(value.is_array(), field.list, "{path} is a list: {}", field.list);
    let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    for value in values {
        let text = value.as_str();
        let fits = match field.kind.as_str() {
            "keyword" | "match_only_text" | "wildcard" => text.is_some(),
            "long" => value.is_i64(),
            "ip" => text.is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()),
            "date" => text.is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
            other => panic!("a field of type {other}"),
        };
        assert!(fits, "{path} ({}) is {value}", field.kind);
    }
}

#[test]
fn ecs_has_only_published_fields_of_their_types() {
    let Some(csv) = published("ecs-fields.csv", "ecs") else { return };
    let fields = fields(&csv);
    assert!(fields.len() > 1000);
    let mut used = BTreeSet::new();
    for alert in alerts("ecs") {
        let ecs = json(&alert, Format::Ecs);
        check("", &ecs, &fields, &mut used);
        assert_eq!(ecs["event"]["kind"], "alert");
        assert_eq!(
            ecs["message"].as_str(),
            Some(alert.summary.as_str()),
            "escaped, and so read back as it was"
        );
        assert_eq!(ecs["event"]["id"].as_str(), Some(alert.id.to_string().as_str()));
        assert_eq!(ecs["network"]["community_id"].as_str(), alert.community_id.as_deref());
        assert_eq!(ecs["source"]["address"].as_str(), Some(alert.src.address.to_string().as_str()));
        assert_eq!(ecs["wayside"]["count"].as_i64(), Some(i64::try_from(alert.count).unwrap_or(i64::MAX)));
    }
    for path in [
        "@timestamp",
        "destination.ip",
        "destination.mac",
        "event.category",
        "network.community_id",
        "network.protocol",
        "network.transport",
        "observer.name",
        "related.ip",
        "rule.name",
        "threat.tactic.id",
        "threat.technique.reference",
    ] {
        assert!(used.contains(path), "{path} is never used: {used:?}");
    }
}
