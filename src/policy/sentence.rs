//! A message as a person says it, for questions about rules and for their test cases:
//! `laptop-7 modbus write holding 101=900 -> plc-3 @ Sunday 03:00`.
//!
//! Flows in: a sentence and the names that the rule files give. Flows out: a [`Message`] that owns everything and can
//! lend an [`Event`], or a [`Misspoken`] with the words that are wrong.
//!
//! # Grammar
//! `SRC PROTOCOL [VERB] [function NAME|N] [DEVICE-KEY N] [POINTS] -> DST [@ MOMENT]`. Points are `holding 101=900`,
//! `holding:100-103`, `holding 100-103=1,2,3,4`, `coil 5=on`, `g12 7="latch on"`, as many as the message has. Other
//! traffic is `laptop-7 tcp 445 -> plc-3`, `laptop-7 icmp -> plc-3`.

use super::calendar::Calendar;
use super::explain::{self, Explained};
use super::limits::read_points_text;
use super::memory::Memory;
use super::places::{Place, parse_mac};
use super::problem::nearest;
use super::set::{Named, RuleSet};
use super::verdict::Verdict;
use crate::address::{Address, Endpoint, Mac, Timestamp, Transport};
use crate::event::{Event, Fields, Flow, Kind, Object, PointRange, Space, Value, Values, Verb, Vocabulary};
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// The port that a client of ours has.
const CLIENT_PORT: u16 = 49152;
/// The device behind the address where a sentence names none.
const USUAL_DEVICE: u32 = 1;
/// Words for traffic that is no control protocol.
const CARRIERS: [&str; 4] = ["tcp", "udp", "icmp", "ip"];

/// What the words of a sentence may mean.
#[derive(Clone, Copy)]
pub struct Lexicon<'w> {
    /// The protocols.
    pub vocabularies: &'w [&'static Vocabulary],
    /// Hosts and groups.
    pub names: &'w [Named],
    /// Reads moments.
    pub calendar: &'w Calendar,
}

/// A word of a sentence that cannot be understood. Displays as one sentence.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Misspoken {
    /// The octets of the sentence that are wrong.
    pub at: Range<usize>,
    /// What is wrong, with what was probably meant.
    pub message: String,
    /// How it is written.
    pub help: Option<String>,
}

impl Misspoken {
    fn new(at: Range<usize>, message: impl Into<String>) -> Misspoken {
        Misspoken { at, message: message.into(), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Misspoken {
        self.help = Some(help.into()).filter(|help: &String| !help.is_empty());
        self
    }

    /// The sentence with carets under the words that are wrong, on two lines, and the advice on a third.
    pub fn picture(&self, sentence: &str) -> String {
        let before = sentence.get(..self.at.start).unwrap_or(sentence).chars().count();
        let wide = sentence.get(self.at.clone()).map_or(1, |words| words.chars().count().max(1));
        let carets = "^".repeat(wide);
        let help = self.help.iter().map(|help| format!("\n  {help}")).collect::<String>();
        format!("  {sentence}\n  {}{carets}{help}", " ".repeat(before))
    }
}

/// A word, and where it is.
#[derive(Clone, Copy, Debug)]
struct Token<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Token<'t> {
    fn range(self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    fn wrong(self, message: impl Into<String>) -> Misspoken {
        Misspoken::new(self.range(), message)
    }

    /// A part of it, from an octet on.
    fn from(self, at: usize) -> Token<'t> {
        Token { text: self.text.get(at..).unwrap_or_default(), at: self.at + at }
    }

    fn unquoted(self) -> &'t str {
        unquoted(self.text)
    }
}

fn unquoted(text: &str) -> &str {
    let inner = |mark: char| text.strip_prefix(mark).and_then(|text| text.strip_suffix(mark));
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

/// Words apart by space, but not inside of quotes.
fn tokens(text: &str) -> Vec<Token<'_>> {
    pieces(text, char::is_whitespace).into_iter().filter(|token| !token.text.is_empty()).collect()
}

