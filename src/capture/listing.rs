//! Which files are meant: folders are walked, names are kept as they were given.
//!
//! Flows in: what the user named. Flows out: files in the order of the names, those of a folder by path.

use super::CaptureError;
use std::fs;
use std::path::{Path, PathBuf};

/// One capture to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// Named by the user, rather than found in a folder: then what is wrong with it is an error.
    pub(super) named: bool,
    /// Octets of a regular file. `None` for standard input and pipes, which can be read only once.
    pub(super) size: Option<u64>,
}

/// Finds the files that are meant, and says what in a folder could not be looked into.
pub(super) fn expand(paths: &[PathBuf]) -> Result<(Vec<Found>, Vec<String>), CaptureError> {
    let (mut found, mut notices) = (Vec::new(), Vec::new());
    for path in paths {
        if path.as_os_str() == "-" {
            found.push(Found { path: path.clone(), named: true, size: None });
            continue;
        }
        let metadata = fs::metadata(path).map_err(|cause| CaptureError::from_open(path.clone(), cause))?;
        if metadata.is_dir() {
            let before = found.len();
            let entries = fs::read_dir(path).map_err(|cause| CaptureError::from_open(path.clone(), cause))?;
            walk(path, entries, &mut found, &mut notices);
            if found.len() == before {
                return Err(CaptureError::NoCaptures { path: path.clone() });
            }
            if let Some(new) = found.get_mut(before..) {
                new.sort_by(|a, b| a.path.cmp(&b.path));
            }
        } else {
            let size = metadata.is_file().then_some(metadata.len());
            found.push(Found { path: path.clone(), named: true, size });
        }
    }
    if found.len() > usize::from(u16::MAX) {
        return Err(CaptureError::TooMany { count: found.len() });
    }
    Ok((found, notices))
}

/// Collects the captures in and below a folder. Links to files are followed, links to folders are not.
fn walk(folder: &Path, entries: fs::ReadDir, found: &mut Vec<Found>, notices: &mut Vec<String>) {
    for entry in entries {
        let looked = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)));
        let (path, kind) = match looked {
            Ok(looked) => looked,
            Err(cause) => {
                notices.push(format!("{}: the folder was not read to its end: {cause}", folder.display()));
                continue;
            }
        };
        if kind.is_dir() {
            match fs::read_dir(&path) {
                Ok(entries) => walk(&path, entries, found, notices),
                Err(cause) => notices.push(format!("{}: the folder was not read: {cause}", path.display())),
            }
        } else if is_capture_name(&path) {
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => {
                    found.push(Found { path, named: false, size: Some(metadata.len()) });
                }
                Ok(_) => {}
                Err(cause) => notices.push(format!("{}: the file was not read: {cause}", path.display())),
            }
        }
    }
}

/// Whether a file in a folder is a capture by its name: `.pcap`, `.pcapng` or `.cap`, the numbered ones that
/// tcpdump writes (`.pcap12`), and each of them with `.gz` or `.zst`.
fn is_capture_name(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    let Some((stem, ending)) = name.rsplit_once('.') else { return false };
    let ending = ending.trim_end_matches(|digit: char| digit.is_ascii_digit());
    !stem.is_empty() && matches!(ending, "pcap" | "pcapng" | "cap")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_captures() {
        for yes in
            ["a.pcap", "a.PCAPNG", "b.cap", "b.pcap.gz", "c.pcapng.zst", "d.pcap0", "d.pcap17.gz", "x.y.cap"]
        {
            assert!(is_capture_name(Path::new(yes)), "{yes}");
        }
        for no in ["a.csv", "pcap", "a.gz", "a.pcap.xz", "a.pcapx", ".pcap", "captures"] {
            assert!(!is_capture_name(Path::new(no)), "{no}");
        }
    }

    #[test]
    fn folders_are_walked_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("b/deep")).unwrap();
        fs::create_dir_all(at("empty")).unwrap();
        for name in ["z.pcap", "a.pcapng", "b/1.cap", "b/deep/2.pcap.gz", "b/readme.txt"] {
            fs::write(at(name), b"12345").unwrap();
        }
        let (found, notices) = expand(&[folder.path().to_owned(), at("z.pcap"), "-".into()]).unwrap();
        let paths: Vec<_> = found.iter().map(|found| found.path.clone()).collect();
        let expected =
            [at("a.pcapng"), at("b/1.cap"), at("b/deep/2.pcap.gz"), at("z.pcap"), at("z.pcap"), "-".into()];
        assert_eq!(paths, expected);
        assert_eq!(
            found.iter().map(|found| found.named).collect::<Vec<_>>(),
            [false, false, false, false, true, true]
        );
        assert_eq!(found.first().unwrap().size, Some(5));
        assert_eq!(notices, [""; 0]);
        assert!(matches!(expand(&[at("empty")]), Err(CaptureError::NoCaptures { .. })));
        assert!(matches!(expand(&[at("nothing")]), Err(CaptureError::Missing { .. })));
    }
}
