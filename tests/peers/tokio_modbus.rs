//! tokio-modbus with itself, and its client with pymodbus' server: every function that the crate has.

use super::{address, exchange, modbus::agree, ours, python};
use crate::common::{self, has};
use serde_json::{Value, json};
use std::future::{Ready, ready};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpSocket};
use tokio_modbus::client::{Context, tcp};
use tokio_modbus::prelude::*;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};

/// tcpdump on the loopback interface.
struct Tcpdump {
    child: Child,
    capture: PathBuf,
    _folder: tempfile::TempDir,
}

impl Tcpdump {
    /// Starts it; `None`, saying so, where it is not there or may not capture.
    fn start(test: &str, server: SocketAddr) -> Option<Tcpdump> {
        if !has("tcpdump", test) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let capture = folder.path().join("capture.pcap");
        let mut child = Command::new("tcpdump")
            .args(["-i", "lo", "-n", "-s", "4096", "-B", "16384", "-U", "--immediate-mode", "-w"])
            .arg(&capture)
            .arg(format!("tcp port {} and host {}", server.port(), server.ip()))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        for line in BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok) {
            if line.contains("listening on") {
                return Some(Tcpdump { child, capture, _folder: folder });
            }
            said += &line;
        }
        child.wait().unwrap();
        println!("{test}: skipped, tcpdump cannot record: {said}");
        None
    }

    /// The events of the recording, as soon as it has this many and no more come.
    fn events(self, wanted: usize) -> Vec<Value> {
        let (began, mut before) = (Instant::now(), 0);
        loop {
            let output = common::run(&["replay", "-q", "--events", "-", &self.capture.to_string_lossy()]);
            let text = common::out(&output);
            let now = text.lines().count();
            if now >= wanted && now == before || began.elapsed() > Duration::from_secs(15) {
                return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            }
            before = now;
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Tcpdump {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The fields of what goes under a function that the crate does not know: 8 has a sub-function, 7 answers with
/// a bit for each of eight states.
fn custom(function: u8, octets: &[u8]) -> Value {
    match (function, octets) {
        (8, [high, low, data @ ..]) => {
            json!({"function": 8, "subfunction": u16::from_be_bytes([*high, *low]), "data": hex(data)})
        }
        (7, []) => json!({"function": 7}),
        (7, [states]) => {
            json!({"function": 7, "values": (0..8).map(|bit| states >> bit & 1 == 1).collect::<Vec<_>>()})
        }
        _ => json!({"function": function, "data": hex(octets)}),
    }
}

/// The fields of a request, by the names of the standard.
fn asked(unit: u8, request: &Request<'_>) -> Value {
    let function = request.function_code().value();
    let mut told = match request {
        Request::ReadCoils(address, quantity)
        | Request::ReadDiscreteInputs(address, quantity)
        | Request::ReadHoldingRegisters(address, quantity)
        | Request::ReadInputRegisters(address, quantity) => json!({"address": address, "quantity": quantity}),
        Request::WriteSingleCoil(address, value) => json!({"address": address, "values": [value]}),
        Request::WriteSingleRegister(address, value) => json!({"address": address, "values": [value]}),
        Request::WriteMultipleCoils(address, values) => {
            json!({"address": address, "quantity": values.len(), "values": values})
        }
        Request::WriteMultipleRegisters(address, values) => {
            json!({"address": address, "quantity": values.len(), "values": values})
        }
        Request::ReportServerId => json!({}),
        Request::MaskWriteRegister(address, and, or) => {
            json!({"address": address, "and_mask": and, "or_mask": or})
        }
        Request::ReadWriteMultipleRegisters(read, quantity, address, values) => json!({
            "read_address": read, "read_quantity": quantity,
            "address": address, "quantity": values.len(), "values": values,
        }),
        Request::ReadDeviceIdentification(code, object) => {
            json!({"mei": 14, "read_device_id": code.value(), "object_id": object})
        }
        Request::Custom(function, octets) => custom(*function, octets),
    };
    (told["unit"], told["function"]) = (json!(unit), json!(function));
    told
}

/// The fields of an answer.
fn answered(unit: u8, function: u8, answer: &Result<Response, ExceptionCode>) -> Value {
    let mut told = match answer {
        Err(code) => json!({"exception": u8::from(*code)}),
        Ok(Response::ReadCoils(values) | Response::ReadDiscreteInputs(values)) => json!({"values": values}),
        Ok(
            Response::ReadHoldingRegisters(values)
            | Response::ReadInputRegisters(values)
            | Response::ReadWriteMultipleRegisters(values),
        ) => json!({"values": values}),
        Ok(Response::WriteSingleCoil(address, value)) => json!({"address": address, "values": [value]}),
        Ok(Response::WriteSingleRegister(address, value)) => json!({"address": address, "values": [value]}),
        Ok(
            Response::WriteMultipleCoils(address, quantity)
            | Response::WriteMultipleRegisters(address, quantity),
        ) => {
            json!({"address": address, "quantity": quantity})
        }
        Ok(Response::ReportServerId(id, running, data)) => {
            json!({"server_id": hex(&[&[*id, if *running { 0xff } else { 0 }], &data[..]].concat())})
        }
        Ok(Response::MaskWriteRegister(address, and, or)) => {
            json!({"address": address, "and_mask": and, "or_mask": or})
        }
        Ok(Response::ReadDeviceIdentification(identity)) => json!({
            "mei": 14,
            "read_device_id": identity.read_code.value(),
            "conformity_level": identity.conformity_level.value(),
            "more_follows": identity.more_follows,
            "next_object_id": identity.next_object_id,
            "objects": identity.device_id_objects.iter()
                .map(|object| json!({"id": object.id, "value": object.value_as_str()}))
                .collect::<Vec<_>>(),
        }),
        Ok(Response::Custom(function, octets)) => custom(*function, octets),
    };
    (told["unit"], told["function"]) = (json!(unit), json!(function));
    told
}

/// A device that answers everything from the request alone, and keeps what it sent. Only its unit 17 reports
/// what it is.
#[derive(Clone, Default)]
struct Device(Arc<Mutex<Vec<Value>>>);

impl Device {
    fn answer(unit: u8, request: &Request<'_>) -> Result<Response, ExceptionCode> {
        let bits =
            |address: u16, quantity: u16| (0..quantity).map(|at| (address + at).is_multiple_of(3)).collect();
        let words = |address: u16, quantity: u16| (0..quantity).map(|at| 100 + 7 * (address + at)).collect();
        Ok(match request {
            _ if unit == 9 => return Err(ExceptionCode::GatewayTargetDevice),
            Request::ReadCoils(address, quantity) => Response::ReadCoils(bits(*address, *quantity)),
            Request::ReadDiscreteInputs(address, quantity) => {
                Response::ReadDiscreteInputs(bits(*address, *quantity))
            }
            Request::ReadHoldingRegisters(1000.., _) => return Err(ExceptionCode::IllegalDataAddress),
            Request::ReadHoldingRegisters(address, quantity) => {
                Response::ReadHoldingRegisters(words(*address, *quantity))
            }
            Request::ReadInputRegisters(500, _) => return Err(ExceptionCode::ServerDeviceBusy),
            Request::ReadInputRegisters(address, quantity) => {
                Response::ReadInputRegisters(words(*address, *quantity))
            }
            Request::WriteSingleCoil(address, value) => Response::WriteSingleCoil(*address, *value),
            Request::WriteSingleRegister(_, 9999) => return Err(ExceptionCode::IllegalDataValue),
            Request::WriteSingleRegister(address, value) => Response::WriteSingleRegister(*address, *value),
            Request::WriteMultipleCoils(address, values) => {
                Response::WriteMultipleCoils(*address, values.len() as u16)
            }
            Request::WriteMultipleRegisters(address, values) => {
                Response::WriteMultipleRegisters(*address, values.len() as u16)
            }
            Request::ReportServerId if unit != 17 => return Err(ExceptionCode::IllegalFunction),
            Request::ReportServerId => Response::ReportServerId(0x11, true, b"PS-2".to_vec()),
            Request::MaskWriteRegister(address, and, or) => Response::MaskWriteRegister(*address, *and, *or),
            Request::ReadWriteMultipleRegisters(address, quantity, ..) => {
                Response::ReadWriteMultipleRegisters(words(*address, *quantity))
            }
            Request::ReadDeviceIdentification(code, object) => {
                let all = [(0, "Example Water"), (1, "PS-200"), (2, "2.4"), (4, "Pump station PLC")];
                let one = matches!(code, ReadCode::Specific);
                let objects = all.iter().filter(|(id, _)| !one || id == object);
                let objects =
                    objects.map(|(id, text)| DeviceIdObject { id: *id, value: text.as_bytes().into() });
                Response::ReadDeviceIdentification(ReadDeviceIdentificationResponse {
                    read_code: *code,
                    conformity_level: ConformityLevel::RegularIdentification,
                    more_follows: false,
                    next_object_id: 0,
                    device_id_objects: objects.collect(),
                })
            }
            Request::Custom(7, _) => Response::Custom(7, vec![0b0100_0101].into()),
            Request::Custom(function @ (8 | 65), octets) => {
                Response::Custom(*function, octets.to_vec().into())
            }
            Request::Custom(..) => return Err(ExceptionCode::IllegalFunction),
        })
    }
}

impl Service for Device {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, SlaveRequest { slave, request }: SlaveRequest<'static>) -> Self::Future {
        let answer = Device::answer(slave, &request);
        self.0.lock().unwrap().push(answered(slave, request.function_code().value(), &answer));
        ready(answer)
    }
}

/// Every function of the crate, with the exceptions that the device above knows.
fn requests() -> Vec<(&'static str, u8, Request<'static>)> {
    let coils = vec![true, false, true, true, false, false, true, true, false, true];
    vec![
        ("read coils", 1, Request::ReadCoils(0, 10)),
        ("read 2000 coils", 1, Request::ReadCoils(0, 2000)),
        ("read discrete inputs", 17, Request::ReadDiscreteInputs(5, 16)),
        ("read holding registers", 1, Request::ReadHoldingRegisters(100, 4)),
        ("read 125 holding registers", 1, Request::ReadHoldingRegisters(0, 125)),
        ("read holding registers that are not there", 1, Request::ReadHoldingRegisters(1000, 2)),
        ("read input registers", 1, Request::ReadInputRegisters(3, 8)),
        ("read input registers of a busy device", 1, Request::ReadInputRegisters(500, 1)),
        ("write single coil on", 1, Request::WriteSingleCoil(3, true)),
        ("write single coil off", 1, Request::WriteSingleCoil(3, false)),
        ("write single register", 1, Request::WriteSingleRegister(101, 450)),
        ("write single register beyond its limit", 1, Request::WriteSingleRegister(101, 9999)),
        ("write multiple coils", 1, Request::WriteMultipleCoils(10, coils.into())),
        ("write multiple registers", 1, Request::WriteMultipleRegisters(100, vec![240, 320, 300].into())),
        ("mask write register", 1, Request::MaskWriteRegister(4, 0x00f2, 0x0025)),
        ("read/write registers", 1, Request::ReadWriteMultipleRegisters(3, 6, 14, vec![255, 254].into())),
        ("basic identification", 1, Request::ReadDeviceIdentification(ReadCode::Basic, 0)),
        ("regular identification", 1, Request::ReadDeviceIdentification(ReadCode::Regular, 0)),
        ("one object", 1, Request::ReadDeviceIdentification(ReadCode::Specific, 4)),
        ("exception status", 1, Request::Custom(7, vec![].into())),
        ("return query data", 1, Request::Custom(8, vec![0, 0, 0xa5, 0x37].into())),
        ("report server id, refused", 1, Request::ReportServerId),
        ("a function of the vendor's own", 1, Request::Custom(65, vec![1, 2, 3].into())),
        ("a function that is not there", 1, Request::Custom(66, vec![9].into())),
        ("a unit that is not there", 9, Request::ReadHoldingRegisters(0, 1)),
    ]
}

async fn connect(server: SocketAddr) -> Context {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address(), 0).into()).unwrap();
    tcp::attach(socket.connect(server).await.unwrap())
}

