#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use std::io::{Seek, SeekFrom};
use ulid::Ulid;

const NOW: Duration = Duration::ZERO;

fn record(number: u64, long: usize) -> Record {
    let body = vec![number as u8; long];
    Record { id: Ulid::from_parts(number, 7), count: 1, at: number as i64, severity: 2, body }
}

fn numbers(batch: &Batch) -> Vec<u64> {
    batch.records.iter().map(|record| record.at as u64).collect()
}

/// Everything that is in it, taken out and done.
fn drain(queue: &Queue) -> Vec<u64> {
    let mut all = Vec::new();
    loop {
        let batch = queue.take(7, 1 << 20, NOW).unwrap();
        if batch.records.is_empty() {
            return all;
        }
        all.extend(numbers(&batch));
        queue.done(&batch, batch.records.len()).unwrap();
    }
}

#[test]
fn what_was_not_done_is_there_after_a_restart_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::open(folder.path(), 1 << 20).unwrap();
    (0..2000).for_each(|number| queue.put(&record(number, 300)).unwrap());
    let batch = queue.take(100, 1 << 20, NOW).unwrap();
    assert_eq!(numbers(&batch), (0..100).collect::<Vec<_>>());
    assert_eq!(batch.records[7], record(7, 300));
    queue.done(&batch, 40).unwrap();
    assert_eq!(queue.counts().waiting, 1960);
    // As after kill -9: nothing is said to it.
    drop(queue);
    let queue = Queue::open(folder.path(), 1 << 20).unwrap();
    assert_eq!(queue.counts().waiting, 1960);
    queue.put(&record(2000, 10)).unwrap();
    assert_eq!(drain(&queue), (40..=2000).collect::<Vec<_>>());
    assert_eq!(queue.counts(), Counts { octets: queue.counts().octets, ..Counts::default() });
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "one file and the place");
}

#[test]
fn where_there_is_no_room_the_oldest_go_and_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::open(folder.path(), LEAST).unwrap();
    (0..1000).for_each(|number| queue.put(&record(number, 459)).unwrap());
    let Counts { waiting, octets, lost, .. } = queue.counts();
    assert!(octets <= LEAST, "{octets}");
    assert_eq!(waiting + lost, 1000);
    assert!(waiting > 100, "{waiting}");
    assert_eq!(drain(&queue), (lost..1000).collect::<Vec<_>>());
}

#[test]
fn what_arrives_while_it_is_dropped_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::open(folder.path(), LEAST).unwrap();
    (0..10).for_each(|number| queue.put(&record(number, 459)).unwrap());
    let batch = queue.take(10, 1 << 20, NOW).unwrap();
    (10..1000).for_each(|number| queue.put(&record(number, 459)).unwrap());
    let before = queue.counts().lost;
    queue.done(&batch, 10).unwrap();
    assert_eq!(queue.counts().lost, before - 10);
    assert_eq!(drain(&queue).len() as u64 + queue.counts().lost + 10, 1000);
}

#[test]
fn a_record_cut_short_is_none_and_what_follows_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::open(folder.path(), 1 << 20).unwrap();
    (0..3).for_each(|number| queue.put(&record(number, 50)).unwrap());
    drop(queue);
    let path = folder.path().join("0000000000000001.queue");
    let long = fs::metadata(&path).unwrap().len();
    File::options().write(true).open(&path).unwrap().set_len(long - 20).unwrap();
    let queue = Queue::open(folder.path(), 1 << 20).unwrap();
    assert_eq!((queue.counts().waiting, queue.counts().damaged), (2, 0));
    queue.put(&record(3, 50)).unwrap();
    assert_eq!(drain(&queue), [0, 1, 3]);
}

#[test]
fn a_damaged_file_loses_what_is_behind_the_damage_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::open(folder.path(), 1 << 20).unwrap();
    (0..3).for_each(|number| queue.put(&record(number, 50)).unwrap());
    let damage = |at: u64| {
        let path = folder.path().join("0000000000000001.queue");
        let mut file = File::options().write(true).open(path).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(b"!").unwrap();
    };
    // Under a queue that is open, all of it.
    damage(60);
    assert_eq!(drain(&queue), Vec::<u64>::new());
    assert_eq!(queue.counts(), Counts { lost: 3, damaged: 1, ..Counts::default() });
    queue.put(&record(9, 50)).unwrap();
    assert_eq!(drain(&queue), [9]);
    drop(queue);
    // At the start, the place says that it is of the past.
    let queue = Queue::open(folder.path(), 1 << 20).unwrap();
    assert_eq!(queue.counts().waiting, 0);
}

#[test]
fn a_closed_queue_lets_nobody_wait() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::open(folder.path(), 1 << 20).unwrap();
    queue.close();
    assert!(queue.take(1, 1, Duration::from_secs(60)).unwrap().records.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_nor_twice_however_it_is_used(
        steps in prop::collection::vec((0..5u8, 1..40usize, 0..5000usize), 1..120)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut queue = Queue::open(folder.path(), 64 << 20).unwrap();
        let (mut next, mut out) = (0, 0);
        for (what, count, long) in steps {
            match what {
                0 | 1 => {
                    (next..next + count as u64).for_each(|number| queue.put(&record(number, long)).unwrap());
                    next += count as u64;
                }
                2 | 3 => {
                    let batch = queue.take(count, long * 3, NOW).unwrap();
                    let expected = out..out + batch.records.len() as u64;
                    prop_assert_eq!(numbers(&batch), expected.collect::<Vec<_>>());
                    prop_assert!(!batch.records.is_empty() || out == next);
                    let done = batch.records.len().min(long % 41);
                    queue.done(&batch, done).unwrap();
                    out += done as u64;
                }
                _ => {
                    drop(queue);
                    queue = Queue::open(folder.path(), 64 << 20).unwrap();
                }
            }
            prop_assert_eq!(queue.counts().waiting, next - out);
        }
        prop_assert_eq!(drain(&queue), (out..next).collect::<Vec<_>>());
    }
}
