//! Who may do what: every route for every role, logging in and out, sessions that end, limits, TLS by the real binary.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod common;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use common::{err, out, wayside};
use http_body_util::BodyExt;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tower::ServiceExt;
use wayside::metrics::Metrics;
use wayside::sensor::{live, player::Player};
use wayside::store::{Actor, Role, Store};
use wayside::web::access::secret::Secret;
use wayside::web::access::{Access, Settings, password};
use wayside::web::gate::Peer;
use wayside::web::replays::Replays;
use wayside::web::site::Site;
use wayside::web::{Ready, Shared, routes};

const WORD: &str = "correct horse battery";
const MINUTE: i64 = 60 * 1_000_000_000;
const HOUR: i64 = 60 * MINUTE;

fn real_now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

/// A server without a socket, with a clock that can be moved.
struct House {
    router: Router,
    store: Store,
    metrics: Arc<Metrics>,
    clock: Arc<AtomicI64>,
    tokens: Vec<(Role, String)>,
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Option<Body>,
}

impl Answer {
    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn to(&self) -> &str {
        self.header(header::LOCATION)
    }

    fn cookie(&self) -> String {
        self.header(header::SET_COOKIE).split(';').next().unwrap().to_owned()
    }

    async fn text(&mut self) -> String {
        let octets = self.body.take().unwrap().collect().await.unwrap().to_bytes();
        String::from_utf8_lossy(&octets).into_owned()
    }
}

impl House {
    /// Without users.
    fn empty(settings: Settings) -> House {
        let store = Store::in_memory().unwrap();
        let metrics = Arc::new(Metrics::new());
        let clock = Arc::new(AtomicI64::new(real_now()));
        let time = clock.clone();
        let site = Site::live("test".into(), store.clone(), live::inventory(), Vec::new());
        let shared = Shared {
            metrics: metrics.clone(),
            ready: Ready::default(),
            live: Arc::new(site),
            replays: Replays::new(Arc::new(Player)),
            access: Arc::new(Access::with_clock(settings, move || time.load(Ordering::Relaxed))),
        };
        House { router: routes::router(&shared), store, metrics, clock, tokens: Vec::new() }
    }

    /// With a user and a token of each role, their names those of the roles.
    fn full(settings: Settings) -> House {
        let mut house = House::empty(settings);
        let setup = Actor::new("setup", Role::Administer);
        let hash = password::hash(WORD).unwrap();
        for role in [Role::Administer, Role::Operate, Role::View] {
            house.store.add_user(&setup, role.name(), role, &hash).unwrap();
            let token = Secret::token().unwrap();
            house.store.add_token(&setup, role.name(), role, &token.hash(), None).unwrap();
            house.tokens.push((role, token.text().to_owned()));
        }
        house
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        Answer { status: parts.status, headers: parts.headers, body: Some(body) }
    }

    async fn get(&self, path: &str, cookie: &str) -> Answer {
        self.send(ask(Method::GET, path, &[("cookie", cookie)], "")).await
    }

    async fn post(&self, path: &str, cookie: &str, form: &str) -> Answer {
        self.send(ask(Method::POST, path, &[("cookie", cookie)], form)).await
    }

    async fn login_from(&self, from: &str, name: &str, word: &str) -> Answer {
        let form = format!("name={name}&password={}", word.replace(' ', "+"));
        let mut request = ask(Method::POST, "/login", &[("origin", "https://127.0.0.1")], &form);
        request.extensions_mut().insert(Peer(from.parse::<IpAddr>().unwrap()));
        self.send(request).await
    }

    /// The cookie of a new session.
    async fn login(&self, name: &str) -> String {
        let answer = self.login_from("10.0.0.1", name, WORD).await;
        assert_eq!((answer.status, answer.to()), (StatusCode::SEE_OTHER, "/"), "{name}");
        answer.cookie()
    }

    fn pass(&self, nanos: i64) {
        self.clock.fetch_add(nanos, Ordering::Relaxed);
    }

    fn trail(&self) -> Vec<String> {
        let records = self.store.read(|reader| reader.audit(None, 1000)).unwrap().items;
        let line = |record: &wayside::store::AuditRecord| {
            let entry = &record.entry;
            format!(
                "{} {}: {} {}",
                record.who,
                entry.what,
                entry.subject,
                entry.note.as_deref().unwrap_or("")
            )
        };
        records.iter().map(line).collect()
    }
}

fn ask(method: Method, path: &str, headers: &[(&str, &str)], form: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, *value);
    }
    if !form.is_empty() {
        request = request.header("content-type", "application/x-www-form-urlencoded");
    }
    request.body(Body::from(form.to_owned())).unwrap()
}

