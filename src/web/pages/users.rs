//! Who may come in: users, tokens and sessions, for those who administer.

use super::overview;
use crate::address::Timestamp;
use crate::store::{Actor, Role, Session, Store, StoreError, Token, User};
use crate::web::Shared;
use crate::web::access::secret::Secret;
use crate::web::access::{may_be_first, may_be_name, password};
use crate::web::acts::actor;
use crate::web::asked::{Asked, Form};
use crate::web::failure::Failure;
use crate::web::layout::{Page, Tab};
use crate::web::site::Site;
use crate::web::visitor::Visitor;
use crate::web::words::When;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

/// Days that a token may be valid.
pub const MOST_DAYS: u32 = 3650;
const DAY: i64 = 24 * 3600 * 1_000_000_000;

/// What is known of who may come in.
struct Known {
    users: Vec<User>,
    tokens: Vec<Token>,
    sessions: Vec<Session>,
    now: i64,
}

/// What was done, as the page says it.
const DONE: [(&str, &str); 6] = [
    ("added", "The user is added."),
    ("role", "The role is changed; the user has to log in again."),
    ("password", "The password is changed; the user has to log in again."),
    ("removed", "The user is removed."),
    ("token-removed", "The token is removed."),
    ("ended", "The session is ended."),
];

/// The page.
///
/// # Errors
/// Where the store cannot be read.
pub async fn page(State(shared): State<Shared>, visitor: Visitor, asked: Asked) -> Result<Response, Failure> {
    let said = DONE.iter().find(|(key, _)| asked.one("done") == Some(key)).map(|(_, text)| html! { (text) });
    draw(&shared, &visitor, said).await
}

async fn draw(shared: &Shared, visitor: &Visitor, said: Option<Markup>) -> Result<Response, Failure> {
    let site = &shared.live;
    let seen = overview(site).await?;
    let now = shared.access.now();
    let known = super::ask(site, move |reader| {
        let (users, tokens) = (reader.users()?, reader.tokens()?);
        Ok(Known { users, tokens, sessions: reader.sessions(now)?, now })
    })
    .await?;
    let content = html! {
        div.title { h1 { "Users" } span.soft { "Who may come in, and what they may do. Every change is in the " a href="/audit" { "audit trail" } "." } }
        @if let Some(said) = said { div.said role="status" { (said) } }
        @if known.users.is_empty() && known.tokens.is_empty() {
            p.said { "Nobody is asked who they are: whoever sits at this machine may do everything. As soon as there is a user, everybody logs in." }
        }
        div.stack {
            (users(site, &known))
            (tokens(site, &known))
            (sessions(site, &known))
        }
    };
    let page = Page { site, visitor, title: "Users", tab: Tab::Users, live: None };
    Ok(page.around(&seen.state, &content))
}

fn when(site: &Site, at: i64, now: i64) -> Markup {
    let (at, now) = (Timestamp::from_nanos(at), Timestamp::from_nanos(now));
    html! { (When { clock: &site.clock, at, now }) }
}

fn role_choice(chosen: Role) -> Markup {
    html! {
        select name="role" aria-label="Role" {
            @for role in Role::ALL { option value=(role.name()) selected[role == chosen] { (role.name()) } }
        }
    }
}

/// A form with one button that does something to one thing.
fn deed(action: &str, key: &str, value: &str, label: &str) -> Markup {
    html! {
        form method="post" action="/users" {
            input type="hidden" name=(key) value=(value);
            button name="action" value=(action) { (label) }
        }
    }
}

