//! `wayside token`: which programs may use the page, with `Authorization: Bearer`.

use super::access::{actor, moment, open, role};
use super::store::say;
use super::user::Where;
use super::{Failure, Outcome};
use crate::store::Role;
use crate::web::access::may_be_name;
use crate::web::access::secret::Secret;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is done with tokens. The sensor may run meanwhile; all of it is in the audit trail.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Add a token and print it, once: only its hash is kept.
    Add {
        /// What it is for: letters, digits and . - _ @
        name: String,

        /// What it may do.
        #[arg(long, value_name = "view|operate|administer", value_parser = role)]
        role: Role,

        /// Days that it is valid; without it until it is removed.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: Option<u32>,

        /// Which store.
        #[command(flatten)]
        at: Where,
    },
    /// List the tokens.
    List {
        /// Which store.
        #[command(flatten)]
        at: Where,
    },
    /// Remove a token: it is no longer valid.
    Remove {
        /// The name.
        name: String,

        /// Which store.
        #[command(flatten)]
        at: Where,
    },
}

/// Does it.
///
/// # Errors
/// One sentence: no store, a name that is none or taken.
pub fn run(command: &Command) -> Outcome {
    match command {
        Command::Add { name, role, days, at } => {
            may_be_name(name).map_err(Failure::usage)?;
            let store = open(&at.config)?;
            let token = Secret::token().map_err(Failure::failed)?;
            let expires = days.map(|days| now().saturating_add(i64::from(days) * 24 * 3600 * 1_000_000_000));
            let first = !store.read(|reader| reader.is_guarded()).map_err(Failure::failed)?;
            store.add_token(&actor(), name, *role, &token.hash(), expires).map_err(Failure::failed)?;
            say(token.text())?;
            eprintln!("wayside: this is the token of {name}, who may {}; it is not shown again", role.name());
            if first {
                eprintln!(
                    "wayside: from now on nobody comes to the page without logging in; add a user, too"
                );
            }
        }
        Command::List { at } => {
            let tokens = open(&at.config)?.read(|reader| reader.tokens()).map_err(Failure::failed)?;
            for token in tokens {
                let until = match token.expires {
                    None => "until it is removed".into(),
                    Some(at) if at <= now() => format!("over since {} UTC", moment(at)),
                    Some(at) => format!("until {} UTC", moment(at)),
                };
                let (name, role, since) = (token.name, token.role.name(), moment(token.created));
                say(&format!("{name:<24} {role:<10} since {since} UTC, {until}"))?;
            }
        }
        Command::Remove { name, at } => {
            let store = open(&at.config)?;
            let tokens = store.read(|reader| reader.tokens()).map_err(Failure::failed)?;
            let known = tokens.iter().find(|token| token.name == *name);
            let known = known.ok_or_else(|| Failure::failed(format!("there is no token '{name}'")))?;
            store.remove_token(&actor(), known.id).map_err(Failure::failed)?;
            say(&format!("removed {name}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn now() -> i64 {
    let since: Duration = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
