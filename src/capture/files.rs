//! Capture files, one or thousands, as one sequence of frames in time order.
//!
//! Flows in: the names of files and folders. Flows out: [`Frame`]s. A single file is read in its own order. Several
//! are merged by time: the one whose next packet is earliest goes on. Each keeps its own order inside, also where
//! its clock went backwards. Files that do not overlap in time are open one after the other; those that do are
//! read side by side, with a bound on open files and on buffers.

use super::input::{self, Counter};
use super::listing::{self, Found};
use super::reader::{Cut, Ending, Reader};
use super::{CaptureError, Frame, Passed};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Octets that are read at once from a file that is alone.
const BLOCK: usize = 128 << 10;
/// Octets that are read at once to find the first packet of one file among many.
const FIRST_BLOCK: usize = 16 << 10;
/// Octets that the buffers of files read side by side share.
const BLOCKS: usize = 32 << 20;
/// Files that stay open while they are read side by side; more are opened for each block.
const OPEN_FILES: usize = 64;

/// Frames of capture files, in time order.
pub struct Files {
    names: Vec<String>,
    files: Vec<Found>,
    /// The file that is read now.
    active: Option<Active>,
    /// It goes on up to this time (nanoseconds since 1970), when another file has the earlier packet.
    until: i64,
    /// The others, the earliest packet first.
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// Readers among those that wait.
    side_by_side: usize,
    notices: Vec<String>,
    read: Counter,
    total: Option<u64>,
}

struct Active {
    reader: Reader,
    order: u16,
}

/// A file whose next packet is not the earliest.
struct Waiting {
    /// Nanoseconds since 1970 of its next packet.
    next: i64,
    /// Its place among the names, which decides between packets of the same time.
    order: u16,
    /// Its reader and that packet, unless nothing was delivered of it yet.
    opened: Option<Box<(Reader, Cut)>>,
}

impl Files {
    /// Finds the captures that are meant and looks at the start of each. A folder stands for all captures in and
    /// below it (`.pcap`, `.pcapng`, `.cap`, each also with `.gz` or `.zst`), `-` for standard input.
    ///
    /// # Errors
    /// A named file that is missing, unreadable, empty, not a capture, or damaged before its first packet; a folder
    /// without captures. What is wrong with a file found in a folder is a notice instead.
    pub fn open<P: Into<PathBuf> + Clone>(paths: &[P]) -> Result<Files, CaptureError> {
        let paths: Vec<PathBuf> = paths.iter().cloned().map(Into::into).collect();
        let (found, notices) = listing::expand(&paths)?;
        let mut files = Files::none();
        files.notices = notices;
        files.total = found.iter().map(|found| found.size).sum();
        files.names = found
            .iter()
            .map(|found| {
                if found.path.as_os_str() == "-" { "stdin".into() } else { found.path.display().to_string() }
            })
            .collect();
        files.files = found;
        for order in 0..files.files.len() as u16 {
            files.look(order)?;
        }
        Ok(files)
    }

    /// Takes a capture from any stream, under this name.
    ///
    /// # Errors
    /// As [`Files::open`].
    pub fn from_reader(name: &str, stream: impl Read + Send + 'static) -> Result<Files, CaptureError> {
        let mut files = Files::none();
        files.names.push(name.to_owned());
        files.files.push(Found { path: PathBuf::from(name), named: true, size: None });
        files.total = None;
        let stream = files.stream(name, Box::new(stream))?;
        files.first(0, stream, BLOCK, false)?;
        Ok(files)
    }

    fn none() -> Files {
        Files {
            names: Vec::new(),
            files: Vec::new(),
            active: None,
            until: i64::MAX,
            waiting: BinaryHeap::new(),
            side_by_side: 0,
            notices: Vec::new(),
            read: Counter::default(),
            total: Some(0),
        }
    }

