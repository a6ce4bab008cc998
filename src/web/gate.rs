//! The gate: every request passes it, and comes out with a [`Visitor`] or not at all.
//!
//! What changes something must come from a page of ours: browsers say in `Origin` where a form was, and the `Host` that
//! was asked must be one that we answer to, so that no page of another site can speak in the name of who looks at it.

use super::Shared;
use super::failure::Failure;
use super::visitor::{Role, Visitor};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;

/// What a page may load: what this server serves, and nothing else; no script or style that stands in a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Lets a request through where its sender may do what the route asks for.
pub async fn gate(
    State((shared, role)): State<(Shared, Option<Role>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let answer = match admit(&shared, role, &request) {
        Ok(visitor) => {
            request.extensions_mut().insert(visitor);
            next.run(request).await
        }
        Err(failure) => failure.into_response(),
    };
    with_headers(answer)
}

fn admit(_shared: &Shared, role: Option<Role>, request: &Request) -> Result<Visitor, Failure> {
    if !host_is_ours(request.headers()) {
        let why = "this name is not one that the sensor answers to; use its address";
        return Err(Failure::new(StatusCode::MISDIRECTED_REQUEST, why));
    }
    if changes(request.method()) && !origin_is_ours(request.headers()) {
        let why = "a change must come from a page of this sensor; open the page again and repeat it";
        return Err(Failure::new(StatusCode::FORBIDDEN, why));
    }
    let visitor = Visitor::local();
    if let Some(role) = role.filter(|role| !visitor.may(*role)) {
        return Err(Failure::new(StatusCode::FORBIDDEN, format!("this needs the role '{}'", role.name())));
    }
    Ok(visitor)
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether the host that was asked is an address or this machine's own name, not a name that somebody else can point here.
fn host_is_ours(headers: &HeaderMap) -> bool {
    let Some(host) = text(headers, header::HOST) else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok()
}

/// Whether a browser says that the form was on a page of the host that was asked.
fn origin_is_ours(headers: &HeaderMap) -> bool {
    let Some(host) = text(headers, header::HOST) else { return false };
    match text(headers, header::ORIGIN) {
        Some(origin) => origin.split_once("://").is_some_and(|(_, from)| from == host),
        // No browser: a browser says where a form was.
        None => text(headers, header::HeaderName::from_static("sec-fetch-site")).is_none(),
    }
}

/// Adds what every answer carries.
fn with_headers(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
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
        assert!(host_is_ours(&headers(&[("host", "127.0.0.1:8460")])));
        assert!(
            host_is_ours(&headers(&[("host", "[::1]:8460")]))
                && host_is_ours(&headers(&[("host", "localhost")]))
        );
        assert!(!host_is_ours(&headers(&[("host", "evil.example:8460")])) && !host_is_ours(&headers(&[])));
        let from = |origin| headers(&[("host", "127.0.0.1:8460"), ("origin", origin)]);
        assert!(origin_is_ours(&from("http://127.0.0.1:8460")));
        assert!(!origin_is_ours(&from("http://evil.example")) && !origin_is_ours(&from("null")));
        assert!(!origin_is_ours(&from("http://127.0.0.1:84600")));
        assert!(origin_is_ours(&headers(&[("host", "127.0.0.1:8460")])));
        assert!(!origin_is_ours(&headers(&[("host", "127.0.0.1:8460"), ("sec-fetch-site", "cross-site")])));
    }
}
