//! The API as a program uses it: every answer has the form that the document says, lists come in parts without a gap,
//! errors are problems.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod common;

use common::{Served, hostile};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn demo() -> Served {
    Served::start(&["captures/demo-plant.pcap", "--rules", "rules"])
}

fn get(served: &Served, path: &str) -> Value {
    let answer = served.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    assert!(answer.head.contains("content-type: application/json"), "{path}: {}", answer.head);
    serde_json::from_str(&answer.body).unwrap()
}

fn problem(served: &Served, method: &str, path: &str, head: &str, body: &str) -> (u16, String) {
    let answer = served.ask(method, path, head, body).unwrap();
    assert!(
        answer.head.contains("content-type: application/problem+json"),
        "{path}: {}{}",
        answer.head,
        answer.body
    );
    let problem: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        (&problem["type"], &problem["status"]),
        (&json!("about:blank"), &json!(answer.status)),
        "{path}"
    );
    assert!(!problem["title"].as_str().unwrap().is_empty());
    (answer.status, problem["detail"].as_str().unwrap().to_owned())
}

const JSON: &str = "Content-Type: application/json\r\n";

#[test]
fn every_answer_has_the_form_that_the_document_says() {
    let served = demo();
    let document = get(&served, "/api/v1/openapi.json");
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let checked = conform(&served, &document, |path| {
        (!path.contains("{replay}")).then(|| ("/api/v1".to_owned(), path.to_owned()))
    });
    assert!(checked >= 13, "only {checked} answers");
}

/// Asks for everything that answers with JSON and compares it with the document; returns how many answers there were.
/// Which paths are asked for, below which base, is said for each path of the document.
fn conform(served: &Served, document: &Value, which: impl Fn(&str) -> Option<(String, String)>) -> usize {
    let mut checked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(operation) = item.get("get") else { continue };
        let Some(schema) = operation["responses"]["200"]["content"].get("application/json") else { continue };
        let Some((base, address)) = which(path) else { continue };
        let alert = get(served, &format!("{base}/alerts?limit=1"))["items"][0]["id"].clone();
        let address = address.replace("{id}", alert.as_str().unwrap()).replace("{address}", "127.20.1.3");
        let address = address.replace("{proto}/{device}/{space}/{index}", "modbus/1/holding/101");
        let answer = get(served, &address);
        // The forms stand among the components of the document: the schema is looked up within it.
        let mut whole = json!({ "$ref": "#/wanted", "wanted": schema["schema"] });
        whole["components"] = document["components"].clone();
        let validator = jsonschema::validator_for(&whole).unwrap();
        let wrong: Vec<String> = validator.iter_errors(&answer).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{path}: {wrong:?}");
        // What the form does not know is not sent either.
        if let (Some(of), Some(sent)) = (whole["wanted"]["$ref"].as_str(), answer.as_object()) {
            let form = &document["components"]["schemas"][of.rsplit('/').next().unwrap()];
            let known: BTreeSet<&str> = properties(document, form);
            let unknown: Vec<_> = sent.keys().filter(|key| !known.contains(key.as_str())).collect();
            assert!(known.is_empty() || unknown.is_empty(), "{path} sends {unknown:?}");
        }
        checked += 1;
    }
    checked
}

