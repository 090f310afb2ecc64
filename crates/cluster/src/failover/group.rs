//! A shard whose nodes are a replication group (`sync-quorum`): the cluster says when and whom, the
//! group's promises decide.
//!
//!     votes of a majority, or TAKEOVER -- Order::TakeOver --> the group's members are asked
//!     they promise                     -- taken_over(Ok)  --> the slots are claimed
//!     they do not                      -- taken_over(Err) --> the next attempt begins anew
//!
//! Votes come first, because a takeover without votes would stop a primary that works. A member
//! claims no slots before it leads its group: until then another may acknowledge writes to them.
//!
//! A primary may answer on the bus, and not lead its group: it has started without whole data, or a
//! candidate that it promised has died. A member that is refused by such a primary for
//! [`UNLED_TIMEOUTS`] node timeouts stands for election as if the primary had failed.

use super::super::core::Cluster;
use super::super::membership::nodes::NodeIndex;
use russet_host::Now;

/// Node timeouts from the first refusal of a primary that does not lead to a member's election.
const UNLED_TIMEOUTS: i64 = 2;

/// The error for a member that is to leave its shard.
const BOUND: &str = "ERR This server is a member of its shard's replication group (sync-quorum): QUORUM REMOVE \
     at the primary first";

impl Cluster {
    /// The server leads its group from now on; or the takeover that [`Order::TakeOver`] asked for
    /// has failed, with this reason.
    ///
    /// A replica that leads claims its primary's slots: by the epoch of the election that it has
    /// won, otherwise (QUORUM TAKEOVER, CLUSTER FAILOVER TAKEOVER) by a new one.
    ///
    /// [`Order::TakeOver`]: super::super::Order::TakeOver
    pub fn taken_over(&mut self, now: Now, outcome: Result<(), &str>) {
        self.begin(now);
        let awaited = self.election.awaits_group;
        match outcome {
            Ok(()) if self.me().is_primary() => {}
            Ok(()) if awaited => self.finish_election(),
            Ok(()) => {
                self.end_manual();
                self.bump_epoch();
                self.replace_primary();
            }
            Err(why) if awaited => {
                self.warn(format!(
                    "The group does not follow this replica, which has won the election: {why}"
                ));
                self.election.reset();
                self.end_manual();
            }
            Err(_) => {}
        }
        self.end();
    }

    /// Whether the primary has refused to lead this member for so long that another must.
    pub(super) fn is_unled(&self) -> bool {
        let since = self.own.group.and_then(|group| group.unled_since_ms);
        let limit = UNLED_TIMEOUTS * self.settings.node_timeout.get();
        self.me().is_replica() && since.is_some_and(|since| self.ms() - since > limit)
    }

    /// Whether other members count on this node, so that it may not follow a node of another shard.
    pub(crate) fn is_bound(&self) -> bool {
        self.own.group.is_some_and(|group| group.is_bound)
    }

    /// Whether this node may follow another one: it is bound to no group, or to that of both.
    pub(crate) fn may_follow(&self, other: NodeIndex) -> bool {
        !self.is_bound() || self.nodes[other].shard == self.me().shard
    }

    /// The error of a command by which a member would leave its shard.
    pub(crate) fn refuse_if_bound(&self) -> Result<(), String> {
        if self.is_bound() {
            Err(BOUND.to_owned())
        } else {
            Ok(())
        }
    }
}
