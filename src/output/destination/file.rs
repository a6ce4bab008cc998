//! A file: one line for each alert. It is put aside when it is large or old, compressed where that is asked for, and of those put
//! aside the oldest go.
//!
//! `alerts.json` becomes `alerts.json.20261124T140000Z`, or with `.zst` behind it; several in a second are counted on.

use super::{Destination, Failure, Sent};
use crate::output::queue::Record;
use jiff::{Timestamp, tz::TimeZone};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// When a file is put aside, and how many of those are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// At so many octets.
    pub octets: u64,
    /// After so long.
    pub age: Duration,
    /// Files that were put aside and are kept.
    pub keep: usize,
    /// Whether those are compressed (Zstandard, RFC 8878).
    pub compress: bool,
}

impl Default for Rotation {
    fn default() -> Rotation {
        Rotation { octets: 100 << 20, age: Duration::from_secs(24 * 3600), keep: 30, compress: true }
    }
}

/// A file that grows.
pub struct Growing {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    octets: u64,
    born: SystemTime,
}

impl Growing {
    /// Opens the file, or makes it for its owner and group.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn open(path: &Path, rotation: Rotation) -> Result<Growing, Failure> {
        let open = || {
            let mut options = OpenOptions::new();
            options.append(true).create(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
            let file = options.open(path)?;
            let about = file.metadata()?;
            // A file system that keeps no birth dates: then it begins to age now.
            let born = about.created().unwrap_or_else(|_| SystemTime::now());
            Ok((file, about.len(), born))
        };
        let (file, octets, born) = open().map_err(|error: io::Error| cannot(path, &error))?;
        Ok(Growing { path: path.to_owned(), rotation, file, octets, born })
    }

    fn is_due(&self) -> bool {
        let age = SystemTime::now().duration_since(self.born).unwrap_or_default();
        self.octets > 0 && (self.octets >= self.rotation.octets || age >= self.rotation.age)
    }

    /// Puts the file aside and begins another.
    fn rotate(&mut self) -> Result<(), Failure> {
        let fails = |error: &io::Error| cannot(&self.path, error);
        self.file.sync_data().map_err(|error| fails(&error))?;
        let aside = self.free_name();
        fs::rename(&self.path, &aside).map_err(|error| fails(&error))?;
        if self.rotation.compress
            && let Err(error) = compress(&aside)
        {
            // It is kept as it is.
            tracing::warn!("cannot compress {}: {error}", aside.display());
        }
        *self = Growing::open(&self.path, self.rotation.clone())?;
        self.born = SystemTime::now();
        for old in self.put_aside().into_iter().rev().skip(self.rotation.keep) {
            // Where it stays, the next turn tries again.
            let _ = fs::remove_file(old);
        }
        Ok(())
    }

    fn free_name(&self) -> PathBuf {
        let now = TimeZone::UTC.to_datetime(Timestamp::now());
        let stamp = now.strftime("%Y%m%dT%H%M%SZ");
        let name = |count: u32| {
            let more = if count == 0 { String::new() } else { format!("-{count:03}") };
            let mut name = OsString::from(&self.path);
            name.push(format!(".{stamp}{more}"));
            PathBuf::from(name)
        };
        let is_free = |path: &PathBuf| !path.exists() && !compressed(path).exists();
        (0..=999).map(name).find(is_free).unwrap_or_else(|| name(1000))
    }

    /// The files that were put aside, oldest first.
    fn put_aside(&self) -> Vec<PathBuf> {
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let Some(name) = self.path.file_name().and_then(|name| name.to_str()) else { return Vec::new() };
        let is_ours = |file: &str| {
            let stamp = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')).unwrap_or_default();
            let stamp = stamp.strip_suffix(".zst").unwrap_or(stamp);
            let (stamp, count) = stamp.split_at_checked(16).unwrap_or_default();
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
            stamp.ends_with('Z')
                && stamp.replace('T', "").strip_suffix('Z').is_some_and(digits)
                && (count.is_empty() || count.strip_prefix('-').is_some_and(digits))
        };
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut all: Vec<PathBuf> = entries
            .filter(|entry| entry.file_name().to_str().is_some_and(is_ours))
            .map(|entry| entry.path())
            .collect();
        all.sort();
        all
    }
}

