//! A node's orders to its server, beside the actions of every machine.
//!
//! No action leaves before the save that precedes it (`russet_host::Outbox`): no epoch and no vote
//! leaves before the file has it. If the save fails, the messages queued after it are dropped, and
//! so are all others until a save succeeds: to its cluster a node that cannot save is a node that
//! does not answer.

use super::message::NodeId;

/// An action, in the order of the [`Outbox`].
pub type Action = russet_host::Action<Order>;

/// The actions not yet carried out.
pub(crate) type Outbox = russet_host::Outbox<Order>;

/// An order that only its server can carry out for a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Replicate from this client address (already the TLS port where the replication uses TLS).
    Follow {
        /// The primary's address as text.
        ip: Vec<u8>,
        /// The primary's client port.
        port: u16,
    },
    /// Stop replicating: this node is a primary now.
    Lead,
    /// Leave the replication group, of which this server is no member, because it will follow a
    /// node of another shard.
    LeaveGroup,
    /// Take over the replication group. [`Cluster::taken_over`](super::Cluster::taken_over) gets
    /// the outcome. Only for a server with a [`GroupMember`](super::GroupMember).
    TakeOver,
    /// Hold back all writes of clients until this moment (monotonic milliseconds), for a manual
    /// failover; replication PINGs, too. A later one replaces it.
    PauseWrites {
        /// Monotonic milliseconds.
        until_ms: i64,
    },
    /// End the pause.
    ResumeWrites,
    /// Slots as ranges (first, last) that this node does not serve any more: delete their keys.
    /// Replicas and the append only file receive it as any deletion.
    DropSlots(Vec<(u16, u16)>),
    /// Slots as ranges (first, last) that another node has claimed, of this primary or of this
    /// replica's primary. A primary keeps their keys out of sight until the claim is safe, then
    /// deletes them as with `DropSlots`. A replica hides them, and deletes keys when its primary
    /// does.
    LoseSlots(Vec<(u16, u16)>),
    /// Delete the keys of a slot, at once, whichever node serves it.
    FlushSlot(u16),
    /// The shard channels of slots that are served elsewhere now: sunsubscribe their clients. Also
    /// asked of a replica.
    DropShardChannels(Vec<(u16, u16)>),
    /// Delete everything (RESET of a replica, REPLICATE NO ONE).
    Flush,
    /// The owners of slots, or their addresses, have changed: blocked clients, cached replies and
    /// clients that wait on slots are checked again.
    RoutesChanged,
    /// A question of another node's command, or an answer to a question of ours.
    Question {
        /// The node that sent it.
        from: NodeId,
        /// Whether the message is an answer.
        is_answer: bool,
        /// The content, which is the server's.
        payload: Vec<u8>,
    },
    /// A node has not read a question, because it did not show its sender; now it would. Ask it
    /// again.
    AskAgain {
        /// The node that was asked.
        node: NodeId,
        /// The first 8 bytes of the question.
        number: u64,
    },
    /// A message of PUBLISH (or SPUBLISH) from another node, for this node's subscribers.
    Deliver {
        /// The channel's name.
        channel: Vec<u8>,
        /// The published text.
        message: Vec<u8>,
        /// Whether SPUBLISH has published the message.
        is_sharded: bool,
    },
}
