//! `wayside.toml`: what to listen to, which rules to hold it against, where to say so.

use super::evidence::Keeping;
use crate::output::events::Form;
use crate::output::evidence::{EvidenceError, Folder};
use crate::output::settings::{Output, OutputTable};
use crate::policy::nearest;
use crate::web::access;
use crate::{store, stream};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// The whole file. Every key has a default; unknown keys are errors.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// `[sensor]`.
    #[serde(default)]
    pub sensor: SensorTable,
    /// `[[interface]]`, one or more.
    #[serde(default)]
    pub interface: Vec<InterfaceTable>,
    /// `[rules]`.
    #[serde(default)]
    pub rules: RulesTable,
    /// `[alerts]`.
    #[serde(default)]
    pub alerts: AlertsTable,
    /// `[[output]]`, any number.
    #[serde(default)]
    pub output: Vec<OutputTable>,
    /// `[queues]`.
    #[serde(default)]
    pub queues: QueuesTable,
    /// `[events]`.
    #[serde(default)]
    pub events: EventsTable,
    /// `[audit]`.
    #[serde(default)]
    pub audit: AuditTable,
    /// `[store]`.
    #[serde(default)]
    pub store: StoreTable,
    /// `[evidence]`.
    #[serde(default)]
    pub evidence: EvidenceTable,
    /// `[web]`.
    #[serde(default)]
    pub web: WebTable,
    /// `[limits]`.
    #[serde(default)]
    pub limits: Limits,
}

/// `[sensor]`: who this is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SensorTable {
    /// The name that alerts carry; the host name where none is given.
    pub name: Option<String>,
    /// Threads that decode and judge, each for its share of the hosts.
    pub workers: usize,
    /// Whether to keep an inventory of devices, conversations and points.
    pub inventory: bool,
}

impl Default for SensorTable {
    fn default() -> Self {
        SensorTable { name: None, workers: 1, inventory: true }
    }
}

/// `[[interface]]`: one interface to listen on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct InterfaceTable {
    /// The interface, as `ip link` names it.
    pub name: String,
    /// A BPF filter in the language of `pcap-filter(7)`.
    pub filter: Option<String>,
    /// Octets kept of each packet.
    #[serde(default = "default_snaplen")]
    pub snaplen: u32,
    /// Size of the kernel's buffer, in MiB.
    #[serde(default = "default_buffer")]
    pub buffer_mib: u32,
    /// Whether to take packets that are not addressed to this machine.
    #[serde(default = "yes")]
    pub promiscuous: bool,
}

fn default_snaplen() -> u32 {
    65_535
}

fn default_buffer() -> u32 {
    16
}

fn yes() -> bool {
    true
}

/// `[rules]`: what should happen in this plant.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RulesTable {
    /// Rule files and folders, relative to the configuration file.
    #[serde(default)]
    pub paths: Vec<PathBuf>,
}

/// `[alerts]`: where alerts go.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AlertsTable {
    /// A file that gets one JSON object a line; `-` is standard output.
    pub file: Option<PathBuf>,
    /// Seconds without another message after which a grouped alert is closed.
    pub window: Option<u32>,
}

/// `[queues]`: what waits for outputs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct QueuesTable {
    /// The folder that holds a queue for each output.
    pub folder: PathBuf,
}

impl Default for QueuesTable {
    fn default() -> Self {
        QueuesTable { folder: "queues".into() }
    }
}

/// `[events]`: the log of every message.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EventsTable {
    /// A file that gets one JSON object a line for every message; `-` is standard output. None by default.
    pub file: Option<PathBuf>,
    /// Whether steady polls are one line for many messages.
    #[serde(default)]
    pub mode: EventsMode,
}

/// What the log of messages says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventsMode {
    /// Steady polls as one line for many messages, everything else whole.
    #[default]
    Fold,
    /// Every message.
    Full,
}

impl EventsMode {
    /// How the log is written.
    pub fn form(self) -> Form {
        match self {
            EventsMode::Fold => Form::Folded,
            EventsMode::Full => Form::Json,
        }
    }
}

/// `[audit]`: what people did that changes what is watched for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AuditTable {
    /// A file that gets one JSON object a line; `-` is standard output. None by default.
    pub file: Option<PathBuf>,
}