fn pieces(text: &str, is_end: impl Fn(char) -> bool) -> Vec<Token<'_>> {
    let (mut found, mut start, mut quote) = (Vec::new(), 0, None);
    for (at, mark) in text.char_indices() {
        match quote {
            Some(open) if open == mark => quote = None,
            Some(_) => {}
            None if mark == '"' || mark == '\'' => quote = Some(mark),
            None if is_end(mark) => {
                found.push(Token { text: text.get(start..at).unwrap_or_default(), at: start });
                start = at + mark.len_utf8();
            }
            None => {}
        }
    }
    found.push(Token { text: text.get(start..).unwrap_or_default(), at: start });
    found
}

fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map_or(String::new(), |near| format!("; did you mean '{near}'?"))
}

/// One end of a message.
#[derive(Clone, Copy, Debug)]
struct Who {
    address: Address,
    mac: Option<Mac>,
    vlan: Option<u16>,
}

/// A message of a sentence.
#[derive(Clone, Debug)]
pub struct Message {
    src: Who,
    dst: Who,
    /// The server's.
    port: u16,
    transport: Transport,
    ts: Timestamp,
    timed: bool,
    /// What the sentence does not say and was taken for it: "function write-single-register (6)".
    pub taken: Vec<String>,
    said: Option<Said>,
}

/// What a message of a control protocol says.
#[derive(Clone, Debug)]
struct Said {
    proto: &'static Vocabulary,
    kind: Kind,
    verb: Verb,
    function: Option<u16>,
    device: Option<u32>,
    points: Vec<PointRange>,
    values: Vec<Value<'static>>,
}

struct NoFields;

