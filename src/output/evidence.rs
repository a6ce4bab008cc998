//! Evidence on the disk: a folder of small captures, one for each alert, named by the alert's id (`ID.pcapng`).
//!
//! Flows in: the packets of an alert's conversation with what is to be said about them. A thread of its own writes
//! them, each under another name first, so that no reader sees half a file. The folder is bounded in files and
//! octets: the oldest of its own files go, by their ids, which sort by time. Other files in it are left alone.

use super::pcapng::{Packet, PcapngWriter};
use crate::courtesy;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use thiserror::Error;
use ulid::Ulid;

/// Captures that wait to be written.
const WAITING: usize = 64;
/// What the files' names end with.
const EXTENSION: &str = "pcapng";
/// What follows the name while a file is written.
const UNFINISHED: &str = ".part";

/// What there is to say about a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Remark {
    /// Nothing.
    None,
    /// It carries a message that became part of the alert.
    Part,
    /// It raised the alert.
    Raised,
}

/// One packet of a [`Bundle`].
#[derive(Clone, Debug)]
pub struct Head {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub nanos: i64,
    /// Its number in its file, or since the interface was opened.
    pub number: u64,
    /// Where it came from: the place among the [`Shelf`]'s names.
    pub source: u16,
    /// What its first octets are, by the tcpdump.org registry of link types.
    pub link: u16,
    /// Octets that it had on the wire.
    pub wire_len: u32,
    /// Its place in the order of all packets.
    pub order: u64,
    /// Where its octets are in [`Bundle::octets`].
    pub octets: std::ops::Range<usize>,
    /// What there is to say about it.
    pub remark: Remark,
}

/// The packets of one alert.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The alert.
    pub id: Ulid,
    /// What is said about the packet that raised it: severity and sentence.
    pub sentence: String,
    /// The packets, in the order in which they were captured.
    pub heads: Vec<Head>,
    /// Their octets.
    pub octets: Vec<u8>,
}

impl Bundle {
    /// The capture file; `names` are those of the places that packets come from.
    pub fn pcapng(&self, names: &[String]) -> Vec<u8> {
        let program = concat!("wayside ", env!("CARGO_PKG_VERSION"));
        let (id, part) = (self.id, format!("part of alert {}", self.id));
        let mut writer = PcapngWriter::new(program, &format!("evidence of alert {id}, {}", self.sentence));
        for head in &self.heads {
            let raised;
            let comment = match head.remark {
                Remark::None => "",
                Remark::Part => &part,
                Remark::Raised => {
                    raised = format!("alert {id}, {} (packet {})", self.sentence, head.number);
                    &raised
                }
            };
            writer.packet(&Packet {
                nanos: head.nanos,
                link: head.link,
                interface: names.get(usize::from(head.source)).map_or("", String::as_str),
                wire_len: head.wire_len,
                data: self.octets.get(head.octets.clone()).unwrap_or_default(),
                comment,
            });
        }
        writer.finish()
    }
}

/// Why evidence cannot be kept.
#[derive(Debug, Error)]
#[error(
    "cannot keep evidence in {}: {source}; make it a folder that this user may write to, or name another",
    path.display()
)]
pub struct EvidenceError {
    path: PathBuf,
    source: io::Error,
}

/// The folder itself.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Its own files by id, with their octets.
    own: BTreeMap<Ulid, u64>,
    octets: u64,
    most_files: usize,
    most_octets: u64,
}

impl Folder {
    /// Takes a folder, which is made where it is missing, with its bounds. Files that an earlier run left unfinished
    /// are removed.
    ///
    /// # Errors
    /// One sentence where it cannot be had or written to.
    pub fn open(path: &Path, most_files: usize, most_octets: u64) -> Result<Folder, EvidenceError> {
        let mut folder =
            Folder { path: path.to_owned(), own: BTreeMap::new(), octets: 0, most_files, most_octets };
        folder.look().map_err(|source| EvidenceError { path: path.to_owned(), source })?;
        Ok(folder)
    }

