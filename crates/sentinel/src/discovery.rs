//! Hellos of other Sentinels: their addresses, their epochs, their configurations.
//!
//! A hello of an unknown Sentinel, or of a known Sentinel at a new address, makes a candidate that
//! must answer there first (`strangers`). A known Sentinel's newer epoch or configuration is taken
//! over at most at the rate of `Strangers::changes`. A new Sentinel at the address of another
//! replaces it, in all groups; a primary has at most `PEERS_MAX` others.
//!
//! Cost: O(primaries) for a hello of a known Sentinel, and no save at once (`persist_soon`), unless
//! the primary's address changes. Epochs are adopted in `votes`, addresses are switched in
//! `groups`.

pub(super) mod figures;
pub(super) mod seen;
pub(super) mod strangers;

use super::address::Address;
use super::explain::record;
use super::failover::{report_switch, run_reconfig_script};
use super::groups::{Primaries, add_peer, remove_peer, switch_address};
use super::instances::{Hello, Primary};
use super::links::{ConnKind, LinkId, Member, Target};
use super::shared::{Reporter, Shared};
use super::{failover::votes, monitor};
use russet_base::text::Printable;
use russet_host::Level;
use strangers::{Candidate, PEERS_MAX};

/// Takes a hello. One about an unknown primary, of ourselves, or with an epoch that no Sentinel can
/// have is ignored. The sender of such a hello is asked for its run id if it is not known
/// (`strangers`).
pub fn receive_hello(shared: &mut Shared, primaries: &mut Primaries, hello: &Hello) {
    if shared.is_me(&hello.run_id) || !primaries.contains_key(&hello.name) {
        return;
    }
    let epoch = hello.current_epoch.max(hello.config_epoch);
    if !strangers::is_plausible(shared, epoch) {
        return strangers::note(shared, || {
            let (run_id, host) = (Printable(&hello.run_id), Printable(&hello.host));
            let port = hello.port;
            format!("Ignored a hello with the epoch {epoch}, of {run_id} at {host} port {port}")
        });
    }
    let address = Address::new(&hello.host, hello.port, &shared.names);
    let is_there = |primary: &Primary| {
        let peer = primary.peers.get(&hello.run_id);
        peer.is_some_and(|peer| peer.watch.address.is_same(&address))
    };
    if primaries.values().any(is_there) {
        return take(shared, primaries, hello, &mut None);
    }
    strangers::name(shared, hello);
    let Some(mut primary) = primaries.remove(&hello.name) else {
        return;
    };
    // The Sentinel may have moved: its new address is taken over when it answers there.
    if primary.peers.contains_key(&hello.run_id) {
        learn(shared, &mut primary, hello);
    }
    primaries.insert(hello.name.clone(), primary);
}

/// Takes the hellos of a candidate that has answered.
pub(crate) fn believe(shared: &mut Shared, primaries: &mut Primaries, candidate: Candidate) {
    let mut link = Some(candidate.link);
    for hello in candidate.hellos.values() {
        take(shared, primaries, hello, &mut link);
    }
    if let Some(link) = link {
        shared.links.release(link, &mut shared.out);
    }
}

/// Takes the hello of a Sentinel that is known to exist. `asked`: the link over which it has
/// answered.
fn take(shared: &mut Shared, primaries: &mut Primaries, hello: &Hello, asked: &mut Option<LinkId>) {
    // It leaves the map meanwhile, so that the others can be borrowed.
    let Some(mut primary) = primaries.remove(&hello.name) else {
        return;
    };
    if meet(shared, &mut primary, primaries, (hello, asked)) {
        learn(shared, &mut primary, hello);
    }
    primaries.insert(hello.name.clone(), primary);
}

/// Takes over the epoch and the configuration of a known Sentinel's hello.
fn learn(shared: &mut Shared, primary: &mut Primary, hello: &Hello) {
    primary.calm_until = 0;
    // A configuration's epoch was a current epoch.
    let epoch = hello.current_epoch.max(hello.config_epoch);
    let is_newer = primary.config_epoch < hello.config_epoch;
    let now = shared.now;
    if (epoch > shared.current_epoch || is_newer) && shared.strangers.changes.take(now) {
        let reporter = Reporter::new(primary, shared);
        votes::receive_epoch(shared, &reporter, epoch);
        if is_newer {
            take_over(shared, primary, hello);
        }
    }
    if let Some(peer) = primary.peers.get_mut(&hello.run_id) {
        peer.received_at = shared.now;
    }
}

