//! The store: nothing lost that was acknowledged, whoever kills, locks or fills it; alerts, their life and what pages
//! ask of them.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

#[path = "common/alerts.rs"]
mod alerts;
mod common;
#[allow(dead_code)] // a part is used here
#[path = "common/messages.rs"]
mod messages;

use alerts::{BEGIN, STEP, alert, alert_at};
use common::{err, out, run};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wayside::alert::{Alert, Severity};
use wayside::event::{Kind, Verb, Vocabulary};
use wayside::inventory::{Gatherer, Inventory, Limits, Part};
use wayside::store::{
    self, Actor, AuditEntry, Change, Filter, Life, Options, Page, Role, RuleFile, Session, Store, StoreError,
    SuppressionKey, Which,
};

static WORDS: &[&Vocabulary] = &[&wayside::protocol::modbus::WORDS, &wayside::protocol::dnp3::WORDS];

fn smith() -> Actor {
    Actor::new("smith", Role::Operate)
}

/// Alerts that are never too old here.
fn lasting() -> Options {
    Options { days: 36_500, ..Options::default() }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64
}

fn filled(count: u64) -> Store {
    let store = Store::in_memory().unwrap();
    (0..count).for_each(|number| assert!(store.record_patiently(&alert(number))));
    store.settle().unwrap();
    store
}

fn ids(store: &Store, filter: &Filter) -> Vec<String> {
    let mut all = Vec::new();
    let mut next = None;
    loop {
        let page: Page<_> = store.read(|reader| reader.alerts(filter, next, 7)).unwrap();
        assert!(page.items.len() <= 7);
        all.extend(page.items.into_iter().map(|record| record.id));
        next = page.next;
        if next.is_none() {
            return all;
        }
    }
}

/// What a filter finds is what is true of the alerts, newest first.
fn finds(store: &Store, count: u64, filter: Filter, is_wanted: impl Fn(&Alert) -> bool) {
    let mut want: Vec<String> =
        (0..count).map(alert).filter(|alert| is_wanted(alert)).map(|alert| alert.id.to_string()).collect();
    want.reverse();
    assert!(!want.is_empty(), "{filter:?}");
    assert_eq!(ids(store, &filter), want, "{filter:?}");
    assert_eq!(store.read(|reader| reader.count(&filter)).unwrap(), want.len() as u64);
    let by_severity = store.read(|reader| reader.count_by_severity(&filter)).unwrap();
    assert_eq!(by_severity.iter().sum::<u64>(), want.len() as u64);
}

#[test]
fn filters_find_what_they_say_newest_first() {
    let store = filled(300);
    let f = Filter::default;
    finds(&store, 300, f(), |_| true);
    finds(&store, 300, Filter { severities: vec![Severity::High, Severity::Critical], ..f() }, |alert| {
        alert.severity >= Severity::High
    });
    finds(&store, 300, Filter { kinds: vec!["denied".into()], ..f() }, |alert| alert.kind.name() == "denied");
    finds(&store, 300, Filter { protocol: Some("dnp3".into()), ..f() }, |alert| alert.proto == "dnp3");
    let rule = "Set points of pump station 9";
    finds(&store, 300, Filter { rule: Some(rule.into()), ..f() }, |alert| {
        alert.rule.as_deref() == Some(rule)
    });
    let (src, dst) = (alert(5).src.address, alert(5).dst.address);
    finds(&store, 300, Filter { host: Some(src.to_string()), ..f() }, |alert| alert.src.address == src);
    finds(&store, 300, Filter { host: Some(src.to_string()), peer: Some(dst.to_string()), ..f() }, |alert| {
        alert.src.address == src && alert.dst.address == dst
    });
    finds(&store, 300, Filter { text: Some("plc-17".into()), ..f() }, |alert| {
        alert.summary.contains("plc-17")
    });
    finds(&store, 300, Filter { text: Some(dst.to_string()), ..f() }, |alert| alert.dst.address == dst);
    finds(&store, 300, Filter { text: Some("LAPTOP regist".into()), ..f() }, |_| true);
    finds(
        &store,
        300,
        Filter { text: Some("laptop-5".into()), severities: vec![Severity::Low], ..f() },
        |alert| alert.severity == Severity::Low && alert.summary.contains("laptop-5"),
    );
    let time = |number: i64| Some(BEGIN + number * STEP);
    finds(&store, 300, Filter { from: time(100), to: time(110), ..f() }, |alert| {
        (time(100)..time(110)).contains(&Some(alert.ts.nanos))
    });
    for text in ["no-such-word", "NOT", "a\"b*", "summary:plc"] {
        assert_eq!(ids(&store, &Filter { text: Some(text.into()), ..f() }).len(), 0, "{text}");
    }
}

