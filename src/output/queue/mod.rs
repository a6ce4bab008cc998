//! A queue on the disk, before a destination: what is put in is still there after the program was killed, and comes out
//! in order, at least once.
//!
//! ```text
//! put --> | 12.queue | 13.queue | 14.queue | --> take ... done
//!             ^ place: what lies before it has arrived
//! ```
//!
//! A folder of files (segments), to which records are appended; [`record`] says how one lies there. A file that has been
//! read to its end is removed. The folder is bounded in octets: where there is no room, the oldest file goes with what was not sent of
//! it, which is counted. What was put in is in the hands of the system when [`Queue::put`] returns, and on the disk a moment later
//! ([`Queue::settle`]).

mod record;
mod segment;
#[cfg(test)]
mod tests;

pub use record::Record;

use segment::{Place, Segment, Start};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Octets of one segment at most, but for its last record.
const SEGMENT: u64 = 1 << 20;
/// The least that a queue may hold: two segments, so that one can go while the other is written.
pub const LEAST: u64 = 64 << 10;

/// What a queue holds and what became of the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Records that wait.
    pub waiting: u64,
    /// Their octets on the disk, with what has been sent of a file that still is there.
    pub octets: u64,
    /// Records that were not kept: for lack of room, or since the disk took no more.
    pub lost: u64,
    /// Those of them that the disk did not take.
    pub refused: u64,
    /// Records that were damaged on the disk.
    pub damaged: u64,
}

/// Records taken out together, which are still in the queue until [`Queue::done`].
#[derive(Debug, Default)]
pub struct Batch {
    /// The records, oldest first.
    pub records: Vec<Record>,
    /// Where each of them ends.
    ends: Vec<Place>,
}

struct Inside {
    segments: VecDeque<Segment>,
    /// The file that is written, the last of `segments`; none where it could not be made.
    out: Option<File>,
    /// What lies before it has arrived.
    place: Place,
    counts: Counts,
    /// Whether something was written since it was last made to stay.
    unsettled: bool,
    closed: bool,
}

/// The queue of one destination.
pub struct Queue {
    folder: PathBuf,
    most: u64,
    segment: u64,
    inside: Mutex<Inside>,
    came: Condvar,
}

impl Queue {
    /// Opens the queue in this folder, which is made where there is none, and finds what is left in it from before. It holds
    /// at most so many octets.
    ///
    /// # Errors
    /// Where the folder cannot be made or read.
    pub fn open(folder: &Path, most: u64) -> io::Result<Queue> {
        make_private(folder)?;
        let most = most.max(LEAST);
        let place = segment::read_place(folder)?;
        let mut counts = Counts::default();
        let mut segments = VecDeque::new();
        for number in segment::numbers(folder)? {
            if number < place.segment {
                segment::remove(folder, number);
                continue;
            }
            let from = if number == place.segment { place.offset } else { 0 };
            let found = Segment::look(folder, number, from)?;
            counts.waiting += found.waiting;
            counts.octets += found.octets;
            counts.damaged += u64::from(found.is_damaged);
            segments.push_back(found);
        }
        let inside = Inside { segments, out: None, place, counts, unsettled: false, closed: false };
        let segment = (most / 8).min(SEGMENT);
        Ok(Queue {
            folder: folder.to_owned(),
            most,
            segment,
            inside: Mutex::new(inside),
            came: Condvar::new(),
        })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in a record; whether it was kept. Where it was not, it is counted as lost.
    ///
    /// # Errors
    /// Where the disk did not take it, which is counted, too: full, or broken.
    pub fn put(&self, record: &Record) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(record.body.len() + record::HEAD);
        let mut inside = self.inside();
        let written = record.write(&mut bytes).and_then(|()| self.append(&mut inside, &bytes));
        match written {
            Ok(()) => {
                inside.counts.waiting += 1;
                self.came.notify_one();
            }
            Err(_) => {
                inside.counts.lost += 1;
                inside.counts.refused += 1;
            }
        }
        written
    }

    fn append(&self, inside: &mut Inside, bytes: &[u8]) -> io::Result<()> {
        let long = bytes.len() as u64;
        let full = inside.segments.back().is_none_or(|last| last.octets.saturating_add(long) > self.segment);
        if full || inside.out.is_none() {
            self.begin(inside)?;
        }
        while inside.counts.octets.saturating_add(long) > self.most && inside.segments.len() > 1 {
            self.drop_oldest(inside);
        }
        let (Some(out), Some(last)) = (&mut inside.out, inside.segments.back_mut()) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if let Err(error) = out.write_all(bytes) {
            // A part of it may be there. Where it cannot be taken back, what follows goes into another file.
            if out.set_len(last.octets).is_err() {
                inside.out = None;
            }
            return Err(error);
        }
        last.octets += long;
        last.waiting += 1;
        inside.counts.octets += long;
        inside.unsettled = true;
        Ok(())
    }

