//! Every address of the server, with what somebody must be allowed to do to use it.

use super::gate::{frame, gate};
use super::visitor::Role;
use super::{Shared, api, assets, live, pages, probes};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use std::time::Duration;

/// An address that answers.
pub struct Route {
    /// The method of HTTP.
    pub method: Method,
    /// The path, with its parameters in braces.
    pub path: String,
    /// The least role that may use it; `None`: anybody, logged in or not.
    pub role: Option<Role>,
    pub(super) service: MethodRouter<Shared>,
}

/// Looks at something.
pub(super) fn look(path: impl Into<String>, service: MethodRouter<Shared>) -> Route {
    Route { method: Method::GET, path: path.into(), role: Some(Role::View), service }
}

/// Changes something.
pub(super) fn change(path: impl Into<String>, role: Role, service: MethodRouter<Shared>) -> Route {
    Route { method: Method::POST, path: path.into(), role: Some(role), service }
}

/// For anybody.
fn open(path: impl Into<String>, service: MethodRouter<Shared>) -> Route {
    Route { method: Method::GET, path: path.into(), role: None, service }
}

/// For forms of a few fields: nobody sends much before they have said who they are.
fn small(service: MethodRouter<Shared>) -> MethodRouter<Shared> {
    service.layer(DefaultBodyLimit::max(16 << 10)).layer(from_fn(soon))
}

/// Gives up where a form does not come.
async fn soon(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(Duration::from_secs(20), next.run(request)).await;
    answer.unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response())
}

/// What there is of each site: of the live plant below `/`, of a replay below `/replay/ID`.
fn of_a_site(base: &str) -> Vec<Route> {
    let at = |path: &str| format!("{base}{path}");
    let root = if base.is_empty() { "/".into() } else { base.to_owned() };
    vec![
        look(root, get(pages::now::page)),
        look(at("/live"), get(live::stream)),
        look(at("/alerts"), get(pages::alerts::page)),
        change(at("/alerts/change"), Role::Operate, post(pages::alerts::change)),
        look(at("/alerts/{id}"), get(pages::alert::page)),
        look(at("/alerts/{id}/evidence"), get(pages::alert::evidence)),
        change(at("/alerts/{id}/allow"), Role::Administer, post(pages::alert::allow)),
        look(at("/devices"), get(pages::devices::page)),
        look(at("/devices/{address}"), get(pages::device::page)),
        look(at("/map"), get(pages::map::page)),
        look(at("/points"), get(pages::points::page)),
        look(at("/points/{address}/{proto}/{device}/{space}/{index}"), get(pages::point::page)),
        look(at("/rules"), get(pages::rules::page)),
        look(at("/rules/file"), get(pages::rules::file)),
        look(at("/rules/edit"), get(pages::rules::edit)),
        change(at("/rules/try"), Role::Operate, post(pages::rules::try_it)),
        change(at("/suppressions"), Role::Operate, post(pages::alerts::suppress)),
        change(at("/suppressions/end"), Role::Operate, post(pages::alerts::unsuppress)),
    ]
}

/// All addresses.
pub fn all() -> Vec<Route> {
    let mut all = vec![
        open("/healthz", get(|| async { "ok\n" })),
        open("/readyz", get(probes::ready)),
        // Open where only this machine is served: see the gate.
        look("/metrics", get(probes::metrics)),
        open("/assets/{name}", get(assets::asset)),
        open("/login", get(pages::login::page)),
        Route { method: Method::POST, ..open("/login", small(post(pages::login::login))) },
        Route { method: Method::POST, ..open("/logout", small(post(pages::login::logout))) },
    ];
    all.push(Route { role: Some(Role::Administer), ..look("/users", get(pages::users::page)) });
    all.push(change("/users", Role::Administer, small(post(pages::users::change))));
    all.push(Route { role: Some(Role::Administer), ..look("/audit", get(pages::audit::page)) });
    all.push(look("/replay", get(pages::replay::page)));
    let sends = post(pages::replay::start).layer(DefaultBodyLimit::disable());
    all.push(change("/replay", Role::Operate, sends));
    all.push(change("/replay/remove", Role::Operate, post(pages::replay::remove)));
    all.extend(of_a_site(""));
    all.extend(of_a_site("/replay/{replay}"));
    all.extend(api::routes());
    all
}

/// The server's router, every address behind the gate.
pub fn router(shared: &Shared) -> Router {
    let mut router = Router::new();
    for route in all() {
        let guard = from_fn_with_state((shared.clone(), route.role), gate);
        router = router.route(&route.path, route.service.route_layer(guard));
    }
    let framed = from_fn_with_state(shared.clone(), frame);
    let problems = from_fn(api::problem::problems);
    router.fallback(pages::no_such_page).layer(framed).layer(problems).with_state(shared.clone())
}
