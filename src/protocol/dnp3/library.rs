//! The object library (IEEE 1815-2012, annex A): every group and variation with its name and the layout of its
//! objects, in one table. Sizes, values and the JSON of an object all follow from its row.

use super::codes;

/// A bit field's names, bit 0 first; "" for a bit without one.
pub type Bits = [&'static str; 8];

/// How a field is laid out and read. Multi-octet numbers are little-endian.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Unsigned, this many octets (1, 2, 4 or 6).
    Uint(u8),
    /// Signed, this many octets (2 or 4).
    Int(u8),
    /// IEEE 754, this many octets (4 or 8).
    Float(u8),
    /// Binary-coded decimal, this many octets (2, 4 or 8), two digits each, the lowest octet first.
    Bcd(u8),
    /// Quality flags by name.
    Flags(&'static Bits),
    /// Quality flags with the state in bit 7.
    State(&'static Bits),
    /// Quality flags with a double-bit state in bits 6 and 7.
    DoubleState(&'static Bits),
    /// A commanded state in bit 7 and a status code below it (g13).
    Command,
    /// The control code of a control relay output block.
    Control,
    /// A control status code, seven bits.
    Status,
    /// Absolute time: milliseconds since 1970-01-01T00:00:00Z, 48 bits.
    Time,
    /// Milliseconds after the common time of occurrence, 16 bits.
    Relative,
    /// A code with names, this many octets (1 or 2).
    Named(u8, fn(u8) -> Option<&'static str>),
    /// A file block number, 31 bits, with the flag of the last block in bit 31.
    FileBlock,
    /// File permissions, nine bits.
    Permissions,
    /// The elements of a data set or of its description: each a length octet and as many octets.
    Elements,
    /// Text or octets up to the end of the object.
    Rest(Form),
    /// Text or octets as long as the number in this earlier field says.
    Sized(Form, u8),
    /// Text or octets at the offset and of the size that these two earlier fields give; the offset counts from
    /// the start of the object.
    At(Form, u8, u8),
}

/// What a run of octets is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Characters.
    Text,
    /// Anything.
    Octets,
}

impl Kind {
    /// Octets that the field always takes; 0 where another field or the object's end says.
    pub const fn octets(self) -> usize {
        match self {
            Kind::Uint(n) | Kind::Int(n) | Kind::Float(n) | Kind::Bcd(n) | Kind::Named(n, _) => n as usize,
            Kind::Flags(_)
            | Kind::State(_)
            | Kind::DoubleState(_)
            | Kind::Command
            | Kind::Control
            | Kind::Status => 1,
            Kind::Relative | Kind::Permissions => 2,
            Kind::FileBlock => 4,
            Kind::Time => 6,
            Kind::Elements | Kind::Rest(_) | Kind::Sized(..) | Kind::At(..) => 0,
        }
    }
}

/// One field of an object.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name in events; "value" marks what the point's value is.
    pub name: &'static str,
    /// Its layout.
    pub kind: Kind,
}

/// How the objects of a variation are laid out.
#[derive(Clone, Copy, Debug)]
pub enum Layout {
    /// There are none: the variation stands in requests only.
    Nothing,
    /// One bit each, packed from the lowest bit on.
    Bit,
    /// Two bits each, packed.
    DoubleBit,
    /// Fields of a size fixed in advance.
    Fixed,
    /// Text or octets; the variation number is their length.
    ByVariation(Form),
    /// A device attribute: data type, length, value.
    Attribute,
    /// Fields in an object whose size stands before it.
    Free,
}

/// One group and variation.
#[derive(Clone, Copy, Debug)]
pub struct Variation {
    /// The group.
    pub group: u8,
    /// The variation.
    pub variation: u8,
    /// Its name in annex A.
    pub name: &'static str,
    /// How its objects are laid out.
    pub layout: Layout,
    /// The fields of an object, in order.
    pub fields: &'static [Field],
    /// Octets of a fixed object; the least octets of a free one.
    pub octets: usize,
    /// Which field is the point's value, and where it starts in a fixed part.
    pub value: Option<(u8, usize)>,
}

/// The row of a group and variation.
pub fn find(group: u8, variation: u8) -> Option<&'static Variation> {
    let from = usize::from(*STARTS.get(usize::from(group))?);
    let rows = TABLE.get(from..)?;
    if let Some(exact) = rows.get(usize::from(variation).wrapping_sub(1))
        && exact.group == group
        && exact.variation == variation
    {
        return Some(exact);
    }
    rows.iter()
        .take_while(|row| row.group == group)
        .find(|row| row.variation == variation || row.variation == ANY)
}

/// In the table: whatever the variation.
const ANY: u8 = 0;

/// Where each group starts in [`TABLE`]; groups that it lacks point past its end.
static STARTS: [u16; 256] = {
    let mut starts = [u16::MAX; 256];
    let mut at = TABLE.len();
    while at > 0 {
        at -= 1;
        starts[TABLE[at].group as usize] = at as u16;
    }
    starts
};

const fn row(
    (group, variation): (u8, u8),
    name: &'static str,
    layout: Layout,
    fields: &'static [Field],
) -> Variation {
    let (mut octets, mut value, mut at) = (0, None, 0);
    while at < fields.len() {
        // The first letter suffices to tell "value" among the names below from all but its like; see the test.
        if fields[at].name.len() == 5 && fields[at].name.as_bytes()[0] == b'v' {
            value = Some((at as u8, octets));
        }
        octets += fields[at].kind.octets();
        at += 1;
    }
    Variation { group, variation, name, layout, fields, octets, value }
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind }
}

