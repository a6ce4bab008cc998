//! A large block of a stream, from which records are cut by hand.
//!
//! Flows in: anything that reads. Flows out: slices of what is there. One read fetches up to the size of the
//! block; only a record that crosses its end is ever moved.

use std::io::{self, Read};

/// The block, and where in it the next record starts.
pub(super) struct Buffer {
    input: Box<dyn Read + Send>,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Octets of the stream before `bytes[0]`.
    before: u64,
    ended: bool,
    failure: Option<io::Error>,
}

impl Buffer {
    /// An empty block of `size` octets over this stream.
    pub(super) fn new(input: Box<dyn Read + Send>, size: usize) -> Self {
        Buffer {
            input,
            bytes: vec![0; size.max(64)],
            start: 0,
            end: 0,
            before: 0,
            ended: false,
            failure: None,
        }
    }

    /// What is there and not yet consumed.
    #[inline]
    pub(super) fn available(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Where [`Buffer::available`] starts, for [`Buffer::slice`].
    #[inline]
    pub(super) fn position(&self) -> usize {
        self.start
    }

    /// Octets that were consumed before it. They stay in place until [`Buffer::fill`] or [`Buffer::skip`].
    #[inline]
    pub(super) fn slice(&self, position: usize, length: usize) -> &[u8] {
        self.bytes.get(position..position.saturating_add(length)).unwrap_or_default()
    }

    /// Moves past `octets` of what is there.
    #[inline]
    pub(super) fn consume(&mut self, octets: usize) {
        self.start = self.start.saturating_add(octets).min(self.end);
    }

    /// Where in the stream [`Buffer::available`] starts.
    pub(super) fn offset(&self) -> u64 {
        self.before + self.start as u64
    }

    /// What the stream failed with, once it has.
    pub(super) fn failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Reads until `octets` are available; false where the stream ends or fails before. It reads as much as fits,
    /// waits for no more than is needed, and grows only by what really arrives.
    #[cold]
    pub(super) fn fill(&mut self, octets: usize) -> bool {
        if self.available().len() >= octets {
            return true;
        }
        self.bytes.copy_within(self.start..self.end, 0);
        self.before += self.start as u64;
        self.end -= self.start;
        self.start = 0;
        while self.end < octets && !self.ended {
            if self.end == self.bytes.len() {
                let size = self.bytes.len().saturating_mul(2);
                self.bytes.resize(size, 0);
            }
            match self.input.read(self.bytes.get_mut(self.end..).unwrap_or_default()) {
                Ok(0) => self.ended = true,
                Ok(count) => self.end = self.end.saturating_add(count).min(self.bytes.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failure = Some(error);
                    self.ended = true;
                }
            }
        }
        self.end >= octets
    }

    /// Moves past `octets` of the stream without keeping them; false where it ends or fails before.
    pub(super) fn skip(&mut self, mut octets: u64) -> bool {
        loop {
            let here = self.available().len();
            if here as u64 >= octets {
                self.consume(octets as usize);
                return true;
            }
            self.consume(here);
            octets -= here as u64;
            if !self.fill(1) {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_cross_the_block_stay_whole() {
        let stream: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let mut buffer = Buffer::new(Box::new(io::Cursor::new(stream.clone())), 64);
        let mut seen = Vec::new();
        while buffer.fill(50) {
            assert_eq!(buffer.offset(), seen.len() as u64);
            seen.extend_from_slice(buffer.available().get(..50).unwrap());
            buffer.consume(50);
        }
        assert_eq!(seen, stream);
    }

    #[test]
    fn growth_follows_what_arrives() {
        let mut buffer = Buffer::new(Box::new(io::Cursor::new(vec![7; 100])), 64);
        assert!(!buffer.fill(1 << 40));
        assert_eq!(buffer.available().len(), 100);
        assert!(buffer.bytes.len() <= 256);
    }

    #[test]
    fn skipping_needs_no_room() {
        let mut buffer = Buffer::new(Box::new(io::Cursor::new(vec![7; 10_000])), 64);
        assert!(buffer.skip(9_999));
        assert!(buffer.fill(1));
        assert!(!buffer.skip(2));
        assert_eq!(buffer.bytes.len(), 64);
        assert_eq!(buffer.offset(), 10_000);
    }
}
