//! The page to log in, and out.

use crate::web::Shared;
use crate::web::access::secret::Secret;
use crate::web::access::{Login, cookie};
use crate::web::asked::{Asked, Form};
use crate::web::failure::Failure;
use crate::web::gate::{self, Peer};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{DOCTYPE, Markup, html};

/// The page.
pub async fn page(State(shared): State<Shared>, asked: Asked) -> Markup {
    form(&shared, local(asked.one("to")), None)
}

/// Where somebody wanted to go: only within this server, whatever the address says.
fn local(to: Option<&str>) -> &str {
    let fits = |to: &&str| {
        let mut octets = to.bytes();
        octets.next() == Some(b'/')
            && !matches!(octets.next(), Some(b'/' | b'\\'))
            && to.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'\\')
            && !to.starts_with("/login")
            && !to.starts_with("/logout")
    };
    to.filter(fits).unwrap_or("/")
}

fn form(shared: &Shared, to: &str, wrong: Option<&str>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Log in · " (shared.live.name) " · Wayside" }
                link rel="stylesheet" href="/assets/app.css";
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
            }
            body {
                main #main {
                    div.panel {
                        h1 { "Wayside " span.soft { (shared.live.name) } }
                        @if let Some(wrong) = wrong { p.said.bad role="alert" { (wrong) } }
                        form.stack method="post" action="/login" {
                            input type="hidden" name="to" value=(to);
                            div { label { "Name" input name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus maxlength="64"; } }
                            div { label { "Password" input type="password" name="password" autocomplete="current-password" required; } }
                            div.form { button.main { "Log in" } }
                        }
                        // A link from elsewhere (a mail) comes without the cookie, a click here with it.
                        p.small { a href=(to) { "I am logged in already" } }
                    }
                }
            }
        }
    }
}

/// Lets somebody in, or says that the name or the password is wrong.
///
/// # Errors
/// Where the store cannot be used.
pub async fn login(
    State(shared): State<Shared>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Form(asked): Form,
) -> Result<Response, Failure> {
    let from = gate::from(peer);
    let to = local(asked.one("to"));
    let name = asked.one("name").unwrap_or_default();
    let word = Secret::from(asked.raw("password").unwrap_or_default());
    let came = shared.access.login(&shared.live.store, &shared.metrics, from, name, word).await;
    Ok(match came.map_err(Failure::internal)? {
        Login::Welcome(secret) => {
            let tls = cookie::is_tls(&headers, shared.access.settings.tls);
            ([cookie::set(&secret, tls)], Redirect::to(to)).into_response()
        }
        Login::Wrong => {
            let wrong = form(&shared, to, Some("The name or the password is wrong."));
            (StatusCode::UNAUTHORIZED, wrong).into_response()
        }
        Login::Later(seconds) => gate::later(seconds),
    })
}

/// Ends the session.
///
/// # Errors
/// Where the store cannot be written.
pub async fn logout(State(shared): State<Shared>, headers: HeaderMap) -> Result<Response, Failure> {
    let tls = shared.access.settings.tls;
    let shown = cookie::shown(&headers, tls);
    let here = shared.clone();
    let ended = tokio::task::spawn_blocking(move || here.access.logout(&here.live.store, &shown)).await;
    ended.map_err(Failure::internal)?.map_err(Failure::internal)?;
    let gone = [cookie::clear(cookie::is_tls(&headers, tls))];
    Ok((gone, Redirect::to("/login")).into_response())
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn after_the_login_one_stays_on_this_server() {
        assert_eq!(local(Some("/alerts?state=new&q=a%20b")), "/alerts?state=new&q=a%20b");
        let foreign = [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "evil",
            "/a\r\nb",
            "/\t/evil.example",
            "javascript:alert(1)",
            "/login",
            "/logout",
            "",
        ];
        for to in foreign {
            assert_eq!(local(Some(to)), "/", "{to:?}");
        }
        assert_eq!(local(None), "/");
    }
}
