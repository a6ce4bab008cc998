//! Who made a network interface, by the block that its MAC address is from.
//!
//! The IEEE's lists of assigned blocks (MA-L, MA-M, MA-S, IAB) are part of the program, packed: no network is needed.
//! They are unpacked, once, when somebody asks. `update.py` makes the packed file anew.

use crate::address::Mac;
use std::sync::OnceLock;

/// The packed lists.
static PACKED: &[u8] = include_bytes!("registry.zst");

/// Octets that the unpacked lists have at most.
const MOST: usize = 16 << 20;

/// The unpacked lists, and where the line of each block begins, sorted by block.
struct Registry {
    text: String,
    blocks: Vec<(Block, u32)>,
}

/// A prefix: so many hexadecimal digits, and their value.
type Block = (u8, u64);

/// The vendor of a network interface; `None` where no registry knows it, or the address was made up locally.
pub fn vendor(mac: Mac) -> Option<&'static str> {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    if mac.is_local() || mac.is_group() {
        return None;
    }
    let registry = REGISTRY.get_or_init(Registry::unpack);
    let value = mac.0.iter().fold(0u64, |value, octet| value << 8 | u64::from(*octet));
    // The narrowest block first.
    [9u8, 7, 6].into_iter().find_map(|digits| registry.name((digits, value >> (48 - 4 * u32::from(digits)))))
}

impl Registry {
    /// What cannot be unpacked is left out; a test holds the file to its form.
    fn unpack() -> Registry {
        let text = zstd::bulk::decompress(PACKED, MOST).unwrap_or_default();
        let text = String::from_utf8(text).unwrap_or_default();
        let mut blocks = Vec::new();
        let mut start = 0u32;
        for line in text.split_inclusive('\n') {
            let prefix = line.split(' ').next().unwrap_or_default();
            if let Ok(value) = u64::from_str_radix(prefix, 16) {
                blocks.push(((prefix.len() as u8, value), start));
            }
            start += line.len() as u32;
        }
        blocks.sort_unstable();
        Registry { text, blocks }
    }

    fn name(&self, block: Block) -> Option<&str> {
        let at = self.blocks.binary_search_by_key(&block, |(block, _)| *block).ok()?;
        let (_, start) = self.blocks.get(at)?;
        let line = self.text.get(*start as usize..)?.lines().next()?;
        line.split_once(' ').map(|(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_whole_and_finds_the_narrowest_block() {
        let registry = Registry::unpack();
        assert!(registry.blocks.len() > 50_000, "{}", registry.blocks.len());
        assert!(
            registry.text.lines().all(|line| line.split_once(' ').is_some_and(|(_, name)| !name.is_empty()))
        );
        assert!(!registry.text.contains(|c: char| c.is_control() && c != '\n'));
        assert_eq!(vendor(Mac([0x00, 0x1d, 0x9c, 1, 2, 3])), Some("Rockwell Automation"));
        assert_eq!(vendor(Mac([0x00, 0x0e, 0x8c, 1, 2, 3])), Some("Siemens AG"));
        // Parts of one MA-L block belong to different vendors.
        assert_eq!(vendor(Mac([0x8c, 0x1f, 0x64, 0xaf, 0xa1, 2])), Some("DATA ELECTRONIC DEVICES, INC"));
        assert_eq!(vendor(Mac([0x02, 0x42, 0xac, 0, 0, 2])), None, "made up locally");
        assert_eq!(vendor(Mac([0xff; 6])), None);
    }
}
