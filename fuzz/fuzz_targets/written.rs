//! Whether what was written is what was promised: one line, one JSON object.

/// One input in so many is checked by a JSON parser. All are checked by [`object`]'s one pass.
const THOROUGH: u32 = 16;

/// Whether this input is one of those that are checked by a JSON parser.
pub fn is_thorough(input: &[u8]) -> bool {
    input.iter().fold(7u32, |hash, octet| hash.wrapping_mul(31).wrapping_add(u32::from(*octet))) % THOROUGH
        == 0
}

/// Checks that this is one JSON object on one line: its strings, what may follow a backslash, its brackets. With
/// `thorough` a parser reads it too.
pub fn object(json: &[u8], thorough: bool) {
    let shown = || String::from_utf8_lossy(json);
    let text = std::str::from_utf8(json).unwrap_or_else(|error| panic!("{error}: {}", shown()));
    line(text);
    let (mut open, mut in_string) = (Vec::new(), false);
    let mut octets = json.iter();
    while let Some(octet) = octets.next() {
        match octet {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                let next = octets.next();
                assert!(
                    next.is_some_and(|next| b"\"\\/bfnrtu".contains(next)),
                    "no such escape: {}",
                    shown()
                );
            }
            _ if in_string => {}
            b'{' | b'[' => open.push(octet + 2),
            b'}' | b']' => {
                assert_eq!(open.pop(), Some(*octet), "brackets: {}", shown());
                assert!(!open.is_empty() || octets.len() == 0, "something follows: {}", shown());
            }
            _ => assert!(octet.is_ascii(), "outside of strings: {}", shown()),
        }
    }
    assert!(json.first() == Some(&b'{') && open.is_empty() && !in_string, "no JSON object: {}", shown());
    if thorough {
        let read: Result<serde_json::Value, _> = serde_json::from_str(text);
        assert!(read.is_ok_and(|value| value.is_object()), "no JSON object: {}", shown());
    }
}

/// Checks that this is one line that no terminal would take for anything else.
pub fn line(text: &str) {
    let control = |pair: &[u8]| pair[0] < 0x20 || pair[0] == 0x7f || pair[0] == 0xc2 && pair[1] < 0xa0;
    let last = text.as_bytes().last().is_some_and(|octet| *octet < 0x20 || *octet == 0x7f);
    assert!(!last && !text.as_bytes().windows(2).any(control), "more than a line: {text:?}");
}
