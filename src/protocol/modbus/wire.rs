//! Modbus on the wire: bytes in, borrowed views out. No state, no clock, no allocation.
//!
//! - MBAP header: MODBUS Messaging on TCP/IP V1.0b, section 3.1.3. Seven octets, big-endian: transaction,
//!   protocol (0), length (octets that follow it: unit and PDU), unit.
//! - PDU: MODBUS Application Protocol V1.1b3, sections 4.1 and 6. All fields big-endian; coils and inputs
//!   packed lowest bit first.
//!
//! Parsing is forgiving and honest: [`Pdu::parse`] returns what could be decoded together with the first
//! [`Fault`] it found.

use super::codes::*;
use std::fmt;

/// Octets of the MBAP header.
pub const HEADER: usize = 7;
/// The largest value of the length field in the standard: a unit and a PDU of 253 octets.
pub const LENGTH_MAX: u16 = 254;
/// The largest value of the length field that is believed: UMAS messages are longer than the standard allows.
pub const LENGTH_BELIEVED: u16 = 2048;

/// A Modbus/TCP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Pairs a response with its request; chosen by the client.
    pub transaction: u16,
    /// 0 for Modbus.
    pub protocol: u16,
    /// Octets after this field: unit and PDU.
    pub length: u16,
    /// The device behind the address (serial line address, or 0 or 255 for the server itself).
    pub unit: u8,
}

impl Header {
    /// Reads a header; `None` where there are fewer than [`HEADER`] octets.
    pub fn parse(bytes: &[u8]) -> Option<Header> {
        let [t0, t1, p0, p1, l0, l1, unit] = *bytes.first_chunk::<HEADER>()?;
        Some(Header {
            transaction: u16::from_be_bytes([t0, t1]),
            protocol: u16::from_be_bytes([p0, p1]),
            length: u16::from_be_bytes([l0, l1]),
            unit,
        })
    }

    /// What makes this no Modbus header, if anything does.
    pub fn fault(&self) -> Option<Fault> {
        if self.protocol != 0 {
            Some(Fault::ProtocolId { found: self.protocol })
        } else if !(2..=LENGTH_BELIEVED).contains(&self.length) {
            Some(Fault::Length { found: self.length })
        } else {
            None
        }
    }

    /// Octets of the whole message, header included.
    pub fn message_len(&self) -> usize {
        6 + usize::from(self.length)
    }
}

/// Which way a message goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// From client to server.
    Request,
    /// From server to client.
    Response,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Role::Request => "request",
            Role::Response => "response",
        }
    }
}

/// What is wrong with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The protocol identifier is not 0.
    ProtocolId {
        /// What stands there.
        found: u16,
    },
    /// The length field is below 2 or above 254.
    Length {
        /// What stands there.
        found: u16,
    },
    /// The PDU ends before its fields do.
    Short {
        /// The function code.
        function: u8,
        /// Request or response.
        role: Role,
        /// Octets that its fields need.
        need: u16,
        /// Octets that are there.
        found: u16,
    },
    /// Octets follow the last field.
    Long {
        /// The function code.
        function: u8,
        /// Request or response.
        role: Role,
        /// Octets that its fields need.
        need: u16,
        /// Octets that are there.
        found: u16,
    },
    /// The byte count does not fit what follows.
    ByteCount {
        /// What the field says.
        claimed: u16,
        /// Octets that follow it.
        found: u16,
    },
    /// The byte count does not fit the quantity.
    CountForQuantity {
        /// What the byte count says.
        claimed: u16,
        /// The quantity asked for or written.
        quantity: u16,
        /// The byte count that this quantity takes.
        need: u16,
    },
    /// The quantity is outside what the function allows.
    Quantity {
        /// What stands there.
        found: u16,
        /// The most that is allowed; the least is 1.
        most: u16,
    },
    /// The last address is beyond 65535.
    AddressRange {
        /// The first address.
        address: u16,
        /// How many.
        quantity: u16,
    },
    /// A coil value other than 0000 and FF00.
    CoilValue {
        /// What stands there.
        found: u16,
    },
    /// An exception answer without or with more than its one code.
    Exception {
        /// Octets of the PDU.
        found: u16,
    },
    /// The function code is 0.
    FunctionZero,
    /// A file reference of a type other than 6.
    ReferenceType {
        /// What stands there.
        found: u8,
    },
}

