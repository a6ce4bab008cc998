//! Keeps in the store what is no alert: the inventory every minute, rules in force, the audit trail. On a thread of its
//! own, so that nobody who decodes waits for a disk.

use crate::courtesy;
use crate::inventory::Inventory;
use crate::policy::Text;
use crate::protocol::vocabularies;
use crate::store::{Actor, AuditEntry, RuleFile, Store, StoreError};
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Notes that may wait.
const NOTES: usize = 1000;
/// How often the inventory is kept.
const OFTEN: Duration = Duration::from_secs(60);
/// How many times the inventory is kept for each time that its points are, too.
const POINTS: u32 = 10;
/// How often a note is tried while the store is busy.
const TRIES: usize = 3;

/// What is to be kept.
#[derive(Clone)]
pub(super) enum Note {
    /// Rules that are in force now.
    Rules(usize, Vec<RuleFile>),
    /// A line of the audit trail, in JSON.
    Audit(String),
}

impl Note {
    /// So many rules are in force now, from these files.
    pub(super) fn rules(rules: usize, files: Vec<Text>) -> Note {
        let file = |text: Text| RuleFile { name: text.name, text: text.text };
        Note::Rules(rules, files.into_iter().map(file).collect())
    }
}

/// The thread and the way to it.
pub(super) struct Keeper {
    notes: SyncSender<Note>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Starts it.
    ///
    /// # Errors
    /// Where there is no thread to be had.
    pub(super) fn start(store: Store, inventory: Option<Arc<Mutex<Inventory>>>) -> io::Result<Keeper> {
        let (notes, taken) = sync_channel(NOTES);
        let run = move || keep(&store, inventory.as_deref(), &taken);
        Ok(Keeper { notes, thread: thread::Builder::new().name("keeper".into()).spawn(run)? })
    }

    /// Tells it something; never waits.
    pub(super) fn tell(&self, note: Note) {
        if self.notes.try_send(note).is_err() {
            tracing::error!("the store is too slow: a note about rules is lost");
        }
    }

    /// A way to it for the audit trail.
    pub(super) fn trail(&self) -> impl Write + Send + use<> {
        Trail(self.notes.clone())
    }

    /// Has it keep what is left, and ends it. Every [`Keeper::trail`] must be gone.
    pub(super) fn finish(self) {
        drop(self.notes);
        // A thread that panicked has said so already.
        let _ = self.thread.join();
    }
}

/// Takes lines of the audit trail.
struct Trail(SyncSender<Note>);

impl Write for Trail {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line).trim_end().to_owned();
        self.0.try_send(Note::Audit(text)).map_err(|_| io::Error::from(io::ErrorKind::WouldBlock))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn keep(store: &Store, inventory: Option<&Mutex<Inventory>>, notes: &Receiver<Note>) {
    courtesy::give_way();
    let mut due = Instant::now() + OFTEN;
    let mut round = 0u32;
    let stock = |points| {
        let Some(inventory) = inventory else { return };
        if let Err(error) = store.keep_inventory(inventory, &vocabularies(), points) {
            tracing::warn!("the inventory is not kept for now: {error}");
        }
    };
    loop {
        match notes.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(note) => note_down(store, &note),
            Err(RecvTimeoutError::Timeout) => {
                due = Instant::now() + OFTEN;
                round = round.wrapping_add(1);
                stock(round.is_multiple_of(POINTS));
            }
            Err(RecvTimeoutError::Disconnected) => return stock(true),
        }
    }
}

fn note_down(store: &Store, note: &Note) {
    let mut tries = 0;
    loop {
        tries += 1;
        let result = match note {
            Note::Rules(rules, files) => {
                store.rules_in_force(&Actor::sensor(), *rules, files.clone()).map(|_| ())
            }
            Note::Audit(line) => match entry(line) {
                Some(entry) => store.audit(&Actor::sensor(), entry),
                None => Ok(()),
            },
        };
        match result {
            Err(StoreError::Busy) if tries < TRIES => {}
            Err(error) => return tracing::error!("a note about rules is not in the store: {error}"),
            Ok(()) => return,
        }
    }
}

/// The entry that a line of the audit trail becomes; none where the store says it better itself.
fn entry(line: &str) -> Option<AuditEntry> {
    let said: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| said.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let kind = text("kind");
    let subject = match kind.as_str() {
        "rules" if text("result") == "loaded" => return None,
        "rules" => "rules refused".to_owned(),
        _ => text("rule"),
    };
    Some(AuditEntry { what: kind, subject, after: Some(line.to_owned()), ..AuditEntry::default() })
}