#[test]
fn an_alert_that_goes_on_keeps_its_life() {
    let store = filled(3);
    let id = alert(1).id.to_string();
    store
        .change(&smith(), Change::Close { which: Which::one(&id), note: Some(" the test man ".into()) })
        .unwrap();
    let mut more = alert(1);
    (more.count, more.last_seen.nanos, more.severity) = (41, more.ts.nanos + 5 * STEP, Severity::Critical);
    more.summary = "laptop-1 scans plc-1".into();
    store.record(&more);
    store.settle().unwrap();
    let whole = store.read(|reader| reader.alert(&id)).unwrap().unwrap();
    let record = &whole.record;
    assert_eq!((record.count, record.state, record.since_changed), (41, Life::Closed, 40));
    assert_eq!((record.severity, record.last_seen), (Severity::Critical, more.last_seen.nanos));
    assert_eq!(record.changed_by.as_deref(), Some("smith"));
    let json: serde_json::Value = serde_json::from_str(&whole.json).unwrap();
    assert_eq!((&json["count"], &json["summary"]), (&41.into(), &"laptop-1 scans plc-1".into()));
    let [step] = whole.log.as_slice() else { panic!("{:?}", whole.log) };
    assert_eq!(
        (step.before, step.after, step.note.as_deref()),
        (Life::New, Life::Closed, Some("the test man"))
    );
    // The words are those of now.
    assert_eq!(ids(&store, &Filter { text: Some("scans".into()), ..Filter::default() }), vec![id.clone()]);
    assert_eq!(ids(&store, &Filter { text: Some("laptop-1 register".into()), ..Filter::default() }).len(), 0);
    let [before, after] = store.read(|reader| reader.neighbours(record.place, 5)).unwrap();
    let names = |records: &[store::AlertRecord]| records.iter().map(|r| r.id.clone()).collect::<Vec<_>>();
    assert_eq!(
        (names(&before), names(&after)),
        (vec![alert(0).id.to_string()], vec![alert(2).id.to_string()])
    );
    assert_eq!(store.read(|reader| reader.alert("nothing")).unwrap(), None);
}

#[test]
fn alerts_of_the_same_moment_are_all_there() {
    let store = Store::in_memory().unwrap();
    (0..50).for_each(|number| assert!(store.record(&alert_at(number, BEGIN))));
    store.settle().unwrap();
    let want: Vec<String> = (0..50).rev().map(|number| alert_at(number, BEGIN).id.to_string()).collect();
    assert_eq!(ids(&store, &Filter::default()), want);
    assert_eq!(ids(&store, &Filter { from: Some(BEGIN), to: Some(BEGIN + 1), ..Filter::default() }), want);
    assert_eq!(ids(&store, &Filter { to: Some(BEGIN), ..Filter::default() }).len(), 0);
}