/// Asks all of them; what the client heard, step by step.
async fn ask(client: &mut Context, requests: &[(&'static str, u8, Request<'static>)]) -> Vec<Value> {
    let mut ledger = Vec::new();
    for (name, unit, request) in requests {
        client.set_slave(Slave(*unit));
        let waiting = tokio::time::timeout(Duration::from_secs(20), client.call(request.clone()));
        let heard = waiting.await.unwrap().ok();
        let heard = heard.map(|answer| answered(*unit, request.function_code().value(), &answer));
        ledger.push(json!({"step": name, "request": asked(*unit, request), "sent": null, "heard": heard}));
    }
    ledger
}

/// A device at an address of its own; `None`, saying so, where the port is not to be had.
async fn serve(test: &str, port: u16) -> Option<(Device, SocketAddr)> {
    let at = SocketAddr::from((address(), port));
    let listener = match TcpListener::bind(at).await {
        Ok(listener) => listener,
        Err(error) => {
            println!("{test}: skipped, cannot listen on port {port}: {error}");
            return None;
        }
    };
    let device = Device::default();
    let service = device.clone();
    tokio::spawn(async move {
        let connected = |stream, from| {
            let service = service.clone();
            async move { accept_tcp_connection(stream, from, |_| Ok(Some(service.clone()))) }
        };
        let _ = Server::new(listener).serve(&connected, |_| {}).await;
    });
    Some((device, at))
}

