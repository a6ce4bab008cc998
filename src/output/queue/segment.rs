//! The files of a queue: `0000000000000012.queue`, and `place`, which says what has arrived.

use super::record::{Found, Record};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

const EXTENSION: &str = "queue";
const PLACE: &str = "place";
/// Octets that are read at once.
const BLOCK: usize = 256 << 10;

/// Where a record ends: in which segment, and after how many octets there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Place {
    pub segment: u64,
    pub offset: u64,
}

/// From where to where a segment is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub from: u64,
    pub to: u64,
}

/// One file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Segment {
    pub number: u64,
    /// Octets of whole records.
    pub octets: u64,
    /// Records that have not arrived.
    pub waiting: u64,
    /// Whether something is behind the whole records.
    pub is_damaged: bool,
}

impl Segment {
    pub(super) fn new(number: u64) -> Segment {
        Segment { number, octets: 0, waiting: 0, is_damaged: false }
    }

    /// What is in a file from before; what lies before `from` has arrived. A record that was cut short when the program
    /// was killed had not been taken, so it is no loss.
    pub(super) fn look(folder: &Path, number: u64, from: u64) -> io::Result<Segment> {
        let mut segment = Segment { octets: from, ..Segment::new(number) };
        let mut reader = Cutter::open(&path(folder, number), from)?;
        while let Some((_, end)) = reader.next(u64::MAX)? {
            (segment.octets, segment.waiting) = (end, segment.waiting + 1);
        }
        segment.is_damaged = reader.damaged;
        Ok(segment)
    }
}

/// Cuts records from a file.
struct Cutter {
    file: File,
    bytes: Vec<u8>,
    /// Where in `bytes` the next record begins.
    start: usize,
    /// Where in the file that is.
    offset: u64,
    ended: bool,
    damaged: bool,
}

impl Cutter {
    fn open(path: &Path, from: u64) -> io::Result<Cutter> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        Ok(Cutter { file, bytes: Vec::new(), start: 0, offset: from, ended: false, damaged: false })
    }

    /// The next record that ends at or before `to`, and where that is.
    fn next(&mut self, to: u64) -> io::Result<Option<(Record, u64)>> {
        loop {
            match Record::read(self.bytes.get(self.start..).unwrap_or_default()) {
                Found::Record(record, octets) => {
                    let end = self.offset.saturating_add(octets as u64);
                    if end > to {
                        return Ok(None);
                    }
                    (self.start, self.offset) = (self.start + octets, end);
                    return Ok(Some((record, end)));
                }
                Found::Damaged => {
                    self.damaged = true;
                    return Ok(None);
                }
                Found::Short if self.ended => return Ok(None),
                Found::Short => self.fill()?,
            }
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.bytes.drain(..self.start);
        self.start = 0;
        let read = (&mut self.file).take(BLOCK as u64).read_to_end(&mut self.bytes)?;
        self.ended = read == 0;
        Ok(())
    }
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016}.{EXTENSION}"))
}

/// The numbers of the segments in a folder, in order; other files are left alone.
pub(super) fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|name| name.strip_suffix(".queue")).and_then(|n| n.parse().ok());
        all.extend(number);
    }
    all.sort_unstable();
    Ok(all)
}

/// Makes a file for its owner alone.
pub(super) fn create(folder: &Path, number: u64) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path(folder, number))
}

pub(super) fn remove(folder: &Path, number: u64) {
    // Where it stays, the place says that nothing in it is wanted.
    let _ = fs::remove_file(path(folder, number));
}

/// Reads records of a segment: at most so many of so many octets, but one at least where `one` says so. Whether all of it was read.
pub(super) fn read(
    folder: &Path,
    number: u64,
    start: Start,
    (most, octets): (usize, usize),
    one: bool,
) -> io::Result<(Vec<(Record, u64)>, bool)> {
    let mut cutter = Cutter::open(&path(folder, number), start.from)?;
    let mut found: Vec<(Record, u64)> = Vec::new();
    let mut sum = 0usize;
    while found.len() < most {
        let Some((record, end)) = cutter.next(start.to)? else { return Ok((found, true)) };
        sum = sum.saturating_add(record.body.len());
        if sum > octets && !(one && found.is_empty()) {
            return Ok((found, false));
        }
        found.push((record, end));
    }
    Ok((found, false))
}

/// What has arrived, as it was last written down; nothing where there is no such file or it is damaged, so that what was sent
/// already is sent once more.
pub(super) fn read_place(folder: &Path) -> io::Result<Place> {
    let bytes = match fs::read(folder.join(PLACE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Place::default()),
        other => other?,
    };
    let place = || {
        let (segment, rest) = bytes.split_first_chunk::<8>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let sum = u32::from_le_bytes(*rest.first_chunk::<4>()?);
        let whole = crc32fast::hash(bytes.get(..16)?) == sum;
        let place = Place { segment: u64::from_le_bytes(*segment), offset: u64::from_le_bytes(*offset) };
        whole.then_some(place)
    };
    Ok(place().unwrap_or_default())
}

/// Writes down what has arrived: first beside, so that there is always a whole one.
pub(super) fn write_place(folder: &Path, place: Place) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(20);
    bytes.extend_from_slice(&place.segment.to_le_bytes());
    bytes.extend_from_slice(&place.offset.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    let beside = folder.join("place.new");
    fs::write(&beside, &bytes)?;
    fs::rename(&beside, folder.join(PLACE))
}
