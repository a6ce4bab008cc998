//! rsyslog, NATS with JetStream, mosquitto, a file.

use super::{Running, alerts, find, free_port, listens, output, start, wait, wait_sent};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use wayside::output::settings::Output;

/// Certificates for a receiver and a sensor, signed by an authority of their own.
pub struct Certificates(pub tempfile::TempDir);

impl Certificates {
    /// For a server of these names; `days` from now on, or ago.
    pub fn new(names: &[&str], is_expired: bool) -> Certificates {
        use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
        let folder = tempfile::tempdir().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(rcgen::DnType::CommonName, "authority of a test");
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        };
        write("ca.pem", authority.pem());
        for (file, names) in [("server", names), ("client", &["sensor-7"])] {
            let mut wanted =
                CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
                    .unwrap();
            wanted.distinguished_name.push(rcgen::DnType::CommonName, names[0]);
            if is_expired {
                wanted.not_before = rcgen::date_time_ymd(2020, 1, 1);
                wanted.not_after = rcgen::date_time_ymd(2021, 1, 1);
            }
            let key = KeyPair::generate().unwrap();
            write(&format!("{file}.key"), key.serialize_pem());
            write(&format!("{file}.pem"), wanted.signed_by(&key, &authority).unwrap().pem());
        }
        Certificates(folder)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_string_lossy().into_owned()
    }
}

/// The messages of so many alerts as they are queued, and put into the queue of an output.
fn send(output: &Output, count: u64, settle: impl FnOnce(&wayside::output::relay::Relay)) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let relay = start(output, folder.path());
    let all: Vec<Vec<u8>> = (0..count)
        .map(|number| {
            let mut alert = alerts::alert(number);
            if number.is_multiple_of(7) {
                alert.summary = "it said \"=|]\\ \u{202e}\n\u{0} é\u{2028}\u{feff} ; rm -rf %n".into();
            }
            let record = output.record(&alert);
            relay.put(&record);
            record.body
        })
        .collect();
    settle(&relay);
    relay.finish();
    all
}

struct Rsyslog {
    _running: Running,
    folder: tempfile::TempDir,
    port: u16,
}

impl Rsyslog {
    fn start(test: &str, input: &dyn Fn(u16) -> String) -> Option<Rsyslog> {
        let program = find("rsyslogd", test)?;
        let folder = tempfile::tempdir().unwrap();
        let (port, shown) = (free_port(), folder.path().display());
        // The message as it came, with nothing escaped or cut.
        let text = format!(
            "global(workDirectory=\"{shown}\" parser.escapeControlCharactersOnReceive=\"off\" maxMessageSize=\"64k\")\n\
             template(name=\"raw\" type=\"string\" string=\"%rawmsg%\\n\")\n\
             {}\n\
             ruleset(name=\"all\") {{ action(type=\"omfile\" file=\"{shown}/all.log\" template=\"raw\") }}\n",
            input(port)
        );
        let file = folder.path().join("rsyslog.conf");
        fs::write(&file, text).unwrap();
        let pid = folder.path().join("pid");
        let running =
            Running::start(Command::new(program).arg("-n").arg("-f").arg(&file).arg("-i").arg(&pid));
        Some(Rsyslog { _running: running, folder, port })
    }

    fn received(&self) -> Vec<u8> {
        fs::read(self.folder.path().join("all.log")).unwrap_or_default()
    }

    /// Waits until it has written exactly this.
    fn holds(&self, expected: &[u8]) {
        let enough = || self.received().len() >= expected.len();
        super::waits(Duration::from_secs(20), enough);
        let received = self.received();
        let first = received.iter().zip(expected).position(|(a, b)| a != b);
        let around = |bytes: &[u8]| {
            let at = first.unwrap_or(0);
            String::from_utf8_lossy(
                &bytes[at.saturating_sub(60).min(bytes.len())..(at + 60).min(bytes.len())],
            )
            .into_owned()
        };
        assert!(
            received == expected,
            "{} octets of {}; first other at {first:?}: {:?} instead of {:?}",
            received.len(),
            expected.len(),
            around(&received),
            around(expected)
        );
    }
}

