//! A replica asks to replace its failed primary, and counts the votes.
//!
//!     wait (the better its data, the shorter) -> new epoch, AUTH_REQUEST to all
//!     -> AUTH_ACK of a majority of the voters in time -> primary with that epoch;
//!        else once more, after twice the time
//!
//! The dialect decides how long the replica waits. Redis's and Valkey's nodes vote for each other
//! because the messages of votes are the same.

use super::super::actions::Order;
use super::super::core::Cluster;
use super::super::membership::nodes::{ClusterNode, ME, NodeIndex};
use super::super::message::{Body, Header, Kind, Marks, NodeFlags};
use super::state::Obstacle;
use russet_host::Level;

/// Redis's delays: a fixed part, a random part up to it, and a part for each better replica.
const DELAY_MS: i64 = 500;
const RANK_DELAY_MS: i64 = 1000;
/// Of the replica that an operator has chosen for a failover.
const CHOSEN_DELAY_MS: i64 = 200;
/// Valkey's unit of delay: this part of the node timeout, but no more than `DELAY_MS`.
const DELAY_PART: i64 = 30;
/// Valkey: a replica that has never had data waits longer.
const NO_DATA_DELAY_MS: i64 = 500;
const ATTEMPT_MIN_MS: i64 = 2000;

impl Cluster {
    /// How long votes may take.
    pub(crate) fn attempt_ms(&self) -> i64 {
        (2 * self.settings.node_timeout.get()).max(ATTEMPT_MIN_MS)
    }

    /// Continues the failover of our primary, if due.
    pub(crate) fn try_election(&mut self) {
        if self.election.awaits_group {
            return;
        }
        if let Some(obstacle) = self.obstacle() {
            // An attempt that was under way ends; the obstacle is logged when it changes.
            let is_new = self.election.obstacle != Some(obstacle);
            self.election.reset();
            self.election.obstacle = Some(obstacle);
            if is_new && obstacle != Obstacle::NotNeeded {
                let why = self.describe_obstacle(obstacle);
                self.note(format!("Currently unable to failover: {why}"));
            }
            return;
        }
        self.election.obstacle = None;
        let (now, attempt) = (self.ms(), self.attempt_ms());
        let age = |due: i64| now - due;
        if self.election.due.is_none_or(|due| age(due) > 2 * attempt) {
            self.plan_election();
        }
        let is_manual = self.manual.can_start();
        if !self.election.is_asked && !is_manual {
            self.update_rank();
        }
        let waited = self.election.due.map_or(-1, age);
        if waited < 0 || self.election.is_asked || waited > attempt {
            return;
        }
        self.ask_for_votes();
    }

    fn plan_election(&mut self) {
        let now = self.ms();
        self.election.reset();
        if self.manual.can_start() {
            self.election.due = Some(now);
            return;
        }
        let rank = self.rank();
        self.election.rank = rank;
        let delay = if self.is_valkey() {
            self.short_delay(rank)
        } else if self.manual.is_running() && rank == 0 {
            // An operator has chosen this replica, and its primary has failed before it could hand
            // over: it waits for no other replica, only for the news of the failure.
            CHOSEN_DELAY_MS
        } else {
            DELAY_MS + self.random.below(DELAY_MS) + rank * RANK_DELAY_MS
        };
        self.election.due = Some(now + delay);
        let offset = self.me().offset;
        self.note(format!(
            "Start of election delayed for {delay} milliseconds (rank #{rank}, offset {offset})."
        ));
        // The other replicas rank themselves by it.
        self.announce(true);
    }

    /// Valkey's delay: none if no replica can be better and all agree.
    fn short_delay(&mut self, rank: i64) -> i64 {
        let unit = (self.settings.node_timeout.get() / DELAY_PART).min(DELAY_MS);
        let shards = self.failed_shard_rank();
        let primary = self.me().primary.unwrap_or(ME);
        let mut replicas = self.nodes[primary].replicas.iter();
        let all_agree = replicas.all(|&at| {
            let node = &self.nodes[at];
            at == ME || node.header_flags.contains(NodeFlags::PRIMARY_FAILED)
        });
        let has_data = self.me().offset > 0;
        if rank == 0 && shards == 0 && all_agree && has_data {
            self.election.is_forced = true;
            self.note(
                "This is the best ranked replica, and all see that the primary failed".into(),
            );
            return 0;
        }
        let no_data = if has_data { 0 } else { NO_DATA_DELAY_MS };
        unit + self.random.below(unit) + 2 * unit * rank + unit * shards + no_data
    }

