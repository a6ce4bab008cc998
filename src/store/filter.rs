//! Which alerts a page shows, and how that is asked of the database.

use super::Life;
use super::number::signed;
use crate::address::Address;
use crate::alert::Severity;
use rusqlite::types::Value;

/// Which alerts. All conditions must hold; an empty list is no condition.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// One of these severities.
    pub severities: Vec<Severity>,
    /// One of these states.
    pub states: Vec<Life>,
    /// One of these kinds, by [`AlertKind::name`](crate::alert::AlertKind::name).
    pub kinds: Vec<String>,
    /// Of this rule.
    pub rule: Option<String>,
    /// In this protocol: `modbus`.
    pub protocol: Option<String>,
    /// From or to this address, as [`Address`](crate::address::Address) prints it.
    pub host: Option<String>,
    /// With this other address too: together with `host`, what is between the two.
    pub peer: Option<String>,
    /// Part of this incident.
    pub incident: Option<String>,
    /// With all of these words, or their beginnings, in the sentence, the rule's name or the addresses.
    pub text: Option<String>,
    /// Seen at or after this time, in nanoseconds since 1970.
    pub from: Option<i64>,
    /// First seen before this time, in nanoseconds since 1970.
    pub to: Option<i64>,
    /// Only those that are suppressed, or only those that are not.
    pub suppressed: Option<bool>,
}

/// Words of a search that are looked for.
const WORDS: usize = 16;

/// The tables and conditions of a query.
pub(super) struct Query {
    /// From `FROM` on, with all conditions: `a` is the alert, and order by `row_name` is its order.
    pub from: String,
    /// What to order by.
    pub row: &'static str,
    pub values: Vec<Value>,
}

impl Filter {
    /// Those that need a person: new ones, not suppressed.
    pub fn unseen() -> Filter {
        Filter { states: vec![Life::New], suppressed: Some(false), ..Filter::default() }
    }

    /// Those that are not closed, nor suppressed.
    pub fn open() -> Filter {
        Filter { states: vec![Life::New, Life::Acknowledged], suppressed: Some(false), ..Filter::default() }
    }

    /// As a query. `before` is the row that what is asked for lies below.
    pub(super) fn query(&self, before: Option<i64>) -> Query {
        let mut query = Query { from: String::new(), row: "a.row", values: Vec::new() };
        let words = self.text.as_deref().map(words).unwrap_or_default();
        // What leads is what lies in order of rows already, so that the newest are found without sorting.
        let host_leads = words.is_empty() && self.host.is_some();
        query.from = if !words.is_empty() {
            query.row = "t.rowid";
            query.values.push(words.into());
            "FROM alert_text t CROSS JOIN alert a ON a.row = t.rowid WHERE t.alert_text MATCH ?".into()
        } else if let Some(host) = &self.host {
            query.row = "h.row";
            query.values.push(host.clone().into());
            "FROM alert_host h CROSS JOIN alert a ON a.row = h.row WHERE h.address = ?".into()
        } else {
            "FROM alert a WHERE 1".into()
        };
        if let Some(before) = before {
            let row = query.row;
            query.and(&format!("{row} < ?"), [before.into()]);
        }
        for host in [self.host.as_ref().filter(|_| !host_leads), self.peer.as_ref()].into_iter().flatten() {
            query.and(
                "EXISTS (SELECT 1 FROM alert_host o WHERE o.address = ? AND o.row = a.row)",
                [host.clone().into()],
            );
        }
        // A plus keeps the planner from an index that would make it sort.
        let severities = self.severities.iter().map(|severity| (severity.index() as i64).into());
        query.one_of("+a.severity", severities.collect());
        let states: Vec<Value> = self.states.iter().map(|state| state.number().into()).collect();
        query.one_of(if states.len() == 1 && self.is_rare() { "a.state" } else { "+a.state" }, states);
        query.one_of("+a.kind", self.kinds.iter().map(|kind| kind.clone().into()).collect());
        for (column, text) in
            [("a.rule", &self.rule), ("+a.proto", &self.protocol), ("a.incident", &self.incident)]
        {
            if let Some(text) = text {
                query.and(&format!("{column} = ?"), [text.clone().into()]);
            }
        }
        if let Some(from) = self.from {
            query.and("a.last_seen >= ?", [from.into()]);
        }
        if let Some(to) = self.to {
            // The row is the time of the first message or a little later.
            query.and("a.row < ? AND a.first_seen < ?", [to.saturating_add(CROWDED).into(), to.into()]);
        }
        match self.suppressed {
            Some(true) => query.and("a.suppressed_by IS NOT NULL", []),
            Some(false) => query.and("+a.suppressed_by IS NULL", []),
            None => {}
        }
        query
    }

    /// Whether what is asked for is likely a small part of all alerts, so that the index of states helps.
    fn is_rare(&self) -> bool {
        self.states.first().is_some_and(|state| *state != Life::Closed)
            && self.suppressed != Some(true)
            && self.text.is_none()
            && self.host.is_none()
            && self.rule.is_none()
            && self.incident.is_none()
    }
}

/// How far rows may lie after the times of their alerts, in nanoseconds.
const CROWDED: i64 = 10_000_000;

impl Query {
    fn and<const N: usize>(&mut self, condition: &str, values: [Value; N]) {
        self.from.push_str(" AND ");
        self.from.push_str(condition);
        self.values.extend(values);
    }

    fn one_of(&mut self, column: &str, values: Vec<Value>) {
        match values.len() {
            0 => {}
            1 => {
                self.from.push_str(&format!(" AND {column} = ?"));
                self.values.extend(values);
            }
            many => {
                let marks = vec!["?"; many].join(", ");
                self.from.push_str(&format!(" AND {column} IN ({marks})"));
                self.values.extend(values);
            }
        }
    }

    /// Adds what comes after the conditions.
    pub(super) fn newest(mut self, select: &str, limit: usize) -> (String, Vec<Value>) {
        self.values.push(signed(limit as u64).into());
        (format!("SELECT {select} {} ORDER BY {} DESC LIMIT ?", self.from, self.row), self.values)
    }
}

/// What a person typed, in the language of the index: each word in quotes, so that none means anything else, and as
/// the beginning of a word.
fn words(text: &str) -> String {
    let word = |word: &str| {
        // An address is meant as it is: 10.20.1.3 is not 10.20.1.30.
        let end = if word.parse::<Address>().is_ok() { "" } else { "*" };
        format!("\"{}\"{end}", word.replace('"', "\"\""))
    };
    let has_letter = |word: &&str| word.chars().any(char::is_alphanumeric);
    let all: Vec<String> = text.split_whitespace().filter(has_letter).take(WORDS).map(word).collect();
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_is_words_and_nothing_else() {
        assert_eq!(words("plc-3  10.20.1"), "\"plc-3\"* \"10.20.1\"*");
        assert_eq!(words("10.20.1.3 00:1d:9c:c7:b0:70"), "\"10.20.1.3\" \"00:1d:9c:c7:b0:70\"");
        assert_eq!(words("a\"b OR - NEAR("), "\"a\"\"b\"* \"OR\"* \"NEAR(\"*");
        assert_eq!(words(" - * "), "");
    }
}
