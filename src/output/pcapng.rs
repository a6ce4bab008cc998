//! The pcapng format (`draft-ietf-opsawg-pcapng`), written: packets in, the octets of a capture file out, little-endian.
//!
//! One section, an interface for each link type and name, an enhanced packet block for each packet, with comments.
//! Comments may come from the wire: what could fool a terminal or hide in a line of text is made visible.

/// Block types (4.1, 4.2, 4.3).
mod block {
    pub(super) const SECTION: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE: u32 = 1;
    pub(super) const ENHANCED_PACKET: u32 = 6;
}

/// Option codes (3.5, 4.1, 4.2).
mod option {
    pub(super) const END: u16 = 0;
    pub(super) const COMMENT: u16 = 1;
    pub(super) const INTERFACE_NAME: u16 = 2;
    pub(super) const USER_APPLICATION: u16 = 4;
    pub(super) const RESOLUTION: u16 = 9;
}

const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// The length of the section is not said.
const UNKNOWN_LENGTH: u64 = u64::MAX;
/// Stamps are nanoseconds: ten to the power of minus nine.
const NANOSECONDS: u8 = 9;
/// The longest text that is written, in octets.
const TEXT_LIMIT: usize = 4096;

/// One packet to write.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Nanoseconds since 1970-01-01T00:00:00Z; what is before then is written as then.
    pub nanos: i64,
    /// What its first octets are, by the tcpdump.org registry of link types.
    pub link: u16,
    /// The name of the interface, or of the file, that it came from.
    pub interface: &'a str,
    /// Octets that it had on the wire.
    pub wire_len: u32,
    /// What was captured of it.
    pub data: &'a [u8],
    /// What there is to say about it; empty for nothing.
    pub comment: &'a str,
}

/// Puts a capture file together in memory.
pub struct PcapngWriter {
    out: Vec<u8>,
    /// Link type and name of each interface described so far.
    interfaces: Vec<(u16, String)>,
}

impl PcapngWriter {
    /// A file written by this program, with a comment on all of it; empty for none.
    pub fn new(program: &str, comment: &str) -> PcapngWriter {
        let mut out = Vec::new();
        block(&mut out, block::SECTION, |out| {
            out.extend(BYTE_ORDER_MAGIC.to_le_bytes());
            out.extend([1, 0, 0, 0]); // version 1.0
            out.extend(UNKNOWN_LENGTH.to_le_bytes());
            text(out, option::COMMENT, comment);
            text(out, option::USER_APPLICATION, program);
            end(out);
        });
        PcapngWriter { out, interfaces: Vec::new() }
    }

    /// Adds a packet; its interface is described where it is a new one.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        let interface = self.interface(packet.link, packet.interface);
        let stamp = u64::try_from(packet.nanos).unwrap_or(0);
        // A block's length has 32 bits; no captured frame comes near.
        let captured = u32::try_from(packet.data.len()).unwrap_or(u32::MAX);
        let data = packet.data.get(..captured as usize).unwrap_or_default();
        block(&mut self.out, block::ENHANCED_PACKET, |out| {
            out.extend(interface.to_le_bytes());
            out.extend(((stamp >> 32) as u32).to_le_bytes());
            out.extend((stamp as u32).to_le_bytes());
            out.extend(captured.to_le_bytes());
            out.extend(packet.wire_len.max(captured).to_le_bytes());
            out.extend_from_slice(data);
            pad(out, data.len());
            if !packet.comment.is_empty() {
                text(out, option::COMMENT, packet.comment);
                end(out);
            }
        });
    }

    /// The whole file.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    fn interface(&mut self, link: u16, name: &str) -> u32 {
        let known = self.interfaces.iter().position(|(other, own)| *other == link && own == name);
        let place = known.unwrap_or_else(|| {
            block(&mut self.out, block::INTERFACE, |out| {
                out.extend(link.to_le_bytes());
                out.extend([0; 2]);
                out.extend([0; 4]); // no limit on what is captured of a packet
                text(out, option::INTERFACE_NAME, name);
                field(out, option::RESOLUTION, &[NANOSECONDS]);
                end(out);
            });
            self.interfaces.push((link, name.to_owned()));
            self.interfaces.len() - 1
        });
        u32::try_from(place).unwrap_or(0)
    }
}

