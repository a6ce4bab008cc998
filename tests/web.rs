//! The pages as a browser asks for them: every address answers, and nothing that was heard on the wire is HTML.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on fails

mod common;

use common::{Served, hostile};
use wayside::web::routes;

#[test]
fn every_page_answers_with_what_protects_it() {
    let served = Served::start(&["captures/demo-plant.pcap", "--rules", "rules"]);
    let alert = served.alert();
    let mut asked = 0;
    for route in routes::all() {
        let streams = ["/live", "/replay/{replay}/live"].contains(&route.path.as_str());
        if route.method != "GET"
            || streams
            || route.path.starts_with("/replay/{")
            || route.path.contains("/api/")
        {
            continue;
        }
        let path = route.path.replace("{id}", &alert).replace("{address}", "127.20.1.3");
        let path = path.replace("{proto}/{device}/{space}/{index}", "modbus/1/holding/101");
        let path = path.replace("{name}", "app.css");
        let query = if path.ends_with("/file") || path.ends_with("/edit") {
            "?name=rules/pump-station.toml"
        } else {
            ""
        };
        let answer = served.get(&format!("{path}{query}"));
        // What a replay has not: packets of its alerts, rules that can be changed.
        let absent = path.ends_with("/evidence") || path.ends_with("/edit");
        let expected =
            if absent { answer.status == 404 || answer.status == 403 } else { answer.status == 200 };
        assert!(expected || answer.status == 200, "{path}: {} {}", answer.status, answer.body);
        for kept in [
            "content-security-policy: default-src 'none'",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
        ] {
            assert!(answer.head.contains(kept), "{path}: {}", answer.head);
        }
        for never in ["<script>", " style=", " onclick=", "javascript:"] {
            assert!(!answer.body.contains(never), "{path}: {never}");
        }
        asked += 1;
    }
    assert!(asked >= 15, "only {asked} addresses");
    for missing in [
        "/nothing",
        "/alerts/01J0000000000000000000000Z",
        "/devices/10.1.2.3",
        "/devices/nobody",
        "/replay/none",
    ] {
        let answer = served.get(missing);
        assert_eq!(answer.status, 404, "{missing}");
        assert!(
            answer.head.contains("text/html") && answer.body.contains("Wayside"),
            "{missing}: {}",
            answer.body
        );
    }
    let wrong = served.get("/alerts?severity=bad");
    assert!(
        wrong.status == 400
            && (wrong.body.contains("Severity = &#39;bad&#39; is not known")
                || wrong.body.contains("Severity = 'bad' is not known")),
        "{} {}",
        wrong.status,
        wrong.body
    );
}

#[test]
fn what_devices_say_is_text_wherever_it_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("<img src=x onerror=alert(1)>.pcap");
    hostile(
        &capture,
        &[
            (0, b"<script>window.heard = 1</script>"),
            (1, b"\"><svg onload=alert(2)>"),
            (2, b"'; alert(3) //"),
            (4, "\u{202e}gpj.exe".as_bytes()),
            (5, b"</title></textarea><iframe src=javascript:alert(4)>"),
        ],
    );
    let rules = folder.path().join("rules.toml");
    std::fs::write(&rules, "version = 1\n[hosts]\n\"<b>plc</b>\" = \"10.0.0.2\"\n[[deny]]\nname = \"no <i>one</i> & nobody\"\nto = \"any\"\nmay = [\"any\"]\n").unwrap();
    let named = rules.to_string_lossy().into_owned();
    let with_rules = common::run(&["check", &named]);
    let mut arguments = vec![capture.to_string_lossy().into_owned()];
    if with_rules.status.success() {
        arguments.extend(["--rules".to_owned(), named]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let served = Served::start(&arguments);
    let mut shown = 0;
    for path in [
        "/",
        "/alerts",
        "/devices",
        "/devices/10.0.0.2",
        "/map",
        "/points",
        "/rules",
        "/replay",
        "/audit",
        "/devices?q=%3Cscript%3Ealert(5)",
    ] {
        let answer = served.get(path);
        assert_eq!(answer.status, 200, "{path}");
        for never in
            ["<script>", "<svg onload", "<img src=x", "<iframe", "</title></textarea>", "<i>one", "<b>plc"]
        {
            assert!(!answer.body.contains(never), "{path} shows {never}:\n{}", answer.body);
        }
        shown += usize::from(answer.body.contains("&lt;script&gt;window.heard"));
    }
    assert!(shown > 0, "what the device says is not shown at all");
    let device = served.get("/devices/10.0.0.2").body;
    assert!(!device.contains('\u{202e}') || device.contains("<bdi>"), "{device}");
    assert!(served.get("/").body.contains("&lt;img src=x"), "the name of the file is not shown");
}

#[test]
fn nothing_is_changed_for_a_page_of_somebody_else() {
    let served = Served::start(&["captures/demo-plant.pcap", "--rules", "rules"]);
    let alert = served.alert();
    let form = format!("id={alert}&action=acknowledge&note=x");
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    let foreign =
        served.ask("POST", "/alerts/change", &format!("{kind}Origin: http://evil.example\r\n"), &form);
    assert_eq!(foreign.unwrap().status, 403);
    let hidden =
        served.ask("POST", "/alerts/change", &format!("{kind}Sec-Fetch-Site: cross-site\r\n"), &form);
    assert_eq!(hidden.unwrap().status, 403);
    assert!(served.get(&format!("/alerts/{alert}")).body.contains("Nobody has acknowledged it."));
    let own = format!("{kind}Origin: http://127.0.0.1:{}\r\n", served.port);
    let done = served.ask("POST", "/alerts/change", &own, &form).unwrap();
    assert_eq!(done.status, 303, "{}", done.body);
    assert!(!served.get(&format!("/alerts/{alert}")).body.contains("Nobody has acknowledged it."));
    let named = served.ask("GET", "/", "Host: evil.example\r\n", "").unwrap();
    assert!(named.status == 400 || named.status == 421, "{}", named.status);
}

#[test]
fn a_change_of_the_rules_is_tried_against_what_was_heard() {
    let served = Served::start(&["captures/demo-plant.pcap", "--rules", "rules"]);
    let text = std::fs::read_to_string(common::ours("rules/pump-station.toml")).unwrap();
    let try_it = |text: &str| {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("name", "rules/pump-station.toml"), ("action", "try"), ("text", text)])
            .finish();
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        let answer = served.ask("POST", "/rules/try", kind, &form).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    };
    let same = try_it(&text);
    assert!(same.contains("means the same") && same.contains("no difference to any"), "{same}");
    let narrower = try_it(&text.replace("values = \"0..450\"", "values = \"0..310\""));
    let would = narrower.split("Would raise an alert").nth(1).expect(&narrower);
    assert!(would.contains("scada wrote 320 to holding register 101 of booster"), "{would}");
    assert!(would.contains("scada wrote 390") && !would.contains("Would be let pass"), "{would}");
    let wider = try_it(&text.replace("values = \"0..450\"", "values = \"0..999\""));
    let would_not = wider.split("Would be let pass").nth(1).expect(&wider);
    assert!(would_not.contains("scada wrote 900 to holding register 101 of booster"), "{would_not}");
    assert!(!wider.contains("Would raise an alert"), "{wider}");
    let wrong = try_it(&text.replace("may = [\"write\"]", "may = [\"wrte\"]"));
    assert!(wrong.contains("It would not load: nothing is changed."), "{wrong}");
}
