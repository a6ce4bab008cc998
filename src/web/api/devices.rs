//! Devices and conversations.

use super::forms::{OpenAlerts, time};
use super::list::{Part, only};
use super::points::plain;
use super::problem::Problem;
use crate::address::Address;
use crate::event::Verb;
use crate::inventory::{self, Device, Key, Names, Record, transport};
use crate::policy::RuleSet;
use crate::store::StoreError;
use crate::web::asked::Asked;
use crate::web::devices::{self, Wanted, zone_of};
use crate::web::failure::Failure;
use crate::web::open_alerts::{self, Open};
use crate::web::pages::blocking;
use crate::web::pages::device::{address_of, not_known};
use crate::web::site::{Here, Site};
use axum::Json;
use axum::extract::Path;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::PoisonError;
use utoipa::ToSchema;

/// What devices can be filtered by.
pub const FILTERS: [&str; 5] = ["q", "role", "protocol", "zone", "new"];

/// A device.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeviceItem {
    /// Its address.
    address: String,
    /// What the rules call it.
    name: Option<String>,
    /// The zone of the rules that it is in.
    zone: Option<String>,
    /// What it is, with the reason: what matters most first.
    roles: Vec<Role>,
    /// Its MAC addresses; those of a router where it is behind one.
    macs: Vec<String>,
    /// Whether other addresses have the same MAC address.
    shares_mac: bool,
    /// The vendor of its network interface.
    vendor: Option<&'static str>,
    /// The VLANs that it was seen on.
    vlans: Vec<u16>,
    /// Its protocols.
    protocols: Vec<&'static str>,
    /// What it says of itself.
    identification: Vec<Statement>,
    /// Who commands it.
    commanded_by: Vec<Commander>,
    /// Messages of our protocols that it sent.
    sent: u64,
    /// Messages of our protocols that were sent to it.
    received: u64,
    /// When it was first seen.
    #[schema(format = DateTime)]
    first_seen: Option<String>,
    /// When it was last seen.
    #[schema(format = DateTime)]
    last_seen: Option<String>,
    /// Its open alerts.
    open_alerts: Option<OpenAlerts>,
}

/// What a device is.
#[derive(Debug, Serialize, ToSchema)]
struct Role {
    /// The word for it.
    role: &'static str,
    /// Why.
    because: String,
}

/// Something that a device says of itself.
#[derive(Debug, Serialize, ToSchema)]
struct Statement {
    /// The device behind the address.
    device: Option<u32>,
    /// The number of the object.
    id: u32,
    /// Its name.
    name: Option<&'static str>,
    /// What it says.
    #[schema(value_type = Value)]
    value: serde_json::Value,
    /// When it was read.
    #[schema(format = DateTime)]
    at: String,
    /// Who read it.
    by: String,
}

/// Somebody who commands a device.
#[derive(Debug, Serialize, ToSchema)]
struct Commander {
    /// Who.
    address: String,
    /// In which protocol.
    protocol: &'static str,
    /// How many commands.
    commands: u64,
    /// When the last one was sent.
    #[schema(format = DateTime)]
    last: String,
}

impl From<Open> for OpenAlerts {
    fn from(open: Open) -> OpenAlerts {
        OpenAlerts { count: open.count, worst: open.worst.name() }
    }
}

impl DeviceItem {
    fn new(device: &Device, rules: Option<&RuleSet>, open: Option<Open>) -> DeviceItem {
        let (first, last) = device.seen();
        let roles = device
            .roles
            .iter()
            .map(|reason| Role { role: reason.role.name(), because: reason.because.clone() });
        let identification = device.identities.iter().flat_map(|identified| {
            identified.identity.statements.iter().filter_map(|statement| {
                let (at, value, by) = statement.said.as_ref()?;
                Some(Statement {
                    device: identified.device,
                    id: statement.id,
                    name: statement.name,
                    value: plain(value.value()),
                    at: time(at.ts.nanos),
                    by: by.to_string(),
                })
            })
        });
        let commanders = device.commanders.iter().map(|by| Commander {
            address: by.address.to_string(),
            protocol: by.words.name,
            commands: by.count,
            last: time(by.last.ts.nanos),
        });
        DeviceItem {
            address: device.address.to_string(),
            name: device.name.clone(),
            zone: zone_of(device, rules).map(str::to_owned),
            roles: roles.collect(),
            macs: device.macs.iter().map(|mac| mac.to_string()).collect(),
            shares_mac: device.shares_mac,
            vendor: device.vendor,
            vlans: device.vlans.iter().collect(),
            protocols: device.protocols.iter().map(|words| words.name).collect(),
            identification: identification.collect(),
            commanded_by: commanders.collect(),
            sent: device.sent,
            received: device.received,
            first_seen: first.map(|at| time(at.nanos)),
            last_seen: last.map(|at| time(at.nanos)),
            open_alerts: open.map(OpenAlerts::from),
        }
    }
}

