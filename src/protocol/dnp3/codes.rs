//! The codes of DNP3 with their standard names (IEEE 1815-2012): functions, link functions, internal indications,
//! control, file and authentication codes, and what a function means in the neutral vocabulary.
//!
//! Unknown values have no name and keep their number. The object library is in [`super::library`].

use crate::event::{About, Code, Verb};

const fn code(code: u16, name: &'static str, verb: Verb) -> Code {
    Code { code, name, verb }
}

/// Application function codes (4.2.2.5, annex B). Freezing stores and may clear counters, so it counts as writing;
/// a response takes the verb of its request.
pub static FUNCTIONS: &[Code] = &[
    code(0, "confirm", Verb::Session),
    code(1, "read", Verb::Read),
    code(2, "write", Verb::Write),
    code(3, "select", Verb::Select),
    code(4, "operate", Verb::Operate),
    code(5, "direct-operate", Verb::Operate),
    code(6, "direct-operate-no-ack", Verb::Operate),
    code(7, "immediate-freeze", Verb::Write),
    code(8, "immediate-freeze-no-ack", Verb::Write),
    code(9, "freeze-and-clear", Verb::Write),
    code(10, "freeze-and-clear-no-ack", Verb::Write),
    code(11, "freeze-at-time", Verb::Write),
    code(12, "freeze-at-time-no-ack", Verb::Write),
    code(13, "cold-restart", Verb::Restart),
    code(14, "warm-restart", Verb::Restart),
    code(15, "initialize-data", Verb::Restart),
    code(16, "initialize-application", Verb::Restart),
    code(17, "start-application", Verb::Restart),
    code(18, "stop-application", Verb::Restart),
    code(19, "save-configuration", Verb::Configure),
    code(20, "enable-unsolicited", Verb::Configure),
    code(21, "disable-unsolicited", Verb::Configure),
    code(22, "assign-class", Verb::Configure),
    code(23, "delay-measure", Verb::Time),
    code(24, "record-current-time", Verb::Time),
    code(25, "open-file", Verb::File),
    code(26, "close-file", Verb::File),
    code(27, "delete-file", Verb::File),
    code(28, "get-file-info", Verb::File),
    code(29, "authenticate-file", Verb::File),
    code(30, "abort-file", Verb::File),
    code(31, "activate-configuration", Verb::Configure),
    code(32, "authentication-request", Verb::Authenticate),
    code(33, "authentication-request-no-ack", Verb::Authenticate),
    code(129, "response", Verb::Read),
    code(130, "unsolicited-response", Verb::Report),
    code(131, "authentication-response", Verb::Authenticate),
];

/// Function codes that this decoder speaks of by number.
pub mod function {
    /// Confirms a response.
    pub const CONFIRM: u8 = 0;
    /// Reads.
    pub const READ: u8 = 1;
    /// Writes.
    pub const WRITE: u8 = 2;
    /// Arms outputs.
    pub const SELECT: u8 = 3;
    /// Operates armed outputs.
    pub const OPERATE: u8 = 4;
    /// Operates outputs at once, without an answer.
    pub const DIRECT_OPERATE_NO_ACK: u8 = 6;
    /// Answers a request.
    pub const RESPONSE: u8 = 129;
    /// Reports unasked.
    pub const UNSOLICITED: u8 = 130;
    /// Answers in an authentication exchange.
    pub const AUTHENTICATION_RESPONSE: u8 = 131;
}

/// What a function does to objects of a group, where the function alone does not say.
pub fn verb(function: u8, group: Option<u8>) -> Verb {
    match (function, group) {
        (function::READ, Some(0)) => Verb::Identify,
        (function::WRITE, Some(0 | 34 | 85 | 86)) => Verb::Configure,
        (function::READ | function::WRITE, Some(50..=52)) => Verb::Time,
        (function::READ | function::WRITE, Some(70)) => Verb::File,
        (function::WRITE, Some(120)) => Verb::Authenticate,
        _ => {
            let at = FUNCTIONS.binary_search_by_key(&u16::from(function), |f| f.code);
            at.ok().and_then(|at| FUNCTIONS.get(at)).map_or(Verb::Other, |f| f.verb)
        }
    }
}

/// What a response whose request was not seen most likely answers, by the group of its first object.
pub fn answered(group: Option<u8>) -> Verb {
    match group {
        None => Verb::Other,
        Some(0) => Verb::Identify,
        Some(12 | 41) => Verb::Operate,
        Some(50 | 52) => Verb::Time,
        Some(70) => Verb::File,
        Some(91) => Verb::Configure,
        Some(120) => Verb::Authenticate,
        Some(_) => Verb::Read,
    }
}