impl Fields for NoFields {
    fn write(&self, _: &mut Object<'_>) {}

    fn brief(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl Message {
    /// Reads a sentence.
    ///
    /// # Errors
    /// The words that cannot be understood.
    pub fn read(sentence: &str, lexicon: &Lexicon<'_>) -> Result<Message, Misspoken> {
        Reader { sentence, lexicon }.read()
    }

    /// Whether the sentence says when it happens.
    pub fn is_timed(&self) -> bool {
        self.timed
    }

    /// When it happens.
    pub fn ts(&self) -> Timestamp {
        self.ts
    }

    /// The same message at another time.
    pub fn at(mut self, ts: Timestamp) -> Message {
        self.ts = ts;
        self
    }

    /// Who sends it to whom.
    pub fn flow(&self) -> Flow {
        let Message { src, dst, port, transport, .. } = self;
        let ported = matches!(transport, Transport::Tcp | Transport::Udp);
        let client = Endpoint::new(src.address, if ported { CLIENT_PORT } else { 0 });
        let mut flow = Flow::new(client, Endpoint::new(dst.address, *port), *transport);
        (flow.src_mac, flow.dst_mac, flow.vlan) = (src.mac, dst.mac, src.vlan.or(dst.vlan));
        flow
    }

    /// It as an event of its flow; `None` where it is a conversation of no control protocol.
    pub fn event<'a>(&'a self, flow: &'a Flow) -> Option<Event<'a>> {
        let said = self.said.as_ref()?;
        Some(Event {
            ts: self.ts,
            frame: 0,
            flow,
            proto: said.proto,
            kind: said.kind,
            verb: said.verb,
            function: said.function,
            device: said.device,
            points: &said.points,
            values: if said.values.is_empty() { Values::None } else { Values::List(&said.values) },
            outcome: None,
            latency: None,
            request: None,
            fault: None,
            fields: &NoFields,
        })
    }

    /// Judges it.
    pub fn judge(&self, rules: &RuleSet, memory: &mut Memory) -> Verdict {
        let flow = self.flow();
        match self.event(&flow) {
            Some(event) => rules.judge(&rules.pair(&flow, event.proto), &event, memory),
            None => rules.judge_conversation(&flow, self.ts(), memory),
        }
    }

    /// Says how every rule meets it. Ask before [`Message::judge`], which remembers it.
    pub fn explain(&self, rules: &RuleSet, memory: &mut Memory) -> Explained {
        let flow = self.flow();
        match self.event(&flow) {
            Some(event) => explain::explain(rules, &event, memory),
            None => explain::explain_conversation(rules, &flow, self.ts(), true),
        }
    }
}

struct Reader<'s> {
    sentence: &'s str,
    lexicon: &'s Lexicon<'s>,
}

const SHAPE: &str = "write it as: laptop-7 modbus write holding 101=900 -> plc-3 @ Sunday 03:00";

impl<'s> Reader<'s> {
    fn read(&self) -> Result<Message, Misspoken> {
        let mut words = tokens(self.sentence);
        let end = self.sentence.trim_end().len();
        let moment = words.iter().position(|word| word.text.starts_with('@')).map(|at| {
            let start = words.get(at).map_or(end, |word| word.at + 1);
            words.truncate(at);
            start
        });
        let Some(arrow) = words.iter().position(|word| matches!(word.text, "->" | "→")) else {
            let at = words.last().map_or(0, |word| word.range().end);
            let wrong = Misspoken::new(at..at, "the sentence does not say to whom");
            return Err(wrong.help(SHAPE));
        };
        let (before, after) =
            (words.get(..arrow).unwrap_or_default(), words.get(arrow + 1..).unwrap_or_default());
        let place = words.get(arrow).map_or(0..0, |word| word.range());
        let dst = match after {
            [] => return Err(Misspoken::new(place, "nobody stands after '->'").help(SHAPE)),
            [dst] => self.end(*dst)?,
            [_, more, ..] => {
                let wrong = more.wrong("only the receiver, and '@ MOMENT', stand after '->'");
                return Err(wrong.help(SHAPE));
            }
        };
        let (src, protocol, rest) = match before {
            [] => return Err(Misspoken::new(place, "nobody stands before '->'").help(SHAPE)),
            [src] => {
                let wrong =
                    Misspoken::new(place, format!("'{}' does not say which protocol it speaks", src.text));
                return Err(wrong.help(format!("known are: {}", self.protocols().join(", "))));
            }
            [src, protocol, rest @ ..] => (self.end(*src)?, *protocol, rest),
        };
        let control = self.lexicon.vocabularies.iter().find(|words| words.name == protocol.text);
        let mut taken = Vec::new();
        let (transport, port, said) = match control {
            Some(proto) => (Transport::Tcp, 0, Some(self.control(proto, protocol, rest, &mut taken)?)),
            None => {
                let (transport, port) = self.other(protocol, rest, &src)?;
                (transport, port, None)
            }
        };
        let calendar = self.lexicon.calendar;
        let ts = match moment {
            Some(start) => {
                calendar.parse_moment(self.sentence.get(start..).unwrap_or_default()).map_err(|error| {
                    let at = start + error.at.start..start + error.at.end;
                    Misspoken::new(at, error.to_string()).help(error.help.unwrap_or_default())
                })?
            }
            None => calendar.parse_moment("Wednesday 12:00").unwrap_or_default(),
        };
        Ok(Message { src, dst, port, transport, ts, timed: moment.is_some(), taken, said })
    }

    fn protocols(&self) -> Vec<&'static str> {
        self.lexicon.vocabularies.iter().map(|words| words.name).chain(CARRIERS).collect()
    }

    /// A host or a group by its name, or an address.
    fn end(&self, word: Token<'_>) -> Result<Who, Misspoken> {
        let name = word.unquoted();
        if let Some(named) = self.lexicon.names.iter().find(|named| named.name == name) {
            return who(&named.places)
                .ok_or_else(|| word.wrong(format!("'{name}' has no address that could be used")));
        }
        if let Ok(ip) = name.parse::<IpAddr>() {
            return Ok(Who { address: ip.into(), mac: None, vlan: None });
        }
        if let Some(mac) = parse_mac(name) {
            return Ok(Who { address: Address::Mac(mac), mac: Some(mac), vlan: None });
        }
        let near = meant(name, self.lexicon.names.iter().map(|named| named.name.as_str()));
        let wrong = word.wrong(format!("unknown host '{name}'{near}"));
        Err(wrong.help("write a host, a group, an address or a MAC address"))
    }

    fn other(
        &self,
        protocol: Token<'_>,
        rest: &[Token<'_>],
        src: &Who,
    ) -> Result<(Transport, u16), Misspoken> {
        let transport = match protocol.text {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            "icmp" if matches!(src.address, Address::V6(_)) => Transport::Ip(58),
            "icmp" => Transport::Ip(1),
            "ip" => Transport::Ip(4),
            other => {
                let near = meant(other, self.protocols());
                let wrong = protocol.wrong(format!("unknown protocol '{other}'{near}"));
                return Err(wrong.help(format!("known are: {}", self.protocols().join(", "))));
            }
        };
        let takes_number = protocol.text != "icmp";
        let number = match rest {
            [] => None,
            [number] if takes_number => Some(number.text.parse::<u16>().map_err(|_| {
                let what = if protocol.text == "ip" { "an IP protocol number" } else { "a port" };
                number.wrong(format!("'{}' is not {what}", number.text))
            })?),
            [_, more, ..] | [more] => {
                let wrong =
                    more.wrong(format!("'{}' has no place in a sentence about {}", more.text, protocol.text));
                return Err(wrong.help("write it as: laptop-7 tcp 445 -> plc-3"));
            }
        };
        match (transport, number) {
            (Transport::Tcp | Transport::Udp, None) => {
                let wrong = protocol.wrong(format!("{} needs the port of the server", protocol.text));
                Err(wrong.help(format!("write it as: laptop-7 {} 445 -> plc-3", protocol.text)))
            }
            (Transport::Ip(4), Some(number)) => {
                let number = u8::try_from(number)
                    .map_err(|_| protocol.wrong("an IP protocol number goes from 0 to 255"))?;
                Ok((Transport::Ip(number), 0))
            }
            (_, number) => Ok((transport, number.unwrap_or(0))),
        }
    }

    fn control(
        &self,
        proto: &'static Vocabulary,
        protocol: Token<'_>,
        rest: &[Token<'_>],
        taken: &mut Vec<String>,
    ) -> Result<Said, Misspoken> {
        let (mut verb, mut function, mut device) = (None, None, None);
        let mut found = Points::default();
        let mut rest = rest.iter().copied().peekable();
        while let Some(word) = rest.next() {
            if let Some(known) = Verb::parse(word.text).filter(|_| verb.is_none()) {
                verb = Some(known);
            } else if word.text == "function" {
                let Some(name) = rest.next() else {
                    return Err(word
                        .wrong("'function' does not say which")
                        .help("write its number or its name"));
                };
                function = Some(code(proto, name)?);
            } else if word.text == proto.device_key {
                let number = rest.next().map(|number| (number, number.text.parse::<u32>()));
                device = match number {
                    Some((_, Ok(number))) => Some(number),
                    Some((word, Err(_))) => {
                        return Err(word
                            .wrong(format!("'{}' is not a number of a {}", word.text, proto.device_title)));
                    }
                    None => return Err(word.wrong(format!("'{}' does not say which", word.text))),
                };
            } else if let Some(known) = proto.function_code(word.text).filter(|_| function.is_none()) {
                function = Some(known);
            } else if let Some((name, _)) = word.text.split_once(':') {
                let (space, variant) = space(proto, name).ok_or_else(|| no_space(proto, word, name))?;
                found.add(proto, space, variant, name, word.from(name.len() + 1))?;
            } else if let Some((space, variant)) = space(proto, word.text) {
                let begins =
                    |next: &Token<'_>| next.text.starts_with(|c: char| c.is_ascii_digit() || c == '*');
                let Some(which) = rest.next_if(begins) else {
                    let wrong = word.wrong(format!("'{}' does not say which point", word.text));
                    return Err(
                        wrong.help(format!("write \"{0} 101\", \"{0} 100-103\" or \"{0} *\"", word.text))
                    );
                };
                found.add(proto, space, variant, word.text, which)?;
            } else {
                return Err(unknown(proto, word));
            }
        }
        let known = function.and_then(|code| proto.function(code));
        let Some(verb) = verb.or(known.map(|code| code.verb)).or(function.map(|_| Verb::Other)) else {
            let wrong = protocol.wrong("the sentence does not say what is done");
            return Err(wrong.help(format!("the verbs are: {}", Verb::ALL.map(Verb::name).join(", "))));
        };
        if function.is_none() {
            function = likeliest(proto, verb, &found.ranges);
            if let Some(known) = function.and_then(|code| proto.function(code)) {
                taken.push(format!("function {} ({})", known.name, known.code));
            }
        }
        if device.is_none() {
            taken.push(format!("{} {USUAL_DEVICE}", proto.device_key));
        }
        found.ranges.iter_mut().for_each(|range| range.verb = verb);
        Ok(Said {
            proto,
            kind: if verb == Verb::Report { Kind::Unsolicited } else { Kind::Request },
            verb,
            function,
            device: device.or(Some(USUAL_DEVICE)),
            points: found.ranges,
            values: found.values,
        })
    }
}

/// What the places of a host come to: its first address, its first MAC address, its first VLAN.
fn who(places: &[Place]) -> Option<Who> {
    let ip = places.iter().find_map(|place| match place {
        Place::Net(net) if place.is_single() => Some(net.addr()),
        Place::Net(net) => first_of(*net),
        _ => None,
    });
    let mac = places.iter().find_map(|place| match place {
        Place::Mac(mac) => Some(*mac),
        _ => None,
    });
    let vlan = places.iter().find_map(|place| match place {
        Place::Vlan(vlan) => Some(*vlan),
        _ => None,
    });
    let address = ip.map(Address::from).or(mac.map(Address::Mac))?;
    Some(Who { address, mac, vlan: vlan.filter(|_| ip.is_none()) })
}

/// The first address of a prefix that a host may have.
fn first_of(net: IpNet) -> Option<IpAddr> {
    net.hosts().next()
}

fn code(proto: &'static Vocabulary, word: Token<'_>) -> Result<u16, Misspoken> {
    let name = word.unquoted();
    name.parse::<u16>().ok().or_else(|| proto.function_code(name)).ok_or_else(|| {
        let near = meant(name, proto.functions.iter().map(|code| code.name));
        let wrong = word.wrong(format!("{} has no function '{name}'{near}", proto.name));
        wrong.help("write its number, or its name in the standard with hyphens")
    })
}

/// A kind of point, and its variation where the name has one: "holding", "g12", "g12v1".
fn space(proto: &'static Vocabulary, name: &str) -> Option<(Space, u8)> {
    if let Some(space) = (proto.parse_space)(name) {
        return Some((space, 0));
    }
    let (space, variant) = name.rsplit_once('v')?;
    Some(((proto.parse_space)(space)?, variant.parse().ok()?))
}

fn no_space(proto: &'static Vocabulary, word: Token<'_>, name: &str) -> Misspoken {
    let at = word.at..word.at + name.len();
    let near = meant(name, proto.spaces.iter().copied());
    let wrong = Misspoken::new(at, format!("{} has no points called '{name}'{near}", proto.name));
    wrong.help(format!("for example: {}", proto.spaces.join(", ")))
}

fn unknown(proto: &'static Vocabulary, word: Token<'_>) -> Misspoken {
    if word.text.contains('=') {
        let wrong = word.wrong(format!("'{}' does not say which kind of point it is", word.text));
        let example = proto.spaces.first().copied().unwrap_or("space");
        return wrong.help(format!("write it as: {example} {}", word.text));
    }
    let known = Verb::ALL.into_iter().map(Verb::name).chain(proto.spaces.iter().copied());
    let known =
        known.chain(["function", proto.device_key]).chain(proto.functions.iter().map(|code| code.name));
    let near = meant(word.text, known);
    word.wrong(format!("'{}' is neither a verb nor a point of {}{near}", word.text, proto.name)).help(SHAPE)
}

/// The points of a sentence, with their values.
#[derive(Default)]
struct Points {
    ranges: Vec<PointRange>,
    values: Vec<Value<'static>>,
}

impl Points {
    /// Reads "101", "100-103", "101=900" or "100-103=1,2,3,4".
    fn add(
        &mut self,
        proto: &'static Vocabulary,
        space: Space,
        variant: u8,
        name: &str,
        word: Token<'_>,
    ) -> Result<(), Misspoken> {
        let which = word.text.split('=').next().unwrap_or_default();
        let plain = name.rsplit_once('v').filter(|_| variant > 0).map_or(name, |(space, _)| space);
        let at = word.at..word.at + which.len();
        let span = read_points_text(&format!("{plain}:{which}"), proto)
            .map_err(|(message, help)| Misspoken::new(at.clone(), message).help(help))?;
        let last = if which == "*" { span.last } else { span.last.min(proto.max_index) };
        let valued = which.len() < word.text.len();
        let range = PointRange { space, variant, first: span.first, last, verb: Verb::Other, valued };
        self.ranges.push(range);
        if !valued {
            return Ok(());
        }
        let text = word.from(which.len() + 1);
        let values = pieces(text.text, |mark| mark == ',');
        if values.len() as u64 != u64::from(range.count()) {
            let (points, count) = (range.count(), values.len());
            let s = |count: usize| if count == 1 { "" } else { "s" };
            let message = format!("{points} point{} but {count} value{}", s(points as usize), s(count));
            return Err(text.wrong(message).help("give each point its value: holding 100-101=7,8"));
        }
        for value in values {
            if value.text.is_empty() {
                return Err(word.wrong("a value is missing").help("write it as: holding 101=900"));
            }
            self.values.push(read_value(value.text));
        }
        Ok(())
    }
}

fn read_value(text: &str) -> Value<'static> {
    match text {
        "on" | "true" => return Value::Bool(true),
        "off" | "false" => return Value::Bool(false),
        _ => {}
    }
    let whole = text.parse::<i64>().ok().map(Value::Int);
    let number = || text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::Float);
    whole.or_else(number).unwrap_or_else(|| Value::Name(word_of_a_standard(unquoted(text))))
}

/// A word for as long as the process lives. Each is kept once.
fn word_of_a_standard(text: &str) -> &'static str {
    static KNOWN: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(word) = known.iter().find(|word| **word == text) {
        return word;
    }
    let word: &'static str = Box::leak(text.to_owned().into_boxed_str());
    known.push(word);
    word
}