/// A conversation between two hosts in one protocol.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationItem {
    /// Who asks.
    client: String,
    /// What the rules call it.
    client_name: Option<String>,
    /// Who answers.
    server: String,
    /// What the rules call it.
    server_name: Option<String>,
    /// Whether it is known who of the two asks.
    client_known: bool,
    /// The protocol; null where it is none of ours.
    protocol: Option<&'static str>,
    /// `tcp`, `udp` or another carrier.
    transport: String,
    /// The port that does not change; 0 where it is not known.
    port: u16,
    /// Messages of the client.
    client_sent: u64,
    /// Messages of the server.
    server_sent: u64,
    /// Messages by what they do.
    verbs: BTreeMap<&'static str, u64>,
    /// Commands among them.
    commands: u64,
    /// Requests that were refused.
    exceptions: u64,
    /// Requests that nobody answered.
    unanswered: u64,
    /// Time from request to response, in seconds.
    response: Option<Response>,
    /// When it was first seen.
    #[schema(format = DateTime)]
    first_seen: Option<String>,
    /// When it was last seen.
    #[schema(format = DateTime)]
    last_seen: Option<String>,
}

/// Times from request to response, in seconds.
#[derive(Debug, Serialize, ToSchema)]
struct Response {
    /// The mean.
    mean: f64,
    /// Half of them are not longer.
    p50: f64,
    /// 95 of 100 are not longer.
    p95: f64,
    /// The longest.
    max: f64,
}

impl ConversationItem {
    fn new(key: &Key, record: &Record, names: &dyn Names) -> ConversationItem {
        let name = |address: Address, side: usize| {
            names.host(address, record.macs.get(side).and_then(|macs| macs.first()), record.vlans.first())
        };
        let seconds = |nanos: Option<u64>| nanos.unwrap_or(0) as f64 / 1e9;
        let latency = &record.latency;
        let verbs = Verb::ALL.into_iter().map(|verb| (verb.name(), record.count(verb)));
        let [client_sent, server_sent] = record.sent;
        ConversationItem {
            client: key.client.to_string(),
            client_name: name(key.client, 0),
            server: key.server.to_string(),
            server_name: name(key.server, 1),
            client_known: key.placed,
            protocol: record.words.map(|words| words.name),
            transport: transport(key.transport),
            port: record.service().map_or(0, |(port, _)| port),
            client_sent,
            server_sent,
            verbs: verbs.filter(|(_, count)| *count > 0).collect(),
            commands: record.commands(),
            exceptions: record.exceptions,
            unanswered: record.unanswered,
            response: latency.mean().map(|mean| Response {
                mean: seconds(Some(mean)),
                p50: seconds(latency.percentile(50)),
                p95: seconds(latency.percentile(95)),
                max: seconds(latency.longest()),
            }),
            first_seen: record.span.map(|span| time(span.first.nanos)),
            last_seen: record.span.map(|span| time(span.last.nanos)),
        }
    }

    fn cursor(&self) -> String {
        let protocol = self.protocol.unwrap_or("-");
        format!("{},{},{protocol},{},{}", self.client, self.server, self.transport, self.port)
    }
}

