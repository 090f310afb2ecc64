//! The header of a message.

use super::flags::{Marks, NodeFlags};
use super::id::NodeId;
use super::ip::Ip;
use super::slots::Slots;

/// The kinds of messages; the numbers are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Ping = 0,
    Pong = 1,
    Meet = 2,
    Fail = 3,
    Publish = 4,
    AuthRequest = 5,
    AuthAck = 6,
    Update = 7,
    MfStart = 8,
    Module = 9,
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

/// The sender of a message, its state and its claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'m> {
    pub sender: NodeId,
    pub current_epoch: u64,
    /// Of a replica: its primary's, like the slots.
    pub config_epoch: u64,
    /// The replication offset.
    pub offset: u64,
    pub slots: Slots<'m>,
    /// Of a replica.
    pub primary: Option<NodeId>,
    /// Empty: the address that the other end of the link sees.
    pub ip: Ip,
    /// The port that the cluster's clients use: TLS's with `tls-cluster`.
    pub port: u16,
    /// The other one, or 0.
    pub other_port: u16,
    pub bus_port: u16,
    pub flags: NodeFlags,
    /// The cluster is well, as the sender sees it.
    pub is_ok: bool,
    pub marks: Marks,
}

impl Header<'_> {
    /// Its length.
    pub(super) const BYTES: usize = 2256;
    /// Bytes without a meaning, before the other port.
    pub(super) const PAD: usize = 30;
}
