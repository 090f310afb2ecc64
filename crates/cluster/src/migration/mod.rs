//! Slots move to another node with their keys, at once for all clients: atomic slot migration.
//!
//! A state machine without I/O. It speaks Redis's way (the target pulls: CLUSTER MIGRATION) and
//! Valkey's (the source pushes: CLUSTER MIGRATESLOTS), as source and as target, whatever this
//! server's own dialect is, so that slots move between Redis's and Valkey's nodes.
//!
//!     commands, peers' SYNCSLOTS --> Migrations --pop: Action--> driver
//!                                        ^                          |
//!                                        +--- links, snapshot, stream, routes, flush, roles, tick
//!
//! Each protocol has two ends, and a file for each end draws the messages: `pull_target` and
//! `pull_source`, `push_source` and `push_target`. `on_primary` follows the primary's imports on
//! its replica. `kept` holds a source's keys of slots that another node has claimed.
//!
//! Invariants
//!   1. The source hands a slot over only after it holds the slot's writes and the target has
//!      applied every effect on the slot before that moment; the target takes the slot by a claim
//!      on the bus, which the source believes.
//!   2. Until the target claims the slots, it hides the imported keys, and drops them if the
//!      attempt ends in any other way (`Scene::settle` gives all back, for every conversation),
//!      unless in the cluster's view the slots are this node's. The target claims when the replicas
//!      that are in sync have the keys, or after a time a single replica has.
//!   3. Until it sees a claim, a source keeps all keys. The target claims in the first half of the
//!      time for which the source holds writes, or not at all. A source that serves the slots again
//!      after that time takes a newer epoch, so that a target that died with an unseen claim does
//!      not win when it is back. After a claim the source keeps the keys of the claimed slots out
//!      of sight until the claimer's replicas know of the claim, for a bounded time (`kept`).
//!   4. When the source begins to hold writes, it knows the time at which it stops.
//!   5. Nothing here reads a clock, a socket or a source of randomness.
//!
//! Migrations are not saved: after a crash a node has no migration, and once it has loaded its data
//! it drops keys of slots that are not its own. If the target crashes after it has saved its claim,
//! the slots are the target's if the target is back, or a replica has replaced it, while the source
//! still holds writes.
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
//! - `lost` when another node has claimed slots of this primary; `review_kept` as soon as routes
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
