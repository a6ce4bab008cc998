//! Captures for the benches, made once and kept in a folder: recordings multiplied, and polls by the million.
//!
//! Everything is written as it is made, so that the bench itself stays small: what the system says of a child's
//! memory begins with its parent's.

#![allow(dead_code)] // each bench makes some of them

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use wayside::address::{Endpoint, Timestamp, Transport};
use wayside::capture::Files;
use wayside::packet::{Decoded, Decoder};

/// Octets before the IPv4 header of an Ethernet frame.
const ETHERNET: usize = 14;

/// Writes a capture: microseconds, Ethernet.
struct Pcap(BufWriter<File>);

impl Pcap {
    fn create(path: &Path) -> io::Result<Pcap> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        out.write_all(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0])?;
        Ok(Pcap(out))
    }

    fn frame(&mut self, micros: u64, frame: &[u8], wire_len: u32) -> io::Result<()> {
        let (seconds, fraction) = ((micros / 1_000_000) as u32, (micros % 1_000_000) as u32);
        for field in [seconds, fraction, frame.len() as u32, wire_len] {
            self.0.write_all(&field.to_le_bytes())?;
        }
        self.0.write_all(frame)
    }
}

/// A frame of a recording, kept.
struct Kept {
    micros: u64,
    wire_len: u32,
    data: Vec<u8>,
}

/// Where a frame has its IPv4 header and what it carries: octets of the header, protocol, end of the datagram.
fn ipv4(frame: &[u8]) -> Option<(usize, u8, usize)> {
    if frame.get(12..14)? != [8, 0] {
        return None;
    }
    let header = usize::from(frame.get(ETHERNET)? & 15) * 4;
    let total = usize::from(u16::from_be_bytes([*frame.get(16)?, *frame.get(17)?]));
    Some((header, *frame.get(23)?, ETHERNET + total))
}

