//! From a configuration to a running server, and what reads the configuration again.

pub mod crash;
pub mod listen;
pub(super) mod opened;
pub(super) mod reload;
pub(super) mod signals;
pub mod startup;
