//! The common parts of machines' simulations: a network, the clocks and the disk of a host, storms
//! ([`Storm`]). One seed decides everything ([`super::Random`]).
//!
//! A simulation owns the machines, and defines the checks and the other events. `crates/sentinel`
//! and `crates/cluster` have a simulation in the folder `simulation` beside their sources.

mod host;
mod network;
mod shorten;
mod storm;

pub use host::{Clock, Disk};
pub use network::{MachineId, Network, Packet, World};
pub use shorten::shorten;
pub use storm::{Storm, StormResult, caught, number, play_all};
