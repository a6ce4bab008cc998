//! The DNP3 object of an event: link, transport and application fields, and every object with its fields.
//!
//! A [`Message`] borrows the octets and takes them apart anew when an output asks for text; until then it costs
//! nothing.

use super::codes;
use super::library::{self, Bits, Form, Kind, Layout, Variation};
use super::value::{self, Parts};
use super::wire::application;
use super::wire::link::{Address, Header};
use super::wire::objects::{Block, Content, Headers, Point, Range};
use super::wire::transport::Segment;
use crate::address::Timestamp;
use crate::event::{About, Array, Attribute, Fields, Json, Object};
use std::fmt;

/// One message as it was on the wire.
#[derive(Clone, Copy, Debug, Default)]
pub struct Message<'a> {
    /// The link header; of the last frame, where there are several.
    pub link: Option<Header>,
    /// The transport header of that frame.
    pub segment: Option<Segment>,
    /// How many link frames brought the fragment.
    pub frames: u32,
    /// The application header.
    pub application: Option<application::Header>,
    /// What follows the application header.
    pub objects: &'a [u8],
    /// On an operate: the packet number of the select that it carries out.
    pub select: Option<u64>,
}

impl Fields for Message<'_> {
    /// A read asks with the same object headers again and again; what answers it and carries no objects differs from the
    /// next only in its internal indications. Objects carry flags and times: a message with them is never a repetition.
    fn steady(&self) -> Option<u64> {
        let header = self.application?;
        let is_whole = self.frames == 1 && header.control.first() && header.control.last();
        match header.function {
            codes::function::READ if is_whole => {
                let seed = self.objects.len() as u64;
                Some(self.objects.iter().fold(seed, |sum, octet| {
                    (sum.rotate_left(5) ^ u64::from(*octet)).wrapping_mul(0x517c_c1b7_2722_0a95)
                }))
            }
            codes::function::RESPONSE if is_whole && self.objects.is_empty() => {
                // Two in one number: whether it wants to be confirmed, and the indications.
                Some(u64::from(header.iin?) | u64::from(header.control.confirm()) << 16)
            }
            _ => None,
        }
    }

    fn write(&self, object: &mut Object<'_>) {
        self.write_link(object);
        let Some(header) = self.application else {
            object.key("function").null();
            return;
        };
        object.int("function", Some(header.function));
        name(object, "function_name", function_name(header.function));
        object.int("sequence", Some(header.control.sequence()));
        object.bool("fir", header.control.first());
        object.bool("fin", header.control.last());
        object.bool("con", header.control.confirm());
        object.bool("unsolicited", header.control.unsolicited());
        object.int("iin", header.iin);
        if let Some(iin) = header.iin {
            object
                .key("iin_names")
                .array(|names| codes::indications(iin).for_each(|name| names.item().word(name)));
        }
        if header.function == codes::function::OPERATE {
            object.int("select_frame", self.select);
        }
        if self.frames > 1 {
            object.int("link_frames", Some(self.frames));
        }
        if is_known(header.function) {
            object.key("objects").array(|objects| self.write_objects(header.function, objects));
        } else {
            object.key("objects").array(|_| {});
            object.key("data").hex(self.objects);
        }
    }

    fn brief(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(link) = self.link else {
            return f.write_str("no link frame");
        };
        write!(f, "{} -> {}", Address(link.source), Address(link.destination))?;
        match link_function(&link) {
            Some(name) => write!(f, " {name}")?,
            None => write!(f, " link function {}", link.control.function())?,
        }
        let Some(header) = self.application else {
            if let Some(segment) = self.segment {
                write!(f, ", segment {}", segment.sequence())?;
            }
            return Ok(());
        };
        write!(f, ", sequence {}", header.control.sequence())?;
        if header.control.confirm() {
            f.write_str(", confirm")?;
        }
        for name in header.iin.into_iter().flat_map(codes::indications) {
            write!(f, ", {name}")?;
        }
        if is_known(header.function) {
            for block in Headers::new(header.function, self.objects).map_while(Result::ok) {
                write!(f, ", g{}v{}", block.name.group, block.name.variation)?;
            }
        }
        Ok(())
    }

    fn identify(&self, each: &mut dyn FnMut(Attribute<'_>)) {
        let Some(header) = self.application.filter(|header| application::is_response(header.function)) else {
            return;
        };
        for block in Headers::new(header.function, self.objects).map_while(Result::ok) {
            if block.name.group != 0 || !block.carries {
                continue;
            }
            let variation = block.name.variation;
            for point in block.points() {
                let Some(value) = value::of(block.form, point.content) else { continue };
                // What the attributes of other sets than the standard's mean is up to the user.
                let (name, about) = match point.index {
                    0 => (codes::attribute(variation), codes::attribute_about(variation)),
                    _ => (None, About::Other),
                };
                each(Attribute {
                    id: (point.index & 0xff_ffff) << 8 | u32::from(variation),
                    name,
                    about,
                    value,
                });
            }
        }
    }
}

