//! The failover of a primary, state by state.
//!
//!     WaitStart -> SelectReplica -> SendReplicaofNoOne -> WaitPromotion
//!               -> ReconfReplicas -> UpdateConfig
//!
//! Up to WaitPromotion it may be aborted. INFO of the promoted replica ends that state (`refresh`):
//! from then on the new configuration is a fact, has its epoch, and is announced by hellos. The
//! election is `votes`'s, the choice of a replica `select`'s, the orders to nodes are `orders`'s.

pub(super) mod orders;
pub(super) mod select;
pub(super) mod votes;

use super::actions::Order;
use super::address::Address;
use super::explain::{Obstacle, record};
use super::groups::switch_address;
use super::instances::{Failover, FailoverKind, FailoverState, Peer, Primary, Reconf, Replica};
use super::links::{Member, Target};
use super::monitor;
use super::shared::{DESYNC_MAX_MS, Reporter, Shared, SimulatedFailures, object};
use super::time::Ms;
use russet_host::Level;
use select::select;

/// The least time left of a coordinated failover for which the order is sent.
const HAND_OVER_MS_MIN: Ms = 1000;

/// Begins an attempt in a new epoch.
pub fn start(shared: &mut Shared, primary: &mut Primary, kind: FailoverKind) {
    shared.current_epoch = shared.current_epoch.saturating_add(1);
    shared.out.persist();
    let delay = shared.random.below(DESYNC_MAX_MS);
    let failover = &mut primary.failover;
    failover.kind = kind;
    failover.epoch = shared.current_epoch;
    failover.started_at = Some(shared.now + delay);
    failover.enter(FailoverState::WaitStart, shared.now);
    let reporter = Reporter::new(primary, shared);
    let epoch = shared.current_epoch.to_string();
    reporter.plain(shared, Level::Warning, "+new-epoch", epoch);
    reporter.primary(shared, Level::Warning, "+try-failover", "");
    record::started(shared, primary);
}

/// Begins an attempt if the primary is down by agreement, and the last attempt is long ago.
fn start_if_needed(shared: &mut Shared, primary: &mut Primary) -> bool {
    // An epoch that cannot be saved might be used again after a crash, for another configuration.
    let cannot_save = shared.out.has_failed();
    if !primary.is_agreed_down || primary.failover.is_running() {
        return false;
    }
    if cannot_save {
        record::obstacle(shared, primary, Obstacle::Unsaved);
        return false;
    }
    let wait = primary.settings.failover_timeout_ms * 2;
    if let Some(started) = primary.failover.started_at
        && shared.now - started < wait
    {
        if primary.failover.delay_logged != Some(started) {
            primary.failover.delay_logged = Some(started);
            let left = (started + wait - shared.now) / 1000;
            let text = format!("Next failover delay: I will not start a failover within {left} s");
            shared.log(Level::Notice, text);
        }
        record::obstacle(shared, primary, Obstacle::Delay(started + wait));
        return false;
    }
    if let Some(since) = primary.agreed_down_since
        && shared.now - since < turn_ms(shared, primary)
    {
        return false;
    }
    start(shared, primary, FailoverKind::Election);
    true
}

/// The time between the beginnings of two Sentinels that see a primary as down at the same moment.
const TURN_MS: Ms = 100;
/// Sentinels after this place in the order wait no longer than it.
const TURNS_MAX: usize = 5;

/// How long to leave the start to others: connected Sentinels start in the order of their run ids,
/// so that votes are not split.
fn turn_ms(shared: &Shared, primary: &Primary) -> Ms {
    let is_before =
        |(run_id, peer): &(&Vec<u8>, &Peer)| shared.reaches(&peer.watch) && **run_id < shared.my_id;
    let before = primary.peers.iter().filter(is_before).count();
    before.min(TURNS_MAX) as Ms * TURN_MS
}

/// A step of the failover, or its start.
pub fn step(shared: &mut Shared, primary: &mut Primary) {
    if start_if_needed(shared, primary) {
        votes::ask(shared, primary, true);
    }
    loop {
        let before = primary.failover.state;
        step_once(shared, primary);
        if primary.failover.state <= before {
            break;
        }
    }
    votes::ask(shared, primary, false);
}

