//! The keywords of DNP3 as conditions of a rule. Suricata and Snort have the same (Suricata's documentation, rules,
//! DNP3 keywords; `src/detect-dnp3.c`).
//!
//! `dnp3_func` compares the function of requests and of responses. Requests and unsolicited responses become rules;
//! answers to requests are not judged by Wayside.

use super::Meaning;

/// Names of functions, in the order of their codes from 0.
const REQUESTS: [&str; 34] = [
    "confirm",
    "read",
    "write",
    "select",
    "operate",
    "direct_operate",
    "direct_operate_nr",
    "immed_freeze",
    "immed_freeze_nr",
    "freeze_clear",
    "freeze_clear_nr",
    "freeze_at_time",
    "freeze_at_time_nr",
    "cold_restart",
    "warm_restart",
    "initialize_data",
    "initialize_appl",
    "start_appl",
    "stop_appl",
    "save_config",
    "enable_unsolicited",
    "disable_unsolicited",
    "assign_class",
    "delay_measure",
    "record_current_time",
    "open_file",
    "close_file",
    "delete_file",
    "get_file_info",
    "authenticate_file",
    "abort_file",
    "activate_config",
    "authenticate_req",
    "authenticate_err",
];
/// Names of functions, in the order of their codes from 129.
const RESPONSES: [&str; 3] = ["response", "unsolicited_response", "authenticate_resp"];
/// The first function code of responses.
const RESPONSE: u16 = 129;
/// What an outstation sends unasked.
pub(super) const UNSOLICITED: u16 = 130;

/// Reads the value of `dnp3_func`.
pub(super) fn function(value: &str) -> Result<Meaning, String> {
    let value = value.trim_matches('"').trim();
    let same = |name: &&str| name.eq_ignore_ascii_case(value);
    let named = (0u16..).zip(REQUESTS).chain((RESPONSE..).zip(RESPONSES));
    let named = named.filter(|(_, name)| same(name)).map(|(code, _)| code).next();
    let code = named.or_else(|| value.parse::<u8>().ok().map(u16::from));
    function_code(code.ok_or_else(|| format!("DNP3 has no function '{value}' in Suricata or Snort"))?)
}

/// A rule about one function.
pub(super) fn function_code(code: u16) -> Result<Meaning, String> {
    if code >= RESPONSE && code != UNSOLICITED {
        return Err("it is about answers, and Wayside judges requests".to_owned());
    }
    let mut meaning = Meaning::new("dnp3");
    meaning.functions = vec![code];
    Ok(meaning)
}

/// Why objects without a function are left.
pub(super) const OBJECTS_OF_ANSWERS: &str = "it is about objects in answers too, and Wayside judges requests (with dnp3_func it would be about those)";

/// Reads the value of `dnp3_obj`: a group and a variation. The source compares the variation as it stands: 0 is the
/// one of requests that leave the choice to the outstation, not "any".
pub(super) fn object(value: &str) -> Result<String, String> {
    let numbers = value.trim_matches('"').split_once(',');
    let numbers = numbers.and_then(|(group, variation)| {
        Some((group.trim().parse::<u8>().ok()?, variation.trim().parse::<u8>().ok()?))
    });
    let (group, variation) = numbers.ok_or_else(|| format!("'{value}' is not a group and a variation"))?;
    Ok(format!("g{group}v{variation}"))
}

/// Why an option is not carried over, where it is one of DNP3 beside the function.
pub(super) fn refusal(key: &str) -> Option<&'static str> {
    Some(match key {
        "dnp3_ind" | "dnp3.ind" => "the internal indications of answers are not judged by rules of Wayside",
        "dnp3_data" | "dnp3.data" => "it looks at octets, and Wayside judges what a message means",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_by_name_and_number() {
        for (value, code) in
            [("cold_restart", 13), ("Authenticate_Err", 33), ("13", 13), ("unsolicited_response", 130)]
        {
            assert_eq!(function(value).unwrap().functions, [code], "{value}");
        }
        assert_eq!(object("12,1").as_deref(), Ok("g12v1"));
        assert_eq!(object(" 60 , 2 ").as_deref(), Ok("g60v2"));
        assert!(object("12").is_err() && object("300,1").is_err() && object("a,b").is_err());
        for wrong in ["response", "129", "131", "255", "256", "reboot", ""] {
            assert!(function(wrong).is_err(), "{wrong}");
        }
    }
}
