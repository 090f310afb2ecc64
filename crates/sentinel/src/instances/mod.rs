//! The watched instances: primaries, their replicas, the other Sentinels; and their reports of
//! themselves, by INFO and by hellos.

mod hello;
mod info;
mod node;
mod primary;

pub(crate) use hello::{CHANNEL, Hello};
pub(crate) use info::{Report, Role};
pub(crate) use node::{DataNode, FailoverSeen, Peer, Reconf, Replica, Watch};
pub(crate) use primary::{Failover, FailoverKind, FailoverState, Primary};
