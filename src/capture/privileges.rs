//! Giving up what was needed to open an interface.

use caps::{CapSet, Capability};

/// Gives up every capability of this thread, and of the threads that it starts from now on: an open interface
/// needs none to be read. Call it after the last [`Live::open`](super::Live::open) and before threads are started.
///
/// Root keeps its user id, and with it its own files, but no longer the right to others' files, to low ports or
/// to open an interface again; programs that it starts do not win them back.
///
/// Returns what could not be given up, as a warning.
pub fn drop_privileges() -> Option<String> {
    drop_capabilities().err().map(|cause| {
        format!(
            "capturing goes on with more privileges than it needs, since they could not be dropped: {cause}"
        )
    })
}

fn drop_capabilities() -> Result<(), caps::errors::CapsError> {
    // The bounding set can only be narrowed by one who holds CAP_SETPCAP; without, it is left as it is: an
    // ordinary user wins nothing through it.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        caps::clear(None, CapSet::Bounding)?;
    }
    if caps::runtime::ambient_set_supported().is_ok() {
        caps::clear(None, CapSet::Ambient)?;
    }
    caps::clear(None, CapSet::Inheritable)?;
    caps::clear(None, CapSet::Effective)?;
    caps::clear(None, CapSet::Permitted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left() {
        // Capabilities are those of a thread, so that the other tests keep theirs.
        let status = std::thread::spawn(|| {
            assert_eq!(drop_privileges(), None);
            let inherited = std::thread::spawn(|| std::fs::read_to_string("/proc/thread-self/status"));
            inherited.join().unwrap().unwrap()
        });
        let status = status.join().unwrap();
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            let line = status.lines().find(|line| line.starts_with(set)).unwrap();
            assert!(line.ends_with("0000000000000000"), "{line}");
        }
    }
}