#[test]
fn steps_are_kept_and_counted() {
    let store = filled(40);
    let before = now();
    let ack = |which, note: Option<&str>| Change::Acknowledge { which, note: note.map(str::to_owned) };
    let ids =
        vec![alert(0).id.to_string(), alert(1).id.to_string(), alert(1).id.to_string(), "nothing".into()];
    let done = store.change(&smith(), ack(Which::Ids(ids.clone()), None)).unwrap();
    assert_eq!((done.alerts, done.unchanged, done.missing), (2, 0, vec!["nothing".to_owned()]));
    let again = store.change(&smith(), ack(Which::Ids(ids), None)).unwrap();
    assert_eq!((again.alerts, again.unchanged), (0, 2));
    // All critical ones: 3, 7, 11 … 39.
    let critical = Filter { severities: vec![Severity::Critical], ..Filter::default() };
    let done =
        store.change(&smith(), ack(Which::Matching(Box::new(critical.clone())), Some("a test"))).unwrap();
    assert_eq!(done.alerts, 10);
    assert_eq!(store.read(|reader| reader.open_by_severity()).unwrap(), [[9, 9, 10, 0], [1, 1, 0, 10]]);
    let close = Change::Close { which: Which::Matching(Box::new(critical)), note: None };
    assert_eq!(store.change(&smith(), close).unwrap().alerts, 10);
    let reopen = Change::Reopen { which: Which::one(alert(3).id.to_string()), note: None };
    assert_eq!(store.change(&smith(), reopen).unwrap().alerts, 1);
    assert_eq!(store.read(|reader| reader.open_by_severity()).unwrap(), [[9, 9, 10, 1], [1, 1, 0, 0]]);
    let changes = store.read(|reader| reader.changes_since(before)).unwrap();
    // The alerts of the test are of the past.
    assert_eq!((changes.acknowledged, changes.closed), (12, 10));
    let trail = store.read(|reader| reader.audit(None, 2)).unwrap();
    let what: Vec<&str> = trail.items.iter().map(|record| record.entry.what.as_str()).collect();
    assert_eq!(what, ["reopen", "close"]);
    assert_eq!(trail.items[1].entry.before.as_deref(), Some("{\"acknowledged\":10}"));
    assert_eq!((trail.items[1].who.as_str(), trail.items[1].role), ("smith", Some(Role::Operate)));
    let rest = store.read(|reader| reader.audit(trail.next, 100)).unwrap();
    assert_eq!((rest.items.len(), rest.next), (2, None));
}

#[test]
fn counts_in_time_and_by_rule() {
    let store = filled(100);
    let (from, to) = (BEGIN, BEGIN + 100 * STEP);
    let bars = store.read(|reader| reader.histogram(&Filter::default(), from, to, 10)).unwrap();
    assert_eq!(bars.step, 10 * STEP);
    assert!(bars.counts.iter().all(|counts| counts.iter().sum::<u64>() == 10), "{bars:?}");
    assert!(store.read(|reader| reader.histogram(&Filter::default(), to, from, 10)).is_err());
    let rules = store.read(|reader| reader.rule_counts(i64::MIN)).unwrap();
    assert_eq!((rules[0].rule.as_deref(), rules[0].alerts, rules[0].open), (None, 66, 66));
    assert_eq!(rules.iter().map(|rule| rule.alerts).sum::<u64>(), 100);
    assert_eq!(store.read(|reader| reader.changes_since(to - 8 * STEP)).unwrap().raised, [2, 2, 2, 2]);
}

#[test]
fn an_incident_is_open_as_long_as_one_of_its_alerts_is() {
    let store = filled(30);
    let open = store.read(|reader| reader.open_incidents(2)).unwrap();
    let last = alert(20).incident.to_string();
    assert_eq!((open.len(), open[0].id.as_str(), open[0].alerts, open[0].open), (2, last.as_str(), 10, 10));
    assert_eq!((open[0].first_seen, open[0].last_seen), (alert(20).ts.nanos, alert(29).ts.nanos));
    // The worst of them, and of those the first: 23.
    assert_eq!((open[0].severity, &open[0].summary), (Severity::Critical, &alert(23).summary));
    let all = Filter { incident: Some(last.clone()), ..Filter::default() };
    finds(&store, 30, all.clone(), |alert| alert.incident.to_string() == last);
    let close = Change::Close { which: Which::Matching(Box::new(all)), note: None };
    store.change(&smith(), close).unwrap();
    assert_eq!(store.read(|reader| reader.open_incidents(10)).unwrap().len(), 2);
    assert_eq!(store.read(|reader| reader.last_incidents(10)).unwrap().len(), 3);
    assert_eq!(store.read(|reader| reader.incident(&last)).unwrap().unwrap().open, 0);
    // An update of one is no more than it was.
    store.record(&alert(20));
    store.settle().unwrap();
    assert_eq!(store.read(|reader| reader.incident(&last)).unwrap().unwrap().alerts, 10);
}