const fn fixed(at: (u8, u8), name: &'static str, fields: &'static [Field]) -> Variation {
    row(at, name, Layout::Fixed, fields)
}

const fn free(at: (u8, u8), name: &'static str, fields: &'static [Field]) -> Variation {
    row(at, name, Layout::Free, fields)
}

const fn none(at: (u8, u8), name: &'static str) -> Variation {
    row(at, name, Layout::Nothing, &[])
}

// Quality flags by type of point (11.6).
const BINARY: Bits =
    ["online", "restart", "comm-lost", "remote-forced", "local-forced", "chatter-filter", "", ""];
const OUTPUT: Bits = ["online", "restart", "comm-lost", "remote-forced", "local-forced", "", "", ""];
const COUNTER: Bits =
    ["online", "restart", "comm-lost", "remote-forced", "local-forced", "rollover", "discontinuity", ""];
const ANALOG: Bits =
    ["online", "restart", "comm-lost", "remote-forced", "local-forced", "over-range", "reference-err", ""];
const STATISTIC: Bits =
    ["online", "restart", "comm-lost", "remote-forced", "local-forced", "", "discontinuity", ""];

const STATE: Field = field("value", Kind::State(&BINARY));
const DOUBLE: Field = field("value", Kind::DoubleState(&BINARY));
const OUTPUT_STATE: Field = field("value", Kind::State(&OUTPUT));
const COUNT: Field = field("flags", Kind::Flags(&COUNTER));
const QUALITY: Field = field("flags", Kind::Flags(&ANALOG));
const TIME: Field = field("time", Kind::Time);
const RELATIVE: Field = field("time", Kind::Relative);
const STATUS: Field = field("status", Kind::Status);
const U8: Field = field("value", Kind::Uint(1));
const U16: Field = field("value", Kind::Uint(2));
const U32: Field = field("value", Kind::Uint(4));
const U48: Field = field("value", Kind::Time);
const I16: Field = field("value", Kind::Int(2));
const I32: Field = field("value", Kind::Int(4));
const F32: Field = field("value", Kind::Float(4));
const F64: Field = field("value", Kind::Float(8));
const CROB: &[Field] = &[
    field("value", Kind::Control),
    field("operations", Kind::Uint(1)),
    field("on_ms", Kind::Uint(4)),
    field("off_ms", Kind::Uint(4)),
    STATUS,
];

// Secure authentication (A.45): fields that several of its objects share.
const CSQ: Field = field("challenge_sequence", Kind::Uint(4));
const KSQ: Field = field("key_change_sequence", Kind::Uint(4));
const USER: Field = field("value", Kind::Uint(2));
const MAC_ALGORITHM: Field = field("mac_algorithm", Kind::Named(1, codes::mac_algorithm));
const KEY_METHOD: Field = field("key_change_method", Kind::Named(1, codes::key_change_method));

// Files (A.27).
const REQUEST: Field = field("request_id", Kind::Uint(2));
const HANDLE: Field = field("handle", Kind::Uint(4));
const FILE_STATUS: Field = field("status", Kind::Named(1, codes::file_status));

