//! Whether instances are down: in our view (SDOWN), and in that of enough Sentinels (ODOWN).

use super::config::PrimarySettings;
use super::explain::record;
use super::instances::{Primary, Role, Watch};
use super::links::{ConnKind, LinkConnection};
use super::shared::{Reporter, Shared};
use super::time::Ms;
use russet_host::Level;

/// Looks at all instances of a primary's group.
pub fn check(shared: &mut Shared, primary: &mut Primary) {
    check_group(shared, primary);
    check_agreed(shared, primary);
}

fn check_group(shared: &mut Shared, primary: &mut Primary) {
    let reporter = Reporter::new(primary, shared);
    let is_unfit = is_unfit(shared, primary);
    let Primary {
        settings,
        node,
        replicas,
        peers,
        ..
    } = primary;
    let changed = check_one(shared, &mut node.watch, settings, is_unfit);
    if let Some(channel) = changed {
        reporter.primary(shared, Level::Warning, channel, "");
    }
    for (name, replica) in replicas {
        let watch = &mut replica.node.watch;
        if let Some(channel) = check_one(shared, watch, settings, false) {
            let its = ("slave", name.as_slice(), &watch.address);
            reporter.member(shared, Level::Warning, channel, its, "");
        }
    }
    for (run_id, peer) in peers {
        let watch = &mut peer.watch;
        if let Some(channel) = check_one(shared, watch, settings, false) {
            let its = ("sentinel", run_id.as_slice(), &watch.address);
            reporter.member(shared, Level::Warning, channel, its, "");
        }
    }
    match changed {
        Some("+sdown") => record::down(shared, primary, is_unfit),
        Some(_) => record::up(shared, primary),
        None => {}
    }
}

/// Whether it answers but is no primary: for too long it has reported that it is a replica, or has
/// been rebooting.
fn is_unfit(shared: &Shared, primary: &Primary) -> bool {
    let (now, settings) = (shared.now, &primary.settings);
    let patience = settings.down_after_ms + 2 * shared.periods.info;
    let node = &primary.node;
    let is_replica = node.role == Role::Replica && now - node.role_since > patience;
    let reboot_max = settings.reboot_down_after_ms;
    let reboots = primary.reboot_since.is_some_and(|at| now - at > reboot_max);
    is_replica || reboots
}

/// Closes connections that look dead, and records whether the instance is down; returns the event.
fn check_one(
    shared: &mut Shared,
    watch: &mut Watch,
    settings: &PrimarySettings,
    is_unfit: bool,
) -> Option<&'static str> {
    let now = shared.now;
    let link = shared.links.get(watch.link);
    let silent_ms = match link.pinged_since {
        Some(since) => now - since,
        None if !link.is_up() => now - link.available_at,
        None => 0,
    };
    close_stale(shared, watch, settings.down_after_ms);
    if silent_ms > settings.down_after_ms || is_unfit {
        if watch.is_down {
            return None;
        }
        (watch.is_down, watch.down_since) = (true, Some(now));
        Some("+sdown")
    } else if watch.is_down {
        (watch.is_down, watch.is_script_killed) = (false, false);
        Some("-sdown")
    } else {
        None
    }
}

/// A connection that has been there for a while, with a PING unanswered for half of the time after
/// which the instance is down, or without any message of the channel, is begun anew.
fn close_stale(shared: &mut Shared, watch: &Watch, down_after_ms: Ms) {
    let (now, periods) = (shared.now, &shared.periods);
    let link = shared.links.get(watch.link);
    let is_old = |conn: &LinkConnection| now - conn.since > periods.link_reconnect_min;
    let late = |since: Ms| now - since > down_after_ms / 2;
    let no_pong = link.pinged_since.is_some_and(late) && late(link.pong_at);
    let no_hello = now - link.received_at > periods.publish * 3;
    let is_stale = |conn: &Option<LinkConnection>, sign| sign && conn.as_ref().is_some_and(is_old);
    let commands = is_stale(&link.commands, no_pong);
    let subscription = is_stale(&link.subscription, no_hello);
    let (links, out) = (&mut shared.links, &mut shared.out);
    if commands {
        links.close(watch.link, ConnKind::Commands, out);
    }
    if subscription {
        links.close(watch.link, ConnKind::Subscription, out);
    }
}

/// Records whether enough Sentinels see the primary as down. This is no vote: their answers may be
/// some seconds old.
fn check_agreed(shared: &mut Shared, primary: &mut Primary) {
    let quorum = primary.settings.quorum;
    let others = primary.peers.values().filter(|peer| peer.says_down).count();
    let is_down = primary.node.watch.is_down && others + 1 >= quorum;
    if is_down == primary.is_agreed_down {
        return;
    }
    primary.is_agreed_down = is_down;
    let reporter = Reporter::new(primary, shared);
    if is_down {
        primary.agreed_down_since = Some(shared.now);
        let votes = format!(" #quorum {}/{quorum}", others + 1);
        reporter.primary(shared, Level::Warning, "+odown", votes);
    } else {
        reporter.primary(shared, Level::Warning, "-odown", "");
    }
    record::agreed(shared, primary);
}