    /// The next frame, `None` after the last.
    ///
    /// # Errors
    /// The system failed to read a named file on. The frames of the other files follow on the next call.
    #[expect(clippy::should_implement_trait, reason = "an iterator could not lend its buffer")]
    #[inline(always)]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        let cut = loop {
            let Some(active) = &mut self.active else {
                match self.resume()? {
                    Some(cut) => break cut,
                    None => return Ok(None),
                }
            };
            match active.reader.cut() {
                Some(cut) if cut.ts.nanos <= self.until => break cut,
                Some(cut) => self.park(cut),
                None => self.finish()?,
            }
        };
        let Some(active) = &self.active else { return Ok(None) };
        Ok(Some(Frame {
            ts: cut.ts,
            number: cut.number,
            source: active.order,
            link: cut.link,
            wire_len: cut.wire_len,
            data: active.reader.octets(&cut),
        }))
    }

    /// Passes over Ethernet frames, at most `most` of them, while `is_passed` says so of their octets. It may stop
    /// earlier: what [`Files::next`] brings then may be one that `is_passed` would have passed.
    #[inline(always)]
    pub fn pass(&mut self, most: u64, is_passed: impl Fn(&[u8]) -> bool) -> Passed {
        match &mut self.active {
            Some(active) => active.reader.pass(most, self.until, is_passed),
            None => Passed::default(),
        }
    }

    /// The names of the files, as they were given or found: the places that [`Frame::source`] means.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The name of the interface that the last frame came over, where its file says it (pcapng, if_name).
    pub fn interface_name(&self) -> Option<&str> {
        self.active.as_ref()?.reader.interface_name()
    }

    /// What there is to say about files that did not end well, since the last call: one sentence each.
    pub fn notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// Octets read so far, and octets of all files as they lie on the disk. The second is `None` where standard
    /// input or a pipe is among them. Files are read ahead of their frames by a block.
    pub fn progress(&self) -> (u64, Option<u64>) {
        (self.read.load(Ordering::Relaxed), self.total)
    }

    /// Looks at the start of a file and puts it among those that wait.
    fn look(&mut self, order: u16) -> Result<(), CaptureError> {
        let Some(found) = self.files.get(usize::from(order)) else { return Ok(()) };
        let (path, named, once) = (found.path.clone(), found.named, found.size.is_none());
        // One among many is closed again until its time comes; what was read of it does not count.
        let again = !once && self.files.len() > 1;
        let name = self.name(order);
        let stream = if path.as_os_str() == "-" {
            self.stream(&name, Box::new(io::stdin()))
        } else {
            let counter = if again { Counter::default() } else { Arc::clone(&self.read) };
            input::file(&path, true, counter)
        };
        let size = if again { FIRST_BLOCK } else { BLOCK };
        match stream.and_then(|stream| self.first(order, stream, size, again)) {
            Err(error) if !named => self.notices.push(error.to_string()),
            other => other?,
        }
        Ok(())
    }

    /// Reads the first packet of a stream. With `again` the stream is dropped, to be opened anew.
    fn first(
        &mut self,
        order: u16,
        stream: Box<dyn Read + Send>,
        size: usize,
        again: bool,
    ) -> Result<(), CaptureError> {
        let mut reader = Reader::open(&self.name(order), stream, size)?;
        let Some(cut) = reader.cut() else { return self.ended(order, reader) };
        let opened = if again { None } else { Some(Box::new((reader, cut))) };
        self.wait(Waiting { next: cut.ts.nanos, order, opened });
        Ok(())
    }

    fn wait(&mut self, waiting: Waiting) {
        self.side_by_side += usize::from(waiting.opened.is_some());
        self.waiting.push(Reverse(waiting));
    }

    /// Makes the file with the earliest packet the active one and returns that packet.
    #[cold]
    fn resume(&mut self) -> Result<Option<Cut>, CaptureError> {
        while let Some(Reverse(Waiting { order, opened, .. })) = self.waiting.pop() {
            let (reader, cut) = match opened {
                Some(opened) => {
                    self.side_by_side -= 1;
                    let (reader, cut) = *opened;
                    (reader, Some(cut))
                }
                None => match self.reopen(order) {
                    Ok(opened) => opened,
                    Err(error) if self.is_named(order) => return Err(error),
                    Err(error) => {
                        self.notices.push(error.to_string());
                        continue;
                    }
                },
            };
            let Some(cut) = cut else {
                self.ended(order, reader)?;
                continue;
            };
            self.until = match self.waiting.peek() {
                None => i64::MAX,
                Some(Reverse(other)) if other.order < order => other.next.saturating_sub(1),
                Some(Reverse(other)) => other.next,
            };
            self.active = Some(Active { reader, order });
            return Ok(Some(cut));
        }
        Ok(None)
    }

    /// Opens a file whose time has come.
    fn reopen(&self, order: u16) -> Result<(Reader, Option<Cut>), CaptureError> {
        let path = self.files.get(usize::from(order)).map(|found| found.path.clone()).unwrap_or_default();
        let keep_open = self.side_by_side < OPEN_FILES;
        let size = (BLOCKS / (self.side_by_side + 1)).clamp(FIRST_BLOCK, BLOCK);
        let stream = input::file(&path, keep_open, Arc::clone(&self.read))?;
        let mut reader = Reader::open(&self.name(order), stream, size)?;
        let cut = reader.cut();
        Ok((reader, cut))
    }

    /// Lets the active file wait: this packet of it is not the earliest.
    #[cold]
    fn park(&mut self, cut: Cut) {
        if let Some(Active { reader, order }) = self.active.take() {
            self.wait(Waiting { next: cut.ts.nanos, order, opened: Some(Box::new((reader, cut))) });
        }
    }

    /// Closes the active file, which has no more packets.
    #[cold]
    fn finish(&mut self) -> Result<(), CaptureError> {
        match self.active.take() {
            Some(Active { reader, order }) => self.ended(order, reader),
            None => Ok(()),
        }
    }

    /// Tells how a file ended. It is an error only where a named file could not be read on, or not at all.
    fn ended(&mut self, order: u16, reader: Reader) -> Result<(), CaptureError> {
        let name = self.name(order);
        let packets = reader.packets();
        let ending = reader.ending();
        let notice = ending.notice(packets).map(|notice| format!("{name}: {notice}"));
        let error = match ending {
            Ending::Damaged(damage) if packets == 0 => Some(CaptureError::Damaged { name, damage }),
            Ending::Failed(cause) if packets == 0 || cause.raw_os_error().is_some() => {
                Some(CaptureError::Unreadable { name, cause })
            }
            _ => None,
        };
        match error {
            Some(error) if self.is_named(order) => return Err(error),
            Some(error) => self.notices.push(error.to_string()),
            None => self.notices.extend(notice),
        }
        Ok(())
    }

    fn stream(&self, name: &str, input: Box<dyn Read + Send>) -> Result<Box<dyn Read + Send>, CaptureError> {
        input::stream(input, Arc::clone(&self.read))
            .map_err(|cause| CaptureError::Unreadable { name: name.to_owned(), cause })
    }

    fn name(&self, order: u16) -> String {
        self.names.get(usize::from(order)).cloned().unwrap_or_default()
    }

    fn is_named(&self, order: u16) -> bool {
        self.files.get(usize::from(order)).is_some_and(|found| found.named)
    }
}

impl Waiting {
    fn key(&self) -> (i64, u16) {
        (self.next, self.order)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