    /// A replica that turns out to be better than we thought goes first.
    fn update_rank(&mut self) {
        let rank = self.rank();
        if rank <= self.election.rank {
            return;
        }
        let added = (rank - self.election.rank)
            * if self.is_valkey() {
                2 * (self.settings.node_timeout.get() / DELAY_PART).min(DELAY_MS)
            } else {
                RANK_DELAY_MS
            };
        self.election.rank = rank;
        self.election.is_forced = false;
        self.election.due = self.election.due.map(|due| due + added);
        self.note(format!(
            "Replica rank updated to #{rank}, added {added} milliseconds of delay."
        ));
    }

    /// How many replicas of our primary have more data; in Valkey also a replica with as much and a
    /// smaller id.
    pub fn rank(&self) -> i64 {
        let me = self.me();
        let Some(primary) = me.primary else {
            return 0;
        };
        let is_better = |node: &ClusterNode| {
            if self.is_valkey() {
                node.offset > me.offset || (node.offset == me.offset && node.id < me.id)
            } else {
                node.offset > me.offset
            }
        };
        let others = self.nodes[primary].replicas.iter().filter(|&&at| at != ME);
        let others = others.map(|&at| &self.nodes[at]);
        let others = others.filter(|node| !node.flags.contains(NodeFlags::NO_FAILOVER));
        others.filter(|node| is_better(node)).count() as i64
    }

    /// How many other failed primaries have a smaller shard id: so that their elections do not
    /// coincide.
    fn failed_shard_rank(&self) -> i64 {
        let shard = self.me().shard;
        let failed = self.nodes.iter().filter(|(at, node)| {
            Some(*at) != self.me().primary && node.is_voter() && node.has_failed()
        });
        failed.filter(|(_, node)| node.shard < shard).count() as i64
    }

    fn ask_for_votes(&mut self) {
        if self.out.has_failed() {
            return;
        }
        self.current_epoch += 1;
        let epoch = self.current_epoch;
        let election = &mut self.election;
        (election.epoch, election.is_asked) = (epoch, true);
        let is_forced = election.is_forced || self.manual.can_start() || self.is_unled();
        self.note(format!("Starting a failover election for epoch {epoch}."));
        self.save();
        let marks = if is_forced {
            Marks::FORCE_ACK
        } else {
            Marks::empty()
        };
        self.broadcast(Kind::AuthRequest, marks, Body::Nothing);
    }

    /// AUTH_ACK.
    pub(crate) fn count_vote(&mut self, at: NodeIndex, header: &Header<'_>) {
        let (now, attempt) = (self.ms(), self.attempt_ms());
        let election = &self.election;
        let is_late = election.due.is_none_or(|due| now - due > attempt);
        if !election.is_asked
            || is_late
            || header.current_epoch < election.epoch
            || election.awaits_group
            || election.votes.contains(&at)
            || !self.nodes[at].is_voter()
            || self.obstacle().is_some()
        {
            return;
        }
        self.election.votes.push(at);
        let needed = self.voters() / 2 + 1;
        if self.election.votes.len() < needed {
            return;
        }
        if self.own.group.is_some() {
            self.election.awaits_group = true;
            self.note("Failover election won: asking the members of the group.".into());
            self.out.push(Order::TakeOver);
            return;
        }
        self.finish_election();
    }

    /// The election is won, and the replication group, if any, follows this node.
    pub(super) fn finish_election(&mut self) {
        let epoch = self.election.epoch;
        self.note("Failover election won: I'm the new primary.".into());
        let me = &mut self.nodes[ME];
        if me.config_epoch < epoch {
            me.config_epoch = epoch;
            self.note(format!(
                "configEpoch set to {epoch} after successful failover"
            ));
        }
        self.replace_primary();
    }

    /// Another primary has an epoch that is not older than the one we ask votes for: no node votes
    /// for us in it any more. Valkey's replicas begin again at once.
    pub(crate) fn reconsider_election(&mut self, config_epoch: u64) {
        let epoch = self.election.epoch;
        if self.is_valkey() && self.election.is_asked && config_epoch >= epoch {
            self.log(
                Level::Notice,
                format!("Epoch {config_epoch} was claimed, the election for epoch {epoch} is void: resetting it"),
            );
            self.election.reset();
        }
    }
}