fn step_once(shared: &mut Shared, primary: &mut Primary) {
    match primary.failover.state {
        FailoverState::None | FailoverState::UpdateConfig => {}
        FailoverState::WaitStart => wait_start(shared, primary),
        FailoverState::SelectReplica => select_replica(shared, primary),
        FailoverState::SendReplicaofNoOne => match primary.failover.kind {
            FailoverKind::Coordinated => send_failover(shared, primary),
            _ => send_replicaof_no_one(shared, primary),
        },
        FailoverState::WaitPromotion => {
            if shared.now - primary.failover.changed_at > primary.settings.failover_timeout_ms {
                let why = "the chosen replica did not report role:master within failover-timeout";
                abort(shared, primary, "-failover-abort-slave-timeout", why);
            }
        }
        FailoverState::ReconfReplicas => {
            reconf_replicas(shared, primary);
            detect_end(shared, primary);
        }
    }
}

/// Gives the failover up; `why` is for SENTINEL EXPLAIN.
fn abort(shared: &mut Shared, primary: &mut Primary, channel: &'static str, why: &str) {
    let reporter = Reporter::new(primary, shared);
    reporter.primary(shared, Level::Warning, channel, "");
    record::aborted(shared, primary, why);
    let failover = &mut primary.failover;
    assert!(failover.state <= FailoverState::WaitPromotion);
    failover.enter(FailoverState::None, shared.now);
    failover.kind = FailoverKind::Election;
    failover.promoted = None;
}

fn wait_start(shared: &mut Shared, primary: &mut Primary) {
    let leader = votes::leader(shared, primary, primary.failover.epoch);
    // A leader's own vote and epoch must be in the file, too.
    let is_mine = |leader: &Vec<u8>| shared.is_me(leader);
    let is_leader = leader.as_ref().is_some_and(is_mine) && shared.out.is_saved();
    if !is_leader && primary.failover.kind != FailoverKind::Forced {
        let timeout = primary.settings.failover_timeout_ms;
        let timeout = timeout.min(shared.periods.election_timeout);
        let started = primary.failover.started_at;
        if started.is_none_or(|at| shared.now - at > timeout) {
            let why = record::not_elected(shared, primary, leader.as_deref());
            abort(shared, primary, "-failover-abort-not-elected", &why);
        }
        return;
    }
    let reporter = Reporter::new(primary, shared);
    reporter.primary(shared, Level::Warning, "+elected-leader", "");
    record::elected(shared, primary);
    if shared
        .simulated
        .contains(SimulatedFailures::CRASH_AFTER_ELECTION)
    {
        crash(shared);
    }
    enter(shared, primary, FailoverState::SelectReplica);
    reporter.primary(shared, Level::Warning, "+failover-state-select-slave", "");
}

/// Enters a state, with a line in the history.
pub fn enter(shared: &Shared, primary: &mut Primary, state: FailoverState) {
    record::state(shared, primary, state);
    primary.failover.enter(state, shared.now);
}

/// SENTINEL SIMULATE-FAILURE: the process ends here.
pub fn crash(shared: &mut Shared) {
    let text = "Sentinel CRASH because of SENTINEL simulate-failure".to_owned();
    shared.log(Level::Warning, text);
    shared.out.push(Order::Exit(99));
}

/// Reports an event of the promoted replica.
fn report_promoted(shared: &mut Shared, primary: &Primary, level: Level, channel: &'static str) {
    let name = primary.failover.promoted.clone().unwrap_or_default();
    report_replica(shared, primary, &name, level, channel);
}

/// Reports an event of a replica.
pub(crate) fn report_replica(
    shared: &mut Shared,
    primary: &Primary,
    name: &[u8],
    level: Level,
    channel: &'static str,
) {
    let reporter = Reporter::new(primary, shared);
    if let Some(replica) = primary.replicas.get(name) {
        let its = ("slave", name, &replica.node.watch.address);
        reporter.member(shared, level, channel, its, "");
    }
}

/// How long a failover waits for replicas' INFO from after the end of their primary.
const FRESH_INFO_MS_MAX: Ms = 1000;

/// Whether a connected replica has yet to report its offset since the primary went down.
fn awaits_info(shared: &Shared, primary: &Primary) -> bool {
    let Some(since) = primary.node.watch.down_since else {
        return false;
    };
    let is_late = shared.now - primary.failover.changed_at >= FRESH_INFO_MS_MAX;
    let is_old = |replica: &Replica| {
        let node = &replica.node;
        shared.reaches(&node.watch) && node.info_at.is_none_or(|at| at < since)
    };
    primary.node.watch.is_down && !is_late && primary.replicas.values().any(is_old)
}

fn select_replica(shared: &mut Shared, primary: &mut Primary) {
    if awaits_info(shared, primary) {
        return;
    }
    record::choice(shared, primary);
    let Some(best) = select(shared, primary) else {
        let why = "no replica can be promoted";
        return abort(shared, primary, "-failover-abort-no-good-slave", why);
    };
    primary.failover.promoted = Some(best);
    report_promoted(shared, primary, Level::Warning, "+selected-slave");
    enter(shared, primary, FailoverState::SendReplicaofNoOne);
    let channel = "+failover-state-send-slaveof-noone";
    report_promoted(shared, primary, Level::Notice, channel);
}

