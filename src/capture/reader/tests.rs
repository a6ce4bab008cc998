use super::*;
use proptest::prelude::*;

/// A pcap file with these frames, one second apart.
fn pcap(order: Order, nanos: bool, frames: &[&[u8]]) -> Vec<u8> {
    let u32 = |n: u32| match order {
        Order::Little => n.to_le_bytes(),
        Order::Big => n.to_be_bytes(),
    };
    let mut out = u32(if nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 }).to_vec();
    out.extend([0; 12]);
    out.extend(u32(65_535));
    out.extend(u32(1));
    for (n, frame) in frames.iter().enumerate() {
        for field in [n as u32, 5, frame.len() as u32, frame.len() as u32 + 1] {
            out.extend(u32(field));
        }
        out.extend(*frame);
    }
    out
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let len = (12 + body.len().next_multiple_of(4)) as u32;
    let mut out = [kind.to_le_bytes(), len.to_le_bytes()].concat();
    out.extend(body);
    out.resize(len as usize - 4, 0);
    out.extend(len.to_le_bytes());
    out
}

/// A pcapng file: two interfaces of different link type and resolution, a frame on each, one without time.
fn pcapng() -> Vec<u8> {
    let mut out = block(0x0a0d_0d0a, &[&[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0][..], &[0xff; 8]].concat());
    out.extend(block(1, &[1, 0, 0, 0, 0, 0, 1, 0]));
    out.extend(block(1, &[113, 0, 0, 0, 0, 0, 1, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]));
    out.extend(block(5, &[0; 20]));
    let packet = |interface: u32, ticks: u64, data: &[u8]| {
        let fields = [interface, (ticks >> 32) as u32, ticks as u32, data.len() as u32, data.len() as u32];
        let mut body: Vec<u8> = fields.iter().flat_map(|field| field.to_le_bytes()).collect();
        body.extend(data);
        block(6, &body)
    };
    out.extend(packet(0, 1_500_000, b"abc"));
    out.extend(packet(1, 2_000_000_001, b"de"));
    out.extend(block(3, &[2, 0, 0, 0, b'f', b'g']));
    out
}

fn read(bytes: Vec<u8>) -> Result<(Vec<String>, Option<String>), CaptureError> {
    let mut reader = Reader::new("x.pcap".into(), io::Cursor::new(bytes))?;
    let mut told = Vec::new();
    while let Some(frame) = reader.next()? {
        told.push(format!(
            "{} {} {} {:?} {}",
            frame.number, frame.ts, frame.link, frame.data, frame.wire_len
        ));
    }
    Ok((told, reader.notice().map(str::to_owned)))
}

#[test]
fn both_byte_orders_and_both_precisions() {
    for order in [Order::Little, Order::Big] {
        let (told, notice) = read(pcap(order, false, &[b"ab", b"c"])).unwrap();
        assert_eq!(told[1], "2 1970-01-01T00:00:01.000005Z 1 [99] 2");
        assert_eq!(notice, None);
        let (told, _) = read(pcap(order, true, &[b"ab"])).unwrap();
        assert_eq!(told, ["1 1970-01-01T00:00:00.000000005Z 1 [97, 98] 3"]);
    }
}

#[test]
fn pcapng_with_several_interfaces() {
    let (told, notice) = read(pcapng()).unwrap();
    assert_eq!(
        told,
        [
            "1 1970-01-01T00:00:01.500000Z 1 [97, 98, 99] 3",
            "2 1970-01-01T00:00:02.000000001Z 113 [100, 101] 2",
            "3 1970-01-01T00:00:00.000000Z 1 [102, 103] 2",
        ]
    );
    assert_eq!(notice, None);
}

#[test]
fn compressed_files_are_the_same() {
    let plain = read(pcapng()).unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    io::Write::write_all(&mut gz, &pcapng()).unwrap();
    assert_eq!(read(gz.finish().unwrap()).unwrap(), plain);
    assert_eq!(read(zstd::encode_all(pcapng().as_slice(), 0).unwrap()).unwrap(), plain);
}

#[test]
fn a_file_cut_anywhere_gives_what_is_there_and_says_so() {
    for whole in [pcap(Order::Little, false, &[b"abcdef", b"g", b""]), pcapng()] {
        let (all, _) = read(whole.clone()).unwrap();
        for end in 0..whole.len() {
            if let Ok((told, notice)) = read(whole[..end].to_vec()) {
                assert_eq!(told, all[..told.len()]);
                assert!(notice.is_none_or(|n| n.starts_with("x.pcap: it ends inside a record")));
            }
        }
    }
    let cut = pcap(Order::Little, false, &[b"abcdef", b"g"]);
    let notice = read(cut[..cut.len() - 1].to_vec()).unwrap().1.unwrap();
    assert_eq!(
        notice,
        "x.pcap: it ends inside a record (16 of at least 17 octets) after packet 1; those up to it were read"
    );
}

#[test]
fn what_is_no_capture_is_said() {
    let refused = |bytes: &[u8]| read(bytes.to_vec()).unwrap_err().to_string();
    assert!(refused(b"").starts_with("x.pcap is not a capture: it is empty;"));
    assert!(refused(b"%PDF-1.7 nonsense and more of it").contains("it begins with \"%PDF-1.7\""));
    let mut absurd = pcap(Order::Little, false, &[b"ok"]);
    absurd.extend([0xff; 40]);
    let (told, notice) = read(absurd).unwrap();
    assert_eq!(told.len(), 1);
    assert!(notice.unwrap().contains("a record claims 4294967295 octets"));
}

proptest! {
    #[test]
    fn no_octets_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0usize..3) {
        let mut file = [pcap(Order::Little, false, &[]), pcapng(), Vec::new()][kind].clone();
        file.extend(bytes);
        let _ = read(file);
    }
}
