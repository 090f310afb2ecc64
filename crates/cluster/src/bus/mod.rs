//! The links of the bus: dialled, accepted, proven; and the messages that leave and arrive on them.
//!
//!     dial or accept --links--> a link, unproven --door--> a node of the cluster
//!     bytes --receive--> header and body --> membership, failover, ownership
//!     questions of commands to the other shards, and their answers (`questions`)
//!     heartbeat --send--> a message, encoded once for all its receivers
//!
//! A link that has not shown that it belongs to a known node may cost a bounded number of bytes,
//! messages and nodes (`door`, `strangers`). Sockets belong to the server (`server::cluster`).

pub(super) mod door;
pub(super) mod heartbeat;
pub(super) mod link;
pub(super) mod links;
pub(super) mod marks;
pub(super) mod questions;
pub(super) mod receive;
pub(super) mod secret;
pub(super) mod send;