/// The Internet checksum (RFC 1071) of these pieces, each but the last of an even length.
fn checksum(pieces: &[&[u8]]) -> [u8; 2] {
    let mut sum = 0u32;
    for pair in pieces.iter().flat_map(|piece| piece.chunks(2)) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// Puts both checksums of an IPv4 frame right; those of fragments and cut frames stay.
fn seal(frame: &mut [u8]) {
    let Some((header, protocol, end)) = ipv4(frame) else { return };
    let start = ETHERNET + header;
    frame[24..26].fill(0);
    let sum = checksum(&[&frame[ETHERNET..start]]);
    frame[24..26].copy_from_slice(&sum);
    let at = start + if protocol == 6 { 16 } else { 6 };
    if !matches!(protocol, 6 | 17) || end > frame.len() || end < at + 2 {
        return;
    }
    frame[at..at + 2].fill(0);
    let length = ((end - start) as u16).to_be_bytes();
    let sum = checksum(&[&frame[26..34], &[0, protocol], &length, &frame[start..end]]);
    frame[at..at + 2].copy_from_slice(&sum);
}

/// Moves both addresses of an IPv4 frame into the block 10.`block`.
fn readdress(frame: &mut [u8], block: u32) {
    for at in [26, 30] {
        frame[at] = 10;
        frame[at + 1] = block as u8;
        frame[at + 2] = frame[at + 2].wrapping_add((block >> 8) as u8);
    }
}

fn frames(path: &Path) -> Vec<Kept> {
    let mut files = Files::open(&[path]).unwrap_or_else(|error| panic!("{error}"));
    let mut kept = Vec::new();
    while let Some(frame) = files.next().unwrap_or_else(|error| panic!("{error}")) {
        let micros = (frame.ts.nanos / 1_000) as u64;
        kept.push(Kept { micros, wire_len: frame.wire_len, data: frame.data.to_vec() });
    }
    kept
}

/// Runs `write` unless the file is there already; says how many packets it has.
fn once(path: PathBuf, write: impl FnOnce(&mut Pcap) -> io::Result<u64>) -> (PathBuf, u64) {
    let count = path.with_extension("packets");
    if let Some(packets) = std::fs::read_to_string(&count).ok().and_then(|text| text.trim().parse().ok())
        && path.exists()
    {
        return (path, packets);
    }
    eprintln!("making {} ...", path.display());
    let made = || {
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        let mut pcap = Pcap::create(&path)?;
        let packets = write(&mut pcap)?;
        pcap.0.flush()?;
        std::fs::write(&count, packets.to_string())?;
        Ok::<u64, io::Error>(packets)
    };
    let packets = made().unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    (path, packets)
}

/// A capture `copies` times over, one after the other in time, each in a block of addresses of its own.
pub fn amplified(folder: &Path, capture: &Path, copies: u32) -> (PathBuf, u64) {
    let stem = capture.file_stem().unwrap_or_default().to_string_lossy();
    once(folder.join(format!("{stem}-x{copies}.pcap")), |out| {
        let kept = frames(capture);
        let (Some(first), Some(last)) = (kept.first(), kept.last()) else { return Ok(0) };
        let span = (last.micros / 1_000_000 - first.micros / 1_000_000 + 1) * 1_000_000;
        for copy in 0..copies {
            for frame in &kept {
                let mut data = frame.data.clone();
                if data.len() >= 34 && ipv4(&data).is_some() {
                    readdress(&mut data, copy);
                    seal(&mut data);
                }
                out.frame(frame.micros + u64::from(copy) * span, &data, frame.wire_len)?;
            }
        }
        Ok(kept.len() as u64 * u64::from(copies))
    })
}

/// A message of a recording in its own Ethernet frame, and how it goes on when the recording is repeated.
struct Message {
    micros: u64,
    data: Vec<u8>,
    /// What its sequence and acknowledgment numbers grow by with each repetition.
    grows: [u32; 2],
}

/// What carries messages in the project's recordings and nothing else, as Ethernet frames: TCP segments and datagrams
/// with a payload, over IPv4.
fn messages(captures: &[PathBuf]) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut after = 0;
    for capture in captures {
        let mut files = Files::open(&[capture]).unwrap_or_else(|error| panic!("{error}"));
        let mut decoder = Decoder::new(0);
        // First and last sequence number of each direction.
        let mut spans: HashMap<(Endpoint, Endpoint), (u32, u32)> = HashMap::new();
        let mut of_file = Vec::new();
        let mut first = None;
        while let Some(frame) = files.next().unwrap_or_else(|error| panic!("{error}")) {
            let link = frame.link.number();
            let Decoded::Packet(packet) =
                decoder.decode(link, Timestamp::default(), frame.data, frame.wire_len)
            else {
                continue;
            };
            let header = frame.data.windows(2).position(|pair| pair == [8, 0] || pair == [0x86, 0xdd]);
            let is_message = matches!(packet.transport, Transport::Tcp | Transport::Udp);
            let Some(header) = header.filter(|_| is_message && !packet.payload.is_empty()) else { continue };
            let mut data = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
            data.extend_from_slice(&frame.data[header + 2..]);
            if ipv4(&data).is_none_or(|(_, _, end)| end > data.len()) || data[ETHERNET] >> 4 != 4 {
                continue;
            }
            if let Some(tcp) = packet.tcp {
                let end = tcp.seq.wrapping_add(packet.payload.len() as u32);
                let span = spans.entry((packet.src, packet.dst)).or_insert((tcp.seq, end));
                if (end.wrapping_sub(span.1) as i32) > 0 {
                    span.1 = end;
                }
            }
            let micros = (frame.ts.nanos / 1_000) as u64;
            let micros = after + micros - *first.get_or_insert(micros);
            of_file.push((Message { micros, data, grows: [0; 2] }, packet.src, packet.dst));
        }
        for (mut message, src, dst) in of_file {
            let length = |from, to| spans.get(&(from, to)).map_or(0, |(first, end)| end.wrapping_sub(*first));
            message.grows = [length(src, dst), length(dst, src)];
            after = after.max(message.micros);
            messages.push(message);
        }
    }
    messages
}

/// The messages of the recordings over and over, without the acknowledgments, handshakes and farewells between them:
/// in 16 blocks of addresses, and in each again and again with TCP streams that go on.
pub fn dense(folder: &Path, captures: &[PathBuf], packets: u64) -> (PathBuf, u64) {
    const BLOCKS: u32 = 16;
    once(folder.join(format!("dense-{packets}.pcap")), |out| {
        let messages = messages(captures);
        let span = messages.iter().map(|message| message.micros).max().unwrap_or(0) + 1_000_000;
        let rounds = packets.div_ceil(messages.len() as u64 * u64::from(BLOCKS)) as u32;
        for round in 0..rounds {
            for message in &messages {
                let mut data = message.data.clone();
                if let Some((header, 6, _)) = ipv4(&data) {
                    for (at, grows) in [4, 8].into_iter().zip(message.grows) {
                        let field = &mut data[ETHERNET + header + at..][..4];
                        let number = u32::from_be_bytes([field[0], field[1], field[2], field[3]]);
                        field.copy_from_slice(&number.wrapping_add(grows.wrapping_mul(round)).to_be_bytes());
                    }
                }
                for block in 0..BLOCKS {
                    readdress(&mut data, block);
                    seal(&mut data);
                    let micros = 1_700_000_000_000_000 + u64::from(round) * span + message.micros;
                    out.frame(micros + u64::from(block), &data, data.len() as u32)?;
                }
            }
        }
        Ok(messages.len() as u64 * u64::from(BLOCKS) * u64::from(rounds))
    })
}