#[test]
fn a_capture_that_is_sent_has_an_api_of_its_own() {
    let served = demo();
    let capture = std::fs::read(common::ours("captures/demo-plant.pcap")).unwrap();
    let field = "Content-Disposition: form-data; name=\"capture\"; filename=\"=sent.pcap\"";
    let begin = format!("--border\r\n{field}\r\nContent-Type: application/octet-stream\r\n\r\n");
    let form = [begin.as_bytes(), &capture, b"\r\n--border--\r\n"].concat();
    let kind = "Content-Type: multipart/form-data; boundary=border\r\n";
    for _ in 0..2 {
        assert_eq!(served.ask("POST", "/replay", kind, &form).unwrap().status, 303);
    }
    let replays = until("the replays to end", || {
        let replays = get(&served, "/api/v1/replays");
        let all = replays["items"].as_array().unwrap();
        all.iter().all(|replay| replay["state"] == "done").then_some(replays)
    });
    assert_eq!(replays["items"].as_array().unwrap().len(), 2);
    let first = get(&served, "/api/v1/replays?limit=1");
    assert_eq!(first["items"][0], replays["items"][0]);
    let rest = get(&served, &format!("/api/v1/replays?cursor={}", first["next"].as_str().unwrap()));
    assert_eq!((&rest["items"][0], &rest["next"]), (&replays["items"][1], &Value::Null));
    assert_eq!(replays["items"][0]["name"], "=sent.pcap");

    let base = format!("/api/v1/replays/{}", replays["items"][0]["id"].as_str().unwrap());
    let document = get(&served, "/api/v1/openapi.json");
    let checked = conform(&served, &document, |path| {
        let of_a_replay = path.strip_prefix("/api/v1/replays/{replay}")?;
        Some((base.clone(), format!("{base}{of_a_replay}")))
    });
    assert!(checked >= 10, "only {checked} answers");
    for table in ["alerts.csv", "devices.csv", "conversations.csv", "points.csv"] {
        let answer = served.get(&format!("{base}/{table}"));
        assert!(answer.status == 200 && answer.head.contains("text/csv"), "{table}: {}", answer.head);
    }
    let alert = get(&served, &format!("{base}/alerts?limit=1"))["items"][0]["id"].clone();
    let alert = format!("{base}/alerts/{}", alert.as_str().unwrap());
    let packets = served.get(&format!("{alert}/evidence"));
    assert!(packets.status == 200 && packets.head.contains("application/x-pcapng"), "{}", packets.head);
    assert!(packets.body.starts_with("\n\r\r\n"), "no section header");

    // What is changed in one is changed in no other.
    let close = r#"{"state":"closed","note":"a test"}"#;
    assert_eq!(served.ask("POST", &format!("{alert}/state"), JSON, close).unwrap().status, 200);
    assert_eq!(get(&served, &alert)["state"], "closed");
    let other = format!("/api/v1/replays/{}", replays["items"][1]["id"].as_str().unwrap());
    for other in ["/api/v1", &other] {
        assert_eq!(get(&served, &format!("{other}/alerts?state=closed"))["items"], json!([]), "{other}");
    }
}

/// Waits for something.
fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let began = std::time::Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(30), "{what} takes too long");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// The members of a form, those of the forms that it takes up too.
fn properties<'d>(document: &'d Value, form: &'d Value) -> BTreeSet<&'d str> {
    let own = form["properties"].as_object().into_iter().flat_map(|all| all.keys().map(String::as_str));
    let parts = form["allOf"].as_array().into_iter().flatten().flat_map(|part| match part["$ref"].as_str() {
        Some(name) => {
            properties(document, &document["components"]["schemas"][name.rsplit('/').next().unwrap()])
        }
        None => properties(document, part),
    });
    own.chain(parts).collect()
}

#[test]
fn a_list_in_parts_has_every_entry_once() {
    let served = demo();
    for (list, name) in [
        ("alerts?suppressed=all", ["id", "id"]),
        ("devices", ["address", "address"]),
        ("conversations", ["client", "server"]),
        ("points", ["space", "index"]),
        ("points?device=127.20.1.3", ["space", "index"]),
    ] {
        let joined = if list.contains('?') { '&' } else { '?' };
        let whole = get(&served, &format!("/api/v1/{list}{joined}limit=1000"));
        assert_eq!(whole["next"], Value::Null);
        let whole = whole["items"].as_array().unwrap().clone();
        assert!(whole.len() > 3, "{list}: {whole:?}");
        let (mut parts, mut cursor, mut asked) = (Vec::new(), String::new(), 0);
        loop {
            let part = get(&served, &format!("/api/v1/{list}{joined}limit=3{cursor}"));
            let items = part["items"].as_array().unwrap().clone();
            assert!(items.len() <= 3);
            parts.extend(items);
            asked += 1;
            let Some(next) = part["next"].as_str() else { break };
            let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
            cursor = format!("&cursor={next}");
        }
        assert_eq!(parts, whole, "{list} by {name:?}");
        assert_eq!(asked, whole.len().div_ceil(3), "{list}");
    }
}