/// Whether the sender of this request expects an answer.
pub fn is_answered(function: u8) -> bool {
    !matches!(function, function::CONFIRM | 6 | 8 | 10 | 12 | 33)
}

/// Whether objects follow their headers in a message of this function: a read names points, a write brings them.
pub fn carries_objects(function: u8, group: u8) -> bool {
    match function {
        2..=6 | 16..=19 | 25..=33 | 129..=131 => true,
        11 | 12 => group == 50 || group == 120,
        _ => group == 120,
    }
}

/// Link function codes of a primary frame (9.2.4.1.3.1).
pub fn primary_link_function(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "reset-link-states",
        1 => "reset-user-process",
        2 => "test-link-states",
        3 => "confirmed-user-data",
        4 => "unconfirmed-user-data",
        9 => "request-link-status",
        _ => return None,
    })
}

/// Link function codes of a secondary frame (9.2.4.1.3.1).
pub fn secondary_link_function(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "ack",
        1 => "nack",
        11 => "link-status",
        14 => "link-not-functioning",
        15 => "not-supported",
        _ => return None,
    })
}

/// Internal indications, bit 15 (IIN1.7) first (4.2.2.6).
pub static INDICATIONS: [&str; 16] = [
    "device-restart",
    "device-trouble",
    "local-control",
    "need-time",
    "class-3-events",
    "class-2-events",
    "class-1-events",
    "broadcast",
    "reserved-1",
    "reserved-2",
    "config-corrupt",
    "already-executing",
    "event-buffer-overflow",
    "parameter-error",
    "object-unknown",
    "no-func-code-support",
];

/// The names of the indications that are set.
pub fn indications(iin: u16) -> impl Iterator<Item = &'static str> {
    INDICATIONS.iter().enumerate().filter(move |(at, _)| iin & (0x8000 >> at) != 0).map(|(_, name)| *name)
}

/// The error that IIN2 of a response states: 0x80 and the number of its bit, so that it differs from every control
/// status, and its name.
pub fn indicated_error(iin: u16) -> Option<(u8, &'static str)> {
    const ERRORS: [(u8, &str); 5] = [
        (0, "function code not supported"),
        (1, "object unknown"),
        (2, "parameter error"),
        (4, "operation already executing"),
        (5, "configuration corrupt"),
    ];
    ERRORS.into_iter().find(|(bit, _)| iin & (1 << bit) != 0).map(|(bit, name)| (0x80 | bit, name))
}

/// What a control relay output block orders, from its control code (A.8.1): operation type in bits 0 to 3,
/// trip-close code in bits 6 and 7. `None` where the standard has no such operation.
pub fn control(code: u8) -> Option<&'static str> {
    const NAMES: [[&str; 4]; 5] = [
        ["nul", "nul, close", "nul, trip", "nul, reserved trip-close code"],
        ["pulse on", "pulse on, close", "pulse on, trip", "pulse on, reserved trip-close code"],
        ["pulse off", "pulse off, close", "pulse off, trip", "pulse off, reserved trip-close code"],
        ["latch on", "latch on, close", "latch on, trip", "latch on, reserved trip-close code"],
        ["latch off", "latch off, close", "latch off, trip", "latch off, reserved trip-close code"],
    ];
    NAMES.get(usize::from(code & 0x0f)).and_then(|by| by.get(usize::from(code >> 6))).copied()
}

/// The operation type of a control code, by name.
pub fn operation(code: u8) -> Option<&'static str> {
    ["nul", "pulse-on", "pulse-off", "latch-on", "latch-off"].get(usize::from(code & 0x0f)).copied()
}

/// The trip-close code of a control code, by name.
pub fn trip_close(code: u8) -> &'static str {
    match code >> 6 {
        0 => "nul",
        1 => "close",
        2 => "trip",
        _ => "reserved",
    }
}

/// Control status codes (A.8.1, table A-2); the high bit on the wire is reserved.
pub fn control_status(code: u8) -> Option<&'static str> {
    Some(match code & 0x7f {
        0 => "success",
        1 => "timeout",
        2 => "no select",
        3 => "format error",
        4 => "not supported",
        5 => "already active",
        6 => "hardware error",
        7 => "local",
        8 => "too many objects",
        9 => "not authorized",
        10 => "automation inhibit",
        11 => "processing limited",
        12 => "out of range",
        13 => "downstream local",
        14 => "already complete",
        15 => "blocked",
        16 => "cancelled",
        17 => "blocked by other master",
        18 => "downstream fail",
        126 => "non-participating",
        127 => "undefined",
        _ => return None,
    })
}

