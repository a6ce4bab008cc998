//! dnp3py with itself: link frames, polls, controls, time, freezes, unsolicited responses and their confirms.

use super::{address, exchange, same};
use serde_json::{Map, Value, json};

/// IEEE 1815-2012, 9.2.4.1.3.
fn link_function(primary: bool, code: u64) -> &'static str {
    match (primary, code) {
        (true, 0) => "reset-link-states",
        (true, 2) => "test-link-states",
        (true, 4) => "unconfirmed-user-data",
        (true, 9) => "request-link-status",
        (false, 0) => "ack",
        (false, 11) => "link-status",
        other => panic!("no peer sends link function {other:?}"),
    }
}

/// The name of a function (4.4) and what it does; a write of the time is a matter of time.
fn function(code: u64, objects: &[Value]) -> (&'static str, &'static str) {
    match code {
        0 => ("confirm", "session"),
        1 => ("read", "read"),
        2 if objects.iter().any(|object| object["group"] == 50) => ("write", "time"),
        2 => ("write", "write"),
        3 => ("select", "select"),
        4 => ("operate", "operate"),
        5 => ("direct-operate", "operate"),
        6 => ("direct-operate-no-ack", "operate"),
        7 => ("immediate-freeze", "write"),
        8 => ("immediate-freeze-no-ack", "write"),
        9 => ("freeze-and-clear", "write"),
        10 => ("freeze-and-clear-no-ack", "write"),
        11 => ("freeze-at-time", "write"),
        12 => ("freeze-at-time-no-ack", "write"),
        13 => ("cold-restart", "restart"),
        14 => ("warm-restart", "restart"),
        15 => ("initialize-data", "restart"),
        16 => ("initialize-application", "restart"),
        17 => ("start-application", "restart"),
        18 => ("stop-application", "restart"),
        19 => ("save-configuration", "configure"),
        20 => ("enable-unsolicited", "configure"),
        21 => ("disable-unsolicited", "configure"),
        22 => ("assign-class", "configure"),
        23 => ("delay-measure", "time"),
        24 => ("record-current-time", "time"),
        25 => ("open-file", "file"),
        26 => ("close-file", "file"),
        27 => ("delete-file", "file"),
        28 => ("get-file-info", "file"),
        29 => ("authenticate-file", "file"),
        30 => ("abort-file", "file"),
        129 => ("response", ""),
        130 => ("unsolicited-response", "report"),
        other => panic!("no peer sends function {other}"),
    }
}

/// The internal indications (4.2.2.6) from IIN1.7 down to IIN2.0.
const INDICATIONS: [&str; 16] = [
    "device-restart",
    "device-trouble",
    "local-control",
    "need-time",
    "class-3-events",
    "class-2-events",
    "class-1-events",
    "broadcast",
    "reserved-1",
    "reserved-2",
    "config-corrupt",
    "already-executing",
    "event-buffer-overflow",
    "parameter-error",
    "object-unknown",
    "no-func-code-support",
];

/// The error that IIN2 states.
fn indicated(iin: u64) -> Option<&'static str> {
    match iin & 0x37 {
        0 => None,
        1 => Some("function code not supported"),
        2 => Some("object unknown"),
        4 => Some("parameter error"),
        other => panic!("no peer sends the indications {other:x}"),
    }
}

/// Control status codes (A.8.1).
fn status(code: &Value) -> &'static str {
    match code.as_u64() {
        Some(0) => "success",
        Some(2) => "no select",
        Some(4) => "not supported",
        Some(7) => "local",
        other => panic!("no peer sends status {other:?}"),
    }
}

/// What a control code orders (A.8.1): operation type and trip-close code.
fn control(code: u64) -> (&'static str, &'static str) {
    let operation = ["nul", "pulse-on", "pulse-off", "latch-on", "latch-off"][(code & 15) as usize];
    (operation, ["nul", "close", "trip", "reserved"][(code >> 6) as usize])
}

