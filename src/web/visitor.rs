//! Who asks, and what they may do.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::convert::Infallible;

pub use crate::store::Role;

/// Who asks. The gate puts it into each request that it lets through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Visitor {
    /// The name for the audit trail.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether there is something to log out of.
    pub session: bool,
}

impl Visitor {
    /// Whoever sits at this machine, where no users are set up.
    pub fn local() -> Visitor {
        Visitor { name: "local".into(), role: Role::Administer, session: false }
    }

    /// Who has not said who they are, at an address that is open to all.
    pub fn nobody() -> Visitor {
        Visitor { name: "nobody".into(), role: Role::View, session: false }
    }

    /// Whether they may do what asks for this role.
    pub fn may(&self, role: Role) -> bool {
        self.role >= role
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Visitor, Infallible> {
        let visitor = parts.extensions.get::<Visitor>().cloned();
        // Nobody comes past the gate without one; who did would see only what everybody may.
        Ok(visitor.unwrap_or_else(Visitor::nobody))
    }
}
