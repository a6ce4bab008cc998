//! The `modbus` object of EVE.

use super::{list, number};
use crate::event::Object;
use serde_json::Value;
use std::fmt::Write as _;

/// Names of the function codes 1 to 24, in their order.
const FUNCTIONS: [&str; 24] = [
    "RdCoils",
    "RdDiscreteInputs",
    "RdHoldRegs",
    "RdInputRegs",
    "WrSingleCoil",
    "WrSingleReg",
    "RdExcStatus",
    "Diagnostic",
    "Program484",
    "Poll484",
    "GetCommEventCtr",
    "GetCommEventLog",
    "ProgramController",
    "PollController",
    "WrMultCoils",
    "WrMultRegs",
    "ReportServerID",
    "Program884",
    "ResetCommLink",
    "RdFileRec",
    "WrFileRec",
    "MaskWrReg",
    "RdWrMultRegs",
    "RdFIFOQueue",
];

/// One message.
pub(super) struct Record<'v> {
    fields: &'v Value,
    answers: bool,
    function: u8,
}

impl<'v> Record<'v> {
    /// Of an event as the log has it; `None` where it is neither request nor response, or is cut.
    pub(super) fn of(event: &'v Value) -> Option<Record<'v>> {
        let answers = match event.get("kind")?.as_str()? {
            "request" => false,
            "response" => true,
            _ => return None,
        };
        let fields = event.get("modbus")?;
        let function = u8::try_from(number(fields, "function")?).ok()?;
        Some(Record { fields, answers, function })
    }

    pub(super) fn write(&self, o: &mut Object<'_>) {
        o.key(if self.answers { "response" } else { "request" }).object(|o| self.message(o));
    }

    fn get(&self, key: &str) -> Option<u64> {
        number(self.fields, key)
    }

    fn message(&self, o: &mut Object<'_>) {
        let exception = self.get("exception");
        // A message on a serial line has no header, and so neither of these.
        if let Some(transaction) = self.get("transaction") {
            o.int("transaction_id", Some(transaction));
            o.int("protocol_id", Some(0));
        }
        put(o, "unit_id", self.get("unit"));
        o.int("function_raw", Some(self.function | if exception.is_some() { 0x80 } else { 0 }));
        o.word("function_code", function(self.function));
        o.word("access_type", access(self.function));
        o.word("category", self.category(exception.is_some()));
        o.word("error_flags", self.errors(exception));
        match exception {
            Some(code) => o.key("exception").object(|o| {
                o.int("raw", Some(code));
                o.word("code", exception_name(code));
            }),
            None => self.data(o),
        }
    }

    fn category(&self, exception: bool) -> &'static str {
        match self.function {
            8 | 43 if exception => "NONE",
            8 if diagnostic(self.get("subfunction")) == "Reserved" => "RESERVED",
            43 if mei(self.get("mei")) == "Unknown" => "RESERVED",
            1..=24 | 43 => "PUBLIC_ASSIGNED",
            _ if exception => "NONE",
            41..=42 | 90..=91 | 125..=127 => "RESERVED",
            65..=72 | 100..=110 => "USER_DEFINED",
            25..=124 => "PUBLIC_UNASSIGNED",
            _ => "NONE",
        }
    }

