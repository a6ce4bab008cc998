//! Captures that are looked at beside the live plant: each gets a site of its own, with a store in memory, that ends
//! with it.
//!
//! Flows in: capture files that people send. Flows out: sites. Who decodes and judges is a [`Player`], which the sensor
//! brings: pages know no pipeline.

use super::site::{Site, Source};
use super::trends::Trends;
use crate::courtesy;
use crate::inventory::{self, Inventory};
use crate::policy::RuleSet;
use crate::store::Store;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use ulid::Ulid;

/// Replays that are kept; the oldest that is over goes for a new one.
const KEPT: usize = 8;
/// Octets of one capture that may be sent.
pub const LARGEST: u64 = 4 << 30;

/// How far a replay is.
#[derive(Default)]
pub struct Progress {
    /// Octets of the files.
    pub all: AtomicU64,
    /// Octets read so far.
    pub done: AtomicU64,
    /// Somebody does not want the rest.
    pub stop: AtomicBool,
    said: Mutex<Ended>,
}

/// How a replay ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Ended {
    /// It has not begun.
    #[default]
    Waits,
    /// It goes on.
    Runs,
    /// All was read; what there is to say about the files.
    Done(Vec<String>),
    /// It cannot be read: a sentence.
    Failed(String),
}

impl Progress {
    /// How it is.
    pub fn ended(&self) -> Ended {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn say(&self, ended: Ended) {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = ended;
    }

    /// What part of the files has been read, in percent.
    pub fn percent(&self) -> u64 {
        let all = self.all.load(Ordering::Relaxed).max(1);
        (self.done.load(Ordering::Relaxed).min(all) * 100) / all
    }
}

/// Decodes and judges captures into a site.
pub trait Player: Send + Sync {
    /// Reads all of the files; returns what there is to say about them.
    ///
    /// # Errors
    /// One sentence: a file cannot be read.
    fn play(&self, files: &[PathBuf], site: &Site, progress: &Progress) -> Result<Vec<String>, String>;
}

/// A replay.
#[derive(Clone)]
pub struct Replay {
    /// What it is called in addresses.
    pub id: String,
    /// The file's name, as whoever sent it calls it.
    pub name: String,
    /// Who sent it.
    pub who: String,
    /// Its pages.
    pub site: Arc<Site>,
    /// How far it is.
    pub progress: Arc<Progress>,
    file: Arc<Sent>,
}

/// A file that was sent and the folder for the packets of its alerts, gone with the last who needs them.
pub struct Sent(PathBuf);

impl Sent {
    /// A new file for what somebody sends, that only this program reads.
    ///
    /// # Errors
    /// Where none can be made.
    pub fn new() -> std::io::Result<(Sent, std::fs::File)> {
        let path = std::env::temp_dir().join(format!("wayside-{}.capture", Ulid::generate()));
        let file = private(&path)?;
        Ok((Sent(path), file))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the packets of its alerts are.
    fn evidence(&self) -> PathBuf {
        self.0.with_extension("evidence")
    }
}

fn private(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

impl Drop for Sent {
    fn drop(&mut self) {
        // What is left in the temporary folder does no harm.
        let _ = std::fs::remove_file(&self.0);
        let _ = std::fs::remove_dir_all(self.evidence());
    }
}

/// All replays.
#[derive(Clone)]
pub struct Replays {
    all: Arc<Mutex<Vec<Replay>>>,
    /// One is played at a time: the live plant needs the rest of the machine.
    turn: Arc<Mutex<()>>,
    player: Arc<dyn Player>,
}

impl Replays {
    /// None yet.
    pub fn new(player: Arc<dyn Player>) -> Replays {
        Replays { all: Arc::default(), turn: Arc::default(), player }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Replay>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, the newest first.
    pub fn list(&self) -> Vec<Replay> {
        self.all().iter().rev().cloned().collect()
    }

    /// The pages of one.
    pub fn site(&self, id: &str) -> Option<Arc<Site>> {
        self.all().iter().find(|replay| replay.id == id).map(|replay| replay.site.clone())
    }

    /// Forgets one; whether there was one.
    pub fn remove(&self, id: &str) -> bool {
        let mut all = self.all();
        let Some(at) = all.iter().position(|replay| replay.id == id) else { return false };
        all.remove(at).progress.stop.store(true, Ordering::Relaxed);
        true
    }

    /// Starts one; returns its id.
    ///
    /// # Errors
    /// One sentence: too many go on already, or there is no memory or thread for it.
    pub fn start(&self, name: String, file: Sent, who: String, like: &Site) -> Result<String, String> {
        let id = Ulid::generate().to_string();
        let store = Store::in_memory().map_err(|error| error.to_string())?;
        let base = format!("/replay/{id}");
        let mut site = of_captures(base, like, name.clone(), store, like.rules.load_full());
        site.evidence = Some(file.evidence());
        let site = Arc::new(site);
        let progress = Arc::new(Progress::default());
        let replay = Replay { id: id.clone(), name, who, site, progress, file: Arc::new(file) };
        {
            let mut all = self.all();
            if all.len() >= KEPT {
                let over = |replay: &Replay| !matches!(replay.progress.ended(), Ended::Waits | Ended::Runs);
                let oldest = all.iter().position(over);
                let oldest = oldest.ok_or("too many replays go on already; wait for one or remove one")?;
                all.remove(oldest);
            }
            all.push(replay.clone());
        }
        let (player, turn) = (self.player.clone(), self.turn.clone());
        let run = move || {
            courtesy::give_way();
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            replay.progress.say(Ended::Runs);
            let files = [replay.file.path().to_owned()];
            let played = player.play(&files, &replay.site, &replay.progress);
            let shown = |text: String| text.replace(&files[0].display().to_string(), &replay.name);
            replay.progress.say(match played {
                Ok(said) => Ended::Done(said.into_iter().map(shown).collect()),
                Err(why) => Ended::Failed(shown(why)),
            });
        };
        thread::Builder::new().name("replay".into()).spawn(run).map_err(|error| error.to_string())?;
        Ok(id)
    }
}

/// The site of captures.
pub fn of_captures(
    base: String,
    like: &Site,
    name: String,
    store: Store,
    rules: Option<Arc<RuleSet>>,
) -> Site {
    let stock = Arc::new(Mutex::new(Inventory::new(inventory::Limits::shown())));
    let mut site = Site::live(like.name.clone(), store, stock, like.rule_paths.clone());
    site.base = base;
    site.source = Source::Replay(name);
    site.trends = Arc::new(Mutex::new(Trends::whole()));
    site.rules.store(rules);
    site
}