fn with_itself(test: &str, port: u16) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some((device, server)) = runtime.block_on(serve(test, port)) else { return };
    let Some(tcpdump) = Tcpdump::start(test, server) else { return };
    let mut ledger = runtime.block_on(async { ask(&mut connect(server).await, &requests()).await });
    let sent = std::mem::take(&mut *device.0.lock().unwrap());
    assert_eq!(sent.len(), ledger.len(), "{test}");
    ledger.iter_mut().zip(sent).for_each(|(step, sent)| step["sent"] = sent);
    let events = tcpdump.events(2 * ledger.len());
    let unheard = agree(test, &ledger, &events, "socket", &server.to_string());
    assert!(unheard.is_empty(), "{test}: {unheard:?}");
}

#[test]
fn tokio_modbus_on_its_own_port() {
    with_itself("tokio_modbus_on_its_own_port", 502);
}

#[test]
fn tokio_modbus_on_another_port() {
    with_itself("tokio_modbus_on_another_port", 15502);
}

/// tokio-modbus 0.17 says in the header of a Report Server ID answer that it is an octet shorter than it is.
/// Wayside says what is wrong, and keeps what the shorter message has.
#[test]
fn the_answer_of_tokio_modbus_to_report_server_id_is_malformed() {
    let test = "the_answer_of_tokio_modbus_to_report_server_id_is_malformed";
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some((device, server)) = runtime.block_on(serve(test, 502)) else { return };
    let Some(tcpdump) = Tcpdump::start(test, server) else { return };
    let ledger = runtime.block_on(async {
        ask(&mut connect(server).await, &[("report server id", 17, Request::ReportServerId)]).await
    });
    assert_eq!(device.0.lock().unwrap()[0]["server_id"], hex(b"\x11\xffPS-2"));
    assert!(ledger[0]["heard"].is_null(), "its own client cannot read it");
    let events = tcpdump.events(3);
    let [asked, answer, rest] = events.as_slice() else { panic!("{events:#?}") };
    assert_eq!((&asked["kind"], &asked["verb"]), (&json!("request"), &json!("identify")));
    assert_eq!(answer["request_frame"], asked["frame"]);
    assert_eq!((&answer["kind"], &answer["outcome"]), (&json!("malformed"), &json!("success")));
    assert_eq!(answer["reason"], "byte count 6 but 5 octets follow");
    assert_eq!(answer["modbus"]["server_id"], hex(b"\x11\xffPS-"));
    // The octet that the header does not count.
    assert_eq!((&rest["kind"], &rest["reason"]), (&json!("malformed"), &json!("octets that are not Modbus")));
    println!("{test}: 1 step, 3 events, with {server}");
}