/// The four states of a double-bit input (A.4).
pub fn double_state(code: u8) -> &'static str {
    match code & 3 {
        0 => "intermediate",
        1 => "determined off",
        2 => "determined on",
        _ => "indeterminate",
    }
}

/// File status codes (A.27).
pub fn file_status(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "success",
        1 => "permission denied",
        2 => "invalid mode",
        3 => "file not found",
        4 => "file locked",
        5 => "too many open files",
        6 => "invalid handle",
        7 => "write block size",
        8 => "communications lost",
        9 => "cannot abort",
        16 => "file not open",
        17 => "handle expired",
        18 => "buffer overrun",
        19 => "fatal",
        20 => "block sequence",
        255 => "undefined",
        _ => return None,
    })
}

/// Operational modes of a file command (A.27).
pub fn file_mode(code: u8) -> Option<&'static str> {
    ["null", "read", "write", "append"].get(usize::from(code)).copied()
}

/// File types of a file descriptor (A.27).
pub fn file_type(code: u8) -> Option<&'static str> {
    ["directory", "file"].get(usize::from(code)).copied()
}

/// The superseded file identifier has no types with standard names.
pub fn old_file_type(_: u8) -> Option<&'static str> {
    None
}

/// The nine permission bits of a file, bit 0 first.
pub static PERMISSIONS: [&str; 9] = [
    "world-execute",
    "world-write",
    "world-read",
    "group-execute",
    "group-write",
    "group-read",
    "owner-execute",
    "owner-write",
    "owner-read",
];

/// Units of a long interval (A.23.4).
pub fn interval_unit(code: u8) -> Option<&'static str> {
    [
        "none",
        "milliseconds",
        "seconds",
        "minutes",
        "hours",
        "days",
        "weeks",
        "months",
        "months, same weekday from the start",
        "months, same weekday from the end",
        "seasons",
    ]
    .get(usize::from(code))
    .copied()
}

/// Algorithms of a message authentication code (A.45.1).
pub fn mac_algorithm(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "none",
        1 => "hmac-sha-1, 4 octets",
        2 => "hmac-sha-1, 10 octets",
        3 => "hmac-sha-256, 8 octets",
        4 => "hmac-sha-256, 16 octets",
        5 => "hmac-sha-1, 8 octets",
        6 => "aes-gmac",
        _ => return None,
    })
}

/// Reasons of a challenge (A.45.1).
pub fn challenge_reason(code: u8) -> Option<&'static str> {
    (code == 1).then_some("critical")
}

/// Key wrap algorithms (A.45.5).
pub fn key_wrap_algorithm(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "aes-128",
        2 => "aes-256",
        _ => return None,
    })
}

/// States of the session keys (A.45.5).
pub fn key_status(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "ok",
        2 => "not initialized",
        3 => "communications fail",
        4 => "authentication fail",
        _ => return None,
    })
}

/// Error codes of secure authentication (A.45.7).
pub fn authentication_error(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "authentication failed",
        2 => "unexpected response",
        3 => "no response",
        4 => "aggressive mode not supported",
        5 => "mac algorithm not supported",
        6 => "key wrap algorithm not supported",
        7 => "authorization failed",
        8 => "update key change method not permitted",
        9 => "invalid signature",
        10 => "invalid certification data",
        11 => "unknown user",
        12 => "max session key status requests exceeded",
        _ => return None,
    })
}

/// Methods of changing an update key (A.45.10).
pub fn key_change_method(code: u8) -> Option<&'static str> {
    Some(match code {
        3 => "symmetric aes-128 with hmac-sha-1",
        4 => "symmetric aes-256 with hmac-sha-256",
        5 => "symmetric aes-256 with aes-gmac",
        67 => "asymmetric rsa-1024 with dsa-sha-1",
        68 => "asymmetric rsa-2048 with dsa-sha-256",
        69 => "asymmetric rsa-3072 with dsa-sha-256",
        70 => "asymmetric rsa-2048 with dsa-sha-256 and aes-gmac",
        71 => "asymmetric rsa-3072 with dsa-sha-256 and aes-gmac",
        _ => return None,
    })
}

/// Operations of a user status change (A.45.10).
pub fn user_operation(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "add",
        2 => "delete",
        3 => "change",
        _ => return None,
    })
}

/// Roles of a user (A.45.10, after IEC 62351-8).
pub fn user_role(code: u8) -> Option<&'static str> {
    [
        "viewer",
        "operator",
        "engineer",
        "installer",
        "security administrator",
        "security auditor",
        "rbac manager",
    ]
    .get(usize::from(code))
    .copied()
}