/// The quality flags of a point (11.6).
fn flags(group: u64, quality: u64) -> Vec<&'static str> {
    let sixth = match group {
        1..=4 => "chatter-filter",
        20..=23 => "rollover",
        _ => "over-range",
    };
    let names = ["online", "restart", "comm-lost", "remote-forced", "local-forced", sixth];
    assert!(quality < 64, "no point has the quality {quality}");
    names.into_iter().enumerate().filter(|(bit, _)| quality >> bit & 1 == 1).map(|(_, name)| name).collect()
}

fn time(millis: &Value) -> Value {
    let time = jiff::Timestamp::from_millisecond(millis.as_i64().unwrap()).unwrap();
    json!(time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

/// A number as JSON, without a fraction where the object has none: dnp3py keeps every analog value as a float.
fn number(group: u64, variation: u64, value: &Value) -> Value {
    match (group, variation) {
        (40 | 41, 3 | 4) => value.clone(),
        _ => value.as_f64().map_or_else(|| value.clone(), |number| json!(number as i64)),
    }
}

/// One value of an object: as an event tells it, and as the value of its point.
fn value(group: u64, variation: u64, value: &Value) -> (Value, Value) {
    let mut told = Map::new();
    value.get("index").map(|index| told.insert("index".into(), index.clone()));
    let point = match group {
        12 => {
            let code = value["control"].as_u64().unwrap();
            let (operation, trip_close) = control(code);
            told.insert("operation".into(), json!(operation));
            told.insert("trip_close".into(), json!(trip_close));
            told.insert("clear".into(), json!(code & 0x20 != 0));
            told.insert("queue".into(), json!(code & 0x10 != 0));
            for name in ["control", "operations", "on_ms", "off_ms"] {
                told.insert(name.into(), value[name].clone());
            }
            let order = operation.replace('-', " ");
            json!(if trip_close == "nul" { order } else { format!("{order}, {trip_close}") })
        }
        50 => {
            told.insert("value".into(), time(&value["time_ms"]));
            value["time_ms"].clone()
        }
        _ => {
            let number = number(group, variation, &value["value"]);
            told.insert("value".into(), number.clone());
            number
        }
    };
    if let (12 | 41, status_code) = (group, &value["status"]) {
        told.insert("status".into(), status_code.clone());
        told.insert("status_name".into(), json!(status(status_code)));
    }
    if let Some(quality) = value["quality"].as_u64() {
        told.insert("flags".into(), json!(flags(group, quality)));
        value.get("time_ms").map(|millis| told.insert("time".into(), time(millis)));
    }
    (told.into(), point)
}

/// The objects of a message as an event tells them, the points that they name, and the values of these.
fn objects(ledger: &[Value]) -> (Vec<Value>, Vec<Value>, Vec<Value>) {
    let (mut told, mut points, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for object in ledger {
        let [group, variation] = ["group", "variation"].map(|name| object[name].as_u64().unwrap());
        let carried = object["values"].as_array();
        let mut item = json!({
            "group": group,
            "variation": variation,
            "qualifier": object["qualifier"],
            "first": object.get("first").cloned(),
            "last": object.get("last").cloned(),
            // All objects (qualifier 6) has no count.
            "count": if object["qualifier"] == 6 { Value::Null } else { object["count"].clone() },
        });
        let space = format!("g{group}");
        let mut point =
            |first: &Value, last: &Value| points.push(json!({"space": space, "first": first, "last": last}));
        match carried {
            // With an index before each, every object is a point of its own.
            Some(list) if list[0].get("index").is_some() && object.get("first").is_none() => {
                list.iter().for_each(|one| point(&one["index"], &one["index"]));
            }
            Some(list) if object.get("first").is_none() => point(&json!(0), &json!(list.len() - 1)),
            _ => point(&item["first"], &item["last"]),
        }
        if let Some(carried) = carried {
            let (list, points): (Vec<_>, Vec<_>) =
                carried.iter().map(|one| value(group, variation, one)).unzip();
            item["values"] = json!(list);
            values.extend(points);
        }
        told.push(item);
    }
    (told, points, values)
}

/// A request that waits for its answer.
struct Asked {
    /// The sequence number of the fragment that answers it next.
    sequence: u64,
    /// Its frame in the capture.
    frame: Value,
    objects: Vec<Value>,
    points: Vec<Value>,
    verb: &'static str,
}

/// What has been said so far: what the next message must give depends on it.
#[derive(Default)]
struct Said {
    /// Requests that wait for an answer.
    requests: Vec<Asked>,
    /// The last select that was answered without an error: its frame and objects.
    select: Option<(Value, Vec<Value>)>,
    /// Link frames of the fragment in the making.
    frames: u64,
}

impl Said {
    /// The event that a link frame must give, without what depends on the moment.
    fn expected(&mut self, frame: &Value, event: &Value) -> Value {
        let primary = frame["prm"].as_bool().unwrap();
        let mut fields = json!({
            "link_src": frame["source"],
            "link_dst": frame["destination"],
            "link_function": frame["link_function"],
            "link_function_name": link_function(primary, frame["link_function"].as_u64().unwrap()),
            "dir": frame["dir"],
            "prm": primary,
            "function": null,
        });
        if primary {
            (fields["fcb"], fields["fcv"]) = (frame["fcb"].clone(), frame["fcv_or_dfc"].clone());
        } else {
            fields["dfc"] = frame["fcv_or_dfc"].clone();
        }
        let mut told = json!({
            "proto": "dnp3", "kind": "message", "verb": "session",
            "points": [], "values": null, "outcome": null,
        });
        if let Some(transport) = frame.get("transport") {
            self.frames = if transport["fir"] == true { 1 } else { self.frames + 1 };
            fields["transport"] = transport.clone();
            told["verb"] = json!("read");
        }
        if let Some(application) = frame.get("application") {
            self.application(application, event, &mut fields, &mut told);
        }
        told["dnp3"] = fields;
        told
    }

    fn application(&mut self, application: &Value, event: &Value, fields: &mut Value, told: &mut Value) {
        let raw = application["objects"].as_array().unwrap();
        let code = application["function"].as_u64().unwrap();
        let (name, mut verb) = function(code, raw);
        let (list, mut points, values) = objects(raw);
        for name in ["function", "sequence", "fir", "fin", "con", "unsolicited", "iin"] {
            fields[name] = application[name].clone();
        }
        fields["function_name"] = json!(name);
        fields["objects"] = json!(list);
        if self.frames > 1 {
            fields["link_frames"] = json!(self.frames);
        }
        told["kind"] = json!(match code {
            0 => "message",
            129 => "response",
            130 => "unsolicited",
            _ => "request",
        });
        if let Some(iin) = application["iin"].as_u64() {
            let set = INDICATIONS.iter().enumerate().filter(|(at, _)| iin >> (15 - at) & 1 == 1);
            fields["iin_names"] = set.map(|(_, name)| *name).collect();
        }
        if code == 129 {
            let sequence = application["sequence"].as_u64().unwrap();
            let place = self.requests.iter().rposition(|asked| asked.sequence == sequence);
            let asked = place.map(|place| self.requests.remove(place));
            let frame = asked.as_ref().map_or(Value::Null, |asked| asked.frame.clone());
            assert_eq!(event["request_frame"], frame, "a response belongs to its request");
            assert_eq!(event["latency_us"].is_u64(), asked.is_some());
            // An answer to what asks for none answers nothing.
            verb = asked.as_ref().map_or("other", |asked| asked.verb);
            if let Some(asked) = asked.as_ref().filter(|_| list.is_empty()) {
                points = asked.points.clone();
            }
            let failed = raw.iter().flat_map(|object| object["values"].as_array().into_iter().flatten());
            let failed = failed.map(|one| &one["status"]).find(|code| !code.is_null() && **code != 0);
            told["outcome"] = json!(match (indicated(application["iin"].as_u64().unwrap()), failed) {
                (Some(error), _) => error,
                (None, Some(code)) => status(code),
                (None, None) => "success",
            });
            if let Some(mut asked) = asked {
                if verb == "select" && told["outcome"] == "success" {
                    self.select = Some((asked.frame.clone(), asked.objects.clone()));
                }
                if application["fin"] == false {
                    // The answer goes on under the next sequence number.
                    asked.sequence = (sequence + 1) % 16;
                    self.requests.push(asked);
                }
            }
        } else if code != 0 && code != 130 {
            if code == 4 {
                // An operate belongs to the select right before it, with the same objects.
                let select = self.select.take().filter(|(_, objects)| objects == raw);
                fields["select_frame"] = json!(select.map(|(frame, _)| frame));
            }
            let asked = Asked {
                sequence: application["sequence"].as_u64().unwrap(),
                frame: event["frame"].clone(),
                objects: raw.clone(),
                points: points.clone(),
                verb,
            };
            // dnp3py 0.6 does not know the last of those that ask for no answer, and refuses it with one.
            self.requests.extend((![6, 8, 10, 12].contains(&code)).then_some(asked));
        }
        told["verb"] = json!(verb);
        told["points"] = json!(points);
        if !values.is_empty() {
            told["values"] = json!(values);
        }
    }
}

fn recorded(test: &str, port: &str, more: &[&str]) {
    let (master, outstation) = (address().to_string(), address().to_string());
    let mut arguments = vec!["--master", &master, "--outstation", &outstation, "--port", port];
    arguments.extend(more);
    let Some(told) = exchange(test, "captures/record_dnp3.py", &arguments) else { return };
    // The two directions are independent: what the outstation had said when the master spoke, the master may
    // have read later. Each keeps its own order.
    let server = format!("{outstation}:{port}");
    let (mut of_master, mut of_outstation): (Vec<_>, Vec<_>) =
        told.events.iter().partition(|event| event["dst"] == server.as_str());
    of_master.reverse();
    of_outstation.reverse();
    let mut said = Said::default();
    for (at, frame) in told.ledger.iter().enumerate() {
        let what = format!("{test}, frame {at} of {}: {}", frame["from"], frame["step"]);
        let from_master = frame["from"] == "master";
        let next = if from_master { &mut of_master } else { &mut of_outstation };
        let event = next.pop().unwrap_or_else(|| panic!("{what}: no event"));
        let place = if from_master { "dst" } else { "src" };
        assert_eq!(event[place], server.as_str(), "{what}");
        let mut seen = event.clone();
        for name in ["ts", "frame", "src", "dst", "community_id", "latency_us", "request_frame"] {
            seen.as_object_mut().unwrap().remove(name);
        }
        let expected = said.expected(frame, event);
        if seen["dnp3"] != expected["dnp3"] {
            same(&what, &seen["dnp3"], &expected["dnp3"]);
        }
        same(&what, &seen, &expected);
    }
    assert!(
        of_master.is_empty() && of_outstation.is_empty(),
        "{test}: the ledger does not have {of_master:#?}"
    );
    let count = |wanted: &dyn Fn(&Value) -> bool| {
        told.ledger.iter().filter(|frame| wanted(&frame["application"])).count()
    };
    assert_eq!(count(&|message| message["function"] == 130), 4, "unsolicited responses");
    let confirmed = count(&|message| message["con"] == true);
    assert_eq!(count(&|message| message["function"] == 0), confirmed, "confirms");
    println!("{test}: {} link frames, {} events, with {server}", told.ledger.len(), told.events.len());
}

#[test]
fn dnp3py_on_its_own_port() {
    recorded("dnp3py_on_its_own_port", "20000", &[]);
}

#[test]
fn dnp3py_on_another_port() {
    recorded("dnp3py_on_another_port", "20177", &["--every"]);
}
