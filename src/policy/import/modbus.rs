//! The `modbus` keyword of Suricata, and `modbus_func` and `modbus_unit` of Snort, as conditions of a rule.
//!
//! What they mean was taken from Suricata's documentation (rules, Modbus keyword) and checked against its source
//! (`rust/src/modbus/detect.rs`, and the parser that it uses):
//! - Addresses in rules begin at 1: the address of the message plus one is compared. Point 0 is `address 1`.
//! - `<N` and `>N` exclude N, `N<>M` excludes both. A range matches where any address of the message lies in it, which
//!   is how a deny rule looks at points.
//! - A value needs one exact address, and is the value written there.
//! - `access read` is functions 1 to 4 and the reading half of 23, `access write` is 5, 6, 15, 16, 22 and the writing
//!   half of 23: what names points of the four tables with that verb. For the reading half of 23 Suricata compares the
//!   written addresses; here the read ones are.
//! - A function is compared by its code. (Where the parser has no name for it, Suricata 6 and later take every
//!   nameless code for the same; the documentation knows nothing of that, and it is not repeated here.)
//! - A subfunction is compared for function 8 only.
//! - A lower bound of 0 and an upper bound of 65535 are inside in the source, and outside in the documentation. Such
//!   ranges are not carried over.

use super::Meaning;
use std::ops::RangeInclusive;

/// The largest function code of a request; above it are exceptions.
const LAST_FUNCTION: u16 = 127;
/// Diagnostics.
pub(super) const DIAGNOSTICS: u16 = 8;
/// Change ASCII Input Delimiter: the one subfunction of Diagnostics that configures.
const CHANGE_DELIMITER: u16 = 3;
/// Restart Communications Option and Force Listen Only Mode: the two subfunctions of Diagnostics that restart.
pub(super) const RESTARTS: [u16; 2] = [1, 4];

/// Codes that the standard keeps for old products (MODBUS Application Protocol V1.1b3, annex A).
const RESERVED: [u16; 11] = [9, 10, 13, 14, 41, 42, 90, 91, 125, 126, 127];
/// Codes for whoever wants them (5, figure 3).
const USER: [RangeInclusive<u16>; 2] = [65..=72, 100..=110];
/// Codes that the standard defines (6).
const ASSIGNED: [RangeInclusive<u16>; 5] = [1..=8, 11..=12, 15..=17, 20..=24, 43..=43];

const CATEGORY_NOTE: &str = "it goes by function codes as the standard has them: 9, 10, 13 and 14 count as reserved, \
                             18 and 19 as unassigned, and reserved subfunctions of 8 and 43 are not told apart";

/// Snort's names of functions.
const SNORT_NAMES: [(&str, u16); 19] = [
    ("read_coils", 1),
    ("read_discrete_inputs", 2),
    ("read_holding_registers", 3),
    ("read_input_registers", 4),
    ("write_single_coil", 5),
    ("write_single_register", 6),
    ("read_exception_status", 7),
    ("diagnostics", 8),
    ("get_comm_event_counter", 11),
    ("get_comm_event_log", 12),
    ("write_multiple_coils", 15),
    ("write_multiple_registers", 16),
    ("report_slave_id", 17),
    ("read_file_record", 20),
    ("write_file_record", 21),
    ("mask_write_register", 22),
    ("read_write_multiple_registers", 23),
    ("read_fifo_queue", 24),
    ("encapsulated_interface_transport", 43),
];

/// A number or a range of a rule.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Bound {
    Exactly(u16),
    Below(u16),
    Above(u16),
    Between(u16, u16),
}

impl Bound {
    fn read(text: &str) -> Option<Bound> {
        let number = |text: &str| -> Option<u16> {
            let text = text.trim();
            text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
        };
        if let Some((low, high)) = text.split_once("<>") {
            return Some(Bound::Between(number(low)?, number(high)?));
        }
        if let Some(above) = text.strip_prefix('>') {
            return Some(Bound::Above(number(above)?));
        }
        if let Some(below) = text.strip_prefix('<') {
            return Some(Bound::Below(number(below)?));
        }
        number(text).map(Bound::Exactly)
    }

    /// What it holds of the numbers from `lowest` to `highest`; nothing where it holds none.
    fn within(self, lowest: u32, highest: u32) -> Option<(u32, u32)> {
        let (first, last) = match self {
            Bound::Exactly(n) => (n.into(), n.into()),
            Bound::Below(n) => (0, u32::from(n).checked_sub(1)?),
            Bound::Above(n) => (u32::from(n) + 1, u32::MAX),
            Bound::Between(low, high) => (u32::from(low) + 1, u32::from(high).checked_sub(1)?),
        };
        let (first, last) = (first.max(lowest), last.min(highest));
        (first <= last).then_some((first, last))
    }
}

