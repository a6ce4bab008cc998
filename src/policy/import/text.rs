//! Reads rule files of Suricata and Snort as text: which lines belong together, the header of a rule, its options.

/// A rule longer than this is not read, in octets.
pub(super) const LONGEST: usize = 64 * 1024;
/// Options of one rule beyond this number are not read.
const MOST_OPTIONS: usize = 512;
/// What a rule can begin with.
const ACTIONS: [&str; 17] = [
    "alert",
    "drop",
    "sdrop",
    "block",
    "reject",
    "rejectsrc",
    "rejectdst",
    "rejectboth",
    "react",
    "pass",
    "log",
    "config",
    "activate",
    "dynamic",
    "rewrite",
    "file_id",
    "tag",
];

/// A line of a rule file, or several that belong together.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    /// The 1-based number of the first of them.
    pub number: u32,
    /// Their text in one line.
    pub text: String,
}

/// Splits a file into lines that stand for themselves: a backslash at the end joins the next line, and so do the
/// open brackets of a rule where the next line is indented (Snort 3). Empty lines are left out.
pub(super) fn lines(text: &str) -> Vec<Line> {
    let mut found = Vec::new();
    let mut rest = (1u32..).zip(text.lines()).peekable();
    while let Some((number, first)) = rest.next() {
        let mut joined = String::new();
        let mut more = push(&mut joined, first);
        loop {
            let belongs = |next: &str| next.starts_with([' ', '\t', '(', ')']) && !next.trim().is_empty();
            let open = || starts_rule(&joined) && !joined.trim_end().ends_with(')');
            let next = rest.next_if(|(_, next)| more || (belongs(next) && open()));
            let Some((_, next)) = next else { break };
            more = push(&mut joined, next);
        }
        let text = joined.trim();
        if !text.is_empty() {
            found.push(Line { number, text: text.to_owned() });
        }
    }
    found
}

/// Appends a line; says whether a backslash joins it to the next. Of what is too long only the beginning is kept.
fn push(joined: &mut String, line: &str) -> bool {
    let line = line.trim_end();
    let (line, more) = line.strip_suffix('\\').map_or((line, false), |line| (line, true));
    if joined.len() <= LONGEST {
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(line);
    }
    more
}

/// Whether a line begins as a rule does.
pub(super) fn starts_rule(line: &str) -> bool {
    line.split_whitespace().next().is_some_and(|word| ACTIONS.contains(&word))
}

/// Whether a comment is a rule that somebody has switched off.
pub(super) fn is_commented_rule(comment: &str) -> bool {
    let text = comment.trim_start_matches(|c: char| c == '#' || c.is_whitespace());
    starts_rule(text) && text.contains('(') && text.ends_with(')')
}

/// What stands before the options.
#[derive(Debug, PartialEq)]
pub(super) struct Header<'t> {
    pub action: &'t str,
    pub protocol: &'t str,
    pub from: &'t str,
    pub from_port: &'t str,
    /// Whether the rule is about both directions, `<>`.
    pub both: bool,
    pub to: &'t str,
    pub to_port: &'t str,
}

/// One option: a keyword, and what stands behind its colon.
#[derive(Debug, PartialEq)]
pub(super) struct Choice<'t> {
    pub key: &'t str,
    pub value: &'t str,
}

/// Reads what stands before the options. Snort 3 lets a rule say only what it does and the protocol.
pub(super) fn header(text: &str) -> Result<Header<'_>, &'static str> {
    let words = words(text.split_once('(').map_or(text, |(before, _)| before));
    match words.as_slice() {
        [action, protocol] => Ok(Header {
            action,
            protocol,
            from: "any",
            from_port: "any",
            both: false,
            to: "any",
            to_port: "any",
        }),
        [action, protocol, from, from_port, direction @ ("->" | "<>"), to, to_port] => {
            Ok(Header { action, protocol, from, from_port, both: *direction == "<>", to, to_port })
        }
        _ => Err("what stands before its options is not 'action protocol address port -> address port'"),
    }
}

/// The words of a header; spaces inside square brackets do not divide.
fn words(text: &str) -> Vec<&str> {
    let mut depth = 0usize;
    let divides = |c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && c.is_whitespace()
    };
    text.split(divides).filter(|word| !word.is_empty()).collect()
}