const ELEMENTS: &[Field] = &[field("elements", Kind::Elements)];

/// Every group and variation, sorted.
pub static TABLE: &[Variation] = &[
    row((0, ANY), "device attribute", Layout::Attribute, &[]),
    row((1, 1), "binary input, packed format", Layout::Bit, &[]),
    fixed((1, 2), "binary input with flags", &[STATE]),
    fixed((2, 1), "binary input event without time", &[STATE]),
    fixed((2, 2), "binary input event with absolute time", &[STATE, TIME]),
    fixed((2, 3), "binary input event with relative time", &[STATE, RELATIVE]),
    row((3, 1), "double-bit binary input, packed format", Layout::DoubleBit, &[]),
    fixed((3, 2), "double-bit binary input with flags", &[DOUBLE]),
    fixed((4, 1), "double-bit binary input event without time", &[DOUBLE]),
    fixed((4, 2), "double-bit binary input event with absolute time", &[DOUBLE, TIME]),
    fixed((4, 3), "double-bit binary input event with relative time", &[DOUBLE, RELATIVE]),
    row((10, 1), "binary output, packed format", Layout::Bit, &[]),
    fixed((10, 2), "binary output status with flags", &[OUTPUT_STATE]),
    fixed((11, 1), "binary output event without time", &[OUTPUT_STATE]),
    fixed((11, 2), "binary output event with time", &[OUTPUT_STATE, TIME]),
    fixed((12, 1), "control relay output block", CROB),
    fixed((12, 2), "pattern control block", CROB),
    row((12, 3), "pattern mask", Layout::Bit, &[]),
    fixed((13, 1), "binary output command event without time", &[field("value", Kind::Command)]),
    fixed((13, 2), "binary output command event with time", &[field("value", Kind::Command), TIME]),
    fixed((20, 1), "counter, 32-bit with flag", &[COUNT, U32]),
    fixed((20, 2), "counter, 16-bit with flag", &[COUNT, U16]),
    fixed((20, 3), "delta counter, 32-bit with flag", &[COUNT, U32]),
    fixed((20, 4), "delta counter, 16-bit with flag", &[COUNT, U16]),
    fixed((20, 5), "counter, 32-bit without flag", &[U32]),
    fixed((20, 6), "counter, 16-bit without flag", &[U16]),
    fixed((20, 7), "delta counter, 32-bit without flag", &[U32]),
    fixed((20, 8), "delta counter, 16-bit without flag", &[U16]),
    fixed((21, 1), "frozen counter, 32-bit with flag", &[COUNT, U32]),
    fixed((21, 2), "frozen counter, 16-bit with flag", &[COUNT, U16]),
    fixed((21, 3), "frozen delta counter, 32-bit with flag", &[COUNT, U32]),
    fixed((21, 4), "frozen delta counter, 16-bit with flag", &[COUNT, U16]),
    fixed((21, 5), "frozen counter, 32-bit with flag and time", &[COUNT, U32, TIME]),
    fixed((21, 6), "frozen counter, 16-bit with flag and time", &[COUNT, U16, TIME]),
    fixed((21, 7), "frozen delta counter, 32-bit with flag and time", &[COUNT, U32, TIME]),
    fixed((21, 8), "frozen delta counter, 16-bit with flag and time", &[COUNT, U16, TIME]),
    fixed((21, 9), "frozen counter, 32-bit without flag", &[U32]),
    fixed((21, 10), "frozen counter, 16-bit without flag", &[U16]),
    fixed((21, 11), "frozen delta counter, 32-bit without flag", &[U32]),
    fixed((21, 12), "frozen delta counter, 16-bit without flag", &[U16]),
    fixed((22, 1), "counter event, 32-bit with flag", &[COUNT, U32]),
    fixed((22, 2), "counter event, 16-bit with flag", &[COUNT, U16]),
    fixed((22, 3), "delta counter event, 32-bit with flag", &[COUNT, U32]),
    fixed((22, 4), "delta counter event, 16-bit with flag", &[COUNT, U16]),
    fixed((22, 5), "counter event, 32-bit with flag and time", &[COUNT, U32, TIME]),
    fixed((22, 6), "counter event, 16-bit with flag and time", &[COUNT, U16, TIME]),
    fixed((22, 7), "delta counter event, 32-bit with flag and time", &[COUNT, U32, TIME]),
    fixed((22, 8), "delta counter event, 16-bit with flag and time", &[COUNT, U16, TIME]),
    fixed((23, 1), "frozen counter event, 32-bit with flag", &[COUNT, U32]),
    fixed((23, 2), "frozen counter event, 16-bit with flag", &[COUNT, U16]),
    fixed((23, 3), "frozen delta counter event, 32-bit with flag", &[COUNT, U32]),
    fixed((23, 4), "frozen delta counter event, 16-bit with flag", &[COUNT, U16]),
    fixed((23, 5), "frozen counter event, 32-bit with flag and time", &[COUNT, U32, TIME]),
    fixed((23, 6), "frozen counter event, 16-bit with flag and time", &[COUNT, U16, TIME]),
    fixed((23, 7), "frozen delta counter event, 32-bit with flag and time", &[COUNT, U32, TIME]),
    fixed((23, 8), "frozen delta counter event, 16-bit with flag and time", &[COUNT, U16, TIME]),
    fixed((30, 1), "analog input, 32-bit with flag", &[QUALITY, I32]),
    fixed((30, 2), "analog input, 16-bit with flag", &[QUALITY, I16]),
    fixed((30, 3), "analog input, 32-bit without flag", &[I32]),
    fixed((30, 4), "analog input, 16-bit without flag", &[I16]),
    fixed((30, 5), "analog input, single-precision with flag", &[QUALITY, F32]),
    fixed((30, 6), "analog input, double-precision with flag", &[QUALITY, F64]),
    fixed((31, 1), "frozen analog input, 32-bit with flag", &[QUALITY, I32]),
    fixed((31, 2), "frozen analog input, 16-bit with flag", &[QUALITY, I16]),
    fixed((31, 3), "frozen analog input, 32-bit with time of freeze", &[QUALITY, I32, TIME]),
    fixed((31, 4), "frozen analog input, 16-bit with time of freeze", &[QUALITY, I16, TIME]),
    fixed((31, 5), "frozen analog input, 32-bit without flag", &[I32]),
    fixed((31, 6), "frozen analog input, 16-bit without flag", &[I16]),
    fixed((31, 7), "frozen analog input, single-precision with flag", &[QUALITY, F32]),
    fixed((31, 8), "frozen analog input, double-precision with flag", &[QUALITY, F64]),
    fixed((32, 1), "analog input event, 32-bit without time", &[QUALITY, I32]),
    fixed((32, 2), "analog input event, 16-bit without time", &[QUALITY, I16]),
    fixed((32, 3), "analog input event, 32-bit with time", &[QUALITY, I32, TIME]),
    fixed((32, 4), "analog input event, 16-bit with time", &[QUALITY, I16, TIME]),
    fixed((32, 5), "analog input event, single-precision without time", &[QUALITY, F32]),
    fixed((32, 6), "analog input event, double-precision without time", &[QUALITY, F64]),
    fixed((32, 7), "analog input event, single-precision with time", &[QUALITY, F32, TIME]),
    fixed((32, 8), "analog input event, double-precision with time", &[QUALITY, F64, TIME]),
    fixed((33, 1), "frozen analog input event, 32-bit without time", &[QUALITY, I32]),
    fixed((33, 2), "frozen analog input event, 16-bit without time", &[QUALITY, I16]),
    fixed((33, 3), "frozen analog input event, 32-bit with time", &[QUALITY, I32, TIME]),
    fixed((33, 4), "frozen analog input event, 16-bit with time", &[QUALITY, I16, TIME]),
    fixed((33, 5), "frozen analog input event, single-precision without time", &[QUALITY, F32]),
    fixed((33, 6), "frozen analog input event, double-precision without time", &[QUALITY, F64]),
    fixed((33, 7), "frozen analog input event, single-precision with time", &[QUALITY, F32, TIME]),
    fixed((33, 8), "frozen analog input event, double-precision with time", &[QUALITY, F64, TIME]),
    fixed((34, 1), "analog input deadband, 16-bit", &[U16]),
    fixed((34, 2), "analog input deadband, 32-bit", &[U32]),
    fixed((34, 3), "analog input deadband, single-precision", &[F32]),
    fixed((40, 1), "analog output status, 32-bit with flag", &[QUALITY, I32]),
    fixed((40, 2), "analog output status, 16-bit with flag", &[QUALITY, I16]),
    fixed((40, 3), "analog output status, single-precision with flag", &[QUALITY, F32]),
    fixed((40, 4), "analog output status, double-precision with flag", &[QUALITY, F64]),
    fixed((41, 1), "analog output, 32-bit", &[I32, STATUS]),
    fixed((41, 2), "analog output, 16-bit", &[I16, STATUS]),
    fixed((41, 3), "analog output, single-precision", &[F32, STATUS]),
    fixed((41, 4), "analog output, double-precision", &[F64, STATUS]),
    fixed((42, 1), "analog output event, 32-bit without time", &[QUALITY, I32]),
    fixed((42, 2), "analog output event, 16-bit without time", &[QUALITY, I16]),
    fixed((42, 3), "analog output event, 32-bit with time", &[QUALITY, I32, TIME]),
    fixed((42, 4), "analog output event, 16-bit with time", &[QUALITY, I16, TIME]),
    fixed((42, 5), "analog output event, single-precision without time", &[QUALITY, F32]),
    fixed((42, 6), "analog output event, double-precision without time", &[QUALITY, F64]),
    fixed((42, 7), "analog output event, single-precision with time", &[QUALITY, F32, TIME]),
    fixed((42, 8), "analog output event, double-precision with time", &[QUALITY, F64, TIME]),
    fixed((43, 1), "analog output command event, 32-bit without time", &[STATUS, I32]),
    fixed((43, 2), "analog output command event, 16-bit without time", &[STATUS, I16]),
    fixed((43, 3), "analog output command event, 32-bit with time", &[STATUS, I32, TIME]),
    fixed((43, 4), "analog output command event, 16-bit with time", &[STATUS, I16, TIME]),
    fixed((43, 5), "analog output command event, single-precision without time", &[STATUS, F32]),
    fixed((43, 6), "analog output command event, double-precision without time", &[STATUS, F64]),
    fixed((43, 7), "analog output command event, single-precision with time", &[STATUS, F32, TIME]),
    fixed((43, 8), "analog output command event, double-precision with time", &[STATUS, F64, TIME]),
    fixed((50, 1), "time and date, absolute time", &[U48]),
    fixed((50, 2), "time and date, absolute time and interval", &[U48, field("interval_ms", Kind::Uint(4))]),
    fixed((50, 3), "time and date, absolute time at last recorded time", &[U48]),
    fixed(
        (50, 4),
        "time and date, indexed absolute time and long interval",
        &[
            U48,
            field("interval", Kind::Uint(4)),
            field("interval_unit", Kind::Named(1, codes::interval_unit)),
        ],
    ),
    fixed((51, 1), "time and date common time of occurrence, synchronized", &[U48]),
    fixed((51, 2), "time and date common time of occurrence, unsynchronized", &[U48]),
    fixed((52, 1), "time delay, coarse (seconds)", &[U16]),
    fixed((52, 2), "time delay, fine (milliseconds)", &[U16]),
    none((60, 1), "class 0 data"),
    none((60, 2), "class 1 data"),
    none((60, 3), "class 2 data"),
    none((60, 4), "class 3 data"),
    free(
        (70, 1),
        "file identifier, superseded",
        &[
            field("name_size", Kind::Uint(2)),
            field("file_type", Kind::Named(1, codes::old_file_type)),
            field("attributes", Kind::Uint(1)),
            field("start_record", Kind::Uint(2)),
            field("end_record", Kind::Uint(2)),
            field("file_size", Kind::Uint(4)),
            TIME,
            field("permissions", Kind::Permissions),
            field("file_id", Kind::Uint(4)),
            field("owner_id", Kind::Uint(4)),
            field("group_id", Kind::Uint(4)),
            field("function", Kind::Uint(1)),
            field("status", Kind::Uint(1)),
            field("value", Kind::Sized(Form::Text, 0)),
            field("data", Kind::Rest(Form::Octets)),
        ],
    ),
    free(
        (70, 2),
        "file authentication",
        &[
            field("user_offset", Kind::Uint(2)),
            field("user_size", Kind::Uint(2)),
            field("password_offset", Kind::Uint(2)),
            field("password_size", Kind::Uint(2)),
            field("authentication_key", Kind::Uint(4)),
            field("value", Kind::At(Form::Text, 0, 1)),
        ],
    ),
    free(
        (70, 3),
        "file command",
        &[
            field("name_offset", Kind::Uint(2)),
            field("name_size", Kind::Uint(2)),
            TIME,
            field("permissions", Kind::Permissions),
            field("authentication_key", Kind::Uint(4)),
            field("file_size", Kind::Uint(4)),
            field("mode", Kind::Named(2, codes::file_mode)),
            field("block_size", Kind::Uint(2)),
            REQUEST,
            field("value", Kind::At(Form::Text, 0, 1)),
        ],
    ),
    free(
        (70, 4),
        "file command status",
        &[
            field("value", Kind::Uint(4)),
            field("file_size", Kind::Uint(4)),
            field("block_size", Kind::Uint(2)),
            REQUEST,
            FILE_STATUS,
            field("text", Kind::Rest(Form::Text)),
        ],
    ),
    free(
        (70, 5),
        "file transport",
        &[HANDLE, field("value", Kind::FileBlock), field("data", Kind::Rest(Form::Octets))],
    ),
    free(
        (70, 6),
        "file transport status",
        &[HANDLE, field("value", Kind::FileBlock), FILE_STATUS, field("text", Kind::Rest(Form::Text))],
    ),
    free(
        (70, 7),
        "file descriptor",
        &[
            field("name_offset", Kind::Uint(2)),
            field("name_size", Kind::Uint(2)),
            field("file_type", Kind::Named(2, codes::file_type)),
            field("file_size", Kind::Uint(4)),
            TIME,
            field("permissions", Kind::Permissions),
            REQUEST,
            field("value", Kind::At(Form::Text, 0, 1)),
        ],
    ),
    free((70, 8), "file specification string", &[field("value", Kind::Rest(Form::Text))]),
    row((80, 1), "internal indications, packed format", Layout::Bit, &[]),
    fixed(
        (81, 1),
        "storage object, buffer fill status",
        &[
            field("value", Kind::Uint(1)),
            field("filled_group", Kind::Uint(1)),
            field("filled_variation", Kind::Uint(1)),
        ],
    ),
    free((82, 1), "device profile, functions and indexes", &[field("value", Kind::Rest(Form::Octets))]),
    free(
        (83, 1),
        "private registration object",
        &[
            field("vendor", Kind::Uint(4)),
            field("object_id", Kind::Uint(2)),
            field("size", Kind::Uint(2)),
            field("value", Kind::Rest(Form::Octets)),
        ],
    ),
    free(
        (83, 2),
        "private registration object descriptor",
        &[
            field("vendor", Kind::Uint(4)),
            field("object_id", Kind::Uint(2)),
            field("size", Kind::Uint(2)),
            field("value", Kind::Rest(Form::Octets)),
        ],
    ),
    free((85, 1), "data set prototype with UUID", ELEMENTS),
    free((86, 1), "data set descriptor, contents", ELEMENTS),
    fixed((86, 2), "data set descriptor, characteristics", &[field("value", Kind::Uint(1))]),
    free((86, 3), "data set descriptor, point index attributes", ELEMENTS),
    free((87, 1), "data set, present value", ELEMENTS),
    free((88, 1), "data set event, snapshot", ELEMENTS),
    free((90, 1), "application identifier", &[field("value", Kind::Rest(Form::Text))]),
    free(
        (91, 1),
        "status of requested operation",
        &[
            field("time_ms", Kind::Uint(4)),
            field("value", Kind::Uint(1)),
            field("text", Kind::Rest(Form::Text)),
        ],
    ),
    fixed((101, 1), "binary-coded decimal integer, small", &[field("value", Kind::Bcd(2))]),
    fixed((101, 2), "binary-coded decimal integer, medium", &[field("value", Kind::Bcd(4))]),
    fixed((101, 3), "binary-coded decimal integer, large", &[field("value", Kind::Bcd(8))]),
    fixed((102, 1), "unsigned integer, 8-bit", &[U8]),
    row((110, ANY), "octet string", Layout::ByVariation(Form::Text), &[]),
    row((111, ANY), "octet string event", Layout::ByVariation(Form::Text), &[]),
    row((112, ANY), "virtual terminal output block", Layout::ByVariation(Form::Text), &[]),
    row((113, ANY), "virtual terminal event data", Layout::ByVariation(Form::Text), &[]),
    free(
        (120, 1),
        "authentication challenge",
        &[
            CSQ,
            USER,
            MAC_ALGORITHM,
            field("reason", Kind::Named(1, codes::challenge_reason)),
            field("challenge", Kind::Rest(Form::Octets)),
        ],
    ),
    free((120, 2), "authentication reply", &[CSQ, USER, field("mac", Kind::Rest(Form::Octets))]),
    fixed((120, 3), "authentication aggressive mode request", &[CSQ, USER]),
    fixed((120, 4), "authentication session key status request", &[USER]),
    free(
        (120, 5),
        "authentication session key status",
        &[
            KSQ,
            USER,
            field("key_wrap_algorithm", Kind::Named(1, codes::key_wrap_algorithm)),
            field("key_status", Kind::Named(1, codes::key_status)),
            MAC_ALGORITHM,
            field("challenge_size", Kind::Uint(2)),
            field("challenge", Kind::Sized(Form::Octets, 5)),
            field("mac", Kind::Rest(Form::Octets)),
        ],
    ),
    free(
        (120, 6),
        "authentication session key change",
        &[KSQ, USER, field("wrapped_keys", Kind::Rest(Form::Octets))],
    ),
    free(
        (120, 7),
        "authentication error",
        &[
            field("sequence", Kind::Uint(4)),
            USER,
            field("association", Kind::Uint(2)),
            field("error", Kind::Named(1, codes::authentication_error)),
            TIME,
            field("text", Kind::Rest(Form::Text)),
        ],
    ),
    free(
        (120, 8),
        "authentication user certificate",
        &[
            KEY_METHOD,
            field("certificate_type", Kind::Uint(1)),
            field("certificate", Kind::Rest(Form::Octets)),
        ],
    ),
    free((120, 9), "authentication message authentication code", &[field("mac", Kind::Rest(Form::Octets))]),
    free(
        (120, 10),
        "authentication user status change",
        &[
            KEY_METHOD,
            field("operation", Kind::Named(1, codes::user_operation)),
            field("status_change_sequence", Kind::Uint(4)),
            field("role", Kind::Named(2, codes::user_role)),
            field("role_expiry_days", Kind::Uint(2)),
            field("user_name_size", Kind::Uint(2)),
            field("public_key_size", Kind::Uint(2)),
            field("certification_size", Kind::Uint(2)),
            field("value", Kind::Sized(Form::Text, 5)),
            field("public_key", Kind::Sized(Form::Octets, 6)),
            field("certification", Kind::Sized(Form::Octets, 7)),
        ],
    ),
    free(
        (120, 11),
        "authentication update key change request",
        &[
            KEY_METHOD,
            field("user_name_size", Kind::Uint(2)),
            field("challenge_size", Kind::Uint(2)),
            field("value", Kind::Sized(Form::Text, 1)),
            field("challenge", Kind::Sized(Form::Octets, 2)),
        ],
    ),
    free(
        (120, 12),
        "authentication update key change reply",
        &[
            KSQ,
            USER,
            field("challenge_size", Kind::Uint(2)),
            field("challenge", Kind::Sized(Form::Octets, 2)),
        ],
    ),
    free(
        (120, 13),
        "authentication update key change",
        &[
            KSQ,
            USER,
            field("encrypted_key_size", Kind::Uint(2)),
            field("encrypted_key", Kind::Sized(Form::Octets, 2)),
        ],
    ),
    free(
        (120, 14),
        "authentication update key change signature",
        &[field("signature", Kind::Rest(Form::Octets))],
    ),
    free(
        (120, 15),
        "authentication update key change confirmation",
        &[field("mac", Kind::Rest(Form::Octets))],
    ),
    fixed(
        (121, 1),
        "security statistic, 32-bit with flag",
        &[field("flags", Kind::Flags(&STATISTIC)), field("association", Kind::Uint(2)), U32],
    ),
    fixed(
        (122, 1),
        "security statistic event, 32-bit with flag",
        &[field("flags", Kind::Flags(&STATISTIC)), field("association", Kind::Uint(2)), U32],
    ),
    fixed(
        (122, 2),
        "security statistic event, 32-bit with flag and time",
        &[field("flags", Kind::Flags(&STATISTIC)), field("association", Kind::Uint(2)), U32, TIME],
    ),
];

