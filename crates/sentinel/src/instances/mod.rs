//! The watched instances: primaries, their replicas, the other Sentinels; and their reports of
//! themselves, by INFO and by hellos.

mod hello;
mod info;
mod node;
mod primary;

pub use hello::{CHANNEL, Hello};
pub use info::{Report, Role};
pub use node::{DataNode, FailoverSeen, Peer, Reconf, Replica, Watch};
pub use primary::{Failover, FailoverKind, FailoverState, Primary};