/// Whether the standard defines this function, so that what follows it are object headers.
pub fn is_known(function: u8) -> bool {
    function_name(function).is_some()
}

fn function_name(function: u8) -> Option<&'static str> {
    let at = codes::FUNCTIONS.binary_search_by_key(&u16::from(function), |f| f.code).ok()?;
    codes::FUNCTIONS.get(at).map(|f| f.name)
}

fn link_function(link: &Header) -> Option<&'static str> {
    let code = link.control.function();
    if link.control.primary() {
        codes::primary_link_function(code)
    } else {
        codes::secondary_link_function(code)
    }
}

fn name(object: &mut Object<'_>, key: &str, name: Option<&str>) {
    match name {
        Some(name) => object.word(key, name),
        None => object.key(key).null(),
    }
}

impl Message<'_> {
    fn write_link(&self, object: &mut Object<'_>) {
        let Some(link) = self.link else {
            for key in ["link_src", "link_dst", "link_function"] {
                object.key(key).null();
            }
            return;
        };
        object.int("link_src", Some(link.source));
        object.int("link_dst", Some(link.destination));
        if let Some(meaning) = Address(link.destination).meaning() {
            object.word("link_dst_meaning", meaning);
        }
        let control = link.control;
        object.int("link_function", Some(control.function()));
        name(object, "link_function_name", link_function(&link));
        object.bool("dir", control.from_master());
        object.bool("prm", control.primary());
        if control.primary() {
            object.bool("fcb", control.frame_count());
            object.bool("fcv", control.count_valid());
        } else {
            object.bool("dfc", control.count_valid());
        }
        if let Some(segment) = self.segment {
            object.key("transport").object(|o| {
                o.bool("fir", segment.first());
                o.bool("fin", segment.last());
                o.int("sequence", Some(segment.sequence()));
            });
        }
    }

    fn write_objects(&self, function: u8, objects: &mut Array<'_>) {
        // The common time of occurrence that the last g51 of this message gave, in ms since 1970.
        let mut common = None;
        for block in Headers::new(function, self.objects) {
            match block {
                Ok(block) => {
                    objects.item().object(|o| write_block(&block, common, o));
                    if block.name.group == 51 && block.carries {
                        common = block.points().find_map(|point| match point.content {
                            Content::Octets(octets) => octets.get(..6).map(value::unsigned),
                            _ => None,
                        });
                    }
                }
                Err(error) => {
                    if let Some(name) = error.name {
                        objects.item().object(|o| {
                            write_head(name.group, name.variation, name.qualifier.0, error.range, o);
                            o.key("reason").display(&error);
                        });
                    }
                }
            }
        }
    }
}

fn write_head(group: u8, variation: u8, qualifier: u8, range: Option<Range>, o: &mut Object<'_>) {
    o.int("group", Some(group));
    o.int("variation", Some(variation));
    if group == 0 {
        name(o, "attribute", codes::attribute(variation));
    }
    o.int("qualifier", Some(qualifier));
    let (first, last) = match range {
        Some(Range::Span { first, last }) => (Some(first), Some(last)),
        _ => (None, None),
    };
    o.int("first", first);
    o.int("last", last);
    o.int("count", range.filter(|range| *range != Range::All).map(|range| range.count()));
}

fn write_block(block: &Block<'_>, common: Option<u64>, o: &mut Object<'_>) {
    write_head(block.name.group, block.name.variation, block.name.qualifier.0, Some(block.range), o);
    let mut points = block.points().peekable();
    if points.peek().is_none() {
        return;
    }
    if !block.carries {
        o.key("indexes").array(|a| points.for_each(|point| a.item().int(point.index)));
        return;
    }
    o.key("values")
        .array(|a| points.for_each(|point| a.item().object(|o| write_point(block, point, common, o))));
}

fn write_point(block: &Block<'_>, point: Point<'_>, common: Option<u64>, o: &mut Object<'_>) {
    if block.is_indexed() || matches!(block.range, Range::Span { .. }) {
        o.int("index", Some(point.index));
    }
    let octets = match point.content {
        Content::Bit(on) => return o.bool("value", on),
        Content::Two(state) => return o.word("value", codes::double_state(state)),
        Content::Octets(octets) => octets,
    };
    match block.form {
        Some(form) => match form.layout {
            Layout::Fixed | Layout::Free => write_fields(form, octets, common, o),
            Layout::ByVariation(_) => write_run(Form::Text, octets, o.key("value")),
            Layout::Attribute => write_attribute(octets, o),
            Layout::Nothing | Layout::Bit | Layout::DoubleBit => {}
        },
        None => o.key("data").hex(octets),
    }
}