/// `[store]`: where alerts with their life, the inventory and the audit trail are kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct StoreTable {
    /// The file, made where there is none. Without it nothing is kept.
    pub file: Option<PathBuf>,
    /// Days after which what is old goes.
    pub days: u32,
    /// MiB that it may take; what is oldest goes.
    pub size_mib: u64,
}

impl Default for StoreTable {
    fn default() -> Self {
        let store::Options { days, size_mib, .. } = store::Options::default();
        StoreTable { file: None, days, size_mib }
    }
}

impl StoreTable {
    /// For [`store::Store::open`].
    pub fn options(&self) -> store::Options {
        store::Options { days: self.days, size_mib: self.size_mib, ..store::Options::default() }
    }

    /// The first key whose value makes no sense, and why.
    fn wrong(&self) -> Option<(&'static str, String)> {
        if !(1..=36_500).contains(&self.days) {
            return Some(("days", format!("days = {}: 1 to 36500", self.days)));
        }
        let few = !(16..=1 << 24).contains(&self.size_mib);
        few.then(|| ("size-mib", format!("size-mib = {}: 16 to 16777216", self.size_mib)))
    }
}

/// `[evidence]`: the packets of each alert, in a small capture file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct EvidenceTable {
    /// The folder that gets a file for each alert. None by default: no packets are kept.
    pub folder: Option<PathBuf>,
    /// Packets of the alert's conversation up to and with the one that raised it.
    pub before: usize,
    /// Packets that follow it.
    pub after: usize,
    /// Memory for the packets seen last, in MiB.
    pub ring_mib: usize,
    /// Files kept; the oldest go.
    pub files: usize,
    /// Octets of files kept, in MiB; the oldest go.
    pub mib: usize,
    /// Files begun within a minute.
    pub per_minute: u32,
}

impl Default for EvidenceTable {
    fn default() -> Self {
        let Keeping { before, after, ring, per_minute } = Keeping::default();
        EvidenceTable {
            folder: None,
            before,
            after,
            ring_mib: ring >> 20,
            files: FILES,
            mib: MIB,
            per_minute,
        }
    }
}

/// Files of evidence kept where nobody says otherwise.
const FILES: usize = 10_000;
/// Their octets, in MiB.
const MIB: usize = 512;

impl EvidenceTable {
    /// How much is kept of each alert.
    pub fn keeping(&self) -> Keeping {
        let EvidenceTable { before, after, ring_mib, per_minute, .. } = *self;
        Keeping { before, after, ring: ring_mib << 20, per_minute }
    }

    /// The folder, made where it is missing; `None` where no packets are to be kept.
    ///
    /// # Errors
    /// One sentence where it cannot be written to.
    pub fn open(&self) -> Result<Option<Folder>, EvidenceError> {
        let open = |path: &PathBuf| Folder::open(path, self.files, (self.mib as u64) << 20);
        self.folder.as_ref().map(open).transpose()
    }

    /// The first key whose value makes no sense, and why.
    fn wrong(&self) -> Option<(&'static str, String)> {
        let all = [
            ("before", self.before, 1..=1000),
            ("after", self.after, 0..=1000),
            ("ring-mib", self.ring_mib, 1..=4096),
            ("files", self.files, 1..=10_000_000),
            ("mib", self.mib, 1..=1 << 30),
            ("per-minute", self.per_minute as usize, 1..=1_000_000),
        ];
        let (key, value, range) = all.into_iter().find(|(_, value, range)| !range.contains(value))?;
        Some((key, format!("{key} = {value}: {} to {}", range.start(), range.end())))
    }
}

/// `[web]`: the page, metrics and health, and who may come in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct WebTable {
    /// Where to listen. Any address that is not this machine's own needs TLS.
    pub listen: SocketAddr,
    /// The certificate, PEM, with those that sign it; with it TLS is spoken.
    pub certificate: Option<PathBuf>,
    /// Its key, PEM.
    pub key: Option<PathBuf>,
    /// Host names that the page answers to, beside addresses and `localhost`.
    pub names: Vec<String>,
    /// Hours after which a session ends.
    pub session_hours: u32,
    /// Minutes without use after which it ends.
    pub idle_minutes: u32,
    /// When shifts begin, hours and minutes by the clock of this machine.
    #[serde(deserialize_with = "times_of_day")]
    pub shifts: Vec<(u8, u8)>,
}

