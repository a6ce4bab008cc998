//! Drives Chromium as somebody with a mouse or a keyboard would, over the protocol of its developer tools.
#![allow(dead_code)] // each test file uses a part

use serde_json::{Value, json};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long the browser may take to answer.
const ANSWER: Duration = Duration::from_secs(45);

/// A browser with one page.
pub struct Browser {
    child: Child,
    socket: WebSocket<TcpStream>,
    session: String,
    asked: u64,
    _profile: tempfile::TempDir,
}

/// How the page is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// A wide screen, light.
    Light,
    /// A wide screen, dark.
    Dark,
    /// A phone, light.
    Phone,
}

impl Look {
    /// All of them.
    pub const ALL: [Look; 3] = [Look::Light, Look::Dark, Look::Phone];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Look::Light => "light",
            Look::Dark => "dark",
            Look::Phone => "phone",
        }
    }
}

impl Browser {
    /// Starts one; `None`, saying so, where there is none.
    pub fn start(test: &str) -> Option<Browser> {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let version = |name: &&str| {
            Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status()
        };
        let Some(name) = names.iter().find(|name| version(name).is_ok_and(|status| status.success())) else {
            println!("{test}: skipped, there is no Chromium");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let child = Command::new(name)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            .args(["--disable-background-networking", "--hide-scrollbars", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let port = until("the browser", || {
            let text = std::fs::read_to_string(profile.path().join("DevToolsActivePort")).ok()?;
            let (port, path) = text.split_once('\n')?;
            Some((port.parse::<u16>().ok()?, path.trim().to_owned()))
        });
        let stream = TcpStream::connect(("127.0.0.1", port.0)).unwrap();
        let (socket, _) =
            tungstenite::client(format!("ws://127.0.0.1:{}{}", port.0, port.1), stream).unwrap();
        socket.get_ref().set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut browser = Browser { child, socket, session: String::new(), asked: 0, _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attach);
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        browser.call("Page.enable", json!({}));
        browser.look(Look::Light);
        Some(browser)
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.try_call(method, parameters).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn try_call(&mut self, method: &str, parameters: Value) -> Result<Value, String> {
        self.asked += 1;
        let mut request = json!({ "id": self.asked, "method": method, "params": parameters });
        if !self.session.is_empty() && !method.starts_with("Browser.") {
            request["sessionId"] = self.session.clone().into();
        }
        self.socket.send(Message::text(request.to_string())).unwrap();
        let began = Instant::now();
        loop {
            let text = match self.socket.read() {
                Ok(Message::Text(text)) => text,
                Ok(_) => continue,
                // A page that is about to be left may never answer.
                Err(tungstenite::Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if began.elapsed() > ANSWER {
                        return Err("no answer".into());
                    }
                    continue;
                }
                Err(error) => panic!("{method}: {error}"),
            };
            let answer: Value = serde_json::from_str(&text).unwrap();
            if answer["id"].as_u64() != Some(self.asked) {
                continue;
            }
            return match answer.get("error") {
                Some(error) => Err(error.to_string()),
                None => Ok(answer["result"].clone()),
            };
        }
    }

    /// Opens an address and waits until it is there.
    pub fn open(&mut self, address: &str) {
        let answer = self.call("Page.navigate", json!({ "url": address }));
        assert!(
            answer.get("errorText").is_none_or(|error| error == "net::ERR_ABORTED"),
            "{address}: {answer}"
        );
        self.until("the page", "document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// Loads the page again.
    pub fn reload(&mut self) {
        self.eval("window.isOld = true");
        let address = self.address();
        self.call("Page.navigate", json!({ "url": address }));
        self.until("the page again", "!window.isOld && document.readyState === 'complete'");
    }

    /// What an expression of JavaScript is.
    pub fn eval(&mut self, expression: &str) -> Value {
        self.try_eval(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    fn try_eval(&mut self, expression: &str) -> Result<Value, String> {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.try_call("Runtime.evaluate", asked)?;
        match answer.get("exceptionDetails") {
            Some(details) => Err(details.to_string()),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// Waits until an expression is true.
    pub fn until(&mut self, what: &str, expression: &str) {
        let began = Instant::now();
        // While a page changes there is nothing to ask.
        while self.try_eval(expression) != Ok(Value::Bool(true)) {
            if began.elapsed() > PATIENCE {
                let text = self.text("main");
                panic!("waited in vain for {what} ({expression}) on:\n{text}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The text of what a selector finds first.
    pub fn text(&mut self, selector: &str) -> String {
        let selector = json!(selector);
        let text = self.eval(&format!("document.querySelector({selector})?.innerText ?? ''"));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Where the browser is.
    pub fn address(&mut self) -> String {
        self.eval("location.href").as_str().unwrap_or_default().to_owned()
    }

    /// Clicks, with the mouse, on what an expression gives, and waits for the page that it leads to, if any.
    pub fn click(&mut self, element: &str, leads: bool) {
        self.until("something to click", &format!("!!({element})"));
        let place = self.eval(&format!(
            "(() => {{ const e = {element}; e.scrollIntoView({{ block: 'center', behavior: 'instant' }}); \
             const r = e.getClientRects()[0]; return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
        ));
        self.eval("window.isOld = true");
        for kind in ["mousePressed", "mouseReleased"] {
            let event =
                json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event);
        }
        if leads {
            self.until("the page behind a click", "!window.isOld && document.readyState === 'complete'");
        }
    }

    /// Types text into what has the focus.
    pub fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Tab" => (9, ""),
            " " => (32, " "),
            _ => panic!("no such key: {key}"),
        };
        let name = if key == " " { "Space" } else { key };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({ "type": kind, "key": key, "code": name, "windowsVirtualKeyCode": code });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Presses the tab key until what has the focus (`e`) is what an expression says.
    ///
    /// Everything on the way must show that it has the focus.
    pub fn tab_to(&mut self, what: &str, is_it: &str) {
        for _ in 0..200 {
            self.press("Tab");
            let seen = self.eval(&format!(
                "(() => {{ const e = document.activeElement; const style = getComputedStyle(e); \
                 return [e === document.body || style.outlineStyle !== 'none', e.outerHTML.slice(0, 120), !!({is_it})]; }})()"
            ));
            assert_eq!(seen[0], true, "the focus cannot be seen on {}", seen[1]);
            if seen[2] == true {
                return;
            }
        }
        panic!("the tab key never comes to {what} ({is_it})");
    }

    /// Presses Enter on what has the focus and waits for the page that it leads to.
    pub fn enter(&mut self) {
        self.eval("window.isOld = true");
        self.press("Enter");
        self.until("the page behind a key", "!window.isOld && document.readyState === 'complete'");
    }

    /// Presses Enter on what has the focus, which leads to a place on the same page.
    pub fn enter_here(&mut self) {
        self.press("Enter");
    }

    /// Where downloads go.
    pub fn download_into(&mut self, folder: &Path) {
        let behaviour = json!({ "behavior": "allow", "downloadPath": folder });
        self.call("Browser.setDownloadBehavior", behaviour);
    }

    /// Looks at the page in another way.
    pub fn look(&mut self, look: Look) {
        let (width, height, phone) = if look == Look::Phone { (390, 844, true) } else { (1400, 900, false) };
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = if look == Look::Dark { "dark" } else { "light" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// A picture of the whole page as WebP, at most so many pixels high.
    pub fn picture(&mut self, most: u64) -> Vec<u8> {
        let size = self.eval("[innerWidth, document.documentElement.scrollHeight]");
        let height = size[1].as_f64().unwrap().min(most as f64);
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": height, "scale": 1 });
        let taken = self.call(
            "Page.captureScreenshot",
            json!({ "format": "webp", "quality": 82, "captureBeyondViewport": true, "clip": clip }),
        );
        octets(taken["data"].as_str().unwrap())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Base 64 (RFC 4648, section 4) as octets.
fn octets(text: &str) -> Vec<u8> {
    let (mut out, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    out
}