/// Reads the value of the `modbus` keyword.
pub(super) fn keyword(value: &str) -> Result<Meaning, String> {
    let value = value.trim_matches(|c: char| c == '"' || c.is_whitespace());
    let unreadable = || format!("'modbus: {value}' is not in the form that Suricata knows");
    let mut parts = value.split(',').map(split).peekable();
    let mut meaning = Meaning::new("modbus");
    if let Some((_, unit)) = parts.next_if(|(word, _)| *word == "unit") {
        units(&mut meaning, Bound::read(unit).ok_or_else(unreadable)?)?;
        if parts.peek().is_none() {
            return Ok(meaning);
        }
    }
    match parts.next() {
        Some(("function", which)) => {
            let second = match parts.next() {
                None => None,
                Some(("subfunction", text)) => Some(text.parse::<u16>().map_err(|_| unreadable())?),
                Some(_) => return Err(unreadable()),
            };
            function(&mut meaning, which, second)?;
        }
        Some(("access", what)) => {
            let mut bound = |word: &str| -> Result<Option<Bound>, String> {
                match parts.next() {
                    None => Ok(None),
                    Some((found, text)) if found == word => {
                        Bound::read(text).map(Some).ok_or_else(unreadable)
                    }
                    Some(_) => Err(unreadable()),
                }
            };
            let address = bound("address")?;
            let value = bound("value")?;
            access(&mut meaning, what, address, value).map_err(|reason| reason.unwrap_or_else(unreadable))?;
        }
        _ => return Err(unreadable()),
    }
    if parts.next().is_some() { Err(unreadable()) } else { Ok(meaning) }
}

/// The first word of a part, and the rest.
fn split(part: &str) -> (&str, &str) {
    let part = part.trim();
    part.split_once(char::is_whitespace).map_or((part, ""), |(word, rest)| (word, rest.trim()))
}

/// Reads Snort's `modbus_unit`.
pub(super) fn snort_unit(meaning: &mut Meaning, value: &str) -> Result<(), String> {
    match Bound::read(value) {
        Some(unit @ Bound::Exactly(_)) => units(meaning, unit),
        _ => Err(format!("'modbus_unit:{value}' is not a unit")),
    }
}

/// Reads Snort's `modbus_func`.
pub(super) fn snort_function(meaning: &mut Meaning, value: &str) -> Result<(), String> {
    let value = value.trim_matches('"');
    let named = SNORT_NAMES.iter().find(|(name, _)| *name == value).map(|(_, code)| *code);
    let code = named.or_else(|| value.parse().ok());
    function_code(meaning, code.ok_or_else(|| format!("Snort has no Modbus function '{value}'"))?, None)
}

/// Limits a rule to units.
fn units(meaning: &mut Meaning, unit: Bound) -> Result<(), String> {
    if matches!(unit, Bound::Between(0, _)) {
        return Err("Suricata counts unit 0 in, and its documentation does not".to_owned());
    }
    let (first, last) = unit.within(0, 255).ok_or("no unit is in the range that it names")?;
    if (first, last) != (0, 255) {
        meaning.devices = (first..=last).collect();
    }
    Ok(())
}

fn function(meaning: &mut Meaning, which: &str, second: Option<u16>) -> Result<(), String> {
    let (negated, word) = which.strip_prefix('!').map_or((false, which), |rest| (true, rest.trim()));
    let Ok(code) = word.parse::<u16>() else {
        if second.is_some() {
            return Err("a category of functions has no subfunction".to_owned());
        }
        return category(meaning, word, negated);
    };
    if !negated {
        return function_code(meaning, code, second);
    }
    // Suricata negates categories only, but what is meant by the other 126 is not in doubt.
    match (1..=LAST_FUNCTION).contains(&code) && second.is_none() {
        true => meaning.functions = (1..=LAST_FUNCTION).filter(|other| *other != code).collect(),
        false => return Err("it excludes a function that no request has, or a subfunction".to_owned()),
    }
    Ok(())
}

