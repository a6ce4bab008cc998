//! Reading a capture file: ours beside a bare libpcap loop over the same file.
//!
//! `cargo bench --bench read`. The file is made first, in a temporary folder: a million Modbus requests.

use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::Path;
use wayside::capture::Files;

/// Packets in the file.
const PACKETS: u32 = 1_000_000;

/// A read of ten holding registers: Ethernet, IPv4, TCP, Modbus.
const REQUEST: [u8; 66] = [
    0x00, 0x1d, 0x9c, 0xc7, 0xb0, 0x70, 0x00, 0x50, 0x56, 0xaa, 0x00, 0x01, 0x08, 0x00, // Ethernet
    0x45, 0x00, 0x00, 0x34, 0x00, 0x01, 0x40, 0x00, 0x40, 0x06, 0x25, 0xa0, 0x0a, 0x14, 0x00, 0x0a, 0x0a,
    0x14, 0x01, 0x03, // IPv4
    0xc0, 0x01, 0x01, 0xf6, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x50, 0x18, 0x20, 0x00, 0x00,
    0x00, 0x00, 0x00, // TCP
    0x00, 0x01, 0x00, 0x00, 0x00, 0x06, 0x01, 0x03, 0x00, 0x00, 0x00, 0x0a, // Modbus
];

fn make(path: &Path) -> std::io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    file.write_all(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0])?;
    let length = (REQUEST.len() as u32).to_le_bytes();
    for n in 0..PACKETS {
        for field in
            [(1_700_000_000 + n / 1_000).to_le_bytes(), (n % 1_000 * 1_000).to_le_bytes(), length, length]
        {
            file.write_all(&field)?;
        }
        file.write_all(&REQUEST)?;
    }
    file.flush()
}

/// The last octet of every packet, so that each is touched.
fn touch(sum: u64, data: &[u8]) -> u64 {
    sum.wrapping_add(u64::from(data.last().copied().unwrap_or(0)))
}

#[divan::bench_group(sample_count = 20, sample_size = 1)]
mod read {
    use super::*;

    fn bench(bencher: divan::Bencher, work: impl Fn(&Path) -> u64 + Sync) {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("requests.pcap");
        make(&path).expect("the capture can be written");
        bencher.counter(divan::counter::ItemsCount::new(PACKETS)).bench(|| black_box(work(&path)));
    }

    #[divan::bench]
    fn wayside(bencher: divan::Bencher) {
        bench(bencher, |path| {
            let mut files = Files::open(&[path]).expect("the capture opens");
            let mut sum = 0;
            while let Some(frame) = files.next().expect("the capture is read") {
                sum = touch(sum, frame.data);
            }
            sum
        });
    }

    #[divan::bench]
    fn libpcap(bencher: divan::Bencher) {
        bench(bencher, |path| {
            let mut capture = pcap::Capture::from_file(path).expect("the capture opens");
            let mut sum = 0;
            while let Ok(packet) = capture.next_packet() {
                sum = touch(sum, packet.data);
            }
            sum
        });
    }
}

fn main() {
    divan::main();
}