/// How many conversations of [`polls`] are going on at once, at most.
pub const AT_ONCE: u32 = 100_000;

/// Modbus polls, a request and its response each: `packets` packets shared by `flows` conversations, which take turns.
pub fn polls(folder: &Path, flows: u32, packets: u32) -> (PathBuf, u64) {
    once(folder.join(format!("flows-{flows}.pcap")), |out| {
        let turns = packets / 2 / flows;
        let mut micros = 1_700_000_000_000_000;
        for block in 0..flows.div_ceil(AT_ONCE) {
            let conversations = block * AT_ONCE..flows.min((block + 1) * AT_ONCE);
            for turn in 0..turns {
                for conversation in conversations.clone() {
                    for frame in poll(conversation, turn) {
                        micros += 5;
                        out.frame(micros, &frame, frame.len() as u32)?;
                    }
                }
            }
        }
        Ok(u64::from(turns) * 2 * u64::from(flows))
    })
}

/// The request for ten registers and its response, each a frame.
fn poll(conversation: u32, turn: u32) -> [Vec<u8>; 2] {
    const REQUEST: u32 = 12;
    const RESPONSE: u32 = 29;
    let [_, a, b, c] = conversation.to_be_bytes();
    let client = ([10, 100 + a, b, c], 40_000 + (conversation % 20_000) as u16);
    let device = ([10, 200, (conversation >> 8) as u8 % 4, conversation as u8], 502);
    let transaction = (turn as u16).to_be_bytes();
    let (asked, told) = (1u32.wrapping_add(turn * REQUEST), 1u32.wrapping_add(turn * RESPONSE));
    let mut ask = [0, 0, 0, 0, 0, 6, 1, 3, 0, 100, 0, 10];
    let mut tell = [7; RESPONSE as usize];
    tell[..9].copy_from_slice(&[0, 0, 0, 0, 0, 23, 1, 3, 20]);
    ask[..2].copy_from_slice(&transaction);
    tell[..2].copy_from_slice(&transaction);
    [
        segment(client, device, [asked, told], &ask),
        segment(device, client, [told, asked.wrapping_add(REQUEST)], &tell),
    ]
}

fn segment(
    (src, src_port): ([u8; 4], u16),
    (dst, dst_port): ([u8; 4], u16),
    numbers: [u32; 2],
    payload: &[u8],
) -> Vec<u8> {
    let mut frame = Vec::with_capacity(54 + payload.len());
    frame.extend_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0]);
    frame.extend_from_slice(&(40 + payload.len() as u16).to_be_bytes());
    frame.extend_from_slice(&[0, 1, 0x40, 0, 64, 6, 0, 0]);
    frame.extend_from_slice(&src);
    frame.extend_from_slice(&dst);
    frame.extend_from_slice(&src_port.to_be_bytes());
    frame.extend_from_slice(&dst_port.to_be_bytes());
    numbers.iter().for_each(|number| frame.extend_from_slice(&number.to_be_bytes()));
    frame.extend_from_slice(&[0x50, 0x18, 0x20, 0, 0, 0, 0, 0]);
    frame.extend_from_slice(payload);
    seal(&mut frame);
    frame
}

/// A capture of one packet.
pub fn one(folder: &Path) -> PathBuf {
    let (path, _) = once(folder.join("one.pcap"), |out| {
        let [request, _] = poll(0, 0);
        out.frame(1_700_000_000_000_000, &request, request.len() as u32)?;
        Ok(1)
    });
    path
}

/// So many rules: one allows what the made captures hold, the others are those of a plant of up to 1,000 controllers,
/// each with points of its own.
pub fn rules(folder: &Path, count: u32) -> PathBuf {
    use std::fmt::Write as _;
    let hosts = count.min(1_000);
    let mut text = String::from("version = 1\n[hosts]\nscada = \"172.16.0.1\"\n");
    // Writing to a String cannot fail.
    for host in 0..hosts {
        let _ = writeln!(text, "plc-{host} = \"172.17.{}.{}\"", host / 250, host % 250);
    }
    text += "[[allow]]\nname = \"all\"\nfrom = \"10.0.0.0/8\"\nto = \"10.0.0.0/8\"\n";
    for n in 1..count {
        let (host, first) = (n % hosts, n / hosts * 10);
        let _ = writeln!(
            text,
            "[[allow]]\nname = \"r{n}\"\nfrom = \"scada\"\nto = \"plc-{host}\"\nprotocol = \"modbus\"\n\
             may = [\"read\", \"write\"]\npoints = [\"holding:{first}-{}\"]",
            first + 8
        );
    }
    let path = folder.join(format!("rules-{count}.toml"));
    std::fs::write(&path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    path
}
