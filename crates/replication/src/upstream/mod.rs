//! The link to the primary that this server follows: a state machine without I/O.
//!
//!     Down -> Dialing -> Talking -> Surveying -> Receiving -> Loading -> Settled -> Online
//!      ^                    |           +------------------------^          |         |
//!      |                    |  (partial: straight to Settled)               |         |
//!      +--------------------+-----------------------------------------------+---------+
//!                                      an error, or silence
//!
//! If the snapshot comes by a second link, the first link becomes the main link, and the second
//! link goes through the stages:
//!
//!     Talking -> Dialing -> Announcing -> Joining -> Surveying ... Loading -> Online (replaying)
//!
//! Meanwhile the main link's stream is held ([`HeldStream`](super::HeldStream)); it is replayed
//! once the snapshot is loaded. The loss of either link ends the attempt, unless a file is being
//! loaded.
//!
//! # The server's duties
//!
//! - Set [`Upstream::settings`], pass an event or an [`Answer`] in, then pop until there is nothing
//!   more, and carry out each action before the next is popped.
//! - Read a link while [`wants`](Upstream::wants) says so; no more than a share of a turn.
//! - While a snapshot is loaded, a slice a turn: [`Answer::Stepped`].
//! - While the link is online its client reads it as any other; the bytes go through
//!   [`Upstream::unit`], which says when the offset moves.
//! - A tick at [`due_ms`](russet_host::Machine::due_ms): time limits are checked once a second.
//!
//! Invariants
//!   1. Nothing here reads a clock, a socket, a file or a source of randomness.
//!   2. After a loss no action of the attempt before is handed out but its lines of the log.
//!   3. The data counts as the primary's ([`Upstream::has_data`]) only while no load has begun to
//!      replace it.
//!
//! Cost: one copy of a snapshot's bytes, as they leave their frame.

mod conversation;
mod core;
mod demotion;
mod events;
mod guard;
mod snapshot;
#[cfg(test)]
mod tests;
mod unit;
mod words;

pub use core::{Attempts, Phase, Upstream};
pub use demotion::{acknowledged_by, lost_writes};
pub use events::{
    Answer, CountedKeys, Link, LocalDataset, Loss, Order, Settings, Step, StoreFault,
};
pub use guard::{RefusedSync, keys_min};
pub use unit::{AppliedBytes, CompletePart, Unit};
