//! The machine's two interfaces: `Action`, which the driver carries out, and `MigrationContext`,
//! which answers questions about the cluster and the server.
//!
//! Actions wait in a queue (`Migrations::pop`) and are carried out in its order. An action with an
//! outcome (`Dial`, `Export`, `Take`) names the calls that report it. Actions own their bytes and
//! slots: they borrow nothing of the machine. `MigrationContext` is asked during a call, and
//! answers as of that call.

use super::id::Name;
use super::ranges::Ranges;
use russet_host::{Level, Now};

/// A connection of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MigrationLink {
    /// Ours to a peer: a number that is never used again.
    Dialled(u64),
    /// A peer's to us: the number of the client.
    Client(u64),
}

/// Which way a migration is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationProtocol {
    /// The target asks the source for slots (Redis 8.4).
    Pull,
    /// The source sends slots to the target (Valkey 9).
    Push,
}

/// An action of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect to a node's client port. The answer is `opened` or `refused`.
    Dial {
        /// The number that the link's later events carry.
        link: MigrationLink,
        /// The address as text.
        ip: Vec<u8>,
        /// The node's client port.
        port: u16,
    },
    /// Append bytes to the link's output.
    Send {
        /// The open link to send them on.
        link: MigrationLink,
        /// Commands or replies, in RESP.
        bytes: Vec<u8>,
    },
    /// Close a link once its output has been sent. Nothing more is reported of it.
    Close(MigrationLink),
    /// Send the keys of these slots as of one moment to `snapshot`, and every effect on them after
    /// that moment to `stream`. If both are the same link, the effects wait until `Stream`. May
    /// wait for its turn: the answer is `exporting` when the moment has come, `snapshot_sent` when
    /// all keys have been appended to the link, or `export_failed`.
    Export {
        /// The migration whose slots leave.
        job: Name,
        /// The slots whose keys are sent.
        slots: Ranges,
        /// The link for the keys.
        snapshot: MigrationLink,
        /// The link for the effects.
        stream: MigrationLink,
        /// The dialect in which keys and effects are written.
        wire: MigrationProtocol,
    },
    /// Append the waiting effects to the link, and later effects as they come.
    Stream(Name),
    /// No more effects, no more of the snapshot.
    EndExport(Name),
    /// Hold back the writes of clients to these slots. Effects recorded before this are appended to
    /// the stream before the next action. (What expires meanwhile expires at the target as well.)
    Hold {
        /// The migration that needs the hold.
        job: Name,
        /// The slots whose writes wait.
        slots: Ranges,
        /// Monotonic milliseconds at which the hold ends by itself.
        until_ms: i64,
    },
    /// End the hold of this migration; held clients are routed anew.
    Release(Name),
    /// Claim these slots, with a new epoch and without votes, once this node's replicas have all
    /// that has been applied. The claim is saved before it is announced. The answer is `taken`,
    /// unless the migration has ended by then (`awaits_claim`).
    Take {
        /// The migration whose keys have all arrived.
        job: Name,
        /// The slots to claim.
        slots: Ranges,
    },
    /// Hide keys of these slots until the slots are ours. Imported keys follow: deletions in these
    /// slots that are still under way (`Drop`) end before.
    Hide(Ranges),
    /// Show the keys of these slots, hidden by `Hide`: the slots are ours now, or hold nothing.
    Show(Ranges),
    /// Delete the keys of these slots, here at once, in the replicas by and by.
    Drop(Ranges),
    /// Hide the keys of these slots, which another node has claimed, without deleting them.
    Keep(Ranges),
    /// Delete the kept keys of these slots, as `Drop` does.
    Forget(Ranges),
    /// Show the kept keys of these slots to clients: the slots are this node's again.
    Return(Ranges),
    /// Claim these slots at once, without asking replicas: no other node has this node's keys of
    /// them.
    Reclaim(Ranges),
    /// Greet the replicas of a node: their replies show its slots and offset as they know them.
    AskReplicas(Name),
    /// Append a command to the stream for replicas.
    Propagate(Vec<Vec<u8>>),
    /// Write a line to the log.
    Log {
        /// How the line ranks against `loglevel`.
        level: Level,
        /// The line, without its end.
        text: String,
    },
}

/// Whether SETSLOT has marked any slot of this node as migrating or importing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenSlots {
    /// A slot of ours leaves by SETSLOT MIGRATING.
    pub is_migrating: bool,
    /// A slot of another node arrives by SETSLOT IMPORTING.
    pub is_importing: bool,
}

/// The cluster and the server as they are now.
pub trait MigrationContext {
    /// The time.
    fn now(&self) -> Now;
    /// This node's id.
    fn my_id(&self) -> Name;
    /// Whether this node is a primary, with slots or without.
    fn is_primary(&self) -> bool;
    /// The primary of this node's shard: itself, or the primary that it follows.
    fn shard(&self) -> Option<Name>;
    /// The node that serves a slot.
    fn owner(&self, slot: u16) -> Option<Name>;
    /// Whether the cluster has a node with this id.
    fn is_known(&self, node: Name) -> bool;
    /// The address of a node for clients.
    fn address(&self, node: Name) -> Option<(Vec<u8>, u16)>;
    /// The slot is being imported by SETSLOT.
    fn is_importing(&self, slot: u16) -> bool;
    /// A primary that is not seen failing.
    fn is_working_primary(&self, node: Name) -> bool;
    /// A replica of this node has taken its place.
    fn is_replaced(&self, node: Name) -> bool;
    /// The offset that a node has last shown.
    fn offset(&self, node: Name) -> u64;
    /// Whether a node has replicas, and each that works has shown since that moment the slots that
    /// the node is seen to serve, and an offset of at least `offset`.
    fn is_claim_held(&self, node: Name, since_ms: i64, offset: u64) -> bool;
    /// The marks of SETSLOT on this node, over all slots.
    fn open_slots(&self) -> OpenSlots;
    /// Whether slots can be pulled from a node: it shares the secret. Nodes of Valkey's dialect
    /// have none.
    fn can_be_asked(&self, node: Name) -> bool;
    /// The secret with which nodes of Redis's clusters authenticate.
    fn secret(&self) -> Vec<u8>;
    /// Bytes that a link has not sent yet.
    fn unsent(&self, link: MigrationLink) -> usize;
    /// A name for a new migration.
    fn fresh_name(&self) -> Name;
}
