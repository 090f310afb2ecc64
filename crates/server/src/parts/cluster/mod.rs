//! A cluster node's core with its resources: the links of the bus, the file of its state.
//! `server::cluster` carries out the core's actions.
//!
//! Actions on keys and roles wait while a script runs or data is being loaded
//! ([`ClusterDriver::deferred`]). `cluster-link-sendbuf-limit` limits the queues of links.
//! The core alone decides which node owns a slot and which node is primary (`russet_cluster`). It
//! does no I/O.

mod file;
pub mod slot_stats;
mod surveys;

pub(crate) use file::StateFile;
pub(crate) use surveys::{
    ANSWER_BYTES_MAX, Complete, Message, OTHER_SLOTS, PendingQuestion, TOO_LONG, parse_question,
    question,
};
pub use surveys::{Asker, ParsedQuestion, ShardQueries};

use std::collections::VecDeque;
use std::io;

use mio::Registry;

use russet_cluster::{Cluster, Order};
use russet_host::Links;
use russet_keyspace::{DbIndex, Keyspace};
use russet_net::{Listener, Role};

/// See the module.
pub struct ClusterDriver {
    /// Which slots are served here, and where the others are.
    pub core: Cluster,
    pub links: Links,
    /// Where the core's state is kept; `None` in tests.
    pub file: Option<StateFile>,
    /// Orders on keys and roles that wait until no script runs and no data is being loaded.
    pub(crate) deferred: VecDeque<Order>,
    /// Slots are served by other nodes than before: waiting clients are checked again at the end of
    /// the turn.
    pub(crate) routes_changed: bool,
    /// Slots whose shard channels are served elsewhere now; their clients are notified at the end
    /// of the turn.
    pub(crate) lost_channels: Vec<(u16, u16)>,
    /// The questions of commands to the other shards.
    pub surveys: ShardQueries,
}

impl ClusterDriver {
    /// `file`: where the core's state is kept from now on.
    pub fn new(core: Cluster, listeners: Vec<Listener>, file: Option<StateFile>) -> ClusterDriver {
        let mut links = Links::new(Role::ClusterLink);
        links.listen(listeners);
        ClusterDriver {
            core,
            links,
            file,
            deferred: VecDeque::new(),
            routes_changed: false,
            lost_channels: Vec::new(),
            surveys: ShardQueries::default(),
        }
    }

    /// Accepts nodes from the sockets of the bus, from now on.
    pub(crate) fn listen(&mut self, registry: &Registry) -> io::Result<()> {
        self.links.register(registry, Role::ClusterListener)
    }

    /// Hides keys of another shard's slots. A replica has loaded its primary's data, and the
    /// primary may have kept such keys.
    pub(crate) fn hide_foreign_slots(&self, keyspace: &mut Keyspace) {
        if !self.core.is_replica() {
            return;
        }
        let dbs = (0..keyspace.databases() as u32).map(DbIndex);
        let with_keys = dbs.flat_map(|db| keyspace.database(db).slots_in_use());
        let is_foreign =
            |slot: &u16| self.core.slot_owner(*slot).is_some() && !self.core.takes_keys_of(*slot);
        let foreign = with_keys.filter(is_foreign);
        let foreign: Vec<(u16, u16)> = foreign.map(|slot| (slot, slot)).collect();
        if !foreign.is_empty() {
            keyspace.keep_slots(&foreign);
        }
    }

    /// Memory of the links of the bus. O(links).
    pub(crate) fn link_bytes(&self) -> usize {
        self.links.bytes() + self.core.links_bytes()
    }
}

/// A rule of queries over shards that a test breaks on purpose, to show that the checks notice it.
#[cfg(feature = "testing")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenRule {
    /// Documents of slots that arrive, or have left, count.
    CountsAll,
    /// A question about slots is answered whatever slots the node has.
    AnswersForOthers,
    /// The statistics of all shards are not used.
    ScoresByItsOwn,
    /// Surveys whose time is over stay in their table.
    KeepsSurveys,
    /// Definitions of other nodes are not taken over.
    KeepsDefinitions,
}