    /// What a message is blamed for though it can be decoded: an exception code that its function cannot have, or a
    /// diagnostic request with data that its sub-function does not have.
    fn errors(&self, exception: Option<u64>) -> &'static str {
        match exception {
            Some(8) if !matches!(self.function, 20 | 21) => "EXC_CODE",
            Some(1..=8 | 10 | 11) => "NONE",
            Some(_) => "EXC_CODE",
            None if self.function == 8 && !self.answers && self.odd_diagnostic() => "DATA_VALUE",
            None => "NONE",
        }
    }

    fn odd_diagnostic(&self) -> bool {
        match (self.get("subfunction"), self.octets().as_deref()) {
            (Some(1), Some([first, second])) => *second != 0 || !matches!(first, 0 | 0xff),
            (Some(3), Some([_, second])) => *second != 0,
            (Some(2 | 10..=21), Some(data @ [_, _])) => data != [0, 0],
            _ => false,
        }
    }

    fn data(&self, o: &mut Object<'_>) {
        match (self.function, self.answers) {
            (1..=4, false) => self.range(o, "read", "address", "quantity"),
            (1..=4, true) => self.read_data(o),
            (5 | 6, _) => o.key("write").object(|o| {
                put(o, "address", self.get("address"));
                put(o, "data", self.written());
            }),
            (15 | 16, false) => o.key("write").object(|o| put(o, "address", self.get("address"))),
            (15 | 16, true) => self.range_as(o, "write", ("address", "address"), ("data", "quantity")),
            (22, _) => o.key("write").object(|o| put(o, "address", self.get("address"))),
            (23, false) => {
                self.range(o, "read", "read_address", "read_quantity");
                o.key("write").object(|o| put(o, "address", self.get("address")));
            }
            (23, true) => self.read_data(o),
            (8, _) => self.sub(o, "diagnostic", self.get("subfunction"), diagnostic(self.get("subfunction"))),
            // The schema has it in requests only.
            (43, true) => {}
            (43, false) => self.sub(o, "mei", self.get("mei"), mei(self.get("mei"))),
            _ => {
                if let Some(octets) = self.octets() {
                    o.key("data").str(&shown(&octets));
                }
            }
        }
    }

    fn range(&self, o: &mut Object<'_>, name: &str, address: &str, quantity: &str) {
        self.range_as(o, name, ("address", address), ("quantity", quantity));
    }

    fn range_as(&self, o: &mut Object<'_>, name: &str, first: (&str, &str), second: (&str, &str)) {
        o.key(name).object(|o| {
            put(o, first.0, self.get(first.1));
            put(o, second.0, self.get(second.1));
        });
    }

    fn read_data(&self, o: &mut Object<'_>) {
        o.key("read").object(|o| o.key("data").str(&shown(&packed(list(self.fields, "values")))));
    }

    /// The value of a single write, as it is on the wire.
    fn written(&self) -> Option<u64> {
        match list(self.fields, "values").first()? {
            Value::Bool(on) => Some(if *on { 0xff00 } else { 0 }),
            value => value.as_u64(),
        }
    }

    fn sub(&self, o: &mut Object<'_>, name: &str, raw: Option<u64>, code: &str) {
        let Some(raw) = raw else { return };
        o.key(name).object(|o| {
            o.int("raw", Some(raw));
            o.word("code", code);
            if let Some(octets) = self.octets() {
                o.key("data").str(&shown(&octets));
            }
        });
    }

    /// What follows the function or sub-function, where the event tells it whole.
    fn octets(&self) -> Option<Vec<u8>> {
        if !self.answers && matches!(self.function, 7 | 11 | 12 | 17) {
            return Some(Vec::new());
        }
        // Read Device Identification: what is asked for.
        if let (false, Some(code), Some(object)) =
            (self.answers, self.get("read_device_id"), self.get("object_id"))
        {
            return Some(vec![u8::try_from(code).ok()?, u8::try_from(object).ok()?]);
        }
        let digits = self.fields.get("data")?.as_str()?.as_bytes();
        let (pairs, _) = digits.as_chunks::<2>();
        pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
    }
}

fn put(o: &mut Object<'_>, key: &str, number: Option<u64>) {
    if let Some(number) = number {
        o.int(key, Some(number));
    }
}

fn function(code: u8) -> &'static str {
    match code {
        43 => "MEI",
        _ => FUNCTIONS.get(usize::from(code).wrapping_sub(1)).unwrap_or(&"Unknown"),
    }
}

