//! The common parts of machines' simulations: a network, the clocks and the disk of a host, storms
//! ([`Storm`]). One seed decides everything ([`super::Random`]).
//!
//! A simulation owns its machines, says what is checked, and what else happens: `crates/sentinel`
//! and `crates/cluster` have theirs in a folder `simulation` beside their sources.

mod host;
pub mod linear;
mod network;
mod shorten;
mod storm;

pub use host::{Clock, Disk};
pub use network::{MachineId, Network, Packet, World};
pub use shorten::shorten;
pub use storm::{Storm, StormResult, caught, number, play_all};
