//! The pages, one file each: from what a site knows to HTML.

pub mod alert;
pub mod alerts;
pub mod audit;
pub mod device;
pub mod devices;
pub mod login;
pub mod map;
pub mod now;
pub mod point;
pub mod points;
pub mod replay;
pub mod rules;
pub mod users;

use super::failure::Failure;
use super::overview::Overview;
use super::site::Site;
use crate::store::{Reader, StoreError};
use std::sync::Arc;

/// How the plant is, read where reading may block.
///
/// # Errors
/// Where the store cannot be read.
pub async fn overview(site: &Arc<Site>) -> Result<Overview, Failure> {
    blocking(site, Overview::read).await
}

/// Asks the store, where that may block.
///
/// # Errors
/// Where the store cannot be read.
pub async fn ask<T: Send + 'static>(
    site: &Arc<Site>,
    look: impl FnOnce(&Reader<'_>) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Failure> {
    blocking(site, move |site| site.store.read(look)).await
}

/// Does what may block.
///
/// # Errors
/// Where it fails.
pub async fn blocking<T: Send + 'static, E: std::fmt::Display + Send + 'static>(
    site: &Arc<Site>,
    act: impl FnOnce(&Site) -> Result<T, E> + Send + 'static,
) -> Result<T, Failure> {
    let site = site.clone();
    match tokio::task::spawn_blocking(move || act(&site)).await {
        Ok(result) => result.map_err(Failure::internal),
        Err(error) => Err(Failure::internal(error)),
    }
}

/// The answer to an address that is none.
pub async fn no_such_page() -> Failure {
    Failure::not_found("page")
}
