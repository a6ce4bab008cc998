//! What pages ask of a store with 100,000 alerts and 5,000 devices: how long each question takes.

use divan::Bencher;
use std::sync::{Mutex, OnceLock};
use wayside::alert::Severity;
use wayside::event::{Kind, Verb, Vocabulary};
use wayside::inventory::{Gatherer, Inventory, Limits};
use wayside::store::{Actor, Change, Filter, Life, Options, Reader, Role, Store, StoreError, Which};

#[path = "../tests/common/alerts.rs"]
mod alerts;
#[allow(dead_code)] // a part is used here
#[path = "../tests/common/messages.rs"]
mod messages;

const ALERTS: u64 = 100_000;
const DEVICES: u32 = 5_000;
static WORDS: &[&Vocabulary] = &[&wayside::protocol::modbus::WORDS, &wayside::protocol::dnp3::WORDS];

fn main() {
    divan::main();
}

struct Made {
    store: Store,
    _folder: tempfile::TempDir,
}

/// Made once; filling it is timed beside.
fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options { days: 36_500, ..Options::default() };
        let store = Store::open(&folder.path().join("w.db"), options).expect("a store");
        let began = std::time::Instant::now();
        (0..ALERTS).for_each(|number| assert!(store.record_patiently(&alerts::alert(number))));
        store.settle().expect("written");
        println!("{ALERTS} alerts written in {:.1?}", began.elapsed());
        let began = std::time::Instant::now();
        let inventory = Mutex::new(plant());
        let rows = store.keep_inventory(&inventory, WORDS, true).expect("kept");
        println!("{rows} rows of the inventory written in {:.1?}", began.elapsed());
        let half = Filter { to: Some(alerts::BEGIN + ALERTS as i64 / 2 * alerts::STEP), ..Filter::default() };
        let close = Change::Close { which: Which::Matching(Box::new(half)), note: Some("a test".into()) };
        let began = std::time::Instant::now();
        let done = store.change(&Actor::new("smith", Role::Operate), close).expect("closed");
        println!("{} alerts closed at once in {:.1?}", done.alerts, began.elapsed());
        Made { store, _folder: folder }
    })
}

fn plant() -> Inventory {
    let limits = Limits::live();
    let mut gatherer = Gatherer::new(limits);
    for number in 0..DEVICES {
        let message = messages::Message::poll(
            alerts::BEGIN + i64::from(number),
            number % 20,
            number,
            Kind::Response,
            10,
        );
        let flow = message.flow();
        message.show(WORDS[0], &flow, |event| gatherer.event(event));
        assert_eq!(message.verb, Verb::Read);
    }
    let mut inventory = Inventory::new(limits);
    inventory.merge(&gatherer.take());
    inventory
}

fn ask<T>(bencher: Bencher<'_, '_>, question: impl Fn(&Reader<'_>) -> Result<T, StoreError> + Sync) {
    let made = made();
    bencher.bench_local(|| made.store.read(&question).expect("an answer"));
}

/// The questions that change only their filter.
fn list(bencher: Bencher<'_, '_>, filter: Filter) {
    ask(bencher, |reader| reader.alerts(&filter, None, 50));
}

#[divan::bench]
fn list_all(bencher: Bencher<'_, '_>) {
    list(bencher, Filter::default());
}

#[divan::bench]
fn list_unseen(bencher: Bencher<'_, '_>) {
    list(bencher, Filter::unseen());
}

#[divan::bench]
fn list_open_severe(bencher: Bencher<'_, '_>) {
    list(bencher, Filter { severities: vec![Severity::High, Severity::Critical], ..Filter::open() });
}

#[divan::bench]
fn list_by_device(bencher: Bencher<'_, '_>) {
    list(bencher, Filter { host: Some(alerts::host(5003).to_string()), ..Filter::default() });
}

#[divan::bench]
fn list_by_rule(bencher: Bencher<'_, '_>) {
    list(bencher, Filter { rule: Some("Set points of pump station 9".into()), ..Filter::default() });
}

#[divan::bench]
fn list_acknowledged_of_which_there_are_none(bencher: Bencher<'_, '_>) {
    let severities = vec![Severity::Critical];
    list(bencher, Filter { states: vec![Life::Acknowledged], severities, ..Filter::default() });
}

#[divan::bench]
fn search_a_word_of_all(bencher: Bencher<'_, '_>) {
    list(bencher, Filter { text: Some("holding register".into()), ..Filter::default() });
}

#[divan::bench]
fn search_a_name(bencher: Bencher<'_, '_>) {
    list(bencher, Filter { text: Some("plc-4321".into()), ..Filter::default() });
}

#[divan::bench]
fn search_among_closed_of_two_words(bencher: Bencher<'_, '_>) {
    let states = vec![Life::Closed];
    list(bencher, Filter { text: Some("laptop-3 plc".into()), states, ..Filter::default() });
}

#[divan::bench]
fn count_open(bencher: Bencher<'_, '_>) {
    ask(bencher, |reader| reader.open_by_severity());
}

#[divan::bench]
fn open_incidents(bencher: Bencher<'_, '_>) {
    ask(bencher, |reader| reader.open_incidents(50));
}

#[divan::bench]
fn count_a_filter(bencher: Bencher<'_, '_>) {
    ask(bencher, |reader| reader.count(&Filter { protocol: Some("dnp3".into()), ..Filter::default() }));
}

#[divan::bench]
fn changes_of_a_shift(bencher: Bencher<'_, '_>) {
    let since = alerts::BEGIN + (ALERTS as i64 - 8 * 3600) * alerts::STEP;
    ask(bencher, |reader| reader.changes_since(since));
}

#[divan::bench]
fn histogram_of_all(bencher: Bencher<'_, '_>) {
    let (from, to) = (alerts::BEGIN, alerts::BEGIN + ALERTS as i64 * alerts::STEP);
    ask(bencher, |reader| reader.histogram(&Filter::default(), from, to, 100));
}

#[divan::bench]
fn rules_with_counts(bencher: Bencher<'_, '_>) {
    ask(bencher, |reader| reader.rule_counts(i64::MIN));
}

#[divan::bench]
fn one_alert_and_its_neighbours(bencher: Bencher<'_, '_>) {
    let id = alerts::alert(ALERTS / 2).id.to_string();
    ask(bencher, |reader| {
        let whole = reader.alert(&id)?.expect("it is there");
        Ok((reader.neighbours(whole.record.place, 5)?, whole))
    });
}
