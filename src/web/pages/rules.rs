//! The rules in force: what each has matched, where it stands; and changes to them, tried before they go in.

use super::alert::encoded;
use super::{ask, blocking, overview};
use crate::address::Timestamp;
use crate::policy::diff::{self, Difference, How};
use crate::policy::{self, Loaded, Problem, RuleSet, Text, edit};
use crate::store::{Actor, AuditEntry};
use crate::web::acts::actor;
use crate::web::asked::{Asked, Form};
use crate::web::failure::Failure;
use crate::web::layout::{Page, Tab};
use crate::web::site::{Here, Site};
use crate::web::trial::{Trial, trial};
use crate::web::visitor::{Role, Visitor};
use crate::web::words::{When, counted, grouped};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;

/// Rules on one page.
const SHOWN: usize = 500;

/// The page.
///
/// # Errors
/// Where the store cannot be read.
pub async fn page(Here(site): Here, visitor: Visitor, asked: Asked) -> Result<Response, Failure> {
    let seen = overview(&site).await?;
    let (counts, sets) =
        ask(&site, |reader| Ok((reader.rule_counts(i64::MIN)?, reader.rule_sets(None, 10)?.items))).await?;
    let open: HashMap<Option<String>, (u64, u64)> =
        counts.into_iter().map(|count| (count.rule, (count.alerts, count.open))).collect();
    let rules = site.rules.load_full();
    let hits = &seen.health.hits;
    let content = html! {
        div.title { h1 { "Rules" } @if let Some(rules) = &rules { span.soft { (counted(rules.rules().len() as u64, "rule")) " in force" } } }
        @if let Some(said) = asked.one("said") { p.said role="status" { (said) } }
        div.stack {
            section.panel aria-labelledby="force" {
                h2 #force { "In force" }
                @match &rules {
                    None => { p { "No rules are loaded: nothing is judged. Name rule files in [rules] of the configuration; `wayside learn` writes a first one." } }
                    Some(rules) => { (table(&site, rules, hits, &open)) }
                }
                @if let Some((alerts, now)) = open.get(&None) {
                    p.small { (counted(*alerts, "alert")) ", " (grouped(*now)) " of them open, of what no rule is about." }
                }
            }
            (files(&site, &visitor))
            @if !sets.is_empty() {
                section.panel aria-labelledby="loaded" {
                    h2 #loaded { "Loaded" }
                    ul.rows { @for set in &sets { li {
                        span.num { (counted(set.rules, "rule")) }
                        span.what.mono { (set.hash) }
                        span.when { (When { clock: &site.clock, at: Timestamp::from_nanos(set.at), now: seen.now }) }
                    } } }
                }
            }
        }
    };
    let page = Page { site: &site, visitor: &visitor, title: "Rules", tab: Tab::Rules, live: None };
    Ok(page.around(&seen.state, &content))
}

fn table(site: &Site, rules: &RuleSet, hits: &[u64], open: &HashMap<Option<String>, (u64, u64)>) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th { "Rule" } th { "In words" } th.num { "Messages" } th.num { "Open alerts" } th { "Where" } } }
            tbody { @for (at, rule) in rules.rules().iter().enumerate().take(SHOWN) {
                tr {
                    th scope="row" { (rule.name) " " span.tag { (rule.kind.name()) } }
                    td { (policy::words(rule, rules)) }
                    td.num { @match hits.get(at) {
                        Some(0) => { span.tag { "unused" } }
                        Some(count) => { (grouped(*count)) }
                        None => {}
                    } }
                    td.num { @let alerts = open.get(&Some(rule.name.clone())).map_or(0, |count| count.1);
                        @if alerts > 0 { a href=(site.link(&format!("alerts?rule={}&state=new&state=acknowledged", encoded(&rule.name)))) { (grouped(alerts)) } } @else { "0" }
                    }
                    td { a.small.keep href=(place(site, &rule.file, rule.line)) { (short(&rule.file)) ":" (rule.line) } }
                }
            } }
        } }
        @if rules.rules().len() > SHOWN { p.small { (grouped((rules.rules().len() - SHOWN) as u64)) " more are not shown here." } }
    }
}

