//! State that a turn of the loop passes on within it and to the next: clients with more to do,
//! clients to write to, deadlines.

use super::blocking::Deadlines;
use crate::keyspace::ClientId;

/// See the module.
#[derive(Default)]
pub(super) struct Turn {
    /// Clients with more to read or to execute.
    pub(super) ready: Vec<ClientId>,
    /// Clients whose replies are sent before the loop sleeps.
    pub(super) flush: Vec<ClientId>,
    pub(super) to_close: Vec<ClientId>,
    pub(super) deadlines: Deadlines,
    /// Clients that wait for memory to be freed, in the order of their marks.
    pub(super) awaiting_memory: Vec<(u64, ClientId)>,
    /// An eviction ran out of time and must continue.
    pub(super) evicting: bool,
    /// Values are still to be freed in slices, or keys to be counted by prefix.
    pub(super) freeing: bool,
    /// When the last command ended, in ticks: the next one of a batch starts then.
    pub(super) ended: u64,
    /// Monotonic milliseconds.
    pub(super) cron_due_ms: u64,
    /// Turns of cron so far.
    pub(super) cron_turns: u64,
}
