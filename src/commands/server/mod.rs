//! The server commands.

mod config;
pub(super) mod docs;
mod info;
mod shutdown;

use crate::server::Spec;

pub(super) static SPECS: &[Spec] = &[config::CONFIG, info::INFO, shutdown::SHUTDOWN];
