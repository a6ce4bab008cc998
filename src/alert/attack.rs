//! Which ATT&CK for ICS technique a forbidden message is, and how bad: the table in the module's documentation.
//!
//! Technique ids and names: MITRE ATT&CK for ICS 18.1, © The MITRE Corporation, used with permission.

use super::Severity;
use crate::address::Transport;
use crate::event::Verb;
use crate::policy::Why;
use std::borrow::Cow;

/// Techniques that Wayside's own tables name, and those that rules name most; sorted.
const TECHNIQUES: [(&str, &str); 34] = [
    ("T0800", "Activate Firmware Update Mode"),
    ("T0801", "Monitor Process State"),
    ("T0802", "Automated Collection"),
    ("T0803", "Block Command Message"),
    ("T0804", "Block Reporting Message"),
    ("T0806", "Brute Force I/O"),
    ("T0813", "Denial of Control"),
    ("T0814", "Denial of Service"),
    ("T0816", "Device Restart/Shutdown"),
    ("T0821", "Modify Controller Tasking"),
    ("T0830", "Adversary-in-the-Middle"),
    ("T0831", "Manipulation of Control"),
    ("T0832", "Manipulation of View"),
    ("T0835", "Manipulate I/O Image"),
    ("T0836", "Modify Parameter"),
    ("T0838", "Modify Alarm Settings"),
    ("T0839", "Module Firmware"),
    ("T0840", "Network Connection Enumeration"),
    ("T0843", "Program Download"),
    ("T0845", "Program Upload"),
    ("T0846", "Remote System Discovery"),
    ("T0848", "Rogue Master"),
    ("T0855", "Unauthorized Command Message"),
    ("T0856", "Spoof Reporting Message"),
    ("T0857", "System Firmware"),
    ("T0858", "Change Operating Mode"),
    ("T0859", "Valid Accounts"),
    ("T0861", "Point & Tag Identification"),
    ("T0867", "Lateral Tool Transfer"),
    ("T0869", "Standard Application Layer Protocol"),
    ("T0886", "Remote Services"),
    ("T0888", "Remote System Information Discovery"),
    ("T0889", "Modify Program"),
    ("T0893", "Data from Local System"),
];

/// The name of a technique, where it is one that is known here.
pub fn technique_name(id: &str) -> Option<&'static str> {
    let at = TECHNIQUES.binary_search_by_key(&id, |(id, _)| *id).ok()?;
    TECHNIQUES.get(at).map(|(_, name)| *name)
}

/// What was done, as far as the table asks.
pub(super) struct Deed<'a> {
    pub verb: Verb,
    pub function_name: Option<&'a str>,
    /// Whether the files know who did it.
    pub known: bool,
    /// Why no rule allows it; `None` where one forbids it.
    pub why: Option<&'a Why>,
}

impl Deed<'_> {
    fn out_of_limits(&self) -> bool {
        matches!(self.why, Some(Why::Value { .. } | Why::ValueUnknown { .. } | Why::Change { .. }))
    }

    /// Whether some rule lets these two talk, but not so.
    fn beyond_a_rule(&self) -> bool {
        !matches!(self.why, None | Some(Why::NoRule | Why::Conduit { .. }))
    }

    fn name_has(&self, words: &[&str]) -> bool {
        self.function_name.is_some_and(|name| words.iter().any(|word| name.contains(word)))
    }

    /// The techniques of the table.
    pub(super) fn attack(&self) -> Vec<Cow<'static, str>> {
        let ids: &[&'static str] = match self.verb {
            _ if self.out_of_limits() => &["T0836"],
            Verb::Write | Verb::Select | Verb::Operate if !self.known => &["T0855", "T0848"],
            Verb::Write | Verb::Select | Verb::Operate => &["T0855"],
            Verb::Configure => &["T0836"],
            Verb::Program if self.name_has(&["upload"]) => &["T0845"],
            Verb::Program => &["T0843"],
            Verb::Restart => &["T0816"],
            Verb::File if self.name_has(&["read", "open", "get", "info", "f-sc-"]) => &["T0893"],
            Verb::File => &["T0867"],
            Verb::Authenticate => &["T0859"],
            Verb::Time | Verb::Other => &["T0855"],
            Verb::Report => &["T0856"],
            Verb::Identify | Verb::Diagnose => &["T0888"],
            Verb::Read if self.known && self.beyond_a_rule() => &["T0861"],
            Verb::Read => &["T0801"],
            Verb::Session if self.name_has(&["stopdt"]) => &["T0804"],
            Verb::Session => &["T0869"],
        };
        ids.iter().map(|id| Cow::Borrowed(*id)).collect()
    }

    /// The severity of the table.
    pub(super) fn severity(&self) -> Severity {
        let severity = match self.verb {
            Verb::Program | Verb::Restart => Severity::Critical,
            Verb::Write | Verb::Select | Verb::Operate => Severity::High,
            Verb::Configure | Verb::File | Verb::Authenticate => Severity::High,
            Verb::Time | Verb::Other | Verb::Report | Verb::Identify | Verb::Diagnose => Severity::Medium,
            Verb::Read if self.known && self.beyond_a_rule() => Severity::Low,
            Verb::Session if self.known && !matches!(self.why, Some(Why::Conduit { .. })) => Severity::Low,
            Verb::Read | Verb::Session => Severity::Medium,
        };
        if self.why.is_none() { severity.max(Severity::High) } else { severity }
    }
}

/// Ports of services that let somebody work on another machine: FTP, SSH, Telnet, RPC, NetBIOS, SMB, RDP, VNC, WinRM.
const REMOTE_SERVICES: [u16; 11] = [21, 22, 23, 135, 139, 445, 512, 3389, 5900, 5985, 5986];

/// Whether a port is that of a service that lets somebody work on another machine.
pub(super) fn is_remote_service(port: u16) -> bool {
    REMOTE_SERVICES.contains(&port)
}

/// The techniques of a conversation that is no control protocol.
pub(super) fn conversation(transport: Transport, port: u16) -> Vec<Cow<'static, str>> {
    match transport {
        Transport::Tcp if is_remote_service(port) => vec![Cow::Borrowed("T0886")],
        Transport::Ip(1 | 58) => vec![Cow::Borrowed("T0846")],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_mitres() {
        assert!(TECHNIQUES.is_sorted_by_key(|(id, _)| *id));
        let Ok(published) = std::fs::read_to_string("../shared/attack-ics-18.1.tsv") else {
            return println!("skipped: the published list is not there");
        };
        for (id, name) in TECHNIQUES {
            assert!(published.contains(&format!("{id}\t{name}\t")), "{id} {name}");
        }
    }
}