impl Destination for Growing {
    fn send(&mut self, records: &[Record]) -> Result<Sent, Failure> {
        if self.is_due() {
            self.rotate()?;
        }
        // Somebody else put the file aside: then another begins.
        if !self.path.exists() {
            *self = Growing::open(&self.path, self.rotation.clone())?;
        }
        let mut lines = Vec::with_capacity(records.iter().map(|record| record.body.len() + 1).sum());
        for record in records {
            lines.extend_from_slice(&record.body);
            lines.push(b'\n');
        }
        if let Err(error) = self.file.write_all(&lines) {
            // Not half of them: they are sent again.
            let _ = self.file.set_len(self.octets);
            return Err(cannot(&self.path, &error));
        }
        self.octets += lines.len() as u64;
        Ok(Sent::default())
    }

    fn idle(&mut self) -> Result<(), Failure> {
        if self.is_due() { self.rotate() } else { Ok(()) }
    }

    fn answer(&self) -> String {
        format!("written to {}", self.path.display())
    }
}

fn cannot(path: &Path, error: &io::Error) -> Failure {
    let what = match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full; make room".into(),
        io::ErrorKind::PermissionDenied => {
            "permission denied; give the sensor's user the right to write there".into()
        }
        io::ErrorKind::NotFound => "there is no such folder; make it first".into(),
        _ => error.to_string(),
    };
    Failure::new(format!("cannot write {}: {what}", path.display()))
}

fn compressed(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".zst");
    name.into()
}

/// Compresses a file and removes the plain one once the other is whole.
fn compress(path: &Path) -> io::Result<()> {
    let unfinished = {
        let mut name = OsString::from(path);
        name.push(".part");
        PathBuf::from(name)
    };
    let mut from = File::open(path)?;
    let to = File::create(&unfinished)?;
    #[cfg(unix)]
    fs::set_permissions(&unfinished, from.metadata()?.permissions())?;
    let mut encoder = zstd::Encoder::new(to, 3)?;
    encoder.include_checksum(true)?;
    io::copy(&mut from, &mut encoder)?;
    encoder.finish()?.sync_data()?;
    fs::rename(&unfinished, compressed(path))?;
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use ulid::Ulid;

    fn records(count: u64) -> Vec<Record> {
        (0..count)
            .map(|n| Record {
                id: Ulid::from_parts(n, 0),
                count: 1,
                at: 0,
                severity: 0,
                body: format!("{{\"n\":{n}}}").into(),
            })
            .collect()
    }

    #[test]
    fn a_large_file_is_put_aside_whole_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.json");
        let rotation = Rotation { octets: 50, keep: 2, ..Rotation::default() };
        fs::write(folder.path().join("alerts.json.mine"), "stays").unwrap();
        let mut file = Growing::open(&path, rotation).unwrap();
        for _ in 0..5 {
            assert_eq!(file.send(&records(7)), Ok(Sent::default()));
        }
        let aside = file.put_aside();
        assert_eq!(aside.len(), 2);
        let line = (0..7).map(|n| format!("{{\"n\":{n}}}\n")).collect::<String>();
        for path in &aside {
            assert_eq!(path.extension().unwrap(), "zst");
            assert_eq!(zstd::decode_all(File::open(path).unwrap()).unwrap(), line.as_bytes());
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), line);
        assert!(folder.path().join("alerts.json.mine").exists());
    }

    #[test]
    fn an_old_file_is_put_aside_and_one_that_is_gone_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.json");
        let rotation = Rotation { age: Duration::from_millis(30), compress: false, ..Rotation::default() };
        let mut file = Growing::open(&path, rotation).unwrap();
        file.idle().unwrap();
        assert!(file.put_aside().is_empty(), "nothing in it");
        file.send(&records(1)).unwrap();
        std::thread::sleep(Duration::from_millis(40));
        file.idle().unwrap();
        assert_eq!(file.put_aside().len(), 1);
        fs::remove_file(&path).unwrap();
        file.send(&records(2)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"n\":0}\n{\"n\":1}\n");
    }

    #[test]
    fn what_cannot_be_written_says_why() {
        let error = Growing::open(Path::new("/nowhere/at/all"), Rotation::default()).err().unwrap();
        assert_eq!(error.sentence, "cannot write /nowhere/at/all: there is no such folder; make it first");
    }
}
