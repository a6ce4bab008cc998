//! c104 (lib60870) with itself: interrogations, commands of every kind, selections, refusals, reports, clock, tests.

use super::{address, exchange, same};
use serde_json::{Value, json};

/// What a type of ASDU with this cause is (IEC 60870-5-101, 7.2.3): kind and verb; of a command by whether it selects, of a
/// counter interrogation by whether it freezes.
fn meaning(code: u64, cause: u64, object: &Value) -> (&'static str, &'static str) {
    let select = object["select"] == true;
    let kind = match cause {
        1..=4 => "unsolicited",
        5 if code == 102 => "request",
        5 | 7 | 10 | 20..=41 | 44..=47 => "response",
        6 => "request",
        other => panic!("no peer sends the cause {other}"),
    };
    let verb = match code {
        1..=40 | 70 if kind == "unsolicited" => "report",
        101 if object["freeze"] != 0 => "write",
        1..=40 | 100..=102 => "read",
        45..=64 if select => "select",
        45..=64 => "operate",
        103 => "time",
        104 | 107 => "diagnose",
        other => panic!("no peer sends the type {other}"),
    };
    (kind, verb)
}

/// The quality that c104 prints, in the words of events.
fn quality(text: &str) -> Vec<&'static str> {
    let words = [
        ("Overflow", "overflow"),
        ("Blocked", "blocked"),
        ("Substituted", "substituted"),
        ("NonTopical", "not-topical"),
        ("Invalid", "invalid"),
        // c104 2.2 calls the bit so on receipt that it sends as Carry.
        ("Adjusted", "carry"),
    ];
    let set = text.split(['{', '}']).nth(1).unwrap_or_default();
    words.into_iter().filter(|(word, _)| set.contains(word)).map(|(_, name)| name).collect()
}

/// Whether a value is what c104 has for it. A normalized value is a multiple of 2^-15 there as here, but counted otherwise.
fn is_value(code: u64, told: &Value, expected: &Value) -> bool {
    let word = |code: u64, name: &str| match (code, name) {
        (46 | 59, "ON") => json!(true),
        (46 | 59, "OFF") => json!(false),
        (_, "ON") => json!("determined on"),
        (_, "OFF") => json!("determined off"),
        (_, "INTERMEDIATE") => json!("intermediate"),
        (_, "INDETERMINATE") => json!("indeterminate"),
        (_, "HIGHER") => json!("higher"),
        (_, "LOWER") => json!("lower"),
        other => panic!("no peer sends {other:?}"),
    };
    match expected {
        Value::String(name) => *told == word(code, name),
        Value::Bool(_) => told == expected,
        number => (told.as_f64().unwrap() - number.as_f64().unwrap()).abs() < 1e-4,
    }
}

/// Compares an event with what c104 says that the other side got.
fn compare(what: &str, event: &Value, row: &Value) {
    let fields = &event["iec104"];
    assert_eq!(fields["apci"], row["format"], "{what}");
    match row["format"].as_str().unwrap() {
        "S" => return assert_eq!(fields["recv"], row["rx"], "{what}"),
        "U" => {
            let name = format!("{}-{}", row["type"].as_str().unwrap(), row["cot"].as_str().unwrap());
            assert_eq!(fields["control"], name.to_lowercase(), "{what}");
            return assert_eq!(
                (&event["kind"], &event["verb"]),
                (&json!("message"), &json!("session")),
                "{what}"
            );
        }
        _ => {}
    }
    let told = json!({
        "send": fields["send"], "recv": fields["recv"], "type": fields["type"], "label": fields["type_name"],
        "cause": fields["cause"], "negative": fields["negative"], "test": fields["test"],
        "station": fields["common_address"], "originator": fields["originator"], "sq": fields["sq"],
        "number": fields["number"], "first": fields["ioa"][0],
    });
    let expected = json!({
        "send": row["tx"], "recv": row["rx"], "type": row["type"], "label": row["typeName"],
        "cause": row["cot"], "negative": row["negative"], "test": row["test"],
        "station": row["commonAddress"], "originator": row["originatorAddress"], "sq": row["sequence"],
        "number": row["numberOfObjects"], "first": row["firstInformationObjectAddress"],
    });
    same(what, &told, &expected);
    let objects = fields["objects"].as_array().unwrap();
    assert_eq!(json!(objects.len()), row["numberOfObjects"], "{what}");
    let (code, cause) = (row["type"].as_u64().unwrap(), row["cot"].as_u64().unwrap());
    assert_eq!(
        (event["kind"].as_str(), event["verb"].as_str()),
        {
            let (kind, verb) = meaning(code, cause, &objects[0]);
            (Some(kind), Some(verb))
        },
        "{what}"
    );
    let refused = match (cause, row["negative"] == true) {
        (44, _) => Some("unknown type identification"),
        (46, _) => Some("unknown common address"),
        (47, _) => Some("unknown information object address"),
        (_, true) => Some("negative confirmation"),
        _ => None,
    };
    let outcome = (event["kind"] == "response").then_some(refused.unwrap_or("success"));
    assert_eq!(event["outcome"].as_str(), outcome, "{what}");
}

