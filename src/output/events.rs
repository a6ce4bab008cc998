//! The log of every message: one JSON object or one readable line each.

use crate::event::Event;
use std::fmt::Write as _;
use std::io::{self, Write};

/// How events are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// One JSON object a line.
    Json,
    /// One readable line.
    Line,
}

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

    /// Writes one event; `file` names its capture where there are several.
    pub fn event(&mut self, event: &Event<'_>, file: Option<&str>) {
        match self.form {
            Form::Json => event.write_json(file, &mut self.buffer),
            Form::Line => {
                let mut line = Text(&mut self.buffer);
                if let Some(file) = file {
                    // Writing to a Vec cannot fail.
                    let _ = write!(line, "{file}: ");
                }
                let _ = event.write_line(&mut line);
            }
        }
        self.buffer.push(b'\n');
        if self.buffer.len() >= BLOCK {
            self.flush();
        }
    }

    /// Writes out what has been gathered.
    pub fn flush(&mut self) {
        if self.failed.is_none()
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

struct Text<'a>(&'a mut Vec<u8>);

impl std::fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