    fn look(&mut self) -> io::Result<()> {
        fs::create_dir_all(&self.path)?;
        let trial = self.path.join(format!(".trial-{}{UNFINISHED}", std::process::id()));
        fs::write(&trial, [])?;
        fs::remove_file(&trial)?;
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            match name.strip_suffix(UNFINISHED) {
                Some(rest) if id_of(rest).is_some() => fs::remove_file(entry.path())?,
                Some(_) => {}
                None => {
                    let Some(id) = id_of(name) else { continue };
                    let octets = entry.metadata()?.len();
                    self.own.insert(id, octets);
                    self.octets += octets;
                }
            }
        }
        Ok(())
    }

    /// Where the evidence of this alert is, or would be.
    pub fn path_of(&self, id: Ulid) -> PathBuf {
        self.path.join(name_of(id))
    }

    /// Writes the evidence of an alert; what was there for it before is replaced. Returns how many older files had to
    /// go. With `safe` it is on the disk before it gets its name.
    ///
    /// # Errors
    /// What the system says.
    pub fn put(&mut self, id: Ulid, bytes: &[u8], safe: bool) -> io::Result<u64> {
        let path = self.path_of(id);
        let unfinished = self.path.join(name_of(id) + UNFINISHED);
        let written = write(&unfinished, bytes, safe).and_then(|()| fs::rename(&unfinished, &path));
        if let Err(error) = written {
            // The disk may be full: half a file would take what little is left.
            let _ = fs::remove_file(&unfinished);
            return Err(error);
        }
        let octets = bytes.len() as u64;
        self.octets += octets;
        self.octets -= self.own.insert(id, octets).unwrap_or(0);
        self.make_room()
    }

    fn make_room(&mut self) -> io::Result<u64> {
        let mut gone = 0;
        while self.own.len() > self.most_files || self.octets > self.most_octets {
            let Some((id, octets)) = self.own.pop_first() else { break };
            self.octets -= octets;
            match fs::remove_file(self.path_of(id)) {
                Ok(()) => gone += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(gone)
    }
}

fn write(path: &Path, bytes: &[u8], safe: bool) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    io::Write::write_all(&mut file, bytes)?;
    if safe { file.sync_all() } else { Ok(()) }
}

fn name_of(id: Ulid) -> String {
    format!("{id}.{EXTENSION}")
}

/// The alert of a file's name, where it is one of ours.
fn id_of(name: &str) -> Option<Ulid> {
    let stem = name.strip_suffix(EXTENSION)?.strip_suffix('.')?;
    Ulid::from_string(stem).ok().filter(|id| id.to_string() == stem)
}

/// What became of the evidence so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stored {
    /// Files written.
    pub written: u64,
    /// Files that were not written since the disk was behind.
    pub queue: u64,
    /// Files that could not be written.
    pub failed: u64,
    /// Files removed to stay within the folder's bounds.
    pub removed: u64,
}

#[derive(Default)]
struct Counts {
    written: AtomicU64,
    queue: AtomicU64,
    failed: AtomicU64,
    removed: AtomicU64,
}

/// What to do where the disk is behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Behind {
    /// Wait for it: a capture file can wait.
    Wait,
    /// Lose the evidence: live traffic cannot.
    Lose,
}

/// Writes bundles to a folder, on a thread of its own.
pub struct Shelf {
    path: PathBuf,
    bundles: Option<SyncSender<Bundle>>,
    thread: Option<JoinHandle<()>>,
    counts: Arc<Counts>,
    behind: Behind,
}

