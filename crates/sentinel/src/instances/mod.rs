//! The watched instances: primaries, their replicas, the other Sentinels; and their reports of
//! themselves, by INFO and by hellos.

mod hello;
mod info;
mod node;
mod primary;

pub use hello::{CHANNEL, Hello};
pub use info::{Report, Role};
pub(crate) use node::{DataNode, FailoverSeen, Reconf};
pub use node::{Peer, Replica, Watch};
pub use primary::{Failover, Primary};
pub(crate) use primary::{FailoverKind, FailoverState};
