//! Web servers: Splunk's collector, `_bulk`, and all the ways in which a server may misbehave.

use super::{alerts, output, start, wait, wait_sent};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A request as it came.
#[derive(Clone, Debug)]
struct Request {
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    at: Instant,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }

    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.body.clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// What a server does with a request.
enum Act {
    /// Answers: status, more headers, body.
    Answer(u16, &'static str, String),
    /// Says half of an answer and goes.
    Break,
    /// Says nothing for so long, then goes.
    Hang(Duration),
    /// Goes at once.
    Close,
}

struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers each request as `act` says; the number counts them from 0.
    fn start(act: impl Fn(usize, &Request) -> Act + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (kept, act) = (requests.clone(), Arc::new(act));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, act) = (kept.clone(), act.clone());
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream);
                    while let Some(request) = read(&mut reader) {
                        let number = {
                            let mut kept = kept.lock().unwrap();
                            kept.push(request.clone());
                            kept.len() - 1
                        };
                        if !play(act(number, &request), reader.get_mut()) {
                            return;
                        }
                    }
                });
            }
        });
        Server { port, requests }
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|octets| *octets > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_lowercase(), value.to_owned())),
            None => break,
        }
    }
    let long = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; long];
    reader.read_exact(&mut body).ok()?;
    Some(Request { path, headers, body, at: Instant::now() })
}

/// Whether the connection goes on.
fn play(act: Act, stream: &mut TcpStream) -> bool {
    match act {
        Act::Answer(status, headers, body) => {
            let text =
                format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len());
            stream.write_all(text.as_bytes()).is_ok()
        }
        Act::Break => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
            false
        }
        Act::Hang(long) => {
            std::thread::sleep(long);
            false
        }
        Act::Close => false,
    }
}

fn ok() -> Act {
    Act::Answer(200, "", "{}".into())
}

fn id(number: u64) -> String {
    alerts::alert(number).id.to_string()
}