fn lines(messages: &[Vec<u8>]) -> Vec<u8> {
    messages.iter().flat_map(|message| [message.as_slice(), b"\n"].concat()).collect()
}

#[test]
fn rsyslog_writes_down_what_was_sent_by_udp() {
    let input = |port| {
        format!(
            "module(load=\"imudp\")\ninput(type=\"imudp\" port=\"{port}\" address=\"127.0.0.1\" ruleset=\"all\")"
        )
    };
    let Some(rsyslog) = Rsyslog::start("rsyslog, UDP", &input) else { return };
    // Nothing says that it listens: a message of another program does.
    let probe = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    wait("rsyslog", || {
        probe.send_to(b"<13>1 - - - - - - probe", ("127.0.0.1", rsyslog.port)).is_ok()
            && !rsyslog.received().is_empty()
    });
    std::thread::sleep(Duration::from_millis(300));
    let before = rsyslog.received();
    let format = ["wayside", "cef", "ecs", "eve", "ocsf"];
    let mut expected = before;
    for format in format {
        let output = output(&format!(
            "name = \"soc\"\nto = \"syslog\"\naddress = \"127.0.0.1:{}\"\nformat = \"{format}\"",
            rsyslog.port
        ));
        let sent = send(&output, 20, |relay| assert_eq!(wait_sent(relay, 20).refused, 0));
        expected.extend(lines(&sent));
    }
    rsyslog.holds(&expected);
}

#[test]
fn rsyslog_writes_down_what_was_sent_by_tcp_though_it_is_restarted() {
    let input = |port| {
        format!(
            "module(load=\"imtcp\")\ninput(type=\"imtcp\" port=\"{port}\" address=\"127.0.0.1\" ruleset=\"all\")"
        )
    };
    let Some(rsyslog) = Rsyslog::start("rsyslog, TCP", &input) else { return };
    wait("rsyslog", || listens(rsyslog.port));
    let output = output(&format!(
        "name = \"soc\"\nto = \"syslog\"\ntransport = \"tcp\"\naddress = \"127.0.0.1:{}\"\nformat = \"cef\"",
        rsyslog.port
    ));
    let sent = send(&output, 3000, |relay| assert_eq!(wait_sent(relay, 3000).refused, 0));
    rsyslog.holds(&lines(&sent));
}

#[test]
fn rsyslog_writes_down_what_was_sent_by_tls_with_certificates_on_both_sides() {
    let certificates = Certificates::new(&["localhost"], false);
    let input = |port| {
        format!(
            "global(defaultNetstreamDriver=\"ossl\" defaultNetstreamDriverCAFile=\"{}\" defaultNetstreamDriverCertFile=\"{}\" \
             defaultNetstreamDriverKeyFile=\"{}\")\n\
             module(load=\"imtcp\" streamDriver.name=\"ossl\" streamDriver.mode=\"1\" streamDriver.authMode=\"x509/name\" permittedPeer=[\"sensor-7\"])\n\
             input(type=\"imtcp\" port=\"{port}\" address=\"127.0.0.1\" ruleset=\"all\")",
            certificates.path("ca.pem"),
            certificates.path("server.pem"),
            certificates.path("server.key")
        )
    };
    if !Path::new("/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_ossl.so").exists()
        && !Path::new("/usr/lib/aarch64-linux-gnu/rsyslog/lmnsd_ossl.so").exists()
    {
        println!("rsyslog, TLS: skipped, there is no rsyslog-openssl");
        return;
    }
    let Some(rsyslog) = Rsyslog::start("rsyslog, TLS", &input) else { return };
    wait("rsyslog", || listens(rsyslog.port));
    let text = |more: &str| {
        format!(
            "name = \"soc\"\nto = \"syslog\"\ntransport = \"tls\"\naddress = \"localhost:{}\"\nca = \"{}\"\n{more}",
            rsyslog.port,
            certificates.path("ca.pem")
        )
    };
    let own = format!(
        "certificate = \"{}\"\nkey = \"{}\"",
        certificates.path("client.pem"),
        certificates.path("client.key")
    );
    let both = output(&text(&own));
    let sent = send(&both, 500, |relay| assert_eq!(wait_sent(relay, 500).refused, 0));
    rsyslog.holds(&lines(&sent));
    // Without a certificate of its own it is not let in, and nothing counts as sent.
    let folder = tempfile::tempdir().unwrap();
    let stranger = output(&text(""));
    let relay = start(&stranger, folder.path());
    relay.put(&stranger.record(&alerts::alert(1)));
    wait("a sentence", || relay.health().trouble.is_some());
    assert_eq!((relay.health().sent, relay.health().queue.waiting), (0, 1), "{:?}", relay.health());
    assert_eq!(rsyslog.received(), lines(&sent));
}