fn send_replicaof_no_one(shared: &mut Shared, primary: &mut Primary) {
    let is_sent = primary.promoted().is_some_and(|replica| {
        let is_up = shared.links.get(replica.node.watch.link).is_up();
        is_up && orders::send_replica_of(shared, &replica.node, &primary.settings, None)
    });
    let waited = shared.now - primary.failover.changed_at;
    if is_sent {
        let channel = "+failover-state-wait-promotion";
        report_promoted(shared, primary, Level::Notice, channel);
        enter(shared, primary, FailoverState::WaitPromotion);
        ask_promoted(shared, primary);
    } else if waited > primary.settings.failover_timeout_ms {
        let why = "the chosen replica could not be reached within failover-timeout";
        abort(shared, primary, "-failover-abort-slave-timeout", why);
    }
}

/// Asks the promoted replica for INFO right after its order.
fn ask_promoted(shared: &mut Shared, primary: &Primary) {
    if let (Some(name), Some(replica)) = (&primary.failover.promoted, primary.promoted()) {
        let target = Target {
            primary: primary.name.clone(),
            member: Member::Replica(name.clone()),
        };
        let link = replica.node.watch.link;
        monitor::ask_info(shared, link, &primary.settings, target);
    }
}

fn send_failover(shared: &mut Shared, primary: &mut Primary) {
    let waited = shared.now - primary.failover.changed_at;
    let left = primary.settings.failover_timeout_ms - waited;
    if left < HAND_OVER_MS_MIN {
        let why = "the primary could not be asked to hand over within failover-timeout";
        return abort(shared, primary, "-failover-abort-master-timeout", why);
    }
    let is_sent = primary.promoted().is_some_and(|replica| {
        let to = &replica.node.watch.address;
        let is_up = shared.links.get(primary.node.watch.link).is_up();
        is_up && orders::send_failover(shared, &primary.node, &primary.settings, to, left)
    });
    if is_sent {
        let channel = "+failover-state-wait-promotion";
        report_promoted(shared, primary, Level::Notice, channel);
        enter(shared, primary, FailoverState::WaitPromotion);
    }
}

fn is_on_the_way(replica: &Replica) -> bool {
    matches!(replica.reconf, Reconf::Sent(_) | Reconf::InProgress)
}

/// The address of the replica that is promoted.
fn promoted_address(primary: &Primary) -> Option<Address> {
    let promoted = primary.promoted()?;
    Some(promoted.node.watch.address.clone())
}

/// Orders the replicas to follow the new primary, `parallel-syncs` at a time.
fn reconf_replicas(shared: &mut Shared, primary: &mut Primary) {
    let Some(to) = promoted_address(primary) else {
        return;
    };
    let now = shared.now;
    let on_the_way = primary.replicas.values().filter(|r| is_on_the_way(r));
    let mut on_the_way = on_the_way.count() as Ms;
    let names: Vec<Vec<u8>> = primary.replicas.keys().cloned().collect();
    for name in names {
        if on_the_way >= primary.settings.parallel_syncs {
            break;
        }
        let is_promoted = primary.is_promoted(&name);
        let replica = primary.replicas.get_mut(&name).expect("a key of the map");
        if is_promoted || replica.reconf == Reconf::Done {
            continue;
        }
        // A replica that does not follow is left alone: `refresh` will find it at the wrong
        // primary.
        if let Reconf::Sent(at) = replica.reconf
            && now - at > shared.periods.reconf_timeout
        {
            replica.reconf = Reconf::Done;
            let channel = "-slave-reconf-sent-timeout";
            report_replica(shared, primary, &name, Level::Notice, channel);
            let text = "does not follow in time: the failover continues without it";
            record::reconf(shared, primary, &name, text);
            continue;
        }
        let is_up = shared.links.get(replica.node.watch.link).is_up();
        if is_on_the_way(replica) || !is_up {
            continue;
        }
        if orders::send_replica_of(shared, &replica.node, &primary.settings, Some(&to)) {
            replica.reconf = Reconf::Sent(now);
            let channel = "+slave-reconf-sent";
            report_replica(shared, primary, &name, Level::Notice, channel);
            record::reconf(shared, primary, &name, "is sent SLAVEOF");
            on_the_way += 1;
        }
    }
}

