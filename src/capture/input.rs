//! The octets of one file or of standard input, decompressed.
//!
//! Flows in: a path or a stream. Flows out: a stream of capture octets. Gzip (RFC 1952, also of several members) and
//! Zstandard (RFC 8878, also of several frames) are known by their first octets, not by the file's name.

use super::CaptureError;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Octets of an archive that are read at once.
const ARCHIVE_BLOCK: usize = 256 << 10;

/// Octets that are decompressed at once. What a decompressor made before it met damage is lost with the call that met
/// it, so that this is the most that is lost of a damaged archive.
const DECOMPRESSED: usize = 4 << 10;

/// Octets read from files, before decompression, over all of them.
pub(super) type Counter = Arc<AtomicU64>;

/// Opens a file. With `keep_open` false it is open only while a block is read from it, so that any number of files
/// can be read side by side.
pub(super) fn file(
    path: &Path,
    keep_open: bool,
    read: Counter,
) -> Result<Box<dyn Read + Send>, CaptureError> {
    let unreadable = |cause| CaptureError::from_open(path.to_owned(), cause);
    let file = File::open(path).map_err(unreadable)?;
    let input: Box<dyn Read + Send> =
        if keep_open { Box::new(file) } else { Box::new(Reopened { path: path.to_owned(), offset: 0 }) };
    stream(input, read).map_err(unreadable)
}

/// Takes a stream that cannot be opened again.
pub(super) fn stream(input: Box<dyn Read + Send>, read: Counter) -> io::Result<Box<dyn Read + Send>> {
    let mut input = Counted { input, read };
    let mut head = [0; 4];
    let mut length = 0;
    while let Some(room) = head.get_mut(length..).filter(|room| !room.is_empty()) {
        match input.read(room) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let whole = Cursor::new(head).take(length as u64).chain(input);
    Ok(match head {
        [0x1f, 0x8b, ..] => {
            Box::new(Portions(MultiGzDecoder::new(BufReader::with_capacity(ARCHIVE_BLOCK, whole))))
        }
        // A frame, or a skippable frame that some writers put in front.
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
            let input = BufReader::with_capacity(ARCHIVE_BLOCK, whole);
            Box::new(Portions(zstd::Decoder::with_buffer(input)?))
        }
        _ => Box::new(whole),
    })
}

/// Reads no more than [`DECOMPRESSED`] octets at once.
struct Portions<R>(R);

impl<R: Read> Read for Portions<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let size = into.len().min(DECOMPRESSED);
        self.0.read(into.get_mut(..size).unwrap_or_default())
    }
}

/// Counts what is read.
struct Counted {
    input: Box<dyn Read + Send>,
    read: Counter,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(into)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// A file that is open only while it is read from.
struct Reopened {
    path: PathBuf,
    offset: u64,
}

impl Read for Reopened {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let count = file.read(into)?;
        self.offset += count as u64;
        Ok(count)
    }
}