fn access(code: u8) -> &'static str {
    match code {
        1 => "READ | COILS",
        2 => "READ | DISCRETES",
        3 => "READ | HOLDING",
        4 => "READ | INPUT",
        5 => "WRITE | COILS | SINGLE | WRITE_SINGLE",
        6 => "WRITE | HOLDING | SINGLE | WRITE_SINGLE",
        15 => "WRITE | COILS | MULTIPLE | WRITE_MULTIPLE",
        16 => "WRITE | HOLDING | MULTIPLE | WRITE_MULTIPLE",
        22 => "WRITE | HOLDING",
        23 => "READ | WRITE | HOLDING | MULTIPLE | WRITE_MULTIPLE",
        _ => "NONE",
    }
}

fn diagnostic(code: Option<u64>) -> &'static str {
    match code {
        Some(0) => "RetQueryData",
        Some(1) => "RestartCommOpt",
        Some(2) => "RetDiagReg",
        Some(3) => "ChangeInputDelimiter",
        Some(4) => "ForceListenOnlyMode",
        Some(10) => "ClearCtrDiagReg",
        Some(11) => "RetBusMsgCount",
        Some(12) => "RetBusCommErrCount",
        Some(13) => "RetBusExcErrCount",
        Some(14) => "RetServerMsgCount",
        Some(15) => "RetServerNoRespCount",
        Some(16) => "RetServerNAKCount",
        Some(17) => "RetServerBusyCount",
        Some(18) => "RetBusCharOverrunCount",
        Some(19) => "RetOverrunErrCount",
        Some(20) => "ClearOverrunCounterFlag",
        Some(21) => "GetClearPlusStats",
        _ => "Reserved",
    }
}

fn mei(code: Option<u64>) -> &'static str {
    match code {
        Some(13) => "CANOpenGenRefReqResp",
        Some(14) => "RdDevId",
        _ => "Unknown",
    }
}

fn exception_name(code: u64) -> &'static str {
    match code {
        1 => "IllegalFunction",
        2 => "IllegalDataAddr",
        3 => "IllegalDataValue",
        4 => "ServerDeviceFail",
        5 => "Ack",
        6 => "ServerDeviceBusy",
        7 => "NegAck",
        8 => "MemParityErr",
        10 => "GatewayPathUnavailable",
        11 => "GatewayTargetFailToResp",
        _ => "Unknown",
    }
}

/// Values as the wire has them: registers big-endian, states eight to an octet from the lowest bit.
fn packed(values: &[Value]) -> Vec<u8> {
    match values.first() {
        Some(Value::Bool(_)) => {
            let octet = |states: &[Value]| {
                let bits = states.iter().enumerate().filter(|(_, on)| on.as_bool() == Some(true));
                bits.fold(0u8, |octet, (bit, _)| octet | 1 << bit)
            };
            values.chunks(8).map(octet).collect()
        }
        _ => {
            let registers = values.iter().filter_map(|value| u16::try_from(value.as_u64()?).ok());
            registers.flat_map(u16::to_be_bytes).collect()
        }
    }
}

/// Octets as Suricata writes them into a string: as they are where they are UTF-8, else `\xab` for each that is not
/// ASCII.
fn shown(octets: &[u8]) -> String {
    match std::str::from_utf8(octets) {
        Ok(text) => text.to_owned(),
        Err(_) => octets.iter().fold(String::new(), |mut text, octet| {
            match octet {
                0..=0x7f => text.push(char::from(*octet)),
                _ => {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "\\x{octet:02x}");
                }
            }
            text
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_packed_as_on_the_wire_and_shown_as_text() {
        let values = |json: &str| serde_json::from_str::<Vec<Value>>(json).unwrap();
        assert_eq!(packed(&values("[258, 65535]")), [1, 2, 255, 255]);
        assert_eq!(packed(&values("[true,false,true,false,false,false,false,false,true]")), [5, 1]);
        assert_eq!(shown(b"ab\0"), "ab\0");
        assert_eq!(shown(b"a\xff\\"), "a\\xff\\");
    }
}
