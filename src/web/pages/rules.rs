//! The rules in force, and changes to them.

use crate::policy::{self, Problem, edit};
use crate::store::{Actor, AuditEntry};
use crate::web::site::Site;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;

/// Adds the rule that allows an alert's message to the file that it belongs into. The sensor sees that the file has
/// changed and loads the rules again.
///
/// # Errors
/// One sentence: there is no such alert or rule, the rules would not load with it, the file cannot be written.
pub(super) fn allow(site: &Site, id: &str, who: &Actor) -> Result<(), String> {
    let whole = site.store.read(|reader| reader.alert(id)).map_err(|error| error.to_string())?;
    let whole = whole.ok_or("there is no such alert")?;
    let json: Value = serde_json::from_str(&whole.json).map_err(|error| error.to_string())?;
    let rule = json.pointer("/allow/rule").and_then(Value::as_str).ok_or("no rule can allow this")?;
    let like = json.get("rule_at").and_then(Value::as_str).and_then(|at| at.rsplit_once(':'));
    let files = policy::read_all(&site.rule_paths).map_err(|problems| said(&problems))?;
    let file = edit::place(&files, like.map(|(file, _)| file)).ok_or("there is no rule file to add it to")?;
    let rules = site.rules.load_full().ok_or("no rules are in force")?;
    let added =
        edit::add_rule(&files, &file.name, rule, rules.vocabularies()).map_err(|problems| said(&problems))?;
    let entry = AuditEntry {
        what: "rule added".into(),
        subject: file.name.clone(),
        before: Some(json!({ "text": file.text }).to_string()),
        after: Some(json!({ "rule": rule, "alert": id }).to_string()),
        note: None,
    };
    site.store.audit(who, entry).map_err(|error| error.to_string())?;
    replace(Path::new(&file.name), &added.text)
        .map_err(|error| format!("cannot write {}: {error}", file.name))
}

/// What is wrong with rules, as sentences.
fn said(problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|problem| problem.is_error());
    errors.map(Problem::one_line).collect::<Vec<_>>().join("; ")
}

/// Puts a text in the place of a file's, whole or not at all.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.new"));
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    if let Ok(known) = std::fs::metadata(path) {
        file.set_permissions(known.permissions())?;
    }
    file.sync_all()?;
    std::fs::rename(&beside, path)
}
