//! Packets as an interface sees them, through libpcap.
//!
//! Flows in: the name of an interface and how to listen on it. Flows out: [`Frame`]s. It only listens: no code here
//! calls what sends. Opening needs CAP_NET_RAW, reading needs nothing
//! ([`drop_privileges`](super::drop_privileges)).

use super::{CaptureError, Frame, Link};
use crate::address::Timestamp;
use pcap::{Active, Capture, Device, Error, Linktype, Precision};
use std::thread;
use std::time::Duration;

/// Milliseconds after which the kernel hands over a block of packets that is not full.
const TIMEOUT: i32 = 1;

/// How long to rest where there is no packet: a moment right after packets, longer the longer there are none. libpcap's
/// own waiting is not used: on Linux it sleeps until a packet comes, however long that takes, so that a quiet interface
/// could not be left.
const PAUSES: [Duration; 2] = [Duration::from_micros(200), Duration::from_millis(4)];

/// How to listen on an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    /// Its name: `eth0`; on Linux also `any`.
    pub name: String,
    /// Goes into every frame: the place of the interface among those that are listened on.
    pub source: u16,
    /// What to capture, in the language of pcap-filter(7). `None` for everything.
    pub filter: Option<String>,
    /// Octets to capture of each packet at most.
    pub snaplen: u32,
    /// Octets of the kernel's buffer, which bridges the time in which nobody reads.
    pub buffer_bytes: u32,
    /// Whether to capture what is addressed to others: what a tap or a mirror port delivers.
    pub promiscuous: bool,
}

impl Interface {
    /// Everything that this interface sees, whole, with a buffer of 16 MiB.
    pub fn new(name: impl Into<String>) -> Self {
        Interface {
            name: name.into(),
            source: 0,
            filter: None,
            snaplen: 262_144,
            buffer_bytes: 16 << 20,
            promiscuous: true,
        }
    }
}

/// What an interface had when it was asked.
#[derive(Debug)]
pub enum Next<'a> {
    /// A packet.
    Frame(Frame<'a>),
    /// Nothing for some milliseconds: time to look whether to go on.
    Idle,
    /// Nothing more will come.
    End,
}

/// What an interface counted since it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Packets that passed the filter.
    pub received: u64,
    /// Packets that the kernel dropped because its buffer was full.
    pub dropped_by_kernel: u64,
    /// Packets that the interface or its driver dropped.
    pub dropped_by_interface: u64,
}

/// An interface that is listened on.
pub struct Live {
    capture: Capture<Active>,
    name: String,
    source: u16,
    link: Link,
    number: u64,
    pause: Duration,
    stats: Stats,
}

/// The interfaces there are, with what the system says about them.
pub fn interfaces() -> Vec<(String, String)> {
    let devices = Device::list().unwrap_or_default();
    devices.into_iter().map(|device| (device.name, device.desc.unwrap_or_default())).collect()
}

/// Linux stamps every packet in nanoseconds; elsewhere only microseconds are sure.
const PRECISION: Precision = if cfg!(target_os = "linux") { Precision::Nano } else { Precision::Micro };

impl Live {
    /// Starts to listen.
    ///
    /// # Errors
    /// There is no such interface, the process lacks CAP_NET_RAW, the filter is not valid, or libpcap cannot listen
    /// for another reason.
    pub fn open(interface: &Interface) -> Result<Live, CaptureError> {
        let mut capture = match activate(interface, interface.promiscuous) {
            // `any` and some tunnels see everything without it, which libpcap tells by a warning.
            Err(cause) if interface.promiscuous && message(&cause).contains("romiscuous") => {
                activate(interface, false)
            }
            other => other,
        }
        .map_err(|cause| explain(interface, cause))?;
        if let Some(filter) = &interface.filter {
            capture.filter(filter, true).map_err(|cause| CaptureError::Filter {
                name: interface.name.clone(),
                filter: filter.clone(),
                message: message(&cause),
            })?;
        }
        let Linktype(link) = capture.get_datalink();
        Ok(Live {
            capture,
            name: interface.name.clone(),
            source: interface.source,
            link: Link::from(link.unsigned_abs()),
            number: 0,
            pause: PAUSES[0],
            stats: Stats::default(),
        })
    }

