//! The gate: every request passes it, and comes out with a [`Visitor`] or not at all.
//!
//! What changes something must come from a page of ours: browsers say in `Origin` where a form was, and the `Host` that
//! was asked must be one that we answer to, so that no page of another site can speak in the name of who looks at it.

use super::Shared;
use super::access::{Who, cookie};
use super::failure::Failure;
use super::lasting::Lasting;
use super::visitor::{Role, Visitor};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// What a page may load: what this server serves, and nothing else; no script or style that stands in a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// How long a stream lasts before whoever reads it must show again who they are.
const STREAM: Duration = Duration::from_secs(60);
/// The address that is open where only this machine is served.
const METRICS: &str = "/metrics";

/// From where a connection comes. The server puts it into each request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// Of a request; this machine where it does not say.
    pub fn of(extensions: &axum::http::Extensions) -> IpAddr {
        extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0)
    }
}

/// From where a request comes, for a handler.
pub fn from(peer: Option<axum::Extension<Peer>>) -> IpAddr {
    peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0.0)
}

/// What of a request tells who sent it and what they want.
struct Asked {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    from: IpAddr,
}

impl Asked {
    fn of(request: &Request) -> Asked {
        Asked {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            from: Peer::of(request.extensions()),
        }
    }
}

/// Answers only to names that are ours, and adds what every answer carries.
pub async fn frame(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let ours = host(request.headers())
        .is_some_and(|name| name.parse::<IpAddr>().is_ok() || shared.access.answers_to(name));
    let answer = if ours {
        next.run(request).await
    } else {
        let why = "this name is not one that the sensor answers to; use its address, or add the name to [web] names";
        refusal(Failure::new(StatusCode::MISDIRECTED_REQUEST, why))
    };
    with_headers(answer, shared.access.settings.tls)
}

/// Lets a request through where its sender may do what the route asks for.
pub async fn gate(
    State((shared, role)): State<(Shared, Option<Role>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let asked = Asked::of(&request);
    match admit(&shared, role, &asked).await {
        Ok(visitor) => {
            let known = visitor != Visitor::local();
            request.extensions_mut().insert(visitor);
            let answer = next.run(request).await;
            if known { ending(answer) } else { answer }
        }
        Err(answer) => *answer,
    }
}

/// Lets nobody read a stream for longer than they may: a browser opens it again, and is asked again who it is.
fn ending(answer: Response) -> Response {
    let kind = answer.headers().get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
        return answer.map(|body| Body::new(Lasting::new(body, STREAM)));
    }
    answer
}

async fn admit(shared: &Shared, role: Option<Role>, asked: &Asked) -> Result<Visitor, Box<Response>> {
    let refuse = |failure| Box::new(refusal(failure));
    if changes(&asked.method) && !origin_is_ours(&asked.headers) {
        let why = "a change must come from a page of this sensor; open the page again and repeat it";
        return Err(refuse(Failure::new(StatusCode::FORBIDDEN, why)));
    }
    let open = asked.uri.path() == METRICS && shared.access.settings.loopback;
    let Some(role) = role.filter(|_| !open) else { return Ok(Visitor::nobody()) };
    let visitor = who(shared, asked).await?;
    if !visitor.may(role) {
        return Err(refuse(Failure::new(
            StatusCode::FORBIDDEN,
            format!("this needs the role '{}'; you have '{}'", role.name(), visitor.role.name()),
        )));
    }
    Ok(visitor)
}

/// Who sends a request, or the answer to nobody.
async fn who(shared: &Shared, asked: &Asked) -> Result<Visitor, Box<Response>> {
    let refuse = |failure| Box::new(refusal(failure));
    let from = asked.from;
    let shown = cookie::shown(&asked.headers, shared.access.settings.tls);
    let (here, at) = (shared.clone(), shared.clone());
    let look = move || {
        let who = here.access.who(&here.live.store, &shown);
        let wait = match who {
            Ok(Who::BadToken) => here.access.bad_token(&here.live.store, &here.metrics, from),
            _ => None,
        };
        (who, wait)
    };
    match tokio::task::spawn_blocking(look).await {
        Ok((Ok(Who::Known(visitor, used)), _)) => {
            // A page that is left open is not somebody who uses it.
            if let Some(used) = used.filter(|_| !asked.uri.path().ends_with("/live")) {
                tokio::task::spawn_blocking(move || used.keep(&at.live.store));
            }
            Ok(visitor)
        }
        Ok((Ok(Who::BadToken), Some(seconds))) => Err(Box::new(later(seconds))),
        Ok((Ok(Who::BadToken), None)) => {
            let why = "this token is not known or no longer valid; an administrator can make another";
            Err(refuse(Failure::new(StatusCode::UNAUTHORIZED, why)))
        }
        Ok((Ok(Who::Nobody), _)) => Err(Box::new(ask(asked))),
        Ok((Err(error), _)) => Err(refuse(Failure::internal(error))),
        Err(error) => Err(refuse(Failure::internal(error))),
    }
}