/// Compares the objects of events with the values that c104's points got, one after the other. c104 tells its points
/// nothing of selections, of normalized values without quality, and of what it refuses by itself.
fn values(what: &str, events: &[&Value], rows: &[&Value]) -> usize {
    let mut objects = events.iter().filter(|event| !event["values"].is_null()).flat_map(|event| {
        let all = event["iec104"]["objects"].as_array().into_iter().flatten();
        all.map(move |object| (*event, object))
    });
    for (at, row) in rows.iter().enumerate() {
        let (event, object) = objects
            .by_ref()
            .find(|(_, object)| object["ioa"] == row["ioa"] && object["select"] != true)
            .unwrap_or_else(|| panic!("{what}: no object for value {at}, {row}"));
        let code = event["iec104"]["type"].as_u64().unwrap();
        assert!(is_value(code, &object["value"], &row["value"]), "{what}: {object} is not {row}");
        // M_ME_ND_1 has none.
        if let Some(text) = row["quality"].as_str().filter(|_| object.get("quality").is_some()) {
            assert_eq!(object["quality"], json!(quality(text)), "{what}: {object}");
        }
        if let Some(time) = row["time"].as_str() {
            assert_eq!(object["time"], time.trim_end_matches("+00:00"), "{what}: {object}");
        }
    }
    rows.len()
}

fn recorded(test: &str, port: &str) {
    let station = address().to_string();
    let arguments = ["--station", &station, "--port", port];
    let Some(told) = exchange(test, "captures/record_iec104.py", &arguments) else { return };
    let server = format!("{station}:{port}");
    for (from, end) in [("controlling", "dst"), ("controlled", "src")] {
        let events: Vec<&Value> = told
            .events
            .iter()
            .filter(|event| event["frame"].is_u64() && event[end] == server.as_str())
            .collect();
        let of_side = || told.ledger.iter().filter(|row| row["from"] == from);
        let rows: Vec<&Value> = of_side().filter(|row| row.get("point").is_none()).collect();
        for (at, row) in rows.iter().enumerate() {
            let what = format!("{test}, unit {at} of the {from} station: {}", row["step"]);
            let event = events.get(at).unwrap_or_else(|| panic!("{what}: no event for {row}"));
            compare(&what, event, row);
        }
        let points: Vec<&Value> = of_side().filter_map(|row| row.get("point")).collect();
        let least = if from == "controlling" { 10 } else { 50 };
        assert!(values(&format!("{test}, {from}"), &events, &points) >= least, "{} values", points.len());
        assert_eq!(events.len(), rows.len(), "{test}: the ledger does not have {:#?}", &events[rows.len()..]);
    }
    // Every answer but data that nobody asked for names its request: an order of the same type.
    let by_frame = |frame: &Value| told.events.iter().find(|event| event["frame"] == *frame).unwrap();
    let answers: Vec<&Value> = told.events.iter().filter(|event| event["kind"] == "response").collect();
    for answer in &answers {
        let request = by_frame(&answer["request_frame"]);
        assert_eq!(request["kind"], "request", "{answer}");
        if request["iec104"]["type"] != answer["iec104"]["type"] {
            // Data is that of an interrogation, of counters or not, or of a read.
            assert!(matches!(request["iec104"]["type"].as_u64(), Some(100..=102)), "{answer}");
        }
    }
    // What the script orders is what is operated, each command once, in its order.
    let operated: Vec<u64> = told
        .events
        .iter()
        .filter(|event| event["kind"] == "request" && event["verb"] == "operate")
        .map(|event| event["points"][0]["first"].as_u64().unwrap())
        .collect();
    let direct = [101, 104, 105, 107, 108, 201, 204, 205, 207, 301, 302];
    assert!(direct.iter().all(|address| operated.contains(address)), "{operated:?}");
    assert!(operated.is_sorted(), "{operated:?}");
    let selected = told.events.iter().filter(|event| event["iec104"]["select_frame"].is_u64()).count();
    assert!(selected >= 2, "{selected} commands execute a selection");
    println!(
        "{test}: {} events, {} answers, {selected} after a selection, with {server}",
        told.events.len(),
        answers.len()
    );
}

#[test]
fn c104_on_its_own_port() {
    recorded("c104_on_its_own_port", "2404");
}

#[test]
fn c104_on_another_port() {
    recorded("c104_on_another_port", "12404");
}
