//! Capture files as a whole: every format, cut and damaged anywhere, packed, many of them, and the shared captures.

use super::sample::{self, Order};
use super::{CaptureError, Files, Link};
use crate::address::Timestamp;
use proptest::prelude::*;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

/// A frame that has been kept.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Kept {
    ts: Timestamp,
    number: u64,
    source: u16,
    link: Link,
    wire_len: u32,
    data: Vec<u8>,
}

fn keep(files: &mut Files) -> Vec<Kept> {
    let mut kept = Vec::new();
    while let Some(frame) = files.next().unwrap() {
        kept.push(Kept {
            ts: frame.ts,
            number: frame.number,
            source: frame.source,
            link: frame.link,
            wire_len: frame.wire_len,
            data: frame.data.to_vec(),
        });
    }
    kept
}

fn read(file: &[u8]) -> Result<(Vec<Kept>, Vec<String>), CaptureError> {
    let mut files = Files::from_reader("x", Cursor::new(file.to_vec()))?;
    Ok((keep(&mut files), files.notices()))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Two members, as `cat a.gz b.gz` makes.
fn gzip_of_two(bytes: &[u8]) -> Vec<u8> {
    let (first, second) = bytes.split_at(bytes.len() / 3);
    [gzip(first), gzip(second)].concat()
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    let (first, second) = bytes.split_at(bytes.len() / 3);
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    [&skippable[..], &zstd::encode_all(first, 1).unwrap(), &zstd::encode_all(second, 1).unwrap()].concat()
}

/// Hands out a few octets at a time, as a pipe may.
struct Trickle(Cursor<Vec<u8>>);

impl Read for Trickle {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let room = into.len().min(7);
        self.0.read(&mut into[..room])
    }
}

/// Files of every kind, with the octets of their file header.
fn kinds() -> Vec<(Vec<u8>, usize)> {
    let mut kinds = vec![(sample::pcapng(), 24)];
    for order in [Order::Little, Order::Big] {
        for (magic, extra) in [(0xa1b2_c3d4, 0), (0xa1b2_3c4d, 0), (0xa1b2_cd34, 8)] {
            let mut file = sample::pcap_header(magic, order, 65_535, 276).to_vec();
            for n in 0..5u32 {
                let mut record =
                    sample::pcap_record(order, 1_000 - n, 500_000 + n, 90, &vec![n as u8; 3 * n as usize]);
                record.splice(16..16, vec![0; extra]);
                file.extend(record);
            }
            kinds.push((file, 24));
        }
    }
    kinds
}

#[test]
fn every_kind_is_read_the_same_however_it_comes() {
    for (file, _) in kinds() {
        let (expected, notices) = read(&file).unwrap();
        assert!(expected.len() >= 5);
        assert_eq!(notices, [""; 0]);
        assert_eq!(
            expected.iter().map(|kept| kept.number).collect::<Vec<_>>(),
            (1..=expected.len() as u64).collect::<Vec<_>>()
        );
        for packed in [gzip(&file), gzip_of_two(&file), zst(&file)] {
            assert_eq!(read(&packed).unwrap(), (expected.clone(), vec![]));
            let mut trickle = Files::from_reader("x", Trickle(Cursor::new(packed))).unwrap();
            assert_eq!(keep(&mut trickle), expected);
        }
        let mut trickle = Files::from_reader("x", Trickle(Cursor::new(file))).unwrap();
        assert_eq!(keep(&mut trickle), expected);
    }
}

#[test]
fn a_file_cut_anywhere_gives_what_was_before() {
    for (file, header) in kinds() {
        let (whole, _) = read(&file).unwrap();
        let mut before = 0;
        for end in 0..file.len() {
            match read(&file[..end]) {
                Ok((frames, notices)) => {
                    assert!(end >= header);
                    assert_eq!(frames, whole[..frames.len()], "cut at {end}");
                    assert!(frames.len() >= before, "cut at {end}");
                    before = frames.len();
                    assert!(notices.len() <= 1);
                }
                Err(error) => assert!(end < header, "{end}: {error}"),
            }
        }
        assert!(before + 1 >= whole.len());
    }
}