/// Limits a rule to one function, and a subfunction of Diagnostics where the language has a verb for just that.
pub(super) fn function_code(meaning: &mut Meaning, code: u16, second: Option<u16>) -> Result<(), String> {
    if !(1..=LAST_FUNCTION).contains(&code) {
        return Err(format!("requests have functions from 1 to 127, not {code}"));
    }
    meaning.functions = vec![code];
    match (code, second) {
        (_, None) => {}
        (DIAGNOSTICS, Some(CHANGE_DELIMITER)) => meaning.verbs = vec!["configure"],
        (DIAGNOSTICS, Some(second)) if RESTARTS.contains(&second) => {
            meaning.verbs = vec!["restart"];
            meaning.half = Some(second);
        }
        (DIAGNOSTICS, Some(second)) => {
            return Err(format!(
                "it is about subfunction {second} of Diagnostics only, and rules of Wayside name functions"
            ));
        }
        _ => {
            return Err(format!(
                "Suricata compares a subfunction for function 8 only, so with function {code} it matches nothing"
            ));
        }
    }
    Ok(())
}

fn category(meaning: &mut Meaning, word: &str, negated: bool) -> Result<(), String> {
    let user = |code: &u16| USER.iter().any(|range| range.contains(code));
    let reserved = |code: &u16| RESERVED.contains(code);
    let assigned = |code: &u16| ASSIGNED.iter().any(|range| range.contains(code));
    let inside: &dyn Fn(&u16) -> bool = match word {
        "all" => &|_| true,
        "user" => &user,
        "reserved" => &reserved,
        "assigned" => &assigned,
        "unassigned" => &|code| !user(code) && !reserved(code) && !assigned(code),
        "public" => &|code| !user(code) && !reserved(code),
        _ => return Err(format!("Suricata has no category of Modbus functions '{word}'")),
    };
    if word == "all" {
        return if negated { Err("no function is outside 'all'".to_owned()) } else { Ok(()) };
    }
    meaning.functions = (1..=LAST_FUNCTION).filter(|code| inside(code) != negated).collect();
    meaning.note = (word != "user").then(|| CATEGORY_NOTE.to_owned());
    Ok(())
}

