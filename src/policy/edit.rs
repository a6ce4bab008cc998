//! Rules added to the files of a set: by a program, so that the author's words and comments stay as they are.
//!
//! Flows in: the texts of a rule set and new rules. Flows out: the new text of one file, checked with all the others, or
//! what is wrong with it. Nothing is written: that is for whoever asks.

use super::document::{Document, entries};
use super::problem::Problem;
use super::{Loaded, Text, parse_all};
use crate::event::Vocabulary;

/// The tables of rules.
const RULES: [&str; 3] = ["allow", "deny", "expect"];

/// A file with more rules.
#[derive(Debug)]
pub struct Added {
    /// Its new text.
    pub text: String,
    /// The whole set as it is then, with what is doubtful about it.
    pub loaded: Loaded,
}

/// The file of a set that a new rule belongs into: the one that holds the rules that it is like, where that is known;
/// else the last that holds allow rules. A file that lies under another is somebody else's and is not chosen.
pub fn place<'t>(files: &'t [Text], like: Option<&str>) -> Option<&'t Text> {
    let own = || files.iter().filter(|file| file.layer == 0);
    let named = own().find(|file| Some(file.name.as_str()) == like);
    let has_rules = |file: &&Text| file.text.lines().any(|line| line.trim_start().starts_with("[[allow]]"));
    named.or_else(|| own().rev().find(has_rules)).or_else(|| own().next_back())
}

/// Adds rules at the end of a file of a set. `rules` is text of the language with `[[allow]]`, `[[deny]]` and
/// `[[expect]]` only.
///
/// # Errors
/// What is wrong with the rules, or with the set once they are in it: then it would not load, and nothing is added.
pub fn add_rule(
    files: &[Text],
    file: &str,
    rules: &str,
    words: &[&'static Vocabulary],
) -> Result<Added, Vec<Problem>> {
    only_rules(rules)?;
    let Some(at) = files.iter().position(|own| own.name == file) else {
        let message = format!("the rule set has no file '{file}'");
        return Err(vec![Problem::file(message, "name one of the files that are loaded")]);
    };
    let mut all = files.to_vec();
    let Some(own) = all.get_mut(at) else { return Err(Vec::new()) };
    own.text = with(&own.text, rules);
    let loaded = parse_all(&all, words)?;
    let text = all.swap_remove(at).text;
    Ok(Added { text, loaded })
}

/// Rules by themselves: nothing else may come in with them.
fn only_rules(rules: &str) -> Result<(), Vec<Problem>> {
    let document = Document::parse("the new rule", rules, 0)?;
    let mut problems = Vec::new();
    for (key, node) in entries(&document.table) {
        if !RULES.contains(&key.get_ref().as_ref()) {
            let message = format!("'{}' is no rule", key.get_ref());
            let problem = document.error(key.span(), message);
            problems.push(problem.help("only [[allow]], [[deny]] and [[expect]] can be added"));
        } else if node.get_ref().as_array().is_none() {
            let message = format!("'{}' is a list of rules", key.get_ref());
            let problem = document.error(key.span(), message);
            problems.push(problem.help(format!("write [[{}]]", key.get_ref())));
        }
    }
    if document.table.is_empty() {
        problems.push(Problem::file("there is no rule to add", "write it under [[allow]]"));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// A text with more behind it, an empty line between, and line ends as the text has them.
fn with(text: &str, more: &str) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut out = text.trim_end_matches(['\r', '\n', ' ', '\t']).to_owned();
    if !out.is_empty() {
        out.push_str(end);
        out.push_str(end);
    }
    for line in more.trim_matches(['\r', '\n']).lines() {
        out.push_str(line);
        out.push_str(end);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::ALL_WORDS;

    const FIRST: &str = "version = 1\n\n# Who is who.\n[hosts]\nscada = \"10.0.0.1\" # the server\n\n[[allow]]\nname = \"a\"\n# The last word.\n";
    const NEW: &str = "# Added.\n[[allow]]\nname = \"b\"\nfrom = \"scada\"\nmay = \"read\"\n";

    fn text(name: &str, text: &str, layer: usize) -> Text {
        Text { name: name.to_owned(), text: text.to_owned(), layer }
    }

    fn refused(files: &[Text], file: &str, rules: &str) -> String {
        let problems = add_rule(files, file, rules, ALL_WORDS).unwrap_err();
        problems.iter().map(Problem::one_line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_rule_is_added_and_nothing_else_changes() {
        let files = [text("a.toml", FIRST, 0), text("b.toml", "version = 1\n", 0)];
        let added = add_rule(&files, "a.toml", NEW, ALL_WORDS).unwrap();
        assert_eq!(added.text, format!("{FIRST}\n{NEW}"));
        assert_eq!(added.loaded.rules.rules().len(), 2);
        let windows = FIRST.replace('\n', "\r\n");
        let files = [text("a.toml", &windows, 0)];
        let added = add_rule(&files, "a.toml", NEW, ALL_WORDS).unwrap();
        assert_eq!(added.text, format!("{FIRST}\n{NEW}").replace('\n', "\r\n"));
        // A file of another name sees the hosts of the first.
        let files = [text("a.toml", FIRST, 0), text("b.toml", "version = 1", 0)];
        let added = add_rule(&files, "b.toml", NEW, ALL_WORDS).unwrap();
        assert_eq!(added.text, format!("version = 1\n\n{NEW}"));
    }

    #[test]
    fn what_would_not_load_is_refused_with_its_place() {
        let files = [text("a.toml", FIRST, 0)];
        let wrong = refused(&files, "a.toml", &NEW.replace("scada", "scda"));
        assert!(wrong.contains("a.toml:14: error: unknown host 'scda'; did you mean 'scada'?"), "{wrong}");
        let twice = refused(&files, "a.toml", &NEW.replace("\"b\"", "\"a\""));
        assert!(twice.contains("a rule named 'a' is already there (a.toml:8)"), "{twice}");
        let sly = refused(&files, "a.toml", &format!("{NEW}[defaults]\ncontrol-traffic = \"allow\"\n"));
        assert!(sly.contains("'defaults' is no rule"), "{sly}");
        assert!(refused(&files, "a.toml", "allow = 5").contains("list of rules"));
        assert!(refused(&files, "a.toml", "[[allow]\n").contains("not TOML"));
        assert!(refused(&files, "a.toml", "# nothing\n").contains("no rule to add"));
        assert!(refused(&files, "c.toml", NEW).contains("no file 'c.toml'"));
        // Rules as a list of tables in one line cannot be followed by more of them.
        let inline = [text("a.toml", "version = 1\nallow = [{ name = \"a\" }]\n", 0)];
        assert!(refused(&inline, "a.toml", &NEW.replace("scada", "10.0.0.1")).contains("not TOML"));
    }

    #[test]
    fn the_right_file_is_that_of_its_like() {
        let files = [
            text("hosts.toml", "version = 1\n", 0),
            text("a.toml", FIRST, 0),
            text("z.toml", "version = 1\n", 0),
            text("company.toml", FIRST, 1),
        ];
        let name = |like| place(&files, like).map(|file| file.name.as_str());
        assert_eq!(name(Some("hosts.toml")), Some("hosts.toml"));
        assert_eq!(name(Some("company.toml")), Some("a.toml"));
        assert_eq!(name(None), Some("a.toml"));
        assert_eq!(place(&[], None).map(|file| &file.name), None);
    }
}
