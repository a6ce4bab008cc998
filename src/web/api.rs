//! Everything that the pages show, as JSON below `/api/v1`.

use super::routes::Route;

/// The addresses of the API.
pub fn routes() -> Vec<Route> {
    Vec::new()
}
