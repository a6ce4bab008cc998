//! What commands about users and tokens share: the store that they change, in whose name, and how a password is given.

use super::Failure;
use super::store::configured;
use crate::sensor::config::Config;
use crate::store::{Actor, Role, Store};
use crate::web::access::password;
use std::io::{BufRead as _, IsTerminal as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The role of a word.
pub(super) fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "one of view, operate, administer".into())
}

/// Opens the store that a configuration names. The sensor may run meanwhile.
pub(super) fn open(config: &Path) -> Result<Store, Failure> {
    let file = configured(config)?;
    let options = Config::load(config).map_err(Failure::usage)?.store.options();
    Store::open(&file, options).map_err(Failure::failed)
}

/// In whose name it is done: that of the user of this machine.
pub(super) fn actor() -> Actor {
    let number = std::fs::metadata("/proc/self").map(|meta| meta.uid()).ok();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = number.map(|number| match named(&users, number) {
        Some(name) => name.to_owned(),
        None => format!("number {number}"),
    });
    let name = name.unwrap_or("unknown".into());
    let behind = std::env::var("SUDO_USER").ok().filter(|user| name == "root" && user != "root");
    let known = |user: String| user.chars().filter(|c| c.is_ascii_graphic()).take(64).collect::<String>();
    Actor::new(
        match behind.map(known) {
            Some(user) => format!("unix user {user} as root"),
            None => format!("unix user {name}"),
        },
        Role::Administer,
    )
}

/// The name of a number in `passwd(5)`.
fn named(users: &str, number: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number.to_string()).then_some(name)
    })
}

/// Asks for a new password: twice and unseen on a terminal, else the first line of standard input. Returns its hash.
pub(super) fn new_password(user: &str) -> Result<String, Failure> {
    let word = if std::io::stdin().is_terminal() { asked(user)? } else { first_line()? };
    password::may_be(&word, user).map_err(Failure::usage)?;
    password::hash(&word).map_err(Failure::failed)
}

fn asked(user: &str) -> Result<String, Failure> {
    let terminal = console::Term::stderr();
    let ask = |question: String| {
        let asked = terminal.write_str(&question).and_then(|()| terminal.read_secure_line());
        asked.map_err(|error| Failure::failed(format!("cannot read the password: {error}")))
    };
    let word = ask(format!("Password of {user}: "))?;
    password::may_be(&word, user).map_err(Failure::usage)?;
    if ask("The same again: ".into())? != word {
        return Err(Failure::usage("the two are not the same; nothing was changed"));
    }
    Ok(word)
}

fn first_line() -> Result<String, Failure> {
    let mut line = String::new();
    std::io::Read::take(std::io::stdin().lock(), 4096)
        .read_line(&mut line)
        .map_err(|error| Failure::failed(format!("cannot read the password from standard input: {error}")))?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// A moment as it stands in lists: `2026-11-24 14:03`, UTC.
pub(super) fn moment(nanos: i64) -> String {
    let at = jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_of_the_machine_have_names() {
        let users = "root:x:0:0:root:/root:/bin/sh\nsmith:x:1000:1000::/home/smith:/bin/sh\n";
        assert_eq!(
            (named(users, 1000), named(users, 0), named(users, 7)),
            (Some("smith"), Some("root"), None)
        );
        assert!(actor().name.starts_with("unix user "));
        assert_eq!(moment(0), "1970-01-01 00:00");
    }
}
