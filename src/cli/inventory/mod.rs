//! `wayside inventory`: the devices, conversations and points of captures.

mod table;

use super::{Failure, Outcome, replay, terminal};
use crate::address::Address;
use crate::alert::{Desk, Grouping};
use crate::capture::Files;
use crate::inventory::{Inventory, Limits, Part};
use crate::sensor::pipeline::{self, Parts, Pipeline};
use crate::web::names::FromRules;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `wayside inventory`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Captures (pcap or pcapng, plain, .gz or .zst), folders of them, or - for standard input. Several are read in
    /// time order.
    #[arg(required = true, value_name = "FILE|FOLDER")]
    files: Vec<PathBuf>,

    /// Rule file or folder of rule files, for the names of hosts and points; may be given several times. Nothing is
    /// judged.
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,

    /// A table for people, one JSON document, or CSV for a spreadsheet.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,

    /// Which part. Without it, JSON has all of them, a table or CSV the devices.
    #[arg(long, value_enum)]
    what: Option<What>,

    /// Only this device: an IP or MAC address, or a name from the rules.
    #[arg(long, value_name = "ADDRESS|NAME")]
    device: Option<String>,

    /// Threads that decode, each for its share of the hosts; the inventory is the same.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,

    /// No progress bar.
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Format {
    Table,
    Json,
    Csv,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum What {
    Devices,
    Conversations,
    Points,
}

impl What {
    fn part(self) -> Part {
        match self {
            What::Devices => Part::Devices,
            What::Conversations => Part::Conversations,
            What::Points => Part::Points,
        }
    }
}

/// Reads captures and says what there is.
///
/// # Errors
/// One sentence: a file that cannot be read, rules that are wrong, a device that is not there.
pub fn run(arguments: &Arguments) -> Outcome {
    let names = FromRules(replay::load_rules(&arguments.rules)?);
    let files = Files::open(&arguments.files).map_err(Failure::failed)?;
    let inventory = read(files, arguments)?;
    let only = match &arguments.device {
        Some(text) => Some(find(text, &inventory, &names)?),
        None => None,
    };
    let what = arguments.what.unwrap_or(What::Devices).part();
    let parts = match arguments.what {
        Some(what) => &[what.part()][..],
        None => &Part::ALL,
    };
    let mut out = Vec::new();
    match arguments.format {
        Format::Json => {
            inventory.write_json(parts, only, &names, &mut out);
            out.push(b'\n');
        }
        Format::Csv => inventory
            .write_csv(what, &|address| only.is_none_or(|only| address == only), &names, &mut out)
            .map_err(|error| Failure::failed(format!("cannot write CSV: {error}")))?,
        Format::Table => out.extend_from_slice(table::text(&inventory, what, only, &names).as_bytes()),
    }
    match std::io::stdout().write_all(&out) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            return Err(Failure::failed(format!("cannot write the inventory: {error}")));
        }
        _ => {}
    }
    if !inventory.forgotten().is_none() {
        eprintln!("wayside: {}", table::forgotten(&inventory));
    }
    Ok(ExitCode::SUCCESS)
}

fn read(files: Files, arguments: &Arguments) -> Result<Inventory, Failure> {
    let parts = Parts {
        flows: Default::default(),
        fragments: 16 << 20,
        tally: pipeline::tally(None),
        rules: None,
        desk: Desk::new(Grouping::Final, "inventory"),
        emit: Box::new(|_| {}),
        events: None,
    };
    let limits = Limits::default();
    let mut pipeline = Pipeline::with_workers(parts, usize::from(arguments.workers))
        .map_err(|error| Failure::failed(format!("cannot start {} workers: {error}", arguments.workers)))?;
    pipeline.take_stock(limits);
    let bar = terminal::progress(files.progress().1, !arguments.quiet);
    let mut look = |octets| {
        if let Some(bar) = &bar {
            bar.set_position(octets);
        }
    };
    let notices = pipeline.read(files, &arguments.files, &mut look).map_err(Failure::failed)?;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    // Without an event log there is nothing to fail.
    let _ = pipeline.finish();
    notices.iter().for_each(|notice| eprintln!("wayside: {notice}"));
    let mut inventory = Inventory::new(limits);
    pipeline.harvest().iter().for_each(|harvest| inventory.merge(harvest));
    Ok(inventory)
}

/// The address of a device by what a person calls it.
fn find(text: &str, inventory: &Inventory, names: &FromRules) -> Result<Address, Failure> {
    let wanted = text.parse::<Address>().ok();
    let is_it = |device: &crate::inventory::Device| match wanted {
        Some(address) => {
            device.address == address
                || matches!(address, Address::Mac(mac) if device.macs.iter().any(|own| own == mac))
        }
        None => device.name.as_deref() == Some(text),
    };
    let found = inventory.devices(names).into_iter().find(is_it).map(|device| device.address);
    found.ok_or_else(|| {
        let help = if wanted.is_none() && names.0.is_none() {
            "; it is no address, and names come from --rules"
        } else {
            ""
        };
        Failure::failed(format!("there is no device '{text}' in these captures{help}"))
    })
}