    /// The next packet. Where there is none it waits a few milliseconds and says so.
    ///
    /// # Errors
    /// The interface can no longer be captured on: it went down or away.
    #[expect(clippy::should_implement_trait, reason = "an iterator could not lend its buffer")]
    #[inline]
    pub fn next(&mut self) -> Result<Next<'_>, CaptureError> {
        match self.capture.next_packet() {
            Ok(packet) => {
                self.number += 1;
                self.pause = PAUSES[0];
                let at = packet.header.ts;
                let ts = match PRECISION {
                    // libpcap puts nanoseconds where microseconds are otherwise.
                    Precision::Nano => Timestamp::from_nanos(nanos(at.tv_sec, at.tv_usec)),
                    Precision::Micro => Timestamp::from_micros(nanos(at.tv_sec, at.tv_usec * 1_000) / 1_000),
                };
                Ok(Next::Frame(Frame {
                    ts,
                    number: self.number,
                    source: self.source,
                    link: self.link,
                    wire_len: packet.header.len,
                    data: packet.data,
                }))
            }
            Err(Error::TimeoutExpired) => {
                thread::sleep(self.pause);
                self.pause = (self.pause * 5 / 4).min(PAUSES[1]);
                Ok(Next::Idle)
            }
            Err(Error::NoMorePackets) => Ok(Next::End),
            Err(cause) => Err(CaptureError::Interface { name: self.name.clone(), message: message(&cause) }),
        }
    }

    /// The name of the interface.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is counted since the interface was opened. libpcap counts in 32 bits: ask at least once in 2³²
    /// packets, and the sums stay right.
    ///
    /// # Errors
    /// The interface went away.
    pub fn stats(&mut self) -> Result<Stats, CaptureError> {
        let now = self
            .capture
            .stats()
            .map_err(|cause| CaptureError::Interface { name: self.name.clone(), message: message(&cause) })?;
        let add = |sum: &mut u64, now: u32| *sum += u64::from(now.wrapping_sub(*sum as u32));
        add(&mut self.stats.received, now.received);
        add(&mut self.stats.dropped_by_kernel, now.dropped);
        add(&mut self.stats.dropped_by_interface, now.if_dropped);
        Ok(self.stats)
    }
}

#[inline]
fn nanos(seconds: impl Into<i64>, nanos: impl Into<i64>) -> i64 {
    seconds.into().saturating_mul(1_000_000_000).saturating_add(nanos.into())
}

fn activate(interface: &Interface, promiscuous: bool) -> Result<Capture<Active>, Error> {
    let int = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    Capture::from_device(interface.name.as_str())?
        .snaplen(int(interface.snaplen))
        .buffer_size(int(interface.buffer_bytes))
        .promisc(promiscuous)
        .timeout(TIMEOUT)
        .precision(PRECISION)
        .open()?
        .setnonblock()
}

/// Why an interface could not be opened. libpcap has words for it, but no codes that reach us.
fn explain(interface: &Interface, cause: Error) -> CaptureError {
    let name = interface.name.clone();
    let known = interfaces();
    if !known.is_empty() && known.iter().all(|(known, _)| *known != name) {
        return CaptureError::UnknownInterface {
            name,
            known: known.into_iter().map(|(name, _)| name).collect(),
        };
    }
    let message = message(&cause);
    let refused = ["ermission", "not permitted", "CAP_NET_RAW"];
    if refused.iter().any(|words| message.contains(words)) {
        let program = std::env::current_exe().unwrap_or_else(|_| "wayside".into()).display().to_string();
        return CaptureError::NotPermitted { name, program };
    }
    CaptureError::Interface { name, message }
}

