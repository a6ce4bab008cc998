//! `[[output]]` of the configuration: where alerts go, which of them, in which format.

use super::destination::file::{Growing, Rotation};
use super::destination::http::{Http, Shape, Url};
use super::destination::mqtt::Mqtt;
use super::destination::nats::Nats;
use super::destination::net::{self, Target, TlsSettings};
use super::destination::stdout::Stdout;
use super::destination::syslog::{Syslog, Transport};
use super::destination::{Destination, Failure, http, mqtt, nats};
use super::format::syslog::Facility;
use super::format::{Context, Format, Tlp, syslog};
use super::queue::{LEAST, Record};
use super::relay::Way;
use super::secret::SecretPlace;
use crate::alert::{Alert, Severity};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `[[output]]`: one destination for alerts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OutputTable {
    /// What it is called in metrics, on the page and in `wayside output test`.
    pub name: String,
    /// What it is: one of [`Kind::NAMES`].
    pub to: String,
    /// How an alert is written.
    pub format: Option<String>,
    /// This severity and worse.
    pub severity: Option<String>,
    /// Only alerts in these protocols.
    #[serde(default)]
    pub protocols: Vec<String>,
    /// Only alerts from or to a host of these zones of the rules.
    #[serde(default)]
    pub zones: Vec<String>,
    /// Only alerts of these rules.
    #[serde(default)]
    pub rules: Vec<String>,
    /// What its queue on the disk may hold, in MiB; the oldest go.
    pub queue_mib: Option<u32>,
    /// With whom a STIX bundle may be shared.
    pub tlp: Option<String>,
    /// The file.
    pub path: Option<PathBuf>,
    /// MiB at which a file is put aside.
    pub rotate_mib: Option<u32>,
    /// Hours after which a file is put aside.
    pub rotate_hours: Option<u32>,
    /// Files put aside that are kept.
    pub keep: Option<u32>,
    /// Whether those are compressed.
    pub compress: Option<bool>,
    /// Host and port.
    pub address: Option<String>,
    /// How syslog is carried: `udp`, `tcp` or `tls`.
    pub transport: Option<String>,
    /// Which part of a system speaks, for syslog.
    pub facility: Option<String>,
    /// The address of a web server, or of NATS.
    pub url: Option<String>,
    /// What a body looks like: `json` or `ndjson`.
    pub shape: Option<String>,
    /// More headers.
    pub headers: Option<BTreeMap<String, String>>,
    /// Where the secret is.
    pub token: Option<SecretPlace>,
    /// What is written before it.
    pub scheme: Option<String>,
    /// The index of Splunk, Elasticsearch or OpenSearch.
    pub index: Option<String>,
    /// The source type of Splunk.
    pub source_type: Option<String>,
    /// Whether the index is a data stream, which only takes new documents.
    pub data_stream: Option<bool>,
    /// The subject of NATS.
    pub subject: Option<String>,
    /// The topic of MQTT.
    pub topic: Option<String>,
    /// Who the sensor is there.
    pub user: Option<String>,
    /// Where that user's password is.
    pub password: Option<SecretPlace>,
    /// Whether MQTT is spoken in TLS.
    pub tls: Option<bool>,
    /// Who signs the host's certificate, PEM.
    pub ca: Option<PathBuf>,
    /// The sensor's own certificate, PEM.
    pub certificate: Option<PathBuf>,
    /// Its key, PEM.
    pub key: Option<PathBuf>,
    /// The name in the host's certificate.
    pub server_name: Option<String>,
}

/// What is wrong with a key of an output.
pub type Wrong = (&'static str, String);

/// Which alerts an output gets. All conditions must hold; an empty list is no condition.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Which {
    /// This severity and worse.
    pub severity: Option<Severity>,
    /// In one of these protocols.
    pub protocols: Vec<String>,
    /// From or to one of these zones.
    pub zones: Vec<String>,
    /// Of one of these rules.
    pub rules: Vec<String>,
}

