//! Standard output: one line for each alert.

use super::{Destination, Failure, Sent};
use crate::output::queue::Record;
use std::io::Write;

/// Standard output.
#[derive(Debug, Default)]
pub struct Stdout;

impl Destination for Stdout {
    fn send(&mut self, records: &[Record]) -> Result<Sent, Failure> {
        let mut out = std::io::stdout().lock();
        for (arrived, record) in records.iter().enumerate() {
            let mut line = record.body.clone();
            line.push(b'\n');
            let written = out.write_all(&line).and_then(|()| out.flush());
            written.map_err(|error| {
                Failure::new(format!("standard output takes nothing: {error}")).after(arrived)
            })?;
        }
        Ok(Sent::default())
    }

    fn answer(&self) -> String {
        "written".into()
    }
}
