//! nodes.conf: a node's knowledge of the cluster, as text. Only the server writes the file.
//!
//!     id ip:port@busport,hostname,name=value.. flags primary|- pingsent pongreceived
//!        epoch linkstate slots..                               (all of this is one line)
//!     vars currentEpoch 5 lastVoteEpoch 4 [tokenKey hex] [tokens id:hex,..] [strangers id,..]
//!
//! A line for each node; `vars` is last. With no hostname its place is empty (`,,`). Slots are `5`
//! or `5-9`; on this node's own line also the open slots, `[5->-id]` (it migrates to id) and
//! `[5-<-id]` (it is imported). Redis and Valkey differ in the values after the hostname (aux
//! fields); each server stops at an unknown field, so a file is written for a dialect. This module
//! reads files of both dialects, and files of Redis 7.0 and before, which have no aux fields.
//! Unknown parts are skipped: other aux fields, other `vars`, nodes in a handshake.
//!
//! A file with a damaged line is refused as a whole, and the error names the line. Forms that Redis
//! loads, though it does not write them, are no damage: other blanks, a slot that two lines name, a
//! reversed range, no `vars`.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use write::write_node;

use super::membership::tokens::Token;
use super::message::{Ip, NodeFlags, NodeId};

/// The content of nodes.conf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodesConf {
    /// One node is [`NodeFlags::MYSELF`].
    pub nodes: Vec<SavedNode>,
    /// `vars currentEpoch`: the highest epoch of the cluster that this node has seen.
    pub(crate) current_epoch: u64,
    pub(crate) last_vote_epoch: u64,
    /// `vars tokenKey`: the key of this node's tokens for others (`membership::members`); zeros:
    /// none yet ([`NodesConf::set_key`]).
    pub(crate) token_key: [u8; 32],
    /// `vars tokens`: the tokens that others have given this node.
    pub(crate) tokens: Vec<(NodeId, Token)>,
    /// `vars strangers`: nodes that are no members, although they have slots.
    pub(crate) strangers: Vec<NodeId>,
}

/// A node's line. Empty texts and ports of 0 are values that are not set or not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedNode {
    /// The name, which it keeps.
    pub id: NodeId,
    /// The address on the bus; empty: not known.
    pub ip: Ip,
    /// The port that the cluster's clients use: TLS's with `tls-cluster`.
    pub port: u16,
    /// The other client port.
    pub other: OtherPort,
    /// The port of its bus.
    pub bus_port: u16,
    /// The name that it announces.
    pub hostname: Vec<u8>,
    pub(crate) human_nodename: Vec<u8>,
    /// `None` in files of Redis 7.0.
    pub shard: Option<NodeId>,
    pub(crate) client_ipv4: Vec<u8>,
    pub(crate) client_ipv6: Vec<u8>,
    pub(crate) client_port: u16,
    pub(crate) client_tls_port: u16,
    /// Valkey: the zone that it announces.
    pub availability_zone: Vec<u8>,
    /// The flags that are written: myself, primary or replica, PFAIL, FAIL, no address, no
    /// failover.
    pub flags: NodeFlags,
    /// The line may be missing.
    pub primary: Option<NodeId>,
    /// Milliseconds of the wall clock; 0: none.
    pub(crate) ping_sent_ms: i64,
    pub(crate) pong_received_ms: i64,
    /// Meaningless for a replica.
    pub config_epoch: u64,
    /// There is a link to it: written for readers of the file, ignored at a restart.
    pub is_connected: bool,
    /// First and last; ascending, none twice.
    pub slots: Vec<(u16, u16)>,
    /// Open slots of our own node that leave it, and the node at the other end.
    pub migrating: Vec<(u16, NodeId)>,
    /// The same for slots that come.
    pub importing: Vec<(u16, NodeId)>,
}

/// A node's second client port, as its line has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherPort {
    /// The line has none (Redis 7.0): the first port is taken for TCP's.
    NotSaid,
    /// The first is TCP's, this is TLS's.
    Tls(u16),
    /// The first is TLS's, this is TCP's.
    Tcp(u16),
}

impl SavedNode {
    /// A node of which nothing is known but its name.
    pub fn new(id: NodeId) -> SavedNode {
        SavedNode {
            id,
            ip: Ip::UNKNOWN,
            port: 0,
            other: OtherPort::NotSaid,
            bus_port: 0,
            hostname: Vec::new(),
            human_nodename: Vec::new(),
            shard: None,
            client_ipv4: Vec::new(),
            client_ipv6: Vec::new(),
            client_port: 0,
            client_tls_port: 0,
            availability_zone: Vec::new(),
            flags: NodeFlags::empty(),
            primary: None,
            ping_sent_ms: 0,
            pong_received_ms: 0,
            config_epoch: 0,
            is_connected: false,
            slots: Vec::new(),
            migrating: Vec::new(),
            importing: Vec::new(),
        }
    }
}