#[test]
fn a_file_gets_a_line_for_each() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alerts.json");
    let output = output(&format!("name = \"file\"\nto = \"file\"\npath = \"{}\"", path.display()));
    let sent = send(&output, 2500, |relay| assert_eq!(wait_sent(relay, 2500).refused, 0));
    assert_eq!(fs::read(path).unwrap(), lines(&sent));
}

struct NatsServer {
    program: String,
    folder: PathBuf,
    port: u16,
}

impl NatsServer {
    fn start(&self) -> Running {
        let mut command = Command::new(&self.program);
        command.args(["-a", "127.0.0.1", "-p", &self.port.to_string(), "-js", "--sd"]).arg(&self.folder);
        let running = Running::start(&mut command);
        wait("nats-server", || listens(self.port));
        running
    }
}

#[test]
fn jetstream_has_each_once_though_the_server_is_killed_under_load() {
    let Some(program) = find("nats-server", "NATS JetStream") else { return };
    const COUNT: u64 = 6000;
    let folder = tempfile::tempdir().unwrap();
    let server = NatsServer { program, folder: folder.path().join("nats"), port: free_port() };
    let mut running = Some(server.start());
    let url = format!("nats://127.0.0.1:{}", server.port);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stream = async_nats::jetstream::stream::Config {
        name: "alerts".into(),
        subjects: vec!["wayside.alerts".into()],
        ..Default::default()
    };
    let queue = tempfile::tempdir().unwrap();
    let output = output(&format!(
        "name = \"nats\"\nto = \"nats\"\nurl = \"{url}\"\nsubject = \"wayside.alerts\"\nformat = \"ecs\""
    ));
    let relay = start(&output, queue.path());
    // No stream listens yet: that is said, and nothing is lost.
    relay.put(&output.record(&alerts::alert(0)));
    wait("a sentence", || relay.health().trouble.is_some());
    let trouble = relay.health().trouble.unwrap();
    assert!(trouble.contains("no stream at") && trouble.contains("wayside.alerts"), "{trouble}");
    runtime.block_on(async {
        let client = async_nats::connect(&url).await.unwrap();
        async_nats::jetstream::new(client).create_stream(stream).await.unwrap();
    });
    for number in 1..COUNT {
        relay.put(&output.record(&alerts::alert(number)));
        if number % 1500 == 700 {
            wait("some of them", || relay.health().sent > number / 4);
            // SIGKILL, in the middle.
            running = None;
            std::thread::sleep(Duration::from_millis(300));
        }
        if number % 1500 == 900 {
            running = Some(server.start());
        }
    }
    running.get_or_insert_with(|| server.start());
    wait_sent(&relay, COUNT);
    relay.finish();
    let got: BTreeMap<String, u32> = runtime.block_on(async {
        use tokio_stream::StreamExt as _;
        let client = async_nats::connect(&url).await.unwrap();
        let stream = async_nats::jetstream::new(client).get_stream("alerts").await.unwrap();
        let ack_policy = async_nats::jetstream::consumer::AckPolicy::None;
        let config = async_nats::jetstream::consumer::pull::Config { ack_policy, ..Default::default() };
        let consumer = stream.create_consumer(config).await.unwrap();
        let mut all = BTreeMap::new();
        while all.values().sum::<u32>() < COUNT as u32 {
            let batch =
                consumer.fetch().max_messages(500).expires(Duration::from_secs(2)).messages().await.unwrap();
            let found: Vec<_> = batch.collect().await;
            if found.is_empty() {
                break;
            }
            for message in found {
                let alert: serde_json::Value = serde_json::from_slice(&message.unwrap().payload).unwrap();
                *all.entry(alert["event"]["id"].as_str().unwrap().to_owned()).or_insert(0) += 1;
            }
        }
        let mut stream = stream;
        assert_eq!(stream.info().await.unwrap().state.messages, COUNT);
        all
    });
    let expected: BTreeMap<String, u32> =
        (0..COUNT).map(|number| (alerts::alert(number).id.to_string(), 1)).collect();
    assert_eq!(got, expected);
}

