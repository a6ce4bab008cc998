//! The codes of IEC 60870-5-104 with their standard names: causes of transmission, unnumbered control functions and
//! qualifiers (IEC 60870-5-101:2003, 7.2.3 and 7.2.6; IEC 60870-5-104:2006, 5).
//!
//! Unknown values have no name and keep their number. The types of ASDUs are in [`super::library`].

use super::library::TYPES;
use crate::event::{Code, Verb};

/// Added to the control octet of a U frame, it is the number of that function, beside the type identifications.
pub const UNNUMBERED: u16 = 0x100;

/// STARTDT act: starts the transfer of user data (IEC 60870-5-104, 5.3).
pub const STARTDT_ACT: u8 = 0x07;
/// STARTDT con.
pub const STARTDT_CON: u8 = 0x0b;
/// STOPDT act: stops the transfer of user data (5.3).
pub const STOPDT_ACT: u8 = 0x13;
/// STOPDT con.
pub const STOPDT_CON: u8 = 0x23;
/// TESTFR act: asks whether the other side is there (5.2).
pub const TESTFR_ACT: u8 = 0x43;
/// TESTFR con.
pub const TESTFR_CON: u8 = 0x83;

/// The unnumbered control functions, by their control octet.
const CONTROLS: [(u8, &str); 6] = [
    (STARTDT_ACT, "startdt-act"),
    (STARTDT_CON, "startdt-con"),
    (STOPDT_ACT, "stopdt-act"),
    (STOPDT_CON, "stopdt-con"),
    (TESTFR_ACT, "testfr-act"),
    (TESTFR_CON, "testfr-con"),
];

/// The name of the unnumbered control function of this control octet (IEC 60870-5-104, figure 8).
pub fn control_name(octet: u8) -> Option<&'static str> {
    CONTROLS.into_iter().find(|(code, _)| *code == octet).map(|(_, name)| name)
}

/// Everything that has a name: type identifications by their number, then the functions of U frames from
/// [`UNNUMBERED`] on.
pub static FUNCTIONS: [Code; TYPES.len() + CONTROLS.len()] = functions();

const fn functions() -> [Code; TYPES.len() + CONTROLS.len()] {
    let mut all = [Code { code: 0, name: "", verb: Verb::Session }; TYPES.len() + CONTROLS.len()];
    let mut at = 0;
    while at < TYPES.len() {
        let row = &TYPES[at];
        all[at] = Code { code: row.code as u16, name: row.name, verb: row.verb };
        at += 1;
    }
    let mut control = 0;
    while control < CONTROLS.len() {
        let (code, name) = CONTROLS[control];
        all[at + control] = Code { code: UNNUMBERED + code as u16, name, verb: Verb::Session };
        control += 1;
    }
    all
}

/// Causes of transmission that this decoder speaks of by number.
pub mod cause {
    /// Sent in cycles.
    pub const PERIODIC: u8 = 1;
    /// Background scan.
    pub const BACKGROUND: u8 = 2;
    /// Something changed.
    pub const SPONTANEOUS: u8 = 3;
    /// The station started.
    pub const INITIALIZED: u8 = 4;
    /// A read, or the answer to one.
    pub const REQUEST: u8 = 5;
    /// An order.
    pub const ACTIVATION: u8 = 6;
    /// It was taken, or refused.
    pub const ACTIVATION_CONFIRMATION: u8 = 7;
    /// An order is taken back.
    pub const DEACTIVATION: u8 = 8;
    /// That was taken, or refused.
    pub const DEACTIVATION_CONFIRMATION: u8 = 9;
    /// An order was carried out.
    pub const ACTIVATION_TERMINATION: u8 = 10;
    /// A change that a remote command made.
    pub const RETURN_REMOTE: u8 = 11;
    /// A change that somebody at the place made.
    pub const RETURN_LOCAL: u8 = 12;
    /// Interrogated by the general interrogation; 21 to 36 by that of a group.
    pub const INTERROGATED: u8 = 20;
    /// The last of those.
    pub const INTERROGATED_GROUP_16: u8 = 36;
    /// Requested by the general counter request; 38 to 41 by that of a group.
    pub const COUNTERS: u8 = 37;
    /// The last of those.
    pub const COUNTERS_GROUP_4: u8 = 41;
    /// The controlled station does not know the type.
    pub const UNKNOWN_TYPE: u8 = 44;
    /// The controlled station does not know the information object.
    pub const UNKNOWN_OBJECT: u8 = 47;
}