/// Where it goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A file.
    File(PathBuf, Rotation),
    /// Standard output.
    Stdout,
    /// A receiver of syslog.
    Syslog(Target, Transport),
    /// A web server.
    Http(Box<http::Settings>),
    /// A stream of NATS.
    Nats(Box<nats::Settings>),
    /// A broker of MQTT.
    Mqtt(Box<mqtt::Settings>),
}

impl Kind {
    /// What `to` may be.
    pub const NAMES: [&'static str; 9] =
        ["file", "stdout", "syslog", "http", "splunk", "elasticsearch", "opensearch", "nats", "mqtt"];
}

/// An output as it is configured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Which alerts it gets.
    pub which: Which,
    /// Where it goes.
    pub kind: Kind,
    /// Octets that its queue may hold.
    pub queue: u64,
    format: Format,
    context: Context,
    facility: Facility,
}

/// MiB that a queue may hold where nobody says otherwise.
const QUEUE: u32 = 64;

/// Keys beside those that every output has, and the destinations that they are for.
const KEYS: [(&str, &[&str]); 24] = {
    const WEB: &[&str] = &["http", "splunk", "elasticsearch", "opensearch"];
    const TLS: &[&str] = &["syslog", "http", "splunk", "elasticsearch", "opensearch", "nats", "mqtt"];
    const BULK: &[&str] = &["elasticsearch", "opensearch"];
    [
        ("path", &["file"]),
        ("rotate-mib", &["file"]),
        ("rotate-hours", &["file"]),
        ("keep", &["file"]),
        ("compress", &["file"]),
        ("address", &["syslog", "mqtt"]),
        ("transport", &["syslog"]),
        ("facility", &["syslog"]),
        ("url", &["http", "splunk", "elasticsearch", "opensearch", "nats"]),
        ("shape", &["http"]),
        ("headers", WEB),
        ("token", &["http", "splunk", "elasticsearch", "opensearch", "nats"]),
        ("scheme", &["http", "elasticsearch", "opensearch"]),
        ("index", &["splunk", "elasticsearch", "opensearch"]),
        ("source-type", &["splunk"]),
        ("data-stream", BULK),
        ("subject", &["nats"]),
        ("topic", &["mqtt"]),
        ("user", &["nats", "mqtt"]),
        ("password", &["mqtt"]),
        ("tls", &["mqtt"]),
        ("ca", TLS),
        ("certificate", TLS),
        ("server-name", TLS),
    ]
};

impl OutputTable {
    /// Makes relative paths those of a folder.
    pub fn within(&mut self, folder: &Path) {
        for path in [&mut self.path, &mut self.ca, &mut self.certificate, &mut self.key].into_iter().flatten()
        {
            *path = folder.join(&*path);
        }
        for place in [&mut self.token, &mut self.password].into_iter().flatten() {
            place.within(folder);
        }
    }

    /// The keys that are set beside those that every output has.
    fn is_set(&self, key: &str) -> bool {
        match key {
            "path" => self.path.is_some(),
            "rotate-mib" => self.rotate_mib.is_some(),
            "rotate-hours" => self.rotate_hours.is_some(),
            "keep" => self.keep.is_some(),
            "compress" => self.compress.is_some(),
            "address" => self.address.is_some(),
            "transport" => self.transport.is_some(),
            "facility" => self.facility.is_some(),
            "url" => self.url.is_some(),
            "shape" => self.shape.is_some(),
            "headers" => self.headers.is_some(),
            "token" => self.token.is_some(),
            "scheme" => self.scheme.is_some(),
            "index" => self.index.is_some(),
            "source-type" => self.source_type.is_some(),
            "data-stream" => self.data_stream.is_some(),
            "subject" => self.subject.is_some(),
            "topic" => self.topic.is_some(),
            "user" => self.user.is_some(),
            "password" => self.password.is_some(),
            "tls" => self.tls.is_some(),
            "ca" => self.ca.is_some(),
            "certificate" => self.certificate.is_some(),
            _ => self.server_name.is_some(),
        }
    }