#[test]
fn what_is_suppressed_is_stored_but_not_open() {
    let store = Store::in_memory().unwrap();
    let later = now() + 3600 * STEP;
    let key = SuppressionKey { src: Some(alert(2).src.address.to_string()), ..SuppressionKey::default() };
    let suppress = |what: SuppressionKey, until, reason: &str| {
        store.change(&smith(), Change::Suppress { what, until, reason: reason.into() })
    };
    assert!(matches!(suppress(SuppressionKey::default(), later, "all"), Err(StoreError::Wrong(_))));
    assert!(matches!(suppress(key.clone(), now() - 1, "past"), Err(StoreError::Wrong(_))));
    assert!(matches!(suppress(key.clone(), later, " "), Err(StoreError::Wrong(_))));
    let id = suppress(key, later, "the laptop is being replaced").unwrap().suppression.unwrap();
    let base = now();
    // 2, 39 and 76 come from that laptop.
    (0..80).for_each(|number| assert!(store.record(&alert_at(number, base + number as i64))));
    // What comes after its end is heard.
    assert!(store.record(&alert_at(113, later + 1)));
    store.settle().unwrap();
    let quiet = Filter { suppressed: Some(true), ..Filter::default() };
    assert_eq!(ids(&store, &quiet).len(), 3);
    assert_eq!(store.read(|reader| reader.count(&Filter::open())).unwrap(), 78);
    let open = store.read(|reader| reader.open_by_severity()).unwrap();
    assert_eq!(open[0].iter().sum::<u64>(), 78);
    let [known] = store.read(|reader| reader.suppressions(Some(now()))).unwrap().try_into().unwrap();
    assert_eq!((known.id, known.alerts, known.last), (id, 3, Some(base + 76)));
    store.change(&smith(), Change::Unsuppress { id }).unwrap();
    assert!(store.read(|reader| reader.suppressions(Some(now()))).unwrap().is_empty());
    assert!(store.record(&alert_at(150, base + 150)));
    store.settle().unwrap();
    assert_eq!(ids(&store, &quiet).len(), 3);
    assert!(matches!(store.change(&smith(), Change::Unsuppress { id: 99 }), Err(StoreError::Unknown(_))));
}

#[test]
fn users_tokens_and_sessions() {
    let store = Store::in_memory().unwrap();
    let admin = Actor::new("setup", Role::Administer);
    store.add_user(&admin, "jones", Role::Administer, "hash-1").unwrap();
    store.add_user(&admin, "smith", Role::View, "hash-2").unwrap();
    assert_eq!(
        store.add_user(&admin, "smith", Role::View, "x").unwrap_err().to_string(),
        "there is a user of that name already"
    );
    assert!(store.remove_user(&admin, "jones").is_err());
    assert!(store.set_user(&admin, "jones", Role::View, false).is_err());
    let at = now();
    let session = |hash: &str, expires| Session {
        hash: hash.into(),
        user: "smith".into(),
        created: at,
        last_used: at,
        expires,
    };
    assert!(store.add_session(session("a", at + STEP), "hash-1", None).is_err(), "another password");
    store.add_session(session("a", at + STEP), "hash-2", None).unwrap();
    store.add_session(session("b", at + 10 * STEP), "hash-2", None).unwrap();
    let user = |hash: &str, at| {
        store
            .read(|reader| reader.session(hash, at))
            .unwrap()
            .map(|(session, user)| (session.expires, user.name))
    };
    assert_eq!(user("a", at), Some((at + STEP, "smith".into())));
    assert_eq!(user("a", at + STEP), None);
    store.use_session("a", at + 1, at + 5 * STEP).unwrap();
    assert_eq!(user("a", at + STEP), Some((at + 5 * STEP, "smith".into())));
    assert_eq!(store.read(|reader| reader.sessions(at)).unwrap().len(), 2);
    assert!(store.end_session(None, "a").unwrap() && !store.end_session(Some(&admin), "a").unwrap());
    assert_eq!(user("a", at), None);
    store.set_user(&admin, "smith", Role::Operate, true).unwrap();
    assert_eq!(user("b", at), None);
    let token = store.add_token(&admin, "historian", Role::View, "c0ffee", None).unwrap();
    assert_eq!(store.read(|reader| reader.token("c0ffee")).unwrap(), Some(token.clone()));
    store.remove_token(&admin, token.id).unwrap();
    assert_eq!(store.read(|reader| reader.tokens()).unwrap(), []);
    let trail = store.read(|reader| reader.audit(None, 100)).unwrap();
    let what: Vec<&str> = trail.items.iter().map(|record| record.entry.what.as_str()).collect();
    let done = "remove token, add token, set user, logout, login, login, add user, add user";
    assert_eq!(what.join(", "), done);
    assert!(!format!("{trail:?}").contains("hash-"), "no secret in the trail");
}