#[test]
fn an_archive_cut_anywhere_gives_a_prefix() {
    let file = sample::pcap(&[10; 40]);
    let (whole, _) = read(&file).unwrap();
    for packed in [gzip_of_two(&file), zst(&file)] {
        for end in 0..packed.len() {
            if let Ok((frames, notices)) = read(&packed[..end]) {
                assert_eq!(frames, whole[..frames.len()], "cut at {end}");
                assert!(frames.len() == whole.len() || notices.len() == 1, "cut at {end}: {notices:?}");
            }
        }
    }
}

#[test]
fn damage_inside_an_archive_does_not_take_what_lies_before_it() {
    let file = sample::pcap(&[10; 300]);
    let (whole, _) = read(&file).unwrap();
    // The decompressor holds back up to its window of 32 KiB. A stored block of deflate, then one of the type that does not exist (RFC 1951, 3.2.3).
    let length = u16::try_from(file.len()).unwrap();
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 0];
    packed.extend(length.to_le_bytes());
    packed.extend((!length).to_le_bytes());
    packed.extend(&file);
    packed.push(7);
    let (frames, notices) = read(&packed).unwrap();
    assert_eq!(frames, whole[..frames.len()]);
    let lost: usize = whole[frames.len()..].iter().map(|frame| 16 + frame.data.len()).sum();
    assert!(lost <= (32 << 10) + 4096 + 316, "{lost} of {} octets lost", file.len());
    assert!(notices.concat().starts_with("x: reading failed after packet "), "{notices:?}");
}

#[test]
fn ends_are_told_in_a_sentence() {
    let file = sample::pcap(&[10, 11, 12]);
    let told = |bytes: &[u8]| read(bytes).unwrap().1.concat();
    assert_eq!(told(&file), "");
    assert_eq!(
        told(&file[..file.len() - 1]),
        "x: the capture ends inside packet 3; the 2 before it were read"
    );
    assert_eq!(told(&file[..30]), "x: the capture ends inside packet 1; no packet was read");
    let mut damaged = file.clone();
    let second = 24 + 17;
    damaged.splice(second + 8..second + 12, u32::MAX.to_le_bytes());
    assert_eq!(
        told(&damaged),
        "x: packet 2 at octet 41 claims 4294967295 octets, where at most 262144 are possible; \
         the one before it was read, the rest of the file was not"
    );
    let packed = gzip(&file);
    let cut = told(&packed[..packed.len() - 9]);
    assert!(cut.starts_with("x: the compressed data ends too early, after packet "), "{cut}");
    let ng = sample::pcapng();
    let cut = told(&ng[..200]);
    assert!(cut.starts_with("x: the capture ends inside "), "{cut}");
}

#[test]
fn what_is_no_capture_is_refused() {
    let refused = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    assert_eq!(refused(b""), "x is empty: a capture has at least a file header");
    assert_eq!(
        refused(b"# a rule file\nversion = 1\n"),
        "x is not a pcap or pcapng capture: it starts with \"# a rule fil\""
    );
    assert!(
        refused(&gzip(&gzip(&sample::pcap(&[1])))).ends_with("a gzip archive inside another; unpack it once")
    );
    let mut damaged = sample::pcap(&[1]);
    damaged.splice(32..36, u32::MAX.to_le_bytes());
    assert!(
        refused(&damaged)
            .starts_with("x is damaged and has no packet that can be read: packet 1 at octet 24")
    );
    assert_eq!(
        refused(&sample::pcap(&[])[..20]),
        "x ends inside its file header, after 20 octets: there is no packet in it"
    );
    assert_eq!(read(&sample::pcap(&[])).unwrap(), (vec![], vec![]));
}

