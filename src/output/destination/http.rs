//! HTTP: JSON or lines of it, and the shapes that Splunk (HTTP Event Collector) and Elasticsearch and OpenSearch (`_bulk`) take, with what those
//! say about each alert.

use super::net::{self, Stream, Target, TlsSettings};
use super::{Destination, Failure, Sent};
use crate::output::queue::Record;
use crate::output::secret::{Secret, SecretPlace};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_rustls::rustls::ClientConfig;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Octets of an answer that are read.
const ANSWER: usize = 8 << 20;
/// How often a single alert that is refused is tried.
const TRIES: u32 = 5;

/// What a body looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// One alert each.
    Json,
    /// One alert a line.
    Ndjson,
    /// The HTTP Event Collector of Splunk.
    Splunk,
    /// `_bulk` of Elasticsearch and OpenSearch.
    Bulk,
}

/// Where and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// `http://…` or `https://…`.
    pub url: String,
    /// What a body looks like.
    pub shape: Shape,
    /// The type of a body that holds one alert.
    pub media_type: &'static str,
    /// More headers.
    pub headers: Vec<(String, String)>,
    /// What the secret is called before it: `Bearer`, `Splunk`, `ApiKey`, `Basic`.
    pub scheme: String,
    /// The secret, where one is asked for.
    pub token: Option<SecretPlace>,
    /// How TLS is spoken.
    pub tls: TlsSettings,
    /// The sensor, for Splunk's `host`.
    pub sensor: String,
    /// The source type of Splunk.
    pub source_type: String,
    /// The index of Splunk or of Elasticsearch.
    pub index: Option<String>,
    /// Whether a later word about an alert is another document (`create`, which data streams ask for) instead of the same
    /// one anew (`index`).
    pub create: bool,
}

/// A URL in its parts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Url {
    /// Whether TLS is spoken.
    pub secure: bool,
    /// The host.
    pub target: Target,
    /// What is asked for there.
    pub path: String,
}

impl Url {
    /// Reads it.
    ///
    /// # Errors
    /// One sentence.
    pub fn parse(text: &str) -> Result<Url, String> {
        let wrong = |why: &str| {
            format!("'{text}' is no address of a web server: {why}; write \"https://siem.example:8088/path\"")
        };
        let uri: Uri = text.parse().map_err(|_| wrong("it cannot be read"))?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("it begins with neither https:// nor http://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("it has no host"))?;
        if authority.as_str().contains('@') {
            let how = "write token = { file = \"token.txt\" } and scheme = \"Basic\" instead";
            return Err(format!("the address has a user in it; {how}"));
        }
        let target = Target::parse(authority.as_str(), Some(if secure { 443 } else { 80 }))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Url { secure, target, path })
    }
}

/// A web server that takes alerts.
pub struct Http {
    settings: Settings,
    url: Url,
    token: Option<Secret>,
    tls: Option<Arc<ClientConfig>>,
    runtime: Runtime,
    connection: Option<SendRequest<Full<Bytes>>>,
    /// Records that it takes at once: fewer where it said that it was too much.
    room: usize,
    /// How often in turn the same single alert was refused.
    tries: u32,
    said: String,
}

/// What a server answered.
struct Answer {
    status: StatusCode,
    after: Option<Duration>,
    body: Vec<u8>,
}

impl Http {
    /// Reads the secret and the certificates; connects when there is something to send.
    ///
    /// # Errors
    /// One sentence.
    pub fn open(settings: &Settings) -> Result<Http, Failure> {
        let url = Url::parse(&settings.url).map_err(Failure::new)?;
        let token = settings.token.as_ref().map(SecretPlace::read).transpose().map_err(Failure::new)?;
        let tls = if url.secure { Some(settings.tls.config()?) } else { None };
        let room = if settings.shape == Shape::Json { 1 } else { 500 };
        let runtime = net::runtime()?;
        Ok(Http {
            settings: settings.clone(),
            url,
            token,
            tls,
            runtime,
            connection: None,
            room,
            tries: 0,
            said: String::new(),
        })
    }

    /// Connects and says nothing.
    ///
    /// # Errors
    /// One sentence.
    pub fn reach(&mut self) -> Result<(), Failure> {
        let Http { runtime, url, tls, settings, .. } = self;
        runtime.block_on(open(url, tls.clone(), &settings.tls)).map(|_| ())
    }

    fn body(&self, records: &[Record]) -> (Vec<u8>, &'static str) {
        let mut body = Vec::with_capacity(records.iter().map(|record| record.body.len() + 160).sum());
        match self.settings.shape {
            Shape::Json => {
                records.iter().for_each(|record| body.extend_from_slice(&record.body));
                (body, self.settings.media_type)
            }
            Shape::Ndjson => {
                for record in records {
                    body.extend_from_slice(&record.body);
                    body.push(b'\n');
                }
                (body, "application/x-ndjson")
            }
            Shape::Splunk => {
                records.iter().for_each(|record| self.splunk(record, &mut body));
                (body, "application/json")
            }
            Shape::Bulk => {
                records.iter().for_each(|record| self.bulk(record, &mut body));
                (body, "application/x-ndjson")
            }
        }
    }