/// What libpcap said, without its wrapping and on one line.
fn message(cause: &Error) -> String {
    let text = match cause {
        Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::time::Instant;

    /// Opens the loopback interface, where this is permitted.
    fn loopback(filter: &str) -> Option<Live> {
        let interface = Interface { filter: Some(filter.into()), source: 3, ..Interface::new("lo") };
        match Live::open(&interface) {
            Ok(live) => Some(live),
            Err(cause) => {
                println!("skipped: {cause}");
                None
            }
        }
    }

    /// The datagrams that come within some seconds, until there are `count`.
    fn receive(live: &mut Live, count: usize) -> Vec<(u64, u16, Link, Vec<u8>)> {
        let (start, mut seen) = (Instant::now(), Vec::new());
        while seen.len() < count && start.elapsed() < Duration::from_secs(5) {
            if let Next::Frame(frame) = live.next().unwrap() {
                seen.push((frame.number, frame.source, frame.link, frame.data.to_vec()));
            }
        }
        seen
    }

    #[test]
    fn what_is_sent_on_loopback_is_seen() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let Some(mut live) = loopback(&format!("udp and dst port {}", address.port())) else { return };
        assert!(matches!(live.next().unwrap(), Next::Idle));
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        for text in ["one", "two", "three"] {
            client.send_to(text.as_bytes(), address).unwrap();
        }
        let seen = receive(&mut live, 3);
        for ((number, source, link, data), expected) in seen.iter().zip(["one", "two", "three"]) {
            assert!(data.ends_with(expected.as_bytes()), "{number}: {data:?}");
            assert_eq!((*source, *link), (3, Link::Ethernet));
        }
        assert_eq!(seen.iter().map(|(number, ..)| *number).collect::<Vec<_>>(), [1, 2, 3]);
        let stats = live.stats().unwrap();
        assert!(stats.received >= 3, "{stats:?}");
        assert_eq!(live.stats().unwrap().dropped_by_kernel, stats.dropped_by_kernel);
    }

    #[test]
    fn a_quiet_interface_lets_go() {
        let Some(mut live) = loopback("ether proto 0x88b5") else { return };
        let start = Instant::now();
        for _ in 0..5 {
            assert!(matches!(live.next().unwrap(), Next::Idle));
        }
        assert!(start.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn frames_have_the_time_of_now() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let Some(mut live) = loopback(&format!("udp and dst port {}", address.port())) else { return };
        server.send_to(b"now", address).unwrap();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(5) {
            if let Next::Frame(frame) = live.next().unwrap() {
                let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as i64;
                assert!((now - frame.ts.nanos).abs() < 10_000_000_000, "{} is not now", frame.ts);
                return;
            }
        }
        panic!("nothing came");
    }

    #[test]
    fn the_interface_any_opens() {
        match Live::open(&Interface::new("any")) {
            Ok(live) => {
                assert!(matches!(live.link, Link::LinuxCooked1 | Link::LinuxCooked2), "{:?}", live.link)
            }
            Err(cause) => println!("skipped: {cause}"),
        }
    }

    #[test]
    fn refusals_say_why() {
        let refusal = |interface: Interface| Live::open(&interface).err().unwrap().to_string();
        let unknown = refusal(Interface::new("eth9"));
        if interfaces().iter().any(|(name, _)| name == "lo") {
            assert!(unknown.starts_with("there is no interface eth9; there are "), "{unknown}");
            assert!(unknown.contains("lo"), "{unknown}");
        }
        if loopback("").is_some() {
            let filter = refusal(Interface { filter: Some("tcp prt 502".into()), ..Interface::new("lo") });
            assert!(filter.starts_with("the capture filter 'tcp prt 502' for lo is not valid: "), "{filter}");
            assert!(!filter.contains('\n'));
        }
    }

    #[test]
    fn without_the_capability_it_says_how_to_get_it() {
        // Capabilities are those of a thread, so that the other tests keep theirs.
        let refused = thread::spawn(|| {
            crate::capture::drop_privileges();
            Live::open(&Interface::new("lo")).err().map(|cause| cause.to_string())
        });
        let refused = refused.join().unwrap().unwrap();
        if interfaces().iter().any(|(name, _)| name == "lo") {
            let start = "capturing on lo needs the capability CAP_NET_RAW; grant it with `sudo setcap cap_net_raw+ep /";
            assert!(refused.starts_with(start), "{refused}");
        }
    }

    #[test]
    fn an_open_interface_is_read_without_privileges() {
        let Some(mut live) = loopback("ether proto 0x88b5") else { return };
        thread::spawn(move || {
            assert_eq!(crate::capture::drop_privileges(), None);
            assert!(matches!(live.next().unwrap(), Next::Idle));
            assert!(live.stats().is_ok());
        })
        .join()
        .unwrap();
    }
}
