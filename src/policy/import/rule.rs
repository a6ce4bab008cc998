//! One rule of Suricata or Snort: what of it can be said in the language, or why nothing can.

use super::places::{Places, Ports, Variables};
use super::text::{Choice, Header, choices, header, plain, unquote};
use super::{Meaning, Place, Reason, content, dnp3, modbus};
use crate::policy::{RuleKind, Severity};

/// The longest name of a rule and the longest comment, in characters.
const LONGEST: usize = 200;
/// More combinations of unit, function and points than this are not put into one rule.
const MOST_COMBINATIONS: usize = 1 << 12;

/// A rule of the language to be written.
#[derive(Debug)]
pub(super) struct Entry {
    pub place: Place,
    pub sid: Option<String>,
    pub kind: RuleKind,
    /// The message of the rule, or what stands for it.
    pub name: String,
    /// What is kept of it for people.
    pub comments: Vec<String>,
    pub severity: Option<Severity>,
    pub attack: Vec<String>,
    /// Who asks whom; two of them where it is about both directions.
    pub ways: Vec<(Places, Places)>,
    pub meaning: Meaning,
}

/// What a rule says of itself, whatever becomes of it.
pub(super) struct Title {
    pub sid: Option<String>,
    pub msg: String,
}

/// Reads the title of a rule, and translates the rest.
pub(super) fn translate(
    place: Place,
    file: &str,
    text: &str,
    all: &mut Variables,
) -> (Title, Result<Entry, Reason>) {
    let choices = match choices(text) {
        Ok(choices) => choices,
        Err(reason) => return (salvaged(text), Err(Reason::of(reason))),
    };
    let sid = value(&choices, "sid").map(|sid| plain(sid, 20)).filter(|sid| !sid.is_empty());
    let msg = plain(&unquote(value(&choices, "msg").unwrap_or_default()), LONGEST);
    let title = Title { sid, msg };
    let read = header(text).map_err(Reason::of);
    let entry = read.and_then(|header| entry(place, file, &title, &header, &choices, all));
    (title, entry)
}

/// What can be told of the title of a rule whose options cannot be read.
fn salvaged(text: &str) -> Title {
    let after = |key: &str| text.split_once(key).map(|(_, rest)| rest.trim_start());
    let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).take(20).collect::<String>();
    let sid = after("sid:").map(digits).filter(|sid| !sid.is_empty());
    let quoted = after("msg:").and_then(|rest| rest.strip_prefix('"')?.split(['"', ';']).next());
    Title { sid, msg: plain(quoted.unwrap_or_default(), LONGEST) }
}

/// The value of an option.
fn value<'t>(choices: &[Choice<'t>], key: &str) -> Option<&'t str> {
    choices.iter().find(|choice| choice.key == key).map(|choice| choice.value)
}

fn entry(
    place: Place,
    file: &str,
    title: &Title,
    header: &Header<'_>,
    choices: &[Choice<'_>],
    all: &mut Variables,
) -> Result<Entry, Reason> {
    let kind = match header.action {
        "alert" | "drop" | "sdrop" | "block" | "reject" | "rejectsrc" | "rejectdst" | "rejectboth" => {
            RuleKind::Deny
        }
        "pass" => RuleKind::Allow,
        other => return Err(Reason::of(format!("its action is '{other}': it does not alert"))),
    };
    let subject = subject(header, choices, all)?;
    if let Some(reason) = choices.iter().find_map(|choice| refusal(choice, &subject)) {
        return Err(Reason::of(reason));
    }
    let meaning = meaning(subject, choices).map_err(Reason::of)?;
    let combinations =
        meaning.devices.len().max(1) * meaning.functions.len().max(1) * meaning.points.len().max(1);
    if combinations > MOST_COMBINATIONS {
        return Err(Reason::of("it is about too many combinations of unit, function and table"));
    }
    let ways = ways(header, choices, &meaning, all)?;
    if meaning.half.is_some() && ways.len() > 1 {
        return Err(Reason::of(HALF));
    }
    let name = match (title.msg.as_str(), &title.sid) {
        ("", Some(sid)) => format!("Rule {sid}"),
        ("", None) => format!("Rule of line {}", place.line),
        (msg, _) => msg.to_owned(),
    };
    Ok(Entry {
        place,
        sid: title.sid.clone(),
        kind,
        name,
        comments: comments(place, file, title, header.action, choices),
        severity: severity(choices).filter(|_| kind == RuleKind::Deny),
        attack: if kind == RuleKind::Deny { techniques(choices) } else { Vec::new() },
        ways,
        meaning,
    })
}

/// Why a rule about one restarting subfunction of Diagnostics is not carried over by itself.
pub(super) const HALF: &str = "rules of Wayside do not tell subfunctions 1 and 4 of Diagnostics apart: \
                               functions = [\"diagnostics\"] with may = [\"restart\"] would forbid both";

const ANSWERS: &str = "it is about answers, and Wayside judges requests";

/// What tells a rule's protocol.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Subject {
    Modbus,
    Dnp3,
    /// Octets on the port of Modbus.
    ModbusOctets,
    /// Octets on the port of DNP3.
    Dnp3Octets,
}

