//! Which files make up a rule set: those that are named, what they include, and what they are laid over.

use super::document::Document;
use super::problem::Problem;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// How deep files may include or lie over each other.
const DEEPEST: usize = 16;
/// Most octets of a file: a device that never ends must not fill the memory.
const LARGEST: u64 = 256 << 20;

/// One file of a rule set.
#[derive(Clone, Debug)]
pub struct Text {
    /// As it was named, or as it is reached from the file that includes it.
    pub name: String,
    /// What it says.
    pub text: String,
    /// 0 for what is named or included; 1 more for each time that it lies under another. What has the same name in a
    /// layer above counts instead.
    pub layer: usize,
}

/// Reads files, and all `*.toml` of folders in order of name, with everything that they ask for.
pub(super) fn gather(paths: &[PathBuf]) -> Result<Vec<Text>, Vec<Problem>> {
    let mut gathered = Gathered::default();
    for path in paths {
        match inside(path) {
            Ok(files) => files.iter().for_each(|file| gathered.file(file, 0, &[])),
            Err(problem) => gathered.problems.push(problem),
        }
    }
    gathered.done()
}

/// The same for a text that stands for a file of this name.
pub(super) fn gather_text(name: &str, text: &str) -> Result<Vec<Text>, Vec<Problem>> {
    let mut gathered = Gathered::default();
    gathered.text(Path::new(name), text.to_owned(), 0, &[]);
    gathered.done()
}

#[derive(Default)]
struct Gathered {
    texts: Vec<Text>,
    /// Where each file is really, and its place among the texts.
    seen: Vec<(PathBuf, usize)>,
    problems: Vec<Problem>,
}

impl Gathered {
    fn done(mut self) -> Result<Vec<Text>, Vec<Problem>> {
        self.texts.sort_by_key(|text| text.layer);
        if self.problems.is_empty() { Ok(self.texts) } else { Err(self.problems) }
    }

    fn file(&mut self, path: &Path, layer: usize, from: &[PathBuf]) {
        match read(path) {
            Ok(text) => self.text(path, text, layer, from),
            Err(problem) => self.problems.push(problem),
        }
    }

    fn text(&mut self, path: &Path, text: String, layer: usize, from: &[PathBuf]) {
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if let Some((_, at)) = self.seen.iter().find(|(seen, _)| *seen == real) {
            // Named twice, it counts where it is uppermost, and so does what it asks for.
            match self.texts.get_mut(*at) {
                Some(text) if layer < text.layer => text.layer = layer,
                _ => return,
            }
        } else {
            self.seen.push((real.clone(), self.texts.len()));
            let name = path.display().to_string();
            self.texts.push(Text { name, text: text.clone(), layer });
        }
        let asks = asks(&path.display().to_string(), &text, &mut self.problems);
        let mut chain = from.to_vec();
        chain.push(real);
        for Ask { path: wanted, under, problem } in asks {
            let wanted = path.parent().unwrap_or(Path::new("")).join(wanted);
            let real = std::fs::canonicalize(&wanted).unwrap_or_else(|_| wanted.clone());
            if chain.contains(&real) {
                let message = "the files include each other in a circle";
                self.problems
                    .push(problem(message).help("a file cannot include itself, nor lie over itself"));
                continue;
            }
            if chain.len() > DEEPEST {
                let message = format!("the files include each other more than {DEEPEST} deep");
                self.problems.push(problem(&message).help("include the files from fewer levels"));
                continue;
            }
            match inside(&wanted) {
                Ok(files) => {
                    files.iter().for_each(|file| self.file(file, layer + usize::from(under), &chain));
                }
                Err(error) => {
                    let help = "the path is looked up from the folder of this file";
                    self.problems.push(problem(error.message()).help(help));
                }
            }
        }
    }
}

/// One file that another asks for.
struct Ask<'d> {
    path: String,
    /// It lies under the file that asks.
    under: bool,
    problem: Box<dyn Fn(&str) -> Problem + 'd>,
}

/// What a file asks for. What is wrong with its syntax is said when it is read in full.
fn asks(name: &str, text: &str, problems: &mut Vec<Problem>) -> Vec<Ask<'static>> {
    let before_a_key = |c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '"' | '\'');
    let begins = |line: &str| {
        let line = line.trim_start_matches(before_a_key);
        line.starts_with("include") || line.starts_with("over")
    };
    if !text.lines().any(begins) {
        return Vec::new();
    }
    let Ok(document) = Document::parse(name, text, 0) else { return Vec::new() };
    let mut asks = Vec::new();
    for (key, under) in [("include", false), ("over", true)] {
        let Some(node) = document.table.get(key) else { continue };
        match document.strings(key, node) {
            Ok(words) => asks.extend(words.into_iter().map(|word| {
                let (source, span) = (document.source.clone(), word.span);
                let problem = move |message: &str| Problem::error(&source, span.clone(), message);
                Ask { path: word.text.to_owned(), under, problem: Box::new(problem) }
            })),
            Err(more) => problems.extend(more),
        }
    }
    asks
}

/// A file, or the rule files of a folder in order of name.
fn inside(path: &Path) -> Result<Vec<PathBuf>, Problem> {
    if !path.is_dir() {
        return if path.exists() { Ok(vec![path.to_owned()]) } else { read(path).map(|_| Vec::new()) };
    }
    let mut inside = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|error| unreadable(path, &error))? {
        let file = entry.map_err(|error| unreadable(path, &error))?.path();
        if file.extension().is_some_and(|end| end == "toml") && file.is_file() {
            inside.push(file);
        }
    }
    if inside.is_empty() {
        let message = format!("the folder '{}' holds no rule file", path.display());
        return Err(Problem::file(message, "rule files end in .toml"));
    }
    inside.sort();
    Ok(inside)
}

/// Reads a text file.
pub(super) fn read(path: &Path) -> Result<String, Problem> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text));
    match read {
        Ok(_) if text.len() as u64 > LARGEST => {
            let message = format!(
                "cannot read rules from '{}': it is larger than {} MiB",
                path.display(),
                LARGEST >> 20
            );
            Err(Problem::file(message, "rules can be spread over several files"))
        }
        Ok(_) => Ok(text),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    let help = match error.kind() {
        std::io::ErrorKind::NotFound => "is the path right? It is looked up from the current folder",
        std::io::ErrorKind::PermissionDenied => "let this user read it",
        std::io::ErrorKind::InvalidData => "rule files are text in UTF-8",
        _ => "it must be a rule file, or a folder of rule files ending in .toml",
    };
    let reason = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::InvalidData => "it is not text".to_owned(),
        _ => error.to_string(),
    };
    Problem::file(format!("cannot read rules from '{}': {reason}", path.display()), help)
}