impl Fault {
    /// A short fixed word for counting.
    pub fn label(&self) -> &'static str {
        match self {
            Fault::ProtocolId { .. } => "protocol-id",
            Fault::Length { .. } => "length",
            Fault::Short { .. } => "short",
            Fault::Long { .. } => "long",
            Fault::ByteCount { .. } | Fault::CountForQuantity { .. } => "byte-count",
            Fault::Quantity { .. } => "quantity",
            Fault::AddressRange { .. } => "address-range",
            Fault::CoilValue { .. } => "value",
            Fault::Exception { .. } => "exception",
            Fault::FunctionZero => "function",
            Fault::ReferenceType { .. } => "reference-type",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Fault::ProtocolId { found } => write!(f, "protocol identifier {found} where Modbus has 0"),
            Fault::Length { found } => write!(f, "length field {found} is outside 2 to {LENGTH_MAX}"),
            Fault::Short { function, role, need, found } => {
                let name = Name(function);
                write!(f, "{name} {} has {found} octets, its fields need {need}", role.word())
            }
            Fault::Long { function, role, need, found } => {
                let name = Name(function);
                write!(f, "{name} {} has {found} octets, its fields end after {need}", role.word())
            }
            Fault::ByteCount { claimed, found } => {
                write!(f, "byte count {claimed} but {found} octets follow")
            }
            Fault::CountForQuantity { claimed, quantity, need } => {
                write!(f, "byte count {claimed} for a quantity of {quantity}, which takes {need}")
            }
            Fault::Quantity { found, most } => write!(f, "quantity {found} is outside 1 to {most}"),
            Fault::AddressRange { address, quantity } => {
                write!(f, "address {address} and quantity {quantity} go beyond address 65535")
            }
            Fault::CoilValue { found } => write!(f, "coil value {found:04x} is neither 0000 nor ff00"),
            Fault::Exception { found } => write!(f, "exception answer of {found} octets instead of 2"),
            Fault::FunctionZero => write!(f, "function code 0 is not valid"),
            Fault::ReferenceType { found } => write!(f, "file reference type {found} instead of 6"),
        }
    }
}

struct Name(u8);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match super::WORDS.function_name(u16::from(self.0)) {
            Some(name) => f.write_str(name),
            None => write!(f, "function {}", self.0),
        }
    }
}