impl Subject {
    /// The port that is the protocol's own.
    fn port(protocol: &str) -> u16 {
        if protocol == "modbus" { 502 } else { 20000 }
    }
}

/// What a rule is about; it is none of ours where it is about neither protocol.
fn subject(header: &Header<'_>, choices: &[Choice<'_>], all: &Variables) -> Result<Subject, Reason> {
    let has = |start: &str| choices.iter().any(|choice| choice.key.starts_with(start));
    let says = |key: &str, word: &str| {
        let mut chosen = choices.iter().filter(|choice| choice.key == key);
        chosen.any(|choice| choice.value.starts_with(word))
    };
    let about = |name: &str| {
        header.protocol == name
            || has(name)
            || says("app-layer-event", &format!("{name}."))
            || says("app-layer-protocol", name)
            || says("service", name)
    };
    match (about("modbus"), about("dnp3")) {
        (true, true) => return Err(Reason::of("it is about Modbus and DNP3 at once, so it matches nothing")),
        (true, false) => return Ok(Subject::Modbus),
        (false, true) => return Ok(Subject::Dnp3),
        (false, false) => {}
    }
    let carried = matches!(header.protocol, "tcp" | "udp" | "ip" | "tcp-pkt" | "tcp-stream" | "pkthdr");
    let ports = if carried { [header.from_port, header.to_port] } else { ["any"; 2] };
    for port in ports {
        // A variable that is not defined may be the port of Modbus: the error says so.
        match all.ports(port) {
            Ok(Ports::One(502)) => return Ok(Subject::ModbusOctets),
            Ok(Ports::One(20000)) => return Ok(Subject::Dnp3Octets),
            Err(reason) if port.to_ascii_lowercase().contains("modbus") => return Err(reason),
            Err(reason) if port.to_ascii_lowercase().contains("dnp3") => return Err(reason),
            _ => {}
        }
    }
    Err(Reason::of("it is about neither Modbus nor DNP3"))
}

/// Why one option keeps its rule from being carried over.
fn refusal(choice: &Choice<'_>, subject: &Subject) -> Option<String> {
    if let Some(reason) = dnp3::refusal(choice.key) {
        return Some(reason.to_owned());
    }
    let octets = matches!(subject, Subject::ModbusOctets | Subject::Dnp3Octets);
    let said = match choice.key {
        "msg" | "sid" | "rev" | "gid" | "classtype" | "priority" | "reference" | "metadata" | "target"
        | "rem" | "fast_pattern" | "service" | "app-layer-protocol" | "logto" => return None,
        "modbus" | "modbus_func" | "modbus_unit" | "dnp3_func" | "dnp3.func" | "dnp3_obj" | "dnp3.obj" => {
            return None;
        }
        // Wayside judges requests, of conversations whose beginning was seen or not: these change nothing.
        "flow" => return flow(choice.value),
        "threshold" => return threshold(choice.value),
        "detection_filter" => {
            "it alerts only above a rate, and rules of Wayside have no rates (equal alerts are grouped)"
        }
        "flowbits" | "flowint" | "xbits" | "hostbits" => "it depends on what other rules have seen before",
        "noalert" => "it never alerts itself",
        "app-layer-event" | "decode-event" | "stream-event" => {
            "malformed messages are alerts of Wayside's own, without a rule"
        }
        "dsize" | "isdataat" | "bsize" if octets => {
            "it is about the size of a message, and malformed messages are alerts of Wayside's own"
        }
        key if content::is_content(key) && octets => return None,
        "pcre" | "byte_test" | "byte_jump" | "byte_math" | "byte_extract" | "isdataat" | "dsize"
        | "bsize" | "modbus_data" => "it looks at octets, and Wayside judges what a message means",
        key if content::is_content(key) => "it looks at octets, and Wayside judges what a message means",
        key => return Some(format!("Wayside has nothing like the keyword '{}'", plain(key, 40))),
    };
    Some(said.to_owned())
}

