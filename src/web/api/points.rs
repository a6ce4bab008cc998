//! Points: registers, coils and objects with their last values.

use super::devices::device_of;
use super::forms::time;
use super::list::{Part, only};
use super::problem::Problem;
use crate::event::{Value, Vocabulary};
use crate::inventory::{Names, Point, PointKey, Said};
use crate::policy::End;
use crate::store::StoreError;
use crate::web::asked::Asked;
use crate::web::failure::Failure;
use crate::web::pages::blocking;
use crate::web::pages::device::address_of;
use crate::web::pages::point::{find, no_such_point};
use crate::web::site::Here;
use axum::Json;
use axum::extract::Path;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::PoisonError;
use utoipa::ToSchema;

/// A point.
#[derive(Debug, Serialize, ToSchema)]
pub struct PointItem {
    /// The address of its device.
    address: String,
    /// The protocol.
    proto: &'static str,
    /// The device behind the address: a Modbus unit, a DNP3 outstation address.
    device: Option<u32>,
    /// The kind of point: `holding`, `coil`, `analog input`.
    space: String,
    /// Its number.
    index: u32,
    /// What the rules call it.
    name: Option<String>,
    /// The value that its device told last.
    read: Option<SaidItem>,
    /// The value that was written last.
    written: Option<SaidItem>,
    /// How often its device told its value.
    reads: u64,
    /// How often somebody wrote or operated it.
    writes: u64,
    /// How often the device refused that.
    refused: u64,
    /// The lowest value, where it was ever a number.
    min: Option<f64>,
    /// The highest value, where it was ever a number.
    max: Option<f64>,
    /// When it was first seen.
    #[schema(format = DateTime)]
    first_seen: Option<String>,
    /// When it was last seen.
    #[schema(format = DateTime)]
    last_seen: Option<String>,
}

/// A value, who said it, and when.
#[derive(Debug, Serialize, ToSchema)]
struct SaidItem {
    /// The value as on the wire: a number, a state or text.
    #[schema(value_type = Value)]
    value: serde_json::Value,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// The device that was read, or who wrote.
    by: String,
}