fn users(site: &Site, known: &Known) -> Markup {
    let seen = |user: &User| {
        known.sessions.iter().filter(|one| one.user == user.name).map(|one| one.last_used).max()
    };
    html! {
        section.panel aria-labelledby="users" {
            h2 #users { "Users" }
            @if known.users.is_empty() { p.soft { "None." } } @else { div.scroll { table {
                thead { tr { th { "Name" } th { "Role" } th { "Since" } th { "Last seen" } th { "Password" } td {} } }
                tbody { @for user in &known.users { tr {
                    th scope="row" { (user.name) @if user.disabled.is_some() { " " span.tag { "may not enter" } } }
                    td { form.form method="post" action="/users" {
                        input type="hidden" name="name" value=(user.name);
                        (role_choice(user.role))
                        button name="action" value="role" { "Change" }
                    } }
                    td { (when(site, user.created, known.now)) }
                    td { @match seen(user) { Some(at) => { (when(site, at, known.now)) } None => { span.soft { "no session" } } } }
                    td { form.form method="post" action="/users" {
                        input type="hidden" name="name" value=(user.name);
                        input type="password" name="password" aria-label=(format!("New password of {}", user.name)) autocomplete="new-password" minlength=(password::SHORTEST) required size="14";
                        button name="action" value="password" { "Set" }
                    } }
                    td { (deed("remove-user", "name", &user.name, "Remove")) }
                } } }
            } } }
            details open[known.users.is_empty()] {
                summary { "Add a user" }
                form.form method="post" action="/users" {
                    label { "Name" input name="name" autocomplete="off" required maxlength="64"; }
                    label { "Role" (role_choice(if known.users.is_empty() { Role::Administer } else { Role::View })) }
                    label { "Password, at least " (password::SHORTEST) " characters" input type="password" name="password" autocomplete="new-password" minlength=(password::SHORTEST) required; }
                    button.main name="action" value="add-user" { "Add" }
                }
                p.small.soft { "view: look at everything but this page and the audit trail. operate: acknowledge, close, keep quiet, replay, try rules. administer: rules, users, tokens, the audit trail." }
            }
        }
    }
}

fn tokens(site: &Site, known: &Known) -> Markup {
    html! {
        section.panel aria-labelledby="tokens" {
            h2 #tokens { "Tokens" span.soft.small { " for programs: Authorization: Bearer" } }
            @if known.tokens.is_empty() { p.soft { "None." } } @else { div.scroll { table {
                thead { tr { th { "Name" } th { "Role" } th { "Since" } th { "Until" } td {} } }
                tbody { @for token in &known.tokens { tr {
                    th scope="row" { (token.name) }
                    td { (token.role.name()) }
                    td { (when(site, token.created, known.now)) }
                    td { @match token.expires {
                        None => { "removed" }
                        Some(at) => { (when(site, at, known.now)) @if at <= known.now { " " span.tag { "over" } } }
                    } }
                    td { (deed("remove-token", "id", &token.id.to_string(), "Remove")) }
                } } }
            } } }
            details {
                summary { "Add a token" }
                form.form method="post" action="/users" {
                    label { "Name" input name="name" autocomplete="off" required maxlength="64"; }
                    label { "Role" (role_choice(Role::View)) }
                    label { "Days; none: until removed" input name="days" inputmode="numeric" size="6"; }
                    button.main name="action" value="add-token" { "Add" }
                }
            }
        }
    }
}

fn sessions(site: &Site, known: &Known) -> Markup {
    html! {
        section.panel aria-labelledby="sessions" {
            h2 #sessions { "Sessions" }
            @if known.sessions.is_empty() { p.soft { "Nobody is logged in." } } @else { div.scroll { table {
                thead { tr { th { "User" } th { "Since" } th { "Last seen" } th { "Ends" } td {} } }
                tbody { @for session in &known.sessions { tr {
                    th scope="row" { (session.user) }
                    td { (when(site, session.created, known.now)) }
                    td { (when(site, session.last_used, known.now)) }
                    td { (when(site, session.expires, known.now)) }
                    td { (deed("end-session", "session", &session.hash, "End it")) }
                } } }
            } } }
        }
    }
}