fn short(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

fn place(site: &Site, file: &str, line: u32) -> String {
    site.link(&format!("rules/file?name={}#L{line}", encoded(file)))
}

fn files(site: &Site, visitor: &Visitor) -> Markup {
    let Ok(files) = policy::read_all(&site.rule_paths) else { return html! {} };
    html! {
        @if !files.is_empty() {
            section.panel aria-labelledby="files" {
                h2 #files { "Files" }
                ul.links { @for file in &files { li {
                    a title=(file.name) href=(site.link(&format!("rules/file?name={}", encoded(&file.name)))) { (short(&file.name)) }
                    @if visitor.may(Role::Operate) && site.is_live() { " " a href=(site.link(&format!("rules/edit?name={}", encoded(&file.name)))) { "try a change" } }
                } } }
            }
        }
    }
}

/// The files of the rules, and the one of a name.
fn find(site: &Site, name: &str) -> Result<(Vec<Text>, Text), Failure> {
    let files = policy::read_all(&site.rule_paths)
        .map_err(|problems| Failure::new(StatusCode::CONFLICT, said(&problems)))?;
    let file = files.iter().find(|file| file.name == name).cloned();
    file.map(|file| (files, file)).ok_or_else(|| Failure::not_found("rule file"))
}

/// A rule file, line by line.
///
/// # Errors
/// Where it is none of the rules' files.
pub async fn file(Here(site): Here, visitor: Visitor, asked: Asked) -> Result<Response, Failure> {
    let seen = overview(&site).await?;
    let (name, line) = match (asked.one("name"), asked.one("at").and_then(|at| at.rsplit_once(':'))) {
        (Some(name), _) => (name, None),
        (None, Some((name, line))) => (name, line.parse::<usize>().ok()),
        (None, None) => return Err(Failure::not_found("rule file")),
    };
    let (_, file) = find(&site, name)?;
    let content = html! {
        div.title {
            p.crumb { a href=(site.link("rules")) { "Rules" } " / " (file.name) }
            h1 { (short(&file.name)) }
        }
        section.panel aria-label="Text" {
            div.scroll tabindex="0" role="group" aria-label="Lines" {
                ol.lines { @for (at, text) in file.text.lines().enumerate() {
                    li #(format!("L{}", at + 1)) .here[line == Some(at + 1)] { code { (text) } }
                } }
            }
        }
    };
    let page = Page { site: &site, visitor: &visitor, title: "Rules", tab: Tab::Rules, live: None };
    Ok(page.around(&seen.state, &content))
}

/// A rule file to change, or a change that was tried.
///
/// # Errors
/// Where it is none of the rules' files.
pub async fn edit(Here(site): Here, visitor: Visitor, asked: Asked) -> Result<Response, Failure> {
    let (_, file) = find(&site, asked.one("name").unwrap_or_default())?;
    let text = file.text.clone();
    editor(&site, &visitor, &file, &text, None).await
}

/// Tries a change: what is wrong with it, or what it changes in meaning. With `save`, it goes in.
///
/// # Errors
/// Where it is none of the rules' files, has errors when it is to go in, or the file cannot be written.
pub async fn try_it(Here(site): Here, visitor: Visitor, Form(form): Form) -> Result<Response, Failure> {
    let (files, file) = find(&site, form.one("name").unwrap_or_default())?;
    // A browser sends the ends of lines as CR LF.
    let text = form.raw("text").unwrap_or_default().replace("\r\n", "\n");
    let wanted = text.clone();
    let name = file.name.clone();
    let tried = blocking(&site, move |site| Ok::<_, String>(tried(site, &files, &name, &wanted))).await?;
    if form.one("action") != Some("save") {
        return editor(&site, &visitor, &file, &text, Some(&tried)).await;
    }
    if !visitor.may(Role::Administer) {
        return Err(Failure::new(StatusCode::FORBIDDEN, "this needs the role 'administer'"));
    }
    if tried.is_err() || form.one("was").is_some_and(|was| was != digest(&file.text)) {
        let answer = editor(&site, &visitor, &file, &text, Some(&tried)).await?;
        return Ok((StatusCode::CONFLICT, answer).into_response());
    }
    let who = actor(&visitor);
    let saved = blocking(&site, move |site| {
        let entry = AuditEntry {
            what: "rules changed".into(),
            subject: file.name.clone(),
            before: Some(json!({ "text": file.text }).to_string()),
            after: Some(json!({ "text": text }).to_string()),
            note: None,
        };
        site.store.audit(&who, entry).map_err(|error| error.to_string())?;
        replace(Path::new(&file.name), &text).map_err(|error| format!("cannot write {}: {error}", file.name))
    });
    saved.await?;
    Ok(Redirect::to(&site.link("rules?said=The+change+is+written.+It+is+in+force+in+a+moment."))
        .into_response())
}

/// What a changed text would mean: what changes, what is doubtful, what it would have said of the last hour.
struct Meaning {
    differences: Vec<Difference>,
    warnings: Vec<Problem>,
    trial: Option<Trial>,
}

/// What a changed text would mean, or what is wrong with it.
type Tried = Result<Meaning, Vec<Problem>>;

fn tried(site: &Site, files: &[Text], name: &str, text: &str) -> Tried {
    let Some(rules) = site.rules.load_full() else {
        return Ok(Meaning { differences: Vec::new(), warnings: Vec::new(), trial: None });
    };
    let with = |file: &Text| Text {
        text: if file.name == name { text.to_owned() } else { file.text.clone() },
        ..file.clone()
    };
    let changed: Vec<Text> = files.iter().map(with).collect();
    let Loaded { rules: after, warnings } = policy::parse_all(&changed, rules.vocabularies())?;
    let trial = Some(trial(site, &rules, &after));
    Ok(Meaning { differences: diff::diff(&rules, &after), warnings, trial })
}

/// Tells whether a file has changed since it was shown.
fn digest(text: &str) -> String {
    use sha1::{Digest, Sha1};
    Sha1::digest(text.as_bytes()).iter().map(|octet| format!("{octet:02x}")).collect()
}

async fn editor(
    site: &std::sync::Arc<Site>,
    visitor: &Visitor,
    file: &Text,
    text: &str,
    tried: Option<&Tried>,
) -> Result<Response, Failure> {
    let seen = overview(site).await?;
    let content = html! {
        div.title {
            p.crumb { a href=(site.link("rules")) { "Rules" } " / " (file.name) }
            h1 { "Try a change" }
        }
        div.stack {
            @if let Some(tried) = tried { (outcome(tried)) }
            section.panel aria-label="Change" {
                form.stack method="post" action=(site.link("rules/try")) {
                    input type="hidden" name="name" value=(file.name);
                    input type="hidden" name="was" value=(digest(&file.text));
                    label { "Text of " (file.name) textarea.code name="text" rows="28" spellcheck="false" { "\n" (text) } }
                    div.form {
                        @if visitor.may(Role::Operate) { button.main name="action" value="try" { "Try it" } }
                        @if visitor.may(Role::Administer) && matches!(tried, Some(Ok(_))) { button name="action" value="save" { "Put it in force" } }
                    }
                }
            }
        }
    };
    let page = Page { site, visitor, title: "Rules", tab: Tab::Rules, live: None };
    Ok(page.around(&seen.state, &content))
}

fn outcome(tried: &Tried) -> Markup {
    html! {
        @match tried {
            Err(problems) => {
                section.said.bad role="alert" {
                    h2 { "It would not load: nothing is changed." }
                    ul { @for problem in problems { (problem_line(problem)) } }
                }
            }
            Ok(Meaning { differences, warnings, trial }) => {
                section.said role="status" {
                    h2 { @if differences.is_empty() { "It would load, and means the same as what is in force." } @else { "It would load. What changes in meaning:" } }
                    ul { @for difference in differences { li {
                        @match &difference.how {
                            How::Added => { "new in " (difference.table) ": " strong { (difference.name) } }
                            How::Removed => { "gone from " (difference.table) ": " strong { (difference.name) } }
                            How::Changed(facts) => {
                                (difference.table) ": " strong { (difference.name) }
                                ul { @for fact in facts { li {
                                    (fact.key) " " (fact.before.as_deref().unwrap_or("not given")) " → " (fact.after.as_deref().unwrap_or("not given"))
                                } } }
                            }
                        }
                    } } }
                    @if !warnings.is_empty() { h3 { "Doubtful" } ul { @for problem in warnings { (problem_line(problem)) } } }
                    @if let Some(trial) = trial { (last_hour(trial)) }
                }
            }
        }
    }
}

/// What the rules would have said of the last hour.
fn last_hour(trial: &Trial) -> Markup {
    let list = |title: &str, all: &[(String, u64)]| {
        html! {
            @if !all.is_empty() {
                h4 { (title) }
                ul { @for (sentence, count) in all { li { (sentence) " " span.soft.small { (counted(*count, "message")) } } } }
            }
        }
    };
    html! {
        h3 { "Against the last hour" }
        p {
            (counted(trial.messages, "message")) " of " (counted(trial.kinds, "kind")) " were heard."
            @if trial.would.is_empty() && trial.would_not.is_empty() { " The change would have made no difference to any." }
        }
        (list("Would raise an alert, and is let pass now", &trial.would))
        (list("Would be let pass, and raises an alert now", &trial.would_not))
        p.small.soft {
            "Each message is judged by itself: limits on how often, and on how far a value may change, are not tried."
            @if trial.left_out > 0 { " " (counted(trial.left_out, "message")) " found no room to be remembered." }
        }
    }
}

fn problem_line(problem: &Problem) -> Markup {
    html! {
        li {
            @if let Some(line) = problem.line() { "line " (line) ": " }
            (problem.message())
            @if let Some(text) = problem.underlined() { " (" code { (text) } ")" }
            @if let Some(advice) = problem.advice() { "; " (advice) }
        }
    }
}

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
