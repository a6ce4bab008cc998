//! An operator's shift in a real browser: a sensor watches the demo plant on the loopback interface, Chromium shows its
//! pages. Skipped, saying so, where there is no Chromium or capture is not allowed.
//!
//! With `WAYSIDE_SCREENS=1` the pictures of all pages in docs/screens are made anew.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

#[path = "common/browser.rs"]
mod browser;
mod common;

use browser::{Browser, Look, until};
use common::{err, has, ours, wayside};
use serde_json::json;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A sensor that watches the demo plant.
struct Sensor {
    child: Child,
    folder: tempfile::TempDir,
    web: u16,
}

impl Sensor {
    fn start(test: &str) -> Option<Sensor> {
        let folder = tempfile::tempdir().unwrap();
        let web = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        std::fs::create_dir(folder.path().join("rules")).unwrap();
        for rules in ["pump-station.toml", "rail-yard.toml"] {
            std::fs::copy(ours(&format!("rules/{rules}")), folder.path().join("rules").join(rules)).unwrap();
        }
        let config = format!(
            "[sensor]\nname = \"demo plant\"\n[[interface]]\nname = \"lo\"\n\
             filter = \"tcp and (net 127.20.0.0/16 or net 127.30.0.0/16)\"\n[rules]\npaths = [\"rules\"]\n[alerts]\nwindow = 5\n\
             [evidence]\nfolder = \"evidence\"\n[store]\nfile = \"wayside.db\"\n[web]\nlisten = \"127.0.0.1:{web}\"\n"
        );
        std::fs::write(folder.path().join("wayside.toml"), config).unwrap();
        let mut run = wayside();
        run.args(["run", "-c"]).arg(folder.path().join("wayside.toml"));
        let mut child = run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let ended = until("the sensor", || {
            if let Ok(Some(_)) = child.try_wait() {
                return Some(true);
            }
            std::net::TcpStream::connect(("127.0.0.1", web)).is_ok().then_some(false)
        });
        if ended {
            let said = err(&child.wait_with_output().unwrap());
            assert!(said.contains("CAP_NET_RAW"), "{said}");
            println!("{test}: skipped, no permission to capture");
            return None;
        }
        Some(Sensor { child, folder, web })
    }

