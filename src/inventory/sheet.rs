//! The inventory as CSV (RFC 4180) for a spreadsheet.
//!
//! What devices say of themselves is hostile. A spreadsheet takes a cell that begins with certain characters for a
//! formula; such a cell gets an apostrophe before it, unless it is a plain number.

use super::conversation::{Key, Record};
use super::device::Device;
use super::json::{Part, transport};
use super::stock::{Inventory, Names};
use crate::address::{Address, Timestamp};
use crate::event::{About, OwnedValue, Value};

type Result = std::result::Result<(), csv::Error>;

impl Inventory {
    /// Appends a part of the inventory as CSV, of the addresses that are wanted: conversations in which one of the two
    /// is, points of those devices.
    ///
    /// # Errors
    /// Where a row cannot be written.
    pub fn write_csv(
        &self,
        what: Part,
        wanted: &dyn Fn(Address) -> bool,
        names: &dyn Names,
        out: &mut Vec<u8>,
    ) -> Result {
        let mut sheet = Sheet::new(out);
        match what {
            Part::Devices => devices(self, wanted, names, &mut sheet)?,
            Part::Conversations => conversations(self, wanted, names, &mut sheet)?,
            Part::Points => points(self, wanted, names, &mut sheet)?,
        }
        sheet.end()
    }
}

/// A table in which no cell is a formula.
pub struct Sheet<'o>(csv::Writer<&'o mut Vec<u8>>);

impl<'o> Sheet<'o> {
    /// Appends to these octets.
    pub fn new(out: &'o mut Vec<u8>) -> Sheet<'o> {
        Sheet(csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out))
    }

    /// Adds a row.
    ///
    /// # Errors
    /// Where it has another number of cells than those before.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) -> Result {
        self.0.write_record(cells.into_iter().map(safe))
    }

    /// Adds the row of titles.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn titles(&mut self, titles: &[&str]) -> Result {
        self.0.write_record(titles)
    }

    /// Writes what is still to be written.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn end(mut self) -> Result {
        Ok(self.0.flush()?)
    }
}

/// What is spoken in a conversation, and on which port, as one word: `modbus/502`.
pub fn spoken(key: &Key, record: &Record) -> String {
    let transport = transport(key.transport);
    let name = record.words.map_or(transport, |words| words.name.to_owned());
    match record.service() {
        Some((port, _)) => format!("{name}/{port}"),
        None => name,
    }
}

/// What is behind an address, as one word each: `unit 3`.
pub fn behind(device: &Device) -> Vec<String> {
    let there = device.serves.iter().filter(|served| served.answered + served.reports > 0);
    there.map(|served| format!("{} {}", served.words.device_key, served.device)).collect()
}

/// A cell that no spreadsheet takes for a formula.
fn safe(cell: String) -> String {
    let number =
        || cell.bytes().all(|octet| b"0123456789.eE+-".contains(&octet)) && cell.parse::<f64>().is_ok();
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && !number() { format!("'{cell}") } else { cell }
}

/// A value without quotation marks; what is not plain is escaped.
fn said(value: Value<'_>) -> String {
    match value {
        Value::Text(octets) => octets.escape_ascii().to_string(),
        value => value.to_string(),
    }
}

fn time(ts: Option<Timestamp>) -> String {
    ts.map_or(String::new(), |ts| ts.to_string())
}

fn devices(
    inventory: &Inventory,
    wanted: &dyn Fn(Address) -> bool,
    names: &dyn Names,
    sheet: &mut Sheet<'_>,
) -> Result {
    sheet.titles(&[
        "address",
        "name",
        "roles",
        "because",
        "macs",
        "shares_mac",
        "vendor",
        "vlans",
        "protocols",
        "behind",
        "identified_vendor",
        "identified_product",
        "identified_revision",
        "identified_serial",
        "identification",
        "commanded_by",
        "sent",
        "received",
        "first_seen",
        "last_seen",
    ])?;
    for device in inventory.devices(names).iter().filter(|device| wanted(device.address)) {
        let about = |about| device.about(about).map_or(String::new(), |value| said(value.value()));
        let (first, last) = device.seen();
        sheet.row([
            device.address.to_string(),
            device.name.clone().unwrap_or_default(),
            joined(device.roles.iter().map(|reason| reason.role.name().to_owned())),
            joined(device.roles.iter().map(|reason| reason.because.clone())),
            joined(device.macs.iter().map(|mac| mac.to_string())),
            device.shares_mac.to_string(),
            device.vendor.unwrap_or_default().to_owned(),
            joined(device.vlans.iter().map(|vlan| vlan.to_string())),
            joined(device.protocols.iter().map(|words| words.name.to_owned())),
            joined(behind(device)),
            about(About::Vendor),
            about(About::Product),
            about(About::Revision),
            about(About::Serial),
            identification(device),
            joined(device.commanders.iter().map(|by| by.address.to_string())),
            device.sent.to_string(),
            device.received.to_string(),
            time(first),
            time(last),
        ])?;
    }
    Ok(())
}