#[test]
fn rules_in_force_and_the_audit_trail_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.db");
    let store = Store::open(&path, lasting()).unwrap();
    let file = |text: &str| vec![RuleFile { name: "plant.toml".into(), text: text.into() }];
    let first = store.rules_in_force(&Actor::sensor(), 3, file("a")).unwrap();
    let second = store.rules_in_force(&Actor::sensor(), 4, file("b")).unwrap();
    let third = store.rules_in_force(&Actor::sensor(), 3, file("a")).unwrap();
    assert!(first.hash == third.hash && first.hash != second.hash);
    let entry = AuditEntry { what: "login".into(), subject: "user smith".into(), ..AuditEntry::default() };
    store.audit(&smith(), entry.clone()).unwrap();
    drop(store);
    let store = Store::open(&path, lasting()).unwrap();
    let sets = store.read(|reader| reader.rule_sets(None, 100)).unwrap().items;
    assert_eq!(sets, [third, second.clone(), first]);
    assert_eq!(store.read(|reader| reader.rule_files(&second.hash)).unwrap(), file("b"));
    assert_eq!(store.read(|reader| reader.audit(None, 1)).unwrap().items[0].entry, entry);
    // Nobody changes the trail, not even by hand.
    let db = rusqlite::Connection::open(&path).unwrap();
    for sql in ["DELETE FROM audit", "UPDATE audit SET who = 'x'"] {
        assert!(db.execute(sql, []).unwrap_err().to_string().contains("the audit trail is not"));
    }
}

#[test]
fn the_inventory_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.db");
    let mut gatherer = Gatherer::new(Limits::default());
    for number in 0..400u32 {
        let (kind, verb) =
            (Kind::ALL[(number % 4) as usize], Verb::ALL[(number % Verb::ALL.len() as u32) as usize]);
        let message = messages::Message {
            ts: BEGIN + i64::from(number) * STEP,
            client: number % 5,
            server: number % 3,
            kind,
            verb,
            unit: number % 4,
            first: number % 50,
            values: vec![1, 2, 3, number as u8],
            refused: number.is_multiple_of(11),
            says: number.is_multiple_of(13).then(|| (number % 3, b"PLC <b>".to_vec())),
        };
        let flow = message.flow();
        message.show(WORDS[(number % 2) as usize], &flow, |event| gatherer.event(event));
    }
    let inventory = Mutex::new(Inventory::new(Limits::default()));
    inventory.lock().unwrap().merge(&gatherer.take());
    let store = Store::open(&path, lasting()).unwrap();
    let rows = store.keep_inventory(&inventory, WORDS, true).unwrap();
    assert!(rows > 50, "{rows}");
    drop(store);
    let store = Store::open(&path, lasting()).unwrap();
    let mut restored = Inventory::new(Limits::default());
    assert_eq!(store.restore_inventory(&mut restored, WORDS).unwrap(), rows);
    assert_eq!(json(&restored), json(&inventory.lock().unwrap()));
    // What is not there any more in this version is left out, what is known goes on.
    let mut less = Inventory::new(Limits::default());
    assert!(store.restore_inventory(&mut less, &WORDS[..1]).unwrap() < rows);
}

/// Everything that an inventory says, without the numbers of packets of an earlier run.
fn json(inventory: &Inventory) -> String {
    let mut octets = Vec::new();
    inventory.write_json(&Part::ALL, None, &(), &mut octets);
    let mut value: serde_json::Value = serde_json::from_slice(&octets).unwrap();
    fn forget(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                map.remove("frame");
                map.values_mut().for_each(forget);
            }
            serde_json::Value::Array(list) => list.iter_mut().for_each(forget),
            _ => {}
        }
    }
    forget(&mut value);
    serde_json::to_string_pretty(&value).unwrap()
}