    /// One event of the collector: `time` in seconds with a fraction.
    fn splunk(&self, record: &Record, body: &mut Vec<u8>) {
        let Settings { sensor, source_type, index, .. } = &self.settings;
        let text = |text: &str| Value::from(text).to_string();
        let (seconds, millis) =
            (record.at.div_euclid(1_000_000_000), record.at.rem_euclid(1_000_000_000) / 1_000_000);
        let index = index.as_ref().map_or(String::new(), |index| format!(",\"index\":{}", text(index)));
        let head = format!(
            "{{\"time\":{seconds}.{millis:03},\"host\":{},\"source\":\"wayside\",\"sourcetype\":{}{index},\"event\":",
            text(sensor),
            text(source_type)
        );
        body.extend_from_slice(head.as_bytes());
        match record.body.first() {
            Some(b'{') => body.extend_from_slice(&record.body),
            _ => body.extend_from_slice(text(&String::from_utf8_lossy(&record.body)).as_bytes()),
        }
        body.extend_from_slice(b"}\n");
    }

    fn bulk(&self, record: &Record, body: &mut Vec<u8>) {
        let Settings { index, create, .. } = &self.settings;
        let (act, id) = match create {
            true => ("create", format!("{}-{}", record.id, record.count)),
            false => ("index", record.id.to_string()),
        };
        let index = index
            .as_ref()
            .map_or(String::new(), |index| format!("\"_index\":{},", Value::from(index.as_str())));
        body.extend_from_slice(format!("{{\"{act}\":{{{index}\"_id\":\"{id}\"}}}}\n").as_bytes());
        body.extend_from_slice(&record.body);
        body.push(b'\n');
    }

