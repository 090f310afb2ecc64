//! Refusals, in the words of the server that has the command: Redis or Valkey.

use super::id::Name;

/// `Display` is the line after `-`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A word that the command does not know, or a clause without its value.
    #[error("ERR syntax error")]
    Syntax,
    /// The named command has too few or too many words.
    #[error("ERR wrong number of arguments for '{0}' command")]
    Arity(&'static str),
    /// A slot's number is no number, or is not below 16,384.
    #[error("ERR Invalid or out of range slot")]
    BadSlot,

    // CLUSTER MIGRATION, TRIMSLOTS
    /// The range (first, last) has its ends in the wrong order.
    #[error("ERR start slot number {0} is greater than end slot number {1}")]
    Reversed(u16, u16),
    /// This slot is in two ranges of a command.
    #[error("ERR Slot {0} specified multiple times")]
    Twice(u16),
    /// A replica cannot import slots: its primary does.
    #[error("ERR slot migration not allowed on replica.")]
    OnReplica,
    /// SETSLOT has marked slots of this node as migrating or importing.
    #[error("ERR all slot states must be STABLE to start a slot migration task.")]
    NotStable,
    /// No node serves this slot, so that there is no source.
    #[error("ERR slot has no owner: {0}")]
    NoOwner(u16),
    /// The slots have more than one owner: a migration has one source.
    #[error("ERR slots belong to different source nodes")]
    DifferentSources,
    /// A slot to be imported is this node's own.
    #[error("ERR this node is already the owner of the slot range")]
    AlreadyOwner,
    /// The owner, with this id, cannot be asked for slots: Valkey's nodes send them.
    #[error(
        "ERR the source node speaks Valkey's dialect: use CLUSTER MIGRATESLOTS there, on node {0}"
    )]
    SourcePushes(Name),
    /// A running import has slots of this range (first, last).
    #[error("ERR overlapping import exists for slot range: {0}-{1}")]
    Overlapping(u16, u16),
    /// Another migration of this node is running: Redis's way allows a single migration at a time.
    #[error("ERR another ASM task is already in progress")]
    Busy,
    /// TRIMSLOTS without its word RANGES.
    #[error("ERR missing ranges argument")]
    MissingRanges,
    /// The number of ranges is no integer.
    #[error("ERR value is not an integer or out of range")]
    NotAnInteger,
    /// The number of ranges is out of bounds, or is not that of the ranges that follow.
    #[error("ERR invalid number of ranges")]
    RangeCount,
    /// TRIMSLOTS would delete keys of this slot, which is this node's own.
    #[error("ERR the slot {0} is served by this node")]
    Served(u16),

    // CLUSTER MIGRATESLOTS, CANCELSLOTMIGRATIONS
    /// The range (first, last) has its ends in the wrong order.
    #[error("ERR Start slot number {0} is greater than end slot number {1}.")]
    StartAfterEnd(u16, u16),
    /// A range, and an earlier range of the command that shares slots with it.
    #[error("ERR Slot range {}-{} overlaps with previous range {}-{}.", .0.0, .0.1, .1.0, .1.1)]
    RangeOverlaps((u16, u16), (u16, u16)),
    /// A clause names a target, and no range.
    #[error("ERR No slot ranges specified")]
    NoRanges,
    /// The last range has a first slot only.
    #[error("ERR No end slot for final slot range")]
    NoEnd,
    /// No node serves this slot.
    #[error("ERR Slot {0} has no node served.")]
    NotServed(u16),
    /// The slots have more than one owner.
    #[error("ERR Requested slots span multiple shards")]
    SeveralShards,
    /// The slots are another node's.
    #[error("ERR Slots are not served by this node.")]
    NotMine,
    /// The word in the place of a node's id has not the form of an id.
    #[error("ERR Invalid node name: {}", String::from_utf8_lossy(.0))]
    BadNode(Vec<u8>),
    /// The cluster has no node with this id.
    #[error("ERR Unknown node name: {0}")]
    UnknownNode(Name),
    /// This node is named as the target of its own slots.
    #[error("ERR Target node can not be this node.")]
    ToMyself,
    /// A running migration has this slot already.
    #[error("ERR I am already migrating slot {0}.")]
    AlreadyMigrating(u16),
    /// Two migrations of a command share slots.
    #[error("ERR Slot ranges in migrations overlap")]
    MigrationsOverlap,
    /// SETSLOT has marked a slot of this node as migrating.
    #[error("ERR Slots are being manually migrated")]
    ManuallyMigrated,
    /// SETSLOT has marked a slot of this node as importing.
    #[error("ERR Slots are being manually imported")]
    ManuallyImported,
    /// Replicas take no part in migrations.
    #[error("ERR Slot migration can only be used on primary nodes.")]
    PrimariesOnly,
    /// There is no migration to cancel.
    #[error("ERR No migrations ongoing")]
    NoMigrations,

    // CLUSTER SYNCSLOTS, Valkey's
    /// This subcommand is part of a migration's conversation, which its sender does not have.
    #[error("ERR CLUSTER SYNCSLOTS {0} should only be used by slot migration clients")]
    NotMigrating(String),
    /// The node that wants to send slots is not known here.
    #[error("ERR Target node does not know the source node")]
    SourceUnknown,
    /// Here another node than the sender is seen to own a slot.
    #[error("ERR Target node does not agree about current slot ownership")]
    OwnerDisputed,
    /// SETSLOT has marked slots of the target as migrating or importing.
    #[error("ERR A slot on the target node is being manually imported or migrated")]
    TargetOpen,
    /// A migration with this name or with slots of it is running at the target.
    #[error("ERR Slot is already being imported on the target by a different migration")]
    AlreadyImported,

    // CLUSTER SYNCSLOTS, Redis's
    /// The sender has not shown the cluster's secret.
    #[error("ERR CLUSTER SYNCSLOTS subcommands are only allowed for internal clients")]
    InternalOnly,
    /// A node's id has this many bytes rather than 40.
    #[error("ERR Invalid node id length {0}")]
    NodeIdLength(usize),
    /// The sender's id, which no node of the cluster has.
    #[error("ERR Node {0} not found in cluster")]
    NodeNotFound(String),
    /// A slot that was asked for is not this node's own.
    #[error("ERR This node is not the owner of the slots")]
    NotOwner,
    /// A running migration of this node has some of the slots.
    #[error("ERR Another ASM task is already in progress")]
    TaskInProgress,
    /// No migration waits for the second connection that was opened for its keys.
    #[error("ERR Another migration task is already in progress")]
    MigrationInProgress,
}