fn joined(words: impl IntoIterator<Item = String>) -> String {
    let mut words: Vec<String> = words.into_iter().collect();
    words.dedup();
    words.join("; ")
}

fn identification(device: &Device) -> String {
    let statements = device.identities.iter().flat_map(|identified| &identified.identity.statements);
    joined(statements.filter_map(|statement| {
        let (_, value, _): &(_, OwnedValue, _) = statement.said.as_ref()?;
        let name = statement.name.map_or(format!("object {}", statement.id), str::to_owned);
        Some(format!("{name}={}", said(value.value())))
    }))
}

fn conversations(
    inventory: &Inventory,
    wanted: &dyn Fn(Address) -> bool,
    names: &dyn Names,
    sheet: &mut Sheet<'_>,
) -> Result {
    sheet.titles(&[
        "client",
        "client_name",
        "server",
        "server_name",
        "client_known",
        "protocol",
        "client_sent",
        "server_sent",
        "verbs",
        "commands",
        "last_command",
        "exceptions",
        "unanswered",
        "malformed",
        "responses",
        "response_mean_us",
        "response_p50_us",
        "response_p95_us",
        "response_max_us",
        "first_seen",
        "last_seen",
    ])?;
    for (key, record) in &inventory.conversations() {
        if !wanted(key.client) && !wanted(key.server) {
            continue;
        }
        let name = |address, side: usize| {
            names.host(address, record.macs[side].first(), record.vlans.first()).unwrap_or_default()
        };
        let micros = |nanos: Option<u64>| nanos.map_or(String::new(), |nanos| (nanos / 1_000).to_string());
        let verbs = crate::event::Verb::ALL.into_iter().filter(|verb| record.count(*verb) > 0);
        sheet.row([
            key.client.to_string(),
            name(key.client, 0),
            key.server.to_string(),
            name(key.server, 1),
            key.placed.to_string(),
            spoken(key, record),
            record.sent[0].to_string(),
            record.sent[1].to_string(),
            joined(verbs.map(|verb| format!("{} {}", verb.name(), record.count(verb)))),
            record.commands().to_string(),
            time(record.command.map(|at| at.ts)),
            record.exceptions.to_string(),
            record.unanswered.to_string(),
            record.of_kind(crate::event::Kind::Malformed).to_string(),
            record.latency.count().to_string(),
            micros(record.latency.mean()),
            micros(record.latency.percentile(50)),
            micros(record.latency.percentile(95)),
            micros(record.latency.longest()),
            time(record.span.map(|span| span.first)),
            time(record.span.map(|span| span.last)),
        ])?;
    }
    Ok(())
}

fn points(
    inventory: &Inventory,
    wanted: &dyn Fn(Address) -> bool,
    names: &dyn Names,
    sheet: &mut Sheet<'_>,
) -> Result {
    sheet.titles(&[
        "address",
        "protocol",
        "device",
        "space",
        "index",
        "name",
        "value",
        "how",
        "last_seen",
        "reads",
        "writes",
        "refused",
        "min",
        "max",
        "last_written",
        "written_by",
        "written_at",
        "first_seen",
    ])?;
    for (key, words, point) in inventory.points(None).into_iter().filter(|(key, ..)| wanted(key.server)) {
        let last = point.last();
        let number = |number: Option<f64>| number.map_or(String::new(), |number| number.to_string());
        let written = point.written.as_ref();
        sheet.row([
            key.server.to_string(),
            words.name.to_owned(),
            key.device.map_or(String::new(), |device| device.to_string()),
            words.space_name(key.space).to_string(),
            key.index.to_string(),
            names.point(&key).unwrap_or_default(),
            last.map_or(String::new(), |(last, _)| said(last.value.value())),
            last.map_or("", |(_, written)| if written { "written" } else { "read" }).to_owned(),
            time(point.span.map(|span| span.last)),
            point.reads.to_string(),
            point.writes.to_string(),
            point.refused.to_string(),
            number(point.range.map(|(low, _)| low)),
            number(point.range.map(|(_, high)| high)),
            written.map_or(String::new(), |written| said(written.value.value())),
            written.map_or(String::new(), |written| written.by.to_string()),
            time(written.map(|written| written.at.ts)),
            time(point.span.map(|span| span.first)),
        ])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for formula in ["=1+1", "+cmd|' /C calc'!A0", "-1+1", "@SUM(1)", "\tx", "\rx", "-inf", "+"] {
            assert_eq!(safe(formula.into()), format!("'{formula}"));
        }
        for plain in ["-5", "+1.5e3", "-0.25", "10.0.0.1", "", "pump=on"] {
            assert_eq!(safe(plain.into()), plain);
        }
    }
}
