//! NATS with JetStream: each alert is published and acknowledged by the stream; its message id keeps a stream from taking one twice.

use super::net::{self, TlsSettings};
use super::{Destination, Failure, Sent};
use crate::output::queue::Record;
use crate::output::secret::SecretPlace;
use async_nats::jetstream::{self, context::PublishErrorKind};
use async_nats::{ConnectErrorKind, ConnectOptions, HeaderMap};
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long a connection or an acknowledgement may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages on their way at a time.
const UNDER_WAY: usize = 256;

/// Where and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// `nats://host:4222`, or `tls://…`.
    pub url: String,
    /// The subject; a stream has to listen to it.
    pub subject: String,
    /// Who the sensor is there.
    pub user: Option<String>,
    /// The password of that user, or a token where there is no user.
    pub token: Option<SecretPlace>,
    /// How TLS is spoken.
    pub tls: TlsSettings,
}

/// A stream of NATS.
pub struct Nats {
    runtime: Runtime,
    jetstream: jetstream::Context,
    subject: String,
    url: String,
    said: String,
}

impl Nats {
    /// Connects.
    ///
    /// # Errors
    /// One sentence.
    pub fn open(settings: &Settings) -> Result<Nats, Failure> {
        let secret = settings.token.as_ref().map(SecretPlace::read).transpose().map_err(Failure::new)?;
        let runtime = net::runtime()?;
        let mut options = ConnectOptions::new().name("wayside").connection_timeout(PATIENCE);
        // A connection that breaks ends the batch: what was not acknowledged is sent again over another.
        options = options.max_reconnects(1);
        options = match (&settings.user, &secret) {
            (Some(user), Some(secret)) => options.user_and_password(user.clone(), secret.reveal().to_owned()),
            (None, Some(secret)) => options.token(secret.reveal().to_owned()),
            _ => options,
        };
        let tls = &settings.tls;
        if settings.url.starts_with("tls://") || *tls != TlsSettings::default() {
            let config = tls.config()?;
            options = options.require_tls(true).tls_client_config((*config).clone());
        }
        let url = settings.url.clone();
        let act = async {
            let client = options.connect(&url).await.map_err(|error| {
                let what = match error.kind() {
                    ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                        format!("{url} refuses user or token; check them")
                    }
                    ConnectErrorKind::Dns => {
                        format!("the host of {url} is not known; check the name and the name server")
                    }
                    _ => format!("{url} does not take connections ({error}); check host, port and firewall"),
                };
                Failure::new(what)
            })?;
            // Within the runtime, which it starts a task on.
            let mut jetstream = jetstream::new(client);
            jetstream.set_timeout(PATIENCE);
            Ok(jetstream)
        };
        let jetstream =
            runtime.block_on(net::within(PATIENCE, &format!("{} did not answer", settings.url), act))?;
        let (subject, url) = (settings.subject.clone(), settings.url.clone());
        Ok(Nats { runtime, jetstream, subject, url, said: String::new() })
    }

    fn failed(&self, error: &jetstream::context::PublishError) -> Failure {
        let subject = &self.subject;
        Failure::new(match error.kind() {
            PublishErrorKind::StreamNotFound => {
                format!(
                    "no stream at {} listens to '{subject}'; add one (nats stream add --subjects '{subject}')",
                    self.url
                )
            }
            PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe => {
                format!("{} did not acknowledge ({error}); it is sent again", self.url)
            }
            _ => format!("{} did not take it: {error}", self.url),
        })
    }
}

/// What tells two words about alerts apart: the id of the alert, and for a later word how many messages it then stood for.
fn message_id(record: &Record) -> String {
    match record.count {
        1 => record.id.to_string(),
        count => format!("{}-{count}", record.id),
    }
}

impl Destination for Nats {
    fn room(&self) -> (usize, usize) {
        (UNDER_WAY, 1 << 20)
    }

    fn send(&mut self, records: &[Record]) -> Result<Sent, Failure> {
        let act = async {
            let mut promised = Vec::with_capacity(records.len());
            for record in records {
                let mut headers = HeaderMap::new();
                headers.insert(async_nats::header::NATS_MESSAGE_ID, message_id(record).as_str());
                let publish = self.jetstream.publish_with_headers(
                    self.subject.clone(),
                    headers,
                    record.body.clone().into(),
                );
                promised.push(publish.await.map_err(|error| (0, self.failed(&error)))?);
            }
            let mut last = 0;
            for (arrived, promise) in promised.into_iter().enumerate() {
                last = promise.await.map_err(|error| (arrived, self.failed(&error)))?.sequence;
            }
            Ok(last)
        };
        match self.runtime.block_on(async { tokio::time::timeout(PATIENCE * 2, act).await }) {
            Ok(Ok(last)) => {
                self.said = format!("{} acknowledged it as message {last} of the stream", self.url);
                Ok(Sent::default())
            }
            Ok(Err((arrived, failure))) => Err(failure.after(arrived)),
            Err(_) => {
                Err(Failure::new(format!("{} did not acknowledge in time; it is sent again", self.url)))
            }
        }
    }

    fn answer(&self) -> String {
        self.said.clone()
    }
}