    /// What it asks for. `sensor` is the sensor's name.
    ///
    /// # Errors
    /// The key that is wrong, and a sentence about it.
    pub fn read(&self, sensor: &str) -> Result<Output, Wrong> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > 40 || !self.name.chars().all(plain) {
            let why = format!("name = \"{}\": 1 to 40 small letters, digits and hyphens", self.name);
            return Err(("name", why));
        }
        let to = self.to.as_str();
        if !Kind::NAMES.contains(&to) {
            return Err(("to", format!("to = \"{to}\" is not known; there are {}", Kind::NAMES.join(", "))));
        }
        for (key, kinds) in KEYS {
            if self.is_set(key) && !kinds.contains(&to) {
                let why = format!("{key} means nothing where to = \"{to}\"; it is for {}", kinds.join(", "));
                return Err((key, why));
            }
        }
        let usual = if matches!(to, "elasticsearch" | "opensearch") { Format::Ecs } else { Format::Wayside };
        let format = match &self.format {
            None => usual,
            Some(word) => {
                word.parse().map_err(|error: super::format::UnknownFormat| ("format", error.to_string()))?
            }
        };
        let tlp = match &self.tlp {
            None => Tlp::default(),
            Some(word) => word.parse().map_err(|error| ("tlp", format!("{error}")))?,
        };
        let facility = match &self.facility {
            None => Facility::default(),
            Some(word) => word.parse().map_err(|error| ("facility", format!("{error}")))?,
        };
        let severity = match &self.severity {
            None => None,
            Some(word) => Some(Severity::parse(word).ok_or_else(|| {
                ("severity", format!("severity = \"{word}\": low, medium, high or critical"))
            })?),
        };
        let queue = self.queue_mib.unwrap_or(QUEUE);
        if !(1..=1 << 20).contains(&queue) {
            return Err(("queue-mib", format!("queue-mib = {queue}: 1 to 1048576")));
        }
        Ok(Output {
            name: self.name.clone(),
            which: Which {
                severity,
                protocols: self.protocols.clone(),
                zones: self.zones.clone(),
                rules: self.rules.clone(),
            },
            kind: self.kind(sensor, format)?,
            queue: (u64::from(queue) << 20).max(LEAST),
            format,
            context: Context { tlp },
            facility,
        })
    }

    fn kind(&self, sensor: &str, format: Format) -> Result<Kind, Wrong> {
        let missing = |key: &'static str, example: &str| {
            (key, format!("{key} is missing where to = \"{}\"; write {key} = \"{example}\"", self.to))
        };
        let tls = self.tls_settings()?;
        match self.to.as_str() {
            "file" => {
                let path = self.path.clone().ok_or_else(|| missing("path", "alerts.json"))?;
                Ok(Kind::File(path, self.rotation()?))
            }
            "stdout" => Ok(Kind::Stdout),
            "syslog" => {
                let transport = match self.transport.as_deref() {
                    None | Some("udp") => Transport::Udp,
                    Some("tcp") => Transport::Tcp,
                    Some("tls") => Transport::Tls(tls.clone()),
                    Some(other) => {
                        return Err(("transport", format!("transport = \"{other}\": udp, tcp or tls")));
                    }
                };
                if !matches!(transport, Transport::Tls(_)) && tls != TlsSettings::default() {
                    return Err(("transport", "certificates are for transport = \"tls\" only".into()));
                }
                let usual = if matches!(transport, Transport::Tls(_)) { 6514 } else { 514 };
                let address = self.address.as_ref().ok_or_else(|| missing("address", "siem.example:514"))?;
                let target = Target::parse(address, Some(usual)).map_err(|why| ("address", why))?;
                Ok(Kind::Syslog(target, transport))
            }
            "nats" => {
                let url = self.url.clone().ok_or_else(|| missing("url", "nats://nats.example:4222"))?;
                if !url.starts_with("nats://") && !url.starts_with("tls://") {
                    return Err((
                        "url",
                        format!("url = \"{url}\" is not of NATS; write \"nats://nats.example:4222\""),
                    ));
                }
                let subject = self.subject.clone().ok_or_else(|| missing("subject", "wayside.alerts"))?;
                let (user, token) = (self.user.clone(), self.token.clone());
                Ok(Kind::Nats(Box::new(nats::Settings { url, subject, user, token, tls })))
            }
            "mqtt" => {
                let secure = self.tls.unwrap_or(false);
                let address =
                    self.address.as_ref().ok_or_else(|| missing("address", "broker.example:1883"))?;
                let usual = if secure { 8883 } else { 1883 };
                let target = Target::parse(address, Some(usual)).map_err(|why| ("address", why))?;
                let topic = self.topic.clone().ok_or_else(|| missing("topic", "wayside/alerts"))?;
                if !secure && tls != TlsSettings::default() {
                    return Err(("tls", "certificates are for tls = true only".into()));
                }
                Ok(Kind::Mqtt(Box::new(mqtt::Settings {
                    target,
                    topic,
                    client: format!("wayside-{sensor}-{}", self.name),
                    user: self.user.clone(),
                    password: self.password.clone(),
                    tls: secure.then_some(tls),
                })))
            }
            _ => self.web(sensor, format, tls).map(|settings| Kind::Http(Box::new(settings))),
        }
    }

    fn web(&self, sensor: &str, format: Format, tls: TlsSettings) -> Result<http::Settings, Wrong> {
        let (shape, example, scheme) = match (self.to.as_str(), self.shape.as_deref()) {
            ("splunk", _) => {
                (Shape::Splunk, "https://splunk.example:8088/services/collector/event", "Splunk")
            }
            ("elasticsearch" | "opensearch", _) => {
                (Shape::Bulk, "https://elastic.example:9200/_bulk", "ApiKey")
            }
            (_, None | Some("json")) => (Shape::Json, "https://siem.example/alerts", "Bearer"),
            (_, Some("ndjson")) => (Shape::Ndjson, "https://siem.example/alerts", "Bearer"),
            (_, Some(other)) => return Err(("shape", format!("shape = \"{other}\": json or ndjson"))),
        };
        let url = self.url.clone();
        let why = || ("url", format!("url is missing where to = \"{}\"; write url = \"{example}\"", self.to));
        let url = url.ok_or_else(why)?;
        let parsed = Url::parse(&url).map_err(|why| ("url", why))?;
        if !parsed.secure && tls != TlsSettings::default() {
            return Err(("url", "certificates are for https:// only".into()));
        }
        let is_json =
            matches!(format, Format::Wayside | Format::Ecs | Format::Eve | Format::Ocsf | Format::Stix);
        if matches!(shape, Shape::Bulk) && !is_json {
            return Err(("format", format!("format = \"{format}\" is no JSON, which {} asks for", self.to)));
        }
        if matches!(shape, Shape::Bulk) && self.index.is_none() && parsed.path == "/_bulk" {
            return Err(("index", "index is missing; write index = \"wayside-alerts\"".into()));
        }
        Ok(http::Settings {
            url,
            shape,
            media_type: format.media_type(),
            headers: self.headers.clone().unwrap_or_default().into_iter().collect(),
            scheme: self.scheme.clone().unwrap_or_else(|| scheme.into()),
            token: self.token.clone(),
            tls,
            sensor: sensor.to_owned(),
            source_type: self.source_type.clone().unwrap_or_else(|| format!("wayside:{format}")),
            index: self.index.clone(),
            create: self.data_stream.unwrap_or(false),
        })
    }

    fn tls_settings(&self) -> Result<TlsSettings, Wrong> {
        match (&self.certificate, &self.key) {
            (Some(_), None) => {
                return Err(("certificate", "certificate has no key; add key = \"key.pem\"".into()));
            }
            (None, Some(_)) => {
                return Err(("key", "key has no certificate; add certificate = \"certificate.pem\"".into()));
            }
            _ => {}
        }
        Ok(TlsSettings {
            ca: self.ca.clone(),
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            server_name: self.server_name.clone(),
        })
    }

    fn rotation(&self) -> Result<Rotation, Wrong> {
        let usual = Rotation::default();
        let read = |key: &'static str, value: Option<u32>, most: u32| match value {
            Some(value) if !(1..=most).contains(&value) => {
                Err((key, format!("{key} = {value}: 1 to {most}")))
            }
            other => Ok(other.map(u64::from)),
        };
        let octets = read("rotate-mib", self.rotate_mib, 1 << 20)?.map_or(usual.octets, |mib| mib << 20);
        let age = read("rotate-hours", self.rotate_hours, 87_600)?;
        let keep = read("keep", self.keep, 1_000_000)?.map_or(usual.keep, |keep| keep as usize);
        Ok(Rotation {
            octets,
            age: age.map_or(usual.age, |hours| Duration::from_secs(hours * 3600)),
            keep,
            compress: self.compress.unwrap_or(usual.compress),
        })
    }
}

