//! Refusals, in the words of the server that has the command: Redis or Valkey.

use super::id::Name;

/// `Display` is the line after `-`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("ERR syntax error")]
    Syntax,
    #[error("ERR wrong number of arguments for '{0}' command")]
    Arity(&'static str),
    #[error("ERR Invalid or out of range slot")]
    BadSlot,

    // CLUSTER MIGRATION, TRIMSLOTS
    #[error("ERR start slot number {0} is greater than end slot number {1}")]
    Reversed(u16, u16),
    #[error("ERR Slot {0} specified multiple times")]
    Twice(u16),
    #[error("ERR slot migration not allowed on replica.")]
    OnReplica,
    #[error("ERR all slot states must be STABLE to start a slot migration task.")]
    NotStable,
    #[error("ERR slot has no owner: {0}")]
    NoOwner(u16),
    #[error("ERR slots belong to different source nodes")]
    DifferentSources,
    #[error("ERR this node is already the owner of the slot range")]
    AlreadyOwner,
    #[error(
        "ERR the source node speaks Valkey's dialect: use CLUSTER MIGRATESLOTS there, on node {0}"
    )]
    SourcePushes(Name),
    #[error("ERR overlapping import exists for slot range: {0}-{1}")]
    Overlapping(u16, u16),
    #[error("ERR another ASM task is already in progress")]
    Busy,
    #[error("ERR missing ranges argument")]
    MissingRanges,
    #[error("ERR value is not an integer or out of range")]
    NotAnInteger,
    #[error("ERR invalid number of ranges")]
    RangeCount,
    #[error("ERR the slot {0} is served by this node")]
    Served(u16),

    // CLUSTER MIGRATESLOTS, CANCELSLOTMIGRATIONS
    #[error("ERR Start slot number {0} is greater than end slot number {1}.")]
    StartAfterEnd(u16, u16),
    #[error("ERR Slot range {}-{} overlaps with previous range {}-{}.", .0.0, .0.1, .1.0, .1.1)]
    RangeOverlaps((u16, u16), (u16, u16)),
    #[error("ERR No slot ranges specified")]
    NoRanges,
    #[error("ERR No end slot for final slot range")]
    NoEnd,
    #[error("ERR Slot {0} has no node served.")]
    NotServed(u16),
    #[error("ERR Requested slots span multiple shards")]
    SeveralShards,
    #[error("ERR Slots are not served by this node.")]
    NotMine,
    #[error("ERR Invalid node name: {}", String::from_utf8_lossy(.0))]
    BadNode(Vec<u8>),
    #[error("ERR Unknown node name: {0}")]
    UnknownNode(Name),
    #[error("ERR Target node can not be this node.")]
    ToMyself,
    #[error("ERR I am already migrating slot {0}.")]
    AlreadyMigrating(u16),
    #[error("ERR Slot ranges in migrations overlap")]
    MigrationsOverlap,
    #[error("ERR Slots are being manually migrated")]
    ManuallyMigrated,
    #[error("ERR Slots are being manually imported")]
    ManuallyImported,
    #[error("ERR Slot migration can only be used on primary nodes.")]
    PrimariesOnly,
    #[error("ERR No migrations ongoing")]
    NoMigrations,

    // CLUSTER SYNCSLOTS, Valkey's
    #[error("ERR CLUSTER SYNCSLOTS {0} should only be used by slot migration clients")]
    NotMigrating(String),
    #[error("ERR Target node does not know the source node")]
    SourceUnknown,
    #[error("ERR Target node does not agree about current slot ownership")]
    OwnerDisputed,
    #[error("ERR A slot on the target node is being manually imported or migrated")]
    TargetOpen,
    #[error("ERR Slot is already being imported on the target by a different migration")]
    AlreadyImported,

    // CLUSTER SYNCSLOTS, Redis's
    #[error("ERR CLUSTER SYNCSLOTS subcommands are only allowed for internal clients")]
    InternalOnly,
    #[error("ERR Invalid node id length {0}")]
    NodeIdLength(usize),
    #[error("ERR Node {0} not found in cluster")]
    NodeNotFound(String),
    #[error("ERR This node is not the owner of the slots")]
    NotOwner,
    #[error("ERR Another ASM task is already in progress")]
    TaskInProgress,
    #[error("ERR Another migration task is already in progress")]
    MigrationInProgress,
}
