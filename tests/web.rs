//! The pages as a browser asks for them: every address answers, and nothing that was heard on the wire is HTML.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod common;

use common::{hostile, wayside};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use wayside::web::routes;

/// A replay whose pages are served.
struct Served {
    child: Child,
    port: u16,
}

/// An answer.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Served {
    fn start(arguments: &[&str]) -> Served {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut replay = wayside();
        replay
            .args(["replay", "--quiet", "--serve", "--listen", &format!("127.0.0.1:{port}")])
            .args(arguments);
        let child = replay.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let served = Served { child, port };
        let began = Instant::now();
        while served.ask("GET", "/readyz", "", "").is_none_or(|answer| answer.status != 200) {
            assert!(began.elapsed() < Duration::from_secs(30), "the page does not come");
            std::thread::sleep(Duration::from_millis(20));
        }
        served
    }

    fn ask(&self, method: &str, path: &str, head: &str, body: &str) -> Option<Answer> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        let length = body.len();
        let host = format!("127.0.0.1:{}", self.port);
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text).ok()?;
        let text = String::from_utf8_lossy(&text);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Answer { status, head: head.to_lowercase(), body: body.to_owned() })
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", "").unwrap()
    }

    /// The address of the first alert.
    fn alert(&self) -> String {
        let list = self.get("/alerts").body;
        let at = list.find("href=\"/alerts/01").unwrap() + "href=\"/alerts/".len();
        list[at..at + 26].to_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

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
        let path = route.path.replace("{id}", &alert).replace("{address}", "127.20.0.12");
        let path = path.replace("{proto}/{device}/{space}/{index}", "modbus/1/holding/101");
        let path = path.replace("{name}", "app.css");
        let query =
            if path.ends_with("/file") || path.ends_with("/edit") { "?name=pump-station.toml" } else { "" };
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
    assert!(wrong.status == 400 && wrong.body.contains("severity"), "{} {}", wrong.status, wrong.body);
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
    let named = served.ask("GET", "/", "X: y\r\nHost: evil.example\r\n", "").unwrap();
    assert!(named.status == 400 || named.status == 421, "{}", named.status);
}