#[test]
fn a_long_foreign_block_is_passed_over_without_room() {
    let little = Order::Little;
    let mut file = sample::section(little);
    file.extend(sample::interface(little, 1, 0, &[]));
    file.extend(sample::block(little, 10, &vec![0; 20 << 20]));
    file.extend(sample::enhanced(little, 0, 1, 4, b"late"));
    let (frames, notices) = read(&file).unwrap();
    assert_eq!((frames.len(), notices.len()), (1, 0));
    assert_eq!(frames[0].data, b"late");
}

/// A folder with these files.
fn folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// (source, number, second) of every frame.
fn order(files: &mut Files) -> Vec<(u16, u64, i64)> {
    keep(files).iter().map(|kept| (kept.source, kept.number, kept.ts.nanos / 1_000_000_000)).collect()
}

#[test]
fn files_come_in_time_order() {
    let folder = folder(&[
        ("a.pcap", sample::pcap(&[30, 31, 32])),
        ("b.pcap.gz", gzip(&sample::pcap(&[10, 11, 31]))),
        ("c/d.pcapng.zst", zst(&sample::pcap(&[20, 11, 31, 40]))),
        ("e.pcap", sample::pcap(&[])),
        ("f.pcap", sample::pcap(&[5])),
    ]);
    let mut files = Files::open(&[folder.path()]).unwrap();
    let names: Vec<_> = files
        .names()
        .iter()
        .map(|name| Path::new(name).strip_prefix(folder.path()).unwrap().to_owned())
        .collect();
    assert_eq!(names, ["a.pcap", "b.pcap.gz", "c/d.pcapng.zst", "e.pcap", "f.pcap"].map(PathBuf::from));
    assert_eq!(
        order(&mut files),
        [
            (4, 1, 5),
            (1, 1, 10),
            (1, 2, 11),
            // Its clock goes back, its own order is kept.
            (2, 1, 20),
            (2, 2, 11),
            (0, 1, 30),
            // All at once: in the order of the names.
            (0, 2, 31),
            (1, 3, 31),
            (2, 3, 31),
            (0, 3, 32),
            (2, 4, 40),
        ]
    );
    assert_eq!(files.notices(), [""; 0]);
    let (read, total) = files.progress();
    assert!(total.is_some_and(|total| total > 0));
    assert!(total.is_some_and(|total| read <= total && read + 24 >= total), "{read} of {total:?}");
}

#[test]
fn one_file_is_not_reordered() {
    let folder = folder(&[("a.pcap", sample::pcap(&[30, 10, 20]))]);
    let mut files = Files::open(&[folder.path().join("a.pcap")]).unwrap();
    assert_eq!(order(&mut files), [(0, 1, 30), (0, 2, 10), (0, 3, 20)]);
    assert!(files.next().unwrap().is_none());
}

#[test]
fn hundreds_of_overlapping_files_are_merged() {
    let start = 1_000_000;
    let contents: Vec<(String, Vec<u8>)> = (0..300u32)
        .map(|n| {
            let seconds: Vec<u32> = (0..20).map(|i| start + i * 300 + n).collect();
            let file = sample::pcap(&seconds);
            (format!("{n:03}.pcap"), if n % 3 == 0 { gzip(&file) } else { file })
        })
        .collect();
    let contents: Vec<(&str, Vec<u8>)> =
        contents.iter().map(|(name, file)| (name.as_str(), file.clone())).collect();
    let folder = folder(&contents);
    let mut files = Files::open(&[folder.path()]).unwrap();
    let mut expected = i64::from(start);
    while let Some(frame) = files.next().unwrap() {
        assert_eq!(frame.ts.nanos / 1_000_000_000, expected);
        expected += 1;
    }
    assert_eq!(expected, i64::from(start) + 6_000);
    let open = fs::read_dir("/proc/self/fd").map(|open| open.count()).unwrap_or(0);
    assert!(open < 200, "{open} files are open");
}

