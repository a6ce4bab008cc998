//! Which ATT&CK for ICS technique a forbidden message is, and how bad: the table in the module's documentation.

use super::Severity;
use crate::address::Transport;
use crate::event::Verb;
use crate::policy::Why;
use std::borrow::Cow;

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
