//! The log of every message: one JSON object or one readable line each.

use super::fold::Folded;
use crate::event::Event;
use std::fmt::Write as _;
use std::io::{self, IoSlice, Write};

/// How events are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// One JSON object a line.
    Json,
    /// The same, but steady polls as one line for many messages ([`super::fold`]).
    Folded,
    /// One readable line.
    Line,
}

/// Runs of lines that are written at once.
const SLICES: usize = 1024;
/// Octets gathered before they are written out.
const BLOCK: usize = 64 * 1024;

/// Writes events to a file or standard output. A reader that went away ends the log in silence, any other
/// failure is kept for [`EventLog::finish`]; the replay goes on either way.
pub struct EventLog {
    out: Box<dyn Write + Send>,
    form: Form,
    buffer: Vec<u8>,
    failed: Option<io::Error>,
}

impl EventLog {
    /// Writes to `out`.
    pub fn new(out: Box<dyn Write + Send>, form: Form) -> Self {
        EventLog { out, form, buffer: Vec::with_capacity(BLOCK + 4096), failed: None }
    }

    /// How events are written.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Writes one event; `file` names its capture where there are several.
    pub fn event(&mut self, event: &Event<'_>, file: Option<&str>) {
        self.form.write(event, file, &mut self.buffer);
        if self.buffer.len() >= BLOCK {
            self.flush();
        }
    }

    /// Writes a line about a steady poll; `file` names its capture where there are several.
    pub fn folded(&mut self, folded: &Folded<'_>, file: Option<&str>) {
        folded.write_json(file, &mut self.buffer);
        self.buffer.push(b'\n');
        if self.buffer.len() >= BLOCK {
            self.flush();
        }
    }

    /// Takes lines that were made by [`Form::write`], in runs, and writes them from where they lie.
    pub fn lines(&mut self, runs: &[&[u8]]) {
        self.flush();
        let mut left = runs.iter();
        while self.failed.is_none() && left.len() > 0 {
            let mut slices: Vec<IoSlice<'_>> =
                left.by_ref().take(SLICES).map(|run| IoSlice::new(run)).collect();
            let mut rest = slices.as_mut_slice();
            while !rest.is_empty() {
                match self.out.write_vectored(rest) {
                    Ok(0) if rest.iter().all(|slice| slice.is_empty()) => break,
                    Ok(0) => return self.failed = Some(io::ErrorKind::WriteZero.into()),
                    Ok(count) => IoSlice::advance_slices(&mut rest, count),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return self.failed = Some(error),
                }
            }
        }
    }

    /// Writes out what has been gathered.
    pub fn flush(&mut self) {
        if self.failed.is_none()
            && !self.buffer.is_empty()
            && let Err(error) = self.out.write_all(&self.buffer).and_then(|()| self.out.flush())
        {
            self.failed = Some(error);
        }
        self.buffer.clear();
    }

    /// Whether nobody takes what is written any more.
    pub fn is_broken(&self) -> bool {
        self.failed.is_some()
    }

    /// Writes out the rest.
    ///
    /// # Errors
    /// The first failure, unless the reader had only gone away.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush();
        match self.failed {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}

impl Form {
    /// Appends one event and a line break; `file` names its capture where there are several.
    pub fn write(self, event: &Event<'_>, file: Option<&str>, out: &mut Vec<u8>) {
        match self {
            Form::Json | Form::Folded => event.write_json(file, out),
            Form::Line => {
                let mut line = Text(out);
                if let Some(file) = file {
                    // Writing to a Vec cannot fail.
                    let _ = write!(line, "{file}: ");
                }
                let _ = event.write_line(&mut line);
            }
        }
        out.push(b'\n');
    }
}

struct Text<'a>(&'a mut Vec<u8>);

impl std::fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
