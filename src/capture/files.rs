//! Capture files, one or many, in time order.

use super::reader::Reader;
use super::{CaptureError, Frame};
use crate::address::Timestamp;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many files are open at once; where more overlap in time, the rest waits its turn.
const OPEN_MAX: usize = 64;

/// A file that has not been opened for reading yet.
struct Later {
    place: usize,
    first: Timestamp,
}

/// A file being read, with its next frame kept: the reader lends only one at a time.
struct Open {
    place: usize,
    reader: Reader,
    next: Option<Kept>,
}

struct Kept {
    ts: Timestamp,
    number: u64,
    link: u32,
    wire_len: u32,
    data: Vec<u8>,
}

/// Capture files in time order. Within a file the order is the file's own.
pub struct Files {
    paths: Vec<PathBuf>,
    names: Vec<String>,
    read: Arc<AtomicU64>,
    total: Option<u64>,
    notices: Vec<String>,
    /// A single file is handed through without a copy.
    single: Option<Reader>,
    later: VecDeque<Later>,
    open: Vec<Open>,
    current: Kept,
}

impl Files {
    /// Finds the captures that these paths name: files, folders (searched through and through), `-`.
    ///
    /// # Errors
    /// The first file that cannot be opened or is no capture where it was named itself; in a folder such a file is
    /// left out with a notice.
    pub fn open(paths: &[PathBuf]) -> Result<Files, CaptureError> {
        let mut found = Vec::new();
        for path in paths {
            if path.is_dir() {
                let before = found.len();
                walk(path, &mut found)?;
                if found.len() == before {
                    return Err(CaptureError::EmptyFolder { name: path.display().to_string() });
                }
            } else {
                found.push((path.clone(), true));
            }
        }
        let read = Arc::new(AtomicU64::new(0));
        let mut files = Files {
            names: found.iter().map(|(path, _)| path.display().to_string()).collect(),
            paths: found.iter().map(|(path, _)| path.clone()).collect(),
            total: found.iter().map(|(path, _)| std::fs::metadata(path).ok().map(|m| m.len())).sum(),
            read,
            notices: Vec::new(),
            single: None,
            later: VecDeque::new(),
            open: Vec::new(),
            current: Kept { ts: Timestamp::default(), number: 0, link: 0, wire_len: 0, data: Vec::new() },
        };
        match found.as_slice() {
            [(path, _)] => files.single = Some(Reader::open(path, files.read.clone())?),
            _ => files.sort(&found)?,
        }
        Ok(files)
    }

    /// Looks at the first frame of each file and sorts them by it.
    fn sort(&mut self, found: &[(PathBuf, bool)]) -> Result<(), CaptureError> {
        let mut later = Vec::new();
        for (place, (path, named)) in found.iter().enumerate() {
            let stdin = path.as_os_str() == "-";
            let uncounted = Arc::new(AtomicU64::new(0));
            let mut reader = match Reader::open(path, if stdin { self.read.clone() } else { uncounted }) {
                Ok(reader) => reader,
                Err(error) if *named => return Err(error),
                Err(error) => {
                    self.notices.push(format!("{error}; it was left out"));
                    continue;
                }
            };
            let first = reader.next()?.map(|frame| keep(&frame));
            if stdin {
                self.open.push(Open { place, reader, next: first });
            } else if let Some(first) = first {
                later.push(Later { place, first: first.ts });
            } else {
                self.notices.extend(reader.notice().map(str::to_owned));
            }
        }
        later.sort_by_key(|file| file.first.nanos);
        self.later = later.into();
        Ok(())
    }

    /// The next frame of all, or `None` at the end.
    ///
    /// # Errors
    /// Where a file that could be opened cannot be read at all.
    #[allow(clippy::should_implement_trait)] // it lends from itself
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        if self.single.is_none() {
            return self.next_of_many();
        }
        match &mut self.single {
            Some(reader) => reader.next(),
            None => Ok(None),
        }
    }

    fn next_of_many(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        loop {
            let earliest = self.open.iter().enumerate().min_by_key(|(_, file)| {
                (file.next.as_ref().map_or(i64::MIN, |next| next.ts.nanos), file.place)
            });
            let begins = self.later.front().filter(|_| self.open.len() < OPEN_MAX);
            match (earliest, begins) {
                (None, None) => return Ok(None),
                (earliest, Some(later))
                    if earliest.is_none_or(|(_, file)| {
                        file.next.as_ref().is_none_or(|next| later.first.nanos <= next.ts.nanos)
                    }) =>
                {
                    let place = later.place;
                    self.later.pop_front();
                    if let Some(path) = self.paths.get(place) {
                        let reader = Reader::open(path, self.read.clone())?;
                        self.open.push(Open { place, reader, next: None });
                        self.advance(self.open.len() - 1)?;
                    }
                }
                (Some((at, _)), _) => {
                    let Some(file) = self.open.get_mut(at) else { continue };
                    let source = file.place;
                    if let Some(next) = file.next.take() {
                        self.current = next;
                        self.advance(at)?;
                        let Kept { ts, number, link, wire_len, ref data } = self.current;
                        return Ok(Some(Frame { ts, number, source, link, wire_len, data }));
                    }
                    self.advance(at)?;
                }
                (None, Some(_)) => {}
            }
        }
    }

    /// Fetches the next frame of an open file, or closes it.
    fn advance(&mut self, at: usize) -> Result<(), CaptureError> {
        let Some(file) = self.open.get_mut(at) else { return Ok(()) };
        match file.reader.next()? {
            Some(frame) => file.next = Some(keep(&frame)),
            None => {
                self.notices.extend(file.reader.notice().map(str::to_owned));
                self.open.remove(at);
            }
        }
        Ok(())
    }

    /// The names of the files; [`Frame::source`] is a place in it.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What was odd about the files read so far, a sentence each.
    pub fn notices(&mut self) -> Vec<String> {
        let single = self.single.as_ref().and_then(Reader::notice).map(str::to_owned);
        self.notices.drain(..).chain(single).collect()
    }

    /// Octets read from disk so far, and how many there are, where that is known.
    pub fn progress(&self) -> (u64, Option<u64>) {
        (self.read.load(Ordering::Relaxed), self.total)
    }
}

fn keep(frame: &Frame<'_>) -> Kept {
    let Frame { ts, number, link, wire_len, data, .. } = *frame;
    Kept { ts, number, link, wire_len, data: data.to_vec() }
}

/// Captures in a folder, in the order of their names.
fn walk(folder: &Path, found: &mut Vec<(PathBuf, bool)>) -> Result<(), CaptureError> {
    let open = |source| CaptureError::Open { name: folder.display().to_string(), source };
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).map_err(open)?.filter_map(|entry| entry.ok().map(|e| e.path())).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() && !path.is_symlink() {
            walk(&path, found)?;
        } else if is_capture(&path) {
            found.push((path, false));
        }
    }
    Ok(())
}

fn is_capture(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let plain = name.trim_end_matches(".gz").trim_end_matches(".zst");
    [".pcap", ".pcapng", ".cap"].iter().any(|ending| plain.ends_with(ending))
}
