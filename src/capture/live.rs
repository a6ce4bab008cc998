//! Live capture through libpcap. Nothing here can send.

use super::{CaptureError, Frame};
use crate::address::Timestamp;
use pcap::{Active, Capture, Device, Linktype, Precision};

/// What to listen to, and how.
#[derive(Clone, Debug)]
pub struct Interface {
    /// The interface's name.
    pub name: String,
    /// A BPF filter.
    pub filter: Option<String>,
    /// Octets kept of each packet.
    pub snaplen: u32,
    /// Size of the kernel's buffer in octets.
    pub buffer: u32,
    /// Whether to take packets that are not addressed to this machine.
    pub promiscuous: bool,
}

/// What came of waiting for a packet.
pub enum Next<'a> {
    /// A packet.
    Frame(Frame<'a>),
    /// None for a while.
    Idle,
}

/// Packets lost so far, since the capture began.
#[derive(Clone, Copy, Default, Debug)]
pub struct Drops {
    /// The kernel's buffer was full.
    pub kernel: u64,
    /// The interface or its driver had no room.
    pub interface: u64,
}

/// How long to wait for a packet before saying that there is none, in milliseconds.
const WAIT: i32 = 4;

/// An interface being listened to.
pub struct Live {
    name: String,
    capture: Capture<Active>,
    link: u32,
    digits: u8,
    number: u64,
    source: usize,
}

impl Live {
    /// Starts listening. `source` is what its frames carry as [`Frame::source`].
    ///
    /// # Errors
    /// One sentence: no such interface, no permission, no valid filter.
    pub fn open(interface: &Interface, source: usize) -> Result<Live, CaptureError> {
        let name = interface.name.clone();
        let there = interfaces();
        if name != "any" && !there.is_empty() && !there.iter().any(|known| *known == name) {
            return Err(CaptureError::UnknownInterface { name, there: there.join(", ") });
        }
        let buffer = i32::try_from(interface.buffer).unwrap_or(i32::MAX);
        let snaplen = i32::try_from(interface.snaplen).unwrap_or(i32::MAX);
        let begin = |precision| {
            Capture::from_device(name.as_str())?
                .promisc(interface.promiscuous)
                .snaplen(snaplen)
                .buffer_size(buffer)
                .timeout(WAIT)
                .precision(precision)
                .open()
        };
        let (capture, digits) = match begin(Precision::Nano) {
            Ok(capture) => (Ok(capture), 9),
            Err(_) => (begin(Precision::Micro), 6),
        };
        let mut capture = capture.map_err(|error| refused(&name, &error))?;
        if let Some(filter) = &interface.filter {
            capture.filter(filter, true).map_err(|error| CaptureError::Filter {
                name: name.clone(),
                filter: filter.clone(),
                reason: plain(&error),
            })?;
        }
        let Linktype(link) = capture.get_datalink();
        // DLT_RAW is 12 here, LINKTYPE_RAW 101 in files; both are known to the decoder.
        Ok(Live { name, capture, link: u32::try_from(link).unwrap_or(u32::MAX), digits, number: 0, source })
    }

    /// The interface's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its frames carry as [`Frame::source`].
    pub fn source(&self) -> usize {
        self.source
    }

    /// Waits a moment for the next packet.
    ///
    /// # Errors
    /// Where the interface is gone.
    #[allow(clippy::should_implement_trait)] // it lends from itself
    pub fn next(&mut self) -> Result<Next<'_>, CaptureError> {
        match self.capture.next_packet() {
            Ok(packet) => {
                self.number += 1;
                let scale = if self.digits == 9 { 1 } else { 1_000 };
                let (seconds, fraction) = (packet.header.ts.tv_sec, packet.header.ts.tv_usec);
                let nanos = seconds.saturating_mul(1_000_000_000).saturating_add(fraction * scale);
                Ok(Next::Frame(Frame {
                    ts: Timestamp { nanos, digits: self.digits },
                    number: self.number,
                    source: self.source,
                    link: self.link,
                    wire_len: packet.header.len,
                    data: packet.data,
                }))
            }
            Err(pcap::Error::TimeoutExpired | pcap::Error::NoMorePackets) => Ok(Next::Idle),
            Err(error) => Err(CaptureError::Live { name: self.name.clone(), reason: plain(&error) }),
        }
    }

    /// Packets lost so far.
    pub fn drops(&mut self) -> Drops {
        self.capture.stats().map_or(Drops::default(), |stats| Drops {
            kernel: stats.dropped.into(),
            interface: stats.if_dropped.into(),
        })
    }
}

/// The interfaces of this machine that can be listened to.
pub fn interfaces() -> Vec<String> {
    Device::list().map(|list| list.into_iter().map(|device| device.name).collect()).unwrap_or_default()
}

/// Whether this process may capture, by trying it on the loopback interface.
pub fn may_capture() -> bool {
    let open = Capture::from_device("lo").and_then(|capture| capture.timeout(WAIT).open());
    open.is_ok()
}

/// Gives up every capability of this process, for good: what is open stays open. Returns what went wrong, if
/// anything did; a sensor goes on all the same.
pub fn drop_capabilities() -> Option<String> {
    use caps::CapSet;
    let sets = [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted];
    let failed = sets.into_iter().find_map(|set| caps::clear(None, set).err())?;
    Some(format!("cannot give up capabilities: {failed}"))
}

fn refused(name: &str, error: &pcap::Error) -> CaptureError {
    let reason = plain(error);
    let lower = reason.to_lowercase();
    if lower.contains("permission") || lower.contains("not permitted") || lower.contains("privilege") {
        let program = std::env::current_exe().map_or("wayside".into(), |path| path.display().to_string());
        return CaptureError::Permission { name: name.to_owned(), program };
    }
    CaptureError::Live { name: name.to_owned(), reason }
}

/// What libpcap says, on one line.
fn plain(error: &pcap::Error) -> String {
    error.to_string().replace("libpcap error: ", "").replace('\n', " ").trim().to_owned()
}