#[test]
fn what_is_wrong_is_said_as_a_problem() {
    let served = demo();
    for (path, status, said) in [
        ("/api/v1/nothing", 404, "no page"),
        ("/api/v1/alerts/01J0000000000000000000000Z", 404, "no alert"),
        ("/api/v1/devices/10.9.9.9", 404, "10.9.9.9 is known here"),
        ("/api/v1/devices/nobody", 404, "IP or MAC"),
        ("/api/v1/points/127.20.1.3/modbus/1/holding/60000", 404, "no such point"),
        ("/api/v1/replays/none/now", 404, "no replay"),
        ("/api/v1/alerts?severity=bad", 400, "severity = 'bad' is not known"),
        (
            "/api/v1/alerts?severty=high",
            400,
            "'severty' is not known here; what can be asked for is severity",
        ),
        ("/api/v1/alerts?limit=0", 400, "limit = '0' is not a number from 1 to 1000"),
        ("/api/v1/alerts?cursor=x", 400, "cursor = 'x' is no place in this list"),
        ("/api/v1/devices?cursor=10.9.9.9", 400, "no place in this list"),
        ("/api/v1/points?device=x", 400, "device = 'x' is no IP or MAC address"),
        ("/api/v1/alerts?from=yesterday", 400, "from = 'yesterday' is no time"),
        ("/api/v1/now?x=1", 400, "nothing can be asked for"),
    ] {
        let (got, detail) = problem(&served, "GET", path, "", "");
        assert_eq!(got, status, "{path}: {detail}");
        assert!(detail.contains(said), "{path}: {detail}");
    }
    assert_eq!(problem(&served, "DELETE", "/api/v1/alerts", "", "").0, 405);
    let state = "/api/v1/alerts/state";
    assert_eq!(problem(&served, "POST", state, "", "{}").0, 415);
    assert_eq!(problem(&served, "POST", state, JSON, "{").0, 400);
    let (status, detail) = problem(&served, "POST", state, JSON, r#"{"ids":["x"],"state":"gone"}"#);
    assert!(status == 400 && detail.contains("gone"), "{detail}");
    let (status, detail) = problem(&served, "POST", state, JSON, r#"{"ids":[],"state":"closed"}"#);
    assert!(status == 400 && detail.contains("from 1 to 1000"), "{detail}");
    let foreign = format!("{JSON}Origin: http://evil.example\r\n");
    assert_eq!(problem(&served, "POST", state, &foreign, r#"{"ids":["x"],"state":"closed"}"#).0, 403);
}

#[test]
fn what_is_changed_over_the_api_is_in_the_audit_trail() {
    let served = demo();
    let change = |method: &str, path: &str, body: Value| {
        let answer = served.ask(method, path, JSON, body.to_string()).unwrap();
        assert!((200..300).contains(&answer.status), "{path}: {} {}", answer.status, answer.body);
        serde_json::from_str::<Value>(&answer.body).unwrap()
    };
    let ids: Vec<Value> = get(&served, "/api/v1/alerts?limit=2")["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| alert["id"].clone())
        .collect();
    let done = change(
        "POST",
        "/api/v1/alerts/state",
        json!({ "ids": [ids[0], ids[1], "none"], "state": "acknowledged", "note": "seen" }),
    );
    assert_eq!((&done["alerts"], &done["missing"]), (&json!(2), &json!(["none"])));
    let alert = get(&served, &format!("/api/v1/alerts/{}", ids[0].as_str().unwrap()));
    assert_eq!((&alert["state"], &alert["log"][0]["note"]), (&json!("acknowledged"), &json!("seen")));
    assert_eq!(alert["alert"]["id"], ids[0]);
    let one = format!("/api/v1/alerts/{}", ids[1].as_str().unwrap());
    let done = change("POST", &format!("{one}/state"), json!({ "state": "closed", "note": " mended " }));
    assert_eq!((&done["alerts"], &done["missing"]), (&json!(1), &json!([])));
    let log = get(&served, &one)["log"].clone();
    assert_eq!((&log[1]["after"], &log[1]["note"]), (&json!("closed"), &json!("mended")));
    let nowhere = "/api/v1/alerts/01J0000000000000000000000Z/state";
    assert_eq!(problem(&served, "POST", nowhere, JSON, r#"{"state":"closed"}"#).0, 404);
    let both = problem(&served, "POST", &format!("{one}/state"), JSON, r#"{"state":"closed","ids":[]}"#);
    assert!(both.0 == 400 && both.1.contains("ids"), "{both:?}");
    let quiet = json!({ "what": { "src": "127.66.6.6" }, "hours": 8, "reason": "a test" });
    let earlier = change("POST", "/api/v1/suppressions", quiet.clone())["suppression"].clone();
    let number = change("POST", "/api/v1/suppressions", quiet)["suppression"].clone();
    let first = get(&served, "/api/v1/suppressions?limit=1");
    assert_eq!((&first["items"][0]["number"], &first["items"][0]["reason"]), (&number, &json!("a test")));
    assert_eq!(first["next"], number.to_string());
    let rest = get(&served, &format!("/api/v1/suppressions?cursor={number}"));
    assert_eq!((&rest["items"][0]["number"], &rest["next"]), (&earlier, &Value::Null));
    assert_eq!(problem(&served, "GET", "/api/v1/suppressions?cursor=x", "", "").0, 400);
    change("DELETE", &format!("/api/v1/suppressions/{number}"), Value::Null);
    assert_eq!(problem(&served, "DELETE", "/api/v1/suppressions/999", "", "").0, 404);
    let trail = get(&served, "/api/v1/audit");
    let deeds: Vec<&str> =
        trail["items"].as_array().unwrap().iter().map(|item| item["what"].as_str().unwrap()).collect();
    for deed in ["acknowledge", "close", "suppress", "unsuppress"] {
        assert!(deeds.contains(&deed), "{deeds:?}");
    }
}

#[test]
fn no_cell_of_a_table_is_a_formula() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("hostile.pcap");
    hostile(&capture, &[(0, b"=cmd|' /C calc'!A0"), (1, b"@SUM(1,2)\r\n10.9.9.9,\"forged\""), (5, b"+1+1")]);
    let served = Served::start(&[&capture.to_string_lossy()]);
    for table in ["alerts.csv", "devices.csv", "conversations.csv", "points.csv"] {
        let answer = served.get(&format!("/api/v1/{table}"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.head.contains("text/csv") && answer.head.contains("attachment"), "{}", answer.head);
        let mut rows = csv::Reader::from_reader(answer.body.as_bytes());
        for record in rows.records() {
            let record = record.unwrap();
            assert!(
                record.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r'])),
                "{record:?}"
            );
        }
    }
    assert!(served.get("/api/v1/devices.csv").body.contains("'=cmd"));
    let devices = get(&served, "/api/v1/devices");
    let said = devices["items"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|device| device["identification"].as_array().unwrap());
    let said: Vec<&str> = said.map(|statement| statement["value"].as_str().unwrap()).collect();
    assert!(
        said.contains(&"=cmd|' /C calc'!A0") && said.contains(&"@SUM(1,2)\r\n10.9.9.9,\"forged\""),
        "{said:?}"
    );
}

/// Requests made up by somebody else from the document: none crashes, every answer is as the document says.
#[test]
fn schemathesis_finds_nothing() {
    let test = "schemathesis_finds_nothing";
    let program = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("../peers/bin/schemathesis");
    let program = std::env::var_os("SCHEMATHESIS").map_or(program, Into::into);
    if !program.exists() {
        println!("{test}: skipped, schemathesis is not in target/peers");
        return;
    }
    let served = demo();
    let folder = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(std::path::absolute(program).unwrap())
        .current_dir(folder.path())
        .args(["run", &format!("http://127.0.0.1:{}/api/v1/openapi.json", served.port)])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        .args(["--max-examples", "25", "--seed", "1", "--request-timeout", "10"])
        .output()
        .unwrap();
    let said = format!("{}{}", common::out(&output), common::err(&output));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("passed"), "{said}");
}
