//! Everything that the pages show, as JSON below `/api/v1`; of a replay below `/api/v1/replays/{replay}`.
//!
//! Flows in: what the pages are made of, a [`Site`](super::site::Site). Flows out: JSON whose forms stand in
//! [`forms`] and in the OpenAPI document ([`document`]); CSV for a spreadsheet ([`csv`]); errors as problems of
//! RFC 9457 ([`problem`]).

pub mod alerts;
pub mod csv;
pub mod devices;
pub mod document;
pub mod forms;
pub mod list;
pub mod now;
pub mod points;
pub mod problem;
pub mod rules;
pub mod suppressions;

use super::routes::{Route, change, look};
use super::visitor::Role;
use axum::http::Method;
use axum::routing::{delete, get, post};

/// Where the API is.
pub const BASE: &str = "/api/v1";
/// Where that of a replay is.
pub const REPLAY: &str = "/api/v1/replays/{replay}";

/// The addresses of the API.
pub fn routes() -> Vec<Route> {
    let mut all = vec![
        look(format!("{BASE}/openapi.json"), get(document::answer)),
        look(format!("{BASE}/replays"), get(now::replays)),
        Route { role: Some(Role::Administer), ..look(format!("{BASE}/audit"), get(rules::audit)) },
    ];
    for base in [BASE, REPLAY] {
        let at = |path: &str| format!("{base}{path}");
        all.extend([
            look(at("/now"), get(now::now)),
            look(at("/alerts"), get(alerts::list)),
            look(at("/alerts.csv"), get(csv::alerts)),
            look(at("/alerts/{id}"), get(alerts::one)),
            look(at("/alerts/{id}/evidence"), get(alerts::evidence)),
            change(at("/alerts/state"), Role::Operate, post(alerts::set_state)),
            change(at("/alerts/{id}/state"), Role::Operate, post(alerts::set_state_of_one)),
            look(at("/suppressions"), get(suppressions::list)),
            change(at("/suppressions"), Role::Operate, post(suppressions::add)),
            Route {
                method: Method::DELETE,
                ..change(at("/suppressions/{number}"), Role::Operate, delete(suppressions::end))
            },
            look(at("/devices"), get(devices::list)),
            look(at("/devices.csv"), get(csv::devices)),
            look(at("/devices/{address}"), get(devices::one)),
            look(at("/conversations"), get(devices::conversations)),
            look(at("/conversations.csv"), get(csv::conversations)),
            look(at("/points"), get(points::list)),
            look(at("/points.csv"), get(csv::points)),
            look(at("/points/{address}/{proto}/{device}/{space}/{index}"), get(points::one)),
            look(at("/rules"), get(rules::in_force)),
        ]);
    }
    all
}
