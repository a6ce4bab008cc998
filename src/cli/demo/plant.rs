//! A small pump station and a small rail yard on loopback: real Modbus servers as controllers.
//!
//! Every part has an address of its own in 127.0.0.0/8, so that what is seen on the loopback interface reads like a
//! plant. The controllers are tokio-modbus servers; who talks to them is in `story`.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio_modbus::client::{Context, tcp};
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_modbus::{ExceptionCode, Request, Response, Slave, SlaveRequest, bytes::Bytes};

/// Where the controllers listen. An unprivileged port: Wayside knows Modbus by what it says.
pub const PORT: u16 = 5020;

/// The SCADA server of the pump station.
pub const SCADA: Ipv4Addr = Ipv4Addr::new(127, 20, 0, 10);
/// The controller of the intake.
pub const INTAKE: Ipv4Addr = Ipv4Addr::new(127, 20, 1, 1);
/// The controller of the booster pumps.
pub const BOOSTER: Ipv4Addr = Ipv4Addr::new(127, 20, 1, 3);
/// The office of the rail yard.
pub const YARD_OFFICE: Ipv4Addr = Ipv4Addr::new(127, 30, 0, 10);
/// The controller of the points (switches).
pub const POINTS: Ipv4Addr = Ipv4Addr::new(127, 30, 1, 1);
/// The controller of the signals.
pub const SIGNALS: Ipv4Addr = Ipv4Addr::new(127, 30, 1, 2);
/// Somebody who should not be there.
pub const INTRUDER: Ipv4Addr = Ipv4Addr::new(127, 66, 6, 6);

/// The controllers and the names on their plates.
const CONTROLLERS: [(Ipv4Addr, &str); 4] =
    [(INTAKE, "INTAKE-1"), (BOOSTER, "BOOSTER-3"), (POINTS, "POINTS-1"), (SIGNALS, "SIGNALS-1")];

/// Points of each kind in a controller.
const BITS: usize = 16;
/// Registers of each kind in a controller.
const REGISTERS: usize = 120;

/// What a controller holds.
pub struct Memory {
    plate: &'static str,
    /// Outputs.
    pub coils: [bool; BITS],
    /// Contacts.
    pub discrete: [bool; BITS],
    /// Measured values.
    pub input: [u16; REGISTERS],
    /// Set points.
    pub holding: [u16; REGISTERS],
}

/// One controller.
#[derive(Clone)]
pub struct Controller(Arc<Mutex<Memory>>);

impl Controller {
    fn new(plate: &'static str) -> Self {
        let memory = Memory {
            plate,
            coils: [false; BITS],
            discrete: [false; BITS],
            input: [0; REGISTERS],
            holding: [0; REGISTERS],
        };
        Controller(Arc::new(Mutex::new(memory)))
    }

    /// Looks at or changes what it holds.
    pub fn with<T>(&self, act: impl FnOnce(&mut Memory) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn span<T>(all: &mut [T], address: u16, count: usize) -> Result<&mut [T], ExceptionCode> {
    let first = usize::from(address);
    all.get_mut(first..first + count).ok_or(ExceptionCode::IllegalDataAddress)
}

impl Memory {
    fn answer(&mut self, request: Request<'static>) -> Result<Response, ExceptionCode> {
        let quantity = usize::from;
        Ok(match request {
            Request::ReadCoils(a, n) => Response::ReadCoils(span(&mut self.coils, a, quantity(n))?.to_vec()),
            Request::ReadDiscreteInputs(a, n) => {
                Response::ReadDiscreteInputs(span(&mut self.discrete, a, quantity(n))?.to_vec())
            }
            Request::ReadInputRegisters(a, n) => {
                Response::ReadInputRegisters(span(&mut self.input, a, quantity(n))?.to_vec())
            }
            Request::ReadHoldingRegisters(a, n) => {
                Response::ReadHoldingRegisters(span(&mut self.holding, a, quantity(n))?.to_vec())
            }
            Request::WriteSingleCoil(a, on) => {
                span(&mut self.coils, a, 1)?.fill(on);
                Response::WriteSingleCoil(a, on)
            }
            Request::WriteMultipleCoils(a, values) => {
                span(&mut self.coils, a, values.len())?.copy_from_slice(&values);
                Response::WriteMultipleCoils(a, values.len() as u16)
            }
            Request::WriteSingleRegister(a, value) => {
                span(&mut self.holding, a, 1)?.fill(value);
                Response::WriteSingleRegister(a, value)
            }
            Request::WriteMultipleRegisters(a, values) => {
                span(&mut self.holding, a, values.len())?.copy_from_slice(&values);
                Response::WriteMultipleRegisters(a, values.len() as u16)
            }
            Request::ReadDeviceIdentification(..) => {
                // Basic identification: vendor, product, revision.
                let mut out = vec![0x0e, 1, 1, 0, 0, 3];
                for (object, text) in [(0, "Example Controls"), (1, self.plate), (2, "V1.0")] {
                    out.extend([object, text.len() as u8]);
                    out.extend(text.as_bytes());
                }
                Response::Custom(0x2b, Bytes::from(out))
            }
            _ => return Err(ExceptionCode::IllegalFunction),
        })
    }
}

impl Service for Controller {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: SlaveRequest<'static>) -> Self::Future {
        if request.slave != 1 {
            return ready(Err(ExceptionCode::GatewayTargetDevice));
        }
        ready(self.with(|memory| memory.answer(request.request)))
    }
}

/// All controllers, listening.
pub struct Plant {
    controllers: HashMap<Ipv4Addr, Controller>,
    port: u16,
    tasks: Vec<JoinHandle<()>>,
}

impl Plant {
    /// Starts the controllers. Where their usual port is taken, the next free one above it is used by all.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start() -> io::Result<Plant> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for port in PORT..PORT + 20 {
            match Plant::on(port).await {
                Ok(plant) => return Ok(plant),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn on(port: u16) -> io::Result<Plant> {
        let mut listeners = Vec::new();
        for (address, plate) in CONTROLLERS {
            let listener = TcpListener::bind(SocketAddr::from((address, port))).await?;
            listeners.push((address, Controller::new(plate), listener));
        }
        let mut plant = Plant { controllers: HashMap::new(), port, tasks: Vec::new() };
        for (address, controller, listener) in listeners {
            plant.controllers.insert(address, controller.clone());
            plant.tasks.push(tokio::spawn(async move {
                let connected = |stream, from| {
                    let controller = controller.clone();
                    async move { accept_tcp_connection(stream, from, |_| Ok(Some(controller.clone()))) }
                };
                // A client that goes away in the middle is no fault of the plant.
                let _ = Server::new(listener).serve(&connected, |_| {}).await;
            }));
        }
        Ok(plant)
    }

    /// The port on which all controllers listen.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A controller by its address.
    pub fn controller(&self, address: Ipv4Addr) -> Option<&Controller> {
        self.controllers.get(&address)
    }
}

impl Drop for Plant {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Opens a connection from one address of the plant to the controller at another.
///
/// # Errors
/// Where the system refuses.
pub async fn connect(from: Ipv4Addr, to: Ipv4Addr, port: u16, unit: u8) -> io::Result<Context> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::V4(from), 0))?;
    let stream = socket.connect(SocketAddr::from((to, port))).await?;
    stream.set_nodelay(true)?;
    Ok(tcp::attach_slave(stream, Slave(unit)))
}