fn write_fields(form: &'static Variation, octets: &[u8], common: Option<u64>, o: &mut Object<'_>) {
    for (field, part) in Parts::new(form, octets) {
        match field.kind {
            Kind::Flags(names) => flags(o, names, part),
            Kind::State(names) | Kind::DoubleState(names) => {
                if let Some(value) = value::read(field.kind, part) {
                    o.key("value").value(value);
                }
                flags(o, names, part);
            }
            Kind::Command => {
                let octet = part.first().copied().unwrap_or(0);
                o.bool("value", octet & 0x80 != 0);
                status(o, octet);
            }
            Kind::Status => status(o, part.first().copied().unwrap_or(0)),
            Kind::Control => control(o, part.first().copied().unwrap_or(0)),
            Kind::Time => time(o, field.name, value::unsigned(part)),
            Kind::Relative => {
                let after = value::unsigned(part);
                match common {
                    Some(common) => time(o, field.name, common.saturating_add(after)),
                    None => o.key(field.name).null(),
                }
                o.int("relative_ms", Some(after));
            }
            Kind::FileBlock => {
                let number = value::unsigned(part);
                o.int("block", Some(number & 0x7fff_ffff));
                o.bool("last", number & 0x8000_0000 != 0);
            }
            Kind::Permissions => permissions(o, value::unsigned(part)),
            Kind::Elements => elements(o, form, part),
            Kind::Rest(run) | Kind::Sized(run, _) | Kind::At(run, _, _) => {
                write_run(run, part, o.key(label(form, field.name)));
            }
            Kind::Uint(_) | Kind::Int(_) | Kind::Float(_) | Kind::Bcd(_) | Kind::Named(..) => {
                if let Some(value) = value::read(field.kind, part) {
                    o.key(label(form, field.name)).value(value);
                }
            }
        }
    }
    if (form.group, form.variation) == (70, 5) {
        directory(octets.get(8..).unwrap_or_default(), o);
    }
    if form.group == 70 && form.variation == 2 {
        // The password goes over the wire in clear; that there is one is worth knowing, what it is is not.
        o.bool("password_sent", octets.get(6..8).is_some_and(|size| size != [0, 0]));
    }
}

/// What a directory lists, where a block of a file consists of whole file descriptors (A.27.7) and nothing else: that
/// is how a directory is read.
fn directory(block: &[u8], o: &mut Object<'_>) {
    const HEAD: usize = 20;
    let Some(form) = library::find(70, 7) else { return };
    let entries = |mut rest: &[u8], each: &mut dyn FnMut(&[u8])| {
        while let (Some(head), Some(size)) = (rest.first_chunk::<HEAD>(), rest.get(2..4)) {
            let kind = value::unsigned(head.get(4..6).unwrap_or_default());
            let named = value::unsigned(head.get(..2).unwrap_or_default()) == HEAD as u64 && kind <= 1;
            let whole = HEAD + value::unsigned(size) as usize;
            let Some((entry, after)) = rest.split_at_checked(whole).filter(|_| named && whole > HEAD) else {
                return false;
            };
            each(entry);
            rest = after;
        }
        rest.is_empty()
    };
    if block.is_empty() || !entries(block, &mut |_| {}) {
        return;
    }
    o.key("directory").array(|a| {
        entries(block, &mut |entry| a.item().object(|o| write_fields(form, entry, None, o)));
    });
}

/// The name of a field in events: what a point's value is, where the standard has a word for it.
fn label(form: &'static Variation, field: &'static str) -> &'static str {
    match (form.group, form.variation, field) {
        (70, 4, "value") => "handle",
        (70, 2, "value") => "user",
        (70, _, "value") => "name",
        (120, 10 | 11, "value") => "user_name",
        (120, _, "value") => "user",
        (91, _, "value") => "status",
        _ => field,
    }
}

fn write_run(form: Form, octets: &[u8], json: Json<'_>) {
    match form {
        Form::Text => json.text(octets),
        Form::Octets => json.hex(octets),
    }
}

fn flags(o: &mut Object<'_>, names: &'static Bits, part: &[u8]) {
    let octet = part.first().copied().unwrap_or(0);
    o.key("flags").array(|a| {
        for (bit, name) in names.iter().enumerate() {
            if octet >> bit & 1 == 1 && !name.is_empty() {
                a.item().word(name);
            }
        }
    });
}

