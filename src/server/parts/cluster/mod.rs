//! A cluster node's core with its resources: the links of the bus, the file of its state.
//! `server::cluster` carries out the core's actions.
//!
//! Actions on keys and roles wait while a script runs or data is being loaded
//! ([`ClusterDriver::deferred`]). `cluster-link-sendbuf-limit` limits the queues of links.
//! The core alone decides which node owns a slot and which one is primary
//! (`russet_cluster`). It does no I/O.

mod file;
mod links;
pub mod slot_stats;

pub(in crate::server) use file::StateFile;
pub(in crate::server) use links::{BusConnection, BusStage, Links, Wrote};

use std::collections::VecDeque;

use russet_base::clock;
use russet_cluster::{Cluster, Order};
use russet_net::Listener;

/// See the module.
pub(crate) struct ClusterDriver {
    /// Which slots are served here, and where the others are.
    pub(crate) core: Cluster,
    pub(in crate::server) links: Links,
    /// The sockets of the bus.
    pub(in crate::server) listeners: Vec<Listener>,
    /// A listener may have connections to accept.
    pub(in crate::server) has_waiting: bool,
    /// No descriptor was left for one: cron tries again.
    pub(in crate::server) retries_accept: bool,
    /// Where the core's state is kept; `None` in tests.
    pub(in crate::server) file: Option<StateFile>,
    /// When the core's next tick is due, monotonic milliseconds.
    pub(in crate::server) tick_due_ms: u64,
    /// Orders on keys and roles that wait until no script runs and no data is being loaded.
    pub(in crate::server) deferred: VecDeque<Order>,
    /// Slots are served by other nodes than before: waiting clients are checked again at the end of
    /// the turn.
    pub(in crate::server) routes_changed: bool,
    /// Slots whose shard channels are served elsewhere now; their clients are notified at the end
    /// of the turn.
    pub(in crate::server) lost_channels: Vec<(u16, u16)>,
    /// Links closed because they had more to send than `cluster-link-sendbuf-limit`.
    pub(in crate::server) closed_by_limit: u64,
}

impl ClusterDriver {
    /// `file`: where the core's state is kept from now on.
    pub(in crate::server) fn new(
        core: Cluster,
        listeners: Vec<Listener>,
        file: Option<StateFile>,
        now: &clock::Now,
    ) -> ClusterDriver {
        ClusterDriver {
            core,
            links: Links::default(),
            listeners,
            has_waiting: false,
            retries_accept: false,
            file,
            tick_due_ms: now.mono_ms,
            deferred: VecDeque::new(),
            routes_changed: false,
            lost_channels: Vec::new(),
            closed_by_limit: 0,
        }
    }

    /// Whether there is something to do that no event reports.
    pub fn has_urgent(&self) -> bool {
        let links = &self.links;
        self.has_waiting || !links.unread.is_empty() || !links.unsent.is_empty()
    }
}