#[test]
fn a_server_that_fails_in_every_way_gets_all_of_them_in_order() {
    let server = Server::start(|number, _| match number {
        0 => Act::Answer(500, "", "<html>\noops</html>".into()),
        1 => Act::Break,
        2 => Act::Close,
        3 => Act::Answer(429, "Retry-After: 2\r\n", String::new()),
        4 => Act::Hang(Duration::from_millis(500)),
        6 => Act::Answer(503, "Connection: close\r\n", String::new()),
        _ => ok(),
    });
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "s3cret").unwrap();
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let output = output(&format!(
        "name = \"web\"\nto = \"http\"\nurl = \"http://127.0.0.1:{}/in?x=1\"\nshape = \"ndjson\"\nheaders = {{ X-Plant = \"north\" }}\n\
         token = {{ file = \"{}\" }}",
        server.port,
        token.display()
    ));
    let relay = start(&output, &folder.path().join("queue"));
    (0..1200).for_each(|number| relay.put(&output.record(&alerts::alert(number))));
    wait("trouble", || relay.health().trouble.is_some());
    let health = wait_sent(&relay, 1200);
    assert_eq!((health.sent, health.refused, health.queue.lost, health.trouble), (1200, 0, 0, None));
    relay.finish();
    let requests = server.requests();
    let first = &requests[0];
    assert_eq!((first.path.as_str(), first.header("authorization")), ("/in?x=1", "Bearer s3cret"));
    assert_eq!((first.header("x-plant"), first.header("content-type")), ("north", "application/x-ndjson"));
    // Those that were answered with 200, together: every alert, in order.
    let taken = requests.iter().enumerate().filter(|(number, _)| *number == 5 || *number > 6);
    let ids: Vec<String> = taken
        .flat_map(|(_, request)| request.lines())
        .map(|alert| alert["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, (0..1200).map(id).collect::<Vec<_>>());
    // It waited about as long as it was asked to.
    assert!(requests[4].at - requests[3].at >= Duration::from_secs(1));
}

#[test]
fn bulk_takes_what_it_can_and_gets_the_rest_again() {
    // The third of the first batch is busy, one can never be taken, and all others are.
    let server = Server::start(|number, request| {
        let lines = request.lines();
        let items: Vec<Value> = lines
            .chunks(2)
            .enumerate()
            .map(|(at, pair)| {
                let act = pair[0].as_object().unwrap().keys().next().unwrap().clone();
                let status = match (number, at, pair[1]["event"]["id"].as_str()) {
                    (0, 3, _) => 429,
                    (_, _, Some(own)) if own == id(7) => 400,
                    _ => 201,
                };
                json!({ act: { "status": status, "error": if status == 400 { json!({"type": "mapper_parsing_exception"}) } else { Value::Null } } })
            })
            .collect();
        Act::Answer(200, "", json!({"errors": true, "items": items}).to_string())
    });
    let folder = tempfile::tempdir().unwrap();
    let output = output(&format!(
        "name = \"elastic\"\nto = \"elasticsearch\"\nurl = \"http://127.0.0.1:{}/_bulk\"\nindex = \"wayside\"",
        server.port
    ));
    let relay = start(&output, folder.path());
    (0..20).for_each(|number| relay.put(&output.record(&alerts::alert(number))));
    let health = wait_sent(&relay, 20);
    assert_eq!((health.sent, health.refused, health.queue.lost), (19, 1, 0));
    relay.finish();
    let requests = server.requests();
    let first = requests[0].lines();
    assert_eq!(first[0], json!({"index": {"_index": "wayside", "_id": id(0)}}));
    assert_eq!(first[1]["event"]["kind"], "alert");
    // The first three are not sent again.
    assert_eq!(requests[1].lines()[0]["index"]["_id"], id(3));
}

#[test]
fn splunk_gets_events_and_says_which_it_does_not_take() {
    let server = Server::start(|number, request| {
        let count = request.lines().len();
        match number {
            0 if count > 4 => Act::Answer(
                400,
                "",
                "{\"text\":\"Invalid data format\",\"code\":6,\"invalid-event-number\":4}".into(),
            ),
            _ => Act::Answer(200, "", "{\"text\":\"Success\",\"code\":0}".into()),
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let output = output(&format!(
        "name = \"splunk\"\nto = \"splunk\"\nurl = \"http://127.0.0.1:{}/services/collector/event\"\nindex = \"ot\"\nformat = \"cef\"",
        server.port
    ));
    let relay = start(&output, folder.path());
    (0..10).for_each(|number| relay.put(&output.record(&alerts::alert(number))));
    let health = wait_sent(&relay, 10);
    relay.finish();
    let requests = server.requests();
    let first = requests[0].lines();
    let alert = alerts::alert(0);
    assert_eq!(first[0]["time"], json!(alert.ts.nanos as f64 / 1e9));
    assert_eq!((&first[0]["host"], &first[0]["sourcetype"]), (&json!("sensor-7"), &json!("wayside:cef")));
    assert_eq!(first[0]["index"], "ot");
    assert!(first[0]["event"].as_str().unwrap().starts_with("CEF:0|"));
    let all: usize = requests.iter().map(|request| request.lines().len()).sum();
    assert_eq!(all as u64, 10 + if first.len() > 4 { first.len() as u64 - 5 } else { 0 });
    assert_eq!(health.sent + health.refused, 10);
    assert_eq!(health.refused, u64::from(first.len() > 4));
}

#[test]
fn one_that_is_too_much_is_found_by_halves_and_passed_over() {
    let server = Server::start(|_, request| {
        let bad = request.lines().iter().any(|alert| alert["id"] == id(137).as_str());
        if bad { Act::Answer(413, "", "too large".into()) } else { ok() }
    });
    let folder = tempfile::tempdir().unwrap();
    let output = output(&format!(
        "name = \"web\"\nto = \"http\"\nurl = \"http://127.0.0.1:{}/\"\nshape = \"ndjson\"",
        server.port
    ));
    let relay = start(&output, folder.path());
    (0..300).for_each(|number| relay.put(&output.record(&alerts::alert(number))));
    let health = wait_sent(&relay, 300);
    assert_eq!((health.sent, health.refused), (299, 1), "{health:?}");
    relay.finish();
}

#[test]
fn a_server_that_hangs_holds_up_nobody() {
    let server = Server::start(|_, _| Act::Hang(Duration::from_secs(600)));
    let folder = tempfile::tempdir().unwrap();
    let output =
        output(&format!("name = \"web\"\nto = \"http\"\nurl = \"http://127.0.0.1:{}/\"", server.port));
    let relay = start(&output, folder.path());
    relay.put(&output.record(&alerts::alert(0)));
    wait("a request", || !server.requests().is_empty());
    let began = Instant::now();
    (1..2000).for_each(|number| relay.put(&output.record(&alerts::alert(number))));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let began = Instant::now();
    relay.finish();
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(relay.health().queue.waiting, 2000);
}