#[test]
fn pymodbus_asks_tokio_modbus() {
    let test = "pymodbus_asks_tokio_modbus";
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some((device, server)) = runtime.block_on(serve(test, 15502)) else { return };
    let (client, host) = (address().to_string(), server.ip().to_string());
    let arguments = ["--ask", "--client", &client, "--server", &host, "--port", "15502"];
    let Some(mut told) = exchange(test, "captures/record_modbus.py", &arguments) else { return };
    let sent = std::mem::take(&mut *device.0.lock().unwrap());
    assert_eq!((sent.len(), told.ledger.len()), (41, 41), "{test}");
    told.ledger.iter_mut().zip(sent).for_each(|(step, sent)| step["sent"] = sent);
    let unheard = agree(test, &told.ledger, &told.events, "socket", &server.to_string());
    assert!(unheard.is_empty(), "{test}: {unheard:?}");
}

/// pymodbus' server in a process of its own, until the end of its standard input.
struct Python(Child);

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn tokio_modbus_asks_pymodbus() {
    let test = "tokio_modbus_asks_pymodbus";
    let Some(python) = python(test) else { return };
    let host: Ipv4Addr = address();
    let server = SocketAddr::from((host, 15502));
    let Some(tcpdump) = Tcpdump::start(test, server) else { return };
    let script = ours("captures/record_modbus.py");
    let mut served = Command::new(python)
        .args(["-B", &script, "--serve", "--server", &host.to_string(), "--port", "15502"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map(Python)
        .unwrap();
    let mut line = String::new();
    BufReader::new(served.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if line.trim() != "listening" {
        println!("{test}: skipped, pymodbus cannot listen on {server}");
        return;
    }
    // A function that pymodbus does not know it refuses in the name of function 0, which answers no request.
    // Its server identifier has no run indicator where tokio-modbus wants one.
    let mut all = requests();
    all.retain(|(.., request)| !matches!(request, Request::Custom(65 | 66, _) | Request::ReportServerId));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ledger = runtime.block_on(async { ask(&mut connect(server).await, &all).await });
    let events = tcpdump.events(2 * ledger.len());
    let unheard = agree(test, &ledger, &events, "socket", &server.to_string());
    assert!(unheard.is_empty(), "{test}: {unheard:?}");
}
