//! Where a command runs: here, or at another node.
//!
//! Redis's questions, in their order: has the slot an owner, is the cluster well, is the slot open
//! and are its keys here (TRYAGAIN, ASK), is it ours, or our primary's and only read (MOVED).
//!
//! Invariants
//!   1. The bit of a slot in `served` is set only if no question is left: ours, not open, and the
//!      cluster is well. `update_served` follows each change of routes.
//!   2. Routing changes nothing.
//!
//! Cost: one bit for a usual command (`serves`), else O(1), and a lookup of the keys in open slots.
//!
//! Elsewhere: the slot of a command's keys, CROSSSLOT (`server::execution::gates::slots`), whether
//! the cluster is well (`health`), which slots are open (`commands::setslot`).

use super::super::membership::nodes::{ClusterNode, ME, NodeIndex};
use super::super::settings::Endpoint;
use super::slots::Owners;
use super::viewer::Viewer;

/// Which keys of a command are in this node's keyspace. Asked only of slots that move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Each of them.
    All,
    /// Some, but not all.
    Some,
    /// None.
    None,
}

/// A command with keys, all of one slot.
pub struct Request<'r> {
    /// The slot of its keys, below 16,384.
    pub slot: u16,
    /// The row may write (a script's declared flags count, too).
    pub is_write: bool,
    /// SSUBSCRIBE, SPUBLISH and the like: the key is a channel.
    pub is_shard_pubsub: bool,
    /// The client sent ASKING before, or the row has it by itself (RESTORE-ASKING).
    pub is_asking: bool,
    /// The client sent READONLY.
    pub is_readonly: bool,
    /// The command is MIGRATE, which runs at either end of a move.
    pub is_migrate: bool,
    /// The command names more than one key.
    pub has_several_keys: bool,
    /// Which of its keys are here.
    pub keys: &'r dyn Fn() -> Keys,
}

/// Why a command does not run here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// The owner's number (`Cluster::redirect_line` knows it).
    Moved {
        /// The slot that was asked for.
        slot: u16,
        /// The owner's number.
        node: u32,
    },
    /// `ASK`: the slot leaves this node, and none of the keys is here.
    Ask {
        /// The slot that was asked for.
        slot: u16,
        /// The number of the node that the slot moves to.
        node: u32,
    },
    /// `TRYAGAIN`: the slot is moving, and some of the keys are elsewhere.
    TryAgain,
    /// `CROSSSLOT`: the keys have several slots. The caller finds it before it asks for the route.
    CrossSlot,
    /// `CLUSTERDOWN`: no node serves the slot.
    Unbound,
    /// `CLUSTERDOWN`: the cluster is not well.
    Down,
    /// `CLUSTERDOWN`: the cluster is not well, and only reads are allowed then.
    DownForWrites,
}

impl super::super::Cluster {
    /// Whether commands of this slot run here without another question: it is ours, does not move,
    /// and the cluster is well. The only test on the way of a usual command.
    #[inline]
    pub fn serves(&self, slot: u16) -> bool {
        self.served[usize::from(slot) / 64] & 1 << (slot % 64) != 0
    }

    /// Where the command runs, by Redis's questions in their order. O(1) but for `keys`; changes
    /// nothing.
    pub fn route(&self, request: &Request<'_>) -> Result<(), Redirect> {
        let slot = request.slot;
        let owner = self.owners.owner(slot).ok_or(Redirect::Unbound)?;
        if !self.health.is_ok {
            self.route_when_down(request)?;
        }
        let my_primary = self.me().primary;
        let reads_here = request.is_readonly && my_primary == Some(owner);
        // In Valkey a replica knows its primary's open slots, too.
        let migrating = if owner == ME || reads_here {
            self.owners.migrating.get(&slot)
        } else {
            None
        };
        let is_importing = self.owners.importing.contains_key(&slot);
        if request.is_migrate && (migrating.is_some() || is_importing) {
            return Ok(());
        }
        if let Some(to) = migrating {
            match (request.keys)() {
                Keys::All => {}
                Keys::Some => return Err(Redirect::TryAgain),
                Keys::None => return Err(Redirect::Ask { slot, node: to.0 }),
            }
        }
        if is_importing && request.is_asking {
            return if request.has_several_keys && (request.keys)() != Keys::All {
                Err(Redirect::TryAgain)
            } else {
                Ok(())
            };
        }
        let is_read = request.is_readonly || request.is_shard_pubsub;
        if owner == ME || (is_read && !request.is_write && my_primary == Some(owner)) {
            return Ok(());
        }
        Err(Redirect::Moved {
            slot,
            node: owner.0,
        })
    }

    fn route_when_down(&self, request: &Request<'_>) -> Result<(), Redirect> {
        if request.is_shard_pubsub {
            return if self.settings.allow_pubsubshard_when_down {
                Ok(())
            } else {
                Err(Redirect::Down)
            };
        }
        match (self.settings.allow_reads_when_down, request.is_write) {
            (false, _) => Err(Redirect::Down),
            (true, true) => Err(Redirect::DownForWrites),
            (true, false) => Ok(()),
        }
    }

    /// The error's line, without `-` and line end.
    pub fn redirect_line(&self, redirect: Redirect, viewer: Viewer) -> Vec<u8> {
        let (word, slot, node) = match redirect {
            Redirect::Moved { slot, node } => ("MOVED", slot, node),
            Redirect::Ask { slot, node } => ("ASK", slot, node),
            Redirect::TryAgain => {
                return b"TRYAGAIN Multiple keys request during rehashing of slot".to_vec();
            }
            Redirect::CrossSlot => {
                return b"CROSSSLOT Keys in request don't hash to the same slot".to_vec();
            }
            Redirect::Unbound => return b"CLUSTERDOWN Hash slot not served".to_vec(),
            Redirect::Down => return b"CLUSTERDOWN The cluster is down".to_vec(),
            Redirect::DownForWrites => {
                return b"CLUSTERDOWN The cluster is down and only accepts read commands".to_vec();
            }
        };
        let Some(node) = self.nodes.get(NodeIndex(node)) else {
            return b"CLUSTERDOWN Hash slot not served".to_vec();
        };
        let mut line = format!("{word} {slot} ").into_bytes();
        line.extend_from_slice(self.endpoint(node, viewer).unwrap_or_default());
        line.extend_from_slice(format!(":{}", node.client_port(viewer)).as_bytes());
        line
    }

    /// The host that a client is to connect to; `None`: the host that it is connected to.
    pub fn endpoint<'n>(&self, node: &'n ClusterNode, viewer: Viewer) -> Option<&'n [u8]> {
        match self.settings.endpoint {
            Endpoint::Ip => Some(node.client_ip(viewer)),
            Endpoint::Hostname if node.names.hostname.is_empty() => Some(b"?"),
            Endpoint::Hostname => Some(&node.names.hostname),
            Endpoint::Unknown => None,
        }
    }

    /// Slots whose commands need no question: ours, not open, in a cluster that is well. O(256 +
    /// open slots).
    pub(crate) fn update_served(&mut self) {
        self.served.fill(0);
        if !self.health.is_ok || !self.me().is_primary() {
            return;
        }
        let ours = self.nodes[ME].slots.view();
        for (served, ours) in self.served.iter_mut().zip(ours.words()) {
            *served = ours;
        }
        let Owners {
            migrating,
            importing,
            ..
        } = &self.owners;
        for slot in migrating.keys().chain(importing.keys()) {
            self.served[usize::from(slot / 64)] &= !(1 << (slot % 64));
        }
    }
}