    fn page(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.web)
    }

    fn rules(&self) -> String {
        let file = |name: &str| std::fs::read_to_string(self.folder.path().join("rules").join(name)).unwrap();
        file("pump-station.toml") + &file("rail-yard.toml")
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets the demo plant play its story, and waits for its end.
fn story() -> Child {
    let mut plant = wayside();
    plant.args(["demo", "--plant-only", "--pace", "6"]).stdout(Stdio::null()).stderr(Stdio::null());
    plant.spawn().unwrap()
}

/// What axe-core finds wrong with the page that is open, a line each.
fn faults(browser: &mut Browser, axe: &str) -> Vec<String> {
    browser.eval(axe);
    let found = browser.eval(
        "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })\
         .then((r) => r.violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${v.help}: ${n.html.slice(0, 200)} ${n.any.map((a) => a.message).join('; ')}`)))",
    );
    found.as_array().unwrap().iter().map(|fault| fault.as_str().unwrap().to_owned()).collect()
}

/// The link on the page whose text holds this.
fn link(text: &str) -> String {
    let text = json!(text);
    format!("[...document.querySelectorAll('main a')].find((a) => a.textContent.includes({text}))")
}

fn button(text: &str) -> String {
    let text = json!(text);
    format!(
        "[...document.querySelectorAll('main button')].find((b) => b.textContent.trim() === {text} && !b.hidden)"
    )
}

#[test]
fn an_operators_shift() {
    let test = "an_operators_shift";
    let Some(mut browser) = Browser::start(test) else { return };
    let Some(mut sensor) = Sensor::start(test) else { return };
    let downloads = tempfile::tempdir().unwrap();
    browser.download_into(downloads.path());

    // The page is open before anything happens, and nothing but what is sent to it changes it.
    browser.open(&sensor.page(""));
    browser.eval("window.isTheSame = true");
    browser.until("the page to be live", "document.getElementById('lamp').textContent === 'Live'");
    let mut plant = story();
    browser.until("the intruder", "document.querySelector('#part-state .word')?.textContent === 'Act'");
    plant.wait().unwrap();
    browser
        .until("the pumps", "document.getElementById('part-incidents').textContent.includes('127.66.6.6')");
    assert_eq!(browser.eval("window.isTheSame"), true, "the page was loaded again");
    assert!(browser.eval("document.title").as_str().unwrap().starts_with("Act · "));

    // He opens the worst incident; its packets can be had, and a decoder other than ours reads them.
    browser.click(&link("Open the alert"), true);
    let id = browser.address().rsplit('/').next().unwrap().to_owned();
    let summary = browser.text("h1");
    assert!(summary.contains("127.66.6.6"), "{summary}");
    until("the packets", || {
        browser.reload();
        (browser.eval(&format!("!!{}", link("Download"))) == true).then_some(())
    });
    browser.click(&link("Download"), false);
    let file = until("the download", || {
        let mut files = std::fs::read_dir(downloads.path()).unwrap().map(|file| file.unwrap().path());
        files.find(|file| file.extension().is_some_and(|kind| kind == "pcapng"))
    });
    if has("tshark", test) {
        let read = Command::new("tshark")
            .arg("-r")
            .arg(&file)
            .args(["-T", "fields", "-e", "frame.comment"])
            .output();
        let read = read.unwrap();
        let said = String::from_utf8_lossy(&read.stdout);
        assert!(read.status.success() && said.contains(&id), "{said}\n{}", err(&read));
    }

    // He takes it over.
    browser.click("document.querySelector('textarea[name=note]')", false);
    browser.type_text("Called the yard: <nobody> is \"there\"");
    browser.click(&button("Acknowledge"), true);
    let said = browser.text("main");
    assert!(said.contains("acknowledged") && said.contains("<nobody> is \"there\""), "{said}");

    // An alert that he thinks is as it should be: he allows exactly it.
    let raised = |browser: &mut Browser, words: &str| {
        let list = json!(format!("/api/v1/alerts?suppressed=all&limit=1000&q={words}"));
        let ask = format!("fetch({list}).then((answer) => answer.json()).then((list) => list.items.length)");
        browser.eval(&ask).as_u64().unwrap()
    };
    browser.open(&sensor.page("alerts"));
    browser.click(&link("900"), true);
    let before = sensor.rules();
    browser.click(&button("Add it to the rules"), true);
    let after = sensor.rules();
    assert!(after.len() > before.len() && after.contains("900"), "{after}");
    browser.open(&sensor.page("rules"));
    until("the rules to be in force", || {
        browser.reload();
        browser.text("main").contains("900").then_some(())
    });

    // The same day again: what he allowed stays quiet, what he did not goes on.
    let (mistakes, intrusions) = (raised(&mut browser, "900"), raised(&mut browser, "127.66.6.6"));
    assert_eq!(mistakes, 1);
    std::thread::sleep(std::time::Duration::from_secs(6));
    story().wait().unwrap();
    until("the intruder again", || (raised(&mut browser, "127.66.6.6") > intrusions).then_some(()));
    assert_eq!(raised(&mut browser, "900"), 1, "what was allowed alerts still");
    browser.open(&sensor.page("audit"));
    let trail = browser.text("main");
    assert!(trail.contains("local") && trail.contains("rule added"), "{trail}");

    by_keyboard(&mut browser, &sensor);
    every_page(&mut browser, &sensor, &id, test);

    // A page that is no longer live says so.
    browser.open(&sensor.page(""));
    sensor.child.kill().unwrap();
    sensor.child.wait().unwrap();
    browser.until("the page to say that it is old", "document.body.classList.contains('stale')");
    assert!(browser.text(".banner.stale-only").contains("not live"));
}

/// The same with the keyboard alone: open an alert, take it over, look at its device.
fn by_keyboard(browser: &mut Browser, sensor: &Sensor) {
    browser.open(&sensor.page(""));
    browser.press("Tab");
    assert_eq!(browser.eval("document.activeElement.textContent"), "Skip to the content");
    browser.enter_here();
    browser.tab_to(
        "an open alert",
        "e.closest('#part-incidents') && e.pathname.startsWith('/alerts/') && !e.closest('.done')",
    );
    browser.enter();
    assert!(browser.address().contains("/alerts/"));
    browser.tab_to("the note", "e.name === 'note'");
    browser.type_text("by keyboard");
    browser.tab_to("the button", "e.textContent.trim() === 'Acknowledge'");
    browser.enter();
    assert!(browser.text("main").contains("by keyboard"), "{}", browser.text("main"));
    browser.open(&sensor.page("map"));
    browser.tab_to("a device on the map", "e.closest('svg.map') && e.classList.contains('device')");
    browser.enter();
    assert!(browser.address().contains("/devices/"), "{}", browser.address());
}

/// Every page, wide and narrow, light and dark: axe-core finds nothing, nothing is wider than the screen.
fn every_page(browser: &mut Browser, sensor: &Sensor, alert: &str, test: &str) {
    let axe = std::fs::read_to_string(axe_core());
    if axe.is_err() {
        println!("{test}: axe-core skipped, it is not in target/peers");
    }
    let pages = [
        ("now", String::new()),
        ("alerts", "alerts".into()),
        ("alert", format!("alerts/{alert}")),
        ("devices", "devices".into()),
        ("device", "devices/127.20.1.3".into()),
        ("map", "map".into()),
        ("points", "points?device=127.20.1.3".into()),
        ("point", "points/127.20.1.3/modbus/1/holding/101".into()),
        ("rules", "rules".into()),
        ("rule-file", format!("rules/file?name={}/rules/pump-station.toml", sensor.folder.path().display())),
        ("replay", "replay".into()),
        ("audit", "audit".into()),
        ("users", "users".into()),
        ("login", "login".into()),
    ];
    let screens = screens();
    let mut faulty = Vec::new();
    for look in Look::ALL {
        browser.look(look);
        for (name, path) in &pages {
            browser.open(&sensor.page(path));
            assert!(!browser.text("h1").contains("There is no"), "{path}: {}", browser.text("main"));
            let wider = browser.eval("document.documentElement.scrollWidth - innerWidth");
            if wider.as_i64().is_none_or(|wider| wider > 0) {
                faulty.push(format!("{name}, {}: wider than the screen by {wider}", look.name()));
            }
            if let Ok(axe) = &axe {
                let found = faults(browser, axe);
                faulty.extend(found.into_iter().map(|fault| format!("{name}, {}: {fault}", look.name())));
            }
            std::fs::write(screens.join(format!("{name}-{}.webp", look.name())), browser.picture(1800))
                .unwrap();
        }
    }
    browser.look(Look::Light);
    assert!(faulty.is_empty(), "{}", faulty.join("\n"));
}

/// Where pictures go.
fn screens() -> PathBuf {
    let folder = match std::env::var_os("WAYSIDE_SCREENS") {
        Some(_) => PathBuf::from(ours("docs/screens")),
        None => Path::new(env!("CARGO_TARGET_TMPDIR")).join("screens"),
    };
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The script that looks for barriers, from npm.
fn axe_core() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../peers/axe.min.js")
}

#[test]
fn what_devices_say_is_never_run() {
    let test = "what_devices_say_is_never_run";
    let Some(mut browser) = Browser::start(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("<img src=x onerror=heard()>.pcap");
    let text: [(u8, &[u8]); 4] = [
        (0, b"<script>heard()</script>"),
        (1, b"\"><svg onload=heard()>"),
        (2, b"<img src=x onerror=heard()>"),
        (5, b"</title></textarea><iframe srcdoc='<script>parent.heard()</script>'>"),
    ];
    common::hostile(&capture, &text);
    let served = common::Served::start(&[&capture.to_string_lossy()]);
    for path in ["", "alerts", "devices", "devices/10.0.0.2", "map", "points", "rules", "replay", "audit"] {
        browser.open(&format!("http://127.0.0.1:{}/{path}", served.port));
        let made = browser
            .eval("document.querySelectorAll('main img, main iframe, main script, main svg[onload]').length");
        assert_eq!(made, 0, "{path}");
        // And were there a script in a page, it would not be run: only those in files of ours are.
        let add = "(() => { const s = document.createElement('script'); s.textContent = 'window.heard = 1'; document.body.append(s); return window.heard ?? null; })()";
        assert_eq!(
            browser.eval(add),
            serde_json::Value::Null,
            "{path}: the policy lets a script in a page run"
        );
    }
    browser.open(&format!("http://127.0.0.1:{}/devices/10.0.0.2", served.port));
    assert!(browser.text("main").contains("<script>heard()</script>"), "{}", browser.text("main"));
}
