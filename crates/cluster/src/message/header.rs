//! The header of a message.

use super::flags::{Marks, NodeFlags};
use super::id::NodeId;
use super::ip::Ip;
use super::slots::Slots;

/// The kinds of messages; the numbers are the numbers of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A greeting that asks for a PONG.
    Ping = 0,
    /// The reply to a PING or MEET; also sent unasked, to announce a change.
    Pong = 1,
    /// A greeting to a node that does not know the sender yet.
    Meet = 2,
    /// A node has failed, as a majority sees it.
    Fail = 3,
    /// A message of PUBLISH.
    Publish = 4,
    /// A replica asks for votes.
    AuthRequest = 5,
    /// A vote for a replica.
    AuthAck = 6,
    /// Another node's slots, for a sender whose claims are outdated.
    Update = 7,
    /// A replica asks its primary to begin a manual failover.
    MfStart = 8,
    /// A message between modules.
    Module = 9,
    /// A message of SPUBLISH.
    PublishShard = 10,
}

impl Kind {
    /// All, by their numbers.
    pub const ALL: [Kind; 11] = [
        Kind::Ping,
        Kind::Pong,
        Kind::Meet,
        Kind::Fail,
        Kind::Publish,
        Kind::AuthRequest,
        Kind::AuthAck,
        Kind::Update,
        Kind::MfStart,
        Kind::Module,
        Kind::PublishShard,
    ];

    pub(super) fn from_wire(number: u16) -> Option<Kind> {
        Kind::ALL.get(usize::from(number)).copied()
    }

    /// Whether Valkey sends it with a light header.
    pub(super) fn may_be_light(self) -> bool {
        matches!(self, Kind::Publish | Kind::PublishShard | Kind::Module)
    }
}

/// The sender of a message, with the sender's state and claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'m> {
    /// The id of the node that speaks.
    pub sender: NodeId,
    /// The highest epoch that the sender has seen.
    pub current_epoch: u64,
    /// Of a replica: its primary's, like the slots.
    pub config_epoch: u64,
    /// The replication offset.
    pub offset: u64,
    /// The slots that it claims.
    pub slots: Slots<'m>,
    /// Of a replica.
    pub primary: Option<NodeId>,
    /// Empty: the address that the other end of the link sees.
    pub ip: Ip,
    /// The port that the cluster's clients use: TLS's with `tls-cluster`.
    pub port: u16,
    /// The other client port, or 0.
    pub other_port: u16,
    /// The port of its bus.
    pub bus_port: u16,
    /// The roles, and its features.
    pub flags: NodeFlags,
    /// The cluster is well, as the sender sees it.
    pub is_ok: bool,
    /// Bits about this message alone.
    pub marks: Marks,
}

impl Header<'_> {
    /// The length.
    pub(super) const BYTES: usize = 2256;
    /// Bytes without a meaning, before the other port.
    pub(super) const PAD: usize = 30;
}
