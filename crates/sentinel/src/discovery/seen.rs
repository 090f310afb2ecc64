//! The primaries as metrics and health checks need them.

use super::super::core::Sentinel;
use super::super::failover::votes::Reach;
use super::super::instances::{DataNode, Peer, Primary};
use super::super::shared::Shared;
use super::super::time::Ms;

/// The status of a primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Up, as we see it.
    Ok,
    /// We see it as down.
    Sdown,
    /// Enough Sentinels do.
    Odown,
}

impl Status {
    /// The status as this Sentinel sees it now.
    pub(crate) fn of(primary: &Primary) -> Status {
        match (primary.is_agreed_down, primary.node.watch.is_down) {
            (true, _) => Status::Odown,
            (false, true) => Status::Sdown,
            (false, false) => Status::Ok,
        }
    }

    /// As INFO shows it.
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Sdown => "sdown",
            Status::Odown => "odown",
        }
    }
}

/// A primary, as it is seen now.
#[derive(Clone, Copy, Debug)]
pub struct PrimaryView<'s> {
    /// The name of SENTINEL MONITOR.
    pub name: &'s [u8],
    /// The address as clients get it.
    pub host: &'s [u8],
    /// The port as clients get it.
    pub port: u16,
    /// Whether it is down.
    pub status: Status,
    /// All known Sentinels, ourselves included.
    pub sentinels: usize,
    /// Sentinels that are connected and have sent a hello within five periods, ourselves included.
    pub sentinels_usable: usize,
    /// All known replicas, in whatever state.
    pub replicas: usize,
    /// Replicas that are connected, not down, and have a link to their primary.
    pub replicas_usable: usize,
    /// The result of SENTINEL CKQUORUM.
    pub reach: Reach,
    /// Sentinels that must agree that it is down.
    pub quorum: usize,
    /// `down-after-milliseconds`: silence after which we see it as down.
    pub down_after_ms: Ms,
    /// `failover-timeout`, milliseconds.
    pub failover_timeout_ms: Ms,
    /// `parallel-syncs`: replicas that follow a new primary at the same time.
    pub parallel_syncs: i64,
    /// The epoch of the failover that made it the primary; 0: none did.
    pub config_epoch: u64,
    /// This Sentinel is carrying out a failover of it.
    pub is_in_failover: bool,
    /// How many times it has changed its address by a failover since this process began.
    pub failovers: u64,
    /// The age of its last valid reply to PING.
    pub last_ok_ping_ms: Ms,
}

fn is_usable_peer(shared: &Shared, peer: &Peer) -> bool {
    let patience = shared.periods.publish * 5;
    let is_received = shared.now - peer.received_at <= patience;
    is_received && shared.reaches(&peer.watch)
}

fn is_usable_replica(shared: &Shared, node: &DataNode) -> bool {
    node.is_link_up && shared.reaches(&node.watch)
}

fn seen<'s>(shared: &'s Shared, primary: &'s Primary) -> PrimaryView<'s> {
    let address = primary.current_address();
    let peers = primary.peers.values();
    let peers = peers.filter(|peer| is_usable_peer(shared, peer));
    let replicas = primary.replicas.values();
    let replicas = replicas.filter(|replica| is_usable_replica(shared, &replica.node));
    let link = shared.links.get(primary.node.watch.link);
    PrimaryView {
        name: &primary.name,
        host: address.shown(shared.globals.announce_hostnames),
        port: address.port,
        status: Status::of(primary),
        sentinels: primary.peers.len() + 1,
        sentinels_usable: peers.count() + 1,
        replicas: primary.replicas.len(),
        replicas_usable: replicas.count(),
        reach: Reach::of(primary),
        quorum: primary.settings.quorum,
        down_after_ms: primary.settings.down_after_ms,
        failover_timeout_ms: primary.settings.failover_timeout_ms,
        parallel_syncs: primary.settings.parallel_syncs,
        config_epoch: primary.config_epoch,
        is_in_failover: primary.failover.is_running(),
        failovers: primary.history.failovers,
        last_ok_ping_ms: shared.now - link.available_at,
    }
}

impl Sentinel {
    /// All primaries, by name. O(instances), no allocation.
    pub fn primaries_seen(&self) -> impl Iterator<Item = PrimaryView<'_>> {
        let primaries = self.primaries.values();
        primaries.map(|primary| seen(&self.shared, primary))
    }
}
