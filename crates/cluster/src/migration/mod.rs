//! Slots move to another node with their keys, at once for all clients: atomic slot migration.
//!
//! A state machine without I/O. It speaks Redis's way (the target pulls: CLUSTER MIGRATION) and
//! Valkey's (the source pushes: CLUSTER MIGRATESLOTS), as source and as target, whatever this
//! server's own dialect is: so slots move between nodes of both.
//!
//!     commands, peers' SYNCSLOTS --> Migrations --pop: Action--> driver
//!                                        ^                          |
//!                                        +--- links, snapshot, stream, routes, flush, roles, tick
//!
//! Each way has two ends, in a file each that draws it: `pull_target` and `pull_source`,
//! `push_source` and `push_target`. `on_primary` follows the primary's imports on its replica.
//! `kept` holds a source's keys of slots that another node has claimed.
//!
//! Invariants
//!   1. A slot is handed over only after the source holds its writes and the target has applied
//!      every effect on it before that moment; and the target takes it by a claim of the bus, which
//!      the source believes.
//!   2. Until its claim, a target's keys are hidden, and dropped if the attempt ends in any other
//!      way (`Scene::settle` gives all back, for every conversation), unless the cluster says that
//!      the slots are this node's. It claims when the replicas that are in sync have the keys, or
//!      after a time a single replica has.
//!   3. Until it sees a claim, a source keeps all keys. A claim is made in the first half of the
//!      time for which the source holds writes, or not at all. A source that then serves the slots
//!      again does so with a newer epoch, so that a claim which no other node has seen, of a target
//!      that died with it, does not win when the target is back. It keeps its keys of claimed slots
//!      out of sight until the claimer's replicas know of the claim, for a bounded time (`kept`).
//!   4. Holding writes ends at a time that is known when it begins.
//!   5. Nothing here reads a clock, a socket or a source of randomness.
//!
//! Nothing is saved: after a crash a node has no migration, and drops keys of slots that are not
//! its own when it has loaded them. A crash of the target after it has saved its claim leaves the
//! slots with it, if it is back, or its replica has taken its place, while the source still holds
//! writes.
//!
//! # The driver's duties
//!
//! - After **each** call, `pop` until there is nothing more, and carry out each action in its
//!   order.
//! - `tick` every 100 ms unless `is_idle`; `routes_changed` when the cluster's routes or this
//!   node's role change, after the cluster's own claim or a peer's.
//! - `expects(link)` decides where the bytes of a link go: each reply to `reply`, commands to the
//!   keyspace (`applied`, `failed_to_apply`), or to `request` if they are CLUSTER SYNCSLOTS; `Hold`
//!   keeps them unread, within a bound. When everything has been applied: `caught_up`.
//! - `lost` when another node has claimed slots of this primary's; `review_kept` as soon as routes
//!   change, before a client can write to a slot that is this node's now; `give_up_kept` before
//!   keys are evicted for want of memory.
//! - `Export`: a snapshot pass over the slots, and from its moment on the effects on them:
//!   `exporting`, `streamed` for each effect appended, `snapshot_sent`, or `export_failed`.

mod actions;
mod beside;
mod commands;
mod conversation;
mod core;
mod id;
mod job;
mod kept;
mod on_primary;
mod pull_source;
mod pull_target;
mod push_source;
mod push_target;
mod ranges;
mod refusal;
mod requests;
mod settings;
mod show;
#[cfg(test)]
#[path = "../../simulation/migration/mod.rs"]
mod tests;

/// The field of a full copy that names an import whose keys it has: the import's name, a space, and
/// its ranges.
pub const SLOT_IMPORT: &str = "slot-import";

pub use actions::{Action, MigrationContext, MigrationLink, MigrationProtocol, OpenSlots};
pub use beside::NodeContext;
pub use commands::trim_slots;
pub use conversation::{Answer, InputKind};
pub use core::Migrations;
pub use id::Name;
pub use ranges::Ranges;
pub use refusal::Refusal;
pub use requests::Sender;
pub use settings::Settings;
pub use show::BusySide;