/// Limits a rule to reads or writes. An error without a sentence is one of form.
fn access(
    meaning: &mut Meaning,
    what: &str,
    address: Option<Bound>,
    value: Option<Bound>,
) -> Result<(), Option<String>> {
    let (verb, table) = split(what);
    let spaces: &[&str] = match (verb, table) {
        ("read", "") => &["coil", "discrete", "input", "holding"],
        ("write", "") => &["coil", "holding"],
        ("read" | "write", "coils") => &["coil"],
        ("read" | "write", "holding") => &["holding"],
        ("read", "discretes") => &["discrete"],
        ("read", "input") => &["input"],
        ("write", "discretes" | "input") => {
            return Err(Some("discretes and inputs cannot be written".into()));
        }
        _ => return Err(None),
    };
    let which = match address {
        None => "*".to_owned(),
        Some(Bound::Between(_, u16::MAX)) => {
            return Err(Some("Suricata counts address 65535 in, and its documentation does not".into()));
        }
        Some(bound) => {
            // The last point, 65535, is address 65536, which only "greater than" reaches.
            let range = bound.within(1, 65536).filter(|_| bound != Bound::Above(u16::MAX));
            let (first, last) = range.ok_or_else(|| {
                Some("no address is in the range that it names: those of Suricata begin at 1".to_owned())
            })?;
            let (first, last) = (first - 1, last - 1);
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        }
    };
    meaning.verbs = vec![if verb == "read" { "read" } else { "write" }];
    meaning.points = spaces.iter().map(|space| format!("{space}:{which}")).collect();
    let Some(bound) = value else { return Ok(()) };
    if verb == "read" {
        return Err(Some("Suricata itself refuses a value that is read".to_owned()));
    }
    if !matches!(address, Some(Bound::Exactly(_))) {
        return Err(Some("Suricata itself refuses a value at more than one address".to_owned()));
    }
    if matches!(bound, Bound::Between(0, _) | Bound::Between(_, u16::MAX)) {
        return Err(Some(
            "Suricata counts the ends 0 and 65535 of a range in, and its documentation does not".to_owned(),
        ));
    }
    let range = bound.within(0, 65535);
    let (first, last) = range.ok_or_else(|| Some("no value is in the range that it names".to_owned()))?;
    meaning.values = Some(if first == last { first.to_string() } else { format!("\"{first}..{last}\"") });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(value: &str) -> Vec<String> {
        keyword(value).unwrap().points
    }

    #[test]
    fn addresses_of_suricata_begin_at_one() {
        assert_eq!(points("access write holding, address 101"), ["holding:100"]);
        assert_eq!(points("access read input, address <100"), ["input:0-98"]);
        assert_eq!(points("access read discretes, address >100"), ["discrete:100-65535"]);
        assert_eq!(points("access write coils, address 10<>20"), ["coil:10-18"]);
        assert_eq!(points("access write coils, address 10<>12"), ["coil:10"]);
        assert_eq!(points("access write, address 1"), ["coil:0", "holding:0"]);
        assert_eq!(points("access read"), ["coil:*", "discrete:*", "input:*", "holding:*"]);
        for nothing in ["address 0", "address <1", "address >65535", "address 5<>6", "address 7<>3"] {
            assert!(keyword(&format!("access write holding, {nothing}")).is_err(), "{nothing}");
        }
    }

    #[test]
    fn values_exclude_their_bounds() {
        let values = |bound: &str| {
            let text = format!("access write holding, address 500, value {bound}");
            keyword(&text).map(|meaning| meaning.values.unwrap())
        };
        assert_eq!(values("200").unwrap(), "200");
        assert_eq!(values(">200").unwrap(), "\"201..65535\"");
        assert_eq!(values("<200").unwrap(), "\"0..199\"");
        assert_eq!(values("200<>300").unwrap(), "\"201..299\"");
        for wrong in ["<0", ">65535", "5<>6", "0<>5", "5<>65535", "70000", "x"] {
            assert!(values(wrong).is_err(), "{wrong}");
        }
        assert!(keyword("access write holding, address >5, value 1").unwrap_err().contains("refuses"));
        assert!(keyword("access read holding, address 5, value 1").unwrap_err().contains("refuses"));
    }

    #[test]
    fn units_go_with_the_rest() {
        let meaning = keyword("unit 10<>13, function 6").unwrap();
        assert_eq!((meaning.devices, meaning.functions), (vec![11, 12], vec![6]));
        assert_eq!(keyword("unit <3").unwrap().devices, [0, 1, 2]);
        assert_eq!(keyword("unit >253").unwrap().devices, [254, 255]);
        assert_eq!(keyword("unit 7, access write coils").unwrap().devices, [7]);
        assert!(keyword("unit <256").unwrap().devices.is_empty(), "all of them");
        assert!(keyword("unit >255").is_err());
    }

    #[test]
    fn every_code_is_in_one_category() {
        let of = |word: &str| keyword(&format!("function {word}")).unwrap().functions;
        let mut all: Vec<u16> =
            ["assigned", "unassigned", "user", "reserved"].into_iter().flat_map(of).collect();
        all.sort_unstable();
        assert_eq!(all, (1..=127).collect::<Vec<_>>());
        let mut public: Vec<u16> = ["assigned", "unassigned"].into_iter().flat_map(of).collect();
        public.sort_unstable();
        assert_eq!(of("public"), public);
        assert!(of("all").is_empty(), "no condition");
        assert_eq!(of("!user").len(), 127 - 19);
        assert!(keyword("function user").unwrap().note.is_none());
        assert!(keyword("function !reserved").unwrap().note.is_some());
        assert!(keyword("function !all").is_err());
        assert_eq!(of("!90").len(), 126);
    }

    #[test]
    fn subfunctions_only_where_a_verb_says_just_that() {
        assert_eq!(keyword("function 8, subfunction 3").unwrap().verbs, ["configure"]);
        assert_eq!(keyword("function 8, subfunction 4").unwrap().half, Some(4));
        assert!(keyword("function 8, subfunction 10").unwrap_err().contains("subfunction 10"));
        assert!(keyword("function 4, subfunction 4").unwrap_err().contains("matches nothing"));
    }

    #[test]
    fn other_forms_are_refused() {
        for wrong in [
            "",
            "function",
            "function 0",
            "function 300",
            "function 3, address 4",
            "function 3, subfunction 1, x",
            "function some",
            "access",
            "access scan",
            "access write discretes",
            "access write tables",
            "access write holding, value 3",
            "access write holding, address 5, value 3, x",
            "unit",
            "unit x",
            "unit 3, unit 4",
            "unit 3,",
            "unit +3",
        ] {
            assert!(keyword(wrong).is_err(), "{wrong}");
        }
        let mut meaning = Meaning::new("modbus");
        snort_function(&mut meaning, "write_multiple_registers").unwrap();
        snort_unit(&mut meaning, "3").unwrap();
        assert_eq!((meaning.functions, meaning.devices), (vec![16], vec![3]));
    }
}