/// The function that a message of this verb about these points most likely has, by the names of the standard.
fn likeliest(proto: &'static Vocabulary, verb: Verb, points: &[PointRange]) -> Option<u16> {
    let one = points.iter().map(|range| u64::from(range.count())).sum::<u64>() == 1;
    let space = points.first().map(|range| proto.space_name(range.space).to_string());
    let score = |name: &str| {
        let mut score = 0i32;
        for part in name.split('-') {
            let of = |space: &str| space.len() > 2 && part.starts_with(space);
            score += match (part, &space) {
                ("single", _) => {
                    if one {
                        1
                    } else {
                        -1
                    }
                }
                ("multiple", _) => {
                    if one {
                        -1
                    } else {
                        1
                    }
                }
                ("mask" | "no" | "freeze", _) => -1,
                ("unsolicited", _) => 1,
                (_, Some(own)) if of(own) => 2,
                (_, Some(own)) if part.starts_with("register") => {
                    if matches!(own.as_str(), "holding" | "input") { 1 } else { -2 }
                }
                _ if proto.spaces.iter().any(|space| of(space)) => -2,
                _ => 0,
            };
        }
        score
    };
    let own = proto.functions.iter().filter(|code| code.verb == verb);
    // Of equals, the first.
    own.rev().max_by_key(|code| score(code.name)).map(|code| code.code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::ALL_WORDS;

    fn rules() -> RuleSet {
        let text = "version = 1\n[hosts]\nscada = \"10.20.0.10\"\nplc-3 = [\"10.20.1.4\", \"10.20.1.3\"]\nfield = \"10.20.2.0/24\"\ncart = [\"00:1d:9c:c7:b0:70\", \"10.20.9.9\"]\n[groups]\nall = [\"plc-3\", \"scada\"]\n[calendar]\nzone = \"America/New_York\"\n";
        crate::policy::parse("a.toml", text, ALL_WORDS).unwrap().rules
    }

    /// A sentence, as the event's own words.
    fn read(sentence: &str) -> String {
        let rules = rules();
        let message = match Message::read(sentence, &rules.lexicon()) {
            Ok(message) => message,
            Err(wrong) => return format!("{wrong}\n{}", wrong.picture(sentence)),
        };
        let flow = message.flow();
        let ends = format!("{} -> {}", flow.src.address, flow.dst.address);
        let Some(event) = message.event(&flow) else {
            return format!("{:?} {} {ends}", flow.transport, flow.dst.port);
        };
        let points: Vec<String> = event
            .points
            .iter()
            .map(|range| {
                format!(
                    "{}v{} {}-{}",
                    event.proto.space_name(range.space),
                    range.variant,
                    range.first,
                    range.last
                )
            })
            .collect();
        let values: Vec<Value<'_>> = event.values.iter().collect();
        let function = event.function_name().unwrap_or("none");
        format!(
            "{:?} {} {function} {:?} {} {values:?} {ends}",
            event.kind,
            event.verb.name(),
            event.device,
            points.join(" ")
        )
    }

    #[test]
    fn sentences_are_read() {
        for (sentence, want) in [
            (
                "scada modbus write holding 101=900 -> plc-3",
                "Request write write-single-register Some(1) holdingv0 101-101 [Int(900)] 10.20.0.10 -> 10.20.1.4",
            ),
            (
                "scada modbus write holding:100-103=1,2.5,on,4 unit 7 -> all @ Sunday 03:00",
                "Request write write-multiple-registers Some(7) holdingv0 100-103 [Int(1), Float(2.5), Bool(true), Int(4)] 10.20.0.10 -> 10.20.1.4",
            ),
            (
                "cart modbus write coil 5=off -> 10.9.9.9",
                "Request write write-single-coil Some(1) coilv0 5-5 [Bool(false)] 10.20.9.9 -> 10.9.9.9",
            ),
            (
                "scada modbus read coil 0-7 input 3 -> field",
                "Request read read-coils Some(1) coilv0 0-7 inputv0 3-3 [] 10.20.0.10 -> 10.20.2.1",
            ),
            (
                "scada modbus read holding * -> plc-3",
                "Request read read-holding-registers Some(1) holdingv0 0-4294967295 [] 10.20.0.10 -> 10.20.1.4",
            ),
            (
                "scada modbus function 8 -> plc-3",
                "Request diagnose diagnostics Some(1)  [] 10.20.0.10 -> 10.20.1.4",
            ),
            (
                "scada dnp3 operate outstation 10 g12v1 7=\"latch on\" -> plc-3",
                "Request operate operate Some(10) g12v1 7-7 [Name(\"latch on\")] 10.20.0.10 -> 10.20.1.4",
            ),
            (
                "plc-3 dnp3 report g30 1=-5 -> scada",
                "Unsolicited report unsolicited-response Some(1) g30v0 1-1 [Int(-5)] 10.20.1.4 -> 10.20.0.10",
            ),
            ("scada tcp 445 -> plc-3", "Tcp 445 10.20.0.10 -> 10.20.1.4"),
            ("scada icmp -> plc-3", "Ip(1) 0 10.20.0.10 -> 10.20.1.4"),
            ("00:1d:9c:c7:b0:71 ip 47 -> plc-3", "Ip(47) 0 00:1d:9c:c7:b0:71 -> 10.20.1.4"),
        ] {
            assert_eq!(read(sentence), want, "{sentence}");
        }
    }

    #[test]
    fn a_wrong_word_is_shown() {
        for (sentence, want) in [
            ("sccada modbus read -> plc-3", "unknown host 'sccada'; did you mean 'scada'?"),
            ("scada modbus read holding -> plc-3", "'holding' does not say which point"),
            ("scada modbus write 101=5 -> plc-3", "'101=5' does not say which kind of point it is"),
            ("scada modbus write holding 9-3=1 -> plc-3", "did you mean 'holding:3-9'?"),
            ("scada modbus read unit x -> plc-3", "'x' is not a number of a unit"),
            ("scada modbus read -> plc-3 scada", "only the receiver"),
            ("scada -> plc-3", "does not say which protocol"),
            ("-> plc-3", "nobody stands before '->'"),
            ("scada modbus read ->", "nobody stands after '->'"),
            ("", "does not say to whom"),
            ("scada modbus write holding 1=1, -> plc-3", "1 point but 2 values"),
            ("scada modbus write holding 1= -> plc-3", "a value is missing"),
            ("scada tcp 70000 -> plc-3", "'70000' is not a port"),
            ("scada icmp 3 -> plc-3", "'3' has no place in a sentence about icmp"),
        ] {
            let said = read(sentence);
            assert!(said.contains(want), "{sentence}: {said}");
        }
        assert!(
            read("scada modbus wite holding 1=é -> plc-3")
                .contains("\n  scada modbus wite holding 1=é -> plc-3\n               ^^^^\n")
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(words in proptest::collection::vec("(scada|plc-3|modbus|dnp3|tcp|read|write|holding|coil|g12|:|->|@|unit|function|[0-9=,-]{1,6}|\"|é|\\*|.{0,4})", 0..12)) {
            let rules = rules();
            for between in [" ", ""] {
                let sentence = words.join(between);
                if let Err(wrong) = Message::read(&sentence, &rules.lexicon()) {
                    wrong.picture(&sentence);
                }
            }
        }
    }
}