/// Reads the options between the round brackets.
pub(super) fn choices(text: &str) -> Result<Vec<Choice<'_>>, &'static str> {
    let body = text.split_once('(').map(|(_, body)| body.trim_end());
    let body = body.ok_or("it has no options in brackets")?;
    let body = body.strip_suffix(')').ok_or("the bracket around its options is not closed")?;
    let mut found = Vec::new();
    let (mut quoted, mut escaped, mut start) = (false, false, 0);
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => {
                found.extend(choice(body.get(start..at).unwrap_or_default()));
                start = at + 1;
            }
            _ => {}
        }
    }
    if quoted {
        return Err("a quotation mark in its options is not closed");
    }
    found.extend(choice(body.get(start..).unwrap_or_default()));
    if found.len() > MOST_OPTIONS { Err("it has more than 512 options") } else { Ok(found) }
}

fn choice(text: &str) -> Option<Choice<'_>> {
    let (key, value) = text.split_once(':').unwrap_or((text, ""));
    let key = key.trim();
    (!key.is_empty()).then(|| Choice { key, value: value.trim() })
}

/// Takes the quotation marks off a text, and the backslashes before what they protect.
pub(super) fn unquote(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let mut out = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
            continue;
        }
        if escaped && !matches!(c, '"' | ';' | ':' | '\\') {
            out.push('\\');
        }
        escaped = false;
        out.push(c);
    }
    if escaped {
        out.push('\\');
    }
    out
}

/// One line of text without control characters, cut after so many characters.
pub(super) fn plain(text: &str, most: usize) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", words.get(..at).unwrap_or_default()),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_by_a_backslash_or_by_open_brackets() {
        let text = "# one\n\nalert a \\\n b (x;)\nalert tcp\n(\n  msg:\"m\";\n)\nvar A b\n  indented\n";
        let found: Vec<(u32, String)> =
            lines(text).into_iter().map(|line| (line.number, line.text)).collect();
        let expected = [
            (1, "# one"),
            (3, "alert a   b (x;)"),
            (5, "alert tcp (   msg:\"m\"; )"),
            (9, "var A b"),
            (10, "indented"),
        ];
        assert_eq!(found, expected.map(|(number, text)| (number, text.to_owned())));
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let text = format!("alert {}\\\n", "x".repeat(1000)).repeat(500);
        let found = lines(&text);
        assert_eq!(found.len(), 1);
        assert!(found[0].text.len() < LONGEST + 2000);
    }

    #[test]
    fn headers_keep_lists_together() {
        let found = header("alert modbus [10.0.0.1, [10.0.0.2]] any <> !$PLC [502, 503] (x;)").unwrap();
        assert_eq!(found.from, "[10.0.0.1, [10.0.0.2]]");
        assert_eq!((found.both, found.to, found.to_port), (true, "!$PLC", "[502, 503]"));
        assert_eq!(header("alert modbus (x;)").unwrap().to, "any");
        assert!(header("alert modbus any any <- any any (x;)").is_err());
        assert!(header("alert").is_err());
    }

    #[test]
    fn options_may_hold_quoted_semicolons_brackets_and_colons() {
        let found = choices(r#"alert x (msg:"a; b (c) \"d\""; pcre:"/x\;y/"; dnp3_data; sid:1;)"#).unwrap();
        let keys: Vec<&str> = found.iter().map(|choice| choice.key).collect();
        assert_eq!(keys, ["msg", "pcre", "dnp3_data", "sid"]);
        assert_eq!(unquote(found[0].value), "a; b (c) \"d\"");
        assert_eq!(found[3].value, "1");
        for wrong in ["alert x", "alert x (msg:\"a;)", "alert x (sid:1;"] {
            assert!(choices(wrong).is_err(), "{wrong}");
        }
        assert_eq!(unquote(r#""C:\x\\""#), r"C:\x\");
    }

    #[test]
    fn a_switched_off_rule_is_told_from_a_comment() {
        assert!(is_commented_rule("# # alert tcp any any -> any any (sid:1;)"));
        assert!(!is_commented_rule("# alert: this is prose (mostly)."));
        assert!(!is_commented_rule("# pass the salt"));
    }

    #[test]
    fn plain_text_is_one_line_of_bounded_length() {
        assert_eq!(plain(" a\u{0}b\n\tc ", 80), "a b c");
        assert_eq!(plain("äöüß", 2), "äö…");
    }
}
