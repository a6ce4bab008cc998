//! What happens in the plant: people at work, a mistake, an intruder.

use super::plant::{self, BOOSTER, Controller, INTAKE, INTRUDER, POINTS, Plant, SCADA, SIGNALS, YARD_OFFICE};
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_modbus::client::{Client as _, Context, Reader as _, Writer as _};
use tokio_modbus::prelude::{ReadCode, SlaveContext as _};
use tokio_modbus::{Request, Slave};

/// How fast the story goes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long a second of the story takes.
    pub second: Duration,
}

impl Pace {
    fn seconds(self, seconds: f64) -> Duration {
        self.second.mul_f64(seconds)
    }
}

/// What people do, and at which second of the story they do it.
pub const TOLD: [(f64, &str); 8] = [
    (0.0, "The pump station and the rail yard are at work; the offices poll their controllers."),
    (5.0, "The operator of the pump station raises the booster's pressure set point from 300 to 320."),
    (9.0, "In the rail yard the office throws points 2 and clears signal 1."),
    (14.0, "The operator of the pump station means 390 and types 900 as the booster's pressure set point."),
    (18.0, "He sees the pressure rise and corrects it to 390."),
    (24.0, "Somebody has plugged in a laptop: it asks every controller who it is and reads what it can."),
    (36.0, "The laptop drives outputs of the rail yard: points 5 and 6 are thrown, signal 4 is cleared."),
    (40.0, "The laptop switches off both booster pumps."),
];

/// Seconds that the story lasts.
const LENGTH: f64 = 46.0;

/// Tells what people do as they do it; returns early where `tell` has had enough.
pub fn narrate(pace: Pace, mut tell: impl FnMut(&str) -> bool) {
    let began = std::time::Instant::now();
    for (second, sentence) in TOLD {
        while began.elapsed() < pace.seconds(second) {
            std::thread::sleep(
                Duration::from_millis(20).min(pace.seconds(second).saturating_sub(began.elapsed())),
            );
        }
        if !tell(sentence) {
            return;
        }
    }
}

/// Does what [`TOLD`] tells.
///
/// # Errors
/// Where the plant cannot be reached.
pub async fn play(plant: &Plant, pace: Pace) -> io::Result<()> {
    let began = Instant::now();
    let port = plant.port();
    let until = began + pace.seconds(LENGTH);
    let routine = [
        tokio::spawn(poll(SCADA, INTAKE, port, pace, until)),
        tokio::spawn(poll(SCADA, BOOSTER, port, pace, until)),
        tokio::spawn(poll(YARD_OFFICE, POINTS, port, pace, until)),
        tokio::spawn(poll(YARD_OFFICE, SIGNALS, port, pace, until)),
    ];
    let process = tokio::spawn(live(plant, pace, until));
    let scene =
        |place: usize| sleep_until(began + pace.seconds(TOLD.get(place).map_or(LENGTH, |told| told.0)));
    scene(1).await;
    let mut scada = plant::connect(SCADA, BOOSTER, port, 1).await?;
    write_register(&mut scada, 101, 320).await?;
    scene(2).await;
    let mut points = plant::connect(YARD_OFFICE, POINTS, port, 1).await?;
    let mut signals = plant::connect(YARD_OFFICE, SIGNALS, port, 1).await?;
    write_coil(&mut points, 2, true).await?;
    write_register(&mut signals, 1, 2).await?;
    scene(3).await;
    write_register(&mut scada, 101, 900).await?;
    scene(4).await;
    write_register(&mut scada, 101, 390).await?;
    scene(5).await;
    for address in [INTAKE, BOOSTER, POINTS, SIGNALS] {
        scan(address, port, pace).await?;
    }
    scene(6).await;
    let mut intruder = plant::connect(INTRUDER, POINTS, port, 1).await?;
    write_coil(&mut intruder, 5, true).await?;
    write_coil(&mut intruder, 6, true).await?;
    let mut intruder = plant::connect(INTRUDER, SIGNALS, port, 1).await?;
    write_register(&mut intruder, 4, 2).await?;
    scene(7).await;
    let mut intruder = plant::connect(INTRUDER, BOOSTER, port, 1).await?;
    let request = Request::WriteMultipleCoils(0, vec![false, false].into());
    answered(intruder.call(request).await)?;
    sleep_until(until).await;
    for task in routine {
        task.await??;
    }
    process.await?;
    Ok(())
}

