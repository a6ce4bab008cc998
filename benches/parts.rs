//! What each part of the pipeline costs, one by one.
//!
//!     cargo bench --bench parts [-- FILTER]
//!
//! Messages and frames are those of the project's recordings, except where a number of conversations or rules is what
//! matters. Times are a frame, segment or message each: see the items a second.

#![allow(clippy::unwrap_used)] // a bench that cannot go on fails

mod made;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use wayside::address::{Address, Endpoint, Side, Timestamp, Transport};
use wayside::capture::Files;
use wayside::event::{Event, Fields, Flow, Kind, Object, PointRange, Sink, Value, Values, Verb, Vocabulary};
use wayside::packet::{Checksum, Decoded, Decoder, Packet, Tcp};
use wayside::policy::{self, Memory, Verdict};
use wayside::protocol::{At, REGISTRY, vocabularies};
use wayside::stream::{Delivery, FlowTable, Limits, State};

fn main() {
    divan::main();
}

fn recording(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(name).with_extension("pcap")
}

/// Frames of a recording with their link type.
fn frames(name: &str) -> Vec<(u32, Vec<u8>)> {
    let mut files = Files::open(&[recording(name)]).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = files.next().unwrap() {
        frames.push((frame.link.number(), frame.data.to_vec()));
    }
    frames
}

mod read {
    use super::*;

    /// Packets in the file.
    const PACKETS: u32 = 1_000_000;

    fn bench(bencher: Bencher<'_, '_>, work: impl Fn(&Path) -> u64 + Sync) {
        let folder = tempfile::tempdir().unwrap();
        let (path, packets) = made::polls(folder.path(), 1, PACKETS);
        bencher.counter(ItemsCount::new(packets)).bench(|| black_box(work(&path)));
    }

    /// The last octet of every packet, so that each is touched.
    fn touch(sum: u64, data: &[u8]) -> u64 {
        sum.wrapping_add(u64::from(data.last().copied().unwrap_or(0)))
    }

    #[divan::bench(sample_count = 10, sample_size = 1)]
    fn wayside(bencher: Bencher<'_, '_>) {
        bench(bencher, |path| {
            let mut files = Files::open(&[path]).unwrap();
            let mut sum = 0;
            while let Some(frame) = files.next().unwrap() {
                sum = touch(sum, frame.data);
            }
            sum
        });
    }

    #[divan::bench(sample_count = 10, sample_size = 1)]
    fn libpcap(bencher: Bencher<'_, '_>) {
        bench(bencher, |path| {
            let mut capture = pcap::Capture::from_file(path).unwrap();
            let mut sum = 0;
            while let Ok(packet) = capture.next_packet() {
                sum = touch(sum, packet.data);
            }
            sum
        });
    }
}

mod packet {
    use super::*;

    #[divan::bench(args = ["modbus-functions", "dnp3-substation"])]
    fn decode(bencher: Bencher<'_, '_>, name: &str) {
        let frames = frames(name);
        let mut decoder = Decoder::new(1 << 20);
        bencher.counter(ItemsCount::new(frames.len())).bench_local(|| {
            for (link, data) in &frames {
                let decoded = decoder.decode(*link, Timestamp::default(), data, data.len() as u32);
                black_box(matches!(decoded, Decoded::Packet(_)));
            }
        });
    }

    #[divan::bench(args = [20, 52, 300, 1_480])]
    fn checksum(bencher: Bencher<'_, '_>, octets: usize) {
        let bytes: Vec<u8> = (0..octets).map(|n| n as u8).collect();
        bencher
            .counter(divan::counter::BytesCount::new(octets))
            .bench(|| wayside::packet::checksum::sum(0, black_box(&bytes)));
    }
}

mod stream {
    use super::*;

    /// Packets of one run, each of the next conversation.
    const PACKETS: u32 = 100_000;

    /// Octets delivered.
    #[derive(Default)]
    struct Octets(usize);

    impl State for Octets {
        fn held(&self) -> usize {
            0
        }
    }

