//! A data node's INFO and its consequences: new replicas, a promotion, the repair of roles and
//! primaries that differ from the configuration.
//!
//! A node that differs is put back only after some time, in which a newer configuration would have
//! arrived, and only while the primary is fine. In TILT INFO is recorded and new replicas are
//! added, but no replica's role has consequences.

use super::explain::record;
use super::failover::orders;
use super::failover::{crash, enter, report_replica, run_reconfig_script};
use super::groups::{self, add_replica};
use super::instances::{FailoverKind, FailoverSeen, FailoverState, Primary, Reconf, Report, Role};
use super::links::Member;
use super::monitor::publish_soon;
use super::shared::{Reporter, Shared, SimulatedFailures};
use super::time::Ms;
use russet_host::Level;

/// Takes over an INFO.
pub fn refresh(shared: &mut Shared, primary: &mut Primary, member: &Member, info: Vec<u8>) {
    let report = Report::read(&info);
    match member {
        Member::Primary => refresh_primary(shared, primary, &report, info),
        Member::Replica(name) => refresh_replica(shared, primary, name, &report, info),
        Member::Peer(_) => {}
    }
}

fn role_change(role: Role, expected: Role) -> (&'static str, &'static str) {
    let channel = if role == expected {
        "+role-change"
    } else {
        "-role-change"
    };
    let text = match role {
        Role::Primary => " new reported role is master",
        _ => " new reported role is slave",
    };
    (channel, text)
}

fn refresh_primary(shared: &mut Shared, primary: &mut Primary, report: &Report, info: Vec<u8>) {
    let changed = primary.node.take(report, info, shared.now);
    let reporter = Reporter::new(primary, shared);
    if changed.run_id {
        reporter.primary(shared, Level::Notice, "+reboot", "");
        if primary.settings.reboot_down_after_ms != 0 {
            primary.reboot_since = Some(shared.now);
        }
    }
    for (host, port) in &report.replicas {
        let Some(address) = shared.address(host, *port) else {
            continue;
        };
        if let Some(name) = add_replica(shared, primary, address) {
            groups::report_replica(shared, primary, &name);
            shared.out.persist();
        }
    }
    if changed.role {
        let (channel, text) = role_change(report.role, Role::Primary);
        reporter.primary(shared, Level::Verbose, channel, text);
    }
}

fn refresh_replica(
    shared: &mut Shared,
    primary: &mut Primary,
    name: &[u8],
    report: &Report,
    info: Vec<u8>,
) {
    let reporter = Reporter::new(primary, shared);
    let Some(replica) = primary.replicas.get_mut(name) else {
        return;
    };
    let changed = replica.node.take(report, info, shared.now);
    let address = replica.node.watch.address.clone();
    let its = ("slave", name, &address);
    if changed.run_id {
        reporter.member(shared, Level::Notice, "+reboot", its, "");
    }
    if changed.role {
        let (channel, text) = role_change(report.role, Role::Replica);
        reporter.member(shared, Level::Verbose, channel, its, text);
    }
    if shared.tilt.since.is_some() {
        return;
    }
    match report.role {
        Role::Primary => found_as_primary(shared, primary, name),
        Role::Replica => {
            put_back_if_stuck(shared, primary, name);
            put_back_if_elsewhere(shared, primary, name);
            follow_reconf(shared, primary, name);
        }
        Role::Unknown => {}
    }
}

/// Whether the primary can be trusted to be the right primary.
fn is_sane(shared: &Shared, primary: &Primary) -> bool {
    let node = &primary.node;
    let age_max = shared.periods.info * 2;
    node.role == Role::Primary
        && !node.watch.is_down
        && !primary.is_agreed_down
        && node.info_at.is_some_and(|at| shared.now - at < age_max)
}

/// Makes a replica follow the primary again, if it has differed for this long.
fn put_back(
    shared: &mut Shared,
    primary: &Primary,
    (name, since): (&[u8], Ms),
    patience: Ms,
    channel: &'static str,
) {
    let node = &primary.replicas[name].node;
    let now = shared.now;
    if !is_sane(shared, primary) || !node.is_up_for(patience, now) || now - since <= patience {
        return;
    }
    let address = &primary.node.watch.address;
    if orders::send_replica_of(shared, node, &primary.settings, Some(address)) {
        report_replica(shared, primary, name, Level::Notice, channel);
    }
}

