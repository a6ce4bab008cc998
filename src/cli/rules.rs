//! `wayside rules`: the rule author's workbench.

use super::{Failure, Outcome};
use crate::policy::{self, Problem};
use std::path::PathBuf;
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
}

/// Runs a command for rule files.
///
/// # Errors
/// Where a rule file has an error.
pub fn run(command: &Command) -> Outcome {
    let Command::Check { paths } = command;
    let said = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    match policy::load(paths, &crate::protocol::vocabularies()) {
        Ok(loaded) => {
            show(&loaded.warnings);
            let (rules, warnings) = (loaded.rules.rules().len(), loaded.warnings.len());
            println!("{}, {}", said(rules, "rule"), said(warnings, "warning"));
            Ok(ExitCode::SUCCESS)
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