/// Ends the state when all replicas that can be reached follow the new primary, or the time is up.
fn detect_end(shared: &mut Shared, primary: &mut Primary) {
    let now = shared.now;
    // The promoted replica must not be down.
    if primary
        .promoted()
        .is_none_or(|replica| replica.node.watch.is_down)
    {
        return;
    }
    let waits = |(name, replica): (&Vec<u8>, &Replica)| {
        let is_done = replica.reconf == Reconf::Done || primary.is_promoted(name);
        !is_done && !replica.node.watch.is_down
    };
    let is_waiting = primary.replicas.iter().any(waits);
    let waited = now - primary.failover.changed_at;
    let is_late = waited > primary.settings.failover_timeout_ms;
    let reporter = Reporter::new(primary, shared);
    if is_late {
        reporter.primary(shared, Level::Warning, "+failover-end-for-timeout", "");
        let text = "failover-timeout is over: the rest of the replicas is sent SLAVEOF at once";
        record::remark(shared, primary, text);
    }
    if is_late || !is_waiting {
        reporter.primary(shared, Level::Warning, "+failover-end", "");
        enter(shared, primary, FailoverState::UpdateConfig);
    }
    if is_late {
        notify_the_rest(shared, primary);
    }
}

/// Orders all other replicas that can be reached to follow the new primary, as the time is up.
fn notify_the_rest(shared: &mut Shared, primary: &mut Primary) {
    let Some(to) = promoted_address(primary) else {
        return;
    };
    let names: Vec<Vec<u8>> = primary.replicas.keys().cloned().collect();
    for name in names {
        let is_promoted = primary.is_promoted(&name);
        let replica = primary.replicas.get_mut(&name).expect("a key of the map");
        let is_reported = matches!(replica.reconf, Reconf::Done | Reconf::Sent(_));
        let is_up = shared.links.get(replica.node.watch.link).is_up();
        if is_promoted || is_reported || !is_up {
            continue;
        }
        if orders::send_replica_of(shared, &replica.node, &primary.settings, Some(&to)) {
            replica.reconf = Reconf::Sent(shared.now);
            let channel = "+slave-reconf-sent-be";
            report_replica(shared, primary, &name, Level::Notice, channel);
            record::reconf(shared, primary, &name, "is sent SLAVEOF");
        }
    }
}

/// Ends a failover: the promoted replica is the primary now.
pub fn finish(shared: &mut Shared, primary: &mut Primary) {
    let Failover {
        state: FailoverState::UpdateConfig,
        ..
    } = primary.failover
    else {
        return;
    };
    let to = promoted_address(primary);
    let to = to.unwrap_or_else(|| primary.node.watch.address.clone());
    let from = primary.node.watch.address.clone();
    report_switch(shared, primary, (&from, &to));
    record::finished(shared, primary, &to);
    switch_address(shared, primary, to);
}

/// `+switch-master name old-ip old-port new-ip new-port`
pub(crate) fn report_switch(
    shared: &mut Shared,
    primary: &Primary,
    (from, to): (&Address, &Address),
) {
    let by_name = shared.globals.announce_hostnames;
    let (old, new) = (from.port.to_string(), to.port.to_string());
    let words: [&[u8]; 5] = [
        &primary.name,
        from.shown(by_name),
        old.as_bytes(),
        to.shown(by_name),
        new.as_bytes(),
    ];
    let reporter = Reporter::new(primary, shared);
    let text = words.join(&b' ');
    reporter.plain(shared, Level::Warning, "+switch-master", text);
}

/// Queues the script that reconfigures clients for a new primary.
pub(crate) fn run_reconfig_script(
    shared: &mut Shared,
    primary: &Primary,
    role: &str,
    from: &Address,
    to: &Address,
) {
    let script = &primary.settings.reconfig_script;
    if script.is_empty() {
        return;
    }
    let by_name = shared.globals.announce_hostnames;
    let port = |address: &Address| address.port.to_string().into_bytes();
    let place = |address: &Address| {
        let place = object().text("ip", address.shown(by_name));
        place.number("port", address.port)
    };
    let input = object()
        .text("kind", "reconfig")
        .text("primary", &primary.name)
        .text("role", role)
        .text("state", "start")
        .object("from", place(from))
        .object("to", place(to))
        .number("time_ms", shared.wall_ms)
        .number("epoch", primary.config_epoch)
        .line();
    let argv = vec![
        script.clone(),
        primary.name.clone(),
        role.as_bytes().to_vec(),
        b"start".to_vec(),
        from.shown(by_name).to_vec(),
        port(from),
        to.shown(by_name).to_vec(),
        port(to),
    ];
    shared.scripts.schedule(argv, input);
}