/// What follows the function code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body<'a> {
    /// Nothing.
    Empty,
    /// Requests of 1 to 4, answers of 15 and 16: a run of points.
    Range {
        /// The first address.
        address: u16,
        /// How many.
        quantity: u16,
    },
    /// Answers of 1 and 2: states, packed lowest bit first.
    Bits(&'a [u8]),
    /// Answers of 3, 4 and 23: registers.
    Registers(&'a [u8]),
    /// 5 and 6, both ways: one point and its value.
    WriteOne {
        /// The address.
        address: u16,
        /// The value on the wire, two octets.
        value: &'a [u8],
    },
    /// Requests of 15 and 16.
    WriteMany {
        /// The first address.
        address: u16,
        /// How many.
        quantity: u16,
        /// States or registers, packed.
        values: &'a [u8],
    },
    /// 22, both ways.
    Mask {
        /// The address.
        address: u16,
        /// The AND mask.
        and: u16,
        /// The OR mask.
        or: u16,
    },
    /// Requests of 23.
    ReadWrite {
        /// First address read.
        read_address: u16,
        /// How many are read.
        read_quantity: u16,
        /// First address written.
        write_address: u16,
        /// How many are written.
        write_quantity: u16,
        /// Registers to write.
        values: &'a [u8],
    },
    /// Requests of 24.
    Fifo {
        /// The FIFO pointer address.
        address: u16,
    },
    /// Answers of 7: eight states.
    ExceptionStatus(&'a [u8]),
    /// 8, both ways.
    Diagnostic {
        /// The sub-function.
        subfunction: u16,
        /// Its data.
        data: &'a [u8],
    },
    /// Answers of 11.
    EventCounter {
        /// FFFF while a command is being processed, else 0.
        status: u16,
        /// Events counted.
        events: u16,
    },
    /// Answers of 12.
    EventLog {
        /// FFFF while a command is being processed, else 0.
        status: u16,
        /// Events counted.
        events: u16,
        /// Messages counted.
        messages: u16,
        /// The log, newest first, an octet an event.
        log: &'a [u8],
    },
    /// Answers of 17: the server identifier, run indicator and additional data; their borders are the device's.
    ServerId(&'a [u8]),
    /// Requests of 20: references of seven octets. Read them with [`FileReferences`].
    FileRead(&'a [u8]),
    /// Answers of 20: length, type, data, repeated.
    FileData(&'a [u8]),
    /// 21, both ways: references of seven octets, each followed by its data.
    FileWrite(&'a [u8]),
    /// Requests of 43/14.
    Identify {
        /// 1 basic, 2 regular, 3 extended, 4 one object.
        code: u8,
        /// The first or only object.
        object: u8,
    },
    /// Answers of 43/14.
    Identity {
        /// As in the request.
        code: u8,
        /// How much the device supports.
        conformity: u8,
        /// FF where more objects follow in a further answer.
        more: u8,
        /// The object that the next request should ask for.
        next: u8,
        /// The objects: identifier, length, text. Read them with [`Objects`].
        objects: &'a [u8],
    },
    /// 43 of another type.
    Mei {
        /// The MEI type.
        mei: u8,
        /// What follows.
        data: &'a [u8],
    },
    /// 90, both ways.
    Umas {
        /// The session key.
        session: u8,
        /// The UMAS function, or FE (done) or FD (failed) in an answer.
        code: u8,
        /// What follows.
        data: &'a [u8],
    },
    /// An exception answer.
    Exception(u8),
    /// A reserved or user-defined function, or one whose fields do not fit: kept as it came.
    Raw(&'a [u8]),
}

/// One protocol data unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pdu<'a> {
    /// The function code without the exception bit.
    pub function: u8,
    /// What follows it.
    pub body: Body<'a>,
    /// The first thing that is wrong, if anything is.
    pub fault: Option<Fault>,
}

impl<'a> Pdu<'a> {
    /// Reads a PDU (function code and data) that goes this way. `None` for no octets at all.
    pub fn parse(role: Role, bytes: &'a [u8]) -> Option<Pdu<'a>> {
        let (&first, data) = bytes.split_first()?;
        let function = first & 0x7f;
        let mut fields = Reader { role, function, all: bytes, rest: data, fault: None };
        if first == 0 {
            fields.wrong(Fault::FunctionZero);
        }
        let body = if first & 0x80 != 0 && (role == Role::Response || data.len() == 1) {
            fields.exception()
        } else if first & 0x80 != 0 {
            Some(Body::Raw(data))
        } else {
            match role {
                Role::Request => fields.request(),
                Role::Response => fields.response(),
            }
        };
        let body = body.unwrap_or(Body::Raw(data));
        Some(Pdu { function, body, fault: fields.fault })
    }

    /// The sub-function of 8, the MEI type of 43, the UMAS code of 90.
    pub fn second(&self) -> Option<u16> {
        match self.body {
            Body::Diagnostic { subfunction, .. } => Some(subfunction),
            Body::Identify { .. } | Body::Identity { .. } => Some(u16::from(MEI_DEVICE_IDENTIFICATION)),
            Body::Mei { mei, .. } => Some(u16::from(mei)),
            Body::Umas { code, .. } => Some(u16::from(code)),
            _ => None,
        }
    }
}

/// Reads fields from the front and notes the first fault.
struct Reader<'a> {
    role: Role,
    function: u8,
    all: &'a [u8],
    rest: &'a [u8],
    fault: Option<Fault>,
}

impl<'a> Reader<'a> {
    fn wrong(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Fewer octets than `need` (function code included) are there.
    fn short<T>(&mut self, need: usize) -> Option<T> {
        self.wrong(Fault::Short {
            function: self.function,
            role: self.role,
            need: narrow(need),
            found: narrow(self.all.len()),
        });
        None
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.rest = rest;
                Some(*head)
            }
            None => {
                let read = self.all.len() - self.rest.len();
                self.short(read + N)
            }
        }
    }

    fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[octet]| octet)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    /// Nothing may follow.
    fn end(&mut self) {
        if !self.rest.is_empty() {
            let read = self.all.len() - self.rest.len();
            self.wrong(Fault::Long {
                function: self.function,
                role: self.role,
                need: narrow(read),
                found: narrow(self.all.len()),
            });
        }
    }

    /// The octets announced by a count, or those that are there.
    fn counted(&mut self, claimed: u16) -> &'a [u8] {
        match self.rest.split_at_checked(usize::from(claimed)) {
            Some((data, rest)) => {
                self.rest = rest;
                if !rest.is_empty() {
                    self.wrong(Fault::ByteCount { claimed, found: narrow(data.len() + rest.len()) });
                }
                data
            }
            None => {
                self.wrong(Fault::ByteCount { claimed, found: narrow(self.rest.len()) });
                std::mem::take(&mut self.rest)
            }
        }
    }

    fn exception(&mut self) -> Option<Body<'a>> {
        let [code] = *self.rest else {
            self.wrong(Fault::Exception { found: narrow(self.all.len()) });
            return self.rest.first().map(|code| Body::Exception(*code));
        };
        Some(Body::Exception(code))
    }

    /// Address and quantity, checked against the most that the function allows.
    fn range(&mut self, most: u16) -> Option<(u16, u16)> {
        let (address, quantity) = (self.u16()?, self.u16()?);
        if quantity == 0 || quantity > most {
            self.wrong(Fault::Quantity { found: quantity, most });
        } else if u32::from(address) + u32::from(quantity) > 0x1_0000 {
            self.wrong(Fault::AddressRange { address, quantity });
        }
        Some((address, quantity))
    }

    /// A byte count that must be what the quantity takes, and its octets.
    fn values(&mut self, quantity: u16, need: u16) -> Option<&'a [u8]> {
        let claimed = u16::from(self.u8()?);
        let values = self.counted(claimed);
        if claimed != need {
            self.wrong(Fault::CountForQuantity { claimed, quantity, need });
        }
        Some(values)
    }

    fn write_one(&mut self) -> Option<Body<'a>> {
        let address = self.u16()?;
        let value = self.rest;
        let number = self.u16()?;
        if self.function == WRITE_SINGLE_COIL && number != 0 && number != 0xff00 {
            self.wrong(Fault::CoilValue { found: number });
        }
        Some(Body::WriteOne { address, value: value.get(..2)? })
    }

    fn mask(&mut self) -> Option<Body<'a>> {
        Some(Body::Mask { address: self.u16()?, and: self.u16()?, or: self.u16()? })
    }

    /// Fields whose end is the end of the PDU.
    fn tail(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    fn request(&mut self) -> Option<Body<'a>> {
        let body = match self.function {
            READ_COILS | READ_DISCRETE_INPUTS => {
                let (address, quantity) = self.range(2000)?;
                Body::Range { address, quantity }
            }
            READ_HOLDING_REGISTERS | READ_INPUT_REGISTERS => {
                let (address, quantity) = self.range(125)?;
                Body::Range { address, quantity }
            }
            WRITE_SINGLE_COIL | WRITE_SINGLE_REGISTER => self.write_one()?,
            READ_EXCEPTION_STATUS | GET_COMM_EVENT_COUNTER | GET_COMM_EVENT_LOG | REPORT_SERVER_ID => {
                Body::Empty
            }
            WRITE_MULTIPLE_COILS => {
                let (address, quantity) = self.range(1968)?;
                let values = self.values(quantity, quantity.div_ceil(8))?;
                Body::WriteMany { address, quantity, values }
            }
            WRITE_MULTIPLE_REGISTERS => {
                let (address, quantity) = self.range(123)?;
                let values = self.values(quantity, quantity.saturating_mul(2))?;
                Body::WriteMany { address, quantity, values }
            }
            READ_FILE_RECORD => {
                let count = self.u8()?;
                let references = self.counted(u16::from(count));
                self.references(references, false);
                Body::FileRead(references)
            }
            MASK_WRITE_REGISTER => self.mask()?,
            READ_WRITE_MULTIPLE_REGISTERS => {
                let (read_address, read_quantity) = self.range(125)?;
                let (write_address, write_quantity) = self.range(121)?;
                let values = self.values(write_quantity, write_quantity.saturating_mul(2))?;
                Body::ReadWrite { read_address, read_quantity, write_address, write_quantity, values }
            }
            READ_FIFO_QUEUE => Body::Fifo { address: self.u16()? },
            ENCAPSULATED_INTERFACE_TRANSPORT => match self.u8()? {
                MEI_DEVICE_IDENTIFICATION => Body::Identify { code: self.u8()?, object: self.u8()? },
                mei => Body::Mei { mei, data: self.tail() },
            },
            _ => self.both_ways()?,
        };
        self.end();
        Some(body)
    }

    fn response(&mut self) -> Option<Body<'a>> {
        let body = match self.function {
            READ_COILS | READ_DISCRETE_INPUTS => {
                let count = self.u8()?;
                Body::Bits(self.counted(u16::from(count)))
            }
            READ_HOLDING_REGISTERS | READ_INPUT_REGISTERS | READ_WRITE_MULTIPLE_REGISTERS => {
                let count = u16::from(self.u8()?);
                let registers = self.counted(count);
                if count % 2 != 0 {
                    self.wrong(Fault::ByteCount { claimed: count, found: narrow(registers.len()) });
                }
                Body::Registers(registers)
            }
            WRITE_SINGLE_COIL | WRITE_SINGLE_REGISTER => self.write_one()?,
            READ_EXCEPTION_STATUS => {
                let status = self.rest;
                self.u8()?;
                Body::ExceptionStatus(status.get(..1)?)
            }
            GET_COMM_EVENT_COUNTER => Body::EventCounter { status: self.u16()?, events: self.u16()? },
            GET_COMM_EVENT_LOG => {
                let count = self.u8()?;
                let inside = self.counted(u16::from(count));
                let [s0, s1, e0, e1, m0, m1, log @ ..] = inside else {
                    return self.short(8);
                };
                Body::EventLog {
                    status: u16::from_be_bytes([*s0, *s1]),
                    events: u16::from_be_bytes([*e0, *e1]),
                    messages: u16::from_be_bytes([*m0, *m1]),
                    log,
                }
            }
            WRITE_MULTIPLE_COILS => {
                let (address, quantity) = self.range(1968)?;
                Body::Range { address, quantity }
            }
            WRITE_MULTIPLE_REGISTERS => {
                let (address, quantity) = self.range(123)?;
                Body::Range { address, quantity }
            }
            REPORT_SERVER_ID => {
                let count = self.u8()?;
                Body::ServerId(self.counted(u16::from(count)))
            }
            READ_FILE_RECORD => {
                let count = self.u8()?;
                Body::FileData(self.counted(u16::from(count)))
            }
            MASK_WRITE_REGISTER => self.mask()?,
            READ_FIFO_QUEUE => {
                let claimed = self.u16()?;
                let inside = self.counted(claimed);
                let Some((count, registers)) = inside.split_first_chunk::<2>() else {
                    return self.short(5);
                };
                let count = u16::from_be_bytes(*count);
                let need = count.saturating_mul(2).saturating_add(2);
                if need != claimed {
                    self.wrong(Fault::CountForQuantity { claimed, quantity: count, need });
                }
                Body::Registers(registers)
            }
            ENCAPSULATED_INTERFACE_TRANSPORT => match self.u8()? {
                MEI_DEVICE_IDENTIFICATION => self.identity()?,
                mei => Body::Mei { mei, data: self.tail() },
            },
            _ => self.both_ways()?,
        };
        self.end();
        Some(body)
    }

    fn both_ways(&mut self) -> Option<Body<'a>> {
        Some(match self.function {
            DIAGNOSTICS => Body::Diagnostic { subfunction: self.u16()?, data: self.tail() },
            WRITE_FILE_RECORD => {
                let count = self.u8()?;
                let references = self.counted(u16::from(count));
                self.references(references, true);
                Body::FileWrite(references)
            }
            UMAS => Body::Umas { session: self.u8()?, code: self.u8()?, data: self.tail() },
            _ => Body::Raw(self.tail()),
        })
    }

    fn references(&mut self, bytes: &'a [u8], with_data: bool) {
        let mut list = FileReferences::new(bytes, with_data);
        if let Some(found) = list.by_ref().map(|r| r.kind).find(|kind| *kind != 6) {
            self.wrong(Fault::ReferenceType { found });
        }
        if !list.rest.is_empty() {
            self.wrong(Fault::ByteCount { claimed: narrow(bytes.len()), found: narrow(list.rest.len()) });
        }
    }

    fn identity(&mut self) -> Option<Body<'a>> {
        let (code, conformity, more, next, count) =
            (self.u8()?, self.u8()?, self.u8()?, self.u8()?, self.u8()?);
        let objects = self.rest;
        for _ in 0..count {
            let (_, length) = (self.u8()?, self.u8()?);
            match self.rest.split_at_checked(usize::from(length)) {
                Some((_, rest)) => self.rest = rest,
                None => {
                    self.wrong(Fault::ByteCount { claimed: length.into(), found: narrow(self.rest.len()) });
                    self.rest = &[];
                    break;
                }
            }
        }
        let read = objects.len() - self.rest.len();
        Some(Body::Identity { code, conformity, more, next, objects: objects.get(..read)? })
    }
}