/// Devices: those with open alerts first, then by name, then by address.
///
/// # Errors
/// Where the filter or the store is wrong.
#[utoipa::path(get, path = "/api/v1/devices", tag = "devices", operation_id = "devices",
    params(
        ("q" = Option<String>, Query, description = "Words in the name, address, vendor, role or what it says of itself"),
        ("role" = Option<String>, Query, description = "A role, such as `PLC` or `HMI`"),
        ("protocol" = Option<String>, Query, description = "A protocol"),
        ("zone" = Option<String>, Query, description = "A zone of the rules; `-` for none of them"),
        ("new" = Option<String>, Query, description = "First seen since: `shift`, `hour`, `day`, `week` or a time"),
        ("limit" = Option<String>, Query, description = "Entries in a part, from 1 to 1000; 100 where it is not given"),
        ("cursor" = Option<String>, Query, description = "Where the part begins: `next` of the part before"),
    ),
    responses((status = 200, body = Part<DeviceItem>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn list(Here(site): Here, asked: Asked) -> Result<Json<Part<DeviceItem>>, Failure> {
    only(&asked, &[&FILTERS[..], &["limit", "cursor"]].concat())?;
    let wanted = Wanted::read(&asked, &site)?;
    let found = blocking(&site, move |site| devices::list(site, &wanted)).await?;
    let part = Part::of(found.devices, &asked, |listed| listed.device.address.to_string())?;
    let rules = site.rules.load_full();
    let item = |listed: &devices::Listed| DeviceItem::new(&listed.device, rules.as_deref(), listed.open);
    Ok(Json(Part { items: part.items.iter().map(item).collect(), next: part.next }))
}

/// One device with its conversations.
#[derive(Debug, Serialize, ToSchema)]
pub struct WholeDevice {
    /// As lists show it.
    #[serde(flatten)]
    item: DeviceItem,
    /// What is said on its conversations.
    conversations: Vec<ConversationItem>,
    /// How many points it has.
    points: u64,
}

/// One device with its conversations.
///
/// # Errors
/// Where there is none of this address.
#[utoipa::path(get, path = "/api/v1/devices/{address}", tag = "devices", operation_id = "device",
    params(("address" = String, Path, description = "Its IP or MAC address")),
    responses((status = 200, body = WholeDevice), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn one(
    Here(site): Here,
    Path(path): Path<HashMap<String, String>>,
    asked: Asked,
) -> Result<Json<WholeDevice>, Failure> {
    only(&asked, &[])?;
    let address = address_of(&path)?;
    let whole = blocking(&site, move |site| read(site, address)).await?;
    whole.map(Json).ok_or_else(|| not_known(address))
}

fn read(site: &Site, address: Address) -> Result<Option<WholeDevice>, StoreError> {
    let open = open_alerts::OpenAlerts::of_site(site)?;
    let names = site.names();
    let inventory = site.inventory.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((device, conversations)) = inventory.device(address, &names) else { return Ok(None) };
    let conversations = conversations.iter().map(|(key, record)| ConversationItem::new(key, record, &names));
    Ok(Some(WholeDevice {
        item: DeviceItem::new(&device, names.0.as_deref(), open.of(address)),
        conversations: conversations.collect(),
        points: inventory.points(Some(address)).len() as u64,
    }))
}

/// Who speaks with whom, in which protocol.
///
/// # Errors
/// Where the address is none.
#[utoipa::path(get, path = "/api/v1/conversations", tag = "devices", operation_id = "conversations",
    params(
        ("device" = Option<String>, Query, description = "Only those of this address"),
        ("limit" = Option<String>, Query, description = "Entries in a part, from 1 to 1000; 100 where it is not given"),
        ("cursor" = Option<String>, Query, description = "Where the part begins: `next` of the part before"),
    ),
    responses((status = 200, body = Part<ConversationItem>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn conversations(Here(site): Here, asked: Asked) -> Result<Json<Part<ConversationItem>>, Failure> {
    only(&asked, &["device", "limit", "cursor"])?;
    let of = device_of(&asked)?;
    let found = blocking(&site, move |site| {
        let inventory: &inventory::Inventory = &site.inventory.lock().unwrap_or_else(PoisonError::into_inner);
        Ok::<_, Infallible>(match of {
            Some(address) => inventory.conversations_of(address),
            None => inventory.conversations(),
        })
    });
    let names = site.names();
    let items = found.await?;
    let items = items.iter().map(|(key, record)| ConversationItem::new(key, record, &names));
    Ok(Json(Part::of(items, &asked, ConversationItem::cursor)?))
}

/// The device that is asked for.
///
/// # Errors
/// Where it is no address.
pub fn device_of(asked: &Asked) -> Result<Option<Address>, Failure> {
    let parse = |text: &str| {
        text.parse().map_err(|_| super::list::bad(format!("device = '{text}' is no IP or MAC address")))
    };
    asked.one("device").map(parse).transpose()
}
