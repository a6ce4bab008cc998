//! `wayside demo`: a simulated plant.
use super::{Failure, Outcome};
/// Arguments of `wayside demo`.
#[derive(clap::Args, Debug)]
pub struct Arguments {}
/// Runs it.
///
/// # Errors
/// Always, for now.
pub fn run(_: &Arguments) -> Outcome {
    Err(Failure::failed("not there yet"))
}
