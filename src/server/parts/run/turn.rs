//! State that a turn of the loop passes on within it and to the next: clients with more to do,
//! clients to write to, deadlines.

use crate::server::clients::blocked::Deadlines;
use crate::server::parts::run::pace::Pace;
use russet_keyspace::ClientId;

/// See the module.
#[derive(Default)]
pub(in crate::server) struct Turn {
    /// Clients with more to read or to execute.
    pub(in crate::server) ready: Vec<ClientId>,
    /// Clients whose replies are sent before the loop sleeps.
    pub(in crate::server) flush: Vec<ClientId>,
    pub(in crate::server) to_close: Vec<ClientId>,
    pub(in crate::server) deadlines: Deadlines,
    /// Clients that wait until a stream's pending entry can be claimed.
    pub(in crate::server) wakes: Deadlines,
    /// Clients that wait for memory to be freed, in the order of their marks.
    pub(in crate::server) awaiting_memory: Vec<(u64, ClientId)>,
    /// An eviction ran out of time and must continue.
    pub(in crate::server) evicting: bool,
    /// Values are still to be freed in slices, or keys to be counted by prefix.
    pub(in crate::server) freeing: bool,
    /// New indexes have still to read what is there.
    pub(in crate::server) indexing: bool,
    /// Keys of slots that were lost are still to be recorded as deleted and freed.
    pub(in crate::server) dropping: bool,
    /// The link to the primary has more to do: the loop does not sleep.
    pub(in crate::server) receives: bool,
    /// Elements that a command would touch, as its row has counted them.
    pub(in crate::server) touched: u64,
    /// A command of EXEC or a script has acted outside of the keyspace (`users::budgets`).
    pub(in crate::server) has_acted: bool,
    /// When the last command ended, in ticks: the next one of a batch starts then.
    pub(in crate::server) ended: u64,
    pub(in crate::server) pace: Pace,
    /// When others were last served beside a script in this turn, Unix microseconds.
    pub(in crate::server) served_us: Option<i64>,
    /// Monotonic milliseconds.
    pub(in crate::server) cron_due_ms: u64,
    /// Turns of cron so far.
    pub(in crate::server) cron_turns: u64,
}