fn flow(value: &str) -> Option<String> {
    value.split(',').map(str::trim).find_map(|word| match word {
        "established" | "stateless" | "to_server" | "from_client" | "only_stream" | "no_stream"
        | "no_frag" | "only_frag" | "" => None,
        // Which of them fits is known with the function: see `ways`.
        "to_client" | "from_server" => None,
        other => Some(format!("Wayside judges conversations whether they are '{}' or not", plain(other, 40))),
    })
}

/// A limit on how often the same alert is given changes nothing where equal alerts are grouped.
fn threshold(value: &str) -> Option<String> {
    let mut words = value.split(',').map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    let spared = words.any(|word| word == "type limit" || word == "count 1");
    (!spared).then(|| {
        "it alerts only above a count, and rules of Wayside have no rates (equal alerts are grouped)"
            .to_owned()
    })
}

fn meaning(subject: Subject, choices: &[Choice<'_>]) -> Result<Meaning, String> {
    let values = |keys: &[&str]| -> Vec<&str> {
        choices.iter().filter(|choice| keys.contains(&choice.key)).map(|choice| choice.value).collect()
    };
    let twice = "it has two conditions of the same kind, and a rule of Wayside has one";
    match subject {
        Subject::ModbusOctets => content::in_modbus(choices),
        Subject::Dnp3Octets => content::in_dnp3(choices),
        Subject::Dnp3 => {
            let functions = values(&["dnp3_func", "dnp3.func"]);
            let mut meaning = match functions.as_slice() {
                [] => Meaning::new("dnp3"),
                [one] => dnp3::function(one)?,
                _ => return Err(twice.to_owned()),
            };
            match values(&["dnp3_obj", "dnp3.obj"]).as_slice() {
                [] => {}
                // A rule for objects and a function asks for both, of a request as of its answer.
                [one] if !functions.is_empty() => meaning.objects = vec![dnp3::object(one)?],
                [_] => return Err(dnp3::OBJECTS_OF_ANSWERS.to_owned()),
                _ => return Err(twice.to_owned()),
            }
            Ok(meaning)
        }
        Subject::Modbus => {
            let (functions, units) = (values(&["modbus_func"]), values(&["modbus_unit"]));
            match (values(&["modbus"]).as_slice(), functions.len(), units.len()) {
                ([one], 0, 0) => modbus::keyword(one),
                ([], 0 | 1, 0 | 1) => {
                    let mut meaning = Meaning::new("modbus");
                    functions.iter().try_for_each(|value| modbus::snort_function(&mut meaning, value))?;
                    units.iter().try_for_each(|value| modbus::snort_unit(&mut meaning, value))?;
                    Ok(meaning)
                }
                _ => Err(twice.to_owned()),
            }
        }
    }
}

/// Who asks whom. The end with the protocol's port is the server, and what is judged are requests to it, and what it
/// reports unasked.
fn ways(
    header: &Header<'_>,
    choices: &[Choice<'_>],
    meaning: &Meaning,
    all: &mut Variables,
) -> Result<Vec<(Places, Places)>, Reason> {
    let own = Ports::One(Subject::port(meaning.protocol));
    let unasked = meaning.protocol == "dnp3" && meaning.functions == [dnp3::UNSOLICITED];
    let flows =
        || choices.iter().filter(|choice| choice.key == "flow").flat_map(|flow| flow.value.split(','));
    let to_client = flows().any(|word| matches!(word.trim(), "to_client" | "from_server"));
    let to_server = flows().any(|word| matches!(word.trim(), "to_server" | "from_client"));
    if to_client && !unasked {
        return Err(Reason::of(ANSWERS));
    }
    if to_server && unasked {
        return Err(Reason::of("outstations report to masters, so to the server it matches nothing"));
    }
    let (from_port, to_port) = (all.ports(header.from_port)?, all.ports(header.to_port)?);
    let fits = |from: Ports, to: Ports| {
        let (client, server) = if unasked { (to, from) } else { (from, to) };
        client == Ports::Any && (server == Ports::Any || server == own)
    };
    let forth = fits(from_port, to_port);
    let back = header.both && fits(to_port, from_port);
    if !forth && !back && from_port == own && to_port == Ports::Any && !unasked {
        return Err(Reason::of(ANSWERS));
    }
    if !forth && !back {
        let port = Subject::port(meaning.protocol);
        return Err(Reason::of(format!(
            "its ports are not 'any' and {port} of the server: Wayside knows messages by their content, on every port"
        )));
    }
    let (from, to) = (all.places(header.from)?, all.places(header.to)?);
    let requests = choices.iter().any(|c| matches!(c.key, "modbus" | "dnp3_func" | "dnp3.func" | "content"));
    let everyone = from == Places::Any && to == Places::Any;
    if !requests && !to_server && !header.both && !everyone && own != to_port {
        return Err(Reason::of(
            "it is about answers too, and Wayside judges requests (with flow:to_server it would be about those)",
        ));
    }
    let mut found = Vec::new();
    if forth {
        found.push((from.clone(), to.clone()));
    }
    if back && !(forth && from == to) {
        found.push((to, from));
    }
    Ok(found)
}

fn severity(choices: &[Choice<'_>]) -> Option<Severity> {
    Some(match value(choices, "priority")?.parse::<u32>().ok()? {
        0 => return None,
        1 => Severity::High,
        2 => Severity::Medium,
        _ => Severity::Low,
    })
}

/// The ATT&CK techniques that the metadata names.
fn techniques(choices: &[Choice<'_>]) -> Vec<String> {
    let pairs = choices.iter().filter(|choice| choice.key == "metadata").flat_map(|c| c.value.split(','));
    let mut found: Vec<String> = Vec::new();
    for pair in pairs {
        let mut words = pair.split(|c: char| c.is_whitespace() || c == ':').filter(|word| !word.is_empty());
        let (Some("mitre_technique_id"), Some(id)) = (words.next(), words.next()) else { continue };
        if is_technique(id) && !found.iter().any(|known| known == id) {
            found.push(id.to_owned());
        }
    }
    found
}

fn is_technique(id: &str) -> bool {
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let Some(number) = id.strip_prefix('T') else { return false };
    let (number, sub) = number.split_once('.').map_or((number, None), |(number, sub)| (number, Some(sub)));
    digits(number, 4) && sub.is_none_or(|sub| digits(sub, 3))
}

/// What is kept of a rule for people: where it comes from, its class and its references.
fn comments(place: Place, file: &str, title: &Title, action: &str, choices: &[Choice<'_>]) -> Vec<String> {
    let mut first = match &title.sid {
        Some(sid) => format!("from sid {sid}"),
        None => "from a rule without sid".to_owned(),
    };
    if let Some(rev) = value(choices, "rev") {
        first.push_str(&format!(" rev {}", plain(rev, 20)));
    }
    first.push_str(&format!(", {}:{}", plain(file, LONGEST), place.line));
    let kept = choices
        .iter()
        .filter(|choice| matches!(choice.key, "classtype" | "priority" | "reference" | "metadata"))
        .map(|choice| plain(&format!("{}: {}", choice.key, choice.value), LONGEST));
    let blocked = !matches!(action, "alert" | "pass");
    let blocked = blocked.then(|| format!("action: {action}; Wayside alerts and never blocks"));
    std::iter::once(first).chain(blocked).chain(kept.take(16)).collect()
}