#[test]
fn a_bad_file_is_an_error_by_name_and_a_notice_in_a_folder() {
    let folder = folder(&[
        ("bad.pcap", b"not a capture".to_vec()),
        ("empty.pcap", Vec::new()),
        ("good.pcap", sample::pcap(&[1, 2])),
        ("short.pcap", sample::pcap(&[3, 4])[..50].to_vec()),
    ]);
    let mut files = Files::open(&[folder.path()]).unwrap();
    assert_eq!(order(&mut files), [(2, 1, 1), (2, 2, 2), (3, 1, 3)]);
    let notices = files.notices();
    assert_eq!(notices.len(), 3, "{notices:?}");
    assert!(notices[0].contains("bad.pcap is not a pcap or pcapng capture"));
    assert!(notices[1].contains("empty.pcap is empty"));
    assert!(notices[2].ends_with("short.pcap: the capture ends inside packet 2; the one before it was read"));
    assert_eq!(files.notices(), [""; 0]);
    let named = Files::open(&[folder.path().join("good.pcap"), folder.path().join("bad.pcap")]);
    assert!(matches!(named, Err(CaptureError::NotACapture { .. })));
}

#[test]
fn the_name_of_the_interface_is_known() {
    let mut files = Files::from_reader("x", Cursor::new(sample::pcapng())).unwrap();
    let mut names = Vec::new();
    while files.next().unwrap().is_some() {
        names.push(files.interface_name().map(str::to_owned));
    }
    let eth0 = Some("eth0".to_owned());
    assert_eq!(names, [eth0.clone(), None, eth0.clone(), eth0, None, None]);
}

proptest! {
    #[test]
    fn any_octets_are_survived(start in 0usize..7, bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let (kind, header) = kinds().swap_remove(start);
        let _ = read(&bytes);
        let _ = read(&[&kind[..header], &bytes].concat());
        let _ = read(&[gzip(&bytes), bytes.clone()].concat());
    }

    #[test]
    fn any_change_is_survived(
        start in 0usize..7,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let (mut file, _) = kinds().swap_remove(start);
        for (at, value) in &changes {
            let at = at.index(file.len());
            file[at] = *value;
        }
        let _ = read(&file);
        let mut packed = zst(&file);
        for (at, value) in changes {
            let at = at.index(packed.len());
            packed[at] = value;
        }
        let _ = read(&packed);
    }
}

/// The captures that lie beside the project, if they do.
fn shared() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    if !folder.is_dir() {
        println!("skipped: no ../shared/captures");
        return None;
    }
    Some(folder)
}

#[test]
fn the_shared_captures_have_as_many_packets_as_capinfos_counts() {
    let Some(folder) = shared() else { return };
    let mut files = Files::open(&[&folder]).unwrap();
    let mut counts = vec![0u64; files.names().len()];
    while let Some(frame) = files.next().unwrap() {
        let count = counts.get_mut(usize::from(frame.source)).unwrap();
        *count += 1;
        assert_eq!(frame.number, *count);
    }
    let total: u64 = counts.iter().sum();
    println!("{total} packets in {} files, {:?}", counts.len(), files.notices());
    assert!(total > 0);
    let mut command = std::process::Command::new("capinfos");
    command.args(["-T", "-m", "-r", "-c", "-M"]).args(files.names());
    let Ok(output) = command.output() else {
        println!("skipped: no capinfos");
        return;
    };
    let mut compared = 0;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Some((name, count)) = line.rsplit_once(',') else { continue };
        let at = files.names().iter().position(|known| known == name.trim_matches('"')).unwrap();
        assert_eq!(counts[at].to_string(), count.trim_matches('"'), "{name}");
        compared += 1;
    }
    assert!(compared + 10 >= counts.len(), "capinfos told of {compared} files only");
}
