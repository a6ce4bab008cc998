//! Our own JSON, against the schemas that the project publishes in docs/schemas.

use super::{NOTHING, alerts, captures, json, ours, play};
use serde_json::{Value, json};
use wayside::output::format::Format;

fn validator(name: &str) -> jsonschema::Validator {
    let text = std::fs::read_to_string(ours(&format!("docs/schemas/{name}.schema.json"))).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::draft202012::new(&schema).unwrap()
}

fn accept(validator: &jsonschema::Validator, value: &Value) {
    let objections: Vec<_> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(objections.is_empty(), "{objections:#?}\n{value:#}");
}

#[test]
fn every_alert_is_valid_by_the_schema_in_the_documentation() {
    let (validator, events) = (validator("alert"), validator("event"));
    let all = alerts("wayside");
    for alert in &all {
        let alert = json(alert, Format::Wayside);
        accept(&validator, &alert);
        // The message in it is an event.
        if !alert["message"].is_null() {
            accept(&events, &alert["message"]);
        }
    }
    // The schema can refuse.
    let good = json(&all[0], Format::Wayside);
    for (at, wrong) in [
        ("/id", json!("1")),
        ("/ts", json!("2026-01-01")),
        ("/severity", json!("worse")),
        ("/kind", json!("other")),
        ("/frames", json!(null)),
        ("/message", json!([])),
        ("/incident", json!(null)),
        ("/count", json!(0)),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(at).unwrap() = wrong;
        assert!(!validator.is_valid(&bad), "{at}");
    }
    for member in good.as_object().unwrap().keys() {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(member);
        assert_eq!(validator.is_valid(&bad), member == "file", "without {member}");
        bad["more"] = json!(1);
        assert!(!validator.is_valid(&bad));
    }
}

#[test]
fn every_event_is_valid_by_the_schema_in_the_documentation() {
    let validator = validator("event");
    let mut count = 0;
    for name in ["demo-plant", "dnp3-substation", "modbus-functions"] {
        let golden = std::fs::read_to_string(ours(&format!("tests/golden/{name}.ndjson"))).unwrap();
        for line in golden.lines() {
            accept(&validator, &serde_json::from_str(line).unwrap());
            count += 1;
        }
    }
    for capture in captures("wayside") {
        for (event, _) in play(&capture, NOTHING).events {
            accept(&validator, &event);
            count += 1;
        }
    }
    assert!(count > 3_000, "{count} events");
    let golden = std::fs::read_to_string(ours("tests/golden/modbus-functions.ndjson")).unwrap();
    let good: Value = serde_json::from_str(golden.lines().next().unwrap()).unwrap();
    for (at, wrong) in [
        ("/proto", json!("profinet")),
        ("/kind", json!("reply")),
        ("/verb", json!("erase")),
        ("/points", json!(null)),
        ("/modbus/unit", json!(256)),
        ("/frame", json!(0)),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(at).unwrap() = wrong;
        assert!(!validator.is_valid(&bad), "{at}");
    }
}