/// Causes of transmission by number (IEC 60870-5-101, 7.2.3; 14 to 16 of IEC 60870-5-7).
pub fn cause_name(code: u8) -> Option<&'static str> {
    const NAMES: [&str; 48] = [
        "",
        "periodic",
        "background scan",
        "spontaneous",
        "initialized",
        "request",
        "activation",
        "activation confirmation",
        "deactivation",
        "deactivation confirmation",
        "activation termination",
        "return information, remote command",
        "return information, local command",
        "file transfer",
        "authentication",
        "maintenance of session key",
        "maintenance of user role and update key",
        "",
        "",
        "",
        "interrogated by station interrogation",
        "interrogated by group 1 interrogation",
        "interrogated by group 2 interrogation",
        "interrogated by group 3 interrogation",
        "interrogated by group 4 interrogation",
        "interrogated by group 5 interrogation",
        "interrogated by group 6 interrogation",
        "interrogated by group 7 interrogation",
        "interrogated by group 8 interrogation",
        "interrogated by group 9 interrogation",
        "interrogated by group 10 interrogation",
        "interrogated by group 11 interrogation",
        "interrogated by group 12 interrogation",
        "interrogated by group 13 interrogation",
        "interrogated by group 14 interrogation",
        "interrogated by group 15 interrogation",
        "interrogated by group 16 interrogation",
        "requested by general counter request",
        "requested by group 1 counter request",
        "requested by group 2 counter request",
        "requested by group 3 counter request",
        "requested by group 4 counter request",
        "",
        "",
        "unknown type identification",
        "unknown cause of transmission",
        "unknown common address",
        "unknown information object address",
    ];
    NAMES.get(usize::from(code)).copied().filter(|name| !name.is_empty())
}

/// Whether this is the cause of data that was asked for.
pub fn is_data(code: u8) -> bool {
    matches!(code, cause::REQUEST | cause::INTERROGATED..=cause::COUNTERS_GROUP_4)
}

/// How a controlled station says that it does not do what was asked: by cause, with the P/N bit set, or by a cause that
/// says nothing else. The code is the number of the cause.
pub fn refusal(code: u8, negative: bool) -> Option<(u8, &'static str)> {
    let name = match code {
        cause::UNKNOWN_TYPE..=cause::UNKNOWN_OBJECT => cause_name(code)?,
        _ if !negative => return None,
        cause::ACTIVATION_CONFIRMATION => "negative confirmation",
        cause::DEACTIVATION_CONFIRMATION => "negative confirmation of deactivation",
        cause::ACTIVATION_TERMINATION => "negative termination",
        _ => "negative",
    };
    Some((code, name))
}

/// The four states of a double point (7.2.6.2), in the words that DNP3 has for the same.
pub fn double_point(code: u8) -> &'static str {
    match code & 3 {
        0 => "intermediate",
        1 => "determined off",
        2 => "determined on",
        _ => "indeterminate",
    }
}

/// The state of a protection event (7.2.6.10).
pub fn protection_event(code: u8) -> &'static str {
    match code & 3 {
        1 => "determined off",
        2 => "determined on",
        _ => "indeterminate",
    }
}

/// What a regulating step command orders (7.2.6.17).
pub fn step(code: u8) -> &'static str {
    match code & 3 {
        1 => "lower",
        2 => "higher",
        _ => "not permitted",
    }
}

/// Qualifier of command, how long the output is active (7.2.6.26).
pub fn command_qualifier(code: u8) -> Option<&'static str> {
    ["no additional definition", "short pulse", "long pulse", "persistent"].get(usize::from(code)).copied()
}

/// Cause of initialization (7.2.6.21).
pub fn initialization(code: u8) -> Option<&'static str> {
    ["local power on", "local manual reset", "remote reset"].get(usize::from(code)).copied()
}