/// Not a test by itself: what [`nothing_acknowledged_is_lost_by_kill_9`] kills.
#[test]
fn child_writes() {
    let Ok(path) = std::env::var("WAYSIDE_STORE_CHILD") else { return };
    let store = Store::open(Path::new(&path), lasting()).unwrap();
    let begin = std::env::var("WAYSIDE_STORE_BEGIN").unwrap().parse::<u64>().unwrap();
    let mut out = std::io::stdout();
    for number in begin.. {
        // Others come along that nobody waits for.
        for extra in 0..20 {
            let _ = store.record(&alert(number * 100 + 50 + extra));
        }
        let alert = alert(number * 100);
        assert!(store.record(&alert));
        let change =
            Change::Acknowledge { which: Which::one(alert.id.to_string()), note: Some("seen".into()) };
        assert_eq!(store.change(&smith(), change).unwrap().alerts, 1);
        writeln!(out, "acknowledged {}", alert.id).unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.db");
    let mut acknowledged = BTreeSet::new();
    let began = Instant::now();
    for round in 0..25u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_writes", "--nocapture"])
            .env("WAYSIDE_STORE_CHILD", &path)
            .env("WAYSIDE_STORE_BEGIN", (round * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // It is killed at all moments of its life: while it opens the file, too.
        let wait = if round % 5 == 0 { None } else { lines.by_ref().map(Result::unwrap).find_map(said) };
        acknowledged.extend(wait);
        std::thread::sleep(Duration::from_millis(round * 37 % 150));
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(lines.map_while(Result::ok).filter_map(said));
        if path.exists() && std::fs::metadata(&path).unwrap().len() > 0 {
            let found = store::check(&path);
            assert!(found.as_ref().is_ok_and(|check| check.problems.is_empty()), "round {round}: {found:?}");
        }
        let store = Store::open(&path, lasting()).unwrap();
        let wanted = Filter { states: vec![Life::Acknowledged], ..Filter::default() };
        let kept: BTreeSet<String> = ids(&store, &wanted).into_iter().collect();
        let lost: Vec<&String> = acknowledged.difference(&kept).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?}");
        let logged = |id: &String| store.read(|reader| reader.alert(id)).unwrap().unwrap().log.len() == 1;
        assert!(acknowledged.iter().all(logged));
    }
    println!("{} acknowledged in 25 rounds, none lost, {:?}", acknowledged.len(), began.elapsed());
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
}

fn said(line: String) -> Option<String> {
    // The harness may have begun the line.
    line.split_once("acknowledged ").map(|(_, id)| id.to_owned()).filter(|id| id.len() == 26)
}

#[test]
fn a_locked_file_makes_nobody_wait_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.db");
    let store = Store::open(&path, lasting()).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let holds = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(8));
        other.execute_batch("COMMIT").unwrap();
    });
    let mut longest = Duration::ZERO;
    for number in 0..2000 {
        let began = Instant::now();
        assert!(store.record(&alert(number)));
        longest = longest.max(began.elapsed());
    }
    println!("the longest record() took {longest:?}");
    assert!(longest < Duration::from_millis(500), "{longest:?}");
    // It tries for a second, and gives way to all else that runs here.
    until("the state", || store.health().state.name() == "behind");
    let health = store.health();
    assert_eq!(health.lost, 0);
    assert!(health.queue > 0, "{health:?}");
    // Who looks is not kept waiting either.
    assert_eq!(store.read(|reader| reader.count(&Filter::default())).unwrap(), 0);
    holds.join().unwrap();
    until("all of them", || store.read(|reader| reader.count(&Filter::default())).unwrap() == 2000);
    until("the state", || store.health().state.name() == "healthy");
    let health = store.health();
    assert_eq!((health.state.name(), health.written, health.lost, health.queue), ("healthy", 2000, 0, 0));
}

#[test]
fn a_change_that_cannot_be_made_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.db");
    let store = Store::open(&path, lasting()).unwrap();
    store.record(&alert(0));
    store.settle().unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ack = Change::Acknowledge { which: Which::one(alert(0).id.to_string()), note: None };
    assert!(matches!(store.change(&smith(), ack.clone()), Err(StoreError::Busy)));
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(store.change(&smith(), ack).unwrap().alerts, 1);
}

