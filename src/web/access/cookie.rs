//! The cookie of a session, and what else a request shows of who sent it.

use super::Shown;
use super::secret::Secret;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Its name where the browser speaks TLS; browsers take a name like this only over TLS and from this host.
const OVER_TLS: &str = "__Host-wayside";
/// Its name where it does not: on this machine.
const PLAIN: &str = "wayside";

/// Whether the browser speaks TLS: to this server, or to one that stands before it, as the browser itself says.
pub fn is_tls(headers: &HeaderMap, tls: bool) -> bool {
    let origin = headers.get(header::ORIGIN);
    tls || origin.is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

/// The header that sets the cookie.
pub fn set(secret: &Secret, tls: bool) -> (HeaderName, HeaderValue) {
    made(secret.text(), tls, "")
}

/// The header that takes it away.
pub fn clear(tls: bool) -> (HeaderName, HeaderValue) {
    made("", tls, "; Max-Age=0")
}

fn made(value: &str, tls: bool, more: &str) -> (HeaderName, HeaderValue) {
    let (name, secure) = if tls { (OVER_TLS, "; Secure") } else { (PLAIN, "") };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}");
    // A secret is of letters that a header may have.
    let mut value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    (header::SET_COOKIE, value)
}

/// What the headers of a request show. `tls`: whether this server speaks TLS.
pub fn shown(headers: &HeaderMap, tls: bool) -> Shown {
    let token = headers.get(header::AUTHORIZATION).map(|value| {
        let text = value.to_str().unwrap_or_default();
        let (kind, token) = text.split_once(' ').unwrap_or_default();
        Secret::from(if kind.eq_ignore_ascii_case("bearer") { token.trim() } else { "" })
    });
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs: Vec<(&str, &str)> =
        cookies.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('=')).collect();
    let of = |wanted: &str| pairs.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let secret = of(OVER_TLS).or_else(|| if tls { None } else { of(PLAIN) });
    Shown { session: secret.map(Secret::from), token }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(HeaderName, &'static str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn over_tls_only_the_cookie_of_tls_counts() {
        let both = headers(&[(header::COOKIE, "a=b; wayside=plain; __Host-wayside=safe")]);
        assert_eq!(shown(&both, true).session, Some("safe".into()));
        let plain = headers(&[(header::COOKIE, "wayside=plain")]);
        assert_eq!(shown(&plain, true).session, None);
        assert_eq!(shown(&plain, false).session, Some("plain".into()));
    }

    #[test]
    fn a_token_is_of_the_kind_bearer() {
        let token = |text| shown(&headers(&[(header::AUTHORIZATION, text)]), true).token;
        assert_eq!(token("Bearer x"), Some("x".into()));
        assert_eq!(token("bearer x"), Some("x".into()));
        assert_eq!(token("Basic eDp5"), Some("".into()));
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let text = |(_, value): (HeaderName, HeaderValue)| value.to_str().unwrap().to_owned();
        assert_eq!(
            text(set(&"s".into(), true)),
            "__Host-wayside=s; Path=/; HttpOnly; SameSite=Strict; Secure"
        );
        assert_eq!(text(set(&"s".into(), false)), "wayside=s; Path=/; HttpOnly; SameSite=Strict");
        assert!(text(clear(true)).ends_with("Secure; Max-Age=0"));
    }
}
