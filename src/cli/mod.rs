//! The command line: one file per command.
//!
//! Errors are one sentence on standard error. Exit codes: 0 done, 1 it failed, 2 wrong usage or configuration,
//! 3 `--fail-on` fired.

mod access;
pub mod certificate;
pub mod config;
pub mod demo;
pub mod inventory;
pub mod learn;
pub mod output;
pub mod replay;
pub mod rules;
pub mod run;
pub mod store;
mod terminal;
pub mod token;
pub mod user;

use clap::{Parser, Subcommand};
use std::fmt;
use std::process::ExitCode;

/// Watches rail and utility control networks and says what should not have happened. It never sends a packet.
#[derive(Parser, Debug)]
#[command(name = "wayside", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Watch live interfaces: rules, alerts, metrics.
    Run(run::Arguments),
    /// Read captures as if they were live: decode, judge, summarise.
    Replay(replay::Arguments),
    /// Write the rules that allow what was seen, in captures or on an interface.
    Learn(learn::Arguments),
    /// Say which devices there are in captures, what they are, who they are and what they say to each other.
    Inventory(inventory::Arguments),
    /// Work on rule files.
    #[command(subcommand)]
    Rules(rules::Command),
    /// Try out where alerts go.
    #[command(subcommand)]
    Output(output::Command),
    /// Look after the store of a live sensor: copy it, see whether it is sound.
    #[command(subcommand)]
    Store(store::Command),
    /// Add, remove and change the users of the page.
    #[command(subcommand)]
    User(user::Command),
    /// Add and remove the tokens with which programs use the page.
    #[command(subcommand)]
    Token(token::Command),
    /// Make a certificate for the page, signed by itself, and its key.
    Certificate(certificate::Arguments),
    /// Look at a configuration without starting anything.
    #[command(subcommand)]
    Config(config::Command),
    /// Watch a simulated plant on this machine: an operator makes a mistake, an intruder breaks in.
    Demo(demo::Arguments),
}

/// Why a command ends without having done its work.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// Something failed: exit code 1.
    pub fn failed(message: impl fmt::Display) -> Failure {
        Failure { code: 1, message: message.to_string() }
    }

    /// Usage or configuration is wrong: exit code 2.
    pub fn usage(message: impl fmt::Display) -> Failure {
        Failure { code: 2, message: message.to_string() }
    }
}

/// Exit code of a command that ran: 3 where `--fail-on` fired.
pub type Outcome = Result<ExitCode, Failure>;

/// Exit code 3: an alert reached the severity of `--fail-on`.
pub const FAIL_ON: u8 = 3;

/// Parses the arguments of this process and runs the command.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("WAYSIDE_LOG").unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    let outcome = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Learn(arguments) => learn::run(&arguments),
        Command::Inventory(arguments) => inventory::run(&arguments),
        Command::Rules(command) => rules::run(&command),
        Command::Output(command) => output::run(&command),
        Command::Store(command) => store::run(&command),
        Command::User(command) => user::run(&command),
        Command::Token(command) => token::run(&command),
        Command::Certificate(arguments) => certificate::run(&arguments),
        Command::Config(command) => config::run(&command),
        Command::Demo(arguments) => demo::run(&arguments),
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("wayside: {}", failure.message);
        ExitCode::from(failure.code)
    })
}