/// A small disk of its own, where that is allowed.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount(test: &str, size: &str) -> Option<Disk> {
        let disk = Disk(tempfile::tempdir().unwrap());
        if disk.call(&format!("size={size}")) {
            return Some(disk);
        }
        println!("{test}: skipped, no permission to mount a small disk");
        None
    }

    fn call(&self, options: &str) -> bool {
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(self.0.path()).status();
        mount.is_ok_and(|status| status.success())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_said_and_what_waits_is_written_once_there_is_room() {
    let Some(disk) = Disk::mount("full disk", "3m") else { return };
    let path = disk.0.path().join("w.db");
    let options = Options { queue: 3000, ..lasting() };
    let store = Store::open(&path, options).unwrap();
    let (mut taken, mut refused, mut number) = (0, 0, 0);
    let began = Instant::now();
    while refused < 100 || store.health().state.name() != "failing" {
        match store.record(&alert(number)) {
            true => taken += 1,
            false => refused += 1,
        }
        number += 1;
        if number % 100 == 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(began.elapsed() < Duration::from_secs(30));
    }
    let health = store.health();
    assert_eq!((health.state.name(), health.lost), ("failing", refused));
    assert!(health.state.sentence().unwrap().starts_with("The disk of the store is full"), "{health:?}");
    let ack = Change::Acknowledge { which: Which::one(alert(0).id.to_string()), note: None };
    let change = store.change(&smith(), ack.clone());
    assert!(matches!(change, Err(StoreError::Full)) || change.is_ok_and(|done| done.alerts == 1));
    assert!(store.read(|reader| reader.count(&Filter::default())).unwrap() > 0);
    assert!(disk.call("remount,size=64m"));
    store.settle().unwrap();
    assert_eq!(store.read(|reader| reader.count(&Filter::default())).unwrap(), taken);
    assert_eq!(store.health().state.name(), "healthy");
    assert!(store.change(&smith(), ack).is_ok());
    drop(store);
    assert_eq!(store::check(&path).unwrap().problems, Vec::<String>::new());
}

#[test]
fn what_is_no_store_or_a_newer_one_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "these are notes of a person, and no database at all".repeat(200)).unwrap();
    let other = folder.path().join("other.db");
    rusqlite::Connection::open(&other).unwrap().execute_batch("CREATE TABLE a (x)").unwrap();
    for path in [&text, &other] {
        let before = std::fs::read(path).unwrap();
        let error = Store::open(path, lasting()).err().unwrap();
        assert!(matches!(error, StoreError::NotOurs { .. }), "{error}");
        assert!(matches!(store::check(path), Err(StoreError::NotOurs { .. })));
        assert_eq!(std::fs::read(path).unwrap(), before);
    }
    let path = folder.path().join("w.db");
    drop(Store::open(&path, lasting()).unwrap());
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = Store::open(&path, lasting()).err().unwrap().to_string();
    assert!(
        error.contains("was written by a newer wayside (store version 99, this one knows up to "),
        "{error}"
    );
    let error = Store::open(&folder.path().join("no/w.db"), lasting()).err().unwrap().to_string();
    assert!(error.contains("there is no folder"), "{error}");
}

