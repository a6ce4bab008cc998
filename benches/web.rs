//! How long pages and answers of the API take with 100,000 alerts and 5,000 devices in the store.
//!
//! `make bench-web` prints a table and fails where a median is over the limit.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tower::ServiceExt;
use wayside::event::{Kind, Verb, Vocabulary};
use wayside::inventory::{Gatherer, Inventory, Limits};
use wayside::metrics::Metrics;
use wayside::store::{Actor, Change, Filter, Options, Role, Store, Which};
use wayside::web::replays::{Player, Progress, Replays};
use wayside::web::site::Site;
use wayside::web::{Ready, Shared, routes};

#[path = "../tests/common/alerts.rs"]
mod alerts;
#[allow(dead_code)] // a part is used here
#[path = "../tests/common/messages.rs"]
mod messages;

const ALERTS: u64 = 100_000;
const DEVICES: u32 = 5_000;
/// Points of a device.
const POINTS: usize = 10;
/// A page that takes longer is too slow.
const LIMIT: Duration = Duration::from_millis(100);
/// How often each is asked.
const ROUNDS: usize = 20;
static WORDS: &[&Vocabulary] = &[&wayside::protocol::modbus::WORDS, &wayside::protocol::dnp3::WORDS];

/// Nothing is replayed here.
struct Nobody;

impl Player for Nobody {
    fn play(&self, _: &[PathBuf], _: &Site, _: &Progress) -> Result<Vec<String>, String> {
        Err("nothing is replayed here".into())
    }
}

fn store(folder: &std::path::Path) -> Store {
    let options = Options { days: 36_500, ..Options::default() };
    let store = Store::open(&folder.join("wayside.db"), options).expect("a store");
    (0..ALERTS).for_each(|number| assert!(store.record_patiently(&alerts::alert(number))));
    store.settle().expect("written");
    let half = Filter { to: Some(alerts::BEGIN + ALERTS as i64 / 2 * alerts::STEP), ..Filter::default() };
    let close = Change::Close { which: Which::Matching(Box::new(half)), note: Some("a test".into()) };
    store.change(&Actor::new("smith", Role::Operate), close).expect("closed");
    store
}

/// Masters that poll and sometimes command their devices; the devices are those that the alerts are about.
fn plant() -> Inventory {
    let limits = Limits::live();
    let mut gatherer = Gatherer::new(limits);
    for number in 0..DEVICES {
        let at = alerts::BEGIN + i64::from(number);
        for kind in [Kind::Request, Kind::Response] {
            let mut message = messages::Message::poll(at, number % 20, number, kind, POINTS);
            if number % 10 == 0 && kind == Kind::Request {
                message.verb = Verb::Write;
            }
            let mut flow = message.flow();
            let [master, device] = [5_000 + u64::from(number) % 37, u64::from(number)].map(alerts::host);
            let asks = kind == Kind::Request;
            (flow.src.address, flow.dst.address) =
                if asks { (master.into(), device.into()) } else { (device.into(), master.into()) };
            message.show(WORDS[0], &flow, |event| gatherer.event(event));
        }
    }
    let mut inventory = Inventory::new(limits);
    inventory.merge(&gatherer.take());
    assert_eq!(inventory.point_count(), DEVICES as usize * POINTS);
    inventory
}

/// Rules with a zone for the masters' network and for each of the devices'.
fn rules() -> String {
    let mut text = "version = 1\n[hosts]\n".to_owned();
    for master in 0..37 {
        let _ = writeln!(text, "master-{master} = \"{}\"", alerts::host(5_000 + master));
    }
    for device in 0..2_000 {
        let _ = writeln!(text, "rtu-{device} = \"{}\"", alerts::host(device));
    }
    text.push_str("[zones]\ncentre = { level = 3, members = [\"10.20.20.0/24\"] }\n");
    for network in 0..20 {
        let _ = writeln!(text, "field-{network} = {{ level = 1, members = [\"10.20.{network}.0/24\"] }}");
    }
    for rule in 0..200 {
        let _ = writeln!(
            text,
            "[[allow]]\nname = \"polls {rule}\"\nfrom = \"master-{}\"\nto = \"rtu-{rule}\"\nprotocol = \"modbus\"\nmay = [\"read\"]",
            rule % 37
        );
    }
    text
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rules.toml");
    std::fs::write(&file, rules()).expect("rules");
    let paths = vec![file.clone()];
    let loaded = wayside::policy::load(&paths, &wayside::protocol::vocabularies()).expect("rules");
    let began = Instant::now();
    let inventory = Arc::new(Mutex::new(plant()));
    let site = Site::live("bench".into(), store(folder.path()), inventory.clone(), paths);
    site.rules.store(Some(Arc::new(loaded.rules)));
    println!(
        "{ALERTS} alerts, {DEVICES} devices with {POINTS} points each, made in {:.1?}\n",
        began.elapsed()
    );
    let shared = Shared {
        metrics: Arc::new(Metrics::new()),
        ready: Ready::default(),
        live: Arc::new(site),
        replays: Replays::new(Arc::new(Nobody)),
        access: Arc::default(),
    };
    let router = routes::router(&shared);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let id = alerts::alert(ALERTS - 7).id;
    let device = alerts::host(7);
    let file = file.display();
    let asked = [
        "/".to_owned(),
        "/alerts".into(),
        "/alerts?severity=high&severity=critical&state=new".into(),
        "/alerts?q=holding+register".into(),
        "/alerts?q=plc-4321".into(),
        "/alerts?host=10.20.0.9".into(),
        format!("/alerts/{id}"),
        "/devices".into(),
        "/devices?q=rtu-77".into(),
        "/devices?new=shift".into(),
        format!("/devices/{device}"),
        "/map".into(),
        "/map?zone=field-3".into(),
        "/points".into(),
        format!("/points?device={device}"),
        format!("/points/{device}/modbus/1/holding/3"),
        "/rules".into(),
        format!("/rules/file?name={file}"),
        "/audit".into(),
        "/api/v1/now".into(),
        "/api/v1/alerts?limit=1000".into(),
        "/api/v1/devices?limit=1000".into(),
        "/api/v1/conversations?limit=1000".into(),
        "/api/v1/points?limit=1000".into(),
    ];
    println!("{:<52} {:>9} {:>9} {:>9}", "asked", "median", "longest", "size");
    let mut slow = Vec::new();
    for path in asked {
        let mut times = Vec::new();
        let mut size = 0;
        for _ in 0..ROUNDS {
            let request =
                Request::get(&path).header("host", "127.0.0.1").body(Body::empty()).expect("a request");
            let began = Instant::now();
            size = runtime.block_on(async {
                let answer = router.clone().oneshot(request).await.expect("an answer");
                assert_eq!(answer.status(), StatusCode::OK, "{path}");
                answer.into_body().collect().await.expect("a body").to_bytes().len()
            });
            times.push(began.elapsed());
        }
        times.sort_unstable();
        let (median, longest) = (times[ROUNDS / 2], times[ROUNDS - 1]);
        let shown: String = path.replace(&file.to_string(), "rules.toml");
        let millis = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
        println!("{shown:<52} {:>9} {:>9} {:>6} kB", millis(median), millis(longest), size / 1000);
        if median > LIMIT {
            slow.push(shown);
        }
    }
    if !slow.is_empty() {
        eprintln!("\nslower than {} ms: {}", LIMIT.as_millis(), slow.join(", "));
        std::process::exit(1);
    }
}
