//! Captures made by hand, for the tests.

/// Byte order of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    pub(super) fn u16(self, value: u16) -> [u8; 2] {
        if self == Order::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    pub(super) fn u32(self, value: u32) -> [u8; 4] {
        if self == Order::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    pub(super) fn i64(self, value: i64) -> [u8; 8] {
        if self == Order::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }
}

pub(super) fn pcap_header(magic: u32, order: Order, snaplen: u32, link: u32) -> [u8; 24] {
    let mut header = Vec::new();
    header.extend(order.u32(magic));
    header.extend(order.u16(2));
    header.extend(order.u16(4));
    header.extend([0; 8]);
    header.extend(order.u32(snaplen));
    header.extend(order.u32(link));
    header.try_into().unwrap()
}

pub(super) fn pcap_record(order: Order, seconds: u32, fraction: u32, wire: u32, data: &[u8]) -> Vec<u8> {
    let mut record = Vec::new();
    for value in [seconds, fraction, data.len() as u32, wire] {
        record.extend(order.u32(value));
    }
    record.extend(data);
    record
}

/// A little-endian capture with microseconds; packet n holds n octets of value n, at the seconds given.
pub(super) fn pcap(seconds: &[u32]) -> Vec<u8> {
    let mut file = pcap_header(0xa1b2_c3d4, Order::Little, 65_535, 1).to_vec();
    for (n, seconds) in (1..).zip(seconds) {
        file.extend(pcap_record(Order::Little, *seconds, 5, n, &vec![n as u8; n as usize]));
    }
    file
}

/// A pcapng block of this type around a body, padded.
pub(super) fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let total = order.u32(padded as u32 + 12);
    let mut block = order.u32(kind).to_vec();
    block.extend(total);
    block.extend(body);
    block.resize(8 + padded, 0);
    block.extend(total);
    block
}

pub(super) fn section(order: Order) -> Vec<u8> {
    let mut body = order.u32(0x1a2b_3c4d).to_vec();
    body.extend(order.u16(1));
    body.extend(order.u16(0));
    body.extend([0xff; 8]);
    block(order, 0x0a0d_0d0a, &body)
}

pub(super) fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let mut option = order.u16(code).to_vec();
    option.extend(order.u16(value.len() as u16));
    option.extend(value);
    option.resize(option.len().next_multiple_of(4), 0);
    option
}

pub(super) fn interface(order: Order, link: u16, snaplen: u32, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = order.u16(link).to_vec();
    body.extend(order.u16(0));
    body.extend(order.u32(snaplen));
    for (code, value) in options {
        body.extend(option(order, *code, value));
    }
    block(order, 1, &body)
}

pub(super) fn enhanced(order: Order, interface: u32, ts: u64, wire: u32, data: &[u8]) -> Vec<u8> {
    let mut body = order.u32(interface).to_vec();
    for value in [(ts >> 32) as u32, ts as u32, data.len() as u32, wire] {
        body.extend(order.u32(value));
    }
    body.extend(data);
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend(option(order, 1, b"a comment"));
    block(order, 6, &body)
}

pub(super) fn obsolete(order: Order, interface: u16, ts: u64, wire: u32, data: &[u8]) -> Vec<u8> {
    let mut body = order.u16(interface).to_vec();
    body.extend(order.u16(0));
    for value in [(ts >> 32) as u32, ts as u32, data.len() as u32, wire] {
        body.extend(order.u32(value));
    }
    body.extend(data);
    block(order, 2, &body)
}

pub(super) fn simple(order: Order, wire: u32, data: &[u8]) -> Vec<u8> {
    let mut body = order.u32(wire).to_vec();
    body.extend(data);
    block(order, 3, &body)
}

/// Every kind of block in two sections of different byte order: 6 packets.
pub(super) fn pcapng() -> Vec<u8> {
    let (little, big) = (Order::Little, Order::Big);
    let mut file = section(little);
    file.extend(interface(little, 1, 0, &[(2, b"eth0")]));
    file.extend(interface(little, 113, 64, &[(9, &[9]), (14, &little.i64(100))]));
    file.extend(block(little, 4, b"names of hosts"));
    file.extend(enhanced(little, 0, 1_000_001, 60, b"first"));
    file.extend(block(little, 0x0bad, &[0; 33]));
    file.extend(enhanced(little, 1, 2_000_000_002, 61, b"second!"));
    file.extend(obsolete(little, 0, 3_000_003, 62, b"3rd"));
    file.extend(simple(little, 4, b"four"));
    file.extend(section(big));
    file.extend(interface(big, 101, 6, &[(9, &[0x80 | 10])]));
    file.extend(enhanced(big, 0, 5 * 1024 + 512, 63, b"fifth"));
    file.extend(simple(big, 100, b"sixth,"));
    file
}