/// Writes a block around its body: type and length before it, the length again after it.
fn block(out: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend(kind.to_le_bytes());
    out.extend([0; 4]);
    body(out);
    let length = u32::try_from(out.len() - start + 4).unwrap_or(u32::MAX).to_le_bytes();
    if let Some(field) = out.get_mut(start + 4..start + 8) {
        field.copy_from_slice(&length);
    }
    out.extend(length);
}

fn text(out: &mut Vec<u8>, code: u16, value: &str) {
    if !value.is_empty() {
        field(out, code, harmless(value).as_bytes());
    }
}

fn field(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    let value = value.get(..usize::from(length)).unwrap_or_default();
    out.extend(code.to_le_bytes());
    out.extend(length.to_le_bytes());
    out.extend_from_slice(value);
    pad(out, value.len());
}

fn end(out: &mut Vec<u8>) {
    out.extend(option::END.to_le_bytes());
    out.extend([0; 2]);
}

/// Fills up to a multiple of four.
fn pad(out: &mut Vec<u8>, length: usize) {
    out.extend(std::iter::repeat_n(0, length.next_multiple_of(4) - length));
}

/// The text in one line, cut to a bound, with everything that a terminal or an editor obeys instead of showing it
/// (control characters, line separators, marks that turn the direction of writing) replaced by U+FFFD.
fn harmless(value: &str) -> String {
    let mut out = String::with_capacity(value.len().min(TEXT_LIMIT));
    for c in value.chars() {
        let c = if obeyed(c) { char::REPLACEMENT_CHARACTER } else { c };
        if out.len() + c.len_utf8() > TEXT_LIMIT {
            break;
        }
        out.push(c);
    }
    out
}

fn obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: Packet<'_> = Packet {
        nanos: 0x0102_0304_0506_0708,
        link: 1,
        interface: "eth0",
        wire_len: 9,
        data: &[1, 2, 3, 4, 5],
        comment: "hm",
    };

    /// Octet for octet what the draft says.
    #[test]
    fn a_small_file_is_as_the_draft_has_it() {
        let mut writer = PcapngWriter::new("w 1", "");
        writer.packet(&PACKET);
        let expected: Vec<u8> = [
            &[0x0a, 0x0d, 0x0d, 0x0a, 40, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0][..],
            &[0xff; 8],
            &[4, 0, 3, 0, b'w', b' ', b'1', 0, 0, 0, 0, 0, 40, 0, 0, 0],
            &[1, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
            &[2, 0, 4, 0, b'e', b't', b'h', b'0', 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0],
            &[6, 0, 0, 0, 52, 0, 0, 0, 0, 0, 0, 0, 4, 3, 2, 1, 8, 7, 6, 5, 5, 0, 0, 0, 9, 0, 0, 0],
            &[1, 2, 3, 4, 5, 0, 0, 0, 1, 0, 2, 0, b'h', b'm', 0, 0, 0, 0, 0, 0, 52, 0, 0, 0],
        ]
        .concat();
        assert_eq!(writer.finish(), expected);
    }

    #[test]
    fn each_link_type_and_name_is_described_once() {
        let mut writer = PcapngWriter::new("w", "");
        writer.packet(&PACKET);
        writer.packet(&Packet { link: 113, ..PACKET });
        writer.packet(&Packet { interface: "eth1", ..PACKET });
        writer.packet(&PACKET);
        assert_eq!(writer.interfaces.len(), 3);
    }

    #[test]
    fn text_from_the_wire_cannot_command_a_terminal() {
        assert_eq!(
            harmless("a\u{1b}[2Jb\r\nc\u{202e}d\u{9b}é"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\u{fffd}d\u{fffd}é"
        );
        assert!(harmless(&"é".repeat(5000)).len() <= TEXT_LIMIT);
    }
}