impl Shelf {
    /// Starts the thread; `names` are those of the places that packets come from.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(mut folder: Folder, names: Vec<String>, behind: Behind) -> io::Result<Shelf> {
        let path = folder.path.clone();
        let (bundles, given) = sync_channel::<Bundle>(WAITING);
        let counts = Arc::new(Counts::default());
        let counted = counts.clone();
        let work = move || {
            courtesy::give_way();
            for bundle in given {
                store(&mut folder, &bundle, &names, behind == Behind::Lose, &counted);
            }
        };
        let thread = thread::Builder::new().name("evidence".into()).spawn(work)?;
        Ok(Shelf { path, bundles: Some(bundles), thread: Some(thread), counts, behind })
    }

    /// Where the evidence of this alert will be, as the folder was named.
    pub fn path_of(&self, id: Ulid) -> String {
        self.path.join(name_of(id)).to_string_lossy().into_owned()
    }

    /// Hands a bundle to the thread.
    pub fn put(&self, bundle: Bundle) {
        let lost = match (&self.bundles, self.behind) {
            (Some(bundles), Behind::Wait) => bundles.send(bundle).is_err(),
            (Some(bundles), Behind::Lose) => {
                matches!(bundles.try_send(bundle), Err(TrySendError::Full(_) | TrySendError::Disconnected(_)))
            }
            (None, _) => true,
        };
        self.counts.queue.fetch_add(u64::from(lost), Ordering::Relaxed);
    }

    /// What became of the evidence so far.
    pub fn stored(&self) -> Stored {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counts { written, queue, failed, removed } = &*self.counts;
        Stored { written: load(written), queue: load(queue), failed: load(failed), removed: load(removed) }
    }

    /// Waits until everything is written.
    pub fn finish(&mut self) {
        self.bundles = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Writes one bundle and counts what came of it; says the first failure, and the first file that has to go.
fn store(folder: &mut Folder, bundle: &Bundle, names: &[String], safe: bool, counts: &Counts) {
    match folder.put(bundle.id, &bundle.pcapng(names), safe) {
        Ok(gone) => {
            counts.written.fetch_add(1, Ordering::Relaxed);
            if gone > 0 && counts.removed.fetch_add(gone, Ordering::Relaxed) == 0 {
                tracing::warn!(
                    "the evidence in {} has reached its bounds ({} files, {} MiB): the oldest files go from now on; \
                     they are counted in wayside_evidence_removed_total",
                    folder.path.display(),
                    folder.most_files,
                    folder.most_octets >> 20
                );
            }
        }
        Err(error) => {
            if counts.failed.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::error!(
                    "cannot write {}: {error}; alerts go on without evidence, which is counted in \
                     wayside_evidence_lost_total",
                    folder.path_of(bundle.id).display()
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_oldest_of_its_own_files_go() {
        let at = tempfile::tempdir().unwrap();
        let id = |millis| Ulid::from_parts(millis, 7);
        for other in ["notes.txt", "a.pcapng", "01arz3ndektsv4rrffq69g5fav.pcapng"] {
            fs::write(at.path().join(other), [0; 4000]).unwrap();
        }
        fs::write(at.path().join(name_of(id(9)) + UNFINISHED), [0; 10]).unwrap();
        let mut folder = Folder::open(at.path(), 3, 1000).unwrap();
        assert_eq!(names(at.path()).len(), 3, "what was unfinished goes");
        for millis in [4, 3, 5] {
            assert_eq!(folder.put(id(millis), &[1; 100], false).unwrap(), 0);
        }
        assert_eq!(folder.put(id(6), &[1; 100], true).unwrap(), 1);
        assert_eq!(folder.put(id(6), &[1; 950], false).unwrap(), 2, "1,150 octets are too many, 1,050 too");
        assert_eq!(names(at.path()).first().unwrap(), &name_of(id(6)));
        assert_eq!(names(at.path()).len(), 4);
        let folder = Folder::open(at.path(), 3, 1000).unwrap();
        assert_eq!((folder.own.len(), folder.octets), (1, 950));
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_the_rest_goes_on() {
        let at = tempfile::tempdir().unwrap();
        let path = at.path().join("evidence");
        let bundle = |millis| Bundle {
            id: Ulid::from_parts(millis, 1),
            sentence: "low: hm".into(),
            heads: Vec::new(),
            octets: Vec::new(),
        };
        for behind in [Behind::Wait, Behind::Lose] {
            let mut shelf = Shelf::start(Folder::open(&path, 9, 9000).unwrap(), Vec::new(), behind).unwrap();
            fs::remove_dir_all(&path).unwrap();
            shelf.put(bundle(1));
            while shelf.stored().failed == 0 {
                thread::yield_now();
            }
            fs::create_dir(&path).unwrap();
            shelf.put(bundle(2));
            shelf.finish();
            shelf.put(bundle(3));
            assert_eq!(shelf.stored(), Stored { written: 1, queue: 1, failed: 1, removed: 0 });
            assert_eq!(names(&path), [name_of(bundle(2).id)]);
            fs::remove_dir_all(&path).unwrap();
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_to_is_one_sentence() {
        let at = tempfile::tempdir().unwrap();
        let file = at.path().join("file");
        fs::write(&file, []).unwrap();
        let said = Folder::open(&file, 1, 1).unwrap_err().to_string();
        assert!(said.starts_with("cannot keep evidence in ") && said.contains("name another"), "{said}");
    }
}