fn status(o: &mut Object<'_>, octet: u8) {
    o.int("status", Some(octet & 0x7f));
    name(o, "status_name", codes::control_status(octet));
}

/// A control code, taken apart (A.8.1).
fn control(o: &mut Object<'_>, code: u8) {
    o.int("control", Some(code));
    name(o, "operation", codes::operation(code));
    o.word("trip_close", codes::trip_close(code));
    o.bool("clear", code & 0x20 != 0);
    o.bool("queue", code & 0x10 != 0);
}

/// A time in ms since 1970, as RFC 3339 where the calendar reaches.
fn time(o: &mut Object<'_>, key: &str, ms: u64) {
    match i64::try_from(ms).ok().and_then(|ms| ms.checked_mul(1_000_000)) {
        Some(nanos) => {
            let mut text = [0; 40];
            o.word(key, Timestamp { nanos, digits: 3 }.format(&mut text));
        }
        None => o.key(key).int(ms),
    }
}

fn permissions(o: &mut Object<'_>, bits: u64) {
    o.key("permissions").array(|a| {
        for (bit, name) in codes::PERMISSIONS.iter().enumerate() {
            if bits >> bit & 1 == 1 {
                a.item().word(name);
            }
        }
    });
}

/// A device attribute: data type, length, value (A.1).
fn write_attribute(octets: &[u8], o: &mut Object<'_>) {
    let Some(([kind, _], value)) = octets.split_first_chunk::<2>() else { return };
    name(o, "type", codes::data_type(*kind));
    if !matches!(kind, 254 | 255) {
        o.key("value").value(value::typed(*kind, value));
        return;
    }
    // A list of pairs: an attribute's variation, and its properties, of which bit 0 says that it can be written.
    o.key("value").array(|a| {
        for pair in value.as_chunks::<2>().0 {
            a.item().object(|o| {
                o.int("variation", Some(pair[0]));
                name(o, "attribute", codes::attribute(pair[0]));
                o.bool("writable", pair[1] & 1 == 1);
            });
        }
    });
}

/// The elements of a data set or of its description, each with its length before it (A.32 to A.35). An element of
/// a description is a descriptor code, a data type, a maximum length and a value.
fn elements(o: &mut Object<'_>, form: &'static Variation, octets: &[u8]) {
    let described = matches!((form.group, form.variation), (85, 1) | (86, 1));
    o.key("elements").array(|a| {
        let mut rest = octets;
        while let Some((length, after)) = rest.split_first() {
            let Some((element, after)) = after.split_at_checked(usize::from(*length)) else { break };
            rest = after;
            match element.split_first_chunk::<3>() {
                Some(([code, kind, most], value)) if described => a.item().object(|o| {
                    name(o, "descriptor", codes::descriptor(*code));
                    o.int("code", Some(*code));
                    if *kind != 0 {
                        name(o, "type", codes::data_type(*kind));
                        o.int("max_length", Some(*most));
                    }
                    match (*code, value.split_at_checked(16)) {
                        (1, _) => o.key("value").int(value::unsigned(value)),
                        (3..=5, _) => o.key("value").text(value),
                        (6, Some((uuid, text))) => {
                            o.key("uuid").hex(uuid);
                            o.key("value").text(text);
                        }
                        _ => o.key("value").hex(value),
                    }
                }),
                _ => a.item().hex(element),
            }
        }
    });
}

/// What a group's points are called in a sentence: "analog input 3 (g30)", "binary outputs 4 to 7 (g10)".
pub fn write_points(range: crate::event::PointRange, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let number = range.space.0;
    let group = u8::try_from(number).ok();
    match (group, range.variant) {
        (Some(60), 0) => return f.write_str("class data (g60)"),
        (Some(60), variation) => return write!(f, "class {} data", variation.saturating_sub(1)),
        (Some(0), variation) => {
            return match codes::attribute(variation) {
                Some(name) => write!(f, "device attribute {name} (g0v{variation})"),
                None => write!(f, "device attribute {variation} (g0)"),
            };
        }
        // What has one instance needs no index.
        (Some(50), _) => return f.write_str("the clock (g50)"),
        (Some(70), _) => return f.write_str("files (g70)"),
        (Some(120), _) => return f.write_str("authentication (g120)"),
        _ => {}
    }
    let names = group.and_then(library::group);
    let (one, many) = names.map_or(("object", "objects"), |names| (names.one, names.many));
    if range.is_all() {
        write!(f, "all {many} (g{number})")
    } else if range.first == range.last {
        write!(f, "{one} {} (g{number})", range.first)
    } else {
        write!(f, "{many} {} to {} (g{number})", range.first, range.last)
    }
}