impl Way for Output {
    fn open(&mut self) -> Result<Box<dyn Destination>, Failure> {
        Output::open(self)
    }

    fn reach(&mut self) -> Result<(), Failure> {
        Output::reach(self)
    }
}

impl Output {
    /// What is queued of an alert.
    pub fn record(&self, alert: &Alert) -> Record {
        let mut line = Vec::with_capacity(1024);
        self.format.write(alert, &self.context, &mut line);
        let body = match &self.kind {
            Kind::Syslog(..) => {
                let mut message = Vec::with_capacity(line.len() + 400);
                syslog::write(alert, &line, self.facility, Some(std::process::id()), &mut message);
                message
            }
            _ => line,
        };
        let severity = alert.severity.index() as u8;
        Record { id: alert.id, count: alert.count, at: alert.ts.nanos, severity, body }
    }

    /// Opens the way to the destination.
    ///
    /// # Errors
    /// One sentence.
    pub fn open(&self) -> Result<Box<dyn Destination>, Failure> {
        Ok(match &self.kind {
            Kind::File(path, rotation) => Box::new(Growing::open(path, rotation.clone())?),
            Kind::Stdout => Box::new(Stdout),
            Kind::Syslog(target, transport) => Box::new(Syslog::open(target.clone(), transport)?),
            Kind::Http(settings) => Box::new(Http::open(settings)?),
            Kind::Nats(settings) => Box::new(Nats::open(settings)?),
            Kind::Mqtt(settings) => Box::new(Mqtt::open(settings)?),
        })
    }

    /// Looks whether the destination can be reached, and sends nothing. Nothing is made.
    ///
    /// # Errors
    /// One sentence.
    pub fn reach(&self) -> Result<(), Failure> {
        match &self.kind {
            Kind::File(path, _) => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                match folder.is_none_or(Path::is_dir) {
                    true => Ok(()),
                    false => Err(Failure::new(format!(
                        "cannot write {}: there is no such folder; make it first",
                        path.display()
                    ))),
                }
            }
            Kind::Stdout => Ok(()),
            Kind::Syslog(target, Transport::Udp) => {
                net::runtime()?.block_on(net::look_up(target)).map(|_| ())
            }
            Kind::Http(settings) => Http::open(settings)?.reach(),
            Kind::Syslog(..) | Kind::Nats(_) | Kind::Mqtt(_) => self.open().map(|_| ()),
        }
    }
}