    fn request(&self, body: Vec<u8>, media_type: &str) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        let path: Result<Uri, _> = self.url.path.parse();
        *request.uri_mut() = path.map_err(|_| Failure::new(format!("'{}' is no path", self.url.path)))?;
        let headers = request.headers_mut();
        let mut put = |name: HeaderName, value: &str, is_secret: bool| {
            let mut value = HeaderValue::from_str(value).map_err(|_| {
                Failure::new(format!("the header {name} has letters that no header may have"))
            })?;
            value.set_sensitive(is_secret);
            headers.insert(name, value);
            Ok(())
        };
        put(HOST, &self.url.target.to_string(), false)?;
        put(USER_AGENT, concat!("wayside/", env!("CARGO_PKG_VERSION")), false)?;
        put(CONTENT_TYPE, media_type, false)?;
        for (name, value) in &self.settings.headers {
            let known: HeaderName =
                name.parse().map_err(|_| Failure::new(format!("'{name}' is no name of a header")))?;
            put(known, value, false)?;
        }
        if let Some(token) = &self.token {
            let scheme = &self.settings.scheme;
            let value = if scheme.is_empty() {
                token.reveal().to_owned()
            } else {
                format!("{scheme} {}", token.reveal())
            };
            put(AUTHORIZATION, &value, true)?;
        }
        Ok(request)
    }

    fn ask(&mut self, records: &[Record]) -> Result<Answer, Failure> {
        let (body, media_type) = self.body(records);
        let request = self.request(body, media_type)?;
        let Http { runtime, url, tls, settings, connection, .. } = self;
        let target = url.target.clone();
        let act = async {
            let mut known = connection.take().filter(|sender| !sender.is_closed());
            if let Some(sender) = &mut known
                && sender.ready().await.is_err()
            {
                known = None;
            }
            let mut sender = match known {
                Some(sender) => sender,
                None => open(url, tls.clone(), &settings.tls).await?,
            };
            let fails = |error: hyper::Error| {
                Failure::new(format!("{target} broke off before it answered ({error}); it is asked again"))
            };
            let response = sender.send_request(request).await.map_err(fails)?;
            let status = response.status();
            let after = response
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.trim().parse().ok());
            let body = Limited::new(response.into_body(), ANSWER).collect().await;
            let body = body.map_err(|error| {
                Failure::new(format!("{target} broke off in its answer ({error}); it is asked again"))
            })?;
            if !sender.is_closed() {
                *connection = Some(sender);
            }
            Ok(Answer { status, after: after.map(Duration::from_secs), body: body.to_bytes().to_vec() })
        };
        runtime.block_on(net::within(PATIENCE, &format!("{} did not answer", url.target), act))
    }

    /// What a status says that is no success.
    fn failed(&mut self, answer: &Answer, records: usize) -> Result<Sent, Failure> {
        let said = excerpt(&answer.body);
        let status = answer.status;
        let target = &self.url.target;
        let asked = format!("{target}{}", self.url.path.split('?').next().unwrap_or_default());
        let sentence = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                format!("{target} refuses the token ({status}){said}; check it and its rights")
            }
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                format!("{asked} takes no alerts ({status}){said}; check the path")
            }
            StatusCode::TOO_MANY_REQUESTS => format!("{target} asks for a pause ({status}){said}"),
            _ if status.is_redirection() => format!("{asked} is elsewhere ({status}){said}; correct the url"),
            _ => format!("{target} answered {status}{said}"),
        };
        let is_about_them = matches!(
            status,
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY
        );
        let is_about_us = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        // A token is read anew.
        let mut failure = Failure { after: answer.after, stays: !is_about_us, ..Failure::new(sentence) };
        if is_about_them && records > 1 {
            // One of them may be what it does not like: found by halves.
            self.room = (records / 2).max(1);
            failure.after = Some(Duration::ZERO);
        } else if is_about_them {
            self.tries += 1;
            if self.tries >= TRIES {
                self.tries = 0;
                return Ok(Sent { refused: vec![failure.sentence] });
            }
        }
        Err(failure)
    }

    /// What Splunk says: all, or from which event on not.
    fn splunk_said(&mut self, answer: &Answer, records: usize) -> Result<Sent, Failure> {
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.status.is_success() {
            return Ok(Sent::default());
        }
        let bad =
            said.get("invalid-event-number").and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
        match bad.filter(|at| *at < records && answer.status == StatusCode::BAD_REQUEST) {
            Some(at) => Err(Failure {
                sentence: format!("{} refuses an alert{}", self.url.target, excerpt(&answer.body)),
                arrived: at + 1,
                refused: vec![excerpt(&answer.body)],
                after: Some(Duration::ZERO),
                stays: true,
            }),
            None => self.failed(answer, records),
        }
    }

    /// What `_bulk` says about each: taken, refused for good, or not now.
    fn bulk_said(&mut self, answer: &Answer, records: usize) -> Result<Sent, Failure> {
        if !answer.status.is_success() {
            return self.failed(answer, records);
        }
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let Some(items) = said.get("items").and_then(Value::as_array).filter(|items| items.len() == records)
        else {
            let what = "its answer is not that of _bulk; check the path";
            return Err(Failure::new(format!("{}: {what}{}", self.url.target, excerpt(&answer.body))));
        };
        let mut sent = Sent::default();
        for (arrived, item) in items.iter().enumerate() {
            let inner = item.as_object().and_then(|item| item.values().next());
            let status = inner.and_then(|inner| inner.get("status")).and_then(Value::as_u64).unwrap_or(500);
            let reason = || {
                let reason =
                    inner.and_then(|inner| inner.get("error")).map(ToString::to_string).unwrap_or_default();
                excerpt(reason.as_bytes())
            };
            match status {
                // A conflict says that it is there already.
                200..=299 | 409 => {}
                429 | 500..=599 => {
                    let sentence =
                        format!("{} did not take all of a batch now ({status}){}", self.url.target, reason());
                    return Err(Failure {
                        sentence,
                        arrived,
                        refused: sent.refused,
                        after: answer.after,
                        stays: true,
                    });
                }
                _ => sent.refused.push(format!("status {status}{}", reason())),
            }
        }
        Ok(sent)
    }
}

async fn open(
    url: &Url,
    tls: Option<Arc<ClientConfig>>,
    settings: &TlsSettings,
) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let stream: Stream = net::connect(&url.target, tls.map(|config| (settings, config))).await?;
    let (sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| {
            Failure::new(format!("{} does not speak HTTP ({error}); check the port", url.target))
        })?;
    // It ends with its sender.
    tokio::spawn(connection);
    Ok(sender)
}

/// The start of what a server said, without what does not belong into a line.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..400).unwrap_or(body)).into_owned();
    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    if text.trim().is_empty() { String::new() } else { format!(": {}", text.trim()) }
}

impl Destination for Http {
    fn room(&self) -> (usize, usize) {
        (self.room, 1 << 20)
    }

    fn send(&mut self, records: &[Record]) -> Result<Sent, Failure> {
        let answer = self.ask(records)?;
        self.said = format!("{} answered {}{}", self.url.target, answer.status, excerpt(&answer.body));
        let result = match self.settings.shape {
            Shape::Splunk => self.splunk_said(&answer, records.len()),
            Shape::Bulk => self.bulk_said(&answer, records.len()),
            _ if answer.status.is_success() => Ok(Sent::default()),
            _ => self.failed(&answer, records.len()),
        };
        if result.is_ok() && self.settings.shape != Shape::Json {
            (self.room, self.tries) = ((self.room * 2).min(500), 0);
        }
        result
    }

    fn answer(&self) -> String {
        self.said.clone()
    }
}
