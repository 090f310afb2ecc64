//! A primary with its group: replicas, other Sentinels, the vote and the failover in progress.
//!
//! Plain state: changes are made in `down`, `votes`, `failover`, `refresh`, `discovery` and
//! `groups`. The config epoch and the vote's epoch are in the file, with the settings, replicas and
//! Sentinels (`groups::setup`); all else, the vote itself among it, is lost at a restart. Other
//! modules keep names, run ids or link ids of members, never references: a lookup is O(log n) by
//! name, O(n) by link.

use std::collections::BTreeMap;

use super::node::{DataNode, Peer, Replica, Watch};
use crate::address::Address;
use crate::config::PrimarySettings;
use crate::discovery::strangers::Rate;
use crate::explain::History;
use crate::links::Member;
use crate::time::Ms;

/// How far a failover is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailoverState {
    None,
    /// Until we are elected.
    WaitStart,
    SelectReplica,
    SendReplicaofNoOne,
    WaitPromotion,
    ReconfReplicas,
    UpdateConfig,
}

impl FailoverState {
    /// As SENTINEL MASTER shows it.
    pub fn name(self) -> &'static str {
        match self {
            FailoverState::None => "none",
            FailoverState::WaitStart => "wait_start",
            FailoverState::SelectReplica => "select_slave",
            FailoverState::SendReplicaofNoOne => "send_slaveof_noone",
            FailoverState::WaitPromotion => "wait_promotion",
            FailoverState::ReconfReplicas => "reconf_slaves",
            FailoverState::UpdateConfig => "update_config",
        }
    }
}

/// The cause of a failover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailoverKind {
    /// The primary is down.
    Election,
    /// SENTINEL FAILOVER: without an election.
    Forced,
    /// SENTINEL FAILOVER .. COORDINATED: the primary hands over.
    Coordinated,
}

/// The failover of a primary.
#[derive(Debug)]
pub struct Failover {
    pub state: FailoverState,
    pub kind: FailoverKind,
    /// The epoch in which we want to be elected.
    pub epoch: u64,
    /// When the last attempt began, ours or the attempt of the Sentinel that we voted for, with a
    /// random delay.
    pub started_at: Option<Ms>,
    pub(crate) changed_at: Ms,
    /// The name of the replica that becomes the primary.
    pub promoted: Option<Vec<u8>>,
    /// The attempt for which it was logged that the next attempt must wait.
    pub(crate) delay_logged: Option<Ms>,
}

impl Failover {
    pub fn is_running(&self) -> bool {
        self.state != FailoverState::None
    }

    pub fn enter(&mut self, state: FailoverState, now: Ms) {
        (self.state, self.changed_at) = (state, now);
    }
}

/// How long the group is followed closely after a change.
const MOTION_MS: Ms = 3000;

/// See the module.
#[derive(Debug)]
pub struct Primary {
    pub name: Vec<u8>,
    pub settings: PrimarySettings,
    pub node: DataNode,
    /// Enough Sentinels see it as down (ODOWN).
    pub(crate) is_agreed_down: bool,
    pub(crate) agreed_down_since: Option<Ms>,
    /// The primary was restarted at this moment and has not answered a PING yet.
    pub(crate) reboot_since: Option<Ms>,
    pub config_epoch: u64,
    /// Our last vote, unless this process was started since, and its epoch.
    pub vote: Option<Vec<u8>>,
    pub(crate) vote_epoch: u64,
    /// Limits votes for others, each of which costs a save.
    pub(crate) vote_rate: Rate,
    pub failover: Failover,
    pub replicas: BTreeMap<Vec<u8>, Replica>,
    pub peers: BTreeMap<Vec<u8>, Peer>,
    /// Why failovers happened, or did not.
    pub history: History,
    /// No work is due before this moment, unless an event comes first.
    pub(crate) calm_until: Ms,
}

impl Primary {
    pub fn new(name: Vec<u8>, settings: PrimarySettings, node: DataNode) -> Primary {
        Primary {
            name,
            settings,
            node,
            is_agreed_down: false,
            agreed_down_since: None,
            reboot_since: None,
            config_epoch: 0,
            vote: None,
            vote_epoch: 0,
            vote_rate: Rate::new(5, 200),
            failover: Failover {
                state: FailoverState::None,
                kind: FailoverKind::Election,
                epoch: 0,
                started_at: None,
                changed_at: 0,
                promoted: None,
                delay_logged: None,
            },
            replicas: BTreeMap::new(),
            peers: BTreeMap::new(),
            history: History::default(),
            calm_until: 0,
        }
    }

    /// Whether it has been seen as down just now, or a failover of it is under way that has not
    /// stood still for long.
    pub(crate) fn is_in_motion(&self, now: Ms) -> bool {
        let is_new = |at: Ms| now - at < MOTION_MS;
        let is_down = self.node.watch.is_down && self.node.watch.down_since.is_some_and(is_new);
        is_down || self.failover.is_running() && is_new(self.failover.changed_at)
    }

    /// All instances of the group.
    pub fn members(&self) -> impl Iterator<Item = (Member, &Watch)> {
        let replicas = self.replicas.iter();
        let replicas =
            replicas.map(|(name, replica)| (Member::Replica(name.clone()), &replica.node.watch));
        let peers = self.peers.iter();
        let peers = peers.map(|(run_id, peer)| (Member::Peer(run_id.clone()), &peer.watch));
        let primary = (Member::Primary, &self.node.watch);
        std::iter::once(primary).chain(replicas).chain(peers)
    }

    /// The replica that is to be the primary.
    pub fn promoted(&self) -> Option<&Replica> {
        self.replicas.get(self.failover.promoted.as_ref()?)
    }

    pub fn is_promoted(&self, replica: &[u8]) -> bool {
        self.failover.promoted.as_deref() == Some(replica)
    }

    /// The address for clients and Sentinels: the promoted replica's, once it has confirmed its new
    /// role.
    pub(crate) fn current_address(&self) -> &Address {
        match self.promoted() {
            Some(replica) if self.failover.state >= FailoverState::ReconfReplicas => {
                &replica.node.watch.address
            }
            _ => &self.node.watch.address,
        }
    }
}
