//! Names and numbers of Modbus: functions, sub-functions, exceptions, identification objects.
//!
//! MODBUS Application Protocol Specification V1.1b3, sections 5 to 7, and MODBUS Messaging on TCP/IP V1.0b.
//! The sub-functions of function 90 are Schneider Electric's UMAS, which has no public standard; the names are
//! those in common use.

use crate::event::{About, Code, Verb};

/// Read Coils.
pub const READ_COILS: u8 = 1;
/// Read Discrete Inputs.
pub const READ_DISCRETE_INPUTS: u8 = 2;
/// Read Holding Registers.
pub const READ_HOLDING_REGISTERS: u8 = 3;
/// Read Input Registers.
pub const READ_INPUT_REGISTERS: u8 = 4;
/// Write Single Coil.
pub const WRITE_SINGLE_COIL: u8 = 5;
/// Write Single Register.
pub const WRITE_SINGLE_REGISTER: u8 = 6;
/// Read Exception Status (serial line).
pub const READ_EXCEPTION_STATUS: u8 = 7;
/// Diagnostics (serial line).
pub const DIAGNOSTICS: u8 = 8;
/// Get Comm Event Counter (serial line).
pub const GET_COMM_EVENT_COUNTER: u8 = 11;
/// Get Comm Event Log (serial line).
pub const GET_COMM_EVENT_LOG: u8 = 12;
/// Write Multiple Coils.
pub const WRITE_MULTIPLE_COILS: u8 = 15;
/// Write Multiple Registers.
pub const WRITE_MULTIPLE_REGISTERS: u8 = 16;
/// Report Server ID (serial line).
pub const REPORT_SERVER_ID: u8 = 17;
/// Read File Record.
pub const READ_FILE_RECORD: u8 = 20;
/// Write File Record.
pub const WRITE_FILE_RECORD: u8 = 21;
/// Mask Write Register.
pub const MASK_WRITE_REGISTER: u8 = 22;
/// Read/Write Multiple Registers.
pub const READ_WRITE_MULTIPLE_REGISTERS: u8 = 23;
/// Read FIFO Queue.
pub const READ_FIFO_QUEUE: u8 = 24;
/// Encapsulated Interface Transport.
pub const ENCAPSULATED_INTERFACE_TRANSPORT: u8 = 43;
/// Schneider Electric UMAS.
pub const UMAS: u8 = 90;

/// Sub-function 3 of Diagnostics: another character ends ASCII frames from here on.
pub const CHANGE_ASCII_INPUT_DELIMITER: u16 = 3;

/// MEI type 13: CANopen General Reference.
pub const MEI_CANOPEN: u8 = 13;
/// MEI type 14: Read Device Identification.
pub const MEI_DEVICE_IDENTIFICATION: u8 = 14;

const fn code(code: u8, name: &'static str, verb: Verb) -> Code {
    Code { code: code as u16, name, verb }
}

/// The functions with a name, sorted by code. The verbs of 8, 43 and 90 depend on what follows the code; here
/// stands the commonest.
pub static FUNCTIONS: &[Code] = &[
    code(READ_COILS, "read-coils", Verb::Read),
    code(READ_DISCRETE_INPUTS, "read-discrete-inputs", Verb::Read),
    code(READ_HOLDING_REGISTERS, "read-holding-registers", Verb::Read),
    code(READ_INPUT_REGISTERS, "read-input-registers", Verb::Read),
    code(WRITE_SINGLE_COIL, "write-single-coil", Verb::Write),
    code(WRITE_SINGLE_REGISTER, "write-single-register", Verb::Write),
    code(READ_EXCEPTION_STATUS, "read-exception-status", Verb::Diagnose),
    code(DIAGNOSTICS, "diagnostics", Verb::Diagnose),
    code(GET_COMM_EVENT_COUNTER, "get-comm-event-counter", Verb::Diagnose),
    code(GET_COMM_EVENT_LOG, "get-comm-event-log", Verb::Diagnose),
    code(WRITE_MULTIPLE_COILS, "write-multiple-coils", Verb::Write),
    code(WRITE_MULTIPLE_REGISTERS, "write-multiple-registers", Verb::Write),
    code(REPORT_SERVER_ID, "report-server-id", Verb::Identify),
    code(READ_FILE_RECORD, "read-file-record", Verb::File),
    code(WRITE_FILE_RECORD, "write-file-record", Verb::File),
    code(MASK_WRITE_REGISTER, "mask-write-register", Verb::Write),
    code(READ_WRITE_MULTIPLE_REGISTERS, "read-write-multiple-registers", Verb::Write),
    code(READ_FIFO_QUEUE, "read-fifo-queue", Verb::Read),
    code(ENCAPSULATED_INTERFACE_TRANSPORT, "encapsulated-interface-transport", Verb::Identify),
    code(UMAS, "umas", Verb::Other),
];

/// What a request of this function does; `second` is the sub-function of 8, the MEI type of 43, the UMAS code
/// of 90.
pub fn verb(function: u8, second: Option<u16>) -> Verb {
    let found = match (function, second) {
        (DIAGNOSTICS, Some(sub)) => find(DIAGNOSTIC_SUBFUNCTIONS, sub),
        (ENCAPSULATED_INTERFACE_TRANSPORT, Some(mei)) => find(MEI_TYPES, mei),
        (UMAS, Some(umas)) => find(UMAS_FUNCTIONS, umas),
        _ => find(FUNCTIONS, u16::from(function)),
    };
    found.map_or(Verb::Other, |f| f.verb)
}

