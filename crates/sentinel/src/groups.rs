//! Making and resetting the watched groups: primaries, replicas, other Sentinels, their links.
//!
//! A replica's name is its address as it was when it was added; none is added at the address of
//! another. A Sentinel that several groups know has one link, which counts them (`Links`). Each
//! instance that leaves a group gives back its link. A switch of the primary's address keeps the
//! old primary as a replica, and asks for a save.
//!
//! Cost: O(replicas) to add a replica, O(primaries) to add a Sentinel. Sentinels are found in
//! `discovery`, replicas in `refresh`; the file's text is `config`'s.

use super::address::Address;
use super::config::{KnownPeer, KnownPrimary, PrimarySettings, Setup};
use super::instances::{
    DataNode, FailoverKind, FailoverState, Peer, Primary, Reconf, Replica, Role, Watch,
};
use super::links::LinkId;
use super::shared::{Reporter, Shared};
use russet_host::Level;
use std::collections::BTreeMap;

/// All primaries, by name.
pub type Primaries = BTreeMap<Vec<u8>, Primary>;

/// A primary that is not connected yet.
pub(crate) fn new_primary(
    shared: &mut Shared,
    name: &[u8],
    address: Address,
    settings: PrimarySettings,
) -> Primary {
    let now = shared.now;
    let link = shared.links.add(true, now);
    let node = DataNode::new(Watch::new(address, link, now), Role::Primary, now);
    Primary::new(name.to_vec(), settings, node)
}

/// Adds a replica, unless the group has a replica at this address. Returns its name.
pub(crate) fn add_replica(
    shared: &mut Shared,
    primary: &mut Primary,
    address: Address,
) -> Option<Vec<u8>> {
    let name = address.with_port(shared.globals.announce_hostnames);
    let mut replicas = primary.replicas.values();
    // The replica may have another name: its host's name, from before the host was resolved.
    let is_known = replicas.any(|replica| replica.node.watch.address.is_same(&address));
    if is_known || primary.replicas.contains_key(&name) {
        return None;
    }
    let now = shared.now;
    let link = shared.links.add(true, now);
    let node = DataNode::new(Watch::new(address, link, now), Role::Replica, now);
    let reconf = Reconf::None;
    let replica = Replica { node, reconf };
    primary.replicas.insert(name.clone(), replica);
    Some(name)
}

/// Reports a replica that was added.
pub(crate) fn report_replica(shared: &mut Shared, primary: &Primary, name: &[u8]) {
    let reporter = Reporter::new(primary, shared);
    let address = primary.replicas[name].node.watch.address.clone();
    let its = ("slave", name, &address);
    reporter.member(shared, Level::Notice, "+slave", its, "");
}

/// The link to a Sentinel: the link in another primary's group, if the Sentinel is watched there,
/// too; otherwise the link over which it was asked for its run id, or a new link.
pub(crate) fn link_to_peer(
    shared: &mut Shared,
    others: &Primaries,
    run_id: &[u8],
    asked: &mut Option<LinkId>,
) -> LinkId {
    let known = others
        .values()
        .find_map(|primary| primary.peers.get(run_id));
    match known.map(|peer| peer.watch.link) {
        Some(link) => {
            shared.links.get_mut(link).owners += 1;
            link
        }
        None => match asked.take() {
            Some(link) => link,
            None => shared.links.add(false, shared.now),
        },
    }
}

/// Adds another Sentinel; the caller has removed a Sentinel with the same run id.
pub(crate) fn add_peer(
    shared: &mut Shared,
    primary: &mut Primary,
    others: &Primaries,
    (address, run_id): (Address, &[u8]),
    asked: &mut Option<LinkId>,
) {
    let link = link_to_peer(shared, others, run_id, asked);
    let peer = Peer::new(Watch::new(address, link, shared.now), shared.now);
    primary.peers.insert(run_id.to_vec(), peer);
}

pub(crate) fn remove_peer(shared: &mut Shared, primary: &mut Primary, run_id: &[u8]) -> bool {
    let Some(peer) = primary.peers.remove(run_id) else {
        return false;
    };
    shared.links.release(peer.watch.link, &mut shared.out);
    true
}

/// Closes all links of a primary that is no longer watched.
pub fn release(shared: &mut Shared, mut primary: Primary) {
    release_replicas(shared, &mut primary);
    release_peers(shared, &mut primary);
    shared
        .links
        .release(primary.node.watch.link, &mut shared.out);
}

fn release_replicas(shared: &mut Shared, primary: &mut Primary) {
    for replica in std::mem::take(&mut primary.replicas).into_values() {
        shared
            .links
            .release(replica.node.watch.link, &mut shared.out);
    }
    primary.failover.promoted = None;
}

