//! `wayside user`: who may come to the page with a password.

use super::access::{actor, moment, new_password, open, role};
use super::store::say;
use super::{Failure, Outcome};
use crate::store::Role;
use crate::web::access::{may_be_first, may_be_name};
use std::path::PathBuf;
use std::process::ExitCode;

/// The configuration that names the store.
#[derive(clap::Args, Debug)]
pub struct Where {
    /// The configuration that names the store.
    #[arg(short, long, value_name = "FILE", default_value = "wayside.toml")]
    pub config: PathBuf,
}

/// What is done with users. The sensor may run meanwhile; all of it is in the audit trail.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Add a user. The password is asked for on the terminal, or is the first line of standard input.
    Add {
        /// The name: letters, digits and . - _ @
        name: String,

        /// What they may do: view; operate (acknowledge, close, keep quiet, replay); administer (everything).
        #[arg(long, value_name = "view|operate|administer", value_parser = role)]
        role: Role,

        /// Which store.
        #[command(flatten)]
        at: Where,
    },
    /// List the users.
    List {
        /// Which store.
        #[command(flatten)]
        at: Where,
    },
    /// Remove a user and end their sessions. The last who may administer stays.
    Remove {
        /// The name.
        name: String,

        /// Which store.
        #[command(flatten)]
        at: Where,
    },
    /// Give a user another role and end their sessions.
    Role {
        /// The name.
        name: String,

        /// The role.
        #[arg(value_name = "view|operate|administer", value_parser = role)]
        role: Role,

        /// Which store.
        #[command(flatten)]
        at: Where,
    },
    /// Give a user another password and end their sessions.
    Password {
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
/// One sentence: no store, a name or a password that is none, nobody who could administer.
pub fn run(command: &Command) -> Outcome {
    match command {
        Command::Add { name, role, at } => {
            may_be_name(name).map_err(Failure::usage)?;
            let store = open(&at.config)?;
            may_be_first(&store, *role).map_err(Failure::usage)?;
            if store.read(|reader| reader.user(name)).map_err(Failure::failed)?.is_some() {
                return Err(Failure::failed(format!(
                    "there is a user '{name}' already; `wayside user password {name}` sets another password"
                )));
            }
            let first = !store.read(|reader| reader.is_guarded()).map_err(Failure::failed)?;
            store.add_user(&actor(), name, *role, &new_password(name)?).map_err(Failure::failed)?;
            say(&format!("added {name}, who may {}", role.name()))?;
            if first {
                say("from now on nobody comes to the page without logging in")?;
            }
        }
        Command::List { at } => {
            let users = open(&at.config)?.read(|reader| reader.users()).map_err(Failure::failed)?;
            for user in users {
                let disabled = if user.disabled.is_some() { ", may not enter" } else { "" };
                say(&format!(
                    "{:<24} {:<10} since {} UTC{disabled}",
                    user.name,
                    user.role.name(),
                    moment(user.created)
                ))?;
            }
        }
        Command::Remove { name, at } => {
            open(&at.config)?.remove_user(&actor(), name).map_err(Failure::failed)?;
            say(&format!("removed {name}"))?;
        }
        Command::Role { name, role, at } => {
            let store = open(&at.config)?;
            let known = store.read(|reader| reader.user(name)).map_err(Failure::failed)?;
            let disabled = known.is_some_and(|user| user.disabled.is_some());
            store.set_user(&actor(), name, *role, disabled).map_err(Failure::failed)?;
            say(&format!("{name} may {} and has to log in again", role.name()))?;
        }
        Command::Password { name, at } => {
            let store = open(&at.config)?;
            if store.read(|reader| reader.user(name)).map_err(Failure::failed)?.is_none() {
                return Err(Failure::failed(format!("there is no user '{name}'")));
            }
            store.set_password(&actor(), name, &new_password(name)?).map_err(Failure::failed)?;
            say(&format!("{name} has another password and has to log in again"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
