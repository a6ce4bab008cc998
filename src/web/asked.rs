//! What stands behind the question mark of an address, and in forms: names that may come more than once.

use super::failure::Failure;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, RawQuery, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use std::convert::Infallible;

/// Names and values, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Asked(Vec<(String, String)>);

impl Asked {
    /// Reads `a=1&b=2&a=3`.
    pub fn parse(text: &str) -> Asked {
        Asked(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// The first value of a name that is not blank.
    pub fn one(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The first value of a name as it was sent, blank or not.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The values of a name that are not blank.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let name = name.to_owned();
        let of_name = self.0.iter().filter(move |(known, _)| *known == name);
        of_name.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The names of what is not blank.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, value)| !value.trim().is_empty()).map(|(name, _)| name.as_str())
    }

    /// Whether a name has this value.
    pub fn has(&self, name: &str, value: &str) -> bool {
        self.all(name).any(|known| known == value)
    }

    /// The same with one value for a name, or with none.
    pub fn with(&self, name: &str, value: Option<&str>) -> Asked {
        let others = self.0.iter().filter(|(known, _)| known != name).cloned();
        Asked(others.chain(value.map(|value| (name.to_owned(), value.to_owned()))).collect())
    }

    /// As it stands in an address, without what is blank.
    pub fn text(&self) -> String {
        let said = self.0.iter().filter(|(_, value)| !value.trim().is_empty());
        form_urlencoded::Serializer::new(String::new()).extend_pairs(said).finish()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, value)| value.trim().is_empty())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Asked, Infallible> {
        let RawQuery(text) = RawQuery::from_request_parts(parts, state).await?;
        Ok(Asked::parse(text.as_deref().unwrap_or_default()))
    }
}

/// What a form says.
pub struct Form(pub Asked);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Form, Failure> {
        let octets = Bytes::from_request(request, state).await;
        let octets =
            octets.map_err(|error| Failure::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()))?;
        Ok(Form(Asked(form_urlencoded::parse(&octets).into_owned().collect())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_come_more_than_once() {
        let asked = Asked::parse("state=new&q=&state=closed&host=10.0.0.1");
        assert_eq!(asked.all("state").collect::<Vec<_>>(), ["new", "closed"]);
        assert_eq!((asked.one("q"), asked.has("host", "10.0.0.1")), (None, true));
        assert_eq!(asked.with("state", Some("a b")).text(), "host=10.0.0.1&state=a+b");
    }
}
