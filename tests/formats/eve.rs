//! EVE against Suricata's own JSON Schema, and the Modbus records against the decoder that Suricata uses.

use super::{NOTHING, alerts, captures, json, ours, play, published};
use sawp::parser::{Direction, Parse};
use sawp_modbus::{Data, Message, Modbus, Read, Write};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use wayside::capture::Files;
use wayside::output::format::Format;

fn validator(test: &str) -> Option<jsonschema::Validator> {
    let schema: Value = serde_json::from_str(&published("eve-schema.json", test)?).unwrap();
    Some(jsonschema::draft202012::new(&schema).unwrap())
}

fn accept(validator: &jsonschema::Validator, value: &Value) {
    let objections: Vec<_> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(objections.is_empty(), "{objections:#?}\n{value:#}");
}

#[test]
fn alerts_are_valid_by_suricatas_schema() {
    let Some(validator) = validator("eve") else { return };
    let mut with = BTreeMap::<&str, usize>::new();
    let mut numbers = BTreeMap::new();
    for alert in alerts("eve") {
        let record = json(&alert, Format::Eve);
        accept(&validator, &record);
        assert_eq!(record["event_type"], "alert");
        assert_eq!(record["community_id"].as_str(), alert.community_id.as_deref());
        assert_eq!(record["alert"]["metadata"]["summary"][0].as_str(), Some(alert.summary.as_str()));
        for protocol in ["modbus", "dnp3"] {
            *with.entry(protocol).or_default() += usize::from(record[protocol].is_object());
        }
        // One number, one signature, and the other way round.
        let signature = record["alert"]["signature"].as_str().unwrap().to_owned();
        let number = record["alert"]["signature_id"].as_u64().unwrap();
        assert!(u32::try_from(number).is_ok());
        assert_eq!(numbers.entry(number).or_insert(signature.clone()), &signature);
    }
    assert!(with["modbus"] > 10 && with["dnp3"] > 10, "{with:?}");
}