/// Qualifier of interrogation (7.2.6.22); the groups 21 to 36 are told by their number.
pub fn interrogation(code: u8) -> Option<&'static str> {
    (code == 20).then_some("station")
}

/// What a counter interrogation asks for (7.2.6.23).
pub fn counter_request(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "none",
        1 => "group 1",
        2 => "group 2",
        3 => "group 3",
        4 => "group 4",
        5 => "general",
        _ => return None,
    })
}

/// What a counter interrogation does to the counters (7.2.6.23).
pub fn freeze(code: u8) -> &'static str {
    ["read", "freeze", "freeze and reset", "reset"].get(usize::from(code & 3)).copied().unwrap_or("read")
}

/// Qualifier of reset process (7.2.6.27).
pub fn reset(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "general reset of process",
        2 => "reset of pending information with time tag of the event buffer",
        _ => return None,
    })
}

/// Kind of parameter (7.2.6.24).
pub fn parameter(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "threshold",
        2 => "smoothing factor",
        3 => "low limit",
        4 => "high limit",
        _ => return None,
    })
}

/// Qualifier of parameter activation (7.2.6.25).
pub fn parameter_activation(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "parameters loaded before",
        2 => "parameters of the object",
        3 => "cyclic transmission of the object",
        _ => return None,
    })
}

/// Name of a file (7.2.6.33).
pub fn file_name(code: u16) -> Option<&'static str> {
    Some(match code {
        1 => "transparent file",
        2 => "disturbance data of protection equipment",
        3 => "sequences of events",
        4 => "sequences of recorded analogue values",
        _ => return None,
    })
}

/// Select and call qualifier, lower four bits (7.2.6.30).
pub fn call(code: u8) -> Option<&'static str> {
    Some(match code & 15 {
        1 => "select file",
        2 => "request file",
        3 => "deactivate file",
        4 => "delete file",
        5 => "select section",
        6 => "request section",
        7 => "deactivate section",
        _ => return None,
    })
}

/// Last section or segment qualifier (7.2.6.31).
pub fn last(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "file transfer without deactivation",
        2 => "file transfer with deactivation",
        3 => "section transfer without deactivation",
        4 => "section transfer with deactivation",
        _ => return None,
    })
}

/// Acknowledge file or section qualifier, lower four bits (7.2.6.32).
pub fn acknowledgement(code: u8) -> Option<&'static str> {
    Some(match code & 15 {
        1 => "file taken",
        2 => "file refused",
        3 => "section taken",
        4 => "section refused",
        _ => return None,
    })
}

/// Why a file transfer failed: the upper four bits of a call and of an acknowledgement (7.2.6.30, 7.2.6.32).
pub fn file_error(code: u8) -> Option<&'static str> {
    Some(match code >> 4 {
        1 => "requested memory space not available",
        2 => "checksum failed",
        3 => "unexpected communication service",
        4 => "unexpected name of file",
        5 => "unexpected name of section",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_the_types_and_then_the_controls() {
        assert!(FUNCTIONS.is_sorted_by_key(|code| code.code));
        let name = |code| FUNCTIONS.iter().find(|f| f.code == code).map(|f| f.name);
        assert_eq!(name(45), Some("c-sc-na-1"));
        assert_eq!(name(UNNUMBERED + 0x43), Some("testfr-act"));
        assert_eq!(FUNCTIONS.iter().filter(|f| f.verb == Verb::Operate).count(), 14);
    }

    #[test]
    fn causes_have_their_places() {
        assert_eq!(cause_name(3), Some("spontaneous"));
        assert_eq!(cause_name(20), Some("interrogated by station interrogation"));
        assert_eq!(cause_name(36), Some("interrogated by group 16 interrogation"));
        assert_eq!(cause_name(41), Some("requested by group 4 counter request"));
        assert_eq!(cause_name(47), Some("unknown information object address"));
        assert!([0, 17, 19, 42, 43, 48, 63].into_iter().all(|code| cause_name(code).is_none()));
        assert_eq!(refusal(7, true), Some((7, "negative confirmation")));
        assert_eq!(refusal(45, false), Some((45, "unknown cause of transmission")));
        assert_eq!(refusal(7, false), None);
    }
}