/// Reads `["06:00", "14:00"]`.
fn times_of_day<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<(u8, u8)>, D::Error> {
    let words = Vec::<String>::deserialize(from)?;
    let time = |word: &String| {
        let (hour, minute) = word.split_once(':')?;
        let (hour, minute) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60).then_some((hour, minute))
    };
    let wrong =
        |word: &String| serde::de::Error::custom(format!("'{word}' is no time of day; write \"06:00\""));
    let times: Result<Vec<_>, _> = words.iter().map(|word| time(word).ok_or_else(|| wrong(word))).collect();
    match times?.as_slice() {
        [] => Err(serde::de::Error::custom("a day has at least one shift; write shifts = [\"06:00\"]")),
        times => Ok(times.to_vec()),
    }
}

impl Default for WebTable {
    fn default() -> Self {
        WebTable {
            listen: default_listen(),
            certificate: None,
            key: None,
            names: Vec::new(),
            session_hours: 12,
            idle_minutes: 60,
            shifts: crate::web::site::SHIFTS.to_vec(),
        }
    }
}

impl WebTable {
    /// For [`crate::web::access::Access`].
    pub fn settings(&self) -> access::Settings {
        access::Settings {
            loopback: self.listen.ip().is_loopback(),
            tls: self.certificate.is_some(),
            names: self.names.clone(),
            session: Duration::from_secs(u64::from(self.session_hours) * 3600),
            idle: Duration::from_secs(u64::from(self.idle_minutes) * 60),
        }
    }

    /// The first key whose value makes no sense, and why.
    fn wrong(&self, store: &StoreTable) -> Option<(&'static str, String)> {
        match (&self.certificate, &self.key) {
            (Some(_), None) => {
                let why = "certificate has no key; add key = \"key.pem\", the file of its key";
                return Some(("certificate", why.into()));
            }
            (None, Some(_)) => {
                let why =
                    "key has no certificate; add certificate = \"certificate.pem\", the file that it is for";
                return Some(("key", why.into()));
            }
            _ => {}
        }
        if !self.listen.ip().is_loopback() {
            let open = format!("listen = \"{}\" is not a loopback address", self.listen);
            if self.certificate.is_none() {
                let why = format!(
                    "{open}: it needs TLS; add certificate and key (`wayside certificate FOLDER --name HOST` makes \
                     them), or use 127.0.0.1"
                );
                return Some(("listen", why));
            }
            if store.file.is_none() {
                let why = format!(
                    "{open}: it needs users or tokens, which the store keeps; add [store] with file = \"wayside.db\" \
                     and a user (`wayside user add NAME --role administer`), or use 127.0.0.1"
                );
                return Some(("listen", why));
            }
        }
        let is_name = |name: &&String| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
        };
        if let Some(name) = self.names.iter().find(|name| !is_name(name)) {
            return Some((
                "names",
                format!("'{name}' in names is no host name; write it without https:// and port"),
            ));
        }
        let all =
            [("session-hours", self.session_hours, 1..=720), ("idle-minutes", self.idle_minutes, 1..=43_200)];
        let (key, value, range) = all.into_iter().find(|(_, value, range)| !range.contains(value))?;
        Some((key, format!("{key} = {value}: {} to {}", range.start(), range.end())))
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8460))
}

/// `[limits]`: bounds on memory. What is over a bound makes the oldest go, which is counted and said once.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Limits {
    /// Conversations followed at once.
    pub flows: usize,
    /// Octets of out-of-order data kept for one direction of one TCP stream, in KiB.
    pub stream_kib: usize,
    /// Octets of out-of-order data kept over all TCP streams, in MiB.
    pub streams_mib: usize,
    /// Octets of requests that wait for their answers and of messages whose end has not come, over all
    /// conversations, in MiB.
    pub sessions_mib: usize,
    /// Octets of IP fragments kept, in MiB.
    pub fragments_mib: usize,
    /// Seconds without a packet after which a conversation is forgotten.
    pub idle: u32,
    /// Alerts being grouped at once.
    pub alert_groups: usize,
    /// Alerts that wait for the outputs.
    pub alert_queue: usize,
    /// Octets of packets that wait to be decoded, for each interface, in MiB; the kernel's own buffer comes before it.
    pub packet_queue_mib: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            flows: 200_000,
            stream_kib: 256,
            streams_mib: 64,
            sessions_mib: 256,
            fragments_mib: 16,
            idle: 7200,
            alert_groups: 10_000,
            alert_queue: 10_000,
            packet_queue_mib: 16,
        }
    }
}