/// Turns what a call came to into an input/output error; an exception is an answer too.
fn answered<T>(
    result: Result<Result<T, tokio_modbus::ExceptionCode>, tokio_modbus::Error>,
) -> io::Result<()> {
    result.map(drop).map_err(io::Error::other)
}

async fn write_register(context: &mut Context, address: u16, value: u16) -> io::Result<()> {
    answered(context.write_single_register(address, value).await)
}

async fn write_coil(context: &mut Context, address: u16, on: bool) -> io::Result<()> {
    answered(context.write_single_coil(address, on).await)
}

/// An office polls one controller.
async fn poll(from: Ipv4Addr, to: Ipv4Addr, port: u16, pace: Pace, until: Instant) -> io::Result<()> {
    let mut context = plant::connect(from, to, port, 1).await?;
    while Instant::now() < until {
        answered(context.read_input_registers(0, 8).await)?;
        answered(context.read_discrete_inputs(0, 8).await)?;
        answered(context.read_holding_registers(100, 4).await)?;
        answered(context.read_coils(0, 8).await)?;
        sleep(pace.seconds(1.0)).await;
    }
    context.disconnect().await
}

/// The laptop asks one controller for all it has.
async fn scan(to: Ipv4Addr, port: u16, pace: Pace) -> io::Result<()> {
    let mut context = plant::connect(INTRUDER, to, port, 1).await?;
    let identify = Request::ReadDeviceIdentification(ReadCode::Basic, 0);
    answered(context.call(identify).await)?;
    for unit in 2..6 {
        context.set_slave(Slave(unit));
        answered(context.read_holding_registers(0, 1).await)?;
    }
    context.set_slave(Slave(1));
    for first in (0..160).step_by(10) {
        answered(context.read_holding_registers(first, 10).await)?;
        answered(context.read_coils(first, 10).await)?;
        sleep(pace.seconds(0.05)).await;
    }
    for function in [7, 11, 17] {
        // The controllers refuse; the client library takes the refusal of a function it does not know for an error.
        let _ = context.call(Request::Custom(function, Vec::new().into())).await;
    }
    // It may have closed the connection over that.
    let _ = context.disconnect().await;
    Ok(())
}

/// The process behind the controllers: levels and pressures move, contacts follow outputs.
fn live(plant: &Plant, pace: Pace, until: Instant) -> impl Future<Output = ()> + use<> {
    let get = |address| plant.controller(address).cloned();
    let controllers: Vec<Controller> =
        [INTAKE, BOOSTER, POINTS, SIGNALS].into_iter().filter_map(get).collect();
    for controller in &controllers {
        controller.with(|memory| {
            memory.holding[100..104].copy_from_slice(&[250, 300, 40, 10]);
            memory.coils[..2].fill(true);
        });
    }
    async move {
        let mut tick = 0u16;
        while Instant::now() < until {
            for (place, controller) in (0u16..).zip(&controllers) {
                controller.with(|memory| {
                    for (register, value) in (0u16..).zip(&mut memory.input[..8]) {
                        // A slow wave, another for each register.
                        let phase = (tick + register * 7 + place * 13) % 40;
                        *value = 200 + register * 50 + phase.min(40 - phase);
                    }
                    memory.discrete = memory.coils;
                });
            }
            tick = tick.wrapping_add(1);
            sleep(pace.seconds(0.5)).await;
        }
    }
}
