//! `wayside rules`: the rule author's workbench.

mod diff;
mod explain;
mod test;
mod traffic;

use super::{Failure, Outcome};
use crate::policy::import::{self, Place, Settings, Source};
use crate::policy::{self, Problem, RuleSet};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Commands for rule files.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Read rule files and show every error and warning with its line.
    Check {
        /// Rule files or folders of rule files.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Turn rules of Suricata or Snort about Modbus and DNP3 into rules of Wayside.
    ///
    /// Writes them to standard output, and says on standard error which rules could not be carried over and why.
    /// Nothing is guessed: a rule that does not mean exactly the same is left.
    Import(Import),
    /// Say what the rules make of one message, and why each rule matches or not.
    Explain(explain::Arguments),
    /// Run the test cases of rule files, and judge captures by the rules.
    ///
    /// Ends with 1 where a test case fails.
    Test(test::Arguments),
    /// Say what changed in meaning from one version of the rules to another, in words and on captures.
    ///
    /// Ends with 1 where there is a difference.
    Diff(diff::Arguments),
    /// Print the JSON Schema of rule files, for editors that complete and check them.
    ///
    /// Save it beside the rules and put `#:schema rules.schema.json` on the first line of each file.
    Schema,
}

/// The JSON Schema of rule files.
const SCHEMA: &str = include_str!("../../docs/rules.schema.json");

/// Arguments of `wayside rules import`.
#[derive(clap::Args, Debug)]
pub struct Import {
    /// Rule files of Suricata or Snort.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the rules to this file. It must not exist yet.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite the file of --output.
    #[arg(long, requires = "output")]
    force: bool,
    /// What a variable of the rules stands for; may be given several times.
    #[arg(long, value_name = "NAME=ADDRESS[,ADDRESS]", value_parser = variable)]
    set: Vec<(String, String)>,
    /// Take variables from the address-groups and port-groups of a suricata.yaml.
    #[arg(long, value_name = "FILE")]
    vars: Option<PathBuf>,
}

/// Runs a command for rule files.
///
/// # Errors
/// Where a rule file has an error, or cannot be read or written.
pub fn run(command: &Command) -> Outcome {
    match command {
        Command::Check { paths } => check(paths),
        Command::Import(arguments) => import(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Test(arguments) => test::run(arguments),
        Command::Diff(arguments) => diff::run(arguments),
        Command::Schema => match std::io::stdout().write_all(SCHEMA.as_bytes()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Failure::failed(format!("cannot write the schema: {error}")))
            }
            _ => Ok(ExitCode::SUCCESS),
        },
    }
}

fn said(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

fn check(paths: &[PathBuf]) -> Outcome {
    let (rules, warnings) = loaded(paths)?;
    println!("{}, {}", said(rules.rules().len(), "rule"), said(warnings, "warning"));
    Ok(ExitCode::SUCCESS)
}

/// Loads rules and shows what is doubtful about them.
///
/// # Errors
/// Where a rule file has an error: all of them are shown.
fn load(paths: &[PathBuf]) -> Result<RuleSet, Failure> {
    loaded(paths).map(|(rules, _)| rules)
}

/// Writes to standard output; a reader that has gone away is no failure.
fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

fn loaded(paths: &[PathBuf]) -> Result<(RuleSet, usize), Failure> {
    match policy::load(paths, &crate::protocol::vocabularies()) {
        Ok(loaded) => {
            show(&loaded.warnings);
            Ok((loaded.rules, loaded.warnings.len()))
        }
        Err(problems) => {
            show(&problems);
            let errors = problems.iter().filter(|problem| problem.is_error()).count();
            Err(Failure::usage(format!("{} in the rules", said(errors, "error"))))
        }
    }
}

/// Shows problems on standard error, each with a picture of its line.
pub fn show(problems: &[Problem]) {
    for problem in problems {
        eprintln!("{:?}", miette::Report::new(problem.clone()));
    }
}

/// Rule files larger than this are not read, in octets.
const LARGEST: u64 = 64 << 20;

/// Reads `NAME=ADDRESS[,ADDRESS]`.
fn variable(text: &str) -> Result<(String, String), String> {
    let wrong = || "write NAME=ADDRESS or NAME=ADDRESS,ADDRESS".to_owned();
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let (name, value) = (name.trim_start_matches('$'), value.trim());
    if name.is_empty() || value.is_empty() { Err(wrong()) } else { Ok((name.to_owned(), value.to_owned())) }
}

fn import(arguments: &Import) -> Outcome {
    let texts = arguments.files.iter().map(|path| text_of(path)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<String> = arguments
        .files
        .iter()
        .map(|path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned())
        .collect();
    let configuration = arguments.vars.as_deref().map(text_of).transpose()?;
    let sources: Vec<Source<'_>> =
        names.iter().zip(&texts).map(|(name, text)| Source { name, text }).collect();
    let settings = Settings { set: &arguments.set, configuration: configuration.as_deref() };
    let imported = import::import(&sources, &settings, &crate::protocol::vocabularies());
    match &arguments.output {
        Some(path) => write_new(path, &imported.toml, arguments.force)?,
        None => print(&imported.toml)?,
    }
    let title = |place: Place, sid: &Option<String>, msg: &str| {
        let path = arguments.files.get(place.file).map(|path| path.display().to_string());
        let sid = sid.as_ref().map(|sid| format!(" sid {sid}")).unwrap_or_default();
        let msg = if msg.is_empty() { String::new() } else { format!(" '{msg}'") };
        format!("{}:{}:{sid}{msg}", path.unwrap_or_default(), place.line)
    };
    for left in &imported.left {
        eprintln!("{} is not carried over: {}.", title(left.place, &left.sid, &left.msg), left.reason);
    }
    for carried in &imported.carried {
        if let Some(note) = &carried.note {
            eprintln!("{} is carried over, but {note}.", title(carried.place, &carried.sid, &carried.msg));
        }
    }
    match imported.commented_out {
        0 => {}
        1 => eprintln!("1 rule is commented out."),
        count => eprintln!("{count} rules are commented out."),
    }
    eprintln!("{} carried over, {} not", said(imported.carried.len(), "rule"), imported.left.len());
    Ok(ExitCode::SUCCESS)
}

/// The text of a file; what is not UTF-8 in it is replaced.
fn text_of(path: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    read.map_err(|error| Failure::failed(format!("cannot read {}: {error}", path.display())))?;
    if bytes.len() as u64 > LARGEST {
        return Err(Failure::failed(format!("{} is larger than 64 MiB", path.display())));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes a file; one that is there already only where that is wanted.
fn write_new(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let mut options = File::options();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Failure::usage(format!("{} is there already; --force overwrites it", path.display()))
        }
        _ => Failure::failed(format!("cannot write {}: {error}", path.display())),
    })
}