fn narrow(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// One reference into a file, V1.1b3 sections 6.14 and 6.15.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileReference<'a> {
    /// 6.
    pub kind: u8,
    /// The file number.
    pub file: u16,
    /// The first record.
    pub record: u16,
    /// How many registers of 16 bits.
    pub length: u16,
    /// The registers, in a write.
    pub data: &'a [u8],
}

/// Walks the references of a file request. Stops where they no longer fit.
#[derive(Clone, Copy, Debug)]
pub struct FileReferences<'a> {
    rest: &'a [u8],
    with_data: bool,
}

impl<'a> FileReferences<'a> {
    /// Over these octets; in a write each reference is followed by its data.
    pub fn new(bytes: &'a [u8], with_data: bool) -> Self {
        FileReferences { rest: bytes, with_data }
    }
}

impl<'a> Iterator for FileReferences<'a> {
    type Item = FileReference<'a>;

    fn next(&mut self) -> Option<FileReference<'a>> {
        let (head, rest) = self.rest.split_first_chunk::<7>()?;
        let [kind, f0, f1, r0, r1, l0, l1] = *head;
        let length = u16::from_be_bytes([l0, l1]);
        let octets = if self.with_data { usize::from(length) * 2 } else { 0 };
        let (data, rest) = rest.split_at_checked(octets)?;
        self.rest = rest;
        let (file, record) = (u16::from_be_bytes([f0, f1]), u16::from_be_bytes([r0, r1]));
        Some(FileReference { kind, file, record, length, data })
    }
}