/// A group as an operator names its points.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The group number.
    pub group: u8,
    /// One of its points: "analog input".
    pub one: &'static str,
    /// Several: "analog inputs".
    pub many: &'static str,
}

/// The name of a group's points.
pub fn group(number: u8) -> Option<&'static Group> {
    let at = GROUPS.binary_search_by_key(&number, |g| g.group).ok()?;
    GROUPS.get(at)
}

const fn points(group: u8, one: &'static str, many: &'static str) -> Group {
    Group { group, one, many }
}

/// What the points of each group are called, sorted by group.
static GROUPS: &[Group] = &[
    points(0, "device attribute set", "device attribute sets"),
    points(1, "binary input", "binary inputs"),
    points(2, "binary input event", "binary input events"),
    points(3, "double-bit input", "double-bit inputs"),
    points(4, "double-bit input event", "double-bit input events"),
    points(10, "binary output", "binary outputs"),
    points(11, "binary output event", "binary output events"),
    points(12, "binary output", "binary outputs"),
    points(13, "binary output command event", "binary output command events"),
    points(20, "counter", "counters"),
    points(21, "frozen counter", "frozen counters"),
    points(22, "counter event", "counter events"),
    points(23, "frozen counter event", "frozen counter events"),
    points(30, "analog input", "analog inputs"),
    points(31, "frozen analog input", "frozen analog inputs"),
    points(32, "analog input event", "analog input events"),
    points(33, "frozen analog input event", "frozen analog input events"),
    points(34, "analog input deadband", "analog input deadbands"),
    points(40, "analog output status", "analog output statuses"),
    points(41, "analog output", "analog outputs"),
    points(42, "analog output event", "analog output events"),
    points(43, "analog output command event", "analog output command events"),
    points(50, "clock", "clocks"),
    points(51, "common time of occurrence", "common times of occurrence"),
    points(52, "time delay", "time delays"),
    points(70, "file object", "file objects"),
    points(80, "internal indication", "internal indications"),
    points(81, "storage buffer status", "storage buffer statuses"),
    points(82, "device profile", "device profiles"),
    points(83, "private object", "private objects"),
    points(85, "data set prototype", "data set prototypes"),
    points(86, "data set descriptor", "data set descriptors"),
    points(87, "data set", "data sets"),
    points(88, "data set event", "data set events"),
    points(90, "application", "applications"),
    points(91, "operation status", "operation statuses"),
    points(101, "decimal integer", "decimal integers"),
    points(102, "unsigned integer", "unsigned integers"),
    points(110, "octet string", "octet strings"),
    points(111, "octet string event", "octet string events"),
    points(112, "virtual terminal output", "virtual terminal outputs"),
    points(113, "virtual terminal event", "virtual terminal events"),
    points(120, "authentication object", "authentication objects"),
    points(121, "security statistic", "security statistics"),
    points(122, "security statistic event", "security statistic events"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_row_is_found() {
        assert!(TABLE.is_sorted_by_key(|row| (row.group, row.variation)));
        assert!(GROUPS.is_sorted_by_key(|group| group.group));
        for row in TABLE {
            let found = find(row.group, row.variation).unwrap();
            assert_eq!((found.group, found.variation), (row.group, row.variation));
        }
        assert_eq!(find(0, 252).map(|row| row.name), Some("device attribute"));
        assert_eq!(find(110, 7).map(|row| row.name), Some("octet string"));
        assert!(find(30, 0).is_none() && find(30, 7).is_none() && find(255, 1).is_none());
        assert!(find(5, 1).is_none() && find(60, 255).is_none());
    }

    #[test]
    fn values_are_the_fields_of_that_name() {
        for row in TABLE {
            let named = row.fields.iter().position(|field| field.name == "value");
            assert_eq!(row.value.map(|(at, _)| usize::from(at)), named, "g{}v{}", row.group, row.variation);
        }
    }

    #[test]
    fn sizes_are_those_of_the_standard() {
        let size = |group, variation| find(group, variation).map_or(0, |row| row.octets);
        assert_eq!((size(12, 1), size(30, 1), size(32, 8), size(41, 4)), (11, 5, 15, 9));
        assert_eq!((size(50, 1), size(50, 4), size(22, 5), size(2, 3)), (6, 11, 11, 3));
        assert_eq!((size(70, 3), size(70, 4), size(70, 5), size(70, 7)), (26, 13, 8, 20));
        assert_eq!((size(120, 1), size(120, 3), size(120, 5), size(122, 2)), (8, 6, 11, 13));
    }
}