    /// Begins another segment.
    fn begin(&self, inside: &mut Inside) -> io::Result<()> {
        if let Some(out) = inside.out.take().filter(|_| inside.unsettled) {
            out.sync_data()?;
        }
        let after = inside.segments.back().map_or(inside.place.segment, |last| last.number);
        let number = after.saturating_add(1);
        inside.out = Some(segment::create(&self.folder, number)?);
        inside.segments.push_back(Segment::new(number));
        Ok(())
    }

    /// Removes the oldest segment with what was not sent of it.
    fn drop_oldest(&self, inside: &mut Inside) {
        let Some(oldest) = inside.segments.pop_front() else { return };
        inside.counts.lost += oldest.waiting;
        inside.counts.waiting -= oldest.waiting;
        inside.counts.octets -= oldest.octets;
        inside.place = Place { segment: oldest.number.saturating_add(1), offset: 0 };
        segment::remove(&self.folder, oldest.number);
    }

    /// Waits for records, at most so long, and takes out the oldest: at most so many, of at most so many octets, but at least one
    /// where there is one. They stay in the queue until [`Queue::done`].
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn take(&self, most: usize, octets: usize, wait: Duration) -> io::Result<Batch> {
        let until = Instant::now() + wait;
        let mut inside = self.inside();
        while inside.counts.waiting == 0 && !inside.closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Batch::default());
            }
            inside = self.came.wait_timeout(inside, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let places: Vec<(u64, Start)> = inside
            .segments
            .iter()
            .filter(|segment| segment.waiting > 0)
            .map(|segment| {
                let is_first = segment.number == inside.place.segment;
                let from = if is_first { inside.place.offset } else { 0 };
                (segment.number, Start { from, to: segment.octets })
            })
            .collect();
        drop(inside);
        let mut batch = Batch::default();
        for &(number, start) in &places {
            let room = (most - batch.records.len(), octets.saturating_sub(batch.octets()));
            let is_empty = batch.records.is_empty();
            if room.0 == 0 || (room.1 == 0 && !is_empty) {
                break;
            }
            let read = segment::read(&self.folder, number, start, room, is_empty);
            match read {
                Ok((found, whole)) => {
                    for (record, end) in found {
                        batch.records.push(record);
                        batch.ends.push(Place { segment: number, offset: end });
                    }
                    if !whole {
                        break;
                    }
                }
                // It went for lack of room just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if is_empty => return Err(error),
                Err(_) => break,
            }
        }
        if let (true, Some((number, _))) = (batch.records.is_empty(), places.first()) {
            self.give_up(*number);
        }
        Ok(batch)
    }

    /// What waits in a segment cannot be read, though it was written: it is lost.
    fn give_up(&self, number: u64) {
        let mut inside = self.inside();
        let Some(at) = inside.segments.iter().position(|segment| segment.number == number) else { return };
        if at + 1 == inside.segments.len() {
            inside.out = None;
        }
        if let Some(gone) = inside.segments.remove(at) {
            inside.counts.lost += gone.waiting;
            inside.counts.waiting -= gone.waiting;
            inside.counts.octets -= gone.octets;
            inside.counts.damaged += 1;
            inside.place = inside.place.max(Place { segment: number.saturating_add(1), offset: 0 });
        }
    }

    /// The first `count` records of a batch have arrived, or never will: they go.
    ///
    /// # Errors
    /// Where that cannot be written down: after a restart they would be sent once more.
    pub fn done(&self, batch: &Batch, count: usize) -> io::Result<()> {
        let mut inside = self.inside();
        for end in batch.ends.iter().take(count) {
            if *end <= inside.place {
                // It was counted as lost while it was on its way.
                inside.counts.lost = inside.counts.lost.saturating_sub(1);
                continue;
            }
            inside.place = *end;
            inside.counts.waiting = inside.counts.waiting.saturating_sub(1);
            if let Some(segment) = inside.segments.iter_mut().find(|segment| segment.number == end.segment) {
                segment.waiting = segment.waiting.saturating_sub(1);
            }
        }
        segment::write_place(&self.folder, inside.place)?;
        // What has been read to its end goes; the one that is written stays.
        while inside.segments.len() > 1
            && let Some(first) = inside.segments.front().copied()
            && first.waiting == 0
            && first.number <= inside.place.segment
        {
            inside.counts.octets -= first.octets;
            inside.segments.pop_front();
            segment::remove(&self.folder, first.number);
        }
        Ok(())
    }

    /// Makes what was put in outlive a power failure.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn settle(&self) -> io::Result<()> {
        let mut inside = self.inside();
        if !std::mem::take(&mut inside.unsettled) {
            return Ok(());
        }
        let out = inside.out.as_ref().map(File::try_clone).transpose()?;
        drop(inside);
        out.map_or(Ok(()), |out| out.sync_data())
    }

    /// What it holds and what it lost.
    pub fn counts(&self) -> Counts {
        self.inside().counts
    }

    /// Nobody puts in anything more: whoever waits in [`Queue::take`] need not.
    pub fn close(&self) {
        self.inside().closed = true;
        self.came.notify_all();
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.inside().closed
    }
}

impl Batch {
    fn octets(&self) -> usize {
        self.records.iter().map(|record| record.body.len()).sum()
    }
}

/// Makes a folder that nobody else reads: alerts are in it.
fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