/// Makes sure that the sender is known by its address. False: the address cannot be used, or there
/// are too many Sentinels.
fn meet(
    shared: &mut Shared,
    primary: &mut Primary,
    others: &mut Primaries,
    (hello, asked): (&Hello, &mut Option<LinkId>),
) -> bool {
    let run_id = &hello.run_id;
    let Some(address) = shared.address(&hello.host, hello.port) else {
        return primary.peers.contains_key(run_id);
    };
    let known = primary.peers.get(run_id);
    if known.is_some_and(|peer| peer.watch.address.is_same(&address)) {
        return true;
    }
    if known.is_none() && primary.peers.len() >= PEERS_MAX {
        strangers::note(shared, || {
            let name = Printable(&primary.name);
            format!("{name} has {PEERS_MAX} Sentinels already: another one is ignored")
        });
        return false;
    }
    let has_moved = remove_peer(shared, primary, run_id);
    let reporter = Reporter::new(primary, shared);
    if has_moved {
        let port = hello.port.to_string();
        let words: [&[u8]; 6] = [
            b" ip",
            &hello.host,
            b"port",
            port.as_bytes(),
            b"for",
            run_id,
        ];
        let text = words.join(&b' ');
        reporter.primary(shared, Level::Notice, "+sentinel-address-switch", text);
    } else {
        evict_from(shared, primary, others, &address);
    }
    let is_asked = asked.is_some();
    add_peer(shared, primary, others, (address.clone(), run_id), asked);
    if is_asked && asked.is_none() {
        ping_peer(shared, primary, run_id);
    }
    if has_moved {
        move_everywhere(shared, primary, others, (run_id, &address));
    } else {
        let its = ("sentinel", run_id.as_slice(), &address);
        reporter.member(shared, Level::Notice, "+sentinel", its, "");
    }
    shared.out.persist_soon();
    true
}

/// Sends the first PING on an existing link.
fn ping_peer(shared: &mut Shared, primary: &Primary, run_id: &[u8]) {
    let target = Target {
        primary: primary.name.clone(),
        member: Member::Peer(run_id.to_vec()),
    };
    let link = primary.peers[run_id].watch.link;
    monitor::ping(shared, link, &primary.settings, &target);
}

/// Forgets, in all groups, another Sentinel that is known at this address: it was replaced.
fn evict_from(
    shared: &mut Shared,
    primary: &mut Primary,
    others: &mut Primaries,
    address: &Address,
) {
    let mut peers = primary.peers.iter();
    let Some((old, peer)) = peers.find(|(_, peer)| peer.watch.address.is_same(address)) else {
        return;
    };
    let (old, its_address) = (old.clone(), peer.watch.address.clone());
    let reporter = Reporter::new(primary, shared);
    let its = ("sentinel", old.as_slice(), &its_address);
    reporter.member(shared, Level::Notice, "+sentinel-invalid-addr", its, "");
    remove_peer(shared, primary, &old);
    for other in others.values_mut() {
        remove_peer(shared, other, &old);
    }
}

/// Moves a Sentinel to its new address in the groups of the other primaries, and begins the link
/// again.
fn move_everywhere(
    shared: &mut Shared,
    primary: &Primary,
    others: &mut Primaries,
    (run_id, address): (&[u8], &Address),
) {
    let link = primary.peers[run_id].watch.link;
    let (links, out) = (&mut shared.links, &mut shared.out);
    links.close(link, ConnKind::Commands, out);
    let mut moved = 0;
    for peer in others
        .values_mut()
        .filter_map(|other| other.peers.get_mut(run_id))
    {
        peer.watch.address = address.clone();
        moved += 1;
    }
    if moved > 0 {
        let reporter = Reporter::new(primary, shared);
        let its = ("sentinel", run_id, address);
        let text = format!(" {moved} additional matching instances");
        reporter.member(shared, Level::Notice, "+sentinel-address-update", its, text);
    }
}

/// Takes over the sender's configuration, which is newer than ours. A failover of ours that has
/// promoted another replica ends: two primaries with one epoch would be kept for good.
fn take_over(shared: &mut Shared, primary: &mut Primary, hello: &Hello) {
    let Some(to) = shared.address(&hello.primary_host, hello.primary_port) else {
        return;
    };
    primary.config_epoch = hello.config_epoch;
    let from = primary.current_address().clone();
    if from.port == to.port && (from.is_same(&to) || shared.is_at(&from, &to.host)) {
        return;
    }
    let reporter = Reporter::new(primary, shared);
    if let Some(peer) = primary.peers.get(&hello.run_id) {
        let its = ("sentinel", hello.run_id.as_slice(), &peer.watch.address);
        reporter.member(shared, Level::Warning, "+config-update-from", its, "");
    }
    report_switch(shared, primary, (&from, &to));
    let its = (&to, hello.config_epoch);
    record::taken_over(shared, primary, &hello.run_id, its);
    switch_address(shared, primary, to.clone());
    run_reconfig_script(shared, primary, "observer", &from, &to);
}
