//! Faults of messages.

use super::header::Kind;
use super::id::NodeId;

/// Why a message is not taken. `Display` is its text in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("no message of the cluster bus")]
    Signature,
    #[error("a message of {0} bytes, which is shorter than its header")]
    Short(u32),
    #[error("a light message before the node has shown that it sends them")]
    Light,

    #[error("protocol version {0}")]
    Version(u16),
    #[error("unknown kind of message {0}")]
    Kind(u16),
    #[error("a {kind:?} of {bytes} bytes, which it cannot have")]
    Length { kind: Kind, bytes: u32 },
    #[error("a {kind:?} of {bytes} bytes, which is more than the limit")]
    Long { kind: Kind, bytes: u32 },
    #[error("wrong {0} in the header")]
    Header(&'static str),
    #[error("wrong {what} in gossip entry {at}")]
    Gossip { at: u16, what: &'static str },
    #[error("extension {number}: {what}")]
    Extension { number: u16, what: &'static str },
    #[error("wrong id in a {0:?}")]
    Id(Kind),
}

impl Fault {
    /// Whether the link is to be closed; else the message is dropped.
    pub fn closes_link(self) -> bool {
        matches!(self, Fault::Signature | Fault::Short(_) | Fault::Light)
    }
}

/// A message that is dropped. The sender is the node that its header names, if that is an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectedMessage {
    pub sender: Option<NodeId>,
    pub fault: Fault,
}
