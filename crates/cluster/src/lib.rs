//! Cluster: which node serves which slot, and which replica takes over when a primary is lost.
//!
//! The core is a state machine without I/O. It speaks with Redis's and Valkey's nodes on one bus.
//!
//!     nodes.conf -conf-> NodesConf -> Cluster --conf--> nodes.conf
//!                                     |  ^
//!                       pop: Action   |  |  tick, opened, refused, accepted, received,
//!                                     |  |  closed, own, persisted, command, publish,
//!                                     v  |  set_settings, loaded
//!                                    driver
//!
//!     bytes of a link --links--> message --receive--> header: epochs, roles, claims
//!                                                       (claims, roles)
//!                                                     gossip: new nodes, reports
//!                                                       (gossip, failure)
//!                                                     votes, manual failover
//!                                                       (votes, election, manual)
//!     tick --core--> greetings and silence (heartbeat), state (health), elections (election),
//!                    migration of replicas (migration)
//!
//! Invariants
//!   1. One vote per epoch, also across crashes: this node's decisions are saved before they leave.
//!      After [`Action::Persist`] no action is handed out until `persisted`; if the save failed, no
//!      message is handed out.
//!   2. The core believes nothing of a message before it has checked all of the message.
//!   3. The set of a slot's owner has the slot, and no other node's set has it; `Cluster::bind`
//!      ensures this.
//!   4. Nothing here reads a clock, a socket, a file or a source of randomness: times come with
//!      each event, the seed with the start.
//!
//! Cost: a command of a slot that is served here asks one bit (`serves`). A tick visits each node;
//! a greeting has entries of a tenth of the nodes, at most 128. Memory: at most `NODES_MAX` nodes,
//! each with 2 KiB if it serves slots; for each link no more than one incomplete message.
//!
//! # The driver's duties
//!
//! - Start: `NodesConf::parse` of the locked nodes.conf, or `NodesConf::fresh`; `Cluster::new`;
//!   carry out its actions; `loaded` once the data is there.
//! - A timer: `own` with this server's state, then `tick`, every [`TICK_MS`] milliseconds. `own`
//!   reports a pause of writes together with the offset that is final then.
//! - After **each** call, `pop` until there is nothing more, and carry out each action in its
//!   order.
//! - Bytes of links: `received`, in any pieces. The core frames the bytes and bounds their number.
//!
//! # Where it differs from Redis and Valkey
//!
//! - If nodes.conf cannot be saved the node falls silent on the bus and gives no votes; Redis
//!   exits.
//! - The node repeats a MEET until the other node answers, whatever its program (as Valkey does).
//! - A primary that stood still for longer than the node timeout serves again only after it has
//!   reached a majority for a while (`health`): writes that it took before could be lost.
//! - Reports of failures count if their sender has slots (as in Valkey), a voter counts once per
//!   election.
//! - The node sends a PAUSED mark once the pause is in force, so that the mark's offset is final.
//! - Gossip of forgotten nodes never removes this node's own primary.
//! - The secret of internal clients is the secret of the nodes that serve slots, and no stranger's
//!   (`secret`).
//! - A door on the bus (`door`), and CLUSTER EXPLAIN (`explain`).
#![warn(missing_docs)]

mod actions;
mod bus;
mod commands;
mod conf;
mod core;
mod explain;
mod failover;
mod membership;
mod message;
pub mod migration;
mod ownership;
mod restart;
mod settings;
#[cfg(test)]
#[path = "../simulation/mod.rs"]
mod simulation;
mod stats;
#[cfg(test)]
mod tests;
mod view;

pub use actions::{Action, Order};
pub use bus::marks::SLOT_STATES;
pub use bus::questions::{Shard, ShardError};
pub use conf::{NodesConf, SavedNode};
pub use core::{
    Cluster, GroupMember, Host, Primary, ReplyCondition, ServerState, Switches, TICK_MS,
};
pub use explain::ClusterView;
pub use message::{NodeFlags, NodeId};
pub use ownership::route::{Keys, Redirect, Request};
pub use ownership::viewer::Viewer;
pub use settings::{Settings, bus_port, main_port};

/// The types that the fuzz targets feed with any bytes.
#[cfg(any(test, feature = "testing"))]
pub mod fuzzing {
    pub use super::conf::NodesConf;
    pub use super::message::{
        Body, Framer, Header, Kind, Message, NodeFlags, NodeId, Peer, SenderStatus, SlotMap, Vendor,
    };
}