/// Walks the objects of a device identification: identifier and text.
#[derive(Clone, Copy, Debug)]
pub struct Objects<'a>(pub &'a [u8]);

impl<'a> Iterator for Objects<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[object, length], rest) = self.0.split_first_chunk::<2>()?;
        let (text, rest) = rest.split_at_checked(usize::from(length)).unwrap_or((rest, &[]));
        self.0 = rest;
        Some((object, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(bytes: &[u8]) -> Pdu<'_> {
        Pdu::parse(Role::Request, bytes).unwrap()
    }

    fn response(bytes: &[u8]) -> Pdu<'_> {
        Pdu::parse(Role::Response, bytes).unwrap()
    }

    /// The examples of V1.1b3 section 6, octet for octet.
    #[test]
    fn the_examples_of_the_standard() {
        let clean = |pdu: Pdu<'static>, body: Body<'static>| {
            assert_eq!(pdu.body, body);
            assert_eq!(pdu.fault, None);
        };
        // 6.1 Read Coils 20 to 38
        clean(request(&[1, 0, 0x13, 0, 0x13]), Body::Range { address: 19, quantity: 19 });
        clean(response(&[1, 3, 0xcd, 0x6b, 5]), Body::Bits(&[0xcd, 0x6b, 5]));
        // 6.3 Read Holding Registers 108 to 110
        clean(request(&[3, 0, 0x6b, 0, 3]), Body::Range { address: 107, quantity: 3 });
        clean(response(&[3, 6, 2, 0x2b, 0, 0, 0, 0x64]), Body::Registers(&[2, 0x2b, 0, 0, 0, 0x64]));
        // 6.5 Write Single Coil 173 on
        clean(request(&[5, 0, 0xac, 0xff, 0]), Body::WriteOne { address: 172, value: &[0xff, 0] });
        // 6.7 Read Exception Status
        clean(response(&[7, 0x6d]), Body::ExceptionStatus(&[0x6d]));
        // 6.8 Diagnostics, return query data
        clean(request(&[8, 0, 0, 0xa5, 0x37]), Body::Diagnostic { subfunction: 0, data: &[0xa5, 0x37] });
        // 6.9 Get Comm Event Counter
        clean(response(&[11, 0xff, 0xff, 1, 8]), Body::EventCounter { status: 0xffff, events: 0x108 });
        // 6.10 Get Comm Event Log
        clean(
            response(&[12, 8, 0, 0, 1, 8, 1, 0x21, 0x20, 0]),
            Body::EventLog { status: 0, events: 0x108, messages: 0x121, log: &[0x20, 0] },
        );
        // 6.11 Write Multiple Coils 20 to 29
        clean(
            request(&[15, 0, 0x13, 0, 10, 2, 0xcd, 1]),
            Body::WriteMany { address: 19, quantity: 10, values: &[0xcd, 1] },
        );
        // 6.12 Write Multiple Registers 2 and 3
        clean(
            request(&[16, 0, 1, 0, 2, 4, 0, 10, 1, 2]),
            Body::WriteMany { address: 1, quantity: 2, values: &[0, 10, 1, 2] },
        );
        clean(response(&[16, 0, 1, 0, 2]), Body::Range { address: 1, quantity: 2 });
        // 6.16 Mask Write Register 5
        clean(request(&[22, 0, 4, 0, 0xf2, 0, 0x25]), Body::Mask { address: 4, and: 0xf2, or: 0x25 });
        // 6.17 Read/Write Multiple Registers
        clean(
            request(&[23, 0, 3, 0, 6, 0, 0x0e, 0, 3, 6, 0, 0xff, 0, 0xff, 0, 0xff]),
            Body::ReadWrite {
                read_address: 3,
                read_quantity: 6,
                write_address: 14,
                write_quantity: 3,
                values: &[0, 0xff, 0, 0xff, 0, 0xff],
            },
        );
        // 6.18 Read FIFO Queue
        clean(request(&[24, 4, 0xde]), Body::Fifo { address: 0x4de });
        clean(response(&[24, 0, 6, 0, 2, 1, 0xb8, 0x12, 0x84]), Body::Registers(&[1, 0xb8, 0x12, 0x84]));
        // 7 Exception
        clean(response(&[0x81, 2]), Body::Exception(2));
    }

    #[test]
    fn file_records_and_identification() {
        // 6.14 Read File Record
        let pdu = request(&[20, 14, 6, 0, 4, 0, 1, 0, 2, 6, 0, 3, 0, 9, 0, 2]);
        let Body::FileRead(bytes) = pdu.body else { panic!("{pdu:?}") };
        let places: Vec<_> =
            FileReferences::new(bytes, false).map(|r| (r.file, r.record, r.length)).collect();
        assert_eq!(places, [(4, 1, 2), (3, 9, 2)]);
        // 6.21 Read Device Identification
        let pdu = response(b"\x2b\x0e\x01\x01\x00\x00\x02\x00\x02AB\x01\x01C");
        let Body::Identity { objects, .. } = pdu.body else { panic!("{pdu:?}") };
        let texts: Vec<_> = Objects(objects).collect();
        assert_eq!(texts, [(0, b"AB".as_slice()), (1, b"C".as_slice())]);
        assert_eq!(pdu.fault, None);
    }

    #[test]
    fn faults_say_what_is_wrong_and_keep_what_was_read() {
        let told = |pdu: Pdu<'_>| pdu.fault.map(|f| f.to_string()).unwrap_or_default();
        assert_eq!(
            told(request(&[3, 0, 1])),
            "read-holding-registers request has 3 octets, its fields need 5"
        );
        assert_eq!(
            told(request(&[3, 0, 1, 0, 1, 9])),
            "read-holding-registers request has 6 octets, its fields end after 5"
        );
        assert_eq!(told(request(&[3, 0, 1, 0, 126])), "quantity 126 is outside 1 to 125");
        assert_eq!(
            told(request(&[3, 0xff, 0xff, 0, 2])),
            "address 65535 and quantity 2 go beyond address 65535"
        );
        let pdu = request(&[16, 0, 1, 0, 2, 4, 0, 10]);
        assert_eq!(told(pdu), "byte count 4 but 2 octets follow");
        assert_eq!(pdu.body, Body::WriteMany { address: 1, quantity: 2, values: &[0, 10] });
        assert_eq!(told(response(&[3, 4, 0, 1])), "byte count 4 but 2 octets follow");
        assert_eq!(told(request(&[5, 0, 1, 0, 1])), "coil value 0001 is neither 0000 nor ff00");
        assert_eq!(told(response(&[0x83])), "exception answer of 1 octets instead of 2");
        assert_eq!(request(&[100, 1, 2]).body, Body::Raw(&[1, 2]));
    }

    #[test]
    fn headers() {
        let header = Header::parse(&[0x6f, 0x89, 0, 0, 0, 6, 255]).unwrap();
        assert_eq!((header.transaction, header.unit, header.message_len()), (28553, 255, 12));
        assert_eq!(header.fault(), None);
        assert!(Header::parse(&[0; 6]).is_none());
        let wrong = Header::parse(&[0, 1, 0, 9, 0, 6, 1]).unwrap();
        assert_eq!(wrong.fault(), Some(Fault::ProtocolId { found: 9 }));
    }

    proptest::proptest! {
        #[test]
        fn no_octets_make_it_panic(bytes in proptest::collection::vec(0u8.., 0..300)) {
            for role in [Role::Request, Role::Response] {
                if let Some(pdu) = Pdu::parse(role, &bytes) {
                    let _ = pdu.fault.map(|f| f.to_string());
                }
            }
        }
    }
}