impl Limits {
    /// Those of the flow table.
    pub fn streams(&self) -> stream::Limits {
        stream::Limits {
            flows: self.flows,
            stream: self.stream_kib << 10,
            streams: self.streams_mib << 20,
            states: self.sessions_mib << 20,
            idle: u64::from(self.idle) * 1_000_000_000,
        }
    }

    /// The first key whose value makes no sense, and why.
    fn wrong(&self) -> Option<(&'static str, String)> {
        /// A bound beyond this is a slip: no sensor has so much memory.
        const MOST: usize = 1 << 40;
        let all = [
            ("flows", self.flows, 1),
            ("stream-kib", self.stream_kib, 1 << 10),
            ("streams-mib", self.streams_mib, 1 << 20),
            ("sessions-mib", self.sessions_mib, 1 << 20),
            ("fragments-mib", self.fragments_mib, 1 << 20),
            ("idle", self.idle as usize, 1),
            ("alert-groups", self.alert_groups, 1),
            ("alert-queue", self.alert_queue, 1),
            ("packet-queue-mib", self.packet_queue_mib, 1 << 20),
        ];
        let (key, value, _) = all.into_iter().find(|(_, value, unit)| {
            *value == 0 || value.checked_mul(*unit).is_none_or(|octets| octets > MOST)
        })?;
        let why = if value == 0 { "a limit must be at least 1" } else { "more than any machine has" };
        Some((key, format!("{key} = {value}: {why}")))
    }
}

/// Why a configuration is refused. Each prints as one sentence.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error("{}:{line}: {message}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong and what to do.
        message: String,
    },
}

impl Config {
    /// Reads a configuration. Paths in it are taken relative to its folder.
    ///
    /// # Errors
    /// One sentence with file and line.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let mut config = Config::parse(path, &text)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let Config { rules, alerts, events, audit, evidence, store, web, output, queues, .. } = &mut config;
        output.iter_mut().for_each(|table| table.within(folder));
        queues.folder = folder.join(&queues.folder);
        for file in [&mut store.file, &mut web.certificate, &mut web.key].into_iter().flatten() {
            *file = folder.join(&*file);
        }
        let files = [&mut alerts.file, &mut events.file, &mut audit.file, &mut evidence.folder];
        for file in files.into_iter().flatten().chain(&mut rules.paths) {
            if file.as_os_str() != "-" {
                *file = folder.join(&*file);
            }
        }
        Ok(config)
    }

    /// Reads a configuration from text; `path` is for messages.
    ///
    /// # Errors
    /// One sentence with file and line.
    pub fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
        let wrong = |at: usize, message: String| {
            let line = text.get(..at).unwrap_or(text).matches('\n').count() + 1;
            ConfigError::Wrong { path: path.to_owned(), line, message }
        };
        let config: Config = toml::from_str(text)
            .map_err(|e| wrong(e.span().map_or(0, |span| span.start), with_suggestion(e.message())))?;
        let place = |word: &str| text.find(word).unwrap_or(0);
        if config.interface.is_empty() {
            let message = "no interface to listen on; add [[interface]] with name = \"eth0\" or the like";
            return Err(wrong(0, message.into()));
        }
        if let Some((key, message)) = config.web.wrong(&config.store) {
            return Err(Config::wrong(path, text, "web", key, message));
        }
        if !(1..=64).contains(&config.sensor.workers) {
            let message = format!("workers = {}: 1 to 64, no more than cores", config.sensor.workers);
            return Err(wrong(place("workers"), message));
        }
        if let Some((key, message)) = config.store.wrong().or_else(|| config.limits.wrong()) {
            return Err(wrong(place(key), message));
        }
        for (place, table) in config.output.iter().enumerate() {
            let at = text.match_indices("[[output]]").nth(place).map_or(0, |(at, _)| at);
            let rest = text.get(at..).unwrap_or_default();
            let of_key = |key: &str| {
                let line = |line: &str| {
                    line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
                };
                let before: usize =
                    rest.split_inclusive('\n').take_while(|one| !line(one)).map(str::len).sum();
                if before < rest.len() { at + before } else { at }
            };
            if let Err((key, message)) = table.read("") {
                return Err(wrong(of_key(key), message));
            }
            if config.output.iter().take(place).any(|other| other.name == table.name) {
                return Err(wrong(
                    of_key("name"),
                    format!("there are two outputs '{}'; give one another name", table.name),
                ));
            }
        }
        if let Some((key, message)) = config.evidence.wrong() {
            return Err(Config::wrong(path, text, "evidence", key, message));
        }
        Ok(config)
    }

    /// The outputs; `sensor` is the name of the sensor. They have been looked at when the configuration was read.
    pub fn outputs(&self, sensor: &str) -> Vec<Output> {
        self.output.iter().filter_map(|table| table.read(sensor).ok()).collect()
    }

    /// What is wrong with a key of a table, and in which line of the text it stands.
    pub fn wrong(path: &Path, text: &str, table: &str, key: &str, message: String) -> ConfigError {
        let at = text.find(&format!("[{table}]")).unwrap_or(0);
        let within = text.get(at..).and_then(|rest| rest.find(&format!("\n{key}")));
        let at = within.map_or(at, |place| at + place + 1);
        let line = text.get(..at).unwrap_or(text).matches('\n').count() + 1;
        ConfigError::Wrong { path: path.to_owned(), line, message }
    }
}

