//! The OpenAPI document: made from the same forms and handlers that answer.

use super::{BASE, REPLAY, alerts, csv, devices, list, now, points, problem, rules, suppressions};
use crate::web::asked::Asked;
use crate::web::failure::Failure;
use axum::Json;
use serde_json::{Value, json};
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Wayside",
        description = "What the sensor knows: alerts, devices, conversations, points and rules. Times are RFC 3339 in \
                       UTC. Lists come in parts: ask again with `cursor` as `next` says until it is null. Errors are \
                       problems of RFC 9457. A request that changes something carries JSON."
    ),
    paths(
        now::now,
        now::replays,
        alerts::list,
        alerts::one,
        alerts::evidence,
        alerts::set_state,
        alerts::set_state_of_one,
        csv::alerts,
        suppressions::list,
        suppressions::add,
        suppressions::end,
        devices::list,
        devices::one,
        devices::conversations,
        csv::devices,
        csv::conversations,
        points::list,
        points::one,
        csv::points,
        rules::in_force,
        rules::audit,
        answer
    ),
    components(schemas(problem::Problem))
)]
struct Document;

/// What there is only of the sensor, not of each replay.
const OF_THE_SENSOR: [&str; 3] = ["/api/v1/replays", "/api/v1/audit", "/api/v1/openapi.json"];

/// The document.
///
/// # Errors
/// Where it cannot be written as JSON.
pub fn document() -> Result<Value, serde_json::Error> {
    let mut document = serde_json::to_value(Document::openapi())?;
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return Ok(document) };
    let of_a_replay: Vec<(String, Value)> = paths
        .iter()
        .filter(|(path, _)| !OF_THE_SENSOR.contains(&path.as_str()))
        .map(|(path, item)| (path.replacen(BASE, REPLAY, 1), replayed(item.clone())))
        .collect();
    paths.extend(of_a_replay);
    // Names that mean something; whoever has none needs none.
    let bearer = json!({ "type": "http", "scheme": "bearer" });
    document["components"]["securitySchemes"] = json!({ "token": bearer });
    document["security"] = json!([{}, { "token": [] }]);
    Ok(document)
}

/// The same of a replay.
fn replayed(mut item: Value) -> Value {
    let parameter = json!({
        "name": "replay", "in": "path", "required": true, "schema": { "type": "string" },
        "description": "The id of a replay",
    });
    for operation in item.as_object_mut().into_iter().flat_map(|item| item.values_mut()) {
        if let Some(id) = operation.get("operationId").and_then(Value::as_str) {
            operation["operationId"] = format!("replay_{id}").into();
        }
        match operation.get_mut("parameters").and_then(Value::as_array_mut) {
            Some(all) => all.push(parameter.clone()),
            None => operation["parameters"] = json!([parameter]),
        }
    }
    item
}

/// This document.
///
/// # Errors
/// Where something is asked for that is not known.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "now", operation_id = "openapi",
    responses((status = 200, body = Object), (status = "default", body = problem::Problem, content_type = "application/problem+json")))]
pub async fn answer(asked: Asked) -> Result<Json<Value>, Failure> {
    list::only(&asked, &[])?;
    document().map(Json).map_err(Failure::internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_address_of_the_api_is_in_the_document_and_no_other() {
        let document = document().unwrap();
        let paths = document["paths"].as_object().unwrap();
        let said: BTreeSet<(String, String)> = paths
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone()))
            })
            .collect();
        let served: BTreeSet<(String, String)> =
            super::super::routes().into_iter().map(|route| (route.method.to_string(), route.path)).collect();
        assert_eq!(said, served);
        let ids: Vec<&str> = paths
            .values()
            .flat_map(|item| item.as_object().unwrap().values())
            .map(|operation| operation["operationId"].as_str().unwrap())
            .collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    }
}
