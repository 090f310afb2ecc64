//! The server commands.

pub(super) mod docs;
mod info;

use crate::server::Spec;

pub(super) static SPECS: &[Spec] = &[info::INFO];