#[test]
fn messages_are_valid_by_suricatas_schema() {
    let Some(validator) = validator("eve") else { return };
    let mut kinds = BTreeMap::<String, usize>::new();
    for capture in captures("eve") {
        let mut flows = BTreeMap::new();
        for (event, record) in play(&capture, NOTHING).events {
            let Some(record) = record else {
                // Only what Suricata has no record for.
                let link_only = event["dnp3"]["function"].is_null();
                assert!(event["outcome"] == "unanswered" || event["proto"] == "dnp3" && link_only, "{event}");
                continue;
            };
            accept(&validator, &record);
            assert_eq!(record["pcap_cnt"], event["frame"]);
            assert_eq!(record["host"], "sensor-7");
            let id = record["community_id"].as_str().unwrap().to_owned();
            assert_eq!(flows.entry(id).or_insert(record["flow_id"].clone()), &record["flow_id"]);
            *kinds.entry(record["event_type"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    assert!(kinds["modbus"] > 500 && kinds["dnp3"] > 100, "{kinds:?}");
}

/// The messages of a capture in which each TCP segment holds whole messages, by packet.
fn messages(capture: &Path) -> BTreeMap<u64, Vec<Value>> {
    let mut all: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    let mut files = Files::open(&[capture.to_path_buf()]).unwrap();
    let mut number = 0;
    while let Ok(Some(frame)) = files.next() {
        number += 1;
        let Ok(packet) = etherparse::SlicedPacket::from_ethernet(frame.data) else { continue };
        let Some(etherparse::TransportSlice::Tcp(tcp)) = packet.transport else { continue };
        let to_server = tcp.destination_port() < tcp.source_port();
        let direction = if to_server { Direction::ToServer } else { Direction::ToClient };
        let mut rest = tcp.payload();
        while !rest.is_empty() {
            let Ok((after, Some(message))) = Modbus::default().parse(rest, direction.clone()) else { break };
            let half = if to_server { "request" } else { "response" };
            all.entry(number).or_default().push(json!({ half: told(&message) }));
            rest = after;
        }
    }
    all
}

/// A message as Suricata logs it, of what its schema has.
fn told(message: &Message) -> Value {
    let text = |octets: &[u8]| match std::str::from_utf8(octets) {
        Ok(text) => text.to_owned(),
        Err(_) => octets.iter().fold(String::new(), |text, octet| match octet {
            0..=127 => text + &char::from(*octet).to_string(),
            _ => text + &format!("\\x{octet:02x}"),
        }),
    };
    let read = |read: &Read| match read {
        Read::Request { address, quantity } => json!({ "address": address, "quantity": quantity }),
        Read::Response(octets) => json!({ "data": text(octets) }),
    };
    // The schema has no quantity, no text as data and no masks.
    let write = |write: &Write| match write {
        Write::MultReq { address, .. } | Write::Mask { address, .. } => json!({ "address": address }),
        Write::Other { address, data } => json!({ "address": address, "data": data }),
    };
    let mut said = json!({
        "transaction_id": message.transaction_id,
        "protocol_id": message.protocol_id,
        "unit_id": message.unit_id,
        "function_raw": message.function.raw,
        "function_code": message.function.code.to_string(),
        "access_type": message.access_type.to_string(),
        "category": message.category.to_string(),
        "error_flags": message.error_flags.to_string(),
    });
    match &message.data {
        Data::Exception(exception) => {
            said["exception"] = json!({ "raw": exception.raw, "code": exception.code.to_string() });
        }
        Data::Diagnostic { func, data } => {
            said["diagnostic"] =
                json!({ "raw": func.raw, "code": func.code.to_string(), "data": text(data) });
        }
        Data::MEI { mei_type, data } => {
            said["mei"] =
                json!({ "raw": mei_type.raw, "code": mei_type.code.to_string(), "data": text(data) });
        }
        Data::Read(data) => said["read"] = read(data),
        Data::Write(data) => said["write"] = write(data),
        Data::ReadWrite { read: first, write: second } => {
            (said["read"], said["write"]) = (read(first), write(second));
        }
        Data::ByteVec(data) => said["data"] = text(data).into(),
        Data::Empty => {}
    }
    said
}

/// What an event does not keep as it was on the wire: the octets of messages that Wayside takes apart.
fn without_raw(half: &Value) -> Value {
    let mut half: Map<String, Value> = half.as_object().unwrap().clone();
    half.remove("data");
    if let Some(Value::Object(mei)) = half.get_mut("mei") {
        mei.remove("data");
    }
    half.into()
}

#[test]
fn modbus_records_say_what_suricatas_decoder_says() {
    let mut compared = 0;
    let mut raw = 0;
    for name in ["modbus-functions", "demo-plant"] {
        let capture = ours(&format!("captures/{name}.pcap"));
        let theirs = messages(Path::new(&capture));
        let mut mine: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
        for (event, record) in play(Path::new(&capture), NOTHING).events {
            let Some(record) = record.filter(|record| record["event_type"] == "modbus") else { continue };
            mine.entry(event["frame"].as_u64().unwrap()).or_default().push(record["modbus"].clone());
        }
        for (frame, records) in &mine {
            let others = &theirs[frame];
            assert_eq!(records.len(), others.len(), "{name}, packet {frame}");
            for (one, other) in records.iter().zip(others) {
                let (half, said) = one.as_object().unwrap().iter().next().unwrap();
                let mut other = other[half].clone();
                // The schema has it in requests only.
                if half == "response" {
                    other.as_object_mut().unwrap().remove("mei");
                }
                assert_eq!(without_raw(said), without_raw(&other), "{name}, packet {frame}");
                // Where it is kept, it is the same.
                for at in ["/data", "/mei/data"] {
                    if let Some(data) = said.pointer(at) {
                        assert_eq!(Some(data), other.pointer(at), "{name}, packet {frame}");
                        raw += 1;
                    }
                }
                compared += 1;
            }
        }
    }
    assert!(compared > 300 && raw > 0, "{compared} compared, {raw} with octets");
}

#[test]
fn dnp3_records_say_what_the_event_says() {
    let capture = ours("captures/dnp3-substation.pcap");
    let mut seen = BTreeMap::<String, usize>::new();
    for (event, record) in play(Path::new(&capture), NOTHING).events {
        let Some(record) = record.filter(|record| record["event_type"] == "dnp3") else { continue };
        let (said, own) = (&record["dnp3"], &event["dnp3"]);
        assert_eq!([&said["src"], &said["dst"]], [&own["link_src"], &own["link_dst"]]);
        assert_eq!(said["control"]["function_code"], own["link_function"]);
        let application = &said["application"];
        assert_eq!(application["function_code"], own["function"]);
        assert_eq!(application["control"]["sequence"], own["sequence"]);
        let kind = said["type"].as_str().unwrap();
        *seen.entry(kind.to_owned()).or_default() += 1;
        let own_names = own["iin_names"].as_array().cloned().unwrap_or_default();
        let their_names = said["iin"]["indicators"].as_array().cloned().unwrap_or_default();
        assert_eq!(own_names.len(), their_names.len());
        let objects = application["objects"].as_array().cloned().unwrap_or_default();
        let own_objects = own["objects"].as_array().cloned().unwrap_or_default();
        assert_eq!(objects.len(), own_objects.len());
        for (object, own) in objects.iter().zip(&own_objects) {
            assert_eq!([&object["group"], &object["variation"]], [&own["group"], &own["variation"]]);
            let code = object["prefix_code"].as_u64().unwrap() << 4 | object["range_code"].as_u64().unwrap();
            assert_eq!(Some(code), own["qualifier"].as_u64());
            let points = object["points"].as_array().map_or(0, Vec::len);
            *seen.entry(format!("g{}", object["group"])).or_default() += points;
        }
    }
    for (what, least) in
        [("request", 20), ("response", 20), ("unsolicited_response", 1), ("g1", 16), ("g30", 100), ("g12", 1)]
    {
        assert!(seen.get(what).is_some_and(|count| *count >= least), "{what}: {seen:?}");
    }
}

/// A select of a control relay output block and a response with a binary input, as Suricata would log them.
#[test]
fn dnp3_points_have_the_names_of_eve() {
    let capture = ours("captures/dnp3-substation.pcap");
    let records: Vec<Value> =
        play(Path::new(&capture), NOTHING).events.into_iter().filter_map(|(_, record)| record).collect();
    let first = |group: u64| {
        let objects = records.iter().flat_map(|record| {
            record["dnp3"]["application"]["objects"].as_array().cloned().unwrap_or_default()
        });
        let mut objects = objects.filter(|object| object["group"] == group && object["points"].is_array());
        objects.next().unwrap_or_else(|| panic!("no object of group {group}"))["points"][0].clone()
    };
    assert_eq!(
        first(12),
        json!({ "prefix": 3, "index": 3, "op_type": 3, "qu": 0, "cr": 0, "tcc": 0, "count": 1, "ontime": 0,
            "offtime": 0, "status_code": 0 })
    );
    assert_eq!(
        first(1),
        json!({ "prefix": 0, "index": 0, "online": 0, "restart": 1, "comm_lost": 0, "remote_forced": 0,
            "local_forced": 0, "chatter_filter": 0, "state": 0 })
    );
    assert_eq!(
        first(30),
        json!({ "prefix": 0, "index": 0, "online": 1, "restart": 0, "comm_lost": 0, "remote_forced": 0,
            "local_forced": 0, "over_range": 0, "reference_err": 0, "value": 1000 })
    );
}