    fn bench(bencher: Bencher<'_, '_>, flows: u32, payload: &[u8]) {
        let mut table: FlowTable<Octets> = FlowTable::new(Limits::default());
        let server = Endpoint::new(IpAddr::from([10, 0, 0, 1]), 502);
        let mut seq = 1u32;
        bencher.counter(ItemsCount::new(PACKETS)).bench_local(|| {
            for n in 0..PACKETS {
                // A stride that is no divisor of the number: neighbours in time are none in memory.
                let flow = (u64::from(n) * 7_919 % u64::from(flows)) as u32;
                if n % flows == 0 {
                    seq = seq.wrapping_add(payload.len() as u32);
                }
                let tcp = Tcp {
                    seq,
                    ack: 1,
                    syn: false,
                    ack_flag: true,
                    fin: false,
                    rst: false,
                    psh: !payload.is_empty(),
                    urgent: false,
                };
                let packet = Packet {
                    src: Endpoint::new(IpAddr::from((0x0a01_0000 + flow).to_be_bytes()), 40_000),
                    dst: server,
                    transport: Transport::Tcp,
                    src_mac: None,
                    dst_mac: None,
                    vlan: None,
                    ip_id: 0,
                    ttl: 64,
                    checksum: Checksum::Good,
                    tcp: Some(tcp),
                    payload,
                    cut: 0,
                };
                table.packet(
                    n.into(),
                    Timestamp::from_nanos(1),
                    &packet,
                    &mut |conversation, _, delivery| {
                        if let Delivery::Data(bytes) = delivery {
                            conversation.state.0 += bytes.len();
                        }
                    },
                );
            }
        });
    }

    #[divan::bench(args = [1, 1_000, 100_000])]
    fn look_up(bencher: Bencher<'_, '_>, flows: u32) {
        bench(bencher, flows, &[]);
    }

    #[divan::bench(args = [1, 1_000, 100_000])]
    fn segment_in_order(bencher: Bencher<'_, '_>, flows: u32) {
        bench(bencher, flows, &[7; 12]);
    }
}

#[derive(Default)]
struct Pieces(Vec<(Side, Vec<u8>)>);

impl State for Pieces {
    fn held(&self) -> usize {
        0
    }
}

/// What one conversation of a recording delivers: that with the most pieces.
struct Recorded {
    flows: [Flow; 2],
    client: Option<Side>,
    pieces: Vec<(Side, Vec<u8>)>,
}

fn recorded(name: &str) -> Recorded {
    let mut decoder = Decoder::new(0);
    let mut table: FlowTable<Pieces> = FlowTable::new(Limits::default());
    let mut longest: Option<Recorded> = None;
    for (link, data) in frames(name) {
        if let Decoded::Packet(packet) = decoder.decode(link, Timestamp::default(), &data, data.len() as u32)
        {
            table.packet(1, Timestamp::default(), &packet, &mut |conversation, side, delivery| {
                if let Delivery::Data(bytes) = delivery {
                    conversation.state.0.push((side, bytes.to_vec()));
                }
            });
        }
    }
    table.finish(&mut |conversation, _, _| {
        if longest.as_ref().is_none_or(|longest| longest.pieces.len() < conversation.state.0.len()) {
            let [a, b] = conversation.ends;
            let flow = Flow::new(a, b, conversation.transport);
            let flows = [flow.clone(), flow.reversed()];
            let pieces = std::mem::take(&mut conversation.state.0);
            longest = Some(Recorded { flows, client: conversation.client, pieces });
        }
    });
    longest.unwrap()
}

mod session {
    use super::*;

    struct Counted(u64);

    impl Sink for Counted {
        fn event(&mut self, event: &Event<'_>) {
            black_box(event);
            self.0 += 1;
        }
    }

    struct Text(Vec<u8>);

    impl Sink for Text {
        fn event(&mut self, event: &Event<'_>) {
            event.write_json(None, &mut self.0);
            if self.0.len() > 64 << 10 {
                self.0.clear();
            }
        }
    }

    /// Feeds the conversation to a session of its protocol.
    fn feed(recorded: &Recorded, sink: &mut dyn Sink) {
        let tcp = Transport::Tcp;
        let owned = |end: &Endpoint| REGISTRY.iter().find(|protocol| protocol.owns(tcp, end.port));
        let Flow { src, dst, .. } = &recorded.flows[0];
        let protocol = owned(dst).or_else(|| owned(src)).unwrap_or(&REGISTRY[0]);
        let mut session = (protocol.open)(tcp);
        for (sender, bytes) in &recorded.pieces {
            let at = At {
                ts: Timestamp::default(),
                frame: 1,
                flows: &recorded.flows,
                sender: *sender,
                client: recorded.client,
                server: None,
            };
            session.stream(&at, bytes, sink);
        }
    }