#[test]
fn mosquitto_hands_on_all_though_it_is_killed_under_load() {
    use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
    let Some(program) = find("mosquitto", "MQTT") else { return };
    const COUNT: u64 = 1500;
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let file = folder.path().join("mosquitto.conf");
    // A broker that is killed keeps only what it has written down: what it acknowledges but has not is its own loss. So the
    // subscriber is always there, and it stays up once the load is through.
    let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n");
    fs::write(&file, text).unwrap();
    let broker = || {
        let running = Running::start(Command::new(&program).arg("-c").arg(&file));
        wait("mosquitto", || listens(port));
        running
    };
    let mut running = broker();
    let mut options = MqttOptions::new("reader", "127.0.0.1", port);
    options.set_clean_session(false);
    let (client, mut connection) = Client::new(options, 100);
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for event in connection.iter() {
            match event {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    client.subscribe("wayside/alerts", QoS::AtLeastOnce).unwrap()
                }
                Ok(Event::Incoming(Packet::Publish(message))) => {
                    let alert: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
                    if tell.send(alert["id"].as_str().unwrap().to_owned()).is_err() {
                        return;
                    }
                }
                Ok(_) => {}
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    });
    let queue = tempfile::tempdir().unwrap();
    let output = output(&format!(
        "name = \"mqtt\"\nto = \"mqtt\"\naddress = \"127.0.0.1:{port}\"\ntopic = \"wayside/alerts\""
    ));
    let relay = start(&output, queue.path());
    std::thread::sleep(Duration::from_millis(500));
    let put = |numbers: std::ops::Range<u64>| {
        numbers.for_each(|number| relay.put(&output.record(&alerts::alert(number))));
    };
    put(0..500);
    wait_sent(&relay, 500);
    std::thread::sleep(Duration::from_millis(300));
    drop(running);
    put(500..1000);
    wait("a sentence", || relay.health().trouble.is_some());
    assert_eq!(relay.health().sent, 500);
    running = broker();
    // The reader is back before the sensor's pause is over, or the broker has nobody to hand them on to.
    std::thread::sleep(Duration::from_millis(200));
    put(1000..COUNT);
    wait_sent(&relay, COUNT);
    let mut got: BTreeMap<String, u32> = BTreeMap::new();
    wait("all of them", || {
        told.try_iter().for_each(|id| *got.entry(id).or_insert(0) += 1);
        got.len() as u64 >= COUNT
    });
    let expected: Vec<String> = (0..COUNT).map(|number| alerts::alert(number).id.to_string()).collect();
    assert_eq!(got.into_keys().collect::<Vec<_>>(), expected);
    relay.finish();
    drop(running);
}