/// The name of the sub-function of 8, the MEI type of 43 or the UMAS code of 90.
pub fn second_name(function: u8, second: u16) -> Option<&'static str> {
    let table = match function {
        DIAGNOSTICS => DIAGNOSTIC_SUBFUNCTIONS,
        ENCAPSULATED_INTERFACE_TRANSPORT => MEI_TYPES,
        UMAS => UMAS_FUNCTIONS,
        _ => return None,
    };
    find(table, second).map(|f| f.name)
}

fn find(table: &'static [Code], code: u16) -> Option<&'static Code> {
    table.get(table.binary_search_by_key(&code, |f| f.code).ok()?)
}

const fn sub(code: u16, name: &'static str, verb: Verb) -> Code {
    Code { code, name, verb }
}

/// Sub-functions of Diagnostics, V1.1b3 section 6.8.1.
pub static DIAGNOSTIC_SUBFUNCTIONS: &[Code] = &[
    sub(0, "return-query-data", Verb::Diagnose),
    sub(1, "restart-communications-option", Verb::Restart),
    sub(2, "return-diagnostic-register", Verb::Diagnose),
    sub(CHANGE_ASCII_INPUT_DELIMITER, "change-ascii-input-delimiter", Verb::Configure),
    sub(4, "force-listen-only-mode", Verb::Restart),
    sub(10, "clear-counters-and-diagnostic-register", Verb::Diagnose),
    sub(11, "return-bus-message-count", Verb::Diagnose),
    sub(12, "return-bus-communication-error-count", Verb::Diagnose),
    sub(13, "return-bus-exception-error-count", Verb::Diagnose),
    sub(14, "return-server-message-count", Verb::Diagnose),
    sub(15, "return-server-no-response-count", Verb::Diagnose),
    sub(16, "return-server-nak-count", Verb::Diagnose),
    sub(17, "return-server-busy-count", Verb::Diagnose),
    sub(18, "return-bus-character-overrun-count", Verb::Diagnose),
    sub(20, "clear-overrun-counter-and-flag", Verb::Diagnose),
    sub(21, "get-clear-modbus-plus-statistics", Verb::Diagnose),
];

/// MEI types of function 43, V1.1b3 section 6.19.
pub static MEI_TYPES: &[Code] = &[
    sub(MEI_CANOPEN as u16, "canopen-general-reference", Verb::Other),
    sub(MEI_DEVICE_IDENTIFICATION as u16, "read-device-identification", Verb::Identify),
];

/// UMAS function codes (the octet after the session key).
pub static UMAS_FUNCTIONS: &[Code] = &[
    sub(0x01, "init-comm", Verb::Session),
    sub(0x02, "read-id", Verb::Identify),
    sub(0x03, "read-project-info", Verb::Identify),
    sub(0x04, "read-plc-info", Verb::Identify),
    sub(0x06, "read-card-info", Verb::Identify),
    sub(0x0a, "repeat", Verb::Session),
    sub(0x10, "take-plc-reservation", Verb::Program),
    sub(0x11, "release-plc-reservation", Verb::Program),
    sub(0x12, "keep-alive", Verb::Session),
    sub(0x20, "read-memory-block", Verb::Read),
    sub(0x22, "read-variables", Verb::Read),
    sub(0x23, "write-variables", Verb::Write),
    sub(0x24, "read-coils-registers", Verb::Read),
    sub(0x25, "write-coils-registers", Verb::Write),
    sub(0x30, "initialize-upload", Verb::Program),
    sub(0x31, "upload-block", Verb::Program),
    sub(0x32, "end-strategy-upload", Verb::Program),
    sub(0x33, "initialize-download", Verb::Program),
    sub(0x34, "download-block", Verb::Program),
    sub(0x35, "end-strategy-download", Verb::Program),
    sub(0x39, "read-eth-master-data", Verb::Read),
    sub(0x40, "start-plc", Verb::Restart),
    sub(0x41, "stop-plc", Verb::Restart),
    sub(0x50, "monitor-plc", Verb::Read),
    sub(0x58, "check-plc", Verb::Diagnose),
    sub(0x70, "read-io-object", Verb::Read),
    sub(0x71, "write-io-object", Verb::Write),
    sub(0x73, "get-status-module", Verb::Read),
    sub(0xfd, "response-error", Verb::Other),
    sub(0xfe, "response-ok", Verb::Other),
];

/// The name of an exception code, V1.1b3 section 7 (7: older Modicon documents).
pub fn exception_name(code: u8) -> &'static str {
    match code {
        1 => "illegal function",
        2 => "illegal data address",
        3 => "illegal data value",
        4 => "server device failure",
        5 => "acknowledge",
        6 => "server device busy",
        7 => "negative acknowledge",
        8 => "memory parity error",
        10 => "gateway path unavailable",
        11 => "gateway target device failed to respond",
        _ => "unknown exception",
    }
}

/// The name of an identification object, V1.1b3 section 6.21; `None` for private and reserved ones.
pub fn object_name(object: u8) -> Option<&'static str> {
    Some(match object {
        0 => "vendor-name",
        1 => "product-code",
        2 => "major-minor-revision",
        3 => "vendor-url",
        4 => "product-name",
        5 => "model-name",
        6 => "user-application-name",
        _ => return None,
    })
}

/// What an object of a device identification is about.
pub fn object_about(object: u8) -> About {
    match object {
        0 => About::Vendor,
        1 | 4 | 5 => About::Product,
        2 => About::Revision,
        _ => About::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted() {
        for table in [FUNCTIONS, DIAGNOSTIC_SUBFUNCTIONS, MEI_TYPES, UMAS_FUNCTIONS] {
            assert!(table.is_sorted_by_key(|f| f.code));
        }
        assert_eq!(verb(8, Some(1)), Verb::Restart);
        assert_eq!(verb(8, Some(99)), Verb::Other);
        assert_eq!(verb(100, None), Verb::Other);
        assert_eq!(second_name(90, 0x41), Some("stop-plc"));
    }
}