/// Handles a replica that reports to be a primary: the promoted replica is confirmed, any other put
/// back.
fn found_as_primary(shared: &mut Shared, primary: &mut Primary, name: &[u8]) {
    if !primary.is_promoted(name) {
        let since = primary.replicas[name].node.role_since;
        let patience = shared.periods.publish * 4;
        put_back(
            shared,
            primary,
            (name, since),
            patience,
            "+convert-to-slave",
        );
        return;
    }
    if primary.failover.state != FailoverState::WaitPromotion {
        return;
    }
    // The new configuration is a fact: it gets the epoch in which we were elected, which makes the
    // other Sentinels take it over.
    primary.config_epoch = primary.failover.epoch;
    record::promoted(shared, primary);
    enter(shared, primary, FailoverState::ReconfReplicas);
    shared.out.persist();
    report_replica(shared, primary, name, Level::Warning, "+promoted-slave");
    if shared
        .simulated
        .contains(SimulatedFailures::CRASH_AFTER_PROMOTION)
    {
        crash(shared);
    }
    let promoted = &primary.replicas[name].node;
    if primary.failover.kind == FailoverKind::Coordinated {
        orders::kill_clients(shared, &primary.node, &primary.settings);
        orders::kill_clients(shared, promoted, &primary.settings);
    }
    let reporter = Reporter::new(primary, shared);
    let channel = "+failover-state-reconf-slaves";
    reporter.primary(shared, Level::Warning, channel, "");
    let (from, to) = (&primary.node.watch.address, &promoted.watch.address);
    run_reconfig_script(shared, primary, "leader", from, to);
    publish_soon(shared, primary);
}

/// Puts back a replica whose own failover does not end.
fn put_back_if_stuck(shared: &mut Shared, primary: &Primary, name: &[u8]) {
    let node = &primary.replicas[name].node;
    if node.failover == FailoverSeen::Yes {
        let its = (name, node.failover_since);
        let patience = primary.settings.failover_timeout_ms;
        put_back(shared, primary, its, patience, "+fix-slave-config");
    }
}

/// Puts back a replica that follows another primary.
fn put_back_if_elsewhere(shared: &mut Shared, primary: &Primary, name: &[u8]) {
    let node = &primary.replicas[name].node;
    let address = &primary.node.watch.address;
    let host = node.primary_host.as_deref().unwrap_or_default();
    if node.primary_port != address.port || !shared.is_at(address, host) {
        let its = (name, node.primary_since);
        let patience = primary.settings.failover_timeout_ms;
        put_back(shared, primary, its, patience, "+fix-slave-config");
    }
}

/// Follows a replica that was ordered to the new primary: first it names it, then its link is up.
fn follow_reconf(shared: &mut Shared, primary: &mut Primary, name: &[u8]) {
    let to = primary
        .promoted()
        .map(|promoted| promoted.node.watch.address.clone());
    let replica = primary
        .replicas
        .get_mut(name)
        .expect("looked up by the caller");
    let names_it = to.is_some_and(|to| {
        let host = replica.node.primary_host.as_deref().unwrap_or_default();
        replica.node.primary_port == to.port && shared.is_at(&to, host)
    });
    let is_link_up = replica.node.is_link_up;
    if matches!(replica.reconf, Reconf::Sent(_)) && names_it {
        replica.reconf = Reconf::InProgress;
        let channel = "+slave-reconf-inprog";
        report_replica(shared, primary, name, Level::Notice, channel);
        record::reconf(shared, primary, name, "names the new primary");
    }
    let replica = primary
        .replicas
        .get_mut(name)
        .expect("looked up by the caller");
    if replica.reconf == Reconf::InProgress && is_link_up {
        replica.reconf = Reconf::Done;
        let channel = "+slave-reconf-done";
        report_replica(shared, primary, name, Level::Notice, channel);
        let text = "follows the new primary, its link is up";
        record::reconf(shared, primary, name, text);
    }
}