/// What came of a change.
enum Done {
    /// The key of [`DONE`].
    Said(&'static str),
    /// A new token, to be shown once.
    Token(Secret),
}

/// Does something to users, tokens and sessions.
///
/// # Errors
/// Where the form makes no sense, or the store cannot be written.
pub async fn change(
    State(shared): State<Shared>,
    visitor: Visitor,
    Form(form): Form,
) -> Result<Response, Failure> {
    let (here, who) = (shared.clone(), actor(&visitor));
    let act = move || act(&here.live.store, here.access.now(), &who, &form);
    match tokio::task::spawn_blocking(act).await.map_err(Failure::internal)?? {
        Done::Said(key) => Ok(Redirect::to(&format!("/users?done={key}")).into_response()),
        Done::Token(token) => {
            let said = html! {
                p { "The token is below. Copy it now: it is not shown again." }
                pre #token tabindex="0" { (token.text()) }
                button type="button" data-copy="token" hidden { "Copy" }
            };
            draw(&shared, &visitor, Some(said)).await
        }
    }
}

fn wrong(sentence: impl Into<String>) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, sentence)
}

fn refused(error: StoreError) -> Failure {
    match error {
        StoreError::Wrong(_) => Failure::new(StatusCode::CONFLICT, error.to_string()),
        StoreError::Unknown(_) => Failure::new(StatusCode::NOT_FOUND, error.to_string()),
        error => Failure::internal(error),
    }
}

fn act(store: &Store, now: i64, who: &Actor, form: &Asked) -> Result<Done, Failure> {
    let name = form.one("name").unwrap_or_default();
    let role = || form.one("role").and_then(Role::parse).ok_or_else(|| wrong("choose a role"));
    let hashed = || {
        let word = form.raw("password").unwrap_or_default();
        password::may_be(word, name).map_err(wrong)?;
        password::hash(word).map_err(Failure::internal)
    };
    match form.one("action") {
        Some("add-user") => {
            may_be_name(name).map_err(wrong)?;
            may_be_first(store, role()?).map_err(|why| Failure::new(StatusCode::CONFLICT, why))?;
            store.add_user(who, name, role()?, &hashed()?).map_err(refused)?;
            Ok(Done::Said("added"))
        }
        Some("role") => {
            let known = store.read(|reader| reader.user(name)).map_err(refused)?;
            let disabled = known.is_some_and(|user| user.disabled.is_some());
            store.set_user(who, name, role()?, disabled).map_err(refused)?;
            Ok(Done::Said("role"))
        }
        Some("password") => {
            store.set_password(who, name, &hashed()?).map_err(refused)?;
            Ok(Done::Said("password"))
        }
        Some("remove-user") => {
            store.remove_user(who, name).map_err(refused)?;
            Ok(Done::Said("removed"))
        }
        Some("add-token") => {
            may_be_name(name).map_err(wrong)?;
            // Any token ends that nobody is asked: somebody must be able to log in then.
            may_be_first(store, Role::View).map_err(|why| Failure::new(StatusCode::CONFLICT, why))?;
            let days = form.one("days").map(|text| text.parse::<u32>().map_err(drop)).transpose();
            let days = days.ok().filter(|days| days.is_none_or(|days| (1..=MOST_DAYS).contains(&days)));
            let days = days.ok_or_else(|| wrong(format!("days: 1 to {MOST_DAYS}, or none")))?;
            let expires = days.map(|days| now.saturating_add(i64::from(days) * DAY));
            let token = Secret::token().map_err(Failure::internal)?;
            store.add_token(who, name, role()?, &token.hash(), expires).map_err(refused)?;
            Ok(Done::Token(token))
        }
        Some("remove-token") => {
            let id =
                form.one("id").and_then(|id| id.parse().ok()).ok_or_else(|| Failure::not_found("token"))?;
            store.remove_token(who, id).map_err(refused)?;
            Ok(Done::Said("token-removed"))
        }
        Some("end-session") => {
            let found =
                store.end_session(Some(who), form.one("session").unwrap_or_default()).map_err(refused)?;
            if found { Ok(Done::Said("ended")) } else { Err(Failure::not_found("session")) }
        }
        _ => Err(wrong("it is not clear what is to be done")),
    }
}