/// Asks nobody who they are: a page by the page to log in, a program by a status.
fn ask(asked: &Asked) -> Response {
    let uri = &asked.uri;
    if !is_api(uri) && uri.path() != METRICS && !changes(&asked.method) {
        let to = uri.path_and_query().map_or("/", |to| to.as_str());
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("to", to).finish();
        return Redirect::to(&format!("/login?{query}")).into_response();
    }
    let why = if is_api(uri) || uri.path() == METRICS {
        "say who you are: Authorization: Bearer and a token, which an administrator makes"
    } else {
        "you are not logged in, or the session has ended; log in and repeat it"
    };
    refusal(Failure::new(StatusCode::UNAUTHORIZED, why))
}

/// Too many attempts.
pub fn later(seconds: u64) -> Response {
    let why = format!("too many attempts failed; wait {} and try again", minutes(seconds));
    let mut answer = refusal(Failure::new(StatusCode::TOO_MANY_REQUESTS, why));
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

fn minutes(seconds: u64) -> String {
    if seconds <= 90 { format!("{seconds} s") } else { format!("{} minutes", seconds.div_ceil(60)) }
}

fn is_api(uri: &Uri) -> bool {
    uri.path().starts_with("/api/")
}

/// The answer to whoever is refused. Below `/api/` it becomes a problem on its way out.
fn refusal(failure: Failure) -> Response {
    let status = failure.status;
    let mut answer = failure.into_response();
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The name that was asked, without port and brackets.
fn host(headers: &HeaderMap) -> Option<&str> {
    // Two are one too many: servers on the way may have believed the other one.
    if headers.get_all(header::HOST).iter().nth(1).is_some() {
        return None;
    }
    let host = text(headers, header::HOST)?;
    Some(match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    })
}

/// Whether a browser says that the form was on a page of the host that was asked.
fn origin_is_ours(headers: &HeaderMap) -> bool {
    let Some(host) = text(headers, header::HOST) else { return false };
    match text(headers, header::ORIGIN) {
        Some(origin) => origin.split_once("://").is_some_and(|(_, from)| from == host),
        // No browser: a browser says where a form was.
        None => {
            !headers.contains_key(header::ORIGIN)
                && text(headers, header::HeaderName::from_static("sec-fetch-site")).is_none()
        }
    }
}

/// Adds what every answer carries.
fn with_headers(mut answer: Response, tls: bool) -> Response {
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if tls {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    let fresh = HeaderValue::from_static("no-store");
    headers.entry(header::CACHE_CONTROL).or_insert(fresh);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn other_sites_cannot_speak_for_who_looks_at_them() {
        assert_eq!(host(&headers(&[("host", "127.0.0.1:8460")])), Some("127.0.0.1"));
        assert_eq!(host(&headers(&[("host", "[::1]:8460")])), Some("::1"));
        assert_eq!(host(&headers(&[("host", "localhost")])), Some("localhost"));
        assert_eq!(host(&headers(&[])), None);
        let from = |origin| headers(&[("host", "127.0.0.1:8460"), ("origin", origin)]);
        assert!(origin_is_ours(&from("http://127.0.0.1:8460")));
        assert!(!origin_is_ours(&from("http://evil.example")) && !origin_is_ours(&from("null")));
        assert!(!origin_is_ours(&from("http://127.0.0.1:84600")));
        assert!(origin_is_ours(&headers(&[("host", "127.0.0.1:8460")])));
        assert!(!origin_is_ours(&headers(&[("host", "127.0.0.1:8460"), ("sec-fetch-site", "cross-site")])));
    }

    #[test]
    fn waits_are_said_as_people_say_them() {
        assert_eq!((minutes(5), minutes(899)), ("5 s".into(), "15 minutes".into()));
    }
}