fn release_peers(shared: &mut Shared, primary: &mut Primary) {
    for peer in std::mem::take(&mut primary.peers).into_values() {
        shared.links.release(peer.watch.link, &mut shared.out);
    }
}

/// Forgets a primary's replicas, state and failover; with `with_peers` also the other Sentinels.
/// The settings, epochs and vote epoch stay.
pub fn reset(shared: &mut Shared, primary: &mut Primary, with_peers: bool) {
    let now = shared.now;
    release_replicas(shared, primary);
    if with_peers {
        release_peers(shared, primary);
    }
    let link = primary.node.watch.link;
    shared.links.close_both(link, &mut shared.out);
    shared.links.get_mut(link).forget_health(now);
    let node = &mut primary.node;
    node.watch.is_down = false;
    node.watch.is_script_killed = false;
    (node.run_id, node.primary_host) = (None, None);
    (node.role, node.role_since) = (Role::Primary, now);
    primary.is_agreed_down = false;
    primary.reboot_since = None;
    primary.vote = None;
    primary.failover.state = FailoverState::None;
    primary.failover.kind = FailoverKind::Election;
    (primary.failover.started_at, primary.failover.changed_at) = (None, 0);
}

/// The primary is now at another address. The old address is watched as a replica, so that the old
/// primary is found when it comes back.
pub(crate) fn switch_address(shared: &mut Shared, primary: &mut Primary, to: Address) {
    let old = primary.node.watch.address.clone();
    let addresses = primary.replicas.values();
    let addresses = addresses.map(|replica| replica.node.watch.address.clone());
    let mut addresses: Vec<Address> = addresses.filter(|a| !a.is_same(&to)).collect();
    if !old.is_same(&to) {
        addresses.push(old);
    }
    reset(shared, primary, false);
    primary.history.failovers += 1;
    primary.node.watch.address = to;
    primary.node.watch.down_since = None;
    primary.agreed_down_since = None;
    for address in addresses {
        if let Some(name) = add_replica(shared, primary, address) {
            report_replica(shared, primary, &name);
        }
    }
    shared.out.persist();
}

/// The primaries of the file. Reports `+monitor` for each.
pub(crate) fn from_setup(shared: &mut Shared, setup: &Setup) -> Primaries {
    let mut primaries = Primaries::new();
    for known in &setup.primaries {
        if let Some(primary) = from_known(shared, &primaries, known) {
            report_monitored(shared, &primary);
            primaries.insert(known.name.clone(), primary);
        }
    }
    primaries
}

pub(crate) fn report_monitored(shared: &mut Shared, primary: &Primary) {
    let reporter = Reporter::new(primary, shared);
    let quorum = format!(" quorum {}", primary.settings.quorum);
    reporter.primary(shared, Level::Warning, "+monitor", quorum);
}

fn from_known(shared: &mut Shared, others: &Primaries, known: &KnownPrimary) -> Option<Primary> {
    let address = shared.address(&known.host, known.port)?;
    let mut primary = new_primary(shared, &known.name, address, known.settings.clone());
    primary.config_epoch = known.config_epoch;
    primary.vote_epoch = known.leader_epoch;
    for (host, port) in &known.replicas {
        if let Some(address) = shared.address(host, *port) {
            add_replica(shared, &mut primary, address);
        }
    }
    for KnownPeer { host, port, run_id } in &known.peers {
        if let Some(address) = shared.address(host, *port) {
            add_peer(shared, &mut primary, others, (address, run_id), &mut None);
        }
    }
    Some(primary)
}

/// The settings and the state to be saved. Between promotion and the end of a failover the promoted
/// replica is saved as the primary, and the old primary in its place.
pub fn setup(shared: &Shared, primaries: &Primaries) -> Setup {
    let by_name = shared.globals.announce_hostnames;
    let shown = |address: &Address| address.shown(by_name).to_vec();
    let known = |primary: &Primary| {
        let current = primary.current_address();
        let replicas = primary.replicas.values().map(|replica| {
            let address = &replica.node.watch.address;
            if address.is_same(current) {
                &primary.node.watch.address
            } else {
                address
            }
        });
        let replicas = replicas.map(|address| (shown(address), address.port));
        let peers = primary.peers.iter().map(|(run_id, peer)| KnownPeer {
            host: shown(&peer.watch.address),
            port: peer.watch.address.port,
            run_id: run_id.clone(),
        });
        KnownPrimary {
            name: primary.name.clone(),
            host: shown(current),
            port: current.port,
            settings: primary.settings.clone(),
            config_epoch: primary.config_epoch,
            leader_epoch: primary.vote_epoch,
            replicas: replicas.collect(),
            peers: peers.collect(),
        }
    };
    Setup {
        globals: shared.globals.clone(),
        my_id: Some(shared.my_id.clone()),
        current_epoch: shared.current_epoch,
        primaries: primaries.values().map(known).collect(),
    }
}
