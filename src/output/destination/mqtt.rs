//! MQTT 3.1.1 with quality of service 1: each alert is published and acknowledged by the broker. A broker may hand it on twice; the id in it
//! tells.

use super::net::{self, Target, TlsSettings};
use super::{Destination, Failure, Sent};
use crate::output::queue::Record;
use crate::output::secret::SecretPlace;
use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, Outgoing, Packet, QoS};
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long a connection or an acknowledgement may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages on their way at a time.
const UNDER_WAY: usize = 64;
/// The largest message.
const LARGEST: usize = 1 << 20;

/// Where and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The broker.
    pub target: Target,
    /// The topic.
    pub topic: String,
    /// The name of this client, which no other may have.
    pub client: String,
    /// Who the sensor is there.
    pub user: Option<String>,
    /// The password of that user.
    pub password: Option<SecretPlace>,
    /// How TLS is spoken, where it is.
    pub tls: Option<TlsSettings>,
}

/// A broker.
pub struct Mqtt {
    runtime: Runtime,
    client: AsyncClient,
    events: EventLoop,
    target: Target,
    topic: String,
}

impl Mqtt {
    /// Connects.
    ///
    /// # Errors
    /// One sentence.
    pub fn open(settings: &Settings) -> Result<Mqtt, Failure> {
        let Settings { target, topic, client, user, password, tls } = settings;
        let password = password.as_ref().map(SecretPlace::read).transpose().map_err(Failure::new)?;
        let mut options = MqttOptions::new(client, &target.host, target.port);
        options.set_keep_alive(Duration::from_secs(30)).set_max_packet_size(LARGEST, LARGEST);
        options.set_inflight(UNDER_WAY as u16);
        if let Some(user) = user {
            options.set_credentials(user, password.as_ref().map_or("", |secret| secret.reveal()));
        }
        if let Some(tls) = tls {
            options.set_transport(rumqttc::Transport::tls_with_config(rumqttc::TlsConfiguration::Rustls(
                tls.config()?,
            )));
        }
        let runtime = net::runtime()?;
        let (client, mut events) = AsyncClient::new(options, UNDER_WAY);
        let act = async {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => return Ok(()),
                    Ok(_) => {}
                    Err(error) => return Err(failed(target, &error)),
                }
            }
        };
        runtime.block_on(async {
            net::look_up(target).await?;
            net::within(PATIENCE, &format!("{target} did not answer"), act).await
        })?;
        Ok(Mqtt { runtime, client, events, target: target.clone(), topic: topic.clone() })
    }
}

fn failed(target: &Target, error: &ConnectionError) -> Failure {
    Failure::new(match error {
        ConnectionError::ConnectionRefused(code) => {
            format!("{target} refuses the connection ({code:?}); check user and password")
        }
        ConnectionError::Io(error) => {
            format!(
                "{target} does not take connections ({}); check host, port and firewall",
                net::Plain(error)
            )
        }
        ConnectionError::Tls(rumqttc::TlsError::Io(error)) => net::about_tls(target, &target.host, error),
        other => format!("the connection to {target} broke ({other}); it is opened again"),
    })
}

impl Destination for Mqtt {
    fn room(&self) -> (usize, usize) {
        (UNDER_WAY, LARGEST)
    }

    fn send(&mut self, records: &[Record]) -> Result<Sent, Failure> {
        let Mqtt { runtime, client, events, target, topic } = self;
        let act = async {
            for (at, record) in records.iter().enumerate() {
                let publish =
                    client.try_publish(topic.as_str(), QoS::AtLeastOnce, false, record.body.clone());
                publish
                    .map_err(|error| (at, Failure::new(format!("{target} cannot be sent to: {error}"))))?;
            }
            // Acknowledgements come in the order of the messages; they are counted.
            let mut acknowledged = 0;
            while acknowledged < records.len() {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::PubAck(_))) => acknowledged += 1,
                    Ok(_) => {}
                    Err(error) => return Err((acknowledged, failed(target, &error))),
                }
            }
            Ok(())
        };
        match runtime.block_on(async { tokio::time::timeout(PATIENCE, act).await }) {
            Ok(Ok(())) => Ok(Sent::default()),
            Ok(Err((arrived, failure))) => Err(failure.after(arrived)),
            Err(_) => Err(Failure::new(format!("{target} did not acknowledge in time; it is sent again"))),
        }
    }

    /// Keeps the connection alive.
    fn idle(&mut self) -> Result<(), Failure> {
        let Mqtt { runtime, events, target, .. } = self;
        let act = async {
            loop {
                match events.poll().await {
                    Ok(Event::Outgoing(Outgoing::Disconnect)) => {
                        return Failure::new(format!("{target} closed the connection; it is opened again"));
                    }
                    Ok(_) => {}
                    Err(error) => return failed(target, &error),
                }
            }
        };
        runtime
            .block_on(async { tokio::time::timeout(Duration::from_millis(20), act).await })
            .map_or(Ok(()), Err)
    }

    fn answer(&self) -> String {
        format!("{} acknowledged it", self.target)
    }
}