/// Device attributes: the variations of group 0 (A.1).
pub fn attribute(variation: u8) -> Option<&'static str> {
    Some(match variation {
        196 => "configuration-id",
        197 => "configuration-version",
        198 => "configuration-build-date",
        199 => "configuration-last-change-date",
        200 => "configuration-signature",
        201 => "configuration-signature-algorithm",
        202 => "master-resource-id",
        203 => "device-location-altitude",
        204 => "device-location-longitude",
        205 => "device-location-latitude",
        206 => "secondary-operator-name",
        207 => "primary-operator-name",
        208 => "system-name",
        209 => "secure-authentication-version",
        210 => "security-statistics-per-association",
        211 => "user-specific-attributes",
        212 => "master-data-set-prototypes",
        213 => "outstation-data-set-prototypes",
        214 => "master-data-sets",
        215 => "outstation-data-sets",
        216 => "max-binary-outputs-per-request",
        217 => "local-timing-accuracy",
        218 => "duration-of-time-accuracy",
        219 => "supports-analog-output-events",
        220 => "max-analog-output-index",
        221 => "analog-outputs",
        222 => "supports-binary-output-events",
        223 => "max-binary-output-index",
        224 => "binary-outputs",
        225 => "supports-frozen-counter-events",
        226 => "supports-frozen-counters",
        227 => "supports-counter-events",
        228 => "max-counter-index",
        229 => "counters",
        230 => "supports-frozen-analog-inputs",
        231 => "supports-analog-input-events",
        232 => "max-analog-input-index",
        233 => "analog-inputs",
        234 => "supports-double-bit-events",
        235 => "max-double-bit-index",
        236 => "double-bit-inputs",
        237 => "supports-binary-input-events",
        238 => "max-binary-input-index",
        239 => "binary-inputs",
        240 => "max-transmit-fragment-size",
        241 => "max-receive-fragment-size",
        242 => "software-version",
        243 => "hardware-version",
        244 => "owner-name",
        245 => "user-location",
        246 => "user-id",
        247 => "user-device-name",
        248 => "serial-number",
        249 => "subset-and-conformance",
        250 => "product-name-and-model",
        252 => "manufacturer-name",
        254 => "all-attributes",
        255 => "list-of-attributes",
        _ => return None,
    })
}

/// What a device attribute is about.
pub fn attribute_about(variation: u8) -> About {
    match variation {
        252 => About::Vendor,
        250 => About::Product,
        242 | 243 => About::Revision,
        248 => About::Serial,
        _ => About::Other,
    }
}

/// Data types of a device attribute or data set element (11.9, A.1).
pub fn data_type(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "none",
        1 => "vstr",
        2 => "uint",
        3 => "int",
        4 => "flt",
        5 => "ostr",
        6 => "bstr",
        7 => "time",
        8 => "uncd",
        254 => "u8bs8-list",
        255 => "u8bs8-exlist",
        _ => return None,
    })
}

/// Descriptor codes of a data set's description (A.33).
pub fn descriptor(code: u8) -> Option<&'static str> {
    [
        "none",
        "id",
        "uuid",
        "namespace",
        "name",
        "data-element",
        "prototype",
        "control-value",
        "control-status",
    ]
    .get(usize::from(code))
    .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_means_what_its_objects_say() {
        assert_eq!(verb(1, Some(60)), Verb::Read);
        assert_eq!(verb(1, Some(0)), Verb::Identify);
        assert_eq!(verb(2, Some(50)), Verb::Time);
        assert_eq!(verb(2, Some(80)), Verb::Write);
        assert_eq!(verb(13, None), Verb::Restart);
        assert_eq!(verb(99, Some(1)), Verb::Other);
    }

    #[test]
    fn indications_are_named_from_the_high_bit_down() {
        assert_eq!(
            indications(0x9002).collect::<Vec<_>>(),
            ["device-restart", "need-time", "object-unknown"]
        );
        assert_eq!(indicated_error(0x9002), Some((0x81, "object unknown")));
        assert_eq!(indicated_error(0x9008), None);
    }

    #[test]
    fn control_codes_say_operation_and_trip_or_close() {
        assert_eq!(control(0x03), Some("latch on"));
        assert_eq!(control(0x41), Some("pulse on, close"));
        assert_eq!(control(0x81), Some("pulse on, trip"));
        assert_eq!(control(0x0f), None);
        assert_eq!(control_status(0x84), Some("not supported"));
    }
}
