//! The dashboards that we ship.

use super::ours;
use serde_json::Value;
use std::collections::BTreeSet;

/// A dashboard.
pub struct Board {
    /// Its queries, of panels and annotations, as Grafana would send them.
    pub queries: Vec<String>,
    /// The metric and label of each variable.
    pub variables: Vec<(String, String)>,
}

/// All of them.
pub fn read() -> Vec<Board> {
    let mut boards: Vec<Board> = Vec::new();
    for entry in std::fs::read_dir(ours("deploy/grafana/dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let mut queries = Vec::new();
        gather(&json, &mut queries);
        let variables = json["templating"]["list"].as_array().unwrap().iter().filter_map(variable).collect();
        boards.push(Board { queries: queries.iter().map(|query| filled(query)).collect(), variables });
    }
    assert!(boards.len() >= 3);
    boards
}

/// Every `expr` below here.
fn gather(json: &Value, queries: &mut Vec<String>) {
    match json {
        Value::Object(members) => {
            if let Some(expression) = members.get("expr").and_then(Value::as_str) {
                queries.push(expression.to_owned());
            }
            members.values().for_each(|member| gather(member, queries));
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, queries)),
        _ => {}
    }
}

/// A query with its variables replaced as Grafana does it; none may be left.
fn filled(query: &str) -> String {
    let filled = query
        .replace("$__rate_interval", "10s")
        .replace("$__range", "1m")
        .replace("$sensor", ".*")
        .replace("$protocol", ".*");
    assert!(!filled.contains('$'), "{filled}");
    filled
}

/// `label_values(metric, label)`.
fn variable(json: &Value) -> Option<(String, String)> {
    let query = json["query"]["query"].as_str()?;
    let inside = query.strip_prefix("label_values(")?.strip_suffix(')')?;
    let (metric, label) = inside.rsplit_once(", ")?;
    Some((filled(metric), label.to_owned()))
}

/// What Grafana needs to take a file as it is: an own name, a source that can be chosen, panels side by side.
#[test]
fn dashboards_are_whole() {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(ours("deploy/grafana/dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let name = json["uid"].as_str().unwrap();
        assert_eq!(path.file_stem().unwrap().to_str(), Some(name), "a file is called as its dashboard");
        assert!(names.insert(name.to_owned()));
        assert_eq!(json["schemaVersion"], 39);
        assert!(json.get("id").is_none_or(Value::is_null), "a number belongs to one Grafana only");
        let mut taken = BTreeSet::new();
        let mut numbers = BTreeSet::new();
        for panel in json["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            let unit = &panel["fieldConfig"]["defaults"]["unit"];
            assert!(
                unit.is_string() && panel["description"].is_string(),
                "{title} has no unit or no description"
            );
            assert!(numbers.insert(panel["id"].as_u64().unwrap()), "{title}");
            let mut sources = vec![&panel["datasource"]];
            sources.extend(panel["targets"].as_array().unwrap().iter().map(|target| &target["datasource"]));
            assert!(sources.iter().all(|source| source["uid"] == "${datasource}"), "{title}");
            let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(place("x") + place("w") <= 24, "{title} is out of the page");
            for x in place("x")..place("x") + place("w") {
                for y in place("y")..place("y") + place("h") {
                    assert!(taken.insert((x, y)), "{title} lies over another panel");
                }
            }
        }
    }
}