fn remote() -> Settings {
    Settings { loopback: false, tls: true, names: vec!["sensor.example".into()], ..Settings::default() }
}

/// A path of a route with something plausible in the place of its parameters.
fn filled(path: &str) -> String {
    let part = |part: &str| {
        match part {
            "{replay}" => "01J00000000000000000000000",
            "{id}" => "01J00000000000000000000001",
            "{address}" => "10.0.0.1",
            "{proto}" => "modbus",
            "{device}" | "{index}" => "1",
            "{space}" => "holding",
            "{name}" => "app.css",
            _ if part.starts_with('{') => "1",
            _ => part,
        }
        .to_owned()
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn each_role_can_do_what_it_may_on_every_route_and_nothing_else() {
    let house = House::full(remote());
    let mut sessions = Vec::new();
    for role in Role::ALL {
        sessions.push((role, house.login(role.name()).await));
    }
    let bearer = |token: &str| format!("Bearer {token}");
    let mut who: Vec<(Option<Role>, String, String)> = vec![(None, String::new(), String::new())];
    who.extend(sessions.iter().map(|(role, cookie)| (Some(*role), cookie.clone(), String::new())));
    who.extend(house.tokens.iter().map(|(role, token)| (Some(*role), String::new(), bearer(token))));
    let all = routes::all();
    assert!(all.len() > 40, "{} routes", all.len());
    for route in &all {
        let path = filled(&route.path);
        if path == "/logout" || path == "/login" {
            assert_eq!(route.role, None);
            continue;
        }
        for (role, cookie, token) in &who {
            let headers = [("cookie", cookie.as_str()), ("authorization", token.as_str())];
            let answer = house.send(ask(route.method.clone(), &path, &headers, "")).await;
            let (status, said) = (answer.status, format!("{} {path} as {role:?} {token}", route.method));
            let policy = answer.header(header::CONTENT_SECURITY_POLICY);
            assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{said}");
            assert!(!policy.contains("unsafe") && !policy.contains('*'), "{said}");
            assert_eq!(answer.header(header::STRICT_TRANSPORT_SECURITY), "max-age=31536000", "{said}");
            assert!(!status.is_server_error() || path == "/readyz", "{said}: {status}");
            match (route.role, role) {
                (Some(_), None)
                    if route.method == Method::GET && !path.starts_with("/api/") && path != "/metrics" =>
                {
                    assert_eq!(status, StatusCode::SEE_OTHER, "{said}");
                    assert!(answer.to().starts_with("/login?to="), "{said}: {}", answer.to());
                }
                (Some(_), None) => {
                    assert_eq!(status, StatusCode::UNAUTHORIZED, "{said}");
                    assert_eq!(answer.header(header::WWW_AUTHENTICATE), "Bearer");
                    if path.starts_with("/api/") {
                        assert_eq!(answer.header(header::CONTENT_TYPE), "application/problem+json");
                    }
                }
                (Some(needed), Some(role)) if *role < needed => {
                    assert_eq!(status, StatusCode::FORBIDDEN, "{said}")
                }
                _ => {
                    assert!(
                        status != StatusCode::FORBIDDEN && status != StatusCode::UNAUTHORIZED,
                        "{said}: {status}"
                    );
                    assert!(!answer.to().starts_with("/login"), "{said}");
                }
            }
        }
    }
    // What changes something is never for those who may only look.
    assert!(all.iter().all(|route| route.method == Method::GET || route.role != Some(Role::View)));
    let open: Vec<&str> =
        all.iter().filter(|route| route.role.is_none()).map(|route| route.path.as_str()).collect();
    assert_eq!(open, ["/healthz", "/readyz", "/assets/{name}", "/login", "/login", "/logout"]);
}

#[tokio::test]
async fn what_is_no_token_is_said_to_be_none() {
    let house = House::full(remote());
    let mut answer =
        house.send(ask(Method::GET, "/metrics", &[("authorization", "Bearer nonsense")], "")).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.text().await.contains("This token is not known or no longer valid"));
    let basic = house.send(ask(Method::GET, "/", &[("authorization", "Basic eDp5")], "")).await;
    assert_eq!(basic.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn where_there_are_no_users_this_machine_is_the_administrator() {
    let house = House::empty(Settings::default());
    assert_eq!(house.get("/users", "").await.status, StatusCode::OK);
    assert_eq!(house.get("/metrics", "").await.status, StatusCode::OK);
    let add = |name: &str, role: &str| {
        format!("action=add-user&name={name}&role={role}&password={}", WORD.replace(' ', "+"))
    };
    let mut refused = house.post("/users", "", &add("smith", "view")).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text().await.contains("Add a user with the role 'administer' first"));
    let token = house.post("/users", "", "action=add-token&name=historian&role=view").await;
    assert_eq!(token.status, StatusCode::CONFLICT, "nobody could log in any more");
    assert_eq!(house.post("/users", "", &add("smith", "administer")).await.to(), "/users?done=added");
    assert_eq!(house.get("/users", "").await.to(), "/login?to=%2Fusers", "from now on everybody logs in");
    assert_eq!(house.get("/metrics", "").await.status, StatusCode::OK, "open on this machine");
    let cookie = house.login("smith").await;
    assert_eq!(house.get("/users", &cookie).await.status, StatusCode::OK);
    // Where others can come, nobody is let in without being known.
    let house = House::empty(remote());
    assert_eq!(house.get("/", "").await.status, StatusCode::SEE_OTHER);
    assert_eq!(house.get("/metrics", "").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_session_ends() {
    let house = House::full(remote());
    let into = async |cookie: &str| house.get("/alerts", cookie).await.status == StatusCode::OK;
    // Unused.
    let cookie = house.login("view").await;
    house.pass(59 * MINUTE);
    assert!(into(&cookie).await);
    tokio::time::sleep(Duration::from_millis(300)).await;
    house.pass(59 * MINUTE);
    assert!(into(&cookie).await, "it was used meanwhile");
    house.pass(2 * HOUR);
    assert!(!into(&cookie).await);
    // However much it is used.
    let cookie = house.login("view").await;
    for _ in 0..23 {
        house.pass(30 * MINUTE);
        assert!(into(&cookie).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    house.pass(30 * MINUTE);
    assert!(!into(&cookie).await, "after twelve hours");
    // By whoever has it.
    let cookie = house.login("view").await;
    let gone = house.post("/logout", &cookie, "").await;
    assert_eq!((gone.status, gone.to()), (StatusCode::SEE_OTHER, "/login"));
    assert!(gone.header(header::SET_COOKIE).contains("Max-Age=0"));
    assert!(!into(&cookie).await);
    // By what an administrator does: password, role, removal, end of that session.
    let admin = house.login("administer").await;
    let other = format!("{}+two", WORD.replace(' ', "+"));
    for deed in [
        format!("action=password&name=operate&password={other}"),
        "action=role&name=operate&role=view".to_owned(),
        "action=end-session&session=".to_owned(),
        "action=remove-user&name=operate".to_owned(),
    ] {
        let word = if deed.starts_with("action=password") { WORD } else { "correct horse battery two" };
        let cookie = house.login_from("10.0.0.1", "operate", word).await.cookie();
        assert!(into(&cookie).await, "{deed}");
        let hash = Secret::from(cookie.split('=').nth(1).unwrap()).hash();
        let deed = deed.replace("session&session=", &format!("session&session={hash}"));
        let done = house.post("/users", &admin, &deed).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{deed}");
        assert!(!into(&cookie).await, "{deed}");
    }
    assert!(into(&admin).await);
    let trail = house.trail();
    for line in [
        "view login: user view from 10.0.0.1",
        "view logout: user view ",
        "administer set password: user operate ",
        "administer set user: user operate ",
        "administer end session: user operate ",
        "administer remove user: user operate ",
    ] {
        assert!(trail.iter().any(|said| said == line), "{line} in {trail:#?}");
    }
}

#[tokio::test]
async fn attempts_are_limited_counted_and_in_the_trail() {
    let house = House::full(remote());
    for _ in 0..5 {
        let mut answer = house.login_from("10.9.0.1", "operate", "wrong wrong wrong").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.header(header::SET_COOKIE).is_empty());
        assert!(answer.text().await.contains("The name or the password is wrong."));
    }
    let limited = house.login_from("10.9.0.1", "operate", WORD).await;
    assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS, "even the right one waits");
    let wait: i64 = limited.header(header::RETRY_AFTER).parse().unwrap();
    assert!((1..=15 * 60).contains(&wait), "{wait}");
    assert_eq!(house.login_from("10.9.0.1", "view", WORD).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(house.login_from("10.9.0.2", "operate", WORD).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(house.login_from("10.9.0.2", "view", WORD).await.status, StatusCode::SEE_OTHER);
    house.pass((wait + 1) * 1_000_000_000);
    assert_eq!(house.login_from("10.9.0.1", "operate", WORD).await.status, StatusCode::SEE_OTHER);
    // A name that is none may be a password in the wrong field: it is not written down.
    house.login_from("10.9.0.3", "my secret password", "x").await;
    let trail = house.trail();
    assert_eq!(
        trail.iter().filter(|line| *line == "wayside login refused: user operate from 10.9.0.1").count(),
        5
    );
    assert!(
        trail.iter().any(|line| line == "wayside login refused: unknown user from 10.9.0.3"),
        "{trail:#?}"
    );
    assert!(!trail.concat().contains("my secret password"));
    let text = house.metrics.text();
    for series in [
        "wayside_logins_total{by=\"password\",result=\"accepted\"} 2\n",
        "wayside_logins_total{by=\"password\",result=\"limited\"} 3\n",
        "wayside_logins_total{by=\"password\",result=\"refused\"} 6\n",
    ] {
        assert!(text.contains(series), "{series} in {text}");
    }
    // Tokens that are none.
    let mut statuses = Vec::new();
    for _ in 0..31 {
        let mut request = ask(Method::GET, "/", &[("authorization", "Bearer wayside_x")], "");
        request.extensions_mut().insert(Peer("10.9.0.4".parse().unwrap()));
        statuses.push(house.send(request).await.status.as_u16());
    }
    assert_eq!((statuses[0], statuses[29], statuses[30]), (401, 401, 429));
    assert_eq!(house.trail().iter().filter(|line| line.contains("token refused")).count(), 1);
}

#[tokio::test]
async fn many_at_once_are_many() {
    let house = House::full(remote());
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let router = house.router.clone();
        let mut request = ask(Method::POST, "/login", &[], "name=view&password=wrong+wrong+wrong");
        request.extensions_mut().insert(Peer("10.9.0.1".parse().unwrap()));
        all.spawn(async move { router.oneshot(request).await.unwrap().status().as_u16() });
    }
    let statuses = all.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 5, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 35);
}

#[tokio::test]
async fn an_unknown_user_costs_as_much_as_a_known_one() {
    let house = House::full(remote());
    let mut times = [Duration::ZERO; 2];
    for round in 0..3 {
        for (at, name) in ["view", "nonesuch"].into_iter().enumerate() {
            let began = Instant::now();
            house.login_from(&format!("10.9.{round}.{at}"), name, "wrong wrong wrong").await;
            times[at] += began.elapsed();
        }
    }
    let (more, less) = (times[0].max(times[1]), times[0].min(times[1]));
    assert!(more < less * 3, "{times:?}");
}

#[tokio::test]
async fn other_sites_cannot_change_anything() {
    let house = House::full(remote());
    let cookie = house.login("administer").await;
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "https://127.0.0.1.evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        for route in routes::all().iter().filter(|route| route.method != Method::GET) {
            let headers = [("cookie", cookie.as_str()), (name, value)];
            let answer = house.send(ask(route.method.clone(), &filled(&route.path), &headers, "x=y")).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{} from {value}", route.path);
        }
    }
    let headers = [("cookie", cookie.as_str()), ("origin", "https://127.0.0.1")];
    let ours =
        house.send(ask(Method::POST, "/users", &headers, "action=add-token&name=historian&role=view")).await;
    assert_eq!(ours.status, StatusCode::OK);
    // A name that others can point here.
    for (host, status) in
        [("evil.example", 421), ("sensor.example:8460", 200), ("SENSOR.example", 200), ("[::1]:8460", 200)]
    {
        let mut request = ask(Method::GET, "/login", &[], "");
        request.headers_mut().insert("host", host.parse().unwrap());
        let answer = house.send(request).await;
        assert_eq!(answer.status.as_u16(), status, "{host}");
        assert!(!answer.header(header::CONTENT_SECURITY_POLICY).is_empty());
    }
    let mut two = ask(Method::GET, "/login", &[], "");
    two.headers_mut().append("host", "evil.example".parse().unwrap());
    assert_eq!(house.send(two).await.status, StatusCode::MISDIRECTED_REQUEST);
    // A page that there is not is no less protected.
    let none = house.get("/nonesuch", "").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    assert!(!none.header(header::CONTENT_SECURITY_POLICY).is_empty());
}

#[tokio::test]
async fn who_looks_at_a_live_page_is_asked_again_and_does_not_use_the_session_by_it() {
    let house = House::full(remote());
    let cookie = house.login("view").await;
    house.pass(59 * MINUTE);
    let stream = house.get("/live?parts=now", &cookie).await;
    assert_eq!(stream.header(header::CONTENT_TYPE), "text/event-stream");
    tokio::time::sleep(Duration::from_millis(300)).await;
    house.pass(2 * MINUTE);
    let again = house.get("/live?parts=now", &cookie).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER, "nobody has used it for an hour");
}

#[tokio::test]
async fn after_the_login_one_is_where_one_wanted_to_be_and_never_elsewhere() {
    let house = House::full(remote());
    let asked = house.get("/alerts?state=new&q=a%20b", "").await;
    assert_eq!(asked.to(), "/login?to=%2Falerts%3Fstate%3Dnew%26q%3Da%2520b");
    let mut form = house.get(asked.to(), "").await;
    assert!(form.text().await.contains("name=\"to\" value=\"/alerts?state=new&amp;q=a%20b\""));
    for (to, there) in [
        ("%2Falerts%3Fstate%3Dnew", "/alerts?state=new"),
        ("%2F%2Fevil.example", "/"),
        ("%2F%5Cevil.example", "/"),
        ("https%3A%2F%2Fevil.example", "/"),
        ("%2F%09%2Fevil.example", "/"),
        ("%2Flogin%3Fto%3D%2F%2Fevil.example", "/"),
    ] {
        let form = format!("name=view&password={}&to={to}", WORD.replace(' ', "+"));
        let answer = house.post("/login", "", &form).await;
        assert_eq!((answer.status, answer.to()), (StatusCode::SEE_OTHER, there), "{to}");
    }
    let mut form = house.get("/login?to=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "").await;
    assert!(!form.text().await.contains("<script>"));
}

#[tokio::test]
async fn the_cookie_is_safe_and_new_each_time() {
    let house = House::full(remote());
    let flags = "; Path=/; HttpOnly; SameSite=Strict; Secure";
    let one = house.login_from("10.0.0.1", "view", WORD).await;
    let text = one.header(header::SET_COOKIE);
    assert!(text.starts_with("__Host-wayside=") && text.ends_with(flags), "{text}");
    assert_eq!(one.cookie().len(), "__Host-wayside=".len() + 43, "256 bits");
    assert_ne!(one.cookie(), house.login("view").await);
    // Without TLS there is only this machine; behind a server that speaks TLS the browser says so.
    let house = House::full(Settings::default());
    let text = house.login_from("127.0.0.1", "view", WORD).await.header(header::SET_COOKIE).to_owned();
    assert!(text.starts_with("__Host-wayside="), "the browser came by https: {text}");
    let plain = house.post("/login", "", &format!("name=view&password={}", WORD.replace(' ', "+"))).await;
    let text = plain.header(header::SET_COOKIE);
    assert!(text.starts_with("wayside=") && text.ends_with("; HttpOnly; SameSite=Strict"), "{text}");
    assert_eq!(house.get("/", &plain.cookie()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn administrators_look_after_users_and_tokens() {
    let house = House::full(remote());
    let admin = house.login("administer").await;
    let word = WORD.replace(' ', "+");
    for (deed, status) in [
        ("action=add-user&name=smith&role=operate&password=short", 400),
        ("action=add-user&name=smith&role=operate&password=smithsmithsmith", 400),
        ("action=add-user&name=a%20b&role=operate&password=WORD", 400),
        ("action=add-user&name=local&role=operate&password=WORD", 400),
        ("action=add-user&name=smith&role=king&password=WORD", 400),
        ("action=add-user&name=smith&role=operate&password=WORD", 303),
        ("action=add-user&name=smith&role=operate&password=WORD", 409),
        ("action=role&name=nonesuch&role=view", 404),
        ("action=role&name=administer&role=view", 409),
        ("action=remove-user&name=administer", 409),
        ("action=remove-token&id=999", 404),
        ("action=end-session&session=x", 404),
        ("action=add-token&name=x&role=view&days=0", 400),
        ("action=nonsense", 400),
    ] {
        let answer = house.post("/users", &admin, &deed.replace("WORD", &word)).await;
        assert_eq!(answer.status.as_u16(), status, "{deed}");
    }
    let mut shown = house.post("/users", &admin, "action=add-token&name=historian&role=view&days=30").await;
    let text = shown.text().await;
    let token = text.split("wayside_").nth(1).unwrap().split('<').next().unwrap();
    let bearer = format!("Bearer wayside_{token}");
    let with =
        async |headers: &[(&str, &str)]| house.send(ask(Method::GET, "/metrics", headers, "")).await.status;
    assert_eq!(with(&[("authorization", &bearer)]).await, StatusCode::OK);
    assert!(!house.get("/users", &admin).await.text().await.contains(token), "shown once");
    house.pass(31 * 24 * HOUR);
    assert_eq!(with(&[("authorization", &bearer)]).await, StatusCode::UNAUTHORIZED, "its days are over");
    let trail = house.trail().concat();
    assert!(!trail.contains(token) && !trail.contains("argon2"), "{trail}");
}

#[tokio::test]
async fn pages_show_no_control_that_the_visitor_may_not_use() {
    let house = House::full(remote());
    for (role, links, forms) in [(Role::View, 0, 0), (Role::Operate, 0, 1), (Role::Administer, 2, 1)] {
        let cookie = house.login(role.name()).await;
        let page = house.get("/replay", &cookie).await.text().await;
        let count = |what: &str| page.matches(what).count();
        assert_eq!(count("href=\"/audit\"") + count("href=\"/users\""), links, "{role:?}");
        assert_eq!(count("action=\"/replay\""), forms, "{role:?}");
        assert_eq!(count("action=\"/logout\""), 1);
    }
}

// From here on the real binary.

/// A folder with a configuration, a certificate and what the sensor keeps.
struct Plant {
    folder: tempfile::TempDir,
}

impl Plant {
    fn new() -> Plant {
        let plant = Plant { folder: tempfile::tempdir().unwrap() };
        let made = plant.run(&["certificate", "tls", "--name", "localhost", "--name", "127.0.0.1"], "");
        assert!(made.status.success(), "{}", err(&made));
        plant
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self, web: &str) {
        let text = format!(
            "[[interface]]\nname = \"lo\"\nfilter = \"tcp port 9\"\n[store]\nfile = \"wayside.db\"\n[web]\n{web}"
        );
        std::fs::write(self.path("wayside.toml"), text).unwrap();
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = wayside();
        command.current_dir(self.folder.path()).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may not read it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// What it says where it refuses.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, "");
        assert_eq!(output.status.code(), Some(2), "{}", err(&output));
        err(&output).trim().to_owned()
    }
}

#[test]
fn any_other_address_needs_tls_and_somebody_who_may_come_in() {
    let plant = Plant::new();
    let refused = || {
        let said = plant.refused(&["config", "check"]);
        assert_eq!(plant.refused(&["run"]), said);
        assert!(!plant.path("wayside.db").exists(), "it changes nothing");
        assert_eq!(said.lines().count(), 1, "{said}");
        said
    };
    plant.config("listen = \"0.0.0.0:8461\"\n");
    assert!(refused().starts_with(
        "wayside: wayside.toml:7: listen = \"0.0.0.0:8461\" is not a loopback address: it needs TLS"
    ));
    let tls = "certificate = \"tls/certificate.pem\"\nkey = \"tls/key.pem\"\n";
    plant.config(&format!("listen = \"0.0.0.0:8461\"\n{tls}"));
    let said = refused();
    assert!(
        said.contains("wayside.toml:7: ")
            && said.contains("has no users and no tokens; add one (`wayside user add"),
        "{said}"
    );
    plant.config("listen = \"127.0.0.1:8461\"\ncertificate = \"tls/certificate.pem\"\n");
    assert!(refused().contains("wayside.toml:8: certificate has no key"));
    plant.config("key = \"tls/key.pem\"\n");
    assert!(refused().contains("wayside.toml:7: key has no certificate"));
    plant.config("certificate = \"tls/certificate.pem\"\nkey = \"tls/none.pem\"\n");
    assert!(refused().contains("wayside.toml:8: key = \"tls/none.pem\": it cannot be read"), "{}", refused());
    let other = plant.run(&["certificate", "other", "--name", "localhost"], "");
    assert!(other.status.success());
    plant.config("certificate = \"tls/certificate.pem\"\nkey = \"other/key.pem\"\n");
    assert!(
        refused()
            .contains("wayside.toml:8: key = \"other/key.pem\": it is not the key of tls/certificate.pem")
    );
    open_to_all(&plant.path("other/key.pem"));
    plant.config("certificate = \"other/certificate.pem\"\nkey = \"other/key.pem\"\n");
    assert!(refused().contains("others can read it (mode 0644); `chmod 600 other/key.pem`"));
    plant.config("names = [\"https://sensor.example\"]\n");
    assert!(refused().contains("wayside.toml:7: 'https://sensor.example' in names is no host name"));
    plant.config("session-hours = 0\n");
    assert!(refused().contains("wayside.toml:7: session-hours = 0: 1 to 720"));
    // Without a store there is nobody.
    std::fs::write(
        plant.path("wayside.toml"),
        format!("[[interface]]\nname = \"lo\"\n[web]\nlisten = \"0.0.0.0:1\"\n{tls}"),
    )
    .unwrap();
    assert!(refused().contains("wayside.toml:4: ") && refused().contains("add [store]"));
    // With all of it, it is sound.
    plant.config(&format!("listen = \"0.0.0.0:8461\"\n{tls}"));
    let added = plant.run(&["token", "add", "historian", "--role", "view"], "");
    assert!(added.status.success(), "{}", err(&added));
    let sound = plant.run(&["config", "check"], "");
    assert!(sound.status.success(), "{}", err(&sound));
    assert!(
        out(&sound).contains("sound; 1 interfaces, 0 rules, the page is https://0.0.0.0:8461/"),
        "{}",
        out(&sound)
    );
    for command in ["demo", "replay"] {
        let output = wayside().args([command, "--listen", "0.0.0.0:8462", "x"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
    }
}

fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

#[test]
fn users_and_tokens_by_the_command_line() {
    let plant = Plant::new();
    plant.config("");
    let run = |arguments: &[&str], input: &str| {
        let output = plant.run(arguments, input);
        (output.status.code().unwrap(), out(&output) + &err(&output))
    };
    let word = format!("{WORD}\n");
    assert!(
        run(&["user", "add", "smith", "--role", "view"], &word)
            .1
            .contains("add a user with the role 'administer' first")
    );
    let (code, said) = run(&["user", "add", "jones", "--role", "administer"], "short\n");
    assert!(code == 2 && said.contains("a password has at least 12 characters"), "{said}");
    let (code, said) = run(&["user", "add", "jones", "--role", "administer"], &word);
    assert!(code == 0 && said.contains("nobody comes to the page without logging in"), "{said}");
    assert_eq!(run(&["user", "add", "smith", "--role", "view"], &word).0, 0);
    let (code, said) = run(&["user", "add", "smith", "--role", "view"], &word);
    assert!(code == 1 && said.contains("there is a user 'smith' already"), "{said}");
    assert_eq!(run(&["user", "role", "smith", "operate"], "").0, 0);
    assert_eq!(run(&["user", "password", "smith"], "another good password\n").0, 0);
    let (code, said) = run(&["user", "remove", "jones"], "");
    assert!(code == 1 && said.contains("'jones' is the only one who may administer"), "{said}");
    assert!(run(&["user", "list"], "").1.contains("smith                    operate"));
    let (code, token) = run(&["token", "add", "historian", "--role", "view", "--days", "30"], "");
    assert!(code == 0 && token.starts_with("wayside_"), "{token}");
    let token = token.lines().next().unwrap();
    assert!(run(&["token", "list"], "").1.contains("historian"));
    assert_eq!(run(&["token", "remove", "historian"], "").0, 0);
    assert_eq!(run(&["user", "remove", "smith"], "").0, 0);
    let store = Store::open(&plant.path("wayside.db"), Default::default()).unwrap();
    let trail = store.read(|reader| reader.audit(None, 100)).unwrap().items;
    assert!(trail.iter().all(|record| record.who.starts_with("unix user ")), "{trail:?}");
    let done: Vec<&str> = trail.iter().map(|record| record.entry.what.as_str()).collect();
    let all = "remove user, remove token, add token, set password, set user, add user, add user";
    assert_eq!(done.join(", "), all);
    drop(store);
    use std::os::unix::fs::PermissionsExt;
    let mode = |name: &str| std::fs::metadata(plant.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("wayside.db"), mode("tls/key.pem")), (0o600, 0o600));
    assert_no_secret(&plant, "", &[token, WORD, "another good password"]);
}

/// Looks into everything that is kept, and what was said.
fn assert_no_secret(plant: &Plant, said: &str, secrets: &[&str]) {
    let mut all = said.as_bytes().to_vec();
    for entry in std::fs::read_dir(plant.folder.path()).unwrap().filter_map(|entry| entry.ok()) {
        if entry.path().is_file() {
            all.extend(std::fs::read(entry.path()).unwrap());
        }
    }
    for secret in secrets {
        assert!(!all.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret} is kept");
    }
}

/// Asks by curl, which knows the certificate: the head and the body.
fn curl(plant: &Plant, arguments: &[&str]) -> String {
    let output = Command::new("curl")
        .current_dir(plant.folder.path())
        .args([
            "--silent",
            "--show-error",
            "--include",
            "--max-time",
            "20",
            "--cacert",
            "tls/certificate.pem",
        ])
        .args(arguments)
        .output()
        .unwrap();
    out(&output) + &err(&output)
}

#[test]
fn the_real_sensor_speaks_tls() {
    if !common::has("curl", "the_real_sensor_speaks_tls") {
        return;
    }
    let plant = Plant::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    plant.config(&format!(
        "listen = \"127.0.0.1:{port}\"\ncertificate = \"tls/certificate.pem\"\nkey = \"tls/key.pem\"\n"
    ));
    let added = plant.run(&["user", "add", "jones", "--role", "administer"], &format!("{WORD}\n"));
    assert!(added.status.success(), "{}", err(&added));
    let added = plant.run(&["token", "add", "historian", "--role", "view"], "");
    let token = out(&added).trim().to_owned();
    let mut child = wayside()
        .current_dir(plant.folder.path())
        .env("WAYSIDE_LOG", "trace")
        .arg("run")
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(plant.path("log")).unwrap())
        .spawn()
        .unwrap();
    let url = |path: &str| format!("https://localhost:{port}{path}");
    let began = Instant::now();
    while !curl(&plant, &[&url("/readyz")]).starts_with("HTTP/1.1 200") {
        if child.try_wait().unwrap().is_some() {
            let said = std::fs::read_to_string(plant.path("log")).unwrap();
            assert!(said.contains("CAP_NET_RAW"), "{said}");
            return println!("the_real_sensor_speaks_tls: skipped, no permission to capture");
        }
        assert!(began.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(50));
    }
    let asked = curl(&plant, &[&url("/alerts")]);
    assert!(
        asked.contains("location: /login?to=%2Falerts") && asked.contains("strict-transport-security: "),
        "{asked}"
    );
    let bearer = format!("Authorization: Bearer {token}");
    assert!(curl(&plant, &["-H", &bearer, &url("/metrics")]).starts_with("HTTP/1.1 200"));
    assert!(curl(&plant, &["-H", &bearer, &url("/users")]).starts_with("HTTP/1.1 403"));
    let word = format!("password={WORD}");
    let form = ["--data-urlencode", "name=jones", "--data-urlencode", &word, "--cookie-jar", "../jar"];
    std::fs::create_dir(plant.path("in")).unwrap();
    let jar = plant.path("in/jar").display().to_string();
    let mut form = form.to_vec();
    form[5] = &jar;
    let login = url("/login");
    form.push(&login);
    let came = curl(&plant, &form);
    assert!(came.starts_with("HTTP/1.1 303") && came.contains("set-cookie: __Host-wayside="), "{came}");
    let secret = came.split("__Host-wayside=").nth(1).unwrap().split(';').next().unwrap();
    let users = curl(&plant, &["--cookie", &jar, &url("/users")]);
    assert!(users.starts_with("HTTP/1.1 200") && users.contains("historian"), "{users}");
    // TLS 1.2 and 1.3, nothing older.
    assert!(curl(&plant, &["--tls-max", "1.2", &url("/healthz")]).starts_with("HTTP/1.1 200"));
    assert!(!curl(&plant, &["--tls-max", "1.1", &url("/healthz")]).contains("HTTP/1.1 200"));

    // Who does not speak TLS is told so at once.
    let mut plain = TcpStream::connect(("127.0.0.1", port)).unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut text = String::new();
    plain.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 400") && text.contains("https://"), "{text}");
    // Who says nothing is not waited for, and keeps nobody else from coming in.
    let silent: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    assert!(curl(&plant, &[&url("/healthz")]).starts_with("HTTP/1.1 200"));
    drop(silent);

    // Another certificate, at the signal; a wrong one changes nothing.
    let signal = |name: &str| {
        let id = child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    };
    let healthy = || curl(&plant, &[&url("/healthz")]).starts_with("HTTP/1.1 200");
    std::fs::rename(plant.path("tls"), plant.path("before")).unwrap();
    signal("HUP");
    std::thread::sleep(Duration::from_millis(500));
    std::fs::create_dir(plant.path("tls")).unwrap();
    std::fs::copy(plant.path("before/certificate.pem"), plant.path("tls/certificate.pem")).unwrap();
    assert!(healthy(), "the one before stays");
    std::fs::remove_dir_all(plant.path("tls")).unwrap();
    assert!(plant.run(&["certificate", "tls", "--name", "localhost"], "").status.success());
    assert!(!healthy(), "it is not the one that it speaks with yet");
    signal("HUP");
    let began = Instant::now();
    while !healthy() {
        assert!(began.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(50));
    }
    signal("TERM");
    let output = child.wait_with_output().unwrap();
    let said = std::fs::read_to_string(plant.path("log")).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains(&format!("the page is https://127.0.0.1:{port}/")), "{said}");
    assert!(said.contains("the certificate before stays") && said.contains("the certificate was read again"));
    assert_no_secret(
        &plant,
        &out(&output),
        &[WORD, &WORD.replace(' ', "+"), &WORD.replace(' ', "%20"), &token, secret],
    );
}