/// Turns the parser's "unknown field `x`, expected one of `y`, `z`" into a sentence with the likeliest key.
fn with_suggestion(message: &str) -> String {
    let first = message.lines().next().unwrap_or(message);
    let mut words = first.split('`').skip(1).step_by(2);
    match (first.starts_with("unknown field"), words.next()) {
        (true, Some(unknown)) => {
            let known: Vec<&str> = words.collect();
            match nearest(unknown, known.iter().copied()) {
                Some(word) => format!("unknown key '{unknown}'; did you mean '{word}'?"),
                None => format!("unknown key '{unknown}'; known here: {}", known.join(", ")),
            }
        }
        _ => first.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Config::parse(Path::new("wayside.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn a_small_configuration_is_enough() {
        let config = Config::parse(Path::new("x"), "[[interface]]\nname = \"eth0\"\n").unwrap();
        assert_eq!(config.interface[0].snaplen, 65_535);
        assert!(config.interface[0].promiscuous);
        assert_eq!(config.web.listen.to_string(), "127.0.0.1:8460");
    }

    #[test]
    fn errors_say_where_and_what_to_do() {
        assert_eq!(
            refused("[[interface]]\nname = \"eth0\"\nfiltr = \"tcp\"\n"),
            "wayside.toml:3: unknown key 'filtr'; did you mean 'filter'?"
        );
        assert!(refused("").starts_with("wayside.toml:1: no interface to listen on"));
        assert!(
            refused("[[interface]]\nname = \"eth0\"\n[web]\nlisten = \"0.0.0.0:80\"\n")
                .starts_with("wayside.toml:4: listen = \"0.0.0.0:80\" is not a loopback address")
        );
        assert_eq!(
            refused("[[interface]]\nname = \"eth0\"\n[limits]\nstream-kib = 0\n"),
            "wayside.toml:4: stream-kib = 0: a limit must be at least 1"
        );
        assert_eq!(
            refused("[[interface]]\nname = \"eth0\"\n[limits]\nstreams-mib = 99999999999\n"),
            "wayside.toml:4: streams-mib = 99999999999: more than any machine has"
        );
        assert_eq!(
            refused("[[interface]]\nname = \"eth0\"\n[sensor]\nworkers = 0\n"),
            "wayside.toml:4: workers = 0: 1 to 64, no more than cores"
        );
        assert_eq!(
            refused("[[interface]]\nname = \"eth0\"\n[store]\nfile = \"w.db\"\nsize-mib = 1\n"),
            "wayside.toml:5: size-mib = 1: 16 to 16777216"
        );
        assert_eq!(
            refused("[[interface]]\nname = \"eth0\"\n[evidence]\nring-mib = 8\nmib = 0\n"),
            "wayside.toml:5: mib = 0: 1 to 1073741824"
        );
        assert!(refused("[[interface]\n").starts_with("wayside.toml:1: "));
        let shifts = refused("[[interface]]\nname = \"lo\"\n[web]\nshifts = [\"6 am\"]\n");
        assert!(shifts.starts_with("wayside.toml:4: ") && shifts.contains("write \"06:00\""), "{shifts}");
    }
}