/// Waits until something is so.
fn until(what: &str, mut look: impl FnMut() -> bool) {
    let began = Instant::now();
    while !look() {
        assert!(began.elapsed() < Duration::from_secs(20), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_is_old_goes_but_for_what_a_person_should_still_see() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.db");
    let day = 86_400 * STEP;
    let store = Store::open(&path, lasting()).unwrap();
    let base = now();
    for number in 0..400 {
        let age = if number < 200 { 10 * day } else { 0 };
        store.record_patiently(&alert_at(number, base - age + number as i64));
    }
    store.settle().unwrap();
    // Of the old ones, 3 and 7 of those that are severe are done with.
    let done = [3u64, 7].map(|number| alert_at(number, base - 10 * day + number as i64).id.to_string());
    store.change(&smith(), Change::Close { which: Which::Ids(done.to_vec()), note: None }).unwrap();
    drop(store);
    let store = Store::open(&path, Options { days: 5, ..Options::default() }).unwrap();
    until("old ones to go", || store.health().retired == 102);
    let counts = store.read(|reader| reader.count_by_severity(&Filter::default())).unwrap();
    assert_eq!(counts, [50, 50, 100, 98]);
    assert_eq!(ids(&store, &Filter { text: Some("laptop-3".into()), ..Filter::default() }).len(), {
        (0..400).filter(|number| alert(*number).summary.contains("laptop-3")).count()
            - (0..200)
                .filter(|number| alert(*number).summary.contains("laptop-3"))
                .filter(|number| number % 4 < 2 || [3, 7].contains(number))
                .count()
    });
    drop(store);
    assert_eq!(store::check(&path).unwrap().problems, Vec::<String>::new());
}

#[test]
fn a_file_that_is_too_large_shrinks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.db");
    let store = Store::open(&path, lasting()).unwrap();
    (0..6000).for_each(|number| assert!(store.record_patiently(&alert(number))));
    let severe = Filter { severities: vec![Severity::High, Severity::Critical], ..Filter::default() };
    let old = Filter { to: Some(BEGIN + 3000 * STEP), ..Filter::default() };
    store.change(&smith(), Change::Close { which: Which::Matching(Box::new(old)), note: None }).unwrap();
    drop(store);
    let before = std::fs::metadata(&path).unwrap().len();
    assert!(before > 8 << 20, "{before}");
    let store = Store::open(&path, Options { size_mib: 5, ..lasting() }).unwrap();
    let mut retired = 0;
    until("room", || {
        // The writer gives way to all else that runs here.
        std::thread::sleep(Duration::from_secs(2));
        let now = store.health().retired;
        std::mem::replace(&mut retired, now) == now && now > 0
    });
    drop(store);
    let after = std::fs::metadata(&path).unwrap().len();
    println!("{before} octets, then {after}; {retired} alerts went");
    let store = Store::open(&path, lasting()).unwrap();
    // Closed ones went first; of what is open the severe ones are all there.
    assert_eq!(
        store.read(|reader| reader.count(&Filter { from: Some(BEGIN + 3000 * STEP), ..severe })).unwrap(),
        1500
    );
    assert!(retired >= 1000, "{retired}");
    assert!(after <= (5 << 20) + (1 << 20), "{before} -> {after}");
}

#[test]
fn a_backup_while_it_is_written_to_is_one_moment_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.db");
    let config = folder.path().join("wayside.toml");
    std::fs::write(&config, "[[interface]]\nname = \"lo\"\n[store]\nfile = \"w.db\"\n").unwrap();
    let config = config.to_string_lossy().into_owned();
    let copy = folder.path().join("copy.db");
    let copy_name = copy.to_string_lossy().into_owned();
    let store = Store::open(&path, lasting()).unwrap();
    (0..500).for_each(|number| assert!(store.record(&alert(number))));
    store.settle().unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 500.. {
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                store.record_patiently(&alert(number));
            }
        });
        let output = run(&["store", "backup", &copy_name, "-c", &config]);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(output.status.success(), "{}", err(&output));
        assert!(out(&output).starts_with("copied "), "{}", out(&output));
    });
    let copied = Store::open(&copy, lasting()).unwrap();
    let [theirs, ours] = [&copied, &store].map(|store| ids(store, &Filter::default()));
    assert!(theirs.len() >= 500 && ours.ends_with(&theirs), "{} of {}", theirs.len(), ours.len());
    let json = |store: &Store| {
        store
            .read(|reader| {
                reader.alerts_with_json(
                    &Filter { to: Some(BEGIN + 500 * STEP), ..Filter::default() },
                    None,
                    1000,
                )
            })
            .unwrap()
    };
    assert_eq!(json(&copied), json(&store));
    drop(copied);
    let again = run(&["store", "backup", &copy_name, "-c", &config]);
    assert_eq!(again.status.code(), Some(1));
    assert!(err(&again).contains("it exists already"), "{}", err(&again));
    let sound = run(&["store", "check", &copy_name]);
    assert!(sound.status.success() && out(&sound).ends_with("sound\n"), "{}{}", out(&sound), err(&sound));
    // The same of the one that is in use.
    assert!(run(&["store", "check", "-c", &config]).status.success());
}

#[test]
fn a_damaged_store_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.db");
    let store = Store::open(&path, lasting()).unwrap();
    (0..2000).for_each(|number| assert!(store.record_patiently(&alert(number))));
    drop(store);
    let mut octets = std::fs::read(&path).unwrap();
    let (from, to) = (octets.len() / 2, octets.len() / 2 + 40_000);
    octets[from..to].fill(0x5a);
    std::fs::write(&path, octets).unwrap();
    let output = run(&["store", "check", &path.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    assert!(err(&output).contains("damaged"), "{}", err(&output));
    let missing = run(&["store", "check", "no-such.db"]);
    assert!(err(&missing).contains("there is no such file"), "{}", err(&missing));
}

#[test]
fn a_full_queue_counts_what_it_loses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.db");
    let store = Store::open(&path, Options { queue: 10, ..lasting() }).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let taken = (0..3000).filter(|number| store.record(&alert(*number))).count() as u64;
    assert_eq!(store.health().lost, 3000 - taken);
    other.execute_batch("COMMIT").unwrap();
    store.settle().unwrap();
    assert_eq!(store.read(|reader| reader.count(&Filter::default())).unwrap(), taken);
}
