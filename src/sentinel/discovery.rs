//! What follows from another Sentinel's hello: its address, its epoch, its configuration.

use super::actions::Level;
use super::address::Address;
use super::explain::record;
use super::failover::{report_switch, run_reconfig_script};
use super::groups::{Primaries, add_peer, remove_peer, switch_address};
use super::instances::{Hello, Primary};
use super::links::ConnKind;
use super::shared::{Reporter, Shared};
use super::votes;

/// Takes a hello. One about an unknown primary, or of ourselves, is ignored.
pub(crate) fn hear(shared: &mut Shared, primaries: &mut Primaries, hello: &Hello) {
    if shared.is_me(&hello.run_id) {
        return;
    }
    // It leaves the map meanwhile, so that the others can be looked at.
    let Some(mut primary) = primaries.remove(&hello.name) else {
        return;
    };
    let is_known = meet(shared, &mut primary, primaries, hello);
    let reporter = Reporter::new(&primary, shared);
    votes::adopt_epoch(shared, &reporter, hello.current_epoch);
    if is_known && primary.config_epoch < hello.config_epoch {
        take_over(shared, &mut primary, hello);
    }
    if let Some(peer) = primary.peers.get_mut(&hello.run_id) {
        peer.heard_at = shared.now;
    }
    primaries.insert(hello.name.clone(), primary);
}

/// Makes sure that the sender is known by its address. False: its address cannot be used.
fn meet(shared: &mut Shared, primary: &mut Primary, others: &mut Primaries, hello: &Hello) -> bool {
    let run_id = &hello.run_id;
    let Some(address) = shared.address(&hello.host, hello.port) else {
        return primary.peers.contains_key(run_id);
    };
    let known = primary.peers.get(run_id);
    if known.is_some_and(|peer| peer.watch.address.is_same(&address)) {
        return true;
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
    add_peer(shared, primary, others, (address.clone(), run_id));
    if has_moved {
        move_everywhere(shared, primary, others, (run_id, &address));
    } else {
        let its = ("sentinel", run_id.as_slice(), &address);
        reporter.member(shared, Level::Notice, "+sentinel", its, "");
    }
    shared.out.persist();
    true
}

/// Another Sentinel is known at this address: it was replaced, and is forgotten everywhere.
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

/// A Sentinel has moved: the other primaries' groups learn of it, and its link begins anew.
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

/// The sender's configuration is newer than ours.
fn take_over(shared: &mut Shared, primary: &mut Primary, hello: &Hello) {
    let Some(to) = shared.address(&hello.primary_host, hello.primary_port) else {
        return;
    };
    primary.config_epoch = hello.config_epoch;
    let from = primary.node.watch.address.clone();
    if from.port == to.port && (from.is_same(&to) || shared.is_at(&from, &to.host)) {
        return;
    }
    let reporter = Reporter::new(primary, shared);
    if let Some(peer) = primary.peers.get(&hello.run_id) {
        let its = ("sentinel", hello.run_id.as_slice(), &peer.watch.address);
        reporter.member(shared, Level::Warning, "+config-update-from", its, "");
    }
    report_switch(shared, primary, &to);
    let its = (&to, hello.config_epoch);
    record::taken_over(shared, primary, &hello.run_id, its);
    switch_address(shared, primary, to.clone());
    run_reconfig_script(shared, primary, "observer", &from, &to);
}