    const NAMES: [&str; 4] = ["modbus-functions", "dnp3-substation", "iec104-substation", "demo-plant"];

    #[divan::bench(args = NAMES)]
    fn messages(bencher: Bencher<'_, '_>, name: &str) {
        let recorded = recorded(name);
        let mut counted = Counted(0);
        feed(&recorded, &mut counted);
        bencher.counter(ItemsCount::new(counted.0)).bench_local(|| {
            let mut counted = Counted(0);
            feed(&recorded, &mut counted);
            counted.0
        });
    }

    #[divan::bench(args = NAMES)]
    fn messages_as_json(bencher: Bencher<'_, '_>, name: &str) {
        let recorded = recorded(name);
        let mut counted = Counted(0);
        feed(&recorded, &mut counted);
        let mut text = Text(Vec::with_capacity(80 << 10));
        bencher.counter(ItemsCount::new(counted.0)).bench_local(|| feed(&recorded, &mut text));
    }
}

/// A plant with one control server and up to 1,000 controllers; each message is allowed by exactly one rule, with
/// limits on its value or without.
mod rules {
    use super::*;

    struct NoFields;

    impl Fields for NoFields {
        fn write(&self, _: &mut Object<'_>) {}

        fn brief(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Ok(())
        }
    }

    fn text(count: u32) -> String {
        let hosts = count.min(1000);
        let mut text = String::from("version = 1\n[hosts]\nscada = \"10.0.0.1\"\n");
        for host in 0..hosts {
            writeln!(text, "plc-{host} = \"10.1.{}.{}\"", host / 250, host % 250).unwrap();
        }
        for rule in 0..count {
            let (host, at) = (rule % hosts, rule / hosts * 10);
            let values = if rule % 2 == 0 { "values = \"0..1000\"\n" } else { "" };
            writeln!(
                text,
                "[[allow]]\nname = \"r{rule}\"\nfrom = \"scada\"\nto = \"plc-{host}\"\nprotocol = \"modbus\"\n\
                 may = [\"read\", \"write\"]\npoints = [\"holding:{at}-{}\"]\n{values}",
                at + 8
            )
            .unwrap();
        }
        text
    }

    fn modbus() -> &'static Vocabulary {
        vocabularies().into_iter().find(|words| words.name == "modbus").unwrap()
    }

    #[divan::bench(args = [10, 1_000, 100_000], sample_count = 7, sample_size = 1)]
    fn read_and_compile(bencher: Bencher<'_, '_>, count: u32) {
        let text = text(count);
        bencher
            .counter(ItemsCount::new(count))
            .bench(|| policy::parse("bench.toml", &text, &vocabularies()).unwrap());
    }

    #[divan::bench(args = [10, 1_000, 100_000])]
    fn judge(bencher: Bencher<'_, '_>, count: u32) {
        let words = modbus();
        let rules = policy::parse("bench.toml", &text(count), &vocabularies()).unwrap().rules;
        let end = |address: [u8; 4], port| Endpoint::new(Address::V4(Ipv4Addr::from(address)), port);
        let flow = Flow::new(end([10, 0, 0, 1], 40_000), end([10, 1, 0, 0], 502), Transport::Tcp);
        let pair = rules.pair(&flow, words);
        let space = (words.parse_space)("holding").unwrap();
        let mut memory = Memory::default();
        let mut number = 0;
        bencher.counter(ItemsCount::new(1u32)).bench_local(|| {
            number = (number + 1) % 1_000;
            let first = number % 9;
            let points =
                [PointRange { space, variant: 0, first, last: first, verb: Verb::Write, valued: true }];
            let values = [Value::Int(i64::from(number))];
            let event = Event {
                ts: Timestamp::from_micros(1_700_000_000_000_000),
                frame: 1,
                flow: &flow,
                proto: words,
                kind: Kind::Request,
                verb: Verb::Write,
                function: Some(6),
                device: Some(1),
                points: &points,
                values: Values::List(&values),
                outcome: None,
                latency: None,
                request: None,
                fault: None,
                fields: &NoFields,
            };
            let verdict = rules.judge(&pair, black_box(&event), &mut memory);
            assert!(matches!(verdict, Verdict::Allowed { .. }));
        });
    }
}
