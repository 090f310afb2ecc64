//! What the turns of the loop hand on to each other, and to the one that runs: who has more to do,
//! who is to be written to, what comes due.

use super::blocking::Deadlines;
use crate::keyspace::ClientId;

/// See the module.
#[derive(Default)]
pub(super) struct Turn {
    /// Clients with more to read or to execute.
    pub(super) ready: Vec<ClientId>,
    /// Clients whose replies go out before the loop sleeps.
    pub(super) flush: Vec<ClientId>,
    pub(super) to_close: Vec<ClientId>,
    pub(super) deadlines: Deadlines,
    /// Clients that wait for memory to be freed, in the order of their marks.
    pub(super) awaiting_memory: Vec<(u64, ClientId)>,
    /// More is to be evicted than there was time for.
    pub(super) evicting: bool,
    /// Something is still to be freed in slices, or to be counted by prefix.
    pub(super) freeing: bool,
    /// When the last command ended, in ticks: the next one of a batch begins then.
    pub(super) ended: u64,
    /// Monotonic milliseconds.
    pub(super) cron_due_ms: u64,
    /// Turns of cron so far.
    pub(super) cron_turns: u64,
}
