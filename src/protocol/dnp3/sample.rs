//! Frames built for tests.

use super::wire::link;

/// A link frame with good CRCs: control, destination, source, user data (at most 250 octets).
pub fn frame(control: u8, destination: u16, source: u16, user_data: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x05, 0x64, 5 + user_data.len() as u8, control];
    frame.extend(destination.to_le_bytes());
    frame.extend(source.to_le_bytes());
    frame.extend(link::crc(&frame).to_le_bytes());
    for block in user_data.chunks(16) {
        frame.extend(block);
        frame.extend(link::crc(block).to_le_bytes());
    }
    frame
}

/// An application fragment in as few frames as it takes, each with its transport header.
pub fn message(control: u8, destination: u16, source: u16, fragment: &[u8]) -> Vec<Vec<u8>> {
    let segments: Vec<&[u8]> = fragment.chunks(249).collect();
    let last = segments.len().saturating_sub(1);
    let flags = |at: usize| if at == 0 { 0x40 } else { 0 } | if at == last { 0x80 } else { 0 };
    let framed = |(at, segment): (usize, &&[u8])| {
        let mut user_data = vec![flags(at) | (at as u8 & 0x3f)];
        user_data.extend_from_slice(segment);
        frame(control, destination, source, &user_data)
    };
    segments.iter().enumerate().map(framed).collect()
}

/// A request from master 1 to outstation 10, in one frame.
pub fn request(fragment: &[u8]) -> Vec<u8> {
    message(0xc4, 10, 1, fragment).concat()
}

/// A response from outstation 10 to master 1.
pub fn response(fragment: &[u8]) -> Vec<u8> {
    message(0x44, 1, 10, fragment).concat()
}