/// A value as JSON; what is not UTF-8 is escaped.
pub fn plain(value: Value<'_>) -> serde_json::Value {
    match value {
        Value::Bool(on) => on.into(),
        Value::Int(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Name(word) => word.into(),
        Value::Text(octets) => match std::str::from_utf8(octets) {
            Ok(text) => text.into(),
            Err(_) => octets.escape_ascii().to_string().into(),
        },
        Value::Bytes(octets) => octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>().into(),
    }
}

impl From<&Said> for SaidItem {
    fn from(said: &Said) -> SaidItem {
        SaidItem { value: plain(said.value.value()), at: time(said.at.ts.nanos), by: said.by.to_string() }
    }
}

impl PointItem {
    fn new(key: &PointKey, words: &'static Vocabulary, point: &Point, names: &dyn Names) -> PointItem {
        let finite = |number: Option<f64>| number.filter(|number| number.is_finite());
        PointItem {
            address: key.server.to_string(),
            proto: words.name,
            device: key.device,
            space: words.space_name(key.space).to_string(),
            index: key.index,
            name: names.point(key),
            read: point.read.as_ref().map(SaidItem::from),
            written: point.written.as_ref().map(SaidItem::from),
            reads: point.reads,
            writes: point.writes,
            refused: point.refused,
            min: finite(point.range.map(|(low, _)| low)),
            max: finite(point.range.map(|(_, high)| high)),
            first_seen: point.span.map(|span| time(span.first.nanos)),
            last_seen: point.span.map(|span| time(span.last.nanos)),
        }
    }
}

/// The name of a point in addresses and cursors: `10.0.0.2/modbus/1/holding/101`.
fn path(key: &PointKey, words: &'static Vocabulary) -> String {
    let device = key.device.map_or("-".to_owned(), |device| device.to_string());
    format!("{}/{}/{device}/{}/{}", key.server, words.name, words.space_name(key.space), key.index)
}

/// Points, by device and number.
///
/// # Errors
/// Where the address is none.
#[utoipa::path(get, path = "/api/v1/points", tag = "points", operation_id = "points",
    params(
        ("device" = Option<String>, Query, description = "Only those of this address"),
        ("limit" = Option<String>, Query, description = "Entries in a part, from 1 to 1000; 100 where it is not given"),
        ("cursor" = Option<String>, Query, description = "Where the part begins: `next` of the part before"),
    ),
    responses((status = 200, body = Part<PointItem>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn list(Here(site): Here, asked: Asked) -> Result<Json<Part<PointItem>>, Failure> {
    only(&asked, &["device", "limit", "cursor"])?;
    let of = device_of(&asked)?;
    let found = blocking(&site, move |site| {
        let names = site.names();
        let inventory = site.inventory.lock().unwrap_or_else(PoisonError::into_inner);
        let part = Part::of(inventory.points(of), &asked, |(key, words, _)| path(key, words));
        Ok::<_, StoreError>(part.map(|part| {
            Part {
                items: part
                    .items
                    .iter()
                    .map(|(key, words, point)| PointItem::new(key, words, point, &names))
                    .collect(),
                next: part.next,
            }
        }))
    });
    Ok(Json(found.await??))
}

/// One point with its recent values and what limits them.
#[derive(Debug, Serialize, ToSchema)]
pub struct WholePoint {
    /// As lists show it.
    #[serde(flatten)]
    item: PointItem,
    /// The last values that were numbers, the oldest first, as on the wire.
    recent: Vec<Sample>,
    /// What the rules allow to be written.
    limits: Vec<Limit>,
}

/// A value at a time.
#[derive(Debug, Serialize, ToSchema)]
struct Sample {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// The value; null where it is no finite number.
    value: Option<f64>,
}

/// What a rule allows to be written.
#[derive(Debug, Serialize, ToSchema)]
struct Limit {
    /// In words.
    said: String,
    /// The rule's name, or that of the point.
    by: String,
    /// Where it stands: file and line.
    place: Option<String>,
    /// The ranges, both ends included, as on the wire; null is no end.
    ranges: Vec<[Option<f64>; 2]>,
}

/// One point with its recent values and what limits them.
///
/// # Errors
/// Where there is none.
#[utoipa::path(get, path = "/api/v1/points/{address}/{proto}/{device}/{space}/{index}", tag = "points", operation_id = "point",
    params(
        ("address" = String, Path, description = "The address of its device"),
        ("proto" = String, Path, description = "The protocol"),
        ("device" = String, Path, description = "The device behind the address; `-` where there is none"),
        ("space" = String, Path, description = "The kind of point"),
        ("index" = String, Path, description = "Its number"),
    ),
    responses((status = 200, body = WholePoint), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn one(
    Here(site): Here,
    Path(path): Path<HashMap<String, String>>,
    asked: Asked,
) -> Result<Json<WholePoint>, Failure> {
    only(&asked, &[])?;
    let address = address_of(&path)?;
    let found = blocking(&site, move |site| Ok::<_, StoreError>(find(site, address, &path))).await?;
    let (row, recent) = found.ok_or_else(|| no_such_point(address))?;
    let names = site.names();
    let end = End { address, mac: None, vlan: None };
    let place = (row.key.space, row.key.index);
    let limits = names.0.as_ref().map(|rules| rules.limits_of(end, row.words, row.key.device, place));
    let finite = |number: f64| Some(number).filter(|number| number.is_finite());
    Ok(Json(WholePoint {
        item: PointItem::new(&row.key, row.words, &row.point, &names),
        recent: recent
            .iter()
            .map(|sample| Sample { at: time(sample.nanos), value: finite(sample.value) })
            .collect(),
        limits: limits
            .unwrap_or_default()
            .into_iter()
            .map(|limit| Limit {
                said: limit.said,
                by: limit.by,
                place: limit.place,
                ranges: limit.ranges.into_iter().map(|(low, high)| [finite(low), finite(high)]).collect(),
            })
            .collect(),
    }))
}
